// moq-mls: secure group key agreement with MLS over MoQ, as a state machine without IO.
//
// The contract, for every function:
//
// - A function returns MOQ_MLS_STATUS_OK or says why not; moq_mls_last_error() has a sentence about it. What it does not
//   write to stays as it was.
// - A handle is a number, never a pointer. One that was freed, was never given, or is of another type is
//   MOQ_MLS_STATUS_INVALID_HANDLE. Free each handle once, with moq_mls_free().
// - What a function lends ("lends") is valid until the next call with the same handle, and not a moment longer.
//   What a caller passes in is copied: it must be valid only while the call lasts.
// - A pointer that is not null must point to what its type says. Only that, no call can check.
// - A MoqMlsBytes whose data is null is absent where a field says "may be absent", and empty elsewhere.
// - A struct with a field `size` may grow at its end. Set `size` to sizeof of the struct, as the caller compiled it.
// - Different handles may be used by different threads at the same time. One handle may be used by any thread, by one
//   at a time: of two that meet, one gets MOQ_MLS_STATUS_BUSY. What is lent belongs to the thread that asked for it.
// - Times are milliseconds since the Unix epoch. The library reads no clock, and calls nothing back.
// - A panic of the library ends in MOQ_MLS_STATUS_PANICKED. Then the handle can only be freed.


#ifndef MOQ_MLS_H
#define MOQ_MLS_H

// Made by cbindgen from bindings/c/src and bindings/boundary/src. Do not edit: `cargo test -p moq-mls-c` compares it.

#include <stddef.h>
#include <stdint.h>

// How a call ended, as a number. The first group is for bindings with handles and pointers.
enum MoqMlsStatus
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // It did what it says.
    MOQ_MLS_STATUS_OK = 0,
    // A pointer is null where there must be something.
    MOQ_MLS_STATUS_NULL_POINTER = 1,
    // The handle names nothing: it was freed, never given, or is of another type.
    MOQ_MLS_STATUS_INVALID_HANDLE = 2,
    // Another thread is in a call with this handle.
    MOQ_MLS_STATUS_BUSY = 3,
    // The library panicked, which is a fault of it. The handle can only be freed.
    MOQ_MLS_STATUS_PANICKED = 4,
    // A `size` field that is too small for what the kind needs.
    MOQ_MLS_STATUS_INVALID_SIZE = 5,
    // A number that names nothing: a kind, a code or a suite.
    MOQ_MLS_STATUS_UNKNOWN_CODE = 6,
    // Bytes of a wrong length, or a number that is too large.
    MOQ_MLS_STATUS_INVALID_LENGTH = 7,
    // A name that MoQT or the draft forbids.
    MOQ_MLS_STATUS_INVALID_NAME = 8,
    // The output does not fit into the buffer; its length was written.
    MOQ_MLS_STATUS_BUFFER_TOO_SMALL = 9,
    // Text that is not UTF-8.
    MOQ_MLS_STATUS_NOT_UTF8 = 10,
    // The participant has no such track.
    MOQ_MLS_STATUS_NO_SUCH_TRACK = 11,
    // This build lacks it.
    MOQ_MLS_STATUS_UNSUPPORTED = 12,
    // The action is no request to the counter service.
    MOQ_MLS_STATUS_NO_COUNTER_REQUEST = 13,
    // Bytes that are no HTTP/1.1.
    MOQ_MLS_STATUS_INVALID_HTTP = 14,
    // There are as many handles as there can be.
    MOQ_MLS_STATUS_TOO_MANY_HANDLES = 15,
    // Too many actions wait: poll them, and give the event again.
    MOQ_MLS_STATUS_UNDRAINED = 20,
    // The call needs a member, and this participant is none.
    MOQ_MLS_STATUS_NOT_A_MEMBER = 21,
    // The epoch is over, or has not begun.
    MOQ_MLS_STATUS_EPOCH_GONE = 22,
    // `Join` came a second time.
    MOQ_MLS_STATUS_ALREADY_JOINED = 23,
    // The KeyPackage is not valid.
    MOQ_MLS_STATUS_BAD_KEY_PACKAGE = 24,
    // The service key is no Ed25519 public key.
    MOQ_MLS_STATUS_BAD_SERVICE_KEY = 25,
    // The command is about this participant and needs another name.
    MOQ_MLS_STATUS_OWN_NAME = 26,
    // The participant has left or was removed.
    MOQ_MLS_STATUS_ENDED = 27,
    // The MLS engine failed: restore the last snapshot.
    MOQ_MLS_STATUS_ENGINE = 28,
    // The MLS engine failed before: restore the last snapshot.
    MOQ_MLS_STATUS_POISONED = 29,
    // The bytes are no snapshot, or are damaged.
    MOQ_MLS_STATUS_SNAPSHOT_MALFORMED = 40,
    // A snapshot of another version.
    MOQ_MLS_STATUS_SNAPSHOT_VERSION = 41,
    // A snapshot of another group or configuration.
    MOQ_MLS_STATUS_SNAPSHOT_OTHER_GROUP = 42,
    // A snapshot of another participant.
    MOQ_MLS_STATUS_SNAPSHOT_OTHER_PARTICIPANT = 43,
    // There is no key to seal with now.
    MOQ_MLS_STATUS_SEAL_NO_KEY = 60,
    // The object id does not fit the nonce.
    MOQ_MLS_STATUS_SEAL_OBJECT_ID = 61,
    // The location is not above those sealed before.
    MOQ_MLS_STATUS_SEAL_NOT_ABOVE = 62,
    // The key may have been sealed with before a restart.
    MOQ_MLS_STATUS_SEAL_RESTORED = 63,
    // The immutable properties lack the Key ID.
    MOQ_MLS_STATUS_SEAL_KEY_ID = 64,
    // The object is too long.
    MOQ_MLS_STATUS_SEAL_TOO_LONG = 65,
    // The key has reached its limit.
    MOQ_MLS_STATUS_SEAL_LIMIT = 66,
    // The cipher failed.
    MOQ_MLS_STATUS_SEAL_CIPHER = 67,
    // There is no key for this Key ID, now. It may come.
    MOQ_MLS_STATUS_OPEN_UNKNOWN_KEY = 80,
    // The key has reached its limit.
    MOQ_MLS_STATUS_OPEN_LIMIT = 81,
    // The object does not open.
    MOQ_MLS_STATUS_OPEN_REJECTED = 82,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum MoqMlsStatus MoqMlsStatus;
#else
typedef uint32_t MoqMlsStatus;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// How the winner of an epoch is decided.
enum MoqMlsSafetyMode
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // By the pin that the counter service records once for each slot: the default.
    MOQ_MLS_SAFETY_MODE_PINNED = 1,
    // By the token of the lock under which the slot was filled.
    MOQ_MLS_SAFETY_MODE_FENCED = 2,
    // By the draft's lock alone, which can fork.
    MOQ_MLS_SAFETY_MODE_ADVISORY = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum MoqMlsSafetyMode MoqMlsSafetyMode;
#else
typedef uint32_t MoqMlsSafetyMode;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Who may join without being asked about.
enum MoqMlsAdmission
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Every client with a valid credential: the default.
    MOQ_MLS_ADMISSION_OPEN = 1,
    // Nobody: each waits for the event `Admit`.
    MOQ_MLS_ADMISSION_ASK = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum MoqMlsAdmission MoqMlsAdmission;
#else
typedef uint32_t MoqMlsAdmission;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Who publishes commits where.
enum MoqMlsCommitTracks
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // The draft's one shared track: the default.
    MOQ_MLS_COMMIT_TRACKS_SHARED = 1,
    // One track for each sender.
    MOQ_MLS_COMMIT_TRACKS_PER_SENDER = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum MoqMlsCommitTracks MoqMlsCommitTracks;
#else
typedef uint32_t MoqMlsCommitTracks;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// The phase that a participant is in.
enum MoqMlsPhase
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Nothing was asked yet.
    MOQ_MLS_PHASE_NEW = 1,
    // It finds out whether the group exists, or creates it.
    MOQ_MLS_PHASE_BOOTSTRAPPING = 2,
    // It waits for a Welcome.
    MOQ_MLS_PHASE_JOINING = 3,
    // In the group.
    MOQ_MLS_PHASE_MEMBER = 4,
    // Left or removed.
    MOQ_MLS_PHASE_ENDED = 5,
    // Its own state failed: restore the last snapshot.
    MOQ_MLS_PHASE_POISONED = 6,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum MoqMlsPhase MoqMlsPhase;
#else
typedef uint32_t MoqMlsPhase;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What kind of request an answer is to.
enum MoqMlsRequestKind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // The actions `Subscribe` and `SubscribeNamespace`.
    MOQ_MLS_REQUEST_KIND_SUBSCRIBE = 1,
    // The action `Publish`.
    MOQ_MLS_REQUEST_KIND_PUBLISH = 2,
    // The action `Fetch`.
    MOQ_MLS_REQUEST_KIND_FETCH = 3,
    // The action `Lock`.
    MOQ_MLS_REQUEST_KIND_LOCK = 4,
    // The action `Increment`.
    MOQ_MLS_REQUEST_KIND_INCREMENT = 5,
    // The action `GetCommit`.
    MOQ_MLS_REQUEST_KIND_GET_COMMIT = 6,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum MoqMlsRequestKind MoqMlsRequestKind;
#else
typedef uint32_t MoqMlsRequestKind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// How a request ended without an answer.
enum MoqMlsFailure
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // It certainly had no effect.
    MOQ_MLS_FAILURE_NOT_SENT = 1,
    // It may have had its effect.
    MOQ_MLS_FAILURE_UNKNOWN = 2,
    // The peer refused it, with a code.
    MOQ_MLS_FAILURE_REFUSED = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum MoqMlsFailure MoqMlsFailure;
#else
typedef uint32_t MoqMlsFailure;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Why the counter service refused a request.
enum MoqMlsReason
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // An increment without a live lock.
    MOQ_MLS_REASON_NOT_LOCKED = 1,
    // An increment without a pin on a counter whose slots are pinned.
    MOQ_MLS_REASON_PIN_REQUIRED = 2,
    // An increment with a pin on a counter whose first slot was not pinned.
    MOQ_MLS_REASON_UNPINNED_ID = 3,
    // The request does not parse.
    MOQ_MLS_REASON_MALFORMED = 4,
    // An id or a body over the service's limits.
    MOQ_MLS_REASON_TOO_LARGE = 5,
    // No token.
    MOQ_MLS_REASON_UNAUTHENTICATED = 6,
    // A token that does not allow this.
    MOQ_MLS_REASON_FORBIDDEN = 7,
    // Too many requests.
    MOQ_MLS_REASON_RATE_LIMITED = 8,
    // The counter cannot go higher.
    MOQ_MLS_REASON_OVERFLOW = 9,
    // A pinned increment without the commit that its pin names.
    MOQ_MLS_REASON_COMMIT_REQUIRED = 10,
    // Another client has asked for the slot.
    MOQ_MLS_REASON_NOT_YOUR_TURN = 11,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum MoqMlsReason MoqMlsReason;
#else
typedef uint32_t MoqMlsReason;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What a commit is against in a policy.
enum MoqMlsBreach
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Its committer may not add.
    MOQ_MLS_BREACH_ADDS = 1,
    // Its committer may not remove.
    MOQ_MLS_BREACH_REMOVES = 2,
    // It adds too many.
    MOQ_MLS_BREACH_TOO_MANY_ADDS = 3,
    // It removes too many.
    MOQ_MLS_BREACH_TOO_MANY_REMOVES = 4,
    // It has too many bytes.
    MOQ_MLS_BREACH_TOO_LARGE = 5,
    // It makes a group larger than the limit.
    MOQ_MLS_BREACH_ROSTER_FULL = 6,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum MoqMlsBreach MoqMlsBreach;
#else
typedef uint32_t MoqMlsBreach;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// How the own clock is wrong.
enum MoqMlsClockError
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // It is right, within a few minutes.
    MOQ_MLS_CLOCK_ERROR_NONE = 1,
    // It is slow, or stood still.
    MOQ_MLS_CLOCK_ERROR_BEHIND = 2,
    // It is fast.
    MOQ_MLS_CLOCK_ERROR_AHEAD = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum MoqMlsClockError MoqMlsClockError;
#else
typedef uint32_t MoqMlsClockError;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Who says that the own clock is wrong.
enum MoqMlsClockWitness
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // The counter service.
    MOQ_MLS_CLOCK_WITNESS_SERVICE = 1,
    // KeyPackages of several senders.
    MOQ_MLS_CLOCK_WITNESS_PEERS = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum MoqMlsClockWitness MoqMlsClockWitness;
#else
typedef uint32_t MoqMlsClockWitness;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Why an intent came to nothing.
enum MoqMlsRefusal
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Nobody of that name is in the group.
    MOQ_MLS_REFUSAL_NOT_A_MEMBER = 1,
    // The embedder refused it, or nobody admitted it.
    MOQ_MLS_REFUSAL_NOT_ADMITTED = 2,
    // The KeyPackage cannot be committed.
    MOQ_MLS_REFUSAL_BAD_KEY_PACKAGE = 3,
    // The group or the waiting room is full.
    MOQ_MLS_REFUSAL_FULL = 4,
    // Something would be over a limit.
    MOQ_MLS_REFUSAL_TOO_LARGE = 5,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum MoqMlsRefusal MoqMlsRefusal;
#else
typedef uint32_t MoqMlsRefusal;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What was wrong with something that arrived.
enum MoqMlsFault
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // On a track that is none of this group's.
    MOQ_MLS_FAULT_FOREIGN_TRACK = 1,
    // At a place where no such object may be.
    MOQ_MLS_FAULT_BAD_LOCATION = 2,
    // Over a size limit.
    MOQ_MLS_FAULT_TOO_LARGE = 3,
    // Not an MLS message, or not of the kind the track is for.
    MOQ_MLS_FAULT_NOT_MLS = 4,
    // A KeyPackage, Welcome or Commit that does not verify.
    MOQ_MLS_FAULT_INVALID = 5,
    // A KeyPackage outside its lifetime.
    MOQ_MLS_FAULT_EXPIRED = 6,
    // The KeyPackage's key is not the one that its track is named after.
    MOQ_MLS_FAULT_WRONG_SENDER = 7,
    // A Welcome that no own key opens.
    MOQ_MLS_FAULT_NOT_FOR_ME = 8,
    // Of another group.
    MOQ_MLS_FAULT_WRONG_GROUP = 9,
    // Of another epoch than its place says, or of one that is over.
    MOQ_MLS_FAULT_WRONG_EPOCH = 10,
    // Over a count limit.
    MOQ_MLS_FAULT_TOO_MANY = 11,
    // A Welcome whose epoch was decided otherwise.
    MOQ_MLS_FAULT_NOT_PINNED = 12,
    // A receipt that does not verify.
    MOQ_MLS_FAULT_BAD_RECEIPT = 13,
    // The object at the place of a ratchet tree is not that tree.
    MOQ_MLS_FAULT_WRONG_TREE = 14,
    // A reply to a request that was never made, or was answered before.
    MOQ_MLS_FAULT_UNKNOWN_REPLY = 15,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum MoqMlsFault MoqMlsFault;
#else
typedef uint32_t MoqMlsFault;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Why a participant joins again.
enum MoqMlsRejoinReason
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // A decided commit could not be found.
    MOQ_MLS_REJOIN_REASON_UNREACHABLE = 1,
    // A decided commit could not be processed.
    MOQ_MLS_REJOIN_REASON_FAULTY_COMMIT = 2,
    // The service forgot the pins of the present epoch.
    MOQ_MLS_REJOIN_REASON_PIN_FORGOTTEN = 3,
    // The slot went to a lock that its commit's keys do not make.
    MOQ_MLS_REJOIN_REASON_WRONG_LOCK = 4,
    // The service signed, twice, that it went back.
    MOQ_MLS_REJOIN_REASON_SERVICE_REGRESSED = 5,
    // A fork was detected.
    MOQ_MLS_REJOIN_REASON_FORK = 6,
    // A member took an own KeyPackage for a request to come back.
    MOQ_MLS_REJOIN_REASON_REPLACED = 7,
    // Another run of this participant acted in its place.
    MOQ_MLS_REJOIN_REASON_DOUBLED = 8,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum MoqMlsRejoinReason MoqMlsRejoinReason;
#else
typedef uint32_t MoqMlsRejoinReason;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Why there is nothing to seal with.
enum MoqMlsSilence
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // No epoch came yet, or the participant has ended.
    MOQ_MLS_SILENCE_NO_EPOCH = 1,
    // The group went on without this member.
    MOQ_MLS_SILENCE_BEHIND = 2,
    // An earlier run may have sealed with this epoch.
    MOQ_MLS_SILENCE_RESTORED = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum MoqMlsSilence MoqMlsSilence;
#else
typedef uint32_t MoqMlsSilence;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Why an epoch is sealed with now.
enum MoqMlsSwitchReason
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // There was no other.
    MOQ_MLS_SWITCH_REASON_FIRST = 1,
    // Enough members were seen on it.
    MOQ_MLS_SWITCH_REASON_QUORUM = 2,
    // The time to wait is over.
    MOQ_MLS_SWITCH_REASON_DEADLINE = 3,
    // The time to wait after a removal is over.
    MOQ_MLS_SWITCH_REASON_REMOVAL = 4,
    // It was asked for.
    MOQ_MLS_SWITCH_REASON_ASKED = 5,
    // It was sealed with before the restart.
    MOQ_MLS_SWITCH_REASON_RESTORED = 6,
    // It ends a silence.
    MOQ_MLS_SWITCH_REASON_RESUMED = 7,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum MoqMlsSwitchReason MoqMlsSwitchReason;
#else
typedef uint32_t MoqMlsSwitchReason;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Why an epoch's secret is erased.
enum MoqMlsForgetReason
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // It is old.
    MOQ_MLS_FORGET_REASON_AGE = 1,
    // There are too many.
    MOQ_MLS_FORGET_REASON_NUMBER = 2,
    // It came again with another secret.
    MOQ_MLS_FORGET_REASON_FORK = 3,
    // The participant has ended.
    MOQ_MLS_FORGET_REASON_CLOSED = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum MoqMlsForgetReason MoqMlsForgetReason;
#else
typedef uint32_t MoqMlsForgetReason;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Why a KeyPackage waits for the embedder.
enum MoqMlsHold
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // The configuration asks about everybody.
    MOQ_MLS_HOLD_POLICY = 1,
    // The sender was removed before.
    MOQ_MLS_HOLD_BARRED = 2,
    // The sender may be one that was removed and is forgotten.
    MOQ_MLS_HOLD_MAYBE_BARRED = 3,
    // The key is known with another credential, which is in the notice if it is a member's.
    MOQ_MLS_HOLD_OTHER_CREDENTIAL = 4,
    // Another member, named in the notice, has the same identity under another key.
    MOQ_MLS_HOLD_SAME_IDENTITY = 5,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum MoqMlsHold MoqMlsHold;
#else
typedef uint32_t MoqMlsHold;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What began an epoch, for this participant.
enum MoqMlsEpochCause
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // It created the group.
    MOQ_MLS_EPOCH_CAUSE_CREATED = 1,
    // A Welcome let it in.
    MOQ_MLS_EPOCH_CAUSE_WELCOME = 2,
    // A commit was applied, of the committer that the notice names.
    MOQ_MLS_EPOCH_CAUSE_COMMIT = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum MoqMlsEpochCause MoqMlsEpochCause;
#else
typedef uint32_t MoqMlsEpochCause;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What is wrong with the counter service.
enum MoqMlsServiceFault
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Its counter is below the group's epoch.
    MOQ_MLS_SERVICE_FAULT_REGRESSED = 1,
    // Its counter is absurdly far ahead.
    MOQ_MLS_SERVICE_FAULT_ABSURD = 2,
    // It holds another lineage.
    MOQ_MLS_SERVICE_FAULT_LINEAGE_MISMATCH = 3,
    // It does not record pins.
    MOQ_MLS_SERVICE_FAULT_NO_PINS = 4,
    // It hands out locks without tokens.
    MOQ_MLS_SERVICE_FAULT_NO_TOKENS = 5,
    // It says that no group exists, but there are commits on the relay.
    MOQ_MLS_SERVICE_FAULT_LOST_GROUP = 6,
    // It states a pin whose receipt is missing or does not verify.
    MOQ_MLS_SERVICE_FAULT_BAD_RECEIPT = 7,
    // It says that the own slot key does not open the lock of the own pin.
    MOQ_MLS_SERVICE_FAULT_WRONG_KEY = 8,
    // It refuses requests, for the reason in the notice.
    MOQ_MLS_SERVICE_FAULT_REFUSED = 9,
    // Three requests in a row got no answer.
    MOQ_MLS_SERVICE_FAULT_NO_ANSWER = 10,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum MoqMlsServiceFault MoqMlsServiceFault;
#else
typedef uint32_t MoqMlsServiceFault;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// A step on the way to a successor.
enum MoqMlsRecoveryStep
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // It looks for a successor.
    MOQ_MLS_RECOVERY_STEP_LOOKING = 1,
    // It founds one.
    MOQ_MLS_RECOVERY_STEP_FOUNDING = 2,
    // It asks to be let in to one.
    MOQ_MLS_RECOVERY_STEP_FOLLOWING = 3,
    // Nobody let it in there in time.
    MOQ_MLS_RECOVERY_STEP_GIVEN_UP = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum MoqMlsRecoveryStep MoqMlsRecoveryStep;
#else
typedef uint32_t MoqMlsRecoveryStep;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What a participant waits for.
enum MoqMlsWaitsFor
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // The event `Join`.
    MOQ_MLS_WAITS_FOR_JOIN = 1,
    // The counter service's answer whether the group exists.
    MOQ_MLS_WAITS_FOR_PROBE = 2,
    // What the relay has of a group that the service does not know.
    MOQ_MLS_WAITS_FOR_SIGNS = 3,
    // The counter service's answer who created the group.
    MOQ_MLS_WAITS_FOR_CREATION = 4,
    // A member of the group before.
    MOQ_MLS_WAITS_FOR_NEWCOMER = 5,
    // A Welcome.
    MOQ_MLS_WAITS_FOR_WELCOME = 6,
    // What confirms a Welcome to an MLS epoch.
    MOQ_MLS_WAITS_FOR_CONFIRMATION = 7,
    // The ratchet tree of a Welcome.
    MOQ_MLS_WAITS_FOR_TREE = 8,
    // A successor of the group.
    MOQ_MLS_WAITS_FOR_SUCCESSOR = 9,
    // The own turn to commit.
    MOQ_MLS_WAITS_FOR_TURN = 10,
    // The lock of the next epoch.
    MOQ_MLS_WAITS_FOR_LOCK = 11,
    // The relay: the own commit is to be read back.
    MOQ_MLS_WAITS_FOR_RELAY = 12,
    // The counter service's answer to the own increment.
    MOQ_MLS_WAITS_FOR_INCREMENT = 13,
    // The answer which commit was pinned.
    MOQ_MLS_WAITS_FOR_PIN = 14,
    // The commit that was pinned, and is not here.
    MOQ_MLS_WAITS_FOR_COMMIT = 15,
    // Being removed, as it asked.
    MOQ_MLS_WAITS_FOR_REMOVAL = 16,
    // A service that can be worked with.
    MOQ_MLS_WAITS_FOR_SERVICE = 17,
    // Nothing: a member, without work.
    MOQ_MLS_WAITS_FOR_NEWS = 18,
    // Nothing any more.
    MOQ_MLS_WAITS_FOR_END = 19,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum MoqMlsWaitsFor MoqMlsWaitsFor;
#else
typedef uint32_t MoqMlsWaitsFor;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What happened. A kind says which member of the body it has; the others have none.
enum MoqMlsEventKind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // The embedder asks to take part: create the group or join it.
    MOQ_MLS_EVENT_KIND_JOIN = 1,
    // The embedder admits who asked to be let in: `admit`.
    MOQ_MLS_EVENT_KIND_ADMIT = 2,
    // The embedder drops a sender's KeyPackage and takes no other from it: `sender`.
    MOQ_MLS_EVENT_KIND_REFUSE = 3,
    // The embedder adds a client by a KeyPackage from elsewhere: `key_package`.
    MOQ_MLS_EVENT_KIND_ADD = 4,
    // The embedder removes a member, and bars it until admitted again: `sender`.
    MOQ_MLS_EVENT_KIND_REMOVE = 5,
    // A member's connection ended. Remove it, but let it come back: `sender`.
    MOQ_MLS_EVENT_KIND_GONE = 6,
    // The embedder asks for a commit with fresh entropy.
    MOQ_MLS_EVENT_KIND_UPDATE = 7,
    // The embedder goes over to a successor that was offered: `group`.
    MOQ_MLS_EVENT_KIND_FOLLOW = 8,
    // The embedder asks to be removed.
    MOQ_MLS_EVENT_KIND_LEAVE = 9,
    // An object arrived on a subscribed track; own objects come back too: `object`.
    MOQ_MLS_EVENT_KIND_OBJECT = 10,
    // A subscription, of a track or of a namespace, was accepted.
    MOQ_MLS_EVENT_KIND_SUBSCRIBED = 11,
    // An object was handed to the relay.
    MOQ_MLS_EVENT_KIND_PUBLISHED = 12,
    // The relay answered a fetch: `objects`.
    MOQ_MLS_EVENT_KIND_FETCHED = 13,
    // The counter service gave the lock: `lock`.
    MOQ_MLS_EVENT_KIND_LOCK_GRANTED = 14,
    // Another client holds the lock: `retry_later_ms`.
    MOQ_MLS_EVENT_KIND_LOCK_CONFLICT = 15,
    // The value asked for in a lock request is not the next one: `state`.
    MOQ_MLS_EVENT_KIND_LOCK_COUNTER_ERROR = 16,
    // The counter service refused a lock request: `reason`.
    MOQ_MLS_EVENT_KIND_LOCK_REFUSED = 17,
    // The slot is filled by this increment: `state`.
    MOQ_MLS_EVENT_KIND_INCREMENTED = 18,
    // The slot of an increment is not the next one, or its `prev` is not the pin before: `state`.
    MOQ_MLS_EVENT_KIND_INCREMENT_COUNTER_ERROR = 19,
    // The key of an increment does not open the slot lock: `state`.
    MOQ_MLS_EVENT_KIND_INCREMENT_WRONG_KEY = 20,
    // The counter service refused an increment: `reason`.
    MOQ_MLS_EVENT_KIND_INCREMENT_REFUSED = 21,
    // The counter service has the commit of a slot: `commit`.
    MOQ_MLS_EVENT_KIND_COMMIT_FOUND = 22,
    // The counter service has no commit of a slot: `state`.
    MOQ_MLS_EVENT_KIND_COMMIT_COUNTER_ERROR = 23,
    // The counter service refused to say: `reason`.
    MOQ_MLS_EVENT_KIND_COMMIT_REFUSED = 24,
    // A request of any kind ended without an answer: `failed`.
    MOQ_MLS_EVENT_KIND_FAILED = 25,
    // A peer's epoch authenticator came over the application's own channel: `authenticator`.
    MOQ_MLS_EVENT_KIND_PEER_AUTHENTICATOR = 26,
    // An object of a peer was opened with the media keys of an epoch: `peer`. `open` does that by itself.
    MOQ_MLS_EVENT_KIND_MEDIA_OPENED = 27,
    // An object came whose Key ID is above all epochs here: `epoch`. `open` does that by itself.
    MOQ_MLS_EVENT_KIND_MEDIA_AHEAD = 28,
    // The time at the counter service, before the answer that it came with: `time_ms`.
    MOQ_MLS_EVENT_KIND_SERVICE_TIME = 29,
    // The counter service asks to be left alone, before the answer that it came with: `wait_ms`.
    MOQ_MLS_EVENT_KIND_RETRY_AFTER = 30,
    // Time passed.
    MOQ_MLS_EVENT_KIND_TIMER = 31,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum MoqMlsEventKind MoqMlsEventKind;
#else
typedef uint32_t MoqMlsEventKind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What to do. A kind says which member of the body it has.
enum MoqMlsActionKind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // There is nothing to do for now.
    MOQ_MLS_ACTION_KIND_NONE = 0,
    // Make these bytes durable before the next action is done: `snapshot`. They hold private keys.
    MOQ_MLS_ACTION_KIND_PERSIST = 1,
    // Say that tracks under this namespace will be published from here: `name_space`.
    MOQ_MLS_ACTION_KIND_ANNOUNCE = 2,
    // Subscribe to every track under a namespace, present and future: `name_space`.
    MOQ_MLS_ACTION_KIND_SUBSCRIBE_NAMESPACE = 3,
    // Subscribe to one track, from the oldest object that the relay has: `track`. Own objects must come back.
    MOQ_MLS_ACTION_KIND_SUBSCRIBE = 4,
    // End the subscription of that id. It wants no answer.
    MOQ_MLS_ACTION_KIND_UNSUBSCRIBE = 5,
    // Read what the relay still has: `fetch`.
    MOQ_MLS_ACTION_KIND_FETCH = 6,
    // Publish an object: `object`.
    MOQ_MLS_ACTION_KIND_PUBLISH = 7,
    // Ask the counter service for a lock: `counter`.
    MOQ_MLS_ACTION_KIND_LOCK = 8,
    // Ask the counter service to fill a slot: `increment`.
    MOQ_MLS_ACTION_KIND_INCREMENT = 9,
    // Ask the counter service which commit filled a slot: `counter`.
    MOQ_MLS_ACTION_KIND_GET_COMMIT = 10,
    // News for the embedder: `notice`.
    MOQ_MLS_ACTION_KIND_NOTIFY = 11,
    // News of the media keys: `keys`. Store `save_keys` now, if keys are stored at all.
    MOQ_MLS_ACTION_KIND_KEYS = 12,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum MoqMlsActionKind MoqMlsActionKind;
#else
typedef uint32_t MoqMlsActionKind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What the news of the media keys is.
enum MoqMlsKeysNoticeKind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Objects under this Key ID can be opened from now on.
    MOQ_MLS_KEYS_NOTICE_KIND_EPOCH_READY = 1,
    // Objects are sealed with this epoch from now on; the reason is a `SwitchReason`.
    MOQ_MLS_KEYS_NOTICE_KIND_SEND_WITH = 2,
    // Nothing is sealed from now on; the reason is a `Silence`.
    MOQ_MLS_KEYS_NOTICE_KIND_SILENT = 3,
    // This epoch's secret is erased; the reason is a `ForgetReason`.
    MOQ_MLS_KEYS_NOTICE_KIND_FORGOTTEN = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum MoqMlsKeysNoticeKind MoqMlsKeysNoticeKind;
#else
typedef uint32_t MoqMlsKeysNoticeKind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Bytes, borrowed. Null is "not there" where a field says that it may be absent; elsewhere it is empty.
typedef struct MoqMlsBytes {
    // The first byte.
    const uint8_t *data;
    // How many there are.
    size_t len;
} MoqMlsBytes;

// Members by their SenderIds.
typedef struct MoqMlsCommitters {
    // 1 if only the members below are meant, 0 for all members.
    uint8_t only;
    // The first SenderId.
    const struct MoqMlsBytes *senders;
    // How many there are.
    size_t len;
} MoqMlsCommitters;

// Bounds on what peers, relays and the service can make a participant hold or do. All members must have the same.
typedef struct MoqMlsLimits {
    // Largest KeyPackage object, bytes.
    uint64_t key_package_bytes;
    // Largest Commit or Welcome object, bytes.
    uint64_t handshake_bytes;
    // Largest commit that the counter service keeps, bytes.
    uint64_t service_commit_bytes;
    // Largest ratchet-tree object, bytes.
    uint64_t tree_bytes;
    // Most bytes of one commit with its Welcomes and its tree.
    uint64_t outbox_bytes;
    // Most members.
    uint64_t roster;
    // Most members added by one commit whose Welcomes have the tree inside.
    uint64_t adds_per_commit;
    // Most members added by one commit whose tree goes apart.
    uint64_t adds_per_commit_apart;
    // Most KeyPackages that wait to be committed.
    uint64_t pending_joiners;
    // Most bytes of those KeyPackages.
    uint64_t pending_joiner_bytes;
    // Most removed or refused senders that are remembered.
    uint64_t remembered_senders;
    // Most commits of others held for one slot.
    uint64_t candidates;
    // Most commits of members tried for one slot.
    uint64_t commits_per_epoch;
    // Most bytes of commits that are tried for one slot and come to nothing.
    uint64_t vain_bytes;
    // How often in a row one sender is let in.
    uint64_t returns;
    // How many KeyPackages of one sender are verified in a row.
    uint64_t key_packages;
    // How far ahead of the own epoch a commit is kept.
    uint64_t future_epochs;
    // Most bytes of commits kept for later epochs.
    uint64_t future_bytes;
    // Most bytes of leave requests kept for later epochs.
    uint64_t leave_bytes;
    // Most own KeyPackages that can still be welcomed.
    uint64_t own_key_packages;
    // Most Welcomes held while their pin is not known.
    uint64_t welcomes;
    // Most bytes of those Welcomes.
    uint64_t welcome_bytes;
    // How far ahead a counter may be, in slots.
    uint64_t counter_lead;
    // How often a publish is repeated.
    uint64_t publish_tries;
    // Most actions that wait to be polled.
    uint64_t actions;
} MoqMlsLimits;

// How long a participant waits for what, milliseconds.
typedef struct MoqMlsTimers {
    // Work is gathered for so long before a commit.
    uint64_t batch_ms;
    // A commit waits for more joiners for so long at most.
    uint64_t crowd_ms;
    // The next member in turn takes over after so much more.
    uint64_t turn_ms;
    // A held commit is asked about after this.
    uint64_t confirm_ms;
    // The committer alone pins its commit for so long.
    uint64_t lease_ms;
    // A sender that was let in too often is let in again after this.
    uint64_t returns_ms;
    // Of a sender with too many KeyPackages another is verified after this.
    uint64_t key_package_ms;
    // A missing commit is fetched again after this.
    uint64_t fetch_ms;
    // A commit that is not read back is published again after this.
    uint64_t read_back_ms;
    // A joiner publishes a fresh KeyPackage after this.
    uint64_t join_retry_ms;
    // A joiner reports that its join stalls after this.
    uint64_t join_deadline_ms;
    // A member that cannot find a decided commit joins again after this.
    uint64_t rejoin_ms;
    // A member that joins again keeps its state for so long.
    uint64_t keep_ms;
    // A member waits for so long on the way to a successor.
    uint64_t strand_ms;
    // The first delay of the back-off.
    uint64_t backoff_first_ms;
    // The longest delay of the back-off.
    uint64_t backoff_longest_ms;
    // The shortest `retry_later` that is believed.
    uint64_t retry_later_shortest_ms;
    // The longest `retry_later` that is believed.
    uint64_t retry_later_longest_ms;
    // A leave request that nobody commits is given up after this.
    uint64_t leave_ms;
    // A member that heard nothing asks the counter after this.
    uint64_t audit_ms;
    // The secret of a passed epoch can be pulled for so long.
    uint64_t epoch_secrets_ms;
    // While media opens, the counter is asked after this at the latest.
    uint64_t audit_with_media_ms;
    // Signs that the group went on are looked into this often at most.
    uint64_t hint_ms;
    // Signs that the group exists delay its creation by so much at most.
    uint64_t lost_group_ms;
    // How often credentials are checked for expiry.
    uint64_t credential_check_ms;
} MoqMlsTimers;

// When media switches to a newer epoch, and forgets an older one.
typedef struct MoqMlsKeysConfig {
    // How many of the other members must be seen on an epoch before it is sealed with, percent.
    uint64_t quorum;
    // An epoch is sealed with after this at the latest.
    uint64_t switch_after_ms;
    // The same for an epoch in which a member was removed.
    uint64_t switch_after_removal_ms;
    // A switch waits up to so much longer for a newer epoch.
    uint64_t coalesce_ms;
    // An epoch is kept for so long after a newer one came.
    uint64_t keep_ms;
    // Most epochs kept, at least 2.
    uint64_t keep_epochs;
    // A member that the group went on without seals for so much longer.
    uint64_t stale_after_ms;
} MoqMlsKeysConfig;

// How a participant takes part in a group. `moq_mls_config_default` fills it.
typedef struct MoqMlsConfig {
    // The size of this struct as the caller knows it, bytes.
    uint32_t size;
    // How the winner of an epoch is decided, a `SafetyMode`. The same for all members.
    uint32_t mode;
    // Where commits are published, a `CommitTracks`. The same for all members.
    uint32_t commit_tracks;
    // Who may join, an `Admission`.
    uint32_t admission;
    // The group name: 1 to 255 bytes.
    struct MoqMlsBytes group;
    // The counter service's Ed25519 public key, if it signs receipts; may be absent. The same for all members.
    struct MoqMlsBytes service_key;
    // The members whose commits may add.
    struct MoqMlsCommitters adders;
    // The members whose commits may remove.
    struct MoqMlsCommitters removers;
    // Most members added by one commit that is helped.
    uint64_t most_adds;
    // Most members removed by one commit that is helped.
    uint64_t most_removes;
    // Largest commit that is helped, bytes.
    uint64_t most_bytes;
    // From how many members on the ratchet tree goes apart.
    uint64_t tree_threshold;
    // 1 if the ratchet tree of a large group is an object of its own. The same for all members.
    uint8_t tree_objects;
    // 1 if a group that cannot go on is followed by a successor.
    uint8_t successor;
    // 1 if a newcomer follows a successor without being asked.
    uint8_t follow_offers;
    // Bounds.
    struct MoqMlsLimits limits;
    // Waiting times.
    struct MoqMlsTimers timers;
    // The media's key ring.
    struct MoqMlsKeysConfig keys;
} MoqMlsConfig;

// The bounds of a counter service.
typedef struct MoqMlsServiceConfig {
    // How long a lock lasts, milliseconds.
    uint64_t lease_ms;
    // Most counters.
    uint64_t max_counters;
    // Most counters started by one source.
    uint64_t max_counters_per_source;
    // How long a counter must rest before a new one may take its place, milliseconds.
    uint64_t idle_ms;
    // Pins kept for each counter.
    uint64_t kept_pins;
    // Commits kept for each counter.
    uint64_t kept_commits;
    // Bytes of commits kept for each counter.
    uint64_t kept_commit_bytes;
    // Bytes of commits kept for all counters together.
    uint64_t max_commit_bytes;
} MoqMlsServiceConfig;

// A namespace: 1 to 32 fields, none of them empty.
typedef struct MoqMlsNamespace {
    // The fields.
    const struct MoqMlsBytes *fields;
    // How many there are.
    size_t len;
} MoqMlsNamespace;

// A full track name.
typedef struct MoqMlsTrack {
    // The namespace.
    struct MoqMlsNamespace name_space;
    // The track's name. In a fetch it may be absent: every track under the namespace.
    struct MoqMlsBytes name;
} MoqMlsTrack;

// Where a media object is, and how it is sent.
typedef struct MoqMlsPlace {
    // The MOQT group id.
    uint64_t group_id;
    // The object id in that group, below 2^32.
    uint64_t object_id;
    // The publisher priority.
    uint8_t priority;
} MoqMlsPlace;

// An MLS credential (RFC 9420 section 5.3).
typedef struct MoqMlsCredential {
    // 1 for basic, 2 for X.509; 0 where there is none.
    uint16_t kind;
    // The identity for basic.
    struct MoqMlsBytes data;
} MoqMlsCredential;

// Whom to admit: what `join_requested` brought, unchanged.
typedef struct MoqMlsAdmit {
    // Its SenderId.
    struct MoqMlsBytes sender;
    // Its credential.
    struct MoqMlsCredential credential;
    // Its KeyPackageRef; absent for a client that has not asked yet.
    struct MoqMlsBytes key_package_ref;
    // The SenderId of a member that goes in the same commit; may be absent.
    struct MoqMlsBytes replacing;
} MoqMlsAdmit;

// An MoQT object.
typedef struct MoqMlsObject {
    // Its track.
    struct MoqMlsTrack track;
    // Its MOQT group id.
    uint64_t group_id;
    // Its object id in that group.
    uint64_t object_id;
    // Its payload.
    struct MoqMlsBytes payload;
} MoqMlsObject;

// Objects.
typedef struct MoqMlsObjects {
    // The first.
    const struct MoqMlsObject *data;
    // How many there are.
    size_t len;
} MoqMlsObjects;

// A lock.
typedef struct MoqMlsLockGranted {
    // Its token; absent if the service hands out none.
    struct MoqMlsBytes lock_id;
    // The lease, milliseconds; 0 if the service does not say.
    uint64_t expires_in_ms;
} MoqMlsLockGranted;

// Where a counter stands.
typedef struct MoqMlsCounterState {
    // The next value: slots below it are used.
    uint64_t current;
    // The pin of the asked slot, 96 bytes; may be absent.
    struct MoqMlsBytes pin;
    // The service's signature; may be absent.
    struct MoqMlsBytes receipt;
    // 1 if the slot was pinned so long ago that the pin is gone, else 0.
    uint8_t pin_forgotten;
} MoqMlsCounterState;

// The commit of a slot.
typedef struct MoqMlsCommitFound {
    // Where the counter stands.
    struct MoqMlsCounterState state;
    // The payload of the Commit object; empty for slot 0.
    struct MoqMlsBytes commit;
} MoqMlsCommitFound;

// How a request ended without an answer.
typedef struct MoqMlsFailed {
    // What kind it is, a `RequestKind`: `request` of the action.
    uint32_t request;
    // A `Failure`.
    uint32_t failure;
    // The peer's code if it refused, else 0.
    uint64_t code;
} MoqMlsFailed;

// A peer's epoch authenticator.
typedef struct MoqMlsPeerAuthenticator {
    // The peer's SenderId.
    struct MoqMlsBytes peer;
    // The epoch.
    uint64_t epoch;
    // RFC 9420 section 8.7.
    struct MoqMlsBytes authenticator;
} MoqMlsPeerAuthenticator;

// A peer at an epoch.
typedef struct MoqMlsPeerEpoch {
    // The peer's SenderId.
    struct MoqMlsBytes peer;
    // The epoch.
    uint64_t epoch;
} MoqMlsPeerEpoch;

// What an event of its kind has.
typedef union MoqMlsEventBody {
    // Whom to admit.
    struct MoqMlsAdmit admit;
    // A SenderId.
    struct MoqMlsBytes sender;
    // A KeyPackage, an MLSMessage.
    struct MoqMlsBytes key_package;
    // A group name.
    struct MoqMlsBytes group;
    // An object.
    struct MoqMlsObject object;
    // Objects, in any order.
    struct MoqMlsObjects objects;
    // A lock.
    struct MoqMlsLockGranted lock;
    // When to ask again, milliseconds; 0 if the service does not say.
    uint64_t retry_later_ms;
    // Where the counter stands.
    struct MoqMlsCounterState state;
    // Why the counter service refused, a `Reason`.
    uint32_t reason;
    // The commit of a slot.
    struct MoqMlsCommitFound commit;
    // How a request ended.
    struct MoqMlsFailed failed;
    // A peer's epoch authenticator.
    struct MoqMlsPeerAuthenticator authenticator;
    // A peer at an epoch.
    struct MoqMlsPeerEpoch peer;
    // An epoch.
    uint64_t epoch;
    // Milliseconds since the Unix epoch.
    uint64_t time_ms;
    // Milliseconds.
    uint64_t wait_ms;
} MoqMlsEventBody;

// One thing that happened. Set `size` to `sizeof` of this struct.
typedef struct MoqMlsEvent {
    // The size of this struct as the caller knows it, bytes.
    uint32_t size;
    // What happened, an `EventKind`.
    uint32_t kind;
    // The id of the action that this answers; not looked at in events that answer none.
    uint64_t id;
    // What an event of its kind has.
    union MoqMlsEventBody body;
} MoqMlsEvent;

// What to fetch.
typedef struct MoqMlsFetch {
    // The track. Without a name: every track under the namespace.
    struct MoqMlsTrack track;
    // The first MOQT group wanted.
    uint64_t first_group;
    // The last MOQT group wanted.
    uint64_t last_group;
} MoqMlsFetch;

// What to ask a counter.
typedef struct MoqMlsCounterRequest {
    // The counter's id: the group name.
    struct MoqMlsBytes counter;
    // Of a lock, the value expected to be set next; of a commit request, the slot.
    uint64_t val;
} MoqMlsCounterRequest;

// A number that may be absent.
typedef struct MoqMlsOptionalNumber {
    // 1 if it is there, else 0.
    uint8_t present;
    // The number; 0 if it is not there.
    uint64_t value;
} MoqMlsOptionalNumber;

// What to record in a slot.
typedef struct MoqMlsIncrement {
    // The counter's id: the group name.
    struct MoqMlsBytes counter;
    // The slot; absent where the draft's bare API is used.
    struct MoqMlsOptionalNumber val;
    // The token of the lock; may be absent.
    struct MoqMlsBytes lock_id;
    // The pin of the slot before; may be absent.
    struct MoqMlsBytes prev;
    // The pin to record; may be absent.
    struct MoqMlsBytes pin;
    // What opens the slot lock in `prev`; may be absent. Only the service may see it.
    struct MoqMlsBytes key;
    // The payload of the Commit object; may be absent.
    struct MoqMlsBytes commit;
} MoqMlsIncrement;

// What a group's GroupContext says of how it runs.
typedef struct MoqMlsGroupParams {
    // How the winner of an epoch is decided, a `SafetyMode`; 0 without parameters.
    uint32_t mode;
    // Where commits are published, a `CommitTracks`; 0 without parameters.
    uint32_t commit_tracks;
    // 1 if ratchet trees may be objects of their own.
    uint8_t tree_objects;
    // 1 if receipts are used.
    uint8_t has_service_key;
    // SHA-256 of the counter service's receipt key; zero if none are used.
    uint8_t service_key_hash[32];
    // What is added to an MLS epoch: 0 but in a successor.
    uint64_t epoch_base;
} MoqMlsGroupParams;

// News for the embedder. New kinds come at the end, so that the numbers stay. A sender, a peer and a committer are SenderIds: fingerprints of signature keys.
enum MoqMlsNoticeKind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // A new epoch is in force.
    MOQ_MLS_NOTICE_EPOCH,
    // The epoch in force was made by a commit against the policy.
    MOQ_MLS_NOTICE_AGAINST_POLICY,
    // A member came in.
    MOQ_MLS_NOTICE_MEMBER_JOINED,
    // A member is out.
    MOQ_MLS_NOTICE_MEMBER_LEFT,
    // A member came back at another leaf, or another of its identity came in its place.
    MOQ_MLS_NOTICE_MEMBER_REPLACED,
    // A member took another signature key or credential.
    MOQ_MLS_NOTICE_MEMBER_CHANGED,
    // A KeyPackage waits for `Admit` or `Refuse`. Give back all that names who asks.
    MOQ_MLS_NOTICE_JOIN_REQUESTED,
    // Nothing can be sealed to a member's leaf key.
    MOQ_MLS_NOTICE_INVALID_LEAF_KEY,
    // A member's credential is no longer valid.
    MOQ_MLS_NOTICE_CREDENTIAL_EXPIRED,
    // This participant was removed.
    MOQ_MLS_NOTICE_REMOVED,
    // This participant asked to leave and is out.
    MOQ_MLS_NOTICE_LEFT,
    // Nobody took up the leave request in time.
    MOQ_MLS_NOTICE_LEAVE_UNHEARD,
    // The join takes longer than its deadline; it goes on.
    MOQ_MLS_NOTICE_JOIN_STALLED,
    // An own commit never comes back from the relay.
    MOQ_MLS_NOTICE_NOT_READ_BACK,
    // A Welcome came without its ratchet tree, and the relay does not have the tree.
    MOQ_MLS_NOTICE_TREE_MISSING,
    // This participant could not follow the group and asks to be let in again.
    MOQ_MLS_NOTICE_REJOINING,
    // The missing commit appeared: it goes on from the state that it kept.
    MOQ_MLS_NOTICE_RESUMED,
    // The state that it kept is erased.
    MOQ_MLS_NOTICE_STATE_ERASED,
    // A step on the way to a successor of a group that cannot go on.
    MOQ_MLS_NOTICE_RECOVERY,
    // This participant is in the successor of its group.
    MOQ_MLS_NOTICE_SUCCEEDED,
    // A successor lets this participant in; `Follow` goes there.
    MOQ_MLS_NOTICE_SUCCESSOR_OFFERED,
    // Two members hold different states of one epoch.
    MOQ_MLS_NOTICE_FORK_DETECTED,
    // A slot went to a pin that nobody can follow.
    MOQ_MLS_NOTICE_DEAD_SLOT,
    // A decided commit cannot be processed.
    MOQ_MLS_NOTICE_FAULTY_COMMIT,
    // The counter service cannot be worked with.
    MOQ_MLS_NOTICE_SERVICE_FAULT,
    // The group runs with other parameters than configured.
    MOQ_MLS_NOTICE_PARAMS_MISMATCH,
    // An intent came to nothing.
    MOQ_MLS_NOTICE_REFUSED,
    // Faults of one kind come faster than a mistake explains.
    MOQ_MLS_NOTICE_UNDER_ATTACK,
    // This participant's clock is off, or right again.
    MOQ_MLS_NOTICE_CLOCK_SKEW,
    // Another run of this participant acts in the group.
    MOQ_MLS_NOTICE_DOUBLED,
    // A peer or a relay sent something wrong, which was dropped.
    MOQ_MLS_NOTICE_PEER_FAULT,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum MoqMlsNoticeKind MoqMlsNoticeKind;
#else
typedef uint32_t MoqMlsNoticeKind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

typedef struct MoqMlsNoticeEpoch {
    // The epoch.
    uint64_t epoch;
    // What began it, an `EpochCause`.
    uint32_t cause;
    // Who committed it, if the cause is a commit; may be absent.
    struct MoqMlsBytes committer;
} MoqMlsNoticeEpoch;

typedef struct MoqMlsNoticeAgainstPolicy {
    // The epoch.
    uint64_t epoch;
    // Who committed it.
    struct MoqMlsBytes committer;
    // What it is against, a `Breach`.
    uint32_t breach;
} MoqMlsNoticeAgainstPolicy;

typedef struct MoqMlsNoticeMemberJoined {
    // The member.
    struct MoqMlsBytes sender;
    // Its leaf.
    uint32_t leaf_index;
    // Its credential.
    struct MoqMlsCredential credential;
} MoqMlsNoticeMemberJoined;

typedef struct MoqMlsNoticeMemberLeft {
    // The member.
    struct MoqMlsBytes sender;
} MoqMlsNoticeMemberLeft;

typedef struct MoqMlsNoticeMemberReplaced {
    // Who is out.
    struct MoqMlsBytes old_sender;
    // Who is in.
    struct MoqMlsBytes new_sender;
    // Its leaf.
    uint32_t leaf_index;
    // Its credential.
    struct MoqMlsCredential credential;
} MoqMlsNoticeMemberReplaced;

typedef struct MoqMlsNoticeMemberChanged {
    // Its leaf.
    uint32_t leaf_index;
    // Its name up to now.
    struct MoqMlsBytes old_sender;
    // Its name from now on.
    struct MoqMlsBytes new_sender;
    // Its credential from now on.
    struct MoqMlsCredential credential;
} MoqMlsNoticeMemberChanged;

typedef struct MoqMlsNoticeJoinRequested {
    // Who asks.
    struct MoqMlsBytes sender;
    // The credential that it showed.
    struct MoqMlsCredential credential;
    // The KeyPackageRef of its KeyPackage; may be absent.
    struct MoqMlsBytes key_package_ref;
    // Why it was held back, a `Hold`.
    uint32_t hold;
    // The other credential that the hold is about.
    struct MoqMlsCredential other_credential;
    // The other member that the hold is about; may be absent.
    struct MoqMlsBytes other_member;
} MoqMlsNoticeJoinRequested;

typedef struct MoqMlsNoticeInvalidLeafKey {
    // The member.
    struct MoqMlsBytes sender;
} MoqMlsNoticeInvalidLeafKey;

typedef struct MoqMlsNoticeCredentialExpired {
    // The member.
    struct MoqMlsBytes sender;
} MoqMlsNoticeCredentialExpired;

typedef struct MoqMlsNoticeRemoved {
    // The epoch that it is no longer in.
    uint64_t epoch;
} MoqMlsNoticeRemoved;

typedef struct MoqMlsNoticeJoinStalled {
    // The counter's value, if known.
    struct MoqMlsOptionalNumber counter;
    // What it waits for, a `WaitsFor`.
    uint32_t waits_for;
    // The MLS epoch of a Welcome that waits for confirmation.
    struct MoqMlsOptionalNumber epoch;
} MoqMlsNoticeJoinStalled;

typedef struct MoqMlsNoticeNotReadBack {
    // The epoch that it was sent in.
    uint64_t epoch;
} MoqMlsNoticeNotReadBack;

typedef struct MoqMlsNoticeTreeMissing {
    // The epoch of both.
    uint64_t epoch;
} MoqMlsNoticeTreeMissing;

typedef struct MoqMlsNoticeRejoining {
    // Why, a `RejoinReason`.
    uint32_t reason;
} MoqMlsNoticeRejoining;

typedef struct MoqMlsNoticeResumed {
    // The epoch that it is in now.
    uint64_t epoch;
} MoqMlsNoticeResumed;

typedef struct MoqMlsNoticeStateErased {
    // The epoch whose state it was.
    uint64_t epoch;
} MoqMlsNoticeStateErased;

typedef struct MoqMlsNoticeRecovery {
    // The step, a `RecoveryStep`.
    uint32_t step;
    // The successor's name, when founding or following; may be absent.
    struct MoqMlsBytes group;
    // Who founded it, when following or giving up; may be absent.
    struct MoqMlsBytes founder;
} MoqMlsNoticeRecovery;

typedef struct MoqMlsNoticeSucceeded {
    // The successor's name.
    struct MoqMlsBytes group;
} MoqMlsNoticeSucceeded;

typedef struct MoqMlsNoticeSuccessorOffered {
    // Its name.
    struct MoqMlsBytes group;
    // The members' credentials, by leaf; empty if the ratchet tree is apart.
    const struct MoqMlsCredential *credentials;
    // How many there are.
    size_t credentials_len;
} MoqMlsNoticeSuccessorOffered;

typedef struct MoqMlsNoticeForkDetected {
    // The epoch.
    uint64_t epoch;
    // The peer that differs.
    struct MoqMlsBytes peer;
} MoqMlsNoticeForkDetected;

typedef struct MoqMlsNoticeDeadSlot {
    // The epoch that nobody enters.
    uint64_t epoch;
} MoqMlsNoticeDeadSlot;

typedef struct MoqMlsNoticeFaultyCommit {
    // The epoch it was sent in.
    uint64_t epoch;
    // SHA-256 of the commit.
    uint8_t commit_hash[32];
} MoqMlsNoticeFaultyCommit;

typedef struct MoqMlsNoticeServiceFault {
    // What is wrong, a `ServiceFault`.
    uint32_t fault;
    // Its counter, if that is what is wrong.
    struct MoqMlsOptionalNumber current;
    // Why it refused, a `Reason`; 0 if it did not.
    uint32_t reason;
} MoqMlsNoticeServiceFault;

typedef struct MoqMlsNoticeParamsMismatch {
    // 1 if the group has parameters, 0 if it was created without.
    uint8_t present;
    // What the group has.
    struct MoqMlsGroupParams group;
} MoqMlsNoticeParamsMismatch;

typedef struct MoqMlsNoticeRefused {
    // Whom it was about.
    struct MoqMlsBytes sender;
    // Why, a `Refusal`.
    uint32_t reason;
} MoqMlsNoticeRefused;

typedef struct MoqMlsNoticeUnderAttack {
    // What, a `Fault`.
    uint32_t fault;
    // How many came in all.
    uint64_t total;
} MoqMlsNoticeUnderAttack;

typedef struct MoqMlsNoticeClockSkew {
    // Which way, a `ClockError`.
    uint32_t error;
    // How far, milliseconds.
    uint64_t by_ms;
    // Who says so, a `ClockWitness`.
    uint32_t witness;
} MoqMlsNoticeClockSkew;

typedef struct MoqMlsNoticeDoubled {
    // How often this run has noticed.
    uint32_t times;
    // For how long it leaves the place to the other, milliseconds.
    uint64_t wait_ms;
} MoqMlsNoticeDoubled;

typedef struct MoqMlsNoticePeerFault {
    // Who, as far as the track says; may be absent.
    struct MoqMlsBytes from;
    // What, a `Fault`.
    uint32_t fault;
} MoqMlsNoticePeerFault;

typedef struct MoqMlsNotice {
    MoqMlsNoticeKind kind;
    union {
        MoqMlsNoticeEpoch epoch;
        MoqMlsNoticeAgainstPolicy against_policy;
        MoqMlsNoticeMemberJoined member_joined;
        MoqMlsNoticeMemberLeft member_left;
        MoqMlsNoticeMemberReplaced member_replaced;
        MoqMlsNoticeMemberChanged member_changed;
        MoqMlsNoticeJoinRequested join_requested;
        MoqMlsNoticeInvalidLeafKey invalid_leaf_key;
        MoqMlsNoticeCredentialExpired credential_expired;
        MoqMlsNoticeRemoved removed;
        MoqMlsNoticeJoinStalled join_stalled;
        MoqMlsNoticeNotReadBack not_read_back;
        MoqMlsNoticeTreeMissing tree_missing;
        MoqMlsNoticeRejoining rejoining;
        MoqMlsNoticeResumed resumed;
        MoqMlsNoticeStateErased state_erased;
        MoqMlsNoticeRecovery recovery;
        MoqMlsNoticeSucceeded succeeded;
        MoqMlsNoticeSuccessorOffered successor_offered;
        MoqMlsNoticeForkDetected fork_detected;
        MoqMlsNoticeDeadSlot dead_slot;
        MoqMlsNoticeFaultyCommit faulty_commit;
        MoqMlsNoticeServiceFault service_fault;
        MoqMlsNoticeParamsMismatch params_mismatch;
        MoqMlsNoticeRefused refused;
        MoqMlsNoticeUnderAttack under_attack;
        MoqMlsNoticeClockSkew clock_skew;
        MoqMlsNoticeDoubled doubled;
        MoqMlsNoticePeerFault peer_fault;
    };
} MoqMlsNotice;

// News of the media keys.
typedef struct MoqMlsKeysNotice {
    // What it is, a `KeysNoticeKind`.
    uint32_t kind;
    // Why, by its kind; else 0.
    uint32_t reason;
    // The epoch; 0 while nothing is sealed.
    uint64_t epoch;
} MoqMlsKeysNotice;

// What an action of its kind has.
typedef union MoqMlsActionBody {
    // What to make durable.
    struct MoqMlsBytes snapshot;
    // A namespace.
    struct MoqMlsNamespace name_space;
    // A track.
    struct MoqMlsTrack track;
    // What to fetch.
    struct MoqMlsFetch fetch;
    // An object.
    struct MoqMlsObject object;
    // What to ask a counter.
    struct MoqMlsCounterRequest counter;
    // What to record in a slot.
    struct MoqMlsIncrement increment;
    // News for the embedder.
    struct MoqMlsNotice notice;
    // News of the media keys.
    struct MoqMlsKeysNotice keys;
} MoqMlsActionBody;

// One thing to do. Set `size` to `sizeof` of this struct before it is filled.
typedef struct MoqMlsAction {
    // The size of this struct as the caller knows it, bytes.
    uint32_t size;
    // What to do, an `ActionKind`.
    uint32_t kind;
    // What kind of answer it wants, a `RequestKind`; 0 if none. An action of a kind that the caller does not know, and
    // that wants an answer, is answered by `Failed` with `NotSent`.
    uint32_t request;
    // For the answer.
    uint64_t id;
    // What an action of its kind has.
    union MoqMlsActionBody body;
} MoqMlsAction;

// A member of the group.
typedef struct MoqMlsMember {
    // Its leaf.
    uint32_t leaf_index;
    // Its SenderId.
    struct MoqMlsBytes sender;
    // Its credential.
    struct MoqMlsCredential credential;
} MoqMlsMember;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Returns the version of the events, actions and numbers. It rises when a program made for the one before would break.
uint32_t moq_mls_version(void);

// Returns a sentence about the last call on this thread that failed. It is valid until the next one that fails.
const char *moq_mls_last_error(void);

// Frees what a handle names, of whatever type, with all that it has lent. A handle that was freed is never valid again.
//
// Fails with `InvalidHandle`, and with `Busy` while another thread is in a call with it: then nothing is freed.
MoqMlsStatus moq_mls_free(uint64_t handle);

// Fills a configuration with the defaults for a group. `config->size` must be set. The name is borrowed: it must live
// until the configuration is used.
//
// Fails with `NullPointer`, `InvalidSize` or `InvalidName`.
MoqMlsStatus moq_mls_config_default(struct MoqMlsBytes group,
                                    struct MoqMlsConfig *config);

// Fills the configuration of a counter service with the defaults.
//
// Fails with `NullPointer`.
MoqMlsStatus moq_mls_service_config_default(struct MoqMlsServiceConfig *config);

// Generates a signature key, and makes an identity of it with a basic credential. `suite` is an MLS cipher suite: 1, 2,
// 3 or 7. A participant that is restored needs the same identity: store its secret key.
//
// Fails with `Unsupported` for another suite.
MoqMlsStatus moq_mls_identity_generate(uint16_t suite,
                                       struct MoqMlsBytes name,
                                       uint64_t *identity);

// Makes an identity of a secret key that `moq_mls_identity_secret_key` wrote.
//
// Fails with `Unsupported` for another suite, and with `Engine` for bytes that are no key.
MoqMlsStatus moq_mls_identity_from_secret_key(uint16_t suite,
                                              struct MoqMlsBytes name,
                                              struct MoqMlsBytes secret_key,
                                              uint64_t *identity);

// Writes the secret key of an identity into a buffer of `room` bytes, and its length to `len`. Store it sealed, and
// overwrite the buffer.
//
// Fails with `InvalidHandle` or `BufferTooSmall`.
MoqMlsStatus moq_mls_identity_secret_key(uint64_t identity,
                                         uint8_t *buffer,
                                         size_t room,
                                         size_t *len);

// Writes the public key of an identity into a buffer of `room` bytes, and its length to `len`.
//
// Fails with `InvalidHandle` or `BufferTooSmall`.
MoqMlsStatus moq_mls_identity_public_key(uint64_t identity,
                                         uint8_t *buffer,
                                         size_t room,
                                         size_t *len);

// Adds a media track, and writes its number. `suite` is a Secure Objects cipher suite: 4, and where the library was
// built with AWS-LC 1 to 5. With `by_namespace` 1, its keys come from the base key of its namespace, else from its own.
// A track that is there already, or was, keeps its number and seals on above what it sealed.
//
// Fails with `InvalidHandle`, `InvalidName`, `UnknownCode` or `Unsupported`.
MoqMlsStatus moq_mls_participant_add_track(uint64_t participant,
                                           uint16_t suite,
                                           const struct MoqMlsTrack *track,
                                           uint8_t by_namespace,
                                           uint32_t *number);

// Removes a media track, and erases its keys.
//
// Fails with `InvalidHandle` or `NoSuchTrack`.
MoqMlsStatus moq_mls_participant_remove_track(uint64_t participant, uint32_t track);

// Lends the Key ID property that the next sealed object must have, for callers with immutable properties of their own.
//
// Fails with `InvalidHandle`, `NoSuchTrack`, and `SealNoKey` while nothing is sealed.
MoqMlsStatus moq_mls_participant_key_id_property(uint64_t participant,
                                                 uint32_t track,
                                                 struct MoqMlsBytes *property);

// Seals an object, and lends its immutable properties and the sealed bytes, both to be sent. `immutable` is absent for
// the Key ID alone. `encrypted` is the serialized list of encrypted properties, or empty. A place is sealed once only.
//
// Fails with `InvalidHandle`, `NoSuchTrack` or one of the statuses that begin with `Seal`.
MoqMlsStatus moq_mls_participant_seal(uint64_t participant,
                                      uint32_t track,
                                      const struct MoqMlsPlace *at,
                                      struct MoqMlsBytes immutable,
                                      struct MoqMlsBytes payload,
                                      struct MoqMlsBytes encrypted,
                                      struct MoqMlsBytes *properties,
                                      struct MoqMlsBytes *object);

// Opens an object, and lends its payload and its encrypted properties. `immutable` are the immutable properties that
// came with it. `publisher` is the SenderId of the only member that publishes the track, or absent. Poll after it: an
// object may show that the group went on.
//
// Fails with `InvalidHandle`, `NoSuchTrack`, `OpenUnknownKey`, `OpenLimit` or `OpenRejected`. An unknown key may come:
// try again after the action `Keys`.
MoqMlsStatus moq_mls_participant_open(uint64_t participant,
                                      uint64_t now_ms,
                                      uint32_t track,
                                      const struct MoqMlsPlace *at,
                                      struct MoqMlsBytes immutable,
                                      struct MoqMlsBytes object,
                                      struct MoqMlsBytes publisher,
                                      struct MoqMlsBytes *payload,
                                      struct MoqMlsBytes *encrypted);

// Seals with the newest epoch from now on.
//
// Fails with `InvalidHandle`.
MoqMlsStatus moq_mls_participant_switch_now(uint64_t participant, uint64_t now_ms);

// Says after a restart that nothing was sealed at this location or above it: keys that an earlier run may have had
// can seal from there on. What says so must be newer than any snapshot.
//
// Fails with `InvalidHandle`.
MoqMlsStatus moq_mls_participant_sealing_from(uint64_t participant,
                                              uint64_t group_id,
                                              uint64_t object_id);

// Lends the media keys, to be stored as a snapshot is whenever the action `Keys` came.
//
// Fails with `InvalidHandle`.
MoqMlsStatus moq_mls_participant_save_keys(uint64_t participant, struct MoqMlsBytes *keys);

// Makes a participant that has not begun: give it the event `Join`. It keeps nothing of the identity's handle, which
// may be freed after it. Times are milliseconds since the Unix epoch, here as everywhere.
//
// Fails with `InvalidHandle`, `InvalidName`, `InvalidLength`, `UnknownCode` or `BadServiceKey`.
MoqMlsStatus moq_mls_participant_new(uint64_t identity,
                                     const struct MoqMlsConfig *config,
                                     uint64_t now_ms,
                                     uint64_t *participant);

// Goes on after a restart, with the last snapshot that became durable, and with what `moq_mls_participant_save_keys`
// lent last (may be absent). Identity and configuration must be as they were.
//
// Nothing is sealed until a newer epoch came, or `moq_mls_participant_sealing_from` was called. Fails as
// `moq_mls_participant_new`, and with `SnapshotMalformed`, `SnapshotVersion`, `SnapshotOtherGroup` or
// `SnapshotOtherParticipant`.
MoqMlsStatus moq_mls_participant_restore(uint64_t identity,
                                         const struct MoqMlsConfig *config,
                                         uint64_t now_ms,
                                         struct MoqMlsBytes snapshot,
                                         struct MoqMlsBytes keys,
                                         uint64_t *participant);

// Takes in what happened at `now_ms`. All that the event points to is copied before anything else, so it may be what
// this very handle has lent. Poll until there is no action left after it.
//
// Fails with `UnknownCode`, `InvalidSize`, `InvalidName` or `InvalidLength`: then nothing has changed. A misuse, such
// as `AlreadyJoined` or `NotAMember`, changes nothing either. After `Engine`, restore the last snapshot.
MoqMlsStatus moq_mls_participant_handle(uint64_t participant,
                                        uint64_t now_ms,
                                        const struct MoqMlsEvent *event);

// Writes the next action, or one of the kind `None`. `action->size` must be set. What it points to is valid until the
// next call with this handle.
//
// Fails with `InvalidHandle`, `InvalidSize` or `Engine`.
MoqMlsStatus moq_mls_participant_poll(uint64_t participant,
                                      struct MoqMlsAction *action);

// Writes when the event `Timer` is due if nothing happens before; `UINT64_MAX` for never.
//
// Fails with `InvalidHandle` or `NullPointer`.
MoqMlsStatus moq_mls_participant_deadline(uint64_t participant, uint64_t *at_ms);

// Lends the durable state as it is now. The action `Persist` brings it whenever it must be stored.
//
// Fails with `InvalidHandle`, or with `Poisoned` after the engine failed.
MoqMlsStatus moq_mls_participant_snapshot(uint64_t participant, struct MoqMlsBytes *snapshot);

// Lends the HTTP/1.1 request of a `Lock`, `Increment` or `GetCommit` action. `host` is the value of the Host header,
// `token` a bearer token (may be absent). The action may be the one that this handle has lent.
//
// Fails with `NoCounterRequest` for any other action; with `InvalidHttp` or `NotUtf8` for a host or token that cannot
// be sent.
MoqMlsStatus moq_mls_participant_counter_request(uint64_t participant,
                                                 const struct MoqMlsAction *action,
                                                 struct MoqMlsBytes host,
                                                 struct MoqMlsBytes token,
                                                 struct MoqMlsBytes *request);

// Takes in the HTTP/1.1 response at the front of `input` to the action with that `request` and `id`, and the times in
// its headers. Writes how many bytes it was; 0 says that more are needed. `ended` is 1 if none will come.
//
// A response that cannot be read is taken as a request that may have had its effect. Fails with `NoCounterRequest` for
// another kind of request, and as `moq_mls_participant_handle`.
MoqMlsStatus moq_mls_participant_counter_reply(uint64_t participant,
                                               uint64_t now_ms,
                                               uint32_t request,
                                               uint64_t id,
                                               struct MoqMlsBytes input,
                                               uint8_t ended,
                                               size_t *consumed);

// Makes a counter service, whose counters are in memory. `signing_key` is an Ed25519 private key of 32 bytes with which
// it signs receipts, or absent.
//
// Fails with `NullPointer` or `InvalidLength`.
MoqMlsStatus moq_mls_service_new(const struct MoqMlsServiceConfig *config,
                                 struct MoqMlsBytes signing_key,
                                 uint64_t *service);

// Does what a `Lock`, `Increment` or `GetCommit` action asks, and writes the event that answers it. `event->size` must
// be set. `token` becomes the token of a lock: 16 bytes that nobody can guess, fresh for each call, or absent.
//
// What the event points to is valid until the next call with the service's handle. Fails with `InvalidHandle`,
// `InvalidSize` or `NoCounterRequest`.
MoqMlsStatus moq_mls_service_answer(uint64_t service,
                                    uint64_t now_ms,
                                    const struct MoqMlsAction *action,
                                    struct MoqMlsBytes token,
                                    struct MoqMlsEvent *event);

// Answers the HTTP/1.1 request at the front of `input`: lends the response, and writes how many bytes the request was.
// 0 says that more are needed, and then there is no response. `close` becomes 1 if the connection must be closed.
//
// `token` is as in `moq_mls_service_answer`. Who may ask, and how often, is the embedder's to judge before. Fails with
// `InvalidHandle`.
MoqMlsStatus moq_mls_service_respond(uint64_t service,
                                     uint64_t now_ms,
                                     struct MoqMlsBytes input,
                                     struct MoqMlsBytes token,
                                     struct MoqMlsBytes *response,
                                     size_t *consumed,
                                     uint8_t *close);

// Lends the own SenderId: the fingerprint of the signature key.
//
// Fails with `InvalidHandle`.
MoqMlsStatus moq_mls_participant_sender_id(uint64_t participant, struct MoqMlsBytes *sender);

// Writes the phase, a `Phase`.
//
// Fails with `InvalidHandle`.
MoqMlsStatus moq_mls_participant_phase(uint64_t participant, uint32_t *phase);

// Writes the epoch.
//
// Fails with `InvalidHandle`, and with `NotAMember` unless a member.
MoqMlsStatus moq_mls_participant_epoch(uint64_t participant, uint64_t *epoch);

// Lends a sentence in UTF-8 that says where this participant is, and what it waits for.
//
// Fails with `InvalidHandle`.
MoqMlsStatus moq_mls_participant_status(uint64_t participant, struct MoqMlsBytes *sentence);

// Lends the members by leaf; none unless this participant is one.
//
// Fails with `InvalidHandle`.
MoqMlsStatus moq_mls_participant_members(uint64_t participant,
                                         const struct MoqMlsMember **members,
                                         size_t *len);

// Lends SHA-256 of the GroupContext, 32 bytes: equal for all members of an epoch.
//
// Fails with `InvalidHandle`, and with `NotAMember` unless a member.
MoqMlsStatus moq_mls_participant_context_hash(uint64_t participant, struct MoqMlsBytes *hash);

// Lends the epoch authenticator (RFC 9420 section 8.7).
//
// Fails with `InvalidHandle`, and with `NotAMember` unless a member.
MoqMlsStatus moq_mls_participant_epoch_authenticator(uint64_t participant,
                                                     struct MoqMlsBytes *authenticator);

// Writes an exporter secret of the present epoch (RFC 9420 section 8.5), `len` bytes. Overwrite the buffer when it is
// used.
//
// Fails with `InvalidHandle`, `NotAMember` or `InvalidLength`: 8,160 bytes are the most.
MoqMlsStatus moq_mls_participant_export_secret(uint64_t participant,
                                               struct MoqMlsBytes label,
                                               struct MoqMlsBytes context,
                                               uint8_t *buffer,
                                               size_t len);

// Writes the base key of a track in an epoch into a buffer of `room` bytes, and its length to `len`: for media that is
// not sealed here. 64 bytes are always enough. Overwrite the buffer when it is used.
//
// Fails with `InvalidHandle`, `NotAMember`, `EpochGone`, `InvalidName` or `BufferTooSmall`.
MoqMlsStatus moq_mls_participant_track_key(uint64_t participant,
                                           uint64_t epoch,
                                           const struct MoqMlsTrack *track,
                                           uint8_t *buffer,
                                           size_t room,
                                           size_t *len);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* MOQ_MLS_H */
