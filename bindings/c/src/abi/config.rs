//! The configuration of a participant.

use moq_mls_boundary::config::{KeysConfig, Limits, Timers};

use super::Bytes;

/// Members by their SenderIds.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Committers {
    /// 1 if only the members below are meant, 0 for all members.
    pub only: u8,
    /// The first SenderId.
    pub senders: *const Bytes,
    /// How many there are.
    pub len: usize,
}

/// How a participant takes part in a group. `moq_mls_config_default` fills it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// The size of this struct as the caller knows it, bytes.
    pub size: u32,
    /// How the winner of an epoch is decided, a `SafetyMode`. The same for all members.
    pub mode: u32,
    /// Where commits are published, a `CommitTracks`. The same for all members.
    pub commit_tracks: u32,
    /// Who may join, an `Admission`.
    pub admission: u32,
    /// The group name: 1 to 255 bytes.
    pub group: Bytes,
    /// The counter service's Ed25519 public key, if it signs receipts; may be absent. The same for all members.
    pub service_key: Bytes,
    /// The members whose commits may add.
    pub adders: Committers,
    /// The members whose commits may remove.
    pub removers: Committers,
    /// Most members added by one commit that is helped.
    pub most_adds: u64,
    /// Most members removed by one commit that is helped.
    pub most_removes: u64,
    /// Largest commit that is helped, bytes.
    pub most_bytes: u64,
    /// From how many members on the ratchet tree goes apart.
    pub tree_threshold: u64,
    /// 1 if the ratchet tree of a large group is an object of its own. The same for all members.
    pub tree_objects: u8,
    /// 1 if a group that cannot go on is followed by a successor.
    pub successor: u8,
    /// 1 if a newcomer follows a successor without being asked.
    pub follow_offers: u8,
    /// Bounds.
    pub limits: Limits,
    /// Waiting times.
    pub timers: Timers,
    /// The media's key ring.
    pub keys: KeysConfig,
}
