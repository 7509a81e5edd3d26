//! The counter service: every request in every state, against a table written by hand; random
//! sequences against a second implementation; and a client that has read only the draft.

// clippy.toml lets tests panic, but not the functions that tests share.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use moq_mls::Timestamp;
use moq_mls::counter::http::{
    Call, Decoded, Headers, HttpLimits, HttpRequest, HttpResponse, Method, decode_commit_reply,
    decode_increment_reply, decode_lock_reply, encode_commit, encode_increment, encode_lock,
};
use moq_mls::counter::service::{
    Access, Counter, CounterService, Keep, Lock, ServiceConfig, ServiceCrypto, Slot, Slots,
};
use moq_mls::counter::{
    CommitReply, CommitRequest, CounterState, FIRST_NONCE, IncrementReply, IncrementRequest, LockReply,
    LockRequest, MAX_LOCK_ID, MAX_RECEIPT, Pin, Reason, receipt_message, slot_lock_message,
};
use moq_mls::testing::sha256;
use moq_mls::tracks::GroupName;
use proptest::prelude::*;

const MAX: u64 = u64::MAX;
const LEASE: Duration = Duration::from_millis(500);

fn id(name: &str) -> GroupName {
    name.try_into().unwrap()
}

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn token(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// Hashes, and signs nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Unsigned;

impl ServiceCrypto for Unsigned {
    fn sha256(&self, data: &[u8]) -> [u8; 32] {
        sha256(data)
    }
}

fn service(config: ServiceConfig) -> CounterService<Unsigned> {
    CounterService::new(config, Unsigned)
}

/// The slot key of epoch `val`, in every group here.
fn key(val: u64) -> Bytes {
    vec![val as u8; 32].into()
}

fn lock_of(counter: &str, val: u64) -> [u8; 32] {
    sha256(&slot_lock_message(&id(counter), val, &key(val)))
}

/// The commit of a pin of that name.
fn commit_of(name: &str) -> Bytes {
    token(&format!("the commit of {name}"))
}

/// p0 to p8 for slots 0 to 8 of "g", p9 for the last slot that there is, and q, which is for slot 3.
fn pin(name: &str) -> Pin {
    let slot = match name {
        "p9" => MAX - 1,
        "q" => 3,
        other => other.strip_prefix('p').unwrap().parse().unwrap(),
    };
    Pin::new(sha256(&commit_of(name)), [name.bytes().last().unwrap(); 32], lock_of("g", slot))
}

fn state(current: u64) -> CounterState {
    CounterState { current, pin: None, receipt: None, pin_forgotten: false }
}

fn config(kept_pins: usize, max_counters: usize) -> ServiceConfig {
    let mut config = ServiceConfig::default();
    config.lease = LEASE;
    config.kept_pins = kept_pins;
    config.max_counters = max_counters;
    config
}

fn lock(counter: &str, val: u64) -> LockRequest {
    LockRequest { counter: id(counter), val }
}

fn bare(counter: &str) -> IncrementRequest {
    IncrementRequest::draft(id(counter))
}

/// With the right key, and the commit of that text; slot 0 has neither.
fn pinned(counter: &str, val: u64, prev: Option<Pin>, pin: Pin, commit: Bytes) -> IncrementRequest {
    let before = val.checked_sub(1);
    let (key, commit) = (before.map(key), before.map(|_| commit));
    IncrementRequest { val: Some(val), prev, pin: Some(pin), key, commit, ..bare(counter) }
}

/// Slot 0 of any counter.
fn first(counter: &str) -> IncrementRequest {
    pinned(counter, 0, None, Pin::genesis([7; 32], lock_of(counter, 0)), Bytes::new())
}

/// Slot `val` of `counter`, the chain of pins that all tests without a table use.
fn nth(counter: &str, val: u64) -> IncrementRequest {
    let commit = |val: u64| token(&format!("commit {val}"));
    let pin = |val: u64| match val {
        0 => Pin::genesis([7; 32], lock_of(counter, 0)),
        val => Pin::new(sha256(&commit(val)), [7; 32], lock_of(counter, val)),
    };
    pinned(counter, val, val.checked_sub(1).map(pin), pin(val), commit(val))
}

// ---- the table

/// It is 1000 ms, a lock lasts 500 ms, the fresh token is "f", the newest three pins are kept.
///
/// Columns are states. N: slots without pins, P: with pins (p0, p1, p2).
///
/// | U | unknown id | F0 | known, nothing done | L0, X0 | next 0, lock "a" live, expired this instant |
/// | FN, LN, XN | next 3, N: free, lock "a" live, expired | JI | next 3, N: filled under "a" | JL | and "b" holds the lock |
/// | FP, LP, XP | next 3, P: free, lock "a" live, expired | EV | next 3, P, only p2 is kept |
/// | MU, MLk | next 2^64-1, N: free, lock "a" live | MP | next 2^64-1, P, only p9 is kept |
///
/// Rows are requests: `lock VAL`; `commit VAL`; `inc` with what follows; `pin VAL PREV PIN` with the right key
/// and commit, if not said otherwise. M is 2^64-1, M1 one less.
///
/// A cell is the reply, and behind `>` the state after it if it is another.
///
/// | ok | lock Ok, token "f", 500 ms | cf | Conflict, 500 ms | iC, iC:P | increment Ok, current C, pin P |
/// | eC, eC:P, eC:? | CounterError, current C, pin P or forgotten | kC:P | wrong key, pin P of the slot before |
/// | cC:P | the commit of P |
/// | nl pr up mf tl of cr | Error: not locked, pin required, unpinned id, malformed, too large, overflow, commit required |
///
/// X0 becomes U with the first request that finds it: an expired lock on an unused id says nothing.
const TABLE: &str = "
                 | U         F0        L0        X0        | FN      LN      XN      JI      JL      | FP        LP        XP        EV        | MU MLk MP
lock 0           | ok>L0f    ok>L0f    cf        ok>L0f    | e3      e3      e3      e3      e3      | e3:p0     e3:p0     e3:p0     e3:?      | eM eM eM:?
lock 2           | e0        e0        e0        e0>U      | e3      e3      e3      e3      e3      | e3:p2     e3:p2     e3:p2     e3:p2     | eM eM eM:?
lock 3           | e0        e0        e0        e0>U      | ok>LNf  cf      ok>LNf  ok>JIf  cf      | ok>LPf    cf        ok>LPf    ok>EVf    | eM eM eM:?
lock 4           | e0        e0        e0        e0>U      | e3      e3      e3      e3      e3      | e3        e3        e3        e3        | eM eM eM:?
lock M1          | e0        e0        e0        e0>U      | e3      e3      e3      e3      e3      | e3:p2     e3:p2     e3:p2     e3:p2     | eM eM eM:p9
lock M           | e0        e0        e0        e0>U      | e3      e3      e3      e3      e3      | e3:p2     e3:p2     e3:p2     e3:p2     | of of of
inc              | nl        nl        i1>N1a    nl>U      | nl      i4>N4a  nl      nl      i4>N4b  | pr        pr        pr        pr        | nl of pr
inc id=a         | nl        nl        i1>N1a    nl>U      | nl      i4>N4a  nl      i3      i3      | pr        pr        pr        pr        | nl of pr
inc id=b         | nl        nl        nl        nl>U      | nl      nl      nl      nl      i4>N4b  | pr        pr        pr        pr        | nl nl pr
inc id=w         | nl        nl        nl        nl>U      | nl      nl      nl      nl      nl      | pr        pr        pr        pr        | nl nl pr
inc id=long      | tl        tl        tl        tl        | tl      tl      tl      tl      tl      | tl        tl        tl        tl        | tl tl tl
inc v=0          | nl        nl        i1>N1a    nl>U      | e3      e3      e3      e3      e3      | pr        pr        pr        pr        | eM eM pr
inc v=2          | e0        e0        e0        e0>U      | e3      e3      e3      e3      e3      | pr        pr        pr        pr        | eM eM pr
inc v=3          | e0        e0        e0        e0>U      | nl      i4>N4a  nl      nl      i4>N4b  | pr        pr        pr        pr        | eM eM pr
inc v=4          | e0        e0        e0        e0>U      | e3      e3      e3      e3      e3      | pr        pr        pr        pr        | eM eM pr
inc v=M          | e0        e0        e0        e0>U      | e3      e3      e3      e3      e3      | pr        pr        pr        pr        | nl of pr
inc v=0 id=a     | nl        nl        i1>N1a    nl>U      | e3      e3      e3      e3      e3      | pr        pr        pr        pr        | eM eM pr
inc v=0 id=w     | nl        nl        nl        nl>U      | e3      e3      e3      e3      e3      | pr        pr        pr        pr        | eM eM pr
inc v=2 id=a     | e0        e0        e0        e0>U      | e3      e3      e3      i3      i3      | pr        pr        pr        pr        | eM eM pr
inc v=2 id=w     | e0        e0        e0        e0>U      | e3      e3      e3      e3      e3      | pr        pr        pr        pr        | eM eM pr
inc v=3 id=a     | e0        e0        e0        e0>U      | nl      i4>N4a  nl      nl      nl      | pr        pr        pr        pr        | eM eM pr
inc v=3 id=b     | e0        e0        e0        e0>U      | nl      nl      nl      nl      i4>N4b  | pr        pr        pr        pr        | eM eM pr
inc v=3 id=w     | e0        e0        e0        e0>U      | nl      nl      nl      nl      nl      | pr        pr        pr        pr        | eM eM pr
inc v=4 id=a     | e0        e0        e0        e0>U      | e3      e3      e3      e3      e3      | pr        pr        pr        pr        | eM eM pr
pin 0 - p0       | i1:p0>P1  i1:p0>P1  i1:p0>P1  i1:p0>P1  | up      up      up      up      up      | i3:p0     i3:p0     i3:p0     e3:?      | up up eM:?
pin 0 - q        | i1:q>P1q  i1:q>P1q  i1:q>P1q  i1:q>P1q  | up      up      up      up      up      | e3:p0     e3:p0     e3:p0     e3:?      | up up eM:?
pin 0 q p0       | e0        e0        e0        e0>U      | up      up      up      up      up      | i3:p0     i3:p0     i3:p0     e3:?      | up up eM:?
pin 2 p1 p2      | e0        e0        e0        e0>U      | up      up      up      up      up      | i3:p2     i3:p2     i3:p2     i3:p2     | up up eM:?
pin 2 q p2       | e0        e0        e0        e0>U      | up      up      up      up      up      | i3:p2     i3:p2     i3:p2     i3:p2     | up up eM:?
pin 2 - p2       | e0        e0        e0        e0>U      | up      up      up      up      up      | i3:p2     i3:p2     i3:p2     i3:p2     | up up eM:?
pin 2 p1 q       | e0        e0        e0        e0>U      | up      up      up      up      up      | e3:p2     e3:p2     e3:p2     e3:p2     | up up eM:?
pin 3 p2 p3      | e0        e0        e0        e0>U      | up      up      up      up      up      | i4:p3>P4  i4:p3>P4  i4:p3>P4  i4:p3>E4  | up up eM:?
pin 3 p2 p3 id=a | e0        e0        e0        e0>U      | up      up      up      up      up      | i4:p3>P4  i4:p3>P4  i4:p3>P4  i4:p3>E4  | up up eM:?
pin 3 p2 p3 id=w | e0        e0        e0        e0>U      | up      up      up      up      up      | i4:p3>P4  i4:p3>P4  i4:p3>P4  i4:p3>E4  | up up eM:?
pin 3 q p3       | e0        e0        e0        e0>U      | up      up      up      up      up      | e3        e3        e3        e3        | up up eM:?
pin 3 p1 p3      | e0        e0        e0        e0>U      | up      up      up      up      up      | e3        e3        e3        e3        | up up eM:?
pin 3 - p3       | e0        e0        e0        e0>U      | up      up      up      up      up      | e3        e3        e3        e3        | up up eM:?
pin 4 p3 q       | e0        e0        e0        e0>U      | up      up      up      up      up      | e3        e3        e3        e3        | up up eM:?
pin M1 q p9      | e0        e0        e0        e0>U      | up      up      up      up      up      | e3        e3        e3        e3        | up up iM:p9
pin M1 q q       | e0        e0        e0        e0>U      | up      up      up      up      up      | e3        e3        e3        e3        | up up eM:p9
pin M p9 q       | e0        e0        e0        e0>U      | up      up      up      up      up      | e3        e3        e3        e3        | up up of
pin M q q        | e0        e0        e0        e0>U      | up      up      up      up      up      | e3        e3        e3        e3        | up up eM
pin 3 p2 - id=a  | mf        mf        mf        mf>U      | mf      mf      mf      mf      mf      | mf        mf        mf        mf        | mf mf mf
pin 3 p2 -       | mf        mf        mf        mf>U      | mf      mf      mf      mf      mf      | mf        mf        mf        mf        | mf mf mf
pin - p2 p3      | mf        mf        mf        mf>U      | mf      mf      mf      mf      mf      | mf        mf        mf        mf        | mf mf mf
pin - - p0       | mf        mf        mf        mf>U      | mf      mf      mf      mf      mf      | mf        mf        mf        mf        | mf mf mf
pin 3 p2 p3 key=-        | e0        e0        e0        e0>U      | up      up      up      up      up      | k3:p2     k3:p2     k3:p2     k3:p2     | up up eM:?
pin 3 p2 p3 key=w        | e0        e0        e0        e0>U      | up      up      up      up      up      | k3:p2     k3:p2     k3:p2     k3:p2     | up up eM:?
pin 3 p2 p3 key=short    | e0        e0        e0        e0>U      | up      up      up      up      up      | k3:p2     k3:p2     k3:p2     k3:p2     | up up eM:?
pin 3 p2 p3 commit=-     | e0        e0        e0        e0>U      | up      up      up      up      up      | cr        cr        cr        cr        | up up eM:?
pin 3 p2 p3 commit=empty | e0        e0        e0        e0>U      | up      up      up      up      up      | cr        cr        cr        cr        | up up eM:?
pin 3 p2 p3 commit=w     | e0        e0        e0        e0>U      | up      up      up      up      up      | mf        mf        mf        mf        | up up eM:?
pin 3 p2 p3 key=w commit=-| e0        e0        e0        e0>U      | up      up      up      up      up      | k3:p2     k3:p2     k3:p2     k3:p2     | up up eM:?
pin 2 p1 p2 key=w        | e0        e0        e0        e0>U      | up      up      up      up      up      | i3:p2     i3:p2     i3:p2     i3:p2     | up up eM:?
pin 2 p1 p2 commit=w     | e0        e0        e0        e0>U      | up      up      up      up      up      | i3:p2     i3:p2     i3:p2     i3:p2     | up up eM:?
pin 2 p1 q key=w         | e0        e0        e0        e0>U      | up      up      up      up      up      | e3:p2     e3:p2     e3:p2     e3:p2     | up up eM:?
pin 3 q p3 key=w         | e0        e0        e0        e0>U      | up      up      up      up      up      | e3        e3        e3        e3        | up up eM:?
pin 4 p3 q key=w         | e0        e0        e0        e0>U      | up      up      up      up      up      | e3        e3        e3        e3        | up up eM:?
pin M p9 q key=w         | e0        e0        e0        e0>U      | up      up      up      up      up      | e3        e3        e3        e3        | up up kM:p9
pin M p9 q commit=w      | e0        e0        e0        e0>U      | up      up      up      up      up      | e3        e3        e3        e3        | up up mf
pin 0 - p0 key=w         | mf        mf        mf        mf>U      | mf      mf      mf      mf      mf      | mf        mf        mf        mf        | mf mf mf
pin 0 - p0 commit=w      | mf        mf        mf        mf>U      | mf      mf      mf      mf      mf      | mf        mf        mf        mf        | mf mf mf
inc key=w                | mf        mf        mf        mf>U      | mf      mf      mf      mf      mf      | mf        mf        mf        mf        | mf mf mf
inc commit=w             | mf        mf        mf        mf>U      | mf      mf      mf      mf      mf      | mf        mf        mf        mf        | mf mf mf
commit 0                 | e0        e0        e0        e0        | e3      e3      e3      e3      e3      | c3:p0     c3:p0     c3:p0     e3:?      | eM eM eM:?
commit 2                 | e0        e0        e0        e0        | e3      e3      e3      e3      e3      | c3:p2     c3:p2     c3:p2     c3:p2     | eM eM eM:?
commit 3                 | e0        e0        e0        e0        | e3      e3      e3      e3      e3      | e3        e3        e3        e3        | eM eM eM:?
commit M1                | e0        e0        e0        e0        | e3      e3      e3      e3      e3      | e3        e3        e3        e3        | eM eM cM:p9
commit M                 | e0        e0        e0        e0        | e3      e3      e3      e3      e3      | e3        e3        e3        e3        | eM eM eM
";

/// The columns that there must be.
const STATES: [&str; 16] =
    ["U", "F0", "L0", "X0", "FN", "LN", "XN", "JI", "JL", "FP", "LP", "XP", "EV", "MU", "MLk", "MP"];

/// A state of the table, before or after; `None` is an unknown id.
fn counter(name: &str) -> Option<Counter> {
    let lock = |id: &str, until| Some(Lock { id: token(id), until: at(until) });
    let (a, f, expired) = (lock("a", 1500), lock("f", 1500), lock("a", 1000));
    let unpinned = |by: Option<&str>| Slots::Unpinned { filled_by: by.map(token) };
    let commit = |n: &&str, first: bool| if first { Bytes::new() } else { commit_of(n) };
    let pins = |names: &[&str]| Slots::Pinned {
        kept: names.iter().map(|n| pin(n)).collect(),
        commits: names.iter().map(|n| commit(n, *n == "p0" || *n == "q")).collect(),
    };
    let (next, slots, lock) = match name {
        "U" => return None,
        "F0" => (0, Slots::Unused, None),
        "L0" => (0, Slots::Unused, a),
        "X0" => (0, Slots::Unused, expired),
        "L0f" => (0, Slots::Unused, f),
        "FN" => (3, unpinned(None), None),
        "LN" => (3, unpinned(None), a),
        "XN" => (3, unpinned(None), expired),
        "LNf" => (3, unpinned(None), f),
        "JI" => (3, unpinned(Some("a")), None),
        "JL" => (3, unpinned(Some("a")), lock("b", 1500)),
        "JIf" => (3, unpinned(Some("a")), f),
        "N1a" => (1, unpinned(Some("a")), None),
        "N4a" => (4, unpinned(Some("a")), None),
        "N4b" => (4, unpinned(Some("b")), None),
        "FP" => (3, pins(&["p0", "p1", "p2"]), None),
        "LP" => (3, pins(&["p0", "p1", "p2"]), a),
        "XP" => (3, pins(&["p0", "p1", "p2"]), expired),
        "LPf" => (3, pins(&["p0", "p1", "p2"]), f),
        "EV" => (3, pins(&["p2"]), None),
        "EVf" => (3, pins(&["p2"]), f),
        "P1" => (1, pins(&["p0"]), None),
        "P1q" => (1, pins(&["q"]), None),
        "P4" => (4, pins(&["p1", "p2", "p3"]), None),
        "E4" => (4, pins(&["p2", "p3"]), None),
        "MU" => (MAX, unpinned(None), None),
        "MLk" => (MAX, unpinned(None), a),
        "MP" => (MAX, pins(&["p9"]), None),
        other => panic!("state {other}"),
    };
    Some(Counter::restore(next, slots, lock).unwrap())
}

fn number(text: &str) -> u64 {
    match text {
        "M" => MAX,
        "M1" => MAX - 1,
        digits => digits.parse().unwrap(),
    }
}

fn call(text: &str) -> Call {
    let words: Vec<&str> = text.split_whitespace().collect();
    let some = |word: &&str| (*word != "-").then(|| (*word).to_owned());
    let mut request = bare("g");
    let rest = match &words[..] {
        ["lock", val] => return Call::Lock(lock("g", number(val))),
        ["commit", val] => return Call::Commit(CommitRequest { counter: id("g"), val: number(val) }),
        ["inc", rest @ ..] => rest,
        ["pin", val, prev, new, rest @ ..] => {
            request.val = some(val).map(|v| number(&v));
            request.prev = some(prev).map(|p| pin(&p));
            request.pin = some(new).map(|p| pin(&p));
            if let (Some(_), Some(before)) = (request.pin, request.val.and_then(|v| v.checked_sub(1))) {
                (request.key, request.commit) = (Some(key(before)), Some(commit_of(new)));
            }
            rest
        }
        other => panic!("request {other:?}"),
    };
    for word in rest {
        match word.split_once('=').unwrap() {
            ("v", val) => request.val = Some(number(val)),
            ("id", "long") => request.lock_id = Some(vec![b'a'; MAX_LOCK_ID + 1].into()),
            ("id", name) => request.lock_id = Some(token(name)),
            ("key", "-") => request.key = None,
            ("key", "w") => request.key = Some(key(77)),
            ("key", "short") => request.key = Some(key(2).slice(1..)),
            ("commit", "-") => request.commit = None,
            ("commit", "w") => request.commit = Some(token("another")),
            ("commit", "empty") => request.commit = Some(Bytes::new()),
            other => panic!("{other:?}"),
        }
    }
    Call::Increment(request)
}

#[derive(Clone, Debug, PartialEq)]
enum Reply {
    Lock(LockReply),
    Increment(IncrementReply),
    Commit(CommitReply),
}

fn reply(text: &str, call: &Call) -> Reply {
    let reason = |reason| match call {
        Call::Lock(_) => Reply::Lock(LockReply::Error(reason)),
        Call::Increment(_) => Reply::Increment(IncrementReply::Error(reason)),
        Call::Commit(_) => Reply::Commit(CommitReply::Error(reason)),
    };
    match text {
        "ok" => return Reply::Lock(LockReply::Ok { lock_id: Some(token("f")), expires_in: LEASE }),
        "cf" => return Reply::Lock(LockReply::Conflict { retry_later: LEASE }),
        "nl" => return reason(Reason::NotLocked),
        "pr" => return reason(Reason::PinRequired),
        "up" => return reason(Reason::UnpinnedId),
        "mf" => return reason(Reason::Malformed),
        "tl" => return reason(Reason::TooLarge),
        "of" => return reason(Reason::Overflow),
        "cr" => return reason(Reason::CommitRequired),
        _ => {}
    }
    let (kind, rest) = text.split_at(1);
    let (current, slot) = rest.split_once(':').unwrap_or((rest, ""));
    let mut state = state(number(current));
    match slot {
        "" => {}
        "?" => state.pin_forgotten = true,
        name => state.pin = Some(pin(name)),
    }
    match (kind, call) {
        ("e", Call::Lock(_)) => Reply::Lock(LockReply::CounterError(state)),
        ("e", Call::Increment(_)) => Reply::Increment(IncrementReply::CounterError(state)),
        ("e", Call::Commit(_)) => Reply::Commit(CommitReply::CounterError(state)),
        ("i", Call::Increment(_)) => Reply::Increment(IncrementReply::Ok(state)),
        ("k", Call::Increment(_)) => Reply::Increment(IncrementReply::WrongKey(state)),
        ("c", Call::Commit(_)) => {
            let commit = if slot == "p0" { Bytes::new() } else { commit_of(slot) };
            Reply::Commit(CommitReply::Found { state, commit })
        }
        other => panic!("reply {other:?}"),
    }
}

fn cells(line: &str) -> Vec<&str> {
    line.split_whitespace().filter(|cell| *cell != "|").collect()
}

#[test]
fn every_request_in_every_state() {
    let now = at(1000);
    let mut lines = TABLE.lines().filter(|line| !line.is_empty());
    let header = cells(lines.next().unwrap());
    assert_eq!(header, STATES);

    let mut calls: Vec<Call> = Vec::new();
    let mut seen = 0;
    for line in lines {
        let (name, row) = line.split_once('|').unwrap();
        let call = call(name);
        assert!(!calls.contains(&call), "{name} twice");
        let row = cells(row);
        assert_eq!(row.len(), STATES.len(), "{name}");
        for (column, cell) in header.iter().zip(row) {
            let place = format!("{name} in {column}");
            let (expected, after) = cell.split_once('>').unwrap_or((cell, column));
            let expected = reply(expected, &call);
            let before = counter(column);
            let after = counter(after);

            let service = || {
                let mut service = self::service(config(3, 8));
                if let Some(counter) = before.clone() {
                    service.insert(now, &id("g"), counter);
                }
                service
            };

            // The service.
            let mut direct = service();
            let found = match &call {
                Call::Lock(request) => Reply::Lock(direct.lock(now, request, token("f"))),
                Call::Increment(request) => Reply::Increment(direct.increment(now, request)),
                Call::Commit(request) => Reply::Commit(direct.commit(request)),
            };
            assert_eq!(found, expected, "{place}");
            assert_eq!(direct.get(&id("g")), after.as_ref(), "{place}");
            assert_eq!(direct.iter().count(), usize::from(after.is_some()), "{place}");

            // The service over HTTP.
            let mut remote = service();
            let request = match &call {
                Call::Lock(request) => encode_lock(request, None),
                Call::Increment(request) => encode_increment(request, None),
                Call::Commit(request) => encode_commit(request, None),
            };
            if let Ok(request) = request {
                let response = remote.respond(now, &request, token("f"));
                let heard = match &call {
                    Call::Lock(_) => Reply::Lock(decode_lock_reply(&response).unwrap()),
                    Call::Increment(_) => Reply::Increment(decode_increment_reply(&response).unwrap()),
                    Call::Commit(_) => Reply::Commit(decode_commit_reply(&response).unwrap()),
                };
                assert_eq!(heard, expected, "{place}");
                assert_eq!(remote, direct, "{place}");
            } else {
                assert!(name.contains("long"));
            }

            // The counter alone, which knows no other ids and no limits.
            if !name.contains("long") {
                let mut alone = before.clone().unwrap_or_default();
                let unchanged = alone.clone();
                let found = match &call {
                    Call::Lock(request) => Reply::Lock(alone.lock(now, request.val, token("f"), LEASE)),
                    Call::Increment(request) => {
                        let keep = Keep { pins: 3, commits: 64, commit_bytes: 1 << 20 };
                        Reply::Increment(alone.increment(now, request, keep, sha256))
                    }
                    Call::Commit(request) => Reply::Commit(alone.commit(request.val)),
                };
                assert_eq!(found, expected, "{place}");
                assert_eq!(alone, after.unwrap_or(unchanged), "{place}");
            }
            seen += 1;
        }
        calls.push(call);
    }
    assert_eq!((calls.len(), seen), (69, 69 * 16));
}

// ---- a second implementation

/// The rules as sentences over the whole history, nothing forgotten but what is asked to be.
#[derive(Clone, Default)]
struct Model {
    /// The counter's id, which slot locks are bound to.
    name: String,
    /// One entry per filled slot: its pin and commit, or the token of the lock it was filled under.
    history: Vec<Result<(Pin, Bytes), Bytes>>,
    locks: Vec<(Bytes, u64)>,
}

impl Model {
    fn current(&self) -> u64 {
        self.history.len() as u64
    }

    fn holder(&self, now: u64) -> Option<&(Bytes, u64)> {
        self.locks.iter().find(|(_, until)| now < *until)
    }

    fn tell(&self, val: Option<u64>, keep: usize) -> CounterState {
        let slot = val.and_then(|v| self.history.get(v as usize));
        let recent = val.is_some_and(|v| v + keep as u64 >= self.current());
        let known = slot.and_then(|s| s.as_ref().ok()).map(|(pin, _)| *pin);
        CounterState {
            current: self.current(),
            pin: known.filter(|_| recent),
            receipt: None,
            pin_forgotten: known.is_some() && !recent,
        }
    }

    fn lock(&mut self, now: u64, val: u64, fresh: &Bytes, keep: usize) -> LockReply {
        let lease = LEASE.as_millis() as u64;
        match self.holder(now) {
            _ if val != self.current() => {
                let slot = if val >= FIRST_NONCE { self.current().saturating_sub(1) } else { val };
                LockReply::CounterError(self.tell(Some(slot), keep))
            }
            Some((_, until)) => LockReply::Conflict { retry_later: Duration::from_millis(until - now) },
            None => {
                self.locks.push((fresh.clone(), now + lease));
                LockReply::Ok { lock_id: Some(fresh.clone()), expires_in: LEASE }
            }
        }
    }

    fn increment(&mut self, now: u64, request: &IncrementRequest, keep: usize) -> IncrementReply {
        let IncrementRequest { val, lock_id, prev, pin, key: opens, commit, .. } = request.clone();
        let brings = opens.is_some() || commit.is_some();
        let beside_a_pin = prev.is_some() || brings;
        if pin.is_some() && val.is_none() || beside_a_pin && pin.is_none() || brings && val == Some(0) {
            return IncrementReply::Error(Reason::Malformed);
        }
        let first_pinned = self.history.first().map(Result::is_ok);
        match (first_pinned, pin) {
            (Some(true), None) => return IncrementReply::Error(Reason::PinRequired),
            (Some(false), Some(_)) => return IncrementReply::Error(Reason::UnpinnedId),
            _ => {}
        }
        let told = self.tell(val, keep);
        let entry = match pin {
            Some(pin) if told.pin == Some(pin) => return IncrementReply::Ok(told),
            Some(pin) => {
                let last = self.history.last().and_then(|slot| slot.as_ref().ok()).map(|(pin, _)| *pin);
                if val != Some(self.current()) || prev != last {
                    return IncrementReply::CounterError(told);
                }
                if let (Some(last), Some(before)) = (last, self.current().checked_sub(1)) {
                    let lock = |key: &Bytes| sha256(&slot_lock_message(&id(&self.name), before, key));
                    if opens.is_none_or(|key| lock(&key)[..] != *last.slot_lock()) {
                        return IncrementReply::WrongKey(self.tell(Some(before), keep));
                    }
                    match &commit {
                        None => return IncrementReply::Error(Reason::CommitRequired),
                        Some(commit) if sha256(commit)[..] != *pin.commit_hash() => {
                            return IncrementReply::Error(Reason::Malformed);
                        }
                        Some(_) => {}
                    }
                }
                Ok((pin, commit.unwrap_or_default()))
            }
            None => {
                let last = self.history.last().and_then(|slot| slot.as_ref().err());
                let about_last = val.is_none_or(|v| v + 1 == self.current());
                if last.is_some() && last == lock_id.as_ref() && about_last {
                    return IncrementReply::Ok(told);
                }
                if val.is_some_and(|v| v != self.current()) {
                    return IncrementReply::CounterError(told);
                }
                match self.holder(now) {
                    Some((id, _)) if lock_id.is_none_or(|l| l == *id) => Err(id.clone()),
                    _ => return IncrementReply::Error(Reason::NotLocked),
                }
            }
        };
        self.history.push(entry);
        self.locks.clear();
        IncrementReply::Ok(self.tell(val, keep))
    }

    /// Of the commits, the newest, and as many before it as `keep` pins, three commits and eight bytes allow.
    fn commit(&self, val: u64, keep: usize) -> CommitReply {
        let state = self.tell(Some(val), keep);
        let newer = self.history.get(val as usize..).unwrap_or_default();
        let bytes: usize = newer.iter().flatten().map(|(_, commit)| commit.len()).sum();
        match newer {
            [Ok((_, commit)), rest @ ..] if rest.is_empty() || (rest.len() < keep.min(3) && bytes <= 8) => {
                CommitReply::Found { state, commit: commit.clone() }
            }
            _ => CommitReply::CounterError(state),
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Lock { counter: u8, ahead: i8 },
    Increment { counter: u8, ahead: Option<i8>, lock_id: Option<u8>, prev: Prev, pin: Option<u8>, with: With },
    Pass(u16),
    Forget(u8),
}

#[derive(Clone, Copy, Debug)]
enum Prev {
    Right,
    None,
    Wrong,
}

/// What a pinned increment brings along.
#[derive(Clone, Copy, Debug, PartialEq)]
enum With {
    KeyAndCommit,
    Nothing,
    NoKey,
    OldKey,
    NoCommit,
    OtherCommit,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let ahead = || prop_oneof![6 => Just(0i8), 2 => Just(-1), 1 => -6i8..3];
    let prev = || prop_oneof![5 => Just(Prev::Right), 1 => Just(Prev::None), 1 => Just(Prev::Wrong)];
    let with = || {
        use With::{KeyAndCommit, NoCommit, NoKey, Nothing, OldKey, OtherCommit};
        let less = prop::sample::select(vec![Nothing, NoKey, OldKey, NoCommit, OtherCommit]);
        prop_oneof![6 => Just(KeyAndCommit), 1 => less]
    };
    let step = prop_oneof![
        4 => (0..2u8, ahead()).prop_map(|(counter, ahead)| Step::Lock { counter, ahead }),
        // A draft client's, and Fenced's.
        3 => (0..2u8, prop::option::of(ahead()), prop::option::of(0..4u8)).prop_map(|(counter, ahead, lock_id)| {
            Step::Increment { counter, ahead, lock_id, prev: Prev::None, pin: None, with: With::Nothing }
        }),
        5 => (0..2u8, ahead(), prev(), 0..2u8, with()).prop_map(|(counter, ahead, prev, pin, with)| {
            Step::Increment { counter, ahead: Some(ahead), lock_id: None, prev, pin: Some(pin), with }
        }),
        1 => (0..2u8, prop::option::of(ahead()), prop::option::of(0..4u8), prev(), prop::option::of(0..2u8), with())
            .prop_map(|(counter, ahead, lock_id, prev, pin, with)| {
                Step::Increment { counter, ahead, lock_id, prev, pin, with }
            }),
        2 => (0..700u16).prop_map(Step::Pass),
        1 => Just(Step::Pass(500)),
    ];
    let mostly = prop_oneof![60 => step, 1 => (0..2u8).prop_map(Step::Forget)];
    prop::collection::vec(mostly, 0..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn agrees_with_the_model(steps in steps(), keep in 1..5usize) {
        let mut config = config(keep, 8);
        (config.kept_commits, config.kept_commit_bytes) = (3, 8);
        let mut service = self::service(config);
        let mut models: BTreeMap<u8, Model> = BTreeMap::new();
        let mut now = 0u64;
        let mut tokens = vec![token("t")];
        // What was seen, to hold the service to whatever the model says: per counter, the pins that were stated
        // and the lock that was given out last for which slot.
        let mut told: BTreeMap<(u8, u64), Pin> = BTreeMap::new();
        let mut given: BTreeMap<u8, (u64, u64)> = BTreeMap::new();
        let mut highest: BTreeMap<u8, u64> = BTreeMap::new();

        for step in steps {
            let (counter, state, val) = match step {
                Step::Pass(ms) => {
                    now += u64::from(ms);
                    continue;
                }
                Step::Forget(c) => {
                    let known = service.forget(&id(&c.to_string())).map_or(0, |c| c.next());
                    prop_assert_eq!(known, models.remove(&c).map_or(0, |m| m.current()));
                    told.retain(|(counter, _), _| *counter != c);
                    given.remove(&c);
                    highest.remove(&c);
                    continue;
                }
                Step::Lock { counter, ahead } => {
                    let model = models.entry(counter).or_insert_with(|| Model { name: counter.to_string(), ..Model::default() });
                    let val = model.current().saturating_add_signed(ahead.into());
                    let fresh = token(&format!("t{}", tokens.len()));
                    let reply = service.lock(at(now), &lock(&counter.to_string(), val), fresh.clone());
                    prop_assert_eq!(&reply, &model.lock(now, val, &fresh, keep));
                    if let LockReply::Ok { .. } = reply {
                        tokens.push(fresh);
                        // At most one live lock.
                        if let Some((slot, until)) = given.insert(counter, (val, now + 500)) {
                            prop_assert!(slot != val || until <= now);
                        }
                    }
                    let state = match reply {
                        LockReply::CounterError(state) => Some(state),
                        _ => None,
                    };
                    (counter, state, Some(val))
                }
                Step::Increment { counter, ahead, lock_id, prev, pin: new, with } => {
                    let model = models.entry(counter).or_insert_with(|| Model { name: counter.to_string(), ..Model::default() });
                    let val = ahead.map(|a| model.current().saturating_add_signed(a.into()));
                    let before = |v: u64| model.history.get(v.checked_sub(1)? as usize)?.as_ref().ok();
                    // One to five bytes: two of some take more than is kept.
                    let made = |n: u8| Bytes::from(vec![n; 1 + usize::from(val.unwrap_or(0) as u8 % 3 + 2 * n)]);
                    let name = counter.to_string();
                    let is_first = new.is_some() && val == Some(0);
                    let request = IncrementRequest {
                        counter: id(&counter.to_string()),
                        val,
                        // One of the last few tokens.
                        lock_id: lock_id.map(|n| tokens[tokens.len().saturating_sub(1 + n as usize)].clone()),
                        prev: match prev {
                            Prev::Right => val.and_then(before).map(|(pin, _)| *pin),
                            Prev::None => None,
                            Prev::Wrong => Some(pin("q")),
                        },
                        pin: new.map(|n| {
                            let val = val.unwrap_or(0);
                            Pin::new(sha256(&made(n)), [val as u8; 32], lock_of(&name, val))
                        }),
                        key: match with {
                            With::Nothing | With::NoKey => None,
                            With::OldKey => Some(key(val.unwrap_or(0).wrapping_sub(2))),
                            _ if is_first => None,
                            _ => Some(key(val.unwrap_or(0).wrapping_sub(1))),
                        },
                        commit: match with {
                            With::Nothing | With::NoCommit => None,
                            With::OtherCommit => Some(token("?")),
                            _ if is_first => None,
                            _ => new.map(made),
                        },
                    };
                    let reply = service.increment(at(now), &request);
                    prop_assert_eq!(&reply, &model.increment(now, &request, keep), "{:?}", request);
                    let state = match reply {
                        IncrementReply::Ok(state) => {
                            // Ok is never said of another pin than the asked one.
                            prop_assert_eq!(state.pin, request.pin);
                            Some(state)
                        }
                        IncrementReply::CounterError(state) => Some(state),
                        _ => None,
                    };
                    for back in 0..5 {
                        let val = model.current().saturating_sub(back);
                        let request = CommitRequest { counter: id(&name), val };
                        prop_assert_eq!(service.commit(&request), model.commit(val, keep), "{:?}", request);
                    }
                    (counter, state, val)
                }
            };
            if let Some(state) = state {
                // Pins are written once; the counter never falls.
                if let (Some(pin), Some(val)) = (state.pin, val) {
                    prop_assert_eq!(*told.entry((counter, val)).or_insert(pin), pin);
                }
                let highest = highest.entry(counter).or_insert(0);
                prop_assert!(state.current >= *highest);
                *highest = state.current;
            }
            let known = service.get(&id(&counter.to_string()));
            prop_assert_eq!(known.map_or(0, Counter::next), models[&counter].current());
            if let Some(Slots::Pinned { kept, commits }) = known.map(Counter::slots) {
                prop_assert!(kept.len() <= keep && commits.len() <= 3);
                let bytes: usize = commits.iter().map(Bytes::len).sum();
                prop_assert!(commits.len() <= 1 || bytes <= 8);
            }
        }
    }

    /// No request, however wrong, is answered with anything but a response; and none to do with
    /// another counter changes this one.
    #[test]
    fn any_http_request_is_answered(
        path in "(/lock/|/increment/|/commit/|/)[a-z%]{0,4}",
        query in "(\\?val=[0-9]{1,3})?",
        method in prop::sample::select(vec!["GET", "POST", "PUT"]),
        body in prop_oneof![Just(String::new()), "\\{\"(val|pin|x)\":[0-9\"]{0,3}\\}"],
    ) {
        let mut service = self::service(config(3, 8));
        service.insert(at(0), &id("long name"), counter("FP").unwrap());
        let request = HttpRequest {
            method: Method::new(method),
            target: path + &query,
            headers: Headers::from_iter([("Content-Type", "application/json")]),
            body: body.into(),
        };
        let response = service.respond(at(0), &request, token("f"));
        prop_assert_eq!(response.headers.get("Cache-Control").unwrap(), &b"no-store"[..]);
        prop_assert!(response.to_bytes().is_ok());
        prop_assert!(matches!(response.status, 200 | 400 | 404 | 405 | 409 | 412), "{}", response.status);
        prop_assert_eq!(service.get(&id("long name")).cloned(), counter("FP"));
    }
}

// ---- the draft's text, byte by byte

/// Sends bytes, as a client would that has read only section 7 of the draft, and returns the bytes
/// that come back.
fn exchange(service: &mut CounterService<Unsigned>, now: u64, fresh: &str, sent: &str) -> String {
    let decoded = HttpRequest::decode(sent.as_bytes(), &HttpLimits::default()).unwrap();
    let Decoded::Complete { message, .. } = decoded else { panic!("incomplete") };
    let response = service.respond(at(now), &message, token(fresh)).to_bytes().unwrap();
    String::from_utf8(response.to_vec()).unwrap()
}

#[test]
fn a_client_of_the_draft_alone() {
    let mut service = self::service(config(3, 8));
    let get = |val: u64| format!("GET /lock/call?val={val} HTTP/1.1\r\nHost: h\r\n\r\n");
    let post = "POST /increment/call HTTP/1.1\r\nHost: h\r\n\r\n";
    let answer = |status: &str, extra: &str, body: &str| {
        format!(
            "HTTP/1.1 {status}\r\nCache-Control: no-store\r\nContent-Type: application/json\r\n{extra}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let not_locked = answer("409 Conflict", "", r#"{"result":"error","reason":"not_locked"}"#);
    let counter_error = |current: u64| {
        answer("412 Precondition Failed", "", &format!(r#"{{"result":"counter_error","current":{current}}}"#))
    };
    let ok = |id: &str| {
        answer("200 OK", "", &format!(r#"{{"result":"ok","lock_id":"{id}","expires_in_ms":500}}"#))
    };
    let filled = |current: u64| answer("200 OK", "", &format!(r#"{{"result":"ok","current":{current}}}"#));

    // "Error" if the counter "hasn't been locked yet".
    assert_eq!(exchange(&mut service, 0, "A", post), not_locked);
    // "The first call to lock for a counter must have expected_next_value set to 0."
    assert_eq!(exchange(&mut service, 0, "A", &get(1)), counter_error(0));
    assert_eq!(exchange(&mut service, 0, "A", &get(0)), ok("41"));
    // "a Conflict response when lock is already held with a retry_later time"
    assert_eq!(
        exchange(&mut service, 100, "B", &get(0)),
        answer("409 Conflict", "Retry-After: 1\r\n", r#"{"result":"conflict","retry_later_ms":400}"#)
    );
    // "Ok if the counter value was successfully incremented"
    assert_eq!(exchange(&mut service, 200, "B", post), filled(1));
    assert_eq!(exchange(&mut service, 200, "B", post), not_locked);
    // "CounterError with the current value of the counter", also while it is locked.
    assert_eq!(exchange(&mut service, 300, "C", &get(0)), counter_error(1));
    assert_eq!(exchange(&mut service, 300, "C", &get(1)), ok("43"));
    assert_eq!(exchange(&mut service, 400, "D", &get(0)), counter_error(1));
    // The lease ends: the lock is gone, and another gets it.
    assert_eq!(exchange(&mut service, 800, "D", post), not_locked);
    assert_eq!(exchange(&mut service, 800, "D", &get(1)), ok("44"));
    assert_eq!(exchange(&mut service, 900, "D", post), filled(2));
}

#[test]
fn a_service_without_tokens_is_the_drafts() {
    let mut service = self::service(config(3, 8));
    assert_eq!(
        service.lock(at(0), &lock("g", 0), Bytes::new()),
        LockReply::Ok { lock_id: None, expires_in: LEASE }
    );
    assert_eq!(service.increment(at(1), &bare("g")), IncrementReply::Ok(state(1)));
    // Nothing names what was done: an empty token is not taken for it.
    let repeated = IncrementRequest { lock_id: Some(Bytes::new()), ..bare("g") };
    assert_eq!(service.increment(at(2), &repeated), IncrementReply::Error(Reason::NotLocked));
}

#[test]
fn other_paths_and_methods() {
    let mut service = self::service(config(3, 8));
    let mut status = |method: &str, target: &str| {
        let request = HttpRequest {
            method: Method::new(method),
            target: target.to_owned(),
            headers: Headers::default(),
            body: Bytes::new(),
        };
        service.respond(at(0), &request, token("f")).status
    };
    assert_eq!(status("GET", "/"), 404);
    assert_eq!(status("GET", "/lock/a/b?val=0"), 404);
    assert_eq!(status("HEAD", "/lock/a?val=0"), 405);
    assert_eq!(status("GET", "/increment/a"), 405);
    assert_eq!(status("POST", "/commit/a?val=0"), 405);
    assert_eq!(status("GET", "/commit/a"), 400);
    assert_eq!(status("GET", "/commit/a?val=0"), 412);
    assert_eq!(status("GET", "/lock/a"), 400);
    assert_eq!(status("GET", "/lock/..?val=0"), 400);
    assert_eq!(status("GET", &format!("/lock/{}?val=0", "a".repeat(256))), 413);
    assert_eq!(service.iter().count(), 0);
}

// ---- bounds, receipts, authorisation, storage

#[test]
fn the_lease_ends_at_its_deadline() {
    let mut service = self::service(config(3, 8));
    let ok = LockReply::Ok { lock_id: Some(token("f")), expires_in: LEASE };
    assert_eq!(service.lock(at(7), &lock("g", 0), token("f")), ok);
    let wait = Duration::from_millis(1);
    assert_eq!(service.lock(at(506), &lock("g", 0), token("f")), LockReply::Conflict { retry_later: wait });
    assert_eq!(service.lock(at(507), &lock("g", 0), token("f")), ok);
    // At the end of time there is no lease to give.
    let end = at(u64::MAX);
    let none = LockReply::Ok { lock_id: Some(token("f")), expires_in: Duration::ZERO };
    assert_eq!(service.lock(end, &lock("g", 0), token("f")), none);
}

#[test]
fn pins_are_kept_as_configured() {
    for keep in [0, 1, 1024] {
        let mut service = self::service(config(keep, 8));
        let pin = |val: u64| nth("g", val).pin.unwrap();
        for val in 0..1100u64 {
            let reply = service.increment(at(0), &nth("g", val));
            assert_eq!(reply, IncrementReply::Ok(CounterState { pin: Some(pin(val)), ..state(val + 1) }));
        }
        let counter = service.get(&id("g")).unwrap();
        let oldest = 1100 - keep.max(1) as u64;
        assert_eq!(counter.slot(oldest - 1), Slot::Forgotten);
        assert_eq!(counter.slot(oldest), Slot::Pinned(pin(oldest)));
        assert_eq!(counter.slot(1100), Slot::Free);
        assert_eq!(counter.slot(MAX), Slot::Free);
    }
    assert_eq!(ServiceConfig::default().kept_pins, 1024);
}

/// How many of ten slots' commits are there, the newest ones.
fn commits_kept(service: &CounterService<Unsigned>, counter: &str) -> usize {
    let found = |val| service.commit(&CommitRequest { counter: id(counter), val });
    let kept = (0..10).filter(|val| matches!(found(*val), CommitReply::Found { .. })).count();
    for val in 0..10 {
        let reply = found(val);
        assert_eq!(matches!(reply, CommitReply::Found { .. }), val as usize >= 10 - kept, "{val}");
        if let CommitReply::Found { commit, .. } = reply {
            assert_eq!(commit, nth(counter, val).commit.unwrap_or_default());
        }
    }
    kept
}

#[test]
fn commits_are_kept_up_to_their_number_and_their_bytes() {
    // Each but that of slot 0 has eight bytes.
    let each = nth("g", 1).commit.unwrap().len();
    assert_eq!(each, 8);
    for (pins, commits, bytes, kept) in [
        (1024, 64, 1 << 20, 10),
        (1024, 4, 1 << 20, 4),
        (1024, 0, 1 << 20, 1),
        (3, 64, 1 << 20, 3),
        (1024, 64, 4 * each, 4),
        (1024, 64, 4 * each - 1, 3),
        (1024, 64, each - 1, 1),
        (1024, 64, 0, 1),
    ] {
        let mut config = config(pins, 8);
        (config.kept_commits, config.kept_commit_bytes) = (commits, bytes);
        let mut service = self::service(config);
        (0..10).for_each(|val| drop(service.increment(at(0), &nth("g", val))));
        assert_eq!(commits_kept(&service, "g"), kept, "{pins} {commits} {bytes}");
    }
}

#[test]
fn the_counter_with_most_commits_gives_way_when_all_together_are_too_many() {
    let mut config = config(1024, 8);
    config.max_commit_bytes = 5 * 8;
    let mut service = self::service(config);
    (0..10).for_each(|val| drop(service.increment(at(0), &nth("greedy", val))));
    assert_eq!(commits_kept(&service, "greedy"), 5);
    for val in 0..3 {
        assert!(matches!(service.increment(at(0), &nth("modest", val)), IncrementReply::Ok(_)));
    }
    assert_eq!(commits_kept(&service, "greedy"), 3);
    let modest = |val| service.commit(&CommitRequest { counter: id("modest"), val });
    assert!(matches!((modest(1), modest(2)), (CommitReply::Found { .. }, CommitReply::Found { .. })));
    // Its pins are all there, and the next slot is filled as ever.
    assert_eq!(service.get(&id("greedy")).unwrap().slot(0), Slot::Pinned(nth("greedy", 0).pin.unwrap()));
    assert!(matches!(service.increment(at(0), &nth("greedy", 10)), IncrementReply::Ok(_)));
    // A counter that is gone holds nothing.
    service.forget(&id("greedy"));
    (3..5).for_each(|val| drop(service.increment(at(0), &nth("modest", val))));
    let all = (1..5).all(|val| {
        matches!(service.commit(&CommitRequest { counter: id("modest"), val }), CommitReply::Found { .. })
    });
    assert!(all);
    // With no room at all a slot is filled, and its commit is not kept.
    config.max_commit_bytes = 7;
    let mut service = self::service(config);
    (0..2).for_each(|val| drop(service.increment(at(0), &nth("g", val))));
    let reply = service.commit(&CommitRequest { counter: id("g"), val: 1 });
    assert_eq!(reply, CommitReply::CounterError(CounterState { pin: nth("g", 1).pin, ..state(2) }));
}

#[test]
fn the_number_of_counters_is_bounded() {
    let mut service = self::service(config(3, 2));
    let limited = LockReply::Error(Reason::RateLimited);
    service.increment(at(0), &first("a"));
    assert!(matches!(service.lock(at(0), &lock("b", 0), token("t1")), LockReply::Ok { .. }));
    // What would start a third is refused, what would not is answered.
    assert_eq!(service.lock(at(1), &lock("c", 0), token("t2")), limited);
    assert_eq!(service.increment(at(1), &first("c")), IncrementReply::Error(Reason::RateLimited));
    assert_eq!(service.lock(at(1), &lock("c", 1), token("t2")), LockReply::CounterError(state(0)));
    assert_eq!(service.increment(at(1), &bare("c")), IncrementReply::Error(Reason::NotLocked));
    assert_eq!(service.iter().count(), 2);
    // The ones that are known go on.
    assert!(matches!(service.lock(at(1), &lock("a", 1), token("t2")), LockReply::Ok { .. }));
    // An id that was only ever locked gives its place back; one that was used does not.
    assert!(matches!(service.lock(at(500), &lock("c", 0), token("t3")), LockReply::Ok { .. }));
    assert_eq!(service.get(&id("b")), None);
    assert_eq!(service.increment(at(600), &bare("c")), IncrementReply::Ok(state(1)));
    assert_eq!(service.lock(at(9999), &lock("d", 0), token("t4")), limited);
    // A group that has ended makes room, and starts again from nothing.
    assert_eq!(service.forget(&id("a")).map(|c| c.next()), Some(1));
    assert_eq!(service.forget(&id("a")), None);
    assert!(matches!(service.lock(at(9999), &lock("d", 0), token("t4")), LockReply::Ok { .. }));
}

#[test]
fn a_lock_taken_again_is_not_given_back_with_the_old_one() {
    let mut service = self::service(config(3, 1));
    service.lock(at(0), &lock("a", 0), token("t1"));
    service.forget(&id("a"));
    service.lock(at(400), &lock("a", 0), token("t2"));
    // The first lock's deadline passes; the second holds.
    let limited = LockReply::Error(Reason::RateLimited);
    assert_eq!(service.lock(at(600), &lock("b", 0), token("t3")), limited);
    assert_eq!(service.increment(at(600), &bare("a")), IncrementReply::Ok(state(1)));
    assert_eq!(service.lock(at(2000), &lock("b", 0), token("t3")), limited);
}

#[test]
fn long_tokens_are_cut() {
    let mut service = self::service(config(3, 8));
    let long = Bytes::from(vec![7; MAX_LOCK_ID + 1]);
    let LockReply::Ok { lock_id: Some(lock_id), .. } = service.lock(at(0), &lock("g", 0), long) else {
        panic!();
    };
    assert_eq!(lock_id.len(), MAX_LOCK_ID);
    let request = IncrementRequest { lock_id: Some(lock_id), ..bare("g") };
    assert_eq!(service.increment(at(0), &request), IncrementReply::Ok(state(1)));
}

/// Signs by saying what it signs; `.0` is the length.
#[derive(Clone, Debug, PartialEq)]
struct Echo(usize);

impl ServiceCrypto for Echo {
    fn sha256(&self, data: &[u8]) -> [u8; 32] {
        sha256(data)
    }

    fn sign(&self, message: &[u8]) -> Option<Bytes> {
        let mut signature = message.to_vec();
        signature.resize(self.0, 0);
        Some(signature.into())
    }
}

#[test]
fn receipts_go_with_pins() {
    let mut service = CounterService::new(config(1, 8), Echo(200));
    let pin = |val| nth("g", val).pin.unwrap();
    let receipt = |val| Echo(200).sign(&receipt_message(&id("g"), val, &pin(val)));
    let at_slot = |val| CounterState { pin: Some(pin(val)), receipt: receipt(val), ..state(val + 1) };
    let request = nth("g", 0);
    assert_eq!(service.increment(at(0), &request), IncrementReply::Ok(at_slot(0)));
    assert_eq!(service.increment(at(0), &request), IncrementReply::Ok(at_slot(0)));
    let other = IncrementRequest { pin: Some(pin(3)), ..nth("g", 0) };
    assert_eq!(service.increment(at(0), &other), IncrementReply::CounterError(at_slot(0)));
    assert_eq!(service.lock(at(0), &lock("g", 0), token("f")), LockReply::CounterError(at_slot(0)));
    let read = |service: &CounterService<Echo>, val| service.commit(&CommitRequest { counter: id("g"), val });
    let found = CommitReply::Found { state: at_slot(0), commit: Bytes::new() };
    assert_eq!(read(&service, 0), found);
    // A wrong key is answered with what it should have opened, which the receipt proves.
    let wrong = IncrementRequest { key: Some(key(9)), ..nth("g", 1) };
    assert_eq!(service.increment(at(0), &wrong), IncrementReply::WrongKey(at_slot(0)));
    // No pin, no receipt: not for a free slot, not for a forgotten one.
    assert_eq!(service.lock(at(0), &lock("g", 2), token("f")), LockReply::CounterError(state(1)));
    assert_eq!(service.increment(at(0), &nth("g", 1)), IncrementReply::Ok(at_slot(1)));
    let forgotten = CounterState { pin_forgotten: true, ..state(2) };
    assert_eq!(service.lock(at(0), &lock("g", 0), token("f")), LockReply::CounterError(forgotten.clone()));
    assert_eq!(read(&service, 0), CommitReply::CounterError(forgotten));
    // One that no client would read is not sent.
    let mut service = CounterService::new(config(1, 8), Echo(MAX_RECEIPT + 1));
    let bare = CounterState { pin: Some(pin(0)), ..state(1) };
    assert_eq!(service.increment(at(0), &request), IncrementReply::Ok(bare));
    assert_eq!(Unsigned.sign(b"x"), None);
}

#[test]
fn nothing_is_done_for_a_client_that_is_not_allowed() {
    let mut service = self::service(config(3, 8));
    let mut ask = |token_: Option<&str>, counter: &str| -> HttpResponse {
        let request = encode_lock(&lock(counter, 0), token_).unwrap();
        service.respond_if(at(0), &request, token("f"), |call, token| match token {
            None => Err(Reason::Unauthenticated),
            Some("member-of-g") if *call.counter() == id("g") => Ok(Access::anyone()),
            Some(_) => Err(Reason::Forbidden),
        })
    };
    let heard = |response| decode_lock_reply(&response).unwrap();
    assert_eq!(heard(ask(None, "g")), LockReply::Error(Reason::Unauthenticated));
    assert_eq!(heard(ask(Some("member-of-h"), "g")), LockReply::Error(Reason::Forbidden));
    assert_eq!(heard(ask(Some("member-of-g"), "h")), LockReply::Error(Reason::Forbidden));
    assert!(matches!(heard(ask(Some("member-of-g"), "g")), LockReply::Ok { .. }));
    assert_eq!(service.iter().count(), 1);
    let request = encode_increment(&bare("g"), None).unwrap();
    let response = service.respond_if(at(0), &request, token("f"), |_, _| Err(Reason::Forbidden));
    assert_eq!(decode_increment_reply(&response), Ok(IncrementReply::Error(Reason::Forbidden)));
    assert_eq!(service.get(&id("g")).unwrap().next(), 0);
    let request = encode_commit(&CommitRequest { counter: id("g"), val: 0 }, None).unwrap();
    let response = service.respond_if(at(0), &request, token("f"), |_, _| Err(Reason::RateLimited));
    assert_eq!(decode_commit_reply(&response), Ok(CommitReply::Error(Reason::RateLimited)));
}

#[test]
fn who_may_not_create_takes_slot_0_of_nothing_and_every_other_slot() {
    let mut service = self::service(config(3, 8));
    let (member, founder) = (Access::of("m").without_create(), Access::of("f"));
    let ask = |service: &mut CounterService<Unsigned>, access: &Access, val, now| {
        service.lock_for(access, at(now), &lock("g", val), token("t"))
    };
    let forbidden = LockReply::Error(Reason::Forbidden);
    assert_eq!(ask(&mut service, &member, 0, 0), forbidden);
    // Any client may read a slot that is not next.
    assert_eq!(ask(&mut service, &member, 1, 0), LockReply::CounterError(state(0)));
    let refused = IncrementReply::Error(Reason::Forbidden);
    assert_eq!(service.increment_for(&member, at(0), &first("g")), refused);
    assert_eq!(service.increment_for(&member, at(0), &bare("g")), refused);
    assert_eq!(service.iter().count(), 0);
    // Nor under the lock that another took.
    assert!(matches!(ask(&mut service, &founder, 0, 0), LockReply::Ok { .. }));
    assert_eq!(ask(&mut service, &member, 0, 1), forbidden);
    assert_eq!(service.increment_for(&member, at(1), &bare("g")), refused);
    assert!(matches!(service.increment_for(&founder, at(2), &first("g")), IncrementReply::Ok(_)));
    // From there on they are the same.
    let read = LockReply::CounterError(CounterState { pin: first("g").pin, ..state(1) });
    assert_eq!(ask(&mut service, &member, 0, 3), read);
    assert!(matches!(ask(&mut service, &member, 1, 3), LockReply::Ok { .. }));
    assert!(matches!(service.increment_for(&member, at(3), &nth("g", 1)), IncrementReply::Ok(_)));
}

#[test]
fn who_filled_the_newest_slot_waits_for_another_that_asked() {
    let (a, b) = (Access::of("a"), Access::of("b"));
    let fill = |service: &mut CounterService<Unsigned>, access: &Access, val, now| {
        let request = if val == 0 { first("g") } else { nth("g", val) };
        service.increment_for(access, at(now), &request)
    };
    let filled = |reply| matches!(reply, IncrementReply::Ok(_));
    let refused = IncrementReply::Error(Reason::NotYourTurn);
    let lease = ServiceConfig::default().lease.as_millis() as u64;
    let config = ServiceConfig::default();
    let mut service = self::service(config);
    assert!(filled(fill(&mut service, &a, 0, 0)) && filled(fill(&mut service, &a, 1, 0)), "nobody asked");
    // b may only want to know what won.
    service.lock_for(&b, at(1), &lock("g", 1), token("t"));
    assert!(filled(fill(&mut service.clone(), &a, 2, 2)));
    let other = IncrementRequest { pin: Some(pin("p9")), ..nth("g", 1) };
    let mut late = service.clone();
    assert!(matches!(late.increment_for(&b, at(1), &other), IncrementReply::CounterError(_)));
    assert_eq!(fill(&mut late, &a, 2, 2), refused, "b came too late");
    service.lock_for(&b, at(1), &lock("g", 2), token("t"));
    assert_eq!(fill(&mut service, &a, 2, 2), refused);
    assert_eq!(fill(&mut service, &a, 2, lease), refused);
    assert!(filled(fill(&mut service, &a, 1, 3)), "the client that filled a slot is notified of it");
    // Whatever else is wrong with it is reported first.
    let other = IncrementRequest { prev: Some(pin("p9")), ..nth("g", 2) };
    assert!(matches!(service.increment_for(&a, at(3), &other), IncrementReply::CounterError(_)));
    let mut anyone = service.clone();
    assert!(filled(fill(&mut anyone, &Access::anyone(), 2, 4)), "whose source is not known has no turns");
    let mut for_b = service.clone();
    assert!(filled(fill(&mut for_b, &b, 2, 4)) && filled(fill(&mut for_b, &a, 3, 4)));
    assert!(filled(fill(&mut service, &a, 2, lease + 1)), "for one lease, and no longer");
    service.lock_for(&b, at(lease + 2), &lock("g", 3), token("t"));
    assert!(filled(fill(&mut service, &a, 3, lease + 3)), "not at each slot, if nobody fills them");
    // Restored from storage, it does not know who filled the newest.
    service.lock_for(&b, at(lease + 4), &lock("g", 4), token("t"));
    assert_eq!(fill(&mut service, &a, 4, lease + 5), refused);
    let counter = service.get(&id("g")).unwrap().clone();
    service.insert(at(lease + 5), &id("g"), counter);
    assert!(filled(fill(&mut service, &a, 4, lease + 5)));
}

#[test]
fn a_counter_is_its_parts() {
    for name in STATES {
        let Some(counter) = counter(name) else { continue };
        let lock = counter.lock_held().cloned();
        let again = Counter::restore(counter.next(), counter.slots().clone(), lock);
        assert_eq!(again.as_ref(), Some(&counter), "{name}");
    }
    let slots = |pins: usize, commits: &[&'static str]| Slots::Pinned {
        kept: VecDeque::from(vec![pin("p0"); pins]),
        commits: commits.iter().map(|commit| token(commit)).collect(),
    };
    for (next, slots) in [
        (1, Slots::Unused),
        (0, Slots::Unpinned { filled_by: None }),
        (0, slots(0, &[])),
        (3, slots(0, &[])),
        (0, slots(1, &[])),
        (3, slots(4, &[])),
        // More commits than pins; slot 0 with a commit, another without.
        (3, slots(1, &["b", "c"])),
        (3, slots(3, &["a", "b", "c"])),
        (3, slots(3, &["", "", "c"])),
        (3, slots(3, &["b", ""])),
        (1, slots(1, &["a"])),
    ] {
        assert_eq!(Counter::restore(next, slots.clone(), None), None, "{next} {slots:?}");
    }
    for (next, slots) in
        [(3, slots(3, &["", "b", "c"])), (3, slots(3, &["c"])), (3, slots(1, &[])), (MAX, slots(1, &["z"]))]
    {
        assert!(Counter::restore(next, slots.clone(), None).is_some(), "{next} {slots:?}");
    }
    assert_eq!(Counter::restore(0, Slots::Unused, None), Some(Counter::new()));
    assert_eq!(counter("FN").unwrap().slot(2), Slot::Unpinned);
    assert_eq!(counter("FN").unwrap().slot(3), Slot::Free);
    assert_eq!(counter("F0").unwrap().slot(0), Slot::Free);
}
