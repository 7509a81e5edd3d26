"""Everything that a participant reports, one class each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Union

from . import codes, values


@dataclass(frozen=True, slots=True)
class Epoch:
    """A new epoch is in force."""

    epoch: int  #: The epoch.
    cause: codes.EpochCause  #: What began it.
    committer: bytes | None = None  #: Who committed it, if the cause is a commit.


@dataclass(frozen=True, slots=True)
class AgainstPolicy:
    """The epoch in force was made by a commit against the policy."""

    epoch: int  #: The epoch.
    committer: bytes  #: Who committed it.
    breach: codes.Breach  #: What it is against.


@dataclass(frozen=True, slots=True)
class MemberJoined:
    """A member came in."""

    sender: bytes  #: The member.
    leaf_index: int  #: Its leaf.
    credential: values.Credential  #: Its credential.


@dataclass(frozen=True, slots=True)
class MemberLeft:
    """A member is out."""

    sender: bytes  #: The member.


@dataclass(frozen=True, slots=True)
class MemberReplaced:
    """A member came back at another leaf, or another of its identity came in its place."""

    old: bytes  #: Who is out.
    new: bytes  #: Who is in.
    leaf_index: int  #: Its leaf.
    credential: values.Credential  #: Its credential.


@dataclass(frozen=True, slots=True)
class MemberChanged:
    """A member took another signature key or credential."""

    leaf_index: int  #: Its leaf.
    old: bytes  #: Its name up to now.
    new: bytes  #: Its name from now on.
    credential: values.Credential  #: Its credential from now on.


@dataclass(frozen=True, slots=True)
class JoinRequested:
    """A KeyPackage waits for `Admit` or `Refuse`. Give back all that names who asks."""

    sender: bytes  #: Who asks.
    credential: values.Credential  #: The credential that it showed.
    key_package_ref: bytes | None  #: The KeyPackageRef of its KeyPackage.
    hold: codes.Hold  #: Why it was held back.
    other_credential: values.Credential | None = None  #: The other credential that the hold is about.
    other_member: bytes | None = None  #: The other member that the hold is about.


@dataclass(frozen=True, slots=True)
class InvalidLeafKey:
    """Nothing can be sealed to a member's leaf key."""

    sender: bytes  #: The member.


@dataclass(frozen=True, slots=True)
class CredentialExpired:
    """A member's credential is no longer valid."""

    sender: bytes  #: The member.


@dataclass(frozen=True, slots=True)
class Removed:
    """This participant was removed."""

    epoch: int  #: The epoch that it is no longer in.


@dataclass(frozen=True, slots=True)
class Left:
    """This participant asked to leave and is out."""


@dataclass(frozen=True, slots=True)
class LeaveUnheard:
    """Nobody took up the leave request in time."""


@dataclass(frozen=True, slots=True)
class JoinStalled:
    """The join takes longer than its deadline; it goes on."""

    counter: int | None  #: The counter's value, if known.
    waits_for: codes.WaitsFor  #: What it waits for.
    epoch: int | None = None  #: The MLS epoch of a Welcome that waits for confirmation.


@dataclass(frozen=True, slots=True)
class NotReadBack:
    """An own commit never comes back from the relay."""

    epoch: int  #: The epoch that it was sent in.


@dataclass(frozen=True, slots=True)
class TreeMissing:
    """A Welcome came without its ratchet tree, and the relay does not have the tree."""

    epoch: int  #: The epoch of both.


@dataclass(frozen=True, slots=True)
class Rejoining:
    """This participant could not follow the group and asks to be let in again."""

    reason: codes.RejoinReason  #: Why.


@dataclass(frozen=True, slots=True)
class Resumed:
    """The missing commit appeared: it goes on from the state that it kept."""

    epoch: int  #: The epoch that it is in now.


@dataclass(frozen=True, slots=True)
class StateErased:
    """The state that it kept is erased."""

    epoch: int  #: The epoch whose state it was.


@dataclass(frozen=True, slots=True)
class Recovery:
    """A step on the way to a successor of a group that cannot go on."""

    step: codes.RecoveryStep  #: The step.
    group: bytes | None = None  #: The successor's name, when founding or following.
    founder: bytes | None = None  #: Who founded it, when following or giving up.


@dataclass(frozen=True, slots=True)
class Succeeded:
    """This participant is in the successor of its group."""

    group: bytes  #: The successor's name.


@dataclass(frozen=True, slots=True)
class SuccessorOffered:
    """A successor lets this participant in; `Follow` goes there."""

    group: bytes  #: Its name.
    #: The members' credentials, by leaf; empty if the ratchet tree is apart.
    credentials: tuple[values.Credential, ...]


@dataclass(frozen=True, slots=True)
class ForkDetected:
    """Two members hold different states of one epoch."""

    epoch: int  #: The epoch.
    peer: bytes  #: The peer that differs.


@dataclass(frozen=True, slots=True)
class DeadSlot:
    """A slot went to a pin that nobody can follow."""

    epoch: int  #: The epoch that nobody enters.


@dataclass(frozen=True, slots=True)
class FaultyCommit:
    """A decided commit cannot be processed."""

    epoch: int  #: The epoch it was sent in.
    commit_hash: bytes  #: SHA-256 of the commit.


@dataclass(frozen=True, slots=True)
class ServiceFault:
    """The counter service cannot be worked with."""

    fault: codes.ServiceFault  #: What is wrong.
    current: int | None = None  #: Its counter, if that is what is wrong.
    reason: codes.Reason | None = None  #: Why it refused, if it did.


@dataclass(frozen=True, slots=True)
class ParamsMismatch:
    """The group runs with other parameters than configured."""

    group: values.GroupParams | None = None  #: What the group has; `None` if it was created without.


@dataclass(frozen=True, slots=True)
class Refused:
    """An intent came to nothing."""

    sender: bytes  #: Whom it was about.
    reason: codes.Refusal  #: Why.


@dataclass(frozen=True, slots=True)
class UnderAttack:
    """Faults of one kind come faster than a mistake explains."""

    fault: codes.Fault  #: What.
    total: int  #: How many came in all.


@dataclass(frozen=True, slots=True)
class ClockSkew:
    """This participant's clock is off, or right again."""

    error: codes.ClockError  #: Which way.
    by_ms: int  #: How far, milliseconds.
    witness: codes.ClockWitness  #: Who says so.


@dataclass(frozen=True, slots=True)
class Doubled:
    """Another run of this participant acts in the group."""

    times: int  #: How often this run has noticed.
    wait_ms: int  #: For how long it leaves the place to the other, milliseconds.


@dataclass(frozen=True, slots=True)
class PeerFault:
    """A peer or a relay sent something wrong, which was dropped."""

    from_: bytes | None  #: Who, as far as the track says.
    fault: codes.Fault  #: What.


Notice = Union[
    Epoch,
    AgainstPolicy,
    MemberJoined,
    MemberLeft,
    MemberReplaced,
    MemberChanged,
    JoinRequested,
    InvalidLeafKey,
    CredentialExpired,
    Removed,
    Left,
    LeaveUnheard,
    JoinStalled,
    NotReadBack,
    TreeMissing,
    Rejoining,
    Resumed,
    StateErased,
    Recovery,
    Succeeded,
    SuccessorOffered,
    ForkDetected,
    DeadSlot,
    FaultyCommit,
    ServiceFault,
    ParamsMismatch,
    Refused,
    UnderAttack,
    ClockSkew,
    Doubled,
    PeerFault,
]
"""News for the embedder. A peer's fault is news too, never an error. A sender is a SenderId: the
fingerprint of a signature key.
"""
