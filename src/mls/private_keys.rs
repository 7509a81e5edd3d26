//! A KeyPackage's private keys, one by one: what passive-client vectors hold (feature `testing`).

use bytes::Bytes;
use mls_rs::client_builder::MlsConfig;
use mls_rs::crypto::HpkeSecretKey;
use mls_rs::mls_rs_codec::{MlsDecode, MlsEncode};
use mls_rs::storage_provider::KeyPackageData;

use crate::engine::{EngineError, OwnKeyPackage};
use crate::mls::client::MlsEngine;
use crate::mls::error::Stop;
use crate::mls::message::parse;
use crate::secret::Secret;
use crate::time::Timestamp;

/// The private keys of a KeyPackage, raw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivateKeys {
    /// Of the init key: opens the Welcome.
    pub init: Secret,
    /// Of the leaf's encryption key: opens commit paths.
    pub encryption: Secret,
}

impl PrivateKeys {
    /// The keys inside a KeyPackage that an [`MlsEngine`] made.
    ///
    /// # Errors
    /// [`EngineError::State`] for one of another engine.
    pub fn of(key: &OwnKeyPackage) -> Result<Self, EngineError> {
        let data =
            KeyPackageData::mls_decode_exhaustive(key.secret.as_bytes()).map_err(|_| EngineError::State)?;
        Ok(Self {
            init: Secret::new(data.init_key.as_ref().to_vec()),
            encryption: Secret::new(data.leaf_node_key.as_ref().to_vec()),
        })
    }
}

impl<C: MlsConfig> MlsEngine<C> {
    /// Makes an own KeyPackage from its MLSMessage and its private keys, as if this engine had made it.
    ///
    /// # Errors
    /// [`EngineError::State`] for bytes that are no KeyPackage message: it would be this client's own.
    pub fn adopt_key_package(
        &self,
        message: Bytes,
        keys: &PrivateKeys,
    ) -> Result<OwnKeyPackage, EngineError> {
        let parsed = parse(&message).map_err(|_| EngineError::State)?;
        parsed.as_key_package().ok_or(EngineError::State)?;
        let secret = |key: &Secret| HpkeSecretKey::from(key.as_bytes().to_vec());
        // MLSMessage is version, wire format, KeyPackage.
        let key_package = message.get(4..).unwrap_or_default().to_vec();
        let data = KeyPackageData::new(key_package, secret(&keys.init), secret(&keys.encryption), u64::MAX);
        Ok(OwnKeyPackage {
            object_id: 0,
            key_package_ref: self.primitives.key_package_ref(&parsed).map_err(Stop::ours)?.into(),
            message,
            secret: Secret::new(data.mls_encode_to_vec().map_err(|e| EngineError::Provider(Box::new(e)))?),
            expires: Timestamp::from_millis(u64::MAX),
        })
    }
}
