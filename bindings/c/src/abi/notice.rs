//! Notices.

use super::{Bytes, Credential, OptionalNumber};

/// What a group's GroupContext says of how it runs.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct GroupParams {
    /// How the winner of an epoch is decided, a `SafetyMode`; 0 without parameters.
    pub mode: u32,
    /// Where commits are published, a `CommitTracks`; 0 without parameters.
    pub commit_tracks: u32,
    /// 1 if ratchet trees may be objects of their own.
    pub tree_objects: u8,
    /// 1 if receipts are used.
    pub has_service_key: u8,
    /// SHA-256 of the counter service's receipt key; zero if none are used.
    pub service_key_hash: [u8; 32],
    /// What is added to an MLS epoch: 0 but in a successor.
    pub epoch_base: u64,
}

/// News for the embedder. New kinds come at the end, so that the numbers stay. A sender, a peer and a committer are SenderIds: fingerprints of signature keys.
#[repr(C, u32)]
#[derive(Clone, Copy, Debug)]
pub enum Notice {
    /// A new epoch is in force.
    Epoch {
        /// The epoch.
        epoch: u64,
        /// What began it, an `EpochCause`.
        cause: u32,
        /// Who committed it, if the cause is a commit; may be absent.
        committer: Bytes,
    },
    /// The epoch in force was made by a commit against the policy.
    AgainstPolicy {
        /// The epoch.
        epoch: u64,
        /// Who committed it.
        committer: Bytes,
        /// What it is against, a `Breach`.
        breach: u32,
    },
    /// A member came in.
    MemberJoined {
        /// The member.
        sender: Bytes,
        /// Its leaf.
        leaf_index: u32,
        /// Its credential.
        credential: Credential,
    },
    /// A member is out.
    MemberLeft {
        /// The member.
        sender: Bytes,
    },
    /// A member came back at another leaf, or another of its identity came in its place.
    MemberReplaced {
        /// Who is out.
        old_sender: Bytes,
        /// Who is in.
        new_sender: Bytes,
        /// Its leaf.
        leaf_index: u32,
        /// Its credential.
        credential: Credential,
    },
    /// A member took another signature key or credential.
    MemberChanged {
        /// Its leaf.
        leaf_index: u32,
        /// Its name up to now.
        old_sender: Bytes,
        /// Its name from now on.
        new_sender: Bytes,
        /// Its credential from now on.
        credential: Credential,
    },
    /// A KeyPackage waits for `Admit` or `Refuse`. Give back all that names who asks.
    JoinRequested {
        /// Who asks.
        sender: Bytes,
        /// The credential that it showed.
        credential: Credential,
        /// The KeyPackageRef of its KeyPackage; may be absent.
        key_package_ref: Bytes,
        /// Why it was held back, a `Hold`.
        hold: u32,
        /// The other credential that the hold is about.
        other_credential: Credential,
        /// The other member that the hold is about; may be absent.
        other_member: Bytes,
    },
    /// Nothing can be sealed to a member's leaf key.
    InvalidLeafKey {
        /// The member.
        sender: Bytes,
    },
    /// A member's credential is no longer valid.
    CredentialExpired {
        /// The member.
        sender: Bytes,
    },
    /// This participant was removed.
    Removed {
        /// The epoch that it is no longer in.
        epoch: u64,
    },
    /// This participant asked to leave and is out.
    Left,
    /// Nobody took up the leave request in time.
    LeaveUnheard,
    /// The join takes longer than its deadline; it goes on.
    JoinStalled {
        /// The counter's value, if known.
        counter: OptionalNumber,
        /// What it waits for, a `WaitsFor`.
        waits_for: u32,
        /// The MLS epoch of a Welcome that waits for confirmation.
        epoch: OptionalNumber,
    },
    /// An own commit never comes back from the relay.
    NotReadBack {
        /// The epoch that it was sent in.
        epoch: u64,
    },
    /// A Welcome came without its ratchet tree, and the relay does not have the tree.
    TreeMissing {
        /// The epoch of both.
        epoch: u64,
    },
    /// This participant could not follow the group and asks to be let in again.
    Rejoining {
        /// Why, a `RejoinReason`.
        reason: u32,
    },
    /// The missing commit appeared: it goes on from the state that it kept.
    Resumed {
        /// The epoch that it is in now.
        epoch: u64,
    },
    /// The state that it kept is erased.
    StateErased {
        /// The epoch whose state it was.
        epoch: u64,
    },
    /// A step on the way to a successor of a group that cannot go on.
    Recovery {
        /// The step, a `RecoveryStep`.
        step: u32,
        /// The successor's name, when founding or following; may be absent.
        group: Bytes,
        /// Who founded it, when following or giving up; may be absent.
        founder: Bytes,
    },
    /// This participant is in the successor of its group.
    Succeeded {
        /// The successor's name.
        group: Bytes,
    },
    /// A successor lets this participant in; `Follow` goes there.
    SuccessorOffered {
        /// Its name.
        group: Bytes,
        /// The members' credentials, by leaf; empty if the ratchet tree is apart.
        credentials: *const Credential,
        /// How many there are.
        credentials_len: usize,
    },
    /// Two members hold different states of one epoch.
    ForkDetected {
        /// The epoch.
        epoch: u64,
        /// The peer that differs.
        peer: Bytes,
    },
    /// A slot went to a pin that nobody can follow.
    DeadSlot {
        /// The epoch that nobody enters.
        epoch: u64,
    },
    /// A decided commit cannot be processed.
    FaultyCommit {
        /// The epoch it was sent in.
        epoch: u64,
        /// SHA-256 of the commit.
        commit_hash: [u8; 32],
    },
    /// The counter service cannot be worked with.
    ServiceFault {
        /// What is wrong, a `ServiceFault`.
        fault: u32,
        /// Its counter, if that is what is wrong.
        current: OptionalNumber,
        /// Why it refused, a `Reason`; 0 if it did not.
        reason: u32,
    },
    /// The group runs with other parameters than configured.
    ParamsMismatch {
        /// 1 if the group has parameters, 0 if it was created without.
        present: u8,
        /// What the group has.
        group: GroupParams,
    },
    /// An intent came to nothing.
    Refused {
        /// Whom it was about.
        sender: Bytes,
        /// Why, a `Refusal`.
        reason: u32,
    },
    /// Faults of one kind come faster than a mistake explains.
    UnderAttack {
        /// What, a `Fault`.
        fault: u32,
        /// How many came in all.
        total: u64,
    },
    /// This participant's clock is off, or right again.
    ClockSkew {
        /// Which way, a `ClockError`.
        error: u32,
        /// How far, milliseconds.
        by_ms: u64,
        /// Who says so, a `ClockWitness`.
        witness: u32,
    },
    /// Another run of this participant acts in the group.
    Doubled {
        /// How often this run has noticed.
        times: u32,
        /// For how long it leaves the place to the other, milliseconds.
        wait_ms: u64,
    },
    /// A peer or a relay sent something wrong, which was dropped.
    PeerFault {
        /// Who, as far as the track says; may be absent.
        from: Bytes,
        /// What, a `Fault`.
        fault: u32,
    },
}
