//! Bytes of a stream to messages, and back.

use anyhow::{Context, Result, bail};
use bytes::BytesMut;
use moqtap_codec::draft18::message::ControlMessage;
use moqtap_codec::error::CodecError;
use quinn::{RecvStream, SendStream};

use super::Draft;

/// Larger than any object of this protocol: a peer that sends more is cut off.
const MAX_STREAM: usize = 16 << 20;

/// Decodes from the front of `buf`: `None` when there is too little, `Some(None)` for what `skip` says.
pub(super) fn step<T>(
    buf: &mut BytesMut,
    decode: impl FnOnce(&mut &[u8]) -> Result<T, CodecError>,
    skip: impl FnOnce(&[u8]) -> bool,
) -> Result<Option<Option<T>>> {
    let mut front = &buf[..];
    match decode(&mut front) {
        Ok(value) => {
            let used = buf.len() - front.len();
            let _ = buf.split_to(used);
            Ok(Some(Some(value)))
        }
        Err(_) if skip(buf) => Ok(Some(None)),
        Err(e) if e.is_incomplete() => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// Reads more; false at the end of the stream.
pub(super) async fn more(recv: &mut RecvStream, buf: &mut BytesMut) -> Result<bool> {
    if buf.len() > MAX_STREAM {
        bail!("over {MAX_STREAM} bytes");
    }
    match recv.read_chunk(64 << 10, true).await? {
        Some(chunk) => {
            buf.extend_from_slice(&chunk.bytes);
            Ok(true)
        }
        None => Ok(false),
    }
}

pub(super) async fn write(send: &mut SendStream, draft: Draft, message: &ControlMessage) -> Result<()> {
    let mut buf = Vec::new();
    draft.encode(message, &mut buf).context("control message")?;
    send.write_all(&buf).await.context("control stream")?;
    Ok(())
}

/// The next control message; `None` at the end of the stream.
pub(super) async fn read(
    recv: &mut RecvStream,
    draft: Draft,
    buf: &mut BytesMut,
) -> Result<Option<ControlMessage>> {
    loop {
        match step(buf, |b| draft.decode(b), |_| false)? {
            Some(Some(Some(message))) => return Ok(Some(message)),
            Some(_) => continue,
            None => {}
        }
        if !more(recv, buf).await? {
            return Ok(None);
        }
    }
}
