"""Everything that can happen to a participant, one class each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Union

from . import codes, values


@dataclass(frozen=True, slots=True)
class Join:
    """The embedder asks to take part: create the group or join it."""


@dataclass(frozen=True, slots=True)
class Admit:
    """The embedder admits who asked to be let in."""

    sender: bytes  #: The fingerprint of its signature key.
    credential: values.Credential  #: The credential that it showed.
    #: The KeyPackageRef (RFC 9420 section 5.2) that the notice named; `None` for a client that has not asked
    #: yet.
    key_package_ref: bytes | None = None
    replacing: bytes | None = None  #: A member that goes in the same commit: another device of the same person.


@dataclass(frozen=True, slots=True)
class Refuse:
    """The embedder drops a sender's KeyPackage and takes no other from it."""

    sender: bytes  #: The sender.


@dataclass(frozen=True, slots=True)
class Add:
    """The embedder adds a client by a KeyPackage that did not come over the KeyPackage track."""

    key_package: bytes  #: The KeyPackage, an MLSMessage.


@dataclass(frozen=True, slots=True)
class Remove:
    """The embedder removes a member, and bars it until admitted again."""

    sender: bytes  #: The member.


@dataclass(frozen=True, slots=True)
class Gone:
    """A member's connection ended: remove it, but let it come back."""

    sender: bytes  #: The member.


@dataclass(frozen=True, slots=True)
class Update:
    """The embedder asks for a commit with fresh entropy."""


@dataclass(frozen=True, slots=True)
class Follow:
    """The embedder goes over to a successor that was offered."""

    group: bytes  #: Its group name.


@dataclass(frozen=True, slots=True)
class Leave:
    """The embedder asks to be removed."""


@dataclass(frozen=True, slots=True)
class Object:
    """An object arrived on a subscribed track; own objects come back too."""

    object: values.Object  #: The object.


@dataclass(frozen=True, slots=True)
class Subscribed:
    """A subscription, of a track or of a namespace, was accepted."""

    id: int  #: The id of the action.


@dataclass(frozen=True, slots=True)
class Published:
    """An object was handed to the relay."""

    id: int  #: The id of the action.


@dataclass(frozen=True, slots=True)
class Fetched:
    """The relay answered a fetch."""

    id: int  #: The id of the action.
    objects: tuple[values.Object, ...]  #: The objects that it has, in any order; possibly none.


@dataclass(frozen=True, slots=True)
class LockGranted:
    """The counter service gave the lock."""

    id: int  #: The id of the action.
    lock_id: bytes | None  #: The lock's token, if the service hands out any.
    expires_in_ms: int  #: The lease, milliseconds; 0 if the service does not say.


@dataclass(frozen=True, slots=True)
class LockConflict:
    """Another client holds the lock."""

    id: int  #: The id of the action.
    retry_later_ms: int  #: When to ask again, milliseconds; 0 if the service does not say.


@dataclass(frozen=True, slots=True)
class LockCounterError:
    """The value asked for in a lock request is not the next one."""

    id: int  #: The id of the action.
    state: values.CounterState  #: Where the counter stands.


@dataclass(frozen=True, slots=True)
class LockRefused:
    """The counter service refused a lock request."""

    id: int  #: The id of the action.
    reason: codes.Reason  #: Why.


@dataclass(frozen=True, slots=True)
class Incremented:
    """The slot is filled by this increment."""

    id: int  #: The id of the action.
    state: values.CounterState  #: Where the counter stands.


@dataclass(frozen=True, slots=True)
class IncrementCounterError:
    """The slot of an increment is not the next one, or its `prev` is not the pin before."""

    id: int  #: The id of the action.
    state: values.CounterState  #: Where the counter stands.


@dataclass(frozen=True, slots=True)
class IncrementWrongKey:
    """The key of an increment does not open the slot lock."""

    id: int  #: The id of the action.
    state: values.CounterState  #: Where the counter stands.


@dataclass(frozen=True, slots=True)
class IncrementRefused:
    """The counter service refused an increment."""

    id: int  #: The id of the action.
    reason: codes.Reason  #: Why.


@dataclass(frozen=True, slots=True)
class CommitFound:
    """The counter service has the commit of a slot."""

    id: int  #: The id of the action.
    state: values.CounterState  #: Where the counter stands.
    commit: bytes  #: The payload of the Commit object; empty for slot 0.


@dataclass(frozen=True, slots=True)
class CommitCounterError:
    """The counter service has no commit of a slot."""

    id: int  #: The id of the action.
    state: values.CounterState  #: Where the counter stands.


@dataclass(frozen=True, slots=True)
class CommitRefused:
    """The counter service refused to say."""

    id: int  #: The id of the action.
    reason: codes.Reason  #: Why.


@dataclass(frozen=True, slots=True)
class Failed:
    """A request of any kind ended without an answer."""

    request: codes.RequestKind  #: What kind of action it answers.
    id: int  #: The id of the action.
    failure: codes.Failure  #: How it ended.
    code: int = 0  #: The peer's code if it refused, else 0.


@dataclass(frozen=True, slots=True)
class PeerAuthenticator:
    """A peer's epoch authenticator came over the application's own channel."""

    peer: bytes  #: The peer.
    epoch: int  #: The epoch.
    authenticator: bytes  #: RFC 9420 section 8.7.


@dataclass(frozen=True, slots=True)
class MediaOpened:
    """An object of a peer was opened with the media keys of an epoch."""

    peer: bytes  #: The peer.
    epoch: int  #: The epoch.


@dataclass(frozen=True, slots=True)
class MediaAhead:
    """An object came whose Key ID is above all epochs here."""

    epoch: int  #: The epoch that it names.


@dataclass(frozen=True, slots=True)
class ServiceTime:
    """The time at the counter service."""

    time_ms: int  #: Milliseconds since the Unix epoch.


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """The counter service asks to be left alone."""

    wait_ms: int  #: For how long, milliseconds.


@dataclass(frozen=True, slots=True)
class Timer:
    """Time passed."""


Event = Union[
    Join,
    Admit,
    Refuse,
    Add,
    Remove,
    Gone,
    Update,
    Follow,
    Leave,
    Object,
    Subscribed,
    Published,
    Fetched,
    LockGranted,
    LockConflict,
    LockCounterError,
    LockRefused,
    Incremented,
    IncrementCounterError,
    IncrementWrongKey,
    IncrementRefused,
    CommitFound,
    CommitCounterError,
    CommitRefused,
    Failed,
    PeerAuthenticator,
    MediaOpened,
    MediaAhead,
    ServiceTime,
    RetryAfter,
    Timer,
]
"""One thing that happened. `id` is always that of the action it answers."""
