//! SUBSCRIBE (draft-02 section 6.4).
//!
//! Draft-02 names start and end by relative modes too. A group needs two shapes: a track from its oldest
//! object on, and what a relay has of a range of groups. The second is this wire's fetch.

use bytes::{Buf, BufMut, Bytes};

use crate::codec::fields::{bytes_len, decode_full_name, encode_full_name};
use crate::codec::varint;
use crate::codec::wire::{Decode, DecodeError, Encode, EncodeError};

/// A subscriber wants a track.
///
/// `Subscribe ID (i), Track Alias (i), Track Namespace (b), Track Name (b), Start Group, Start Object,
/// End Group, End Object (each Mode (i), [Value (i)]), Number of Parameters (i)`; no parameter is known
/// here, so the number is 0.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Subscribe {
    /// The subscriber's name for this subscription.
    #[cfg_attr(feature = "arbitrary", arbitrary(with = crate::codec::any::varint))]
    pub subscribe_id: u64,
    /// The subscriber's short name for the track, which the objects sent to it carry.
    #[cfg_attr(feature = "arbitrary", arbitrary(with = crate::codec::any::varint))]
    pub track_alias: u64,
    /// The track's namespace, flat; with the name at most 4096 bytes.
    #[cfg_attr(feature = "arbitrary", arbitrary(with = crate::codec::any::bytes))]
    pub namespace: Bytes,
    /// The track's name.
    #[cfg_attr(feature = "arbitrary", arbitrary(with = crate::codec::any::bytes))]
    pub name: Bytes,
    /// Which objects.
    pub filter: Filter,
}

/// Which objects of a track are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Filter {
    /// All from the start of this group on, now and later: start absolute, end none.
    From {
        /// The first MOQT group wanted.
        group: u64,
    },
    /// What there is of these groups now: start absolute, end absolute.
    Range {
        /// The first MOQT group wanted.
        first: u64,
        /// The last MOQT group wanted.
        last: u64,
    },
}

/// Location modes of draft-02.
const NONE: u64 = 0;
const ABSOLUTE: u64 = 1;

impl Filter {
    fn ends(self) -> (u64, Option<u64>) {
        match self {
            Self::From { group } => (group, None),
            Self::Range { first, last } => (first, Some(last)),
        }
    }
}

fn decode_location<B: Buf>(field: &'static str, input: &mut B) -> Result<Option<u64>, DecodeError> {
    match varint::decode(input)? {
        NONE => Ok(None),
        ABSOLUTE => varint::decode(input).map(Some),
        _ => Err(DecodeError::Malformed { field }),
    }
}

impl Encode for Subscribe {
    fn encoded_len(&self) -> usize {
        let (first, last) = self.filter.ends();
        // Start group and object, end group and object, and no parameters.
        let filter =
            1 + varint::encoded_len(first) + 2 + last.map_or(1, |g| 1 + varint::encoded_len(g)) + 1 + 1;
        varint::encoded_len(self.subscribe_id)
            + varint::encoded_len(self.track_alias)
            + bytes_len(&self.namespace)
            + bytes_len(&self.name)
            + filter
    }

    fn encode<B: BufMut>(&self, out: &mut B) -> Result<(), EncodeError> {
        varint::encode(self.subscribe_id, "subscribe id", out)?;
        varint::encode(self.track_alias, "track alias", out)?;
        encode_full_name(&self.namespace, &self.name, out)?;
        let (first, last) = self.filter.ends();
        varint::encode(ABSOLUTE, "start group", out)?;
        varint::encode(first, "start group", out)?;
        varint::encode(ABSOLUTE, "start object", out)?;
        varint::encode(0, "start object", out)?;
        match last {
            None => varint::encode(NONE, "end group", out)?,
            Some(last) => {
                varint::encode(ABSOLUTE, "end group", out)?;
                varint::encode(last, "end group", out)?;
            }
        }
        varint::encode(NONE, "end object", out)?;
        varint::encode(0, "parameters", out)
    }
}

impl Decode for Subscribe {
    #[inline]
    fn decode<B: Buf>(input: &mut B) -> Result<Self, DecodeError> {
        let (subscribe_id, track_alias) = (varint::decode(input)?, varint::decode(input)?);
        let (namespace, name) = decode_full_name(input)?;
        let start = (decode_location("start group", input)?, decode_location("start object", input)?);
        let end = (decode_location("end group", input)?, decode_location("end object", input)?);
        if varint::decode(input)? != 0 {
            return Err(DecodeError::Malformed { field: "parameters" });
        }
        let filter = match (start, end) {
            ((Some(group), Some(0)), (None, None)) => Filter::From { group },
            ((Some(first), Some(0)), (Some(last), None)) => Filter::Range { first, last },
            _ => return Err(DecodeError::Malformed { field: "start and end" }),
        };
        Ok(Self { subscribe_id, track_alias, namespace, name, filter })
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Filter {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let first = crate::codec::any::varint(u)?;
        Ok(if u.arbitrary()? {
            Self::From { group: first }
        } else {
            Self::Range { first, last: crate::codec::any::varint(u)? }
        })
    }
}
