//! Altered copies of real messages, as a client that has seen one can make them.

#![allow(clippy::indexing_slicing, reason = "tests")]

use bytes::Bytes;

use super::{NOW, OneOf, changed, two};
use crate::engine::{Engine, Rejection};
use crate::mls::MlsGroup;
use crate::mls::altered::{STEMS, TRIES};
use crate::testing::seeded_crypto::SeededConfig;

type Group = MlsGroup<SeededConfig>;

/// Whether the group was used up; it is read back.
fn used_up(engine: &OneOf, group: &Group) -> bool {
    let used_up = !group.is_held();
    engine.view(group).unwrap();
    used_up
}

/// Copy number `i`: another byte behind the sample, another authenticated data, or more at the end.
fn copy(message: &Bytes, i: usize) -> Bytes {
    let (number, kind) = (u16::try_from(i / 3).unwrap().to_be_bytes(), i % 3);
    let mut copy = message.to_vec();
    if kind == 0 {
        let at = copy.len() - 2;
        for (byte, by) in copy.iter_mut().skip(at).zip(number) {
            *byte ^= by.wrapping_add(1);
        }
        return copy.into();
    }
    if kind == 1 {
        // Behind version, wire format, group, epoch and content type.
        let at = 4 + 2 + 8 + 1;
        assert_eq!(copy.get(at), Some(&0), "no authenticated data");
        copy.splice(at..=at, [2].into_iter().chain(number));
        return copy.into();
    }
    // Behind authenticated data and sender data: the ciphertext and its length in two bytes.
    let at = 4 + 2 + 8 + 1 + 1 + 1 + 28;
    let len = u16::from_be_bytes(*copy.get(at..).unwrap().first_chunk().unwrap()) & 0x3fff;
    assert_eq!(copy.len(), at + 2 + usize::from(len));
    let len = (len + 2) | 0x4000;
    copy.splice(at..at + 2, len.to_be_bytes());
    copy.extend(number);
    copy.into()
}

/// What is known must not depend on whether the group was saved.
#[test]
fn a_content_that_does_not_open_spoils_no_real_one() {
    for saved in [false, true] {
        let (a, of_a, b, of_b) = two();
        let built = a.create_commit(&of_a, NOW, &[], &[]).unwrap().unwrap();
        let leave = a.propose_leave(&of_a, NOW).unwrap();
        if saved {
            b.save(&of_b).unwrap();
        }
        for i in 1..TRIES {
            assert!(b.open_leave(&of_b, NOW, &copy(&leave, i)).unwrap().is_err());
            assert_eq!(used_up(&b, &of_b), saved, "{i}: a group without a key is no group");
            assert!(b.stage_commit(&of_b, NOW, &copy(&built.commit, i)).unwrap().is_err());
            assert_eq!(used_up(&b, &of_b), saved, "{i}");
        }
        for _ in 0..2 {
            assert_eq!(b.open_leave(&of_b, NOW, &leave).unwrap().unwrap(), 0);
            let next = b.stage_commit(&of_b, NOW, &built.commit).unwrap().unwrap().next.unwrap();
            assert_eq!(next.context_hash, built.next.context_hash);
        }
    }
}

#[test]
fn a_thousand_copies_of_a_leave_request_cost_no_more_than_a_few() {
    for opens_first in [false, true] {
        let (a, of_a, b, of_b) = two();
        let leave = a.propose_leave(&of_a, NOW).unwrap();
        b.save(&of_b).unwrap();
        if opens_first {
            assert_eq!(b.open_leave(&of_b, NOW, &leave).unwrap().unwrap(), 0);
            assert!(used_up(&b, &of_b));
        }
        let mut read_back = 0;
        for i in 0..1000 {
            assert!(b.open_leave(&of_b, NOW, &copy(&leave, i)).unwrap().is_err(), "{i}");
            read_back += usize::from(used_up(&b, &of_b));
        }
        assert_eq!(read_back, if opens_first { 0 } else { TRIES });
        if opens_first {
            assert_eq!(b.open_leave(&of_b, NOW, &leave).unwrap().unwrap(), 0);
            assert!(!used_up(&b, &of_b), "it was opened twice");
        }
    }
}

/// Of which the decided one is, only the member knows: it says how many it tries.
#[test]
fn a_commit_is_found_among_any_number_of_its_copies() {
    let (a, of_a, b, of_b) = two();
    let built = a.create_commit(&of_a, NOW, &[], &[]).unwrap().unwrap();
    b.save(&of_b).unwrap();
    for i in 0..3 * TRIES {
        let copy = copy(&built.commit, i);
        for first in [true, false] {
            assert!(b.stage_commit(&of_b, NOW, &copy).unwrap().is_err());
            assert_eq!(used_up(&b, &of_b), first, "{i}: the same bytes fail again");
        }
    }
    let next = b.stage_commit(&of_b, NOW, &built.commit).unwrap().unwrap().next.unwrap();
    assert_eq!(next.context_hash, built.next.context_hash);
}

/// What a member proposes and is no leave request is one try, for good; neither are a stranger's messages remembered.
#[test]
fn what_is_remembered_is_bounded() {
    let (a, of_a, b, of_b) = two();
    b.save(&of_b).unwrap();
    let mut sender = a.take(&of_a).unwrap().0;
    let other = sender.propose_remove(1, Vec::new()).unwrap().to_bytes().map(Bytes::from).unwrap();
    for first in [true, false] {
        assert!(matches!(b.open_leave(&of_b, NOW, &other).unwrap(), Err(Rejection::Invalid(_))));
        assert_eq!(used_up(&b, &of_b), first);
    }
    let wishes: Vec<Bytes> = (0..STEMS)
        .map(|_| sender.propose_remove(0, Vec::new()).unwrap().to_bytes().unwrap().into())
        .collect();
    for wish in &wishes {
        assert_eq!(b.open_leave(&of_b, NOW, wish).unwrap().unwrap(), 0);
        assert!(used_up(&b, &of_b));
        assert!(b.open_leave(&of_b, NOW, &changed(wish, super::SENDER_DATA, 1)).unwrap().is_err());
        assert!(!used_up(&b, &of_b), "a forgery");
    }
    assert_eq!(of_b.tried(|tried| tried.len()), STEMS);
    for wish in &wishes {
        assert_eq!(b.open_leave(&of_b, NOW, wish).unwrap().unwrap(), 0);
        assert!(!used_up(&b, &of_b), "a forgery pushed it out");
    }
    b.open_leave(&of_b, NOW, &other).unwrap().unwrap_err();
    assert!(used_up(&b, &of_b), "the oldest is forgotten");
}
