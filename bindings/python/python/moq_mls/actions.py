"""Everything that a participant can ask for, one class each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Union

from . import keys, notices, values


@dataclass(frozen=True, slots=True)
class Persist:
    """Make these bytes durable before the next action is done. They hold private keys."""

    snapshot: values.SecretBytes  #: What `restore` takes.


@dataclass(frozen=True, slots=True)
class Announce:
    """Say that tracks under this namespace will be published from here."""

    namespace: tuple[bytes, ...]  #: The fields of the namespace.


@dataclass(frozen=True, slots=True)
class SubscribeNamespace:
    """Subscribe to every track under a namespace, present and future."""

    id: int  #: For the answer.
    namespace: tuple[bytes, ...]  #: The fields of the namespace.


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Subscribe to one track, from the oldest object that the relay has. Own objects must come back."""

    id: int  #: For the answer.
    track: values.TrackName  #: The track.


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """End a subscription. It wants no answer."""

    id: int  #: The id of the subscription.


@dataclass(frozen=True, slots=True)
class Fetch:
    """Read what the relay still has."""

    id: int  #: For the answer.
    namespace: tuple[bytes, ...]  #: The fields of the namespace.
    name: bytes | None  #: The track's name; `None` for every track under the namespace.
    first_group: int  #: The first MOQT group wanted.
    last_group: int  #: The last MOQT group wanted.


@dataclass(frozen=True, slots=True)
class Publish:
    """Publish an object."""

    id: int  #: For the answer.
    object: values.Object  #: The object.


@dataclass(frozen=True, slots=True)
class Lock:
    """Ask the counter service for a lock."""

    id: int  #: For the answer.
    counter: bytes  #: The counter's id: the group name.
    val: int  #: The value expected to be set next.


@dataclass(frozen=True, slots=True)
class Increment:
    """Ask the counter service to fill a slot."""

    id: int  #: For the answer.
    counter: bytes  #: The counter's id: the group name.
    val: int | None = None  #: The slot; `None` from a client that knows only the draft.
    lock_id: bytes | None = None  #: The token of the lock.
    prev: bytes | None = None  #: The pin of the slot before.
    pin: bytes | None = None  #: The pin to record.
    key: values.SecretBytes | None = None  #: What opens the slot lock in `prev`.
    commit: bytes | None = None  #: The payload of the Commit object.


@dataclass(frozen=True, slots=True)
class GetCommit:
    """Ask the counter service which commit filled a slot."""

    id: int  #: For the answer.
    counter: bytes  #: The counter's id: the group name.
    val: int  #: The slot.


@dataclass(frozen=True, slots=True)
class Notify:
    """News for the embedder."""

    notice: notices.Notice  #: The news.


@dataclass(frozen=True, slots=True)
class Keys:
    """News of the media keys. Store `Participant.save_keys` now, if keys are stored at all."""

    notice: keys.KeysNotice  #: The news.


Action = Union[
    Persist,
    Announce,
    SubscribeNamespace,
    Subscribe,
    Unsubscribe,
    Fetch,
    Publish,
    Lock,
    Increment,
    GetCommit,
    Notify,
    Keys,
]
"""One thing to do. Do them strictly in order, and answer each that has an `id`, but `Unsubscribe`, by exactly
one event with that id.
"""
