//! [`Engine`](crate::engine::Engine) over mls-rs: the only place that names it.
//!
//! The embedder builds an [`mls_rs::Client`] with its crypto provider, its identity provider and its
//! signing identity. [`MlsEngine`] takes what it needs of it and puts storage, rules, lifetimes and
//! extension types of its own in place of the client's.
//!
//! Members are distinguished by their signature keys, as RFC 9420 section 7.3 wants, and not by identities: two people
//! of one name are two members, also where mls-rs would refuse the second. What the identity provider calls the
//! identity says only who comes back as the same. Commits of this crate change no signature key and no credential.
//! Another implementation's may: if the identity provider finds a valid successor, the roster follows
//! ([`Notice::MemberChanged`](crate::Notice::MemberChanged)). A credential is judged when it enters the group, at the
//! time it is then; one that expires later is reported
//! ([`Notice::CredentialExpired`](crate::Notice::CredentialExpired)) and puts nobody out.
//!
//! A group state is a value. mls-rs would change it in place, burn a key on a message that fails
//! and apply a commit to any state. Here each step works on a clone or on what can be read back. So a failure leaves
//! nothing behind, and a commit can only lead to the state that was made from the state it was built on.
//!
//! Do not turn on mls-rs's `rayon` where bytes must be the same in every run. Its other features may
//! be on: the rules are a whitelist, and prior epochs are dropped even where `prior_epoch` keeps them.

mod altered;
mod building;
mod ciphers;
mod client;
mod crypto;
mod curve;
mod engine;
mod error;
mod group;
mod hpke_keys;
mod identity;
mod judging;
mod leaves;
mod message;
mod params;
#[cfg(feature = "testing")]
pub mod private_keys;
mod processing;
mod rules;
mod settings;
mod storage;
mod survey;
#[cfg(all(test, feature = "testing"))]
mod tests;

/// ML-KEM-768 and X25519 as X-Wing, HKDF-SHA256, AES-128-GCM and Ed25519, which the AWS-LC provider has with its feature
/// `post-quantum`.
///
/// The code point, 65100, is a placeholder of mls-rs: nobody has registered it, another implementation may mean
/// something else by it, and a later mls-rs may number it anew. Use it where all members run the same version.
#[cfg(feature = "post-quantum")]
pub const X_WING: mls_rs::CipherSuite = mls_rs::CipherSuite::ML_KEM_768_X25519;

pub use self::ciphers::MlsCiphers;
pub use self::client::MlsEngine;
pub use self::group::MlsGroup;
pub use self::identity::{Refused, UniqueKeys};
pub use self::rules::{Broken, StrictRules};
pub use self::settings::{
    CLOCK_SKEW, EngineConfig, LEAF_ORIGIN_EXTENSION, MAX_LIFETIME, Options, PARAMS_EXTENSION,
    SPENT_EXTENSION, TREE_EXTENSION,
};
pub use self::storage::{GroupStateSlot, KeyPackageSlot};
