//! The numbers, types and options of the client inside the engine.

use std::ops::RangeInclusive;
use std::time::Duration;

use mls_rs::client_builder::{
    MakeConfig, PaddingMode, WithGroupStateStorage, WithIdentityProvider, WithKeyPackageRepo, WithMlsRules,
    WithPskStore,
};
use mls_rs::storage_provider::in_memory::InMemoryPreSharedKeyStorage;

use crate::mls::identity::UniqueKeys;
pub use crate::mls::params::PARAMS_EXTENSION;
use crate::mls::rules::StrictRules;
use crate::mls::storage::{GroupStateSlot, KeyPackageSlot};

/// The leaf extension with a [`LeafOrigin`](crate::codec::leaf_origin::LeafOrigin): the object id of the KeyPackage
/// that the leaf came from, and the group's [mark](crate::engine::GroupMark) (ours; private use, RFC 9420 section 17.3).
pub const LEAF_ORIGIN_EXTENSION: u16 = 0xF0A0;

/// The GroupInfo extension that says where the ratchet tree is, in a Welcome that comes without it: a
/// [`RatchetTreeObject`](crate::engine::RatchetTreeObject) (ours; private use).
pub const TREE_EXTENSION: u16 = 0xF0A2;

/// The GroupInfo extension with the highest spent object id, 8 bytes big-endian:
/// [`Attached::spent`](crate::engine::Attached::spent) (ours; private use).
pub const SPENT_EXTENSION: u16 = 0xF0A3;

/// A KeyPackage of this crate with a longer lifetime is refused: its maker does not mean to expire.
pub const MAX_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);
/// A KeyPackage begins to live this much before it is made, for readers whose clocks are behind.
pub const CLOCK_SKEW: Duration = Duration::from_secs(3600);
/// Lengths of a small Welcome, bytes. A small Welcome with its tree inside is joined by when it is looked into, so that
/// it is opened once. A forged one costs the check of the few leaves that it has room for. A shorter one cannot hold
/// the tree of two members.
pub(super) const SMALL_WELCOME: RangeInclusive<usize> = 600..=8 * 1024;

/// The configuration of the client inside a [`MlsEngine`](crate::mls::MlsEngine), for an embedder's client with `C`.
pub type EngineConfig<C> = WithMlsRules<
    StrictRules,
    WithPskStore<
        InMemoryPreSharedKeyStorage,
        WithGroupStateStorage<
            GroupStateSlot,
            WithKeyPackageRepo<KeyPackageSlot, WithIdentityProvider<UniqueKeys, MakeConfig<C>>>,
        >,
    >,
>;

/// Far too large to be moved about.
pub(super) type Inner<C> = Box<mls_rs::Group<EngineConfig<C>>>;

/// What an embedder may set.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// How long a KeyPackage is valid, [`MAX_LIFETIME`] less [`CLOCK_SKEW`] at most.
    pub key_package_lifetime: Duration,
    /// How long a KeyPackage may live whose leaf says nothing of where it comes from, as one of a peer that knows only
    /// the draft ([`SafetyMode::Advisory`](crate::SafetyMode::Advisory) alone lets such peers in). RFC 9420 section 7.2
    /// leaves it to the application. `Duration::MAX` takes those that never expire.
    pub draft_lifetime: Duration,
    /// How encrypted messages are padded.
    pub padding: PaddingMode,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            key_package_lifetime: Duration::from_secs(24 * 3600),
            // A year, which is what mls-rs gives its own, and the margins that implementations put before it.
            draft_lifetime: Duration::from_secs(366 * 24 * 3600),
            padding: PaddingMode::Padme,
        }
    }
}
