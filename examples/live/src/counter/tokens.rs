//! Bearer tokens: who may ask about which group, and what. The draft leaves it open (section 7, TODO).
//!
//! A token belongs to one SenderId and allows it some groups, and all later generations of each (`room~...`). Each line of
//! the file says what: see [`Scopes`]. Taking a line out of the file revokes it, within a second and without a
//! restart; do so before the member is removed from the group.
//!
//! A file that changes is taken whole or not at all. It is read when nothing has been written to it for [`SETTLED`],
//! every line must be good, and the last one must end with a newline.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail, ensure};
use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use moq_mls::counter::Reason;
use moq_mls::tracks::{GroupName, SenderId};
use percent_encoding::percent_decode_str;

/// How often the file is looked at.
const FRESH: Duration = Duration::from_millis(500);
/// How long the file must rest before it is read: one that is written in place is whole then.
const SETTLED: Duration = Duration::from_millis(400);
/// What a line is.
const LINE: &str = "TOKEN GROUP SENDER_ID [read|lock|increment|create,..] [rate=N] [groups=N] expected";

/// What a token allows in a group, besides reading: which slots are filled, and by which commits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes {
    /// It may take locks.
    pub lock: bool,
    /// It may fill slots.
    pub increment: bool,
    /// It may take slot 0 of the group's counter.
    pub create: bool,
}

impl Scopes {
    /// What a member needs that founds no group; what a line without scopes allows.
    pub const MEMBER: Self = Self { lock: true, increment: true, create: false };
    /// Everything.
    pub const FOUNDER: Self = Self { create: true, ..Self::MEMBER };

    /// Reads names with commas between. Who creates a group locks its slot and fills it.
    fn parse(text: &str) -> Option<Self> {
        text.split(',').try_fold(Self::default(), |scopes, name| {
            Some(match name {
                "read" => scopes,
                "lock" => Self { lock: true, ..scopes },
                "increment" => Self { increment: true, ..scopes },
                "create" => Self::FOUNDER,
                _ => return None,
            })
        })
    }

    fn and(self, more: Self) -> Self {
        Self {
            lock: self.lock || more.lock,
            increment: self.increment || more.increment,
            create: self.create || more.create,
        }
    }
}

/// How much a token allows, where that is not what the service allows every client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quotas {
    /// Requests per second.
    pub rate: Option<u32>,
    /// Groups that it may found at once.
    pub groups: Option<u32>,
}

/// Whose a token is, and for which groups.
struct Grant {
    sender: SenderId,
    quotas: Quotas,
    /// The groups by the root of their names.
    groups: BTreeMap<Bytes, Scopes>,
}

/// What a token allows.
#[derive(Clone, Debug, PartialEq)]
pub struct Allowed {
    /// Whose it is.
    pub sender: SenderId,
    /// What it allows in the group.
    pub scopes: Scopes,
    /// How much it allows.
    pub quotas: Quotas,
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
    seen: Option<Version>,
}

impl Tokens {
    /// Reads lines of `TOKEN GROUP SENDER_ID`, with scopes and quotas behind; `#` begins a comment. Follows the file from
    /// then on.
    pub fn load(path: &Path) -> Result<Self> {
        let seen = Version::of(path);
        let grants = Grants::load(path)?;
        let file = Watched { path: path.to_owned(), looked: Instant::now(), seen };
        Ok(Self { grants: Mutex::new(grants), file: Some(Mutex::new(file)) })
    }

    /// Lets `sender`, who shows `token`, ask about `group` within `scopes`.
    pub fn add(&mut self, token: &str, group: &GroupName, sender: SenderId, scopes: Scopes) -> Result<()> {
        let grants = self.grants.get_mut().unwrap_or_else(PoisonError::into_inner);
        grants.add(token, group, sender, (scopes, Quotas::default()))
    }

    /// Says who asks: `Unauthenticated` (401) without a token, `Forbidden` (403) with one that is not for this group.
    pub fn allow(&self, group: &GroupName, token: Option<&str>) -> Result<Allowed, Reason> {
        self.follow();
        let token = token.ok_or(Reason::Unauthenticated)?;
        let grants = self.grants.lock().unwrap_or_else(PoisonError::into_inner);
        let grant = grants.0.get(&hash(token)).ok_or(Reason::Forbidden)?;
        let mut scopes = *grant.groups.get(&group.root()).ok_or(Reason::Forbidden)?;
        // The name of a successor says itself who may begin with it.
        scopes.create |= scopes.increment && group.founding_hash().is_some();
        Ok(Allowed { sender: grant.sender.clone(), scopes, quotas: grant.quotas })
    }

    /// Reads the file again if it has changed. One that cannot be read changes nothing, and is reported.
    fn follow(&self) {
        let Some(file) = &self.file else { return };
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        if file.looked.elapsed() < FRESH {
            return;
        }
        file.looked = Instant::now();
        let version = Version::of(&file.path);
        if version == file.seen || version.as_ref().is_some_and(Version::is_being_written) {
            return;
        }
        let read = Grants::load(&file.path);
        if Version::of(&file.path) != version {
            return;
        }
        file.seen = version;
        let path = file.path.display();
        match read {
            Ok(grants) => {
                let mut before = self.grants.lock().unwrap_or_else(PoisonError::into_inner);
                let is_in = |grants: &Grants, token: &&Vec<u8>| grants.0.contains_key(*token);
                let added = grants.0.keys().filter(|token| !is_in(&before, token)).count();
                let removed = before.0.keys().filter(|token| !is_in(&grants, token)).count();
                tracing::info!(%path, tokens = grants.0.len(), added, removed, "the token file was replaced");
                *before = grants;
            }
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(error, "the token file was not taken: the tokens of before stay in force");
            }
        }
    }
}

impl Grants {
    fn load(path: &Path) -> Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        ensure!(
            text.is_empty() || text.ends_with('\n'),
            "{}: the last line does not end with a newline: the file may be cut short",
            path.display()
        );
        let mut grants = Self::default();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            // The line itself is not shown: it holds a secret.
            let at = || format!("{}: line {}: {LINE}", path.display(), number + 1);
            let mut fields = line.split_whitespace();
            let (Some(token), Some(group), Some(sender)) = (fields.next(), fields.next(), fields.next())
            else {
                bail!("{}", at())
            };
            let sender = SenderId::new(sender.to_owned()).with_context(at)?;
            let group = unescape(group).with_context(at)?;
            let allowed = allowed(fields).with_context(at)?;
            grants.add(token, &group, sender, allowed).with_context(at)?;
        }
        Ok(grants)
    }

    fn add(
        &mut self,
        token: &str,
        group: &GroupName,
        sender: SenderId,
        (scopes, quotas): (Scopes, Quotas),
    ) -> Result<()> {
        let fresh = Grant { sender: sender.clone(), quotas, groups: BTreeMap::new() };
        let grant = self.0.entry(hash(token)).or_insert(fresh);
        ensure!(grant.sender == sender, "a token is one participant's only");
        ensure!(grant.quotas == quotas, "each line of a token has the same rate= and groups=");
        let all = grant.groups.entry(group.root()).or_default();
        *all = all.and(scopes);
        Ok(())
    }
}

/// Reads a group name with percent escapes, as in the service's URLs: `my%20group`. Its later generations are covered;
/// a name that is one would cover its root.
fn unescape(text: &str) -> Result<GroupName> {
    let is_escape = |rest: &str| rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    ensure!(
        text.split('%').skip(1).all(is_escape),
        "in a group name, write a space as %20 and a percent sign as %25"
    );
    Ok(GroupName::chosen(percent_decode_str(text).collect::<Vec<u8>>())?)
}

/// Reads what is behind the SenderId.
fn allowed<'a>(fields: impl Iterator<Item = &'a str>) -> Result<(Scopes, Quotas)> {
    let (mut scopes, mut quotas) = (None, Quotas::default());
    for field in fields {
        match field.split_once('=') {
            None if scopes.is_none() => {
                scopes = Some(Scopes::parse(field).context("a scope that is unknown")?);
            }
            Some(("rate", number)) if quotas.rate.is_none() => quotas.rate = Some(at_least_one(number)?),
            Some(("groups", number)) if quotas.groups.is_none() => quotas.groups = Some(number.parse()?),
            _ => bail!("a field too many, or one that is unknown"),
        }
    }
    Ok((scopes.unwrap_or(Scopes::MEMBER), quotas))
}

fn at_least_one(number: &str) -> Result<u32> {
    let number = number.parse()?;
    ensure!(number > 0, "a rate of 0 allows nothing: take the line out");
    Ok(number)
}

/// What tells two states of a file apart.
#[derive(PartialEq)]
struct Version {
    modified: SystemTime,
    len: u64,
    inode: u64,
}

impl Version {
    fn of(path: &Path) -> Option<Self> {
        let data = std::fs::metadata(path).ok()?;
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(&data);
        #[cfg(not(unix))]
        let inode = 0;
        Some(Self { modified: data.modified().ok()?, len: data.len(), inode })
    }

    fn is_being_written(&self) -> bool {
        // A time from the future is that of another clock.
        self.modified.elapsed().is_ok_and(|age| age < SETTLED)
    }
}

fn hash(token: &str) -> Vec<u8> {
    digest(&SHA256, token.as_bytes()).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Tokens> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.txt");
        std::fs::write(&path, text).unwrap();
        Tokens::load(&path)
    }

    #[test]
    fn a_line_says_what_its_token_allows() {
        let read = Scopes::default();
        for (behind, scopes, quotas) in [
            ("", Scopes::MEMBER, (None, None)),
            ("create", Scopes::FOUNDER, (None, None)),
            ("read", read, (None, None)),
            ("read,lock", Scopes { lock: true, ..read }, (None, None)),
            ("increment rate=5", Scopes { increment: true, ..read }, (Some(5), None)),
            ("groups=0 lock,increment rate=1", Scopes::MEMBER, (Some(1), Some(0))),
        ] {
            let tokens = load(&format!("t my%20group a11ce {behind}\n")).unwrap();
            let allowed = tokens.allow(&GroupName::try_from("my group").unwrap(), Some("t")).unwrap();
            assert_eq!(allowed.scopes, scopes, "{behind}");
            assert_eq!((allowed.quotas.rate, allowed.quotas.groups), quotas, "{behind}");
        }
    }

    #[test]
    fn group_names_have_the_escapes_of_urls() {
        for (text, name) in
            [("a%20b", &b"a b"[..]), ("50%25", b"50%"), ("caf%C3%A9", "café".as_bytes()), ("%ff", &[255])]
        {
            assert_eq!(&unescape(text).unwrap().as_bytes()[..], name);
        }
        for damaged in ["50%", "%2", "%zz", "a%2~", "room~1", "room%7e1", ""] {
            assert!(unescape(damaged).is_err(), "{damaged}");
        }
    }

    #[test]
    fn damage_is_named_by_its_line_without_the_token() {
        for (text, said) in [
            ("# one\nsecret room\n", "line 2"),
            ("secret room a11ce make\n", "a scope that is unknown"),
            ("secret room a11ce rate=0\n", "a rate of 0"),
            ("secret room a11ce rate=1 rate=2\n", "a field too many"),
            ("secret my group a11ce\n", "line 1"),
            ("secret my%group a11ce\n", "%20"),
            ("secret room a11ce rate=1\nsecret hall a11ce rate=2\n", "the same rate="),
            ("secret room a11ce\nsecret room b0", "cut short"),
        ] {
            let error = format!("{:#}", load(text).err().unwrap());
            assert!(error.contains(said) && !error.contains("secret"), "{error}");
        }
    }
}
