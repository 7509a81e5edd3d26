//! Common Access Tokens for the relay (draft-ietf-moq-c4m): who may publish on which track.
//!
//! Without them any session may publish any free track first, and its owner is then refused. A token belongs to one
//! SenderId in one group, with its later generations and its successors (`room~...`). Its owner may
//!
//! | action | where |
//! |---|---|
//! | SUBSCRIBE_TRACKS, SUBSCRIBE, FETCH | all of the group |
//! | PUBLISH | its own KeyPackage, Commit, tree and media tracks; every Welcome track |
//! | PUBLISH_NAMESPACE | `(group, commits, SenderId)`, under which it answers FETCH |
//!
//! A Welcome track is its recipient's, and any member may commit: that one is free to all that have a token.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use cat_token::{CatToken, Es256Algorithm, MoqtAction, MoqtScope, MoqtScopeBuilder, encode_token};
use moq_mls::tracks::{GroupName, GroupTracks, SenderId, TrackNamespace};
use moq_mls_tokio::create_private;
use moqtap_codec::varint::{Moqt18, VarInt};

use crate::mapping::COMMIT_TRACKS;
use crate::{commit_log, media};

/// SETUP option AUTHORIZATION TOKEN.
pub const AUTHORIZATION_TOKEN: u64 = 0x03;
/// Its alias type USE_VALUE.
const USE_VALUE: u64 = 0x3;
/// The token type of a Common Access Token.
const CAT: u64 = 0x1;
/// The longest that the relay lets a token be good.
pub const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// Signs tokens, with an ES256 key.
pub struct Issuer {
    signer: Es256Algorithm,
    public: String,
}

impl Issuer {
    /// Makes one that ends with this process.
    pub fn generate() -> Result<Self> {
        Self::of(&rcgen::KeyPair::generate()?)
    }

    /// Reads the key in `path`; makes it the first time, with its public part in `path` with `.pub` behind it.
    pub fn in_file(path: &Path) -> Result<Self> {
        let cannot = |what: &str, path: &Path| format!("cannot {what} {}", path.display());
        if !path.exists() {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder).with_context(|| cannot("make", folder))?;
            }
            let key = rcgen::KeyPair::generate()?.serialize_pem();
            create_private(path, key.as_bytes()).with_context(|| cannot("make", path))?;
        }
        let pem = std::fs::read_to_string(path).with_context(|| cannot("read", path))?;
        let key = rcgen::KeyPair::from_pem(&pem);
        let issuer = Self::of(&key.with_context(|| format!("{} is no private key in PEM", path.display()))?)?;
        let public = public_file(path);
        if !public.exists() {
            std::fs::write(&public, issuer.public_key()).with_context(|| cannot("write", &public))?;
        }
        Ok(issuer)
    }

    fn of(key: &rcgen::KeyPair) -> Result<Self> {
        let signer = Es256Algorithm::from_private_key_pem(&key.serialize_pem())
            .ok()
            .context("a token's key is for ES256 (ECDSA with P-256)")?;
        Ok(Self { signer, public: key.public_key_pem() })
    }

    /// Returns the public part as PEM, for the relay.
    pub fn public_key(&self) -> &str {
        &self.public
    }

    /// Makes a token for `sender` in `group`.
    ///
    /// # Errors
    /// If it should last longer than [`LONGEST`].
    pub fn issue(&self, group: &GroupName, sender: &SenderId, lasts: Duration) -> Result<Bytes> {
        ensure!(lasts <= LONGEST, "the relay takes no token that lasts longer than {} h", hours(LONGEST));
        let mut token = CatToken::new()
            .with_expires_in(i64::try_from(lasts.as_secs())?)
            .with_moqt_scope(MoqtScopeBuilder::new().action(MoqtAction::ClientSetup).build());
        for scope in scopes(group, sender)? {
            token = token.with_moqt_scope(scope);
        }
        let token = encode_token(&token, &self.signer).map_err(|e| anyhow::anyhow!("token: {e}"))?;
        Ok(token.into())
    }
}

/// Where the public part of a key is kept.
pub fn public_file(key: &Path) -> PathBuf {
    let mut name = key.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}

fn hours(time: Duration) -> u64 {
    time.as_secs() / 3600
}

fn scopes(group: &GroupName, sender: &SenderId) -> Result<Vec<MoqtScope>> {
    let root = GroupName::new(group.root())?;
    let tracks = GroupTracks::new(root.clone(), COMMIT_TRACKS);
    let mut scopes = Vec::new();
    let mut in_both = |namespace: &TrackNamespace, finish: &dyn Fn(MoqtScopeBuilder) -> MoqtScopeBuilder| {
        let (name, below) = namespace.fields().split_first().context("a namespace without a group")?;
        let later = [name, &b"~"[..]].concat();
        for first in
            [MoqtScopeBuilder::new().namespace_exact(name), MoqtScopeBuilder::new().namespace_prefix(&later)]
        {
            let scope = below.iter().fold(first, |scope, field| scope.namespace_exact(field));
            scopes.push(finish(scope).build());
        }
        anyhow::Ok(())
    };
    in_both(&TrackNamespace::new(vec![root.as_bytes().clone()])?, &|scope| scope.subscriber())?;
    let me = sender.as_bytes();
    for namespace in [
        tracks.key_package_namespace(),
        tracks.commit_namespace(),
        tracks.tree_namespace(),
        media::namespace(&root)?,
    ] {
        in_both(&namespace, &|scope| scope.action(MoqtAction::Publish).namespace_nil().track_exact(me))?;
    }
    // Below it are the recipients.
    in_both(&tracks.welcome_namespace(), &|scope| scope.action(MoqtAction::Publish))?;
    let answers = commit_log::track(&tracks.commit_namespace(), sender)?.namespace;
    in_both(&answers, &|scope| scope.action(MoqtAction::PublishNamespace).namespace_nil())?;
    Ok(scopes)
}

/// Where a participant has its token from.
#[derive(Clone)]
pub enum RelayToken {
    /// Itself.
    Bytes(Bytes),
    /// A file with its text, read anew for each session: it may be replaced before the token's time is over.
    File(PathBuf),
}

impl fmt::Debug for RelayToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(_) => f.write_str("RelayToken"),
            Self::File(path) => write!(f, "RelayToken({})", path.display()),
        }
    }
}

impl RelayToken {
    /// Returns the value of the SETUP option AUTHORIZATION TOKEN.
    ///
    /// # Errors
    /// If the file cannot be read, or holds no token.
    pub fn option(&self) -> Result<Vec<u8>> {
        let mut value = Vec::new();
        for number in [USE_VALUE, CAT] {
            VarInt::from_u64_moqt(number).encode_moqt::<Moqt18>(&mut value);
        }
        match self {
            Self::Bytes(token) => value.extend_from_slice(token),
            Self::File(path) => {
                let text = std::fs::read_to_string(path);
                let text = text.with_context(|| format!("cannot read {}", path.display()))?;
                value.extend_from_slice(&parse(&text).with_context(|| format!("{}", path.display()))?);
            }
        }
        Ok(value)
    }
}

/// A token as text.
pub fn print(token: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(token)
}

fn parse(text: &str) -> Result<Vec<u8>> {
    let token = URL_SAFE_NO_PAD.decode(text.trim()).ok().filter(|token| !token.is_empty());
    token.context("no relay token: `relay-token` prints one")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn tuple(fields: &[&str]) -> Vec<Vec<u8>> {
        fields.iter().map(|field| field.as_bytes().to_vec()).collect()
    }

    #[test]
    fn a_member_publishes_on_its_own_tracks_of_its_group_only() {
        let scopes =
            scopes(&GroupName::try_from("room~2").unwrap(), &SenderId::new("a11ce").unwrap()).unwrap();
        let may = |action: MoqtAction, fields: &[&str], track: &str| {
            scopes.iter().any(|scope| {
                scope.allows_action(&action)
                    && scope.matches_namespace(&tuple(fields))
                    && scope.matches_track(track.as_bytes())
            })
        };
        for group in ["room", "room~2", "room~s0123456789abcdef0123456789abcdef"] {
            for kind in ["keypackages", "commits", "trees", "media"] {
                assert!(may(MoqtAction::Publish, &[group, kind], "a11ce"), "{group} {kind}");
                assert!(!may(MoqtAction::Publish, &[group, kind], "b0b"), "{group} {kind}");
                assert!(!may(MoqtAction::Publish, &[group, kind, "a11ce"], "a11ce"), "{group} {kind}");
                assert!(may(MoqtAction::Subscribe, &[group, kind], "b0b"), "{group} {kind}");
                assert!(may(MoqtAction::SubscribeNamespace, &[group, kind], ""), "{group} {kind}");
            }
            assert!(may(MoqtAction::Publish, &[group, "welcome", "b0b"], "welcome"), "{group}");
            assert!(may(MoqtAction::PublishNamespace, &[group, "commits", "a11ce"], ""), "{group}");
            assert!(!may(MoqtAction::PublishNamespace, &[group, "commits", "b0b"], ""), "{group}");
            assert!(!may(MoqtAction::PublishNamespace, &[group], ""), "{group}");
            assert!(may(MoqtAction::Fetch, &[group, "commits", "b0b"], "seen"), "{group}");
        }
        for group in ["roomy", "hall", "roo", ""] {
            for action in [MoqtAction::Publish, MoqtAction::Subscribe, MoqtAction::Fetch] {
                assert!(!may(action, &[group, "keypackages"], "a11ce"), "{group}");
            }
        }
    }

    #[test]
    fn a_key_is_made_once_and_its_public_part_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("relay/tokens.key");
        let public = Issuer::in_file(&path).unwrap().public_key().to_owned();
        assert_eq!(Issuer::in_file(&path).unwrap().public_key(), public);
        assert_eq!(std::fs::read_to_string(public_file(&path)).unwrap(), public);
        std::fs::write(&path, "no key").unwrap();
        let error = Issuer::in_file(&path).err().unwrap();
        assert!(format!("{error:#}").contains("no private key"), "{error:#}");
    }

    #[test]
    fn a_token_is_good_for_a_week_at_most() {
        let issuer = Issuer::generate().unwrap();
        let (group, sender) = (GroupName::try_from("room").unwrap(), SenderId::new("a11ce").unwrap());
        assert!(issuer.issue(&group, &sender, LONGEST).is_ok());
        assert!(issuer.issue(&group, &sender, LONGEST + Duration::from_secs(1)).is_err());
    }
}
