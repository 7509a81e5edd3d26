from types import TracebackType
from typing import final

from .actions import Action
from .codes import Phase, RequestKind
from .config import Config, KeysConfig, Limits, ServiceConfig, Timers
from .events import Event
from .values import (
    CounterReply,
    HttpAnswer,
    Member,
    ObjectPlace,
    OpenedObject,
    SealedObject,
    SecretBytes,
    TrackName,
)

__all__ = [
    "VERSION",
    "Identity",
    "Participant",
    "Service",
    "counter_reply",
    "counter_request",
    "default_config",
    "default_keys",
    "default_limits",
    "default_service",
    "default_timers",
    "request_of",
]

#: The version of events, actions and numbers. It rises when a program made for the one before would break.
VERSION: int

@final
class Identity:
    """A cipher suite, a signature key and a basic credential.

    A participant that is restored needs the same identity. So store `secret_key`, sealed, beside the snapshots.
    """

    @staticmethod
    def generate(suite: int, name: bytes) -> Identity:
        """Generates a signature key. `suite` is an MLS cipher suite: 1, 2, 3 or 7.

        `name` is the identity of the basic credential. Raises `Error` with `UNSUPPORTED` for another suite.
        """

    @staticmethod
    def from_secret_key(suite: int, name: bytes, secret: bytes) -> Identity:
        """Takes back a key that `secret_key` returned.

        Raises `Error` with `UNSUPPORTED` for another suite, `ENGINE` for another key.
        """

    def secret_key(self) -> SecretBytes:
        """Returns the signature private key, as the provider encodes it."""

    def public_key(self) -> bytes:
        """Returns the signature public key."""

    def close(self) -> None:
        """Erases the key here. Participants that were made of it go on."""

    def __enter__(self) -> Identity: ...
    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

@final
class Participant:
    """A participant of one group: events in, actions out, and the keys of its media.

    `handle` takes what happened; `poll` returns what to do, in order; `deadline` says when the event `Timer` is due.
    The key ring follows the participant by itself. Every method raises `Error`: with `BUSY` while another thread is in
    a call with this object, with `INVALID_HANDLE` after `close`, with `PANICKED` after a fault of the library.
    """

    def __new__(cls, identity: Identity, config: Config, now_ms: int) -> Participant:
        """Makes a participant that has not begun: give it the event `Join`.

        Raises `Error` with `INVALID_NAME`, `INVALID_LENGTH`, `UNKNOWN_CODE` or `BAD_SERVICE_KEY`.
        """

    @staticmethod
    def restore(
        identity: Identity, config: Config, snapshot: bytes, keys: bytes | None, now_ms: int
    ) -> Participant:
        """Goes on after a restart, with the last snapshot that became durable and what `save_keys` returned last.

        Without `keys`, epochs that were passed do not open any more. Nothing is sealed until an epoch came by a
        commit of this run, or `sealing_from` was called. Raises `Error` as the constructor, and with one of the
        `SNAPSHOT_` statuses.
        """

    def handle(self, now_ms: int, event: Event) -> None:
        """Takes in what happened at `now_ms`. Poll until there is no action left after it.

        Raises `Error` with `UNKNOWN_CODE`, `INVALID_NAME`, `INVALID_LENGTH` or a misuse: then nothing has changed.
        After `ENGINE`, restore the last snapshot. Raises `TypeError` for what is no event.
        """

    def poll(self) -> Action | None:
        """Returns the next thing to do; `None` if there is none for now.

        Raises `Error` with `ENGINE` if the media keys of an epoch cannot be derived. The next call returns the notice.
        """

    def deadline(self) -> int | None:
        """Returns when the event `Timer` is due if nothing happens before; `None` for never."""

    def snapshot(self) -> SecretBytes:
        """Returns the durable state as it is now. `Persist` brings it whenever it must be stored.

        Raises `Error` with `POISONED` after the engine failed.
        """

    def save_keys(self) -> SecretBytes:
        """Returns the media keys, to be stored as a snapshot is whenever the action `Keys` came."""

    def sender_id(self) -> bytes:
        """Returns the own SenderId: the fingerprint of the signature key."""

    def phase(self) -> Phase:
        """Returns the phase that this participant is in."""

    def epoch(self) -> int | None:
        """Returns the epoch, while a member."""

    def status(self) -> str:
        """Says in a sentence where this participant is, and what it waits for."""

    def members(self) -> tuple[Member, ...]:
        """Returns the members by leaf; none unless this participant is one."""

    def context_hash(self) -> bytes | None:
        """Returns SHA-256 of the GroupContext, while a member: equal for all members of an epoch."""

    def epoch_authenticator(self) -> bytes:
        """Returns the epoch authenticator (RFC 9420 section 8.7).

        Raises `Error` with `NOT_A_MEMBER` unless a member.
        """

    def export_secret(self, label: bytes, context: bytes, length: int) -> SecretBytes:
        """Returns an exporter secret of the present epoch (RFC 9420 section 8.5), `length` bytes, at most 8,160.

        Raises `Error` with `NOT_A_MEMBER` unless a member.
        """

    def track_key(self, epoch: int, track: TrackName) -> SecretBytes:
        """Returns the base key of a track in an epoch, for media that is not sealed here.

        Raises `Error` with `NOT_A_MEMBER`, `EPOCH_GONE` or `INVALID_NAME`.
        """

    def add_track(self, suite: int, track: TrackName, by_namespace: bool = False) -> int:
        """Adds a media track and returns its number. `suite` is a Secure Objects cipher suite: 4, and others by build.

        With `by_namespace`, its keys come from the base key of its namespace. A track that is there already, or was,
        keeps its number and seals on above what it sealed. Raises `Error` with `UNKNOWN_CODE`, `UNSUPPORTED` or
        `INVALID_NAME`.
        """

    def remove_track(self, track: int) -> None:
        """Removes a media track, and erases its keys. Raises `Error` with `NO_SUCH_TRACK`."""

    def key_id_property(self, track: int) -> bytes | None:
        """Returns the Key ID property that the next sealed object must have; `None` while nothing is sealed.

        It is for callers with immutable properties of their own. Raises `Error` with `NO_SUCH_TRACK`.
        """

    def seal(
        self,
        track: int,
        place: ObjectPlace,
        payload: bytes,
        immutable: bytes | None = None,
        encrypted: bytes | None = None,
    ) -> SealedObject:
        """Seals an object. A place is sealed once only.

        `immutable` is `None` for the Key ID alone. `encrypted` is the serialized list of encrypted properties, if there
        are any. Raises `Error` with `NO_SUCH_TRACK` or one of the `SEAL_` statuses.
        """

    def open(
        self,
        now_ms: int,
        track: int,
        place: ObjectPlace,
        immutable: bytes,
        object: bytes,
        publisher: bytes | None = None,
    ) -> OpenedObject:
        """Opens an object, and learns from it that its publisher is at the epoch of its Key ID. Poll after it.

        `publisher` is the SenderId of the only member that publishes the track, if that is known. Raises `Error` with
        `NO_SUCH_TRACK`, `INVALID_NAME` or one of the `OPEN_` statuses: try again after the action `Keys` if it is
        `OPEN_UNKNOWN_KEY`.
        """

    def switch_now(self, now_ms: int) -> None:
        """Seals with the newest epoch from now on."""

    def sealing_from(self, group_id: int, object_id: int) -> None:
        """Says after a restart that nothing was sealed at this location or above it.

        Then keys that an earlier run may have had can seal from there on. What says so must be newer than any snapshot.
        """

    def close(self) -> None:
        """Erases the state and the keys here. A second call does nothing. Raises `Error` with `BUSY`."""

    def __enter__(self) -> Participant: ...
    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

@final
class Service:
    """A counter service (draft section 7): requests in, answers out. Its counters are in memory."""

    def __new__(cls, config: ServiceConfig | None = None, signing_key: bytes | None = None) -> Service:
        """Makes a service without counters.

        `signing_key` is an Ed25519 private key (RFC 8032, 32 bytes), with which it signs receipts. Raises `Error` with
        `INVALID_LENGTH`.
        """

    def answer(self, now_ms: int, action: Action, token: bytes) -> Event:
        """Does what an action asks of the service, and returns the event that answers it.

        `token` becomes the lock's token if it is given: 16 bytes that nobody can guess, fresh for each call. Raises
        `Error` with `NO_COUNTER_REQUEST` for any other action.
        """

    def respond(self, now_ms: int, input: bytes, token: bytes) -> HttpAnswer | None:
        """Answers the HTTP/1.1 request at the front of `input`; `None` if more bytes are needed.

        `token` is as in `answer`. Who may ask, and how often, is the embedder's to judge before.
        """

    def close(self) -> None:
        """Drops the counters. A second call does nothing. Raises `Error` with `BUSY`."""

    def __enter__(self) -> Service: ...
    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

def default_config(group: bytes) -> Config:
    """Returns the defaults for a group. Raises `Error` with `INVALID_NAME`."""

def default_limits() -> Limits:
    """Returns the defaults."""

def default_timers() -> Timers:
    """Returns the defaults."""

def default_keys() -> KeysConfig:
    """Returns the defaults."""

def default_service() -> ServiceConfig:
    """Returns the defaults."""

def request_of(action: Action) -> tuple[RequestKind, int] | None:
    """Returns what kind of answer an action wants, and under which id; `None` if it wants none."""

def counter_request(action: Action, host: str, token: str | None = None) -> bytes:
    """Returns the HTTP/1.1 request of a `Lock`, `Increment` or `GetCommit` action.

    `host` is the value of the Host header, `token` a bearer token. Raises `Error` with `NO_COUNTER_REQUEST` for any
    other action, `INVALID_HTTP` for a host or token that cannot be sent, `NOT_UTF8` for a text that UTF-8 cannot write.
    """

def counter_reply(request: RequestKind, id: int, input: bytes, ended: bool) -> CounterReply | None:
    """Reads the response to the action of that kind and id; `None` if more bytes are needed.

    `ended` says that none will come. A response that cannot be read is the failure `UNKNOWN`: the request may have had
    its effect. Raises `Error` with `NO_COUNTER_REQUEST` for a kind that the counter service is not asked.
    """
