//! Bearer tokens: who may ask about which group. The draft leaves it open (section 7, TODO).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};
use aws_lc_rs::digest::{SHA256, digest};
use moq_mls::counter::Reason;
use moq_mls::tracks::GroupName;

/// Which token is for which groups. Tokens are kept as hashes: looking one up then takes no time that
/// depends on how much of it was guessed.
#[derive(Clone, Default)]
pub struct Tokens(BTreeMap<Vec<u8>, BTreeSet<GroupName>>);

impl Tokens {
    /// Reads lines of `TOKEN GROUP`; `#` begins a comment.
    pub fn load(path: &Path) -> Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut tokens = Self::default();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let at = || format!("{}: line {}: TOKEN GROUP expected", path.display(), number + 1);
            let (token, group) = line.split_once(char::is_whitespace).with_context(at)?;
            tokens.add(token, GroupName::try_from(group.trim()).with_context(at)?);
        }
        Ok(tokens)
    }

    /// Lets `token` ask about `group`.
    pub fn add(&mut self, token: &str, group: GroupName) {
        self.0.entry(hash(token)).or_default().insert(group);
    }

    /// `Unauthenticated` (401) without a token, `Forbidden` (403) with one that is not for this group.
    pub fn allow(&self, group: &GroupName, token: Option<&str>) -> Result<(), Reason> {
        let token = token.ok_or(Reason::Unauthenticated)?;
        let groups = self.0.get(&hash(token)).ok_or(Reason::Forbidden)?;
        if groups.contains(group) { Ok(()) } else { Err(Reason::Forbidden) }
    }
}

fn hash(token: &str) -> Vec<u8> {
    digest(&SHA256, token.as_bytes()).as_ref().to_vec()
}
