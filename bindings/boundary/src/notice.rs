//! Everything that a participant reports, one kind each.

use bytes::Bytes;
use moq_mls::engine::ContextParams;
use moq_mls::notice;

use crate::codes::{
    Breach, ClockError, ClockWitness, CommitTracks, EpochCause, Fault, Hold, Reason, RecoveryStep, Refusal,
    RejoinReason, SafetyMode, ServiceFault, WaitsFor,
};
use crate::values::Credential;

mod carry;

/// What a group's GroupContext says of how it runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GroupParams {
    /// How the winner of an epoch is decided.
    pub mode: SafetyMode,
    /// Where commits are published.
    pub commit_tracks: CommitTracks,
    /// Whether ratchet trees may be objects of their own.
    pub tree_objects: bool,
    /// SHA-256 of the counter service's receipt key, if receipts are used.
    pub service_key_hash: Option<[u8; 32]>,
    /// What is added to an MLS epoch: 0 but in a successor.
    pub epoch_base: u64,
}

impl From<ContextParams> for GroupParams {
    fn from(core: ContextParams) -> Self {
        let ContextParams { mode, commit_tracks, tree_objects, service_key_hash, epoch_base } = core;
        let (mode, commit_tracks) = (mode.into(), commit_tracks.into());
        Self { mode, commit_tracks, tree_objects, service_key_hash, epoch_base }
    }
}

/// News for the embedder. A peer's fault is news too, never an error. A sender is a SenderId: the fingerprint of a
/// signature key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Notice {
    /// A new epoch is in force.
    Epoch {
        /// The epoch.
        epoch: u64,
        /// What began it.
        cause: EpochCause,
        /// Who committed it, if the cause is a commit.
        committer: Option<Bytes>,
    },
    /// The epoch in force was made by a commit against the policy.
    AgainstPolicy {
        /// The epoch.
        epoch: u64,
        /// Who committed it.
        committer: Bytes,
        /// What it is against.
        breach: Breach,
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
        old: Bytes,
        /// Who is in.
        new: Bytes,
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
        old: Bytes,
        /// Its name from now on.
        new: Bytes,
        /// Its credential from now on.
        credential: Credential,
    },
    /// A KeyPackage waits for `Admit` or `Refuse`. Give back all that names who asks.
    JoinRequested {
        /// Who asks.
        sender: Bytes,
        /// The credential that it showed.
        credential: Credential,
        /// The KeyPackageRef of its KeyPackage.
        key_package_ref: Option<Bytes>,
        /// Why it was held back.
        hold: Hold,
        /// The other credential that the hold is about.
        other_credential: Option<Credential>,
        /// The other member that the hold is about.
        other_member: Option<Bytes>,
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
        counter: Option<u64>,
        /// What it waits for.
        waits_for: WaitsFor,
        /// The MLS epoch of a Welcome that waits for confirmation.
        epoch: Option<u64>,
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
        /// Why.
        reason: RejoinReason,
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
        /// The step.
        step: RecoveryStep,
        /// The successor's name, when founding or following.
        group: Option<Bytes>,
        /// Who founded it, when following or giving up.
        founder: Option<Bytes>,
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
        credentials: Vec<Credential>,
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
        /// What is wrong.
        fault: ServiceFault,
        /// Its counter, if that is what is wrong.
        current: Option<u64>,
        /// Why it refused, if it did.
        reason: Option<Reason>,
    },
    /// The group runs with other parameters than configured.
    ParamsMismatch {
        /// What the group has; `None` if it was created without.
        group: Option<GroupParams>,
    },
    /// An intent came to nothing.
    Refused {
        /// Whom it was about.
        sender: Bytes,
        /// Why.
        reason: Refusal,
    },
    /// Faults of one kind come faster than a mistake explains.
    UnderAttack {
        /// What.
        fault: Fault,
        /// How many came in all.
        total: u64,
    },
    /// This participant's clock is off, or right again.
    ClockSkew {
        /// Which way.
        error: ClockError,
        /// How far, milliseconds.
        by_ms: u64,
        /// Who says so.
        witness: ClockWitness,
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
        /// Who, as far as the track says.
        from: Option<Bytes>,
        /// What.
        fault: Fault,
    },
}

/// Takes a hold apart: what it is, and whom it is about.
fn hold(core: notice::Hold) -> (Hold, Option<Credential>, Option<Bytes>) {
    match core {
        notice::Hold::Policy => (Hold::Policy, None, None),
        notice::Hold::Barred => (Hold::Barred, None, None),
        notice::Hold::MaybeBarred => (Hold::MaybeBarred, None, None),
        notice::Hold::OtherCredential { member } => (Hold::OtherCredential, member.map(Into::into), None),
        notice::Hold::SameIdentity { member } => (Hold::SameIdentity, None, Some(member.as_bytes().clone())),
    }
}

/// Takes a fault of the service apart: what it is, its counter and its reason.
fn service_fault(core: notice::ServiceFault) -> (ServiceFault, Option<u64>, Option<Reason>) {
    match core {
        notice::ServiceFault::Regressed { current } => (ServiceFault::Regressed, Some(current), None),
        notice::ServiceFault::Absurd { current } => (ServiceFault::Absurd, Some(current), None),
        notice::ServiceFault::LineageMismatch => (ServiceFault::LineageMismatch, None, None),
        notice::ServiceFault::NoPins => (ServiceFault::NoPins, None, None),
        notice::ServiceFault::NoTokens => (ServiceFault::NoTokens, None, None),
        notice::ServiceFault::LostGroup => (ServiceFault::LostGroup, None, None),
        notice::ServiceFault::BadReceipt => (ServiceFault::BadReceipt, None, None),
        notice::ServiceFault::WrongKey => (ServiceFault::WrongKey, None, None),
        notice::ServiceFault::Refused(reason) => (ServiceFault::Refused, None, Some(reason.into())),
        notice::ServiceFault::NoAnswer => (ServiceFault::NoAnswer, None, None),
    }
}

/// Says what a participant waits for, and of which MLS epoch.
pub(crate) fn waits_for(core: moq_mls::WaitsFor) -> (WaitsFor, Option<u64>) {
    use moq_mls::WaitsFor as Core;
    let waits_for = match core {
        Core::Confirmation { epoch } => return (WaitsFor::Confirmation, Some(epoch)),
        Core::Join => WaitsFor::Join,
        Core::Probe => WaitsFor::Probe,
        Core::Signs => WaitsFor::Signs,
        Core::Creation => WaitsFor::Creation,
        Core::Newcomer => WaitsFor::Newcomer,
        Core::Welcome => WaitsFor::Welcome,
        Core::Tree => WaitsFor::Tree,
        Core::Successor => WaitsFor::Successor,
        Core::Turn => WaitsFor::Turn,
        Core::Lock => WaitsFor::Lock,
        Core::Relay => WaitsFor::Relay,
        Core::Increment => WaitsFor::Increment,
        Core::Pin => WaitsFor::Pin,
        Core::Commit => WaitsFor::Commit,
        Core::Removal => WaitsFor::Removal,
        Core::Service => WaitsFor::Service,
        Core::News => WaitsFor::News,
        Core::End => WaitsFor::End,
    };
    (waits_for, None)
}
