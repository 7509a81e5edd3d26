//! Every message both ways; every truncation and every flipped bit without a panic.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use arbitrary::{Arbitrary, Unstructured};
use bytes::{Buf, Bytes};
use moq_mls::codec::{
    ControlDecoder, ControlMessage, Decode, DecodeError, Encode, ObjectStream, params, varint,
};
use moq_mls::counter::CounterState;
use proptest::prelude::*;

/// Messages by the generators that fuzzing uses.
fn message() -> impl Strategy<Value = ControlMessage> {
    proptest::collection::vec(any::<u8>(), 64..2000)
        .prop_filter_map("enough bytes", |seed| ControlMessage::arbitrary(&mut Unstructured::new(&seed)).ok())
}

fn object() -> impl Strategy<Value = ObjectStream> {
    proptest::collection::vec(any::<u8>(), 64..2000)
        .prop_filter_map("enough bytes", |seed| ObjectStream::arbitrary(&mut Unstructured::new(&seed)).ok())
}

proptest! {
    #[test]
    fn messages_round_trip(message in message()) {
        let wire = message.to_bytes().unwrap();
        prop_assert_eq!(wire.len(), message.encoded_len());
        let mut input = wire.clone();
        prop_assert_eq!(ControlMessage::decode(&mut input), Ok(message));
        prop_assert!(!input.has_remaining());
    }

    #[test]
    fn every_truncation_says_how_much_is_missing(message in message()) {
        let wire = message.to_bytes().unwrap();
        for cut in 0..wire.len() {
            match ControlMessage::decode(&mut &wire[..cut]) {
                Err(DecodeError::Incomplete { needed }) => {
                    prop_assert!(needed >= 1 && needed <= wire.len() - cut, "{} at {}", needed, cut);
                }
                other => prop_assert!(false, "{:?} at {}", other, cut),
            }
        }
    }

    #[test]
    fn a_flipped_bit_is_an_error_or_another_message(message in message(), bit: prop::sample::Index) {
        let mut wire = message.to_bytes().unwrap().to_vec();
        let bit = bit.index(wire.len() * 8);
        wire[bit / 8] ^= 1 << (bit % 8);
        let mut input = &wire[..];
        if let Ok(other) = ControlMessage::decode(&mut input) {
            let used = wire.len() - input.len();
            // The same message may have a longer form, but never a shorter one.
            prop_assert!(other.encoded_len() <= used);
            prop_assert_eq!(ControlMessage::decode(&mut other.to_bytes().unwrap()), Ok(other));
        }
    }

    #[test]
    fn any_bytes_are_a_message_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(message) = ControlMessage::decode(&mut &bytes[..]) {
            prop_assert_eq!(ControlMessage::decode(&mut message.to_bytes().unwrap()), Ok(message));
        }
        let _ = ObjectStream::decode(&mut &bytes[..]);
        let _ = varint::decode(&mut &bytes[..]);
        if let Ok(group) = params::decode(&bytes) {
            prop_assert_eq!(params::encode(&group), bytes.clone());
        }
        let mut decoder = ControlDecoder::new();
        decoder.push(&bytes);
        while let Ok(Some(_)) = decoder.next_message() {}
    }

    #[test]
    fn pieces_decode_like_the_whole(message in message(), at: prop::sample::Index) {
        let wire = message.to_bytes().unwrap();
        let (head, tail) = wire.split_at(at.index(wire.len()));
        prop_assert_eq!(ControlMessage::decode(&mut head.chain(tail)), Ok(message));
    }

    #[test]
    fn objects_round_trip(object in object()) {
        let wire = object.to_bytes().unwrap();
        prop_assert_eq!(wire.len(), object.encoded_len());
        prop_assert_eq!(ObjectStream::decode(&mut wire.clone()), Ok(object));
    }

    #[test]
    fn varints_round_trip(value in 0..=varint::MAX) {
        let mut out = Vec::new();
        varint::encode(value, "x", &mut out).unwrap();
        prop_assert_eq!(out.len(), varint::encoded_len(value));
        prop_assert_eq!(varint::decode(&mut Bytes::from(out)), Ok(value));
    }
}

#[test]
fn generators_make_every_form() {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let (mut forms, mut receipts) = ([false; 5], [false; 2]);
    for _ in 0..2000 {
        let mut byte = || {
            random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            (random >> 56) as u8
        };
        let seed: Vec<u8> = (0..300).map(|_| byte()).collect();
        match ControlMessage::arbitrary(&mut Unstructured::new(&seed)) {
            Ok(ControlMessage::SubscribeOk(ok)) => {
                forms[usize::from(ok.largest.is_some())] = true;
                forms[2] |= varint::encoded_len(ok.subscribe_id) == 8;
            }
            Ok(ControlMessage::SubscribeDone(done)) => forms[3] |= !done.reason.is_empty(),
            Ok(_) => forms[4] = true,
            Err(_) => {}
        }
        if let Ok(state) = CounterState::arbitrary(&mut Unstructured::new(&seed)) {
            receipts[usize::from(state.receipt.is_some_and(|r| !r.is_empty()))] = true;
        }
    }
    assert_eq!((forms, receipts), ([true; 5], [true; 2]));
}

/// A number that is cut anywhere by the end of a chunk is the number it is in one piece.
#[test]
fn numbers_in_pieces() {
    for value in [0x3f, 0x3fff, 0x1235, 0x3fff_ffff, 0x1234_5677, varint::MAX, 0x1234_5678_9abc_def7] {
        let mut wire = Vec::new();
        varint::encode(value, "number", &mut wire).unwrap();
        for cut in 0..wire.len() {
            let (head, tail) = wire.split_at(cut);
            let mut pieces = head.chain(tail);
            assert_eq!(varint::decode(&mut pieces), Ok(value), "{value:x} cut at {cut}");
            assert!(!pieces.has_remaining());
        }
    }
}
