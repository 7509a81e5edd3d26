"""Numbers that events, actions, notices and errors are made of. A number once given never changes."""

from enum import IntEnum


class SafetyMode(IntEnum):
    """How the winner of an epoch is decided."""

    PINNED = 1  #: By the pin that the counter service records once for each slot: the default.
    FENCED = 2  #: By the token of the lock under which the slot was filled.
    ADVISORY = 3  #: By the draft's lock alone, which can fork.


class Admission(IntEnum):
    """Who may join without being asked about."""

    OPEN = 1  #: Every client with a valid credential: the default.
    ASK = 2  #: Nobody: each waits for the event `Admit`.


class CommitTracks(IntEnum):
    """Who publishes commits where."""

    SHARED = 1  #: The draft's one shared track: the default.
    PER_SENDER = 2  #: One track for each sender.


class Phase(IntEnum):
    """The phase that a participant is in."""

    NEW = 1  #: Nothing was asked yet.
    BOOTSTRAPPING = 2  #: It finds out whether the group exists, or creates it.
    JOINING = 3  #: It waits for a Welcome.
    MEMBER = 4  #: In the group.
    ENDED = 5  #: Left or removed.
    POISONED = 6  #: Its own state failed: restore the last snapshot.


class RequestKind(IntEnum):
    """What kind of request an answer is to."""

    SUBSCRIBE = 1  #: The actions `Subscribe` and `SubscribeNamespace`.
    PUBLISH = 2  #: The action `Publish`.
    FETCH = 3  #: The action `Fetch`.
    LOCK = 4  #: The action `Lock`.
    INCREMENT = 5  #: The action `Increment`.
    GET_COMMIT = 6  #: The action `GetCommit`.


class Failure(IntEnum):
    """How a request ended without an answer."""

    NOT_SENT = 1  #: It certainly had no effect.
    UNKNOWN = 2  #: It may have had its effect.
    REFUSED = 3  #: The peer refused it, with a code.


class Reason(IntEnum):
    """Why the counter service refused a request."""

    NOT_LOCKED = 1  #: An increment without a live lock.
    PIN_REQUIRED = 2  #: An increment without a pin on a counter whose slots are pinned.
    UNPINNED_ID = 3  #: An increment with a pin on a counter whose first slot was not pinned.
    MALFORMED = 4  #: The request does not parse.
    TOO_LARGE = 5  #: An id or a body over the service's limits.
    UNAUTHENTICATED = 6  #: No token.
    FORBIDDEN = 7  #: A token that does not allow this.
    RATE_LIMITED = 8  #: Too many requests.
    OVERFLOW = 9  #: The counter cannot go higher.
    COMMIT_REQUIRED = 10  #: A pinned increment without the commit that its pin names.
    NOT_YOUR_TURN = 11  #: Another client has asked for the slot.


class Breach(IntEnum):
    """What a commit is against in a policy."""

    ADDS = 1  #: Its committer may not add.
    REMOVES = 2  #: Its committer may not remove.
    TOO_MANY_ADDS = 3  #: It adds too many.
    TOO_MANY_REMOVES = 4  #: It removes too many.
    TOO_LARGE = 5  #: It has too many bytes.
    ROSTER_FULL = 6  #: It makes a group larger than the limit.


class ClockError(IntEnum):
    """How the own clock is wrong."""

    NONE = 1  #: It is right, within a few minutes.
    BEHIND = 2  #: It is slow, or stood still.
    AHEAD = 3  #: It is fast.


class ClockWitness(IntEnum):
    """Who says that the own clock is wrong."""

    SERVICE = 1  #: The counter service.
    PEERS = 2  #: KeyPackages of several senders.


class Refusal(IntEnum):
    """Why an intent came to nothing."""

    NOT_A_MEMBER = 1  #: Nobody of that name is in the group.
    NOT_ADMITTED = 2  #: The embedder refused it, or nobody admitted it.
    BAD_KEY_PACKAGE = 3  #: The KeyPackage cannot be committed.
    FULL = 4  #: The group or the waiting room is full.
    TOO_LARGE = 5  #: Something would be over a limit.


class Fault(IntEnum):
    """What was wrong with something that arrived."""

    FOREIGN_TRACK = 1  #: On a track that is none of this group's.
    BAD_LOCATION = 2  #: At a place where no such object may be.
    TOO_LARGE = 3  #: Over a size limit.
    NOT_MLS = 4  #: Not an MLS message, or not of the kind the track is for.
    INVALID = 5  #: A KeyPackage, Welcome or Commit that does not verify.
    EXPIRED = 6  #: A KeyPackage outside its lifetime.
    WRONG_SENDER = 7  #: The KeyPackage's key is not the one that its track is named after.
    NOT_FOR_ME = 8  #: A Welcome that no own key opens.
    WRONG_GROUP = 9  #: Of another group.
    WRONG_EPOCH = 10  #: Of another epoch than its place says, or of one that is over.
    TOO_MANY = 11  #: Over a count limit.
    NOT_PINNED = 12  #: A Welcome whose epoch was decided otherwise.
    BAD_RECEIPT = 13  #: A receipt that does not verify.
    WRONG_TREE = 14  #: The object at the place of a ratchet tree is not that tree.
    UNKNOWN_REPLY = 15  #: A reply to a request that was never made, or was answered before.


class RejoinReason(IntEnum):
    """Why a participant joins again."""

    UNREACHABLE = 1  #: A decided commit could not be found.
    FAULTY_COMMIT = 2  #: A decided commit could not be processed.
    PIN_FORGOTTEN = 3  #: The service forgot the pins of the present epoch.
    WRONG_LOCK = 4  #: The slot went to a lock that its commit's keys do not make.
    SERVICE_REGRESSED = 5  #: The service signed, twice, that it went back.
    FORK = 6  #: A fork was detected.
    REPLACED = 7  #: A member took an own KeyPackage for a request to come back.
    DOUBLED = 8  #: Another run of this participant acted in its place.


class Silence(IntEnum):
    """Why there is nothing to seal with."""

    NO_EPOCH = 1  #: No epoch came yet, or the participant has ended.
    BEHIND = 2  #: The group went on without this member.
    RESTORED = 3  #: An earlier run may have sealed with this epoch.


class SwitchReason(IntEnum):
    """Why an epoch is sealed with now."""

    FIRST = 1  #: There was no other.
    QUORUM = 2  #: Enough members were seen on it.
    DEADLINE = 3  #: The time to wait is over.
    REMOVAL = 4  #: The time to wait after a removal is over.
    ASKED = 5  #: It was asked for.
    RESTORED = 6  #: It was sealed with before the restart.
    RESUMED = 7  #: It ends a silence.


class ForgetReason(IntEnum):
    """Why an epoch's secret is erased."""

    AGE = 1  #: It is old.
    NUMBER = 2  #: There are too many.
    FORK = 3  #: It came again with another secret.
    CLOSED = 4  #: The participant has ended.


class Hold(IntEnum):
    """Why a KeyPackage waits for the embedder."""

    POLICY = 1  #: The configuration asks about everybody.
    BARRED = 2  #: The sender was removed before.
    MAYBE_BARRED = 3  #: The sender may be one that was removed and is forgotten.
    OTHER_CREDENTIAL = 4  #: The key is known with another credential, which is in the notice if it is a member's.
    SAME_IDENTITY = 5  #: Another member, named in the notice, has the same identity under another key.


class EpochCause(IntEnum):
    """What began an epoch, for this participant."""

    CREATED = 1  #: It created the group.
    WELCOME = 2  #: A Welcome let it in.
    COMMIT = 3  #: A commit was applied, of the committer that the notice names.


class ServiceFault(IntEnum):
    """What is wrong with the counter service."""

    REGRESSED = 1  #: Its counter is below the group's epoch.
    ABSURD = 2  #: Its counter is absurdly far ahead.
    LINEAGE_MISMATCH = 3  #: It holds another lineage.
    NO_PINS = 4  #: It does not record pins.
    NO_TOKENS = 5  #: It hands out locks without tokens.
    LOST_GROUP = 6  #: It says that no group exists, but there are commits on the relay.
    BAD_RECEIPT = 7  #: It states a pin whose receipt is missing or does not verify.
    WRONG_KEY = 8  #: It says that the own slot key does not open the lock of the own pin.
    REFUSED = 9  #: It refuses requests, for the reason in the notice.
    NO_ANSWER = 10  #: Three requests in a row got no answer.


class RecoveryStep(IntEnum):
    """A step on the way to a successor."""

    LOOKING = 1  #: It looks for a successor.
    FOUNDING = 2  #: It founds one.
    FOLLOWING = 3  #: It asks to be let in to one.
    GIVEN_UP = 4  #: Nobody let it in there in time.


class WaitsFor(IntEnum):
    """What a participant waits for."""

    JOIN = 1  #: The event `Join`.
    PROBE = 2  #: The counter service's answer whether the group exists.
    SIGNS = 3  #: What the relay has of a group that the service does not know.
    CREATION = 4  #: The counter service's answer who created the group.
    NEWCOMER = 5  #: A member of the group before.
    WELCOME = 6  #: A Welcome.
    CONFIRMATION = 7  #: What confirms a Welcome to an MLS epoch.
    TREE = 8  #: The ratchet tree of a Welcome.
    SUCCESSOR = 9  #: A successor of the group.
    TURN = 10  #: The own turn to commit.
    LOCK = 11  #: The lock of the next epoch.
    RELAY = 12  #: The relay: the own commit is to be read back.
    INCREMENT = 13  #: The counter service's answer to the own increment.
    PIN = 14  #: The answer which commit was pinned.
    COMMIT = 15  #: The commit that was pinned, and is not here.
    REMOVAL = 16  #: Being removed, as it asked.
    SERVICE = 17  #: A service that can be worked with.
    NEWS = 18  #: Nothing: a member, without work.
    END = 19  #: Nothing any more.


class Status(IntEnum):
    """How a call ended, as a number. The first group is for bindings with handles and pointers."""

    OK = 0  #: It did what it says.
    NULL_POINTER = 1  #: A pointer is null where there must be something.
    INVALID_HANDLE = 2  #: The handle names nothing: it was freed, never given, or is of another type.
    BUSY = 3  #: Another thread is in a call with this handle.
    PANICKED = 4  #: The library panicked, which is a fault of it. The handle can only be freed.
    INVALID_SIZE = 5  #: A `size` field that is too small for what the kind needs.
    UNKNOWN_CODE = 6  #: A number that names nothing: a kind, a code or a suite.
    INVALID_LENGTH = 7  #: Bytes of a wrong length, or a number that is too large.
    INVALID_NAME = 8  #: A name that MoQT or the draft forbids.
    BUFFER_TOO_SMALL = 9  #: The output does not fit into the buffer; its length was written.
    NOT_UTF8 = 10  #: Text that is not UTF-8.
    NO_SUCH_TRACK = 11  #: The participant has no such track.
    UNSUPPORTED = 12  #: This build lacks it.
    NO_COUNTER_REQUEST = 13  #: The action is no request to the counter service.
    INVALID_HTTP = 14  #: Bytes that are no HTTP/1.1.
    TOO_MANY_HANDLES = 15  #: There are as many handles as there can be.
    UNDRAINED = 20  #: Too many actions wait: poll them, and give the event again.
    NOT_A_MEMBER = 21  #: The call needs a member, and this participant is none.
    EPOCH_GONE = 22  #: The epoch is over, or has not begun.
    ALREADY_JOINED = 23  #: `Join` came a second time.
    BAD_KEY_PACKAGE = 24  #: The KeyPackage is not valid.
    BAD_SERVICE_KEY = 25  #: The service key is no Ed25519 public key.
    OWN_NAME = 26  #: The command is about this participant and needs another name.
    ENDED = 27  #: The participant has left or was removed.
    ENGINE = 28  #: The MLS engine failed: restore the last snapshot.
    POISONED = 29  #: The MLS engine failed before: restore the last snapshot.
    SNAPSHOT_MALFORMED = 40  #: The bytes are no snapshot, or are damaged.
    SNAPSHOT_VERSION = 41  #: A snapshot of another version.
    SNAPSHOT_OTHER_GROUP = 42  #: A snapshot of another group or configuration.
    SNAPSHOT_OTHER_PARTICIPANT = 43  #: A snapshot of another participant.
    SEAL_NO_KEY = 60  #: There is no key to seal with now.
    SEAL_OBJECT_ID = 61  #: The object id does not fit the nonce.
    SEAL_NOT_ABOVE = 62  #: The location is not above those sealed before.
    SEAL_RESTORED = 63  #: The key may have been sealed with before a restart.
    SEAL_KEY_ID = 64  #: The immutable properties lack the Key ID.
    SEAL_TOO_LONG = 65  #: The object is too long.
    SEAL_LIMIT = 66  #: The key has reached its limit.
    SEAL_CIPHER = 67  #: The cipher failed.
    OPEN_UNKNOWN_KEY = 80  #: There is no key for this Key ID, now. It may come.
    OPEN_LIMIT = 81  #: The key has reached its limit.
    OPEN_REJECTED = 82  #: The object does not open.
