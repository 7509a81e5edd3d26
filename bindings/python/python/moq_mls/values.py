"""Small values that events, actions and notices are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import codes

if TYPE_CHECKING:
    from .events import Event

PIN_LEN = 96
"""Length of a pin, bytes."""


class SecretBytes(bytes):
    """Bytes that logs must not show: `repr` and `str` say how many there are."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"SecretBytes({len(self)} bytes)"

    __str__ = __repr__


@dataclass(frozen=True, slots=True)
class TrackName:
    """A full track name: the fields of its namespace, and its name."""

    namespace: tuple[bytes, ...]  #: The fields of the namespace, 1 to 32.
    name: bytes  #: The track's name.


@dataclass(frozen=True, slots=True)
class Object:
    """An MoQT object."""

    track: TrackName  #: Its track.
    group_id: int  #: Its MOQT group id.
    object_id: int  #: Its object id in that group.
    payload: bytes  #: Its payload.


@dataclass(frozen=True, slots=True)
class Credential:
    """An MLS credential (RFC 9420 section 5.3)."""

    kind: int  #: The credential type: 1 basic, 2 X.509.
    data: bytes  #: The identity for basic; the certificate chain, TLS-encoded, for X.509.


@dataclass(frozen=True, slots=True)
class CounterState:
    """Where a counter stands."""

    current: int  #: The next value: slots below it are used.
    pin: bytes | None  #: The pin of the asked slot, `PIN_LEN` bytes, if there is one.
    receipt: bytes | None  #: The service's signature, if there is one.
    pin_forgotten: bool  #: Whether the slot was pinned so long ago that the pin is gone.


@dataclass(frozen=True, slots=True)
class GroupParams:
    """What a group's GroupContext says of how it runs."""

    mode: codes.SafetyMode  #: How the winner of an epoch is decided.
    commit_tracks: codes.CommitTracks  #: Where commits are published.
    tree_objects: bool  #: Whether ratchet trees may be objects of their own.
    service_key_hash: bytes | None  #: SHA-256 of the counter service's receipt key, if receipts are used.
    epoch_base: int  #: What is added to an MLS epoch: 0 but in a successor.


@dataclass(frozen=True, slots=True)
class ObjectPlace:
    """Where an object of a media track is, and how it is sent."""

    group_id: int  #: The MOQT group id.
    object_id: int  #: The object id in that group, below 2^32.
    priority: int  #: The publisher priority.


@dataclass(frozen=True, slots=True)
class Member:
    """A member of the group."""

    leaf_index: int  #: Its leaf.
    sender: bytes  #: The fingerprint of its signature key.
    credential: Credential  #: Its credential.


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What a service answers to the HTTP bytes that it got."""

    response: bytes  #: The response, to be sent.
    consumed: int  #: How many bytes of the input the request was; the next one is behind it.
    close: bool  #: Whether the connection must be closed: where the next request starts is unknown.


@dataclass(frozen=True, slots=True)
class CounterReply:
    """What a response of the counter service says."""

    events: tuple[Event, ...]  #: What to give to the participant, in this order: times first, then the answer.
    consumed: int  #: How many bytes of the input the response was.


@dataclass(frozen=True, slots=True)
class SealedObject:
    """An object that was sealed: send both parts."""

    properties: bytes  #: The immutable properties.
    object: bytes  #: The sealed bytes.


@dataclass(frozen=True, slots=True)
class OpenedObject:
    """An object that opened."""

    payload: bytes  #: The payload.
    encrypted: bytes  #: The encrypted properties, serialized; empty if there are none.
