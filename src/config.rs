//! How a participant takes part in a group: what the embedder decides before it begins.

use bytes::Bytes;

use crate::limits::{Limits, Timers};
use crate::policy::CommitPolicy;
use crate::tracks::{CommitTrackPolicy, GroupName};

/// How the winner of an epoch is decided, and so what is promised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
pub enum SafetyMode {
    /// A commit is applied only once the counter service has recorded its pin for the slot.
    ///
    /// Promises:
    ///
    /// - No two members at one epoch have different keys, as long as the service keeps each slot's first pin. The
    ///   relay, other members, lock leases, lost replies and crashes cannot change that.
    /// - Nobody but members fills a slot but the first.
    /// - The group goes on as long as one member with the state of the last epoch remains.
    ///
    /// With [`GroupParams::service_key`], all that holds also against an attacker between the members and the service.
    ///
    /// Does not promise:
    ///
    /// - anything against a service that itself shows different pins to different members (compare authenticators:
    ///   [`Event::PeerAuthenticator`](crate::Event::PeerAuthenticator));
    /// - who takes slot 0 of a name (the first client, unless the service asks for tokens);
    /// - that anybody gets a commit in beside a member that fills each slot at once, unless the service
    ///   [knows who asks](crate::counter::service::Turns); beside two of them in one hand, not even then;
    /// - with [`Config::successor`] off, progress past a commit that a member pins with a slot lock that its keys do
    ///   not make ([`Notice::DeadSlot`](crate::Notice::DeadSlot)).
    ///
    /// Needs a service with this crate's extension ([`crate::counter`]).
    #[default]
    Pinned,
    /// The member that fills a slot under its own lock token has won it, and publishes its commit only then;
    /// a commit is applied on receipt.
    ///
    /// Promises: no two members at one epoch have different keys, whatever the relay, lapsed leases, lost replies and
    /// restarts do. That holds as long as every member keeps to this crate's order, and the service to its tokens.
    ///
    /// Does not promise:
    ///
    /// - anything against a member that publishes a commit without having filled the slot;
    /// - anything to a joiner, unless the identity provider knows the members by their credentials: anybody can let it
    ///   into a group of their own that bears this name;
    /// - that the group goes on when a committer dies between filling a slot and publishing, and never comes back with
    ///   its state. The others then end in [`Notice::JoinStalled`](crate::Notice::JoinStalled), and a new generation is
    ///   the way out.
    ///
    /// Needs a service that hands out lock tokens and answers a repeated increment by the token that performed it
    /// ([`crate::counter`]); it needs no pins.
    Fenced,
    /// The draft's bare API: a commit is applied on receipt.
    ///
    /// Interoperates with members that know only the draft and RFC 9420, within what is said below. The group
    /// **can fork**: when a lock lapses with a commit in flight, two members may commit for one epoch. And anybody can
    /// let a joiner into a group of their own, as in [`Fenced`](Self::Fenced). Forks are found by comparing epoch
    /// authenticators ([`Event::PeerAuthenticator`](crate::Event::PeerAuthenticator)) and left by joining again.
    ///
    /// Follows commits of members, as PrivateMessage or PublicMessage, with Add, Remove and Update proposals by
    /// value or by reference. A commit may come without a path where RFC 9420 section 12.4 asks for none. A proposal
    /// that a commit refers to is looked for in the epoch's MOQT group of the Commit track and on the KeyPackage
    /// tracks. What this participant sends is encrypted, has a path, and holds its proposals by value.
    ///
    /// A KeyPackage of a member, other than the one it joined by, is taken for one of a member that lost its state: its
    /// leaf is replaced. A member that has just come leaves KeyPackages of unknown senders to those who were there
    /// before, for [`Timers::join_retry`](crate::Timers::join_retry): a relay shows it those of members long gone, too. A
    /// newcomer that nobody else lets in must publish another KeyPackage after that.
    ///
    /// A counter that stands one behind the group, as a committer died before its increment, is incremented for it. It
    /// is noticed by a member that wants to commit, and by an audit. Members that know only the draft cannot do that:
    /// without one of this crate among them, they wait for ever.
    ///
    /// Refuses, and why:
    ///
    /// | what | why |
    /// |---|---|
    /// | external commits, and proposals by others than members | a client that sees a GroupInfo would let itself in |
    /// | PreSharedKey proposals | there is no store of PSKs |
    /// | ReInit and GroupContextExtensions proposals, and proposals of other types | name, suite and parameters of a group stay as they are |
    /// | KeyPackages that live longer than [`draft_lifetime`](crate::mls::Options::draft_lifetime) | RFC 9420 section 7.2 asks for a bound |
    /// | SenderIds that are not the lowercase hex SHA-256 of the signature key | the draft recommends it, and nothing else binds a track to its member |
    /// | KeyPackages, Welcomes and commits that are no MLSMessage | the draft does not say how they are framed; only an MLSMessage says what it is |
    /// | KeyPackages in a MOQT group other than 0 | the draft has one group, and does not say which |
    /// | a second KeyPackage at an object id that had one | an object does not change, and a replay would look like it |
    /// | a Welcome without the ratchet tree | the draft has no place for it |
    /// | groups with required extensions that the engine's client lacks | RFC 9420 section 7.2 |
    ///
    /// A leave request is this crate's own; the draft has none. It is an MLS Remove proposal of its sender on its
    /// KeyPackage track. A leaver whose request a member commits by reference cannot read that commit, and ends with
    /// [`Notice::LeaveUnheard`](crate::Notice::LeaveUnheard).
    Advisory,
}

impl SafetyMode {
    /// Every mode, the default first.
    pub const ALL: [Self; 3] = [Self::Pinned, Self::Fenced, Self::Advisory];

    /// The mode's name, as logs and test vectors have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pinned => "pinned",
            Self::Fenced => "fenced",
            Self::Advisory => "advisory",
        }
    }

    /// The mode of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }
}

/// Who may join without being asked about. The identity provider validates every credential first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
pub enum Admission {
    /// Everyone with a valid credential, but for senders that this participant saw removed. Once it had to
    /// forget one of those ([`Limits::remembered_senders`]), this is as [`Ask`](Self::Ask). Keys tell members
    /// apart, and nothing else: two of one identity are two members, and one key may come back under another identity.
    #[default]
    Open,
    /// Nobody: each waits for [`Command::Admit`](crate::Command::Admit) after [`Notice::JoinRequested`](crate::Notice::JoinRequested).
    Ask,
}

/// What must be the same for all members of a group. Its GroupContext says it, so that a difference is found:
/// [`Notice::ParamsMismatch`](crate::Notice::ParamsMismatch).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
pub struct GroupParams {
    /// How the winner of an epoch is decided.
    pub mode: SafetyMode,
    /// Where commits are published.
    pub commit_tracks: CommitTrackPolicy,
    /// Whether the ratchet tree of a large group goes once, as an object of its own, instead of into each Welcome (our
    /// extension: [`RatchetTreeObject`](crate::engine::RatchetTreeObject)). [`SafetyMode::Advisory`] never does that.
    pub tree_objects: bool,
    /// The counter service's Ed25519 public key (32 bytes), if it signs receipts.
    pub service_key: Option<Bytes>,
}

impl Default for GroupParams {
    /// [`SafetyMode::Pinned`], the draft's shared Commit track, tree objects, no receipts.
    fn default() -> Self {
        Self {
            mode: SafetyMode::default(),
            commit_tracks: CommitTrackPolicy::default(),
            tree_objects: true,
            service_key: None,
        }
    }
}

impl GroupParams {
    /// Those of a group with members that know only the draft: [`SafetyMode::Advisory`], nothing of ours.
    pub fn draft() -> Self {
        Self { mode: SafetyMode::Advisory, tree_objects: false, ..Self::default() }
    }
}

/// How one participant takes part in one group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
pub struct Config {
    /// The group.
    pub group: GroupName,
    /// What must be the same for all members.
    pub params: GroupParams,
    /// Who may join.
    pub admission: Admission,
    /// Which commits of others this participant helps to be pinned. It may differ from member to member.
    pub policy: CommitPolicy,
    /// From how many members on this participant sends the ratchet tree as an object of its own, where
    /// [`GroupParams::tree_objects`] says that it may.
    pub tree_threshold: usize,
    /// Whether a group that cannot go on is followed by a successor: on by default. Needs [`SafetyMode::Pinned`]. See
    /// [`Recovery`](crate::notice::Recovery).
    pub successor: bool,
    /// Whether a newcomer that is let in to a successor of this group goes there without asking the embedder: off by
    /// default, for anybody may have made the Welcome. See
    /// [`Notice::SuccessorOffered`](crate::Notice::SuccessorOffered).
    pub follow_offers: bool,
    /// Bounds.
    pub limits: Limits,
    /// Waiting times.
    pub timers: Timers,
}

impl Config {
    /// Defaults: those of [`GroupParams`], [`Admission::Open`], and a policy that allows everything.
    pub fn new(group: GroupName) -> Self {
        Self {
            group,
            params: GroupParams::default(),
            admission: Admission::default(),
            policy: CommitPolicy::default(),
            tree_threshold: 16,
            successor: true,
            follow_offers: false,
            limits: Limits::default(),
            timers: Timers::default(),
        }
    }
}
