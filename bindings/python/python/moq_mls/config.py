"""How a participant takes part in a group, and the bounds of a counter service."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from . import codes


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what peers, relays and the service can make a participant hold or do. All members must
    have the same.
    """

    key_package_bytes: int  #: Largest KeyPackage object, bytes.
    handshake_bytes: int  #: Largest Commit or Welcome object, bytes.
    service_commit_bytes: int  #: Largest commit that the counter service keeps, bytes.
    tree_bytes: int  #: Largest ratchet-tree object, bytes.
    outbox_bytes: int  #: Most bytes of one commit with its Welcomes and its tree.
    roster: int  #: Most members.
    adds_per_commit: int  #: Most members added by one commit whose Welcomes have the tree inside.
    adds_per_commit_apart: int  #: Most members added by one commit whose tree goes apart.
    pending_joiners: int  #: Most KeyPackages that wait to be committed.
    pending_joiner_bytes: int  #: Most bytes of those KeyPackages.
    remembered_senders: int  #: Most removed or refused senders that are remembered.
    candidates: int  #: Most commits of others held for one slot.
    commits_per_epoch: int  #: Most commits of members tried for one slot.
    vain_bytes: int  #: Most bytes of commits that are tried for one slot and come to nothing.
    returns: int  #: How often in a row one sender is let in.
    key_packages: int  #: How many KeyPackages of one sender are verified in a row.
    future_epochs: int  #: How far ahead of the own epoch a commit is kept.
    future_bytes: int  #: Most bytes of commits kept for later epochs.
    leave_bytes: int  #: Most bytes of leave requests kept for later epochs.
    own_key_packages: int  #: Most own KeyPackages that can still be welcomed.
    welcomes: int  #: Most Welcomes held while their pin is not known.
    welcome_bytes: int  #: Most bytes of those Welcomes.
    counter_lead: int  #: How far ahead a counter may be, in slots.
    publish_tries: int  #: How often a publish is repeated.
    actions: int  #: Most actions that wait to be polled.

    @classmethod
    def new(cls, **changes: int) -> Limits:
        """Returns the defaults, with changes.

        Raises `TypeError` for a name that is none of the fields.
        """
        from . import _native

        return replace(_native.default_limits(), **changes)


@dataclass(frozen=True, slots=True)
class Timers:
    """How long a participant waits for what, milliseconds."""

    batch_ms: int  #: Work is gathered for so long before a commit.
    crowd_ms: int  #: A commit waits for more joiners for so long at most.
    turn_ms: int  #: The next member in turn takes over after so much more.
    confirm_ms: int  #: A held commit is asked about after this.
    lease_ms: int  #: The committer alone pins its commit for so long.
    returns_ms: int  #: A sender that was let in too often is let in again after this.
    key_package_ms: int  #: Of a sender with too many KeyPackages another is verified after this.
    fetch_ms: int  #: A missing commit is fetched again after this.
    read_back_ms: int  #: A commit that is not read back is published again after this.
    join_retry_ms: int  #: A joiner publishes a fresh KeyPackage after this.
    join_deadline_ms: int  #: A joiner reports that its join stalls after this.
    rejoin_ms: int  #: A member that cannot find a decided commit joins again after this.
    keep_ms: int  #: A member that joins again keeps its state for so long.
    strand_ms: int  #: A member waits for so long on the way to a successor.
    backoff_first_ms: int  #: The first delay of the back-off.
    backoff_longest_ms: int  #: The longest delay of the back-off.
    retry_later_shortest_ms: int  #: The shortest `retry_later` that is believed.
    retry_later_longest_ms: int  #: The longest `retry_later` that is believed.
    leave_ms: int  #: A leave request that nobody commits is given up after this.
    audit_ms: int  #: A member that heard nothing asks the counter after this.
    epoch_secrets_ms: int  #: The secret of a passed epoch can be pulled for so long.
    audit_with_media_ms: int  #: While media opens, the counter is asked after this at the latest.
    hint_ms: int  #: Signs that the group went on are looked into this often at most.
    lost_group_ms: int  #: Signs that the group exists delay its creation by so much at most.
    credential_check_ms: int  #: How often credentials are checked for expiry.

    @classmethod
    def new(cls, **changes: int) -> Timers:
        """Returns the defaults, with changes.

        Raises `TypeError` for a name that is none of the fields.
        """
        from . import _native

        return replace(_native.default_timers(), **changes)


@dataclass(frozen=True, slots=True)
class KeysConfig:
    """When media switches to a newer epoch, and forgets an older one."""

    quorum: int  #: How many of the other members must be seen on an epoch before it is sealed with, percent.
    switch_after_ms: int  #: An epoch is sealed with after this at the latest.
    switch_after_removal_ms: int  #: The same for an epoch in which a member was removed.
    coalesce_ms: int  #: A switch waits up to so much longer for a newer epoch.
    keep_ms: int  #: An epoch is kept for so long after a newer one came.
    keep_epochs: int  #: Most epochs kept, at least 2.
    stale_after_ms: int  #: A member that the group went on without seals for so much longer.

    @classmethod
    def new(cls, **changes: int) -> KeysConfig:
        """Returns the defaults, with changes.

        Raises `TypeError` for a name that is none of the fields.
        """
        from . import _native

        return replace(_native.default_keys(), **changes)


@dataclass(frozen=True, slots=True)
class ServiceConfig:
    """The bounds of a counter service."""

    lease_ms: int  #: How long a lock lasts, milliseconds.
    max_counters: int  #: Most counters.
    max_counters_per_source: int  #: Most counters started by one source.
    idle_ms: int  #: How long a counter must rest before a new one may take its place, milliseconds.
    kept_pins: int  #: Pins kept for each counter.
    kept_commits: int  #: Commits kept for each counter.
    kept_commit_bytes: int  #: Bytes of commits kept for each counter.
    max_commit_bytes: int  #: Bytes of commits kept for all counters together.

    @classmethod
    def new(cls, **changes: int) -> ServiceConfig:
        """Returns the defaults, with changes.

        Raises `TypeError` for a name that is none of the fields.
        """
        from . import _native

        return replace(_native.default_service(), **changes)


@dataclass(frozen=True, slots=True)
class Config:
    """How a participant takes part in a group, with the key ring of its media."""

    group: bytes  #: The group name: 1 to 255 bytes.
    mode: codes.SafetyMode  #: How the winner of an epoch is decided. The same for all members.
    commit_tracks: codes.CommitTracks  #: Where commits are published. The same for all members.
    tree_objects: bool  #: Whether the ratchet tree of a large group is an object of its own. The same for all members.
    #: The counter service's Ed25519 public key, if it signs receipts. The same for all members.
    service_key: bytes | None
    admission: codes.Admission  #: Who may join.
    adders: tuple[bytes, ...] | None  #: The members whose commits may add; `None` for all.
    removers: tuple[bytes, ...] | None  #: The members whose commits may remove; `None` for all.
    most_adds: int  #: Most members added by one commit that is helped.
    most_removes: int  #: Most members removed by one commit that is helped.
    most_bytes: int  #: Largest commit that is helped, bytes.
    tree_threshold: int  #: From how many members on the ratchet tree goes apart.
    successor: bool  #: Whether a group that cannot go on is followed by a successor.
    follow_offers: bool  #: Whether a newcomer follows a successor without being asked.
    limits: Limits  #: Bounds.
    timers: Timers  #: Waiting times.
    keys: KeysConfig  #: The media's key ring.

    @classmethod
    def new(cls, group: bytes, **changes: Any) -> Config:
        """Returns the defaults for a group, with changes.

        Raises `Error` with `INVALID_NAME` for a name that is no group name, `TypeError` for a name that is none of
        the fields.
        """
        from . import _native

        return replace(_native.default_config(group), **changes)
