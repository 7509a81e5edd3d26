//! What a frame carries. A frame of moq-relay has a time and bytes, but no object id, so the bytes begin with it.
//!
//! | frame of | layout, integers big-endian |
//! |---|---|
//! | a track | object id, 8 bytes; payload. The sequence of its group is the MOQT group id |
//! | the commits that a member has seen | length of the track name, 2 bytes; track name; then as above |

use bytes::{BufMut, Bytes, BytesMut};
use moq_mls::Object;
use moq_mls::tracks::{FullTrackName, Location, TrackNamespace};

/// Writes an object of a track that is known.
pub fn encode(object: &Object) -> Bytes {
    let mut frame = BytesMut::with_capacity(8 + object.payload.len());
    put(object, &mut frame);
    frame.freeze()
}

/// Reads an object of `track` out of a frame of the group with this sequence; `None` if it is too short.
pub fn decode(track: FullTrackName, group_id: u64, frame: &Bytes) -> Option<Object> {
    let (object_id, _) = frame.split_first_chunk()?;
    let location = Location { group_id, object_id: u64::from_be_bytes(*object_id) };
    Some(Object { track, location, payload: frame.slice(8..) })
}

/// Writes an object with the name of its track; `None` if the name is longer than 65535 bytes.
pub fn encode_named(object: &Object) -> Option<Bytes> {
    let name = &object.track.name;
    let mut frame = BytesMut::with_capacity(10 + name.len() + object.payload.len());
    frame.put_u16(name.len().try_into().ok()?);
    frame.put_slice(name);
    put(object, &mut frame);
    Some(frame.freeze())
}

/// Reads an object of a track in `namespace`; `None` if the frame is too short.
pub fn decode_named(namespace: TrackNamespace, group_id: u64, frame: &Bytes) -> Option<Object> {
    let (length, rest) = frame.split_first_chunk()?;
    let length = usize::from(u16::from_be_bytes(*length));
    let name = frame.slice_ref(rest.get(..length)?);
    let object = frame.slice_ref(rest.get(length..)?);
    decode(FullTrackName { namespace, name }, group_id, &object)
}

fn put(object: &Object, frame: &mut BytesMut) {
    frame.put_u64(object.location.object_id);
    frame.put_slice(&object.payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_come_back_from_frames() -> anyhow::Result<()> {
        let namespace = TrackNamespace::new(vec!["room".into(), "commits".into()])?;
        let track = FullTrackName { namespace: namespace.clone(), name: "a11ce".into() };
        for payload in ["", "a commit"] {
            let location = Location { group_id: 7, object_id: u64::MAX };
            let object = Object { track: track.clone(), location, payload: payload.into() };
            assert_eq!(decode(track.clone(), 7, &encode(&object)).as_ref(), Some(&object));
            let named = encode_named(&object).ok_or(anyhow::anyhow!("a short name"))?;
            assert_eq!(decode_named(namespace.clone(), 7, &named).as_ref(), Some(&object));
            for short in 0..named.len() - payload.len() {
                assert_eq!(decode_named(namespace.clone(), 7, &named.slice(..short)), None);
            }
        }
        assert_eq!(decode(track, 7, &Bytes::from_static(b"7 bytes")), None);
        Ok(())
    }
}
