//! Decoders and encoders.

use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;

use crate::codec::{
    ControlDecoder, ControlMessage, Decode, DecodeError, Encode, ObjectStream, params, varint,
};
use crate::counter::http::{Call, encode_refusal};
use crate::counter::http::{
    Decoded, HttpLimits, HttpRequest, HttpResponse, decode_commit_reply, decode_increment_reply,
    decode_lock_reply, decode_request, encode_commit, encode_commit_reply, encode_increment,
    encode_increment_reply, encode_lock, encode_lock_reply,
};

/// - decoding never panics, and takes no more than there is;
/// - what was decoded encodes to `encoded_len` bytes, which decode to the same value;
/// - `Incomplete` is true: the message's own bytes decode, every shorter prefix is incomplete;
/// - a stream in pieces gives the same messages, then the same error, as in one.
pub(super) fn decode(data: &[u8]) {
    let mut rest = data;
    let first = ControlMessage::decode(&mut rest);
    if let Ok(message) = &first {
        let used = &data[..data.len() - rest.len()];
        for cut in 0..used.len() {
            let part = ControlMessage::decode(&mut &used[..cut]);
            assert!(
                matches!(part, Err(DecodeError::Incomplete { needed }) if needed > 0 && needed <= used.len() - cut)
            );
        }
        let bytes = message.to_bytes().expect("what was decoded is in range");
        assert_eq!(bytes.len(), message.encoded_len());
        assert!(bytes.len() <= used.len());
        assert_eq!(ControlMessage::decode(&mut bytes.clone()).as_ref(), Ok(message));
    }
    let split = data.first().map_or(0, |b| usize::from(*b)).min(data.len());
    let whole = messages(&[data]);
    assert_eq!(messages(&[&data[..split], &data[split..]]), whole);
    assert_eq!(messages(&data.chunks(1).collect::<Vec<_>>()), whole);

    if let Ok(stream) = ObjectStream::decode(&mut Bytes::copy_from_slice(data)) {
        let bytes = stream.to_bytes().expect("in range");
        assert_eq!(ObjectStream::decode(&mut bytes.clone()).as_ref(), Ok(&stream));
        assert_eq!(bytes.len(), stream.encoded_len());
    }
    if let Ok(n) = varint::decode(&mut &data[..]) {
        let mut out = Vec::new();
        varint::encode(n, "n", &mut out).expect("in range");
        assert_eq!(varint::decode(&mut &out[..]), Ok(n));
    }
    if let Ok(p) = params::decode(data) {
        assert_eq!(params::encode(&p), data);
    }
}

fn messages(pieces: &[&[u8]]) -> (Vec<ControlMessage>, Option<DecodeError>, usize) {
    let mut decoder = ControlDecoder::new();
    let mut found = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        loop {
            match decoder.next_message() {
                Ok(Some(message)) => found.push(message),
                Ok(None) => break,
                // The stream is lost, and its rest means nothing.
                Err(error) => return (found, Some(error), 0),
            }
        }
    }
    (found, None, decoder.buffered())
}

/// - any value in range encodes to `encoded_len` bytes and decodes to itself, leaving what follows;
/// - two in a row come out of a decoder as two.
pub(super) fn encode(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let Ok(messages) = Vec::<ControlMessage>::arbitrary(&mut u) else { return };
    let mut decoder = ControlDecoder::new();
    for message in &messages {
        let bytes = message.to_bytes().expect("in range");
        assert_eq!(bytes.len(), message.encoded_len());
        let mut rest = Bytes::from([&bytes[..], &[0xee]].concat());
        assert_eq!(ControlMessage::decode(&mut rest).as_ref(), Ok(message));
        assert_eq!(&rest[..], [0xee]);
        decoder.push(&bytes);
    }
    for message in &messages {
        assert_eq!(decoder.next_message(), Ok(Some(message.clone())));
    }
    assert_eq!(decoder.next_message(), Ok(None));
    if let Ok(stream) = ObjectStream::arbitrary(&mut u) {
        let bytes = stream.to_bytes().expect("in range");
        assert_eq!(ObjectStream::decode(&mut bytes.clone()), Ok(stream));
    }
}

/// - reading requests and replies never panics, and every request gets an answer that can be written;
/// - a call that was read, written again and read again is the same call;
/// - a reply that was read, written again and read again is the same reply;
/// - more bytes behind a whole message change nothing, fewer make it incomplete.
pub(super) fn http(data: &[u8]) {
    let limits = HttpLimits::default();
    match HttpRequest::decode(data, &limits) {
        Ok(Decoded::Complete { message, len }) => {
            assert!(len <= data.len());
            let more = [&data[..len], b"GET"].concat();
            let again = HttpRequest::decode(&more, &limits);
            assert_eq!(again, Ok(Decoded::Complete { message: message.clone(), len }));
            assert_eq!(HttpRequest::decode(&data[..len - 1], &limits), Ok(Decoded::Incomplete));
            match decode_request(&message) {
                Ok(inbound) => {
                    let written = match &inbound.call {
                        Call::Lock(call) => encode_lock(call, inbound.token),
                        Call::Increment(call) => encode_increment(call, inbound.token),
                        Call::Commit(call) => encode_commit(call, inbound.token),
                    };
                    let written = written.expect("what was read");
                    let bytes = written.to_bytes("host").expect("what was read");
                    let Ok(Decoded::Complete { message, .. }) = HttpRequest::decode(&bytes, &limits) else {
                        panic!("our own bytes")
                    };
                    assert_eq!(decode_request(&message).as_ref(), Ok(&inbound));
                }
                Err(error) => {
                    encode_refusal(&error).to_bytes().expect("an answer");
                }
            }
        }
        Ok(Decoded::Incomplete) => {}
        Err(error) => {
            encode_refusal(&error).to_bytes().expect("an answer");
        }
    }
    if let Ok(Decoded::Complete { message, .. }) = HttpResponse::decode(data, true, &limits) {
        if let Ok(reply) = decode_lock_reply(&message) {
            assert_eq!(decode_lock_reply(&encode_lock_reply(&reply)).as_ref(), Ok(&reply));
        }
        if let Ok(reply) = decode_increment_reply(&message) {
            assert_eq!(decode_increment_reply(&encode_increment_reply(&reply)).as_ref(), Ok(&reply));
        }
        if let Ok(reply) = decode_commit_reply(&message) {
            assert_eq!(decode_commit_reply(&encode_commit_reply(&reply)).as_ref(), Ok(&reply));
        }
    }
}
