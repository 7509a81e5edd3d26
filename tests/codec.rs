//! The wire, byte by byte (draft section 4.2; draft-02 for the messages around it; RFC 9000 section 16).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::num::NonZeroU64;

use bytes::{Buf, Bytes};
use moq_mls::SafetyMode;
use moq_mls::codec::{
    self, Announce, ControlDecoder, ControlMessage, Decode, DecodeError, Encode, EncodeError, Filter,
    NamespaceInfo, ObjectStream, Subscribe, SubscribeDone, SubscribeNamespace, SubscribeNamespaceResponse,
    SubscribeOk, Unsubscribe, params, varint,
};
use moq_mls::engine::ContextParams;
use moq_mls::tracks::{CommitTrackPolicy, FullTrackName, Location, TrackNamespace};

fn hex(text: &str) -> Vec<u8> {
    hex::decode(text.replace(' ', "")).unwrap()
}

/// Encodes to these bytes, and they decode to it, with nothing left.
#[track_caller]
fn both_ways(message: impl Into<ControlMessage>, wire: &str) {
    let message = message.into();
    let wire = hex(wire);
    assert_eq!(hex::encode(message.to_bytes().unwrap()), hex::encode(&wire));
    assert_eq!(message.encoded_len(), wire.len());
    let mut input = Bytes::from(wire);
    assert_eq!(ControlMessage::decode(&mut input), Ok(message));
    assert!(!input.has_remaining());
}

#[test]
fn the_three_messages_of_the_draft() {
    let namespace = Bytes::from_static(b"mls-grp1keypackages");
    both_ways(
        SubscribeNamespace { namespace: namespace.clone(), id: 9 },
        "11 13 6d6c732d677270316b65797061636b61676573 09",
    );
    both_ways(SubscribeNamespaceResponse { id: 9, result: Ok(()) }, "12 09 00");
    both_ways(
        SubscribeNamespaceResponse {
            id: 9,
            result: Err((NonZeroU64::new(4).unwrap(), Bytes::from_static(b"no"))),
        },
        "12 09 04 02 6e6f",
    );
    let name = Bytes::from_static(b"joiner1");
    both_ways(
        NamespaceInfo { track_alias: 5, subscribe_id: 0, namespace, name, request_id: 9 },
        "13 05 00 13 6d6c732d677270316b65797061636b61676573 07 6a6f696e657231 09",
    );
}

#[test]
fn the_messages_around_them() {
    let namespace = Bytes::from_static(b"g");
    let name = Bytes::from_static(b"commits");
    both_ways(Announce { namespace: namespace.clone() }, "06 01 67 00");
    both_ways(codec::AnnounceOk { namespace: namespace.clone() }, "07 01 67");
    let subscribe = |filter| Subscribe {
        subscribe_id: 2,
        track_alias: 70,
        namespace: namespace.clone(),
        name: name.clone(),
        filter,
    };
    both_ways(
        subscribe(Filter::From { group: 3 }),
        "03 02 4046 01 67 07 636f6d6d697473 01 03 01 00 00 00 00",
    );
    both_ways(
        subscribe(Filter::Range { first: 3, last: 64 }),
        "03 02 4046 01 67 07 636f6d6d697473 01 03 01 00 01 4040 00 00",
    );
    both_ways(SubscribeOk { subscribe_id: 2, expires: 0, largest: None }, "04 02 00 00");
    let largest = Some(Location { group_id: 7, object_id: 1 });
    both_ways(SubscribeOk { subscribe_id: 2, expires: 0, largest }, "04 02 00 01 07 01");
    both_ways(
        SubscribeDone { subscribe_id: 2, status: 0, reason: Bytes::new(), last: largest },
        "0b 02 00 00 01 07 01",
    );
    both_ways(Unsubscribe { subscribe_id: 2 }, "0a 02");
}

#[test]
fn an_object_fills_its_stream() {
    let object = ObjectStream {
        subscribe_id: 2,
        track_alias: 3,
        group: 4,
        object: 5,
        send_order: 0,
        payload: Bytes::from_static(b"hi"),
    };
    let wire = hex("00 02 03 04 05 00 6869");
    assert_eq!(object.to_bytes().unwrap(), wire);
    assert_eq!(object.encoded_len(), wire.len());
    let mut input = Bytes::from(wire.clone());
    let decoded = ObjectStream::decode(&mut input).unwrap();
    assert_eq!(decoded, object);
    assert_eq!(ObjectStream::decode(&mut &hex("01 02")[..]), Err(DecodeError::UnknownType(1)));
    for cut in 0..6 {
        assert!(matches!(ObjectStream::decode(&mut &wire[..cut]), Err(DecodeError::Incomplete { .. })));
    }
}

#[test]
fn payloads_and_names_are_views_of_the_input() {
    let input = Bytes::from(hex("00 02 03 04 05 00 68696869686968696869686968696869"));
    let object = ObjectStream::decode(&mut input.clone()).unwrap();
    assert!(input.as_ptr_range().contains(&object.payload.as_ptr()));
    let input = Bytes::from(hex("11 13 6d6c732d677270316b65797061636b61676573 09"));
    let Ok(ControlMessage::SubscribeNamespace(m)) = ControlMessage::decode(&mut input.clone()) else {
        panic!()
    };
    assert!(input.as_ptr_range().contains(&m.namespace.as_ptr()));
}

#[test]
fn varints_of_rfc_9000() {
    for (wire, value) in [
        ("c2197c5eff14e88c", 151_288_809_941_952_652),
        ("9d7f3e7d", 494_878_333),
        ("7bbd", 15_293),
        ("25", 37),
    ] {
        assert_eq!(varint::decode(&mut &hex(wire)[..]), Ok(value));
        let mut out = Vec::new();
        varint::encode(value, "x", &mut out).unwrap();
        assert_eq!(hex::encode(&out), wire);
        assert_eq!(varint::encoded_len(value), out.len());
    }
    // Not the shortest, and right all the same.
    assert_eq!(varint::decode(&mut &hex("4025")[..]), Ok(37));
    assert_eq!(varint::decode(&mut &hex("c000000000000025")[..]), Ok(37));
    let edges = [0, 63, 64, 16_383, 16_384, (1 << 30) - 1, 1 << 30, varint::MAX];
    for value in edges {
        let mut out = Vec::new();
        varint::encode(value, "x", &mut out).unwrap();
        assert_eq!(varint::decode(&mut &out[..]), Ok(value));
        for cut in 0..out.len() {
            let needed = if cut == 0 { 1 } else { out.len() - cut };
            assert_eq!(varint::decode(&mut &out[..cut]), Err(DecodeError::Incomplete { needed }));
        }
    }
    let error = varint::encode(varint::MAX + 1, "x", &mut Vec::new());
    assert_eq!(error, Err(EncodeError::OutOfRange { field: "x" }));
}

#[test]
fn lengths_over_their_limit_are_malformed_before_the_bytes_come() {
    let field = |wire: &str| ControlMessage::decode(&mut &hex(wire)[..]);
    let malformed = |field| Err(DecodeError::Malformed { field });
    // A namespace of 4097 bytes, and one of 2^62 - 1.
    assert_eq!(field("11 5001"), malformed("track namespace"));
    assert_eq!(field("11 ffffffffffffffff"), malformed("track namespace"));
    // 4096 in all: a namespace of 4096 leaves no room for a name.
    let full = format!("13 05 00 5000 {} 01", "61".repeat(4096));
    assert_eq!(field(&full), malformed("track name"));
    assert_eq!(field("12 00 01 4401"), malformed("reason phrase"));
    assert_eq!(field("06 01 67 01"), malformed("parameters"));
    assert_eq!(field("04 02 00 02"), malformed("content exists"));
    assert_eq!(field("3f"), Err(DecodeError::UnknownType(0x3f)));
    let long = SubscribeNamespace { namespace: Bytes::from(vec![0; 4097]), id: 0 };
    assert_eq!(long.to_bytes(), Err(EncodeError::OutOfRange { field: "track namespace" }));
    let number = SubscribeNamespace { namespace: Bytes::from_static(b"g"), id: u64::MAX };
    assert_eq!(number.to_bytes(), Err(EncodeError::OutOfRange { field: "subscribe namespace id" }));
}

#[test]
fn a_stream_in_pieces_is_cut_into_messages() {
    let messages: Vec<ControlMessage> = vec![
        SubscribeNamespace { namespace: Bytes::from_static(b"gkeypackages"), id: 1 }.into(),
        Unsubscribe { subscribe_id: 1 << 40 }.into(),
        SubscribeNamespaceResponse { id: 1, result: Ok(()) }.into(),
    ];
    for message in &messages {
        assert_eq!(message.to_bytes().unwrap().len(), message.encoded_len(), "{message:?}");
    }
    let stream: Vec<u8> = messages.iter().flat_map(|m| m.to_bytes().unwrap()).collect();
    for piece in 1..stream.len() {
        let mut decoder = ControlDecoder::new();
        let mut read = Vec::new();
        for bytes in stream.chunks(piece) {
            decoder.push(bytes);
            while let Some(message) = decoder.next_message().unwrap() {
                read.push(message);
            }
        }
        assert_eq!(read, messages, "in pieces of {piece}");
        assert_eq!(decoder.buffered(), 0);
    }
    let mut decoder = ControlDecoder::new();
    decoder.push(&stream[..5]);
    assert_eq!((decoder.next_message(), decoder.buffered()), (Ok(None), 5));
    decoder = ControlDecoder::new();
    decoder.push(&[0x3f, 0, 0]);
    assert_eq!(decoder.next_message(), Err(DecodeError::UnknownType(0x3f)));
}

#[test]
fn a_message_is_views_of_what_was_received() {
    let response = |result| SubscribeNamespaceResponse { id: 7, result };
    let messages: Vec<ControlMessage> = vec![
        SubscribeNamespace { namespace: "room-1keypackages".into(), id: 7 }.into(),
        response(Ok(())).into(),
        response(Err((4.try_into().unwrap(), "not here".into()))).into(),
        NamespaceInfo {
            track_alias: 1,
            subscribe_id: 2,
            namespace: "room-1keypackages".into(),
            name: "alice".into(),
            request_id: 7,
        }
        .into(),
    ];
    let stream: Vec<u8> = messages.iter().flat_map(|m| m.to_bytes().unwrap()).collect();
    // As a connection hands it out: shared with what reads on in the same buffer.
    let shared = bytes::BytesMut::from(&stream[..]).split().freeze();
    let mut read = Vec::with_capacity(messages.len());
    let mut input = shared.clone();
    let allocations = allocation_counter::measure(|| {
        while input.has_remaining() {
            read.push(ControlMessage::decode(&mut input).unwrap());
        }
    });
    assert_eq!(allocations.count_total, 0);
    assert_eq!(read, messages);

    // What is pushed is copied once, whatever is in it.
    let mut decoder = ControlDecoder::new();
    decoder.push(&stream.repeat(100));
    let allocations = allocation_counter::measure(|| {
        while let Some(message) = decoder.next_message().unwrap() {
            std::hint::black_box(message);
        }
    });
    assert!(allocations.count_total <= 1, "{} for 400 messages", allocations.count_total);
    assert_eq!(decoder.buffered(), 0);
}

#[test]
fn group_parameters() {
    let mut group = ContextParams::draft();
    assert_eq!(params::encode(&group), hex("01 00 00 00 00"));
    group = ContextParams { commit_tracks: CommitTrackPolicy::PerSender, ..ContextParams::default() };
    group.service_key_hash = Some([7; 32]);
    let wire = params::encode(&group);
    assert_eq!(wire, hex(&format!("01 01 01 00 01 {}", "07".repeat(32))));
    assert_eq!(params::decode(&wire), Ok(group));
    let fenced = ContextParams { mode: SafetyMode::Fenced, ..ContextParams::draft() };
    assert_eq!(params::encode(&fenced), hex("01 02 00 00 00"));
    assert_eq!(params::decode(&hex("01 02 00 00 00")), Ok(fenced));
    for cut in 0..wire.len() {
        assert!(params::decode(&wire[..cut]).is_err(), "{cut}");
    }
    for bad in [
        "02 01 01 00 00",
        "01 03 01 00 00",
        "01 01 02 00 00",
        "01 01 01 02 00",
        "01 01 01 00 02",
        "01 01 01 00 00 00",
    ] {
        assert!(params::decode(&hex(bad)).is_err(), "{bad}");
    }
}

/// The table of the Secure Objects draft.
#[test]
fn serialized_full_track_names() {
    for (fields, name, wire) in [
        (&["example.com"][..], "audio", "010b6578616d706c652e636f6d05617564696f"),
        (
            &["example.com", "meeting-123"],
            "video",
            "020b6578616d706c652e636f6d0b6d656574696e672d31323305766964656f",
        ),
        (
            &["example.com", "meeting-123", "floor-1"],
            "slides",
            "030b6578616d706c652e636f6d0b6d656574696e672d31323307666c6f6f722d3106736c69646573",
        ),
    ] {
        let fields = fields.iter().map(|f| Bytes::from_static(f.as_bytes())).collect();
        let track = FullTrackName {
            namespace: TrackNamespace::new(fields).unwrap(),
            name: Bytes::from_static(name.as_bytes()),
        };
        assert_eq!(hex::encode(track.to_serialized()), wire);
    }
}
