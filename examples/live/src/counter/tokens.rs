//! Bearer tokens: who may ask about which group. The draft leaves it open (section 7, TODO).
//!
//! A token belongs to one SenderId and allows it some groups, and all later generations of each (`room~...`).
//! Only a token of scope `create` takes slot 0 of one. Taking its line out of the file revokes it,
//! within a second and without a restart; do so before the member is removed from the group.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail, ensure};
use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use moq_mls::counter::Reason;
use moq_mls::tracks::{GroupName, SenderId};

/// How often the file is looked at.
const FRESH: Duration = Duration::from_millis(500);

/// Whose a token is, and for which groups.
struct Grant {
    sender: SenderId,
    /// The groups by the root of their names, and whether it may create them.
    groups: BTreeMap<Bytes, bool>,
}

/// What a token allows.
#[derive(Clone, Debug, PartialEq)]
pub struct Allowed {
    /// Whose it is.
    pub sender: SenderId,
    /// It may take slot 0 of the group's counter.
    pub create: bool,
}

/// By the hash of the token: looking one up then takes no time that depends on how much of it was guessed.
#[derive(Default)]
struct Grants(BTreeMap<Vec<u8>, Grant>);

/// Which token is whose, and for which groups.
#[derive(Default)]
pub struct Tokens {
    grants: Mutex<Grants>,
    file: Option<Mutex<Watched>>,
}

struct Watched {
    path: PathBuf,
    looked: Instant,
    seen: Option<(SystemTime, u64)>,
}

impl Tokens {
    /// Reads lines of `TOKEN GROUP SENDER_ID`, `create` behind it if it may do that; `#` begins a comment. Follows the file from then on.
    pub fn load(path: &Path) -> Result<Self> {
        let seen = version(path);
        let grants = Grants::load(path)?;
        let file = Watched { path: path.to_owned(), looked: Instant::now(), seen };
        Ok(Self { grants: Mutex::new(grants), file: Some(Mutex::new(file)) })
    }

    /// Lets `sender`, who shows `token`, ask about `group`, and create it if `create` says so.
    pub fn add(&mut self, token: &str, group: &GroupName, sender: SenderId, create: bool) -> Result<()> {
        self.grants.get_mut().unwrap_or_else(PoisonError::into_inner).add(token, group, sender, create)
    }

    /// Who asks: `Unauthenticated` (401) without a token, `Forbidden` (403) with one that is not for this group.
    pub fn allow(&self, group: &GroupName, token: Option<&str>) -> Result<Allowed, Reason> {
        self.follow();
        let token = token.ok_or(Reason::Unauthenticated)?;
        let grants = self.grants.lock().unwrap_or_else(PoisonError::into_inner);
        let grant = grants.0.get(&hash(token)).ok_or(Reason::Forbidden)?;
        // The name of a successor says itself who may begin with it.
        let create =
            *grant.groups.get(&group.root()).ok_or(Reason::Forbidden)? || group.founding_hash().is_some();
        Ok(Allowed { sender: grant.sender.clone(), create })
    }

    /// Reads the file again if it has changed. One that cannot be read changes nothing, and is said aloud.
    fn follow(&self) {
        let Some(file) = &self.file else { return };
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        if file.looked.elapsed() < FRESH {
            return;
        }
        file.looked = Instant::now();
        let version = version(&file.path);
        if version == file.seen {
            return;
        }
        file.seen = version;
        match Grants::load(&file.path) {
            Ok(grants) => {
                tracing::info!(tokens = grants.0.len(), "tokens read again");
                *self.grants.lock().unwrap_or_else(PoisonError::into_inner) = grants;
            }
            Err(error) => tracing::error!(error = format!("{error:#}"), "tokens: the ones before stand"),
        }
    }
}

impl Grants {
    fn load(path: &Path) -> Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut grants = Self::default();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            // The line itself is not shown: it holds a secret.
            let expected = "TOKEN GROUP SENDER_ID [create] expected";
            let at = || format!("{}: line {}: {expected}", path.display(), number + 1);
            let (token, group, sender, create) = match line.split_whitespace().collect::<Vec<_>>()[..] {
                [token, group, sender] => (token, group, sender, false),
                [token, group, sender, "create"] => (token, group, sender, true),
                _ => bail!("{}", at()),
            };
            let sender = SenderId::new(sender.to_owned()).with_context(at)?;
            // Its later generations are covered; a name that is one would cover its root.
            let group = GroupName::chosen(group.to_owned()).with_context(at)?;
            grants.add(token, &group, sender, create).with_context(at)?;
        }
        Ok(grants)
    }

    fn add(&mut self, token: &str, group: &GroupName, sender: SenderId, create: bool) -> Result<()> {
        let fresh = Grant { sender: sender.clone(), groups: BTreeMap::new() };
        let grant = self.0.entry(hash(token)).or_insert(fresh);
        ensure!(grant.sender == sender, "a token is one participant's only");
        *grant.groups.entry(group.root()).or_default() |= create;
        Ok(())
    }
}

fn version(path: &Path) -> Option<(SystemTime, u64)> {
    let data = std::fs::metadata(path).ok()?;
    Some((data.modified().ok()?, data.len()))
}

fn hash(token: &str) -> Vec<u8> {
    digest(&SHA256, token.as_bytes()).as_ref().to_vec()
}
