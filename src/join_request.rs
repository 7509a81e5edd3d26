//! Who asks to be let in, as the embedder sees it and answers for it.

use bytes::Bytes;

use crate::engine::{Credential, KeyPackageInfo};
use crate::tracks::SenderId;

/// Names who asks to be let in: a signature key, by its [`SenderId`], and the credential shown with it.
///
/// [`Notice::JoinRequested`](crate::Notice::JoinRequested) brings one, and [`Command::Admit`](crate::Command::Admit)
/// takes it back. Nobody but this key with this very credential is let in by it. A joiner renews its KeyPackage every
/// few seconds, so the KeyPackages that follow with both the same are admitted too. A client that holds the key and
/// shows another credential is asked about again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JoinRequest {
    sender: SenderId,
    credential: Credential,
    key_package_ref: Option<Bytes>,
}

impl JoinRequest {
    /// Names a client that has not asked yet, or not here: one that was invited, or one that was removed and may
    /// come back.
    pub fn expected(sender: SenderId, credential: Credential) -> Self {
        Self { sender, credential, key_package_ref: None }
    }

    /// Names the client that a KeyPackage is of.
    pub fn of(info: &KeyPackageInfo) -> Self {
        Self {
            sender: info.sender.clone(),
            credential: info.credential.clone(),
            key_package_ref: Some(info.key_package_ref.clone()),
        }
    }

    /// Returns the same with the KeyPackageRef by which it was seen: for a log or a binding, which took a request apart
    /// and puts it together again.
    #[must_use]
    pub fn seen_by(self, key_package_ref: Bytes) -> Self {
        Self { key_package_ref: Some(key_package_ref), ..self }
    }

    /// Returns the fingerprint of the signature key.
    pub fn sender(&self) -> &SenderId {
        &self.sender
    }

    /// Returns the credential, which the identity provider found valid if a KeyPackage showed it.
    pub fn credential(&self) -> &Credential {
        &self.credential
    }

    /// Returns the KeyPackageRef (RFC 9420 section 5.2) of the KeyPackage that asked, a hash of the cipher suite's
    /// length: 32 bytes with SHA-256. `None` for one who is only [expected](Self::expected).
    pub fn key_package_ref(&self) -> Option<&Bytes> {
        self.key_package_ref.as_ref()
    }
}
