//! The draft's three control messages, read and written, against `moqtap-codec` and a bare varint loop.
//!
//! `cargo bench --bench codec`. Rounds of all alternate; a figure is the ratio of their medians.
//!
//! `moqtap-codec` (MoQT draft 18) has none of the three, so each stands against the nearest in shape, with
//! the same namespace, name and numbers in it:
//!
//! | ours | `moqtap-codec` |
//! |---|---|
//! | SUBSCRIBE_NAMESPACE | SUBSCRIBE_NAMESPACE: a request id and a namespace prefix |
//! | SUBSCRIBE_NAMESPACE_RESPONSE, status 0 | REQUEST_OK |
//! | SUBSCRIBE_NAMESPACE_RESPONSE, a reason | REQUEST_ERROR with the same reason |
//! | NAMESPACE_INFO | PUBLISH: a request id, a full track name and its alias |
//!
//! A namespace is one flat string on the draft's wire and a tuple of two fields on theirs: that is part of
//! what is compared, and so is that theirs copies every field out while ours are views of the input. Each
//! decoder gets its stream in the form it reads fastest: ours [`Bytes`], theirs the faster of [`Bytes`] and
//! a slice. The varint loop checks nothing and knows how many bytes of what come: it is the floor.
//!
//! Allocations are counted by `cargo bench --bench memory`: a counting allocator here would slow theirs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/messages.rs"]
mod messages;
mod support;

use std::hint::black_box;

use bytes::{Buf, Bytes, BytesMut};
use moq_mls::codec::{ControlDecoder, ControlMessage, Decode, Encode};
use moqtap_codec::draft18::message as theirs;

use self::messages::{Case, Field, cases};
use self::support::{median, timed};

const ROUNDS: usize = 101;
/// Messages in a stream, as a control stream has them: one behind the other.
const STREAM: usize = 64;
/// Streams in a round.
const STREAMS: usize = 32;
const MESSAGES: f64 = (STREAM * STREAMS) as f64;

/// RFC 9000 appendix A.1, for input that is known to be whole.
fn read_varint(at: &mut &[u8]) -> u64 {
    let len = 1 << (at[0] >> 6);
    let (this, rest) = at.split_at(len);
    *at = rest;
    this[1..].iter().fold(u64::from(this[0] & 0x3f), |value, byte| value << 8 | u64::from(*byte))
}

/// RFC 9000 section 16, for numbers that have an encoding.
fn write_varint(value: u64, out: &mut Vec<u8>) {
    match value {
        0..0x40 => out.push(value as u8),
        0x40..0x4000 => out.extend((value as u16 | 0x4000).to_be_bytes()),
        0x4000..0x4000_0000 => out.extend((value as u32 | 0x8000_0000).to_be_bytes()),
        _ => out.extend((value | 0xc000_0000_0000_0000).to_be_bytes()),
    }
}

/// The content of a message for the loop that writes it.
enum Part {
    Number(u64),
    Bytes(Bytes),
}

/// Reads one message's fields with the loop.
fn read_parts(at: &mut &[u8], fields: &[Field], mut each: impl FnMut(Result<u64, &[u8]>)) {
    each(Ok(read_varint(at)));
    for field in fields {
        let number = read_varint(at);
        match field {
            Field::Number => each(Ok(number)),
            Field::Bytes => {
                let (bytes, rest) = at.split_at(number as usize);
                *at = rest;
                each(Err(bytes));
            }
        }
    }
}

/// Nanoseconds per message of each, medians of rounds in which they take turns.
fn compare<const N: usize>(mut each: [&mut dyn FnMut(); N]) -> [f64; N] {
    let mut samples: [Vec<f64>; N] = std::array::from_fn(|_| Vec::new());
    for round in 0..ROUNDS {
        for i in 0..N {
            // The one that goes first changes too.
            let i = (i + round) % N;
            let (time, ()) = timed(|| (0..STREAMS).for_each(|_| each[i]()));
            samples[i].push(time * 1e9 / MESSAGES);
        }
    }
    samples.map(|mut of_one| median(&mut of_one))
}

fn decode_all(stream: &Bytes) {
    let mut input = stream.clone();
    while input.has_remaining() {
        assert!(black_box(&ControlMessage::decode(&mut input)).is_ok());
    }
}

fn decode_theirs(mut input: impl Buf) {
    while input.has_remaining() {
        assert!(black_box(&theirs::ControlMessage::decode(&mut input)).is_ok());
    }
}

/// Nanoseconds per message: ours, theirs, the loop.
type Times = [f64; 3];

fn decode(case: &Case) -> Times {
    let one = case.ours.to_bytes().unwrap();
    // As it comes off a connection: the connection reads on into the same buffer.
    let mut buffer = BytesMut::from(&one.repeat(STREAM)[..]);
    let stream = buffer.split().freeze();
    let mut their_stream = BytesMut::new();
    (0..STREAM).for_each(|_| case.theirs.encode(&mut their_stream).unwrap());
    let their_stream = their_stream.split().freeze();
    assert_eq!(ControlMessage::decode(&mut stream.clone()).unwrap(), case.ours);
    assert_eq!(theirs::ControlMessage::decode(&mut their_stream.clone()).unwrap(), case.theirs);

    let [ours, shared, slice, bare, in_pieces] = compare([
        &mut || decode_all(&stream),
        &mut || decode_theirs(their_stream.clone()),
        &mut || decode_theirs(&their_stream[..]),
        &mut || {
            let mut at = black_box(&stream[..]);
            while !at.is_empty() {
                read_parts(&mut at, case.fields, |part| _ = black_box(part));
            }
        },
        &mut || {
            let mut decoder = ControlDecoder::new();
            decoder.push(&stream);
            while let Some(message) = decoder.next_message().unwrap() {
                black_box(&message);
            }
        },
    ]);
    let theirs = shared.min(slice);
    report("decode", case.name, [ours, theirs, bare]);
    println!("figure codec_stream_decode_{}_vs_moqtap {:.2} x", case.name, in_pieces / theirs);
    [ours, theirs, bare]
}

fn encode(case: &Case) -> Times {
    let wire = case.ours.to_bytes().unwrap();
    let mut parts = Vec::new();
    read_parts(&mut &wire[..], case.fields, |part| {
        parts.push(match part {
            Ok(number) => Part::Number(number),
            Err(bytes) => Part::Bytes(Bytes::copy_from_slice(bytes)),
        });
    });
    let by_hand = |out: &mut Vec<u8>| {
        for part in black_box(&parts) {
            match part {
                Part::Number(number) => write_varint(*number, out),
                Part::Bytes(bytes) => {
                    write_varint(bytes.len() as u64, out);
                    out.extend_from_slice(bytes);
                }
            }
        }
    };
    // Each writes into a buffer that is there and large enough, as a connection's is.
    let (mut ours, mut theirs, mut bare) = (Vec::new(), Vec::new(), Vec::new());
    by_hand(&mut bare);
    assert_eq!(bare, wire);
    let times = compare([
        &mut || {
            ours.clear();
            (0..STREAM).for_each(|_| black_box(&case.ours).encode(&mut ours).unwrap());
            black_box(&ours);
        },
        &mut || {
            theirs.clear();
            (0..STREAM).for_each(|_| black_box(&case.theirs).encode(&mut theirs).unwrap());
            black_box(&theirs);
        },
        &mut || {
            bare.clear();
            (0..STREAM).for_each(|_| by_hand(&mut bare));
            black_box(&bare);
        },
    ]);
    report("encode", case.name, times);
    times
}

fn report(way: &str, name: &str, [ours, theirs, bare]: Times) {
    println!("# {way} {name}: {ours:.1} ns, moqtap-codec {theirs:.1} ns, varint loop {bare:.1} ns");
    println!("figure codec_{way}_{name}_vs_moqtap {:.2} x", ours / theirs);
    println!("figure codec_{way}_{name}_vs_varint_loop {:.2} x", ours / bare);
}

/// One of each message.
fn total(way: &str, times: &[Times]) {
    let [ours, theirs, bare] = std::array::from_fn(|i| times.iter().map(|t| t[i]).sum::<f64>());
    println!("figure codec_{way}_vs_moqtap {:.2} x", ours / theirs);
    println!("figure codec_{way}_vs_varint_loop {:.2} x", ours / bare);
}

fn main() {
    let cases = cases();
    let decoded: Vec<Times> = cases.iter().map(decode).collect();
    let encoded: Vec<Times> = cases.iter().map(encode).collect();
    total("decode", &decoded);
    total("encode", &encoded);
    println!("# allocations per message, by an allocator that counts: cargo bench --bench memory");
}
