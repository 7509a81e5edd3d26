//! What a founder says of the successor of its group, in an application message (an extension of this crate).
//!
//! `version (1) | length of the name (1) | name | pin of slot 0 (96)`.

use bytes::{Buf, BufMut, Bytes};

use crate::counter::Pin;
use crate::tracks::{GroupName, MAX_GROUP_NAME};

const VERSION: u8 = 1;

/// An announcement that this crate cannot read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("successor: bad {0}")]
pub struct SuccessorError(&'static str);

/// A successor of a group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Successor {
    /// Its name: one that [`GroupName::successor`] made.
    pub group: GroupName,
    /// The pin of its slot 0.
    pub pin: Pin,
}

impl Successor {
    /// Encodes the message's data.
    pub fn encode(&self) -> Vec<u8> {
        let name = self.group.as_bytes();
        // A group name is at most 255 bytes.
        let mut out = vec![VERSION, u8::try_from(name.len()).unwrap_or(u8::MAX)];
        out.put_slice(name);
        out.put_slice(self.pin.as_bytes());
        out
    }

    /// Decodes the message's data.
    ///
    /// # Errors
    /// [`SuccessorError`] names the field: an unknown version, a name that is no successor's, or a wrong length.
    pub fn decode(mut data: Bytes) -> Result<Self, SuccessorError> {
        let short = |_| SuccessorError("length");
        if data.try_get_u8().map_err(short)? != VERSION {
            return Err(SuccessorError("version"));
        }
        let len = usize::from(data.try_get_u8().map_err(short)?);
        if len > MAX_GROUP_NAME || len > data.len() {
            return Err(SuccessorError("length"));
        }
        let group = GroupName::new(data.split_to(len)).map_err(|_| SuccessorError("name"))?;
        if group.founding_hash().is_none() {
            return Err(SuccessorError("name"));
        }
        let pin = Pin::from_slice(&data).ok_or(SuccessorError("length"))?;
        Ok(Self { group, pin })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_was_encoded_is_decoded_and_nothing_shorter_or_longer() {
        let group = GroupName::new("room").unwrap().successor([0xab; 16]).unwrap();
        let successor = Successor { group, pin: Pin::new([1; 32], [2; 32], [3; 32]) };
        let bytes = successor.encode();
        assert_eq!(Successor::decode(Bytes::from(bytes.clone())), Ok(successor.clone()));
        for len in 0..bytes.len() {
            assert!(Successor::decode(Bytes::copy_from_slice(bytes.get(..len).unwrap())).is_err());
        }
        assert!(Successor::decode(Bytes::from([&bytes[..], &[0]].concat())).is_err());
        let plain = Successor { group: GroupName::new("room").unwrap(), ..successor };
        assert_eq!(Successor::decode(plain.encode().into()), Err(SuccessorError("name")));
    }
}
