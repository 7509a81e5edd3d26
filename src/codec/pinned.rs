//! Objects that carry the pin of their epoch (an extension of this crate), integers big-endian.
//!
//! - A receipt, on the Commit track: `version (1) = 2 | pin (96) | signature`.
//! - A signed counter state, on the Commit track: `type (1) = 3 | val (8) | current (8) | pin (96) | signature`.
//! - A Welcome, on a Welcome track of a pinned group:
//!   `version (1) = 2 | pin (96) | length of the receipt (2) | receipt | Welcome`, the Welcome an MLSMessage;
//!   or `type (1) = 4 | Welcome`, where the receipt on the Commit track stands for all Welcomes of its epoch.

use bytes::{Buf, BufMut, Bytes};

use crate::counter::{MAX_RECEIPT, Pin};

const VERSION: u8 = 2;
/// No version of the others, so that nothing is read as both.
const STATE: u8 = 3;
const BARE_WELCOME: u8 = 4;

/// An object that this crate cannot read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("pinned object: bad {0}")]
pub struct PinnedError(&'static str);

/// The service's statement of who won a slot, as an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct ReceiptObject {
    /// The winner.
    pub pin: Pin,
    /// The service's signature, at most [`MAX_RECEIPT`] bytes.
    #[cfg_attr(feature = "arbitrary", arbitrary(with = crate::codec::any::short_bytes))]
    pub receipt: Bytes,
}

impl ReceiptObject {
    /// Encodes the object's payload.
    pub fn encode(&self) -> Bytes {
        let mut out = vec![VERSION];
        out.put_slice(self.pin.as_bytes());
        out.put_slice(&self.receipt);
        out.into()
    }

    /// Decodes an object's payload.
    ///
    /// # Errors
    /// [`PinnedError`] names the field: an unknown version, or a wrong length.
    pub fn decode(mut payload: Bytes) -> Result<Self, PinnedError> {
        let pin = take_pin(&mut payload)?;
        if payload.len() > MAX_RECEIPT {
            return Err(PinnedError("receipt"));
        }
        Ok(Self { pin, receipt: payload })
    }
}

/// The service's statement of where the counter stands, as an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct StateObject {
    /// What was asked for, which carries the time: [`FIRST_DATED`](crate::counter::FIRST_DATED).
    pub val: u64,
    /// The next free slot.
    pub current: u64,
    /// The pin of the slot before it.
    pub pin: Pin,
    /// The service's signature, at most [`MAX_RECEIPT`] bytes.
    #[cfg_attr(feature = "arbitrary", arbitrary(with = crate::codec::any::short_bytes))]
    pub receipt: Bytes,
}

impl StateObject {
    /// Encodes the object's payload.
    pub fn encode(&self) -> Bytes {
        let mut out = vec![STATE];
        out.put_u64(self.val);
        out.put_u64(self.current);
        out.put_slice(self.pin.as_bytes());
        out.put_slice(&self.receipt);
        out.into()
    }

    /// Decodes an object's payload.
    ///
    /// # Errors
    /// [`PinnedError`] names the field: another type, or a wrong length.
    pub fn decode(mut payload: Bytes) -> Result<Self, PinnedError> {
        let length = |_| PinnedError("length");
        if payload.try_get_u8().map_err(length)? != STATE {
            return Err(PinnedError("type"));
        }
        let val = payload.try_get_u64().map_err(length)?;
        let current = payload.try_get_u64().map_err(length)?;
        if payload.len() < Pin::LEN {
            return Err(PinnedError("length"));
        }
        let pin = Pin::from_slice(&payload.split_to(Pin::LEN)).ok_or(PinnedError("length"))?;
        if payload.len() > MAX_RECEIPT {
            return Err(PinnedError("receipt"));
        }
        Ok(Self { val, current, pin, receipt: payload })
    }
}

/// What shows that a Welcome's epoch won its slot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Confirmation {
    /// The pin of the Welcome's epoch.
    pub pin: Pin,
    /// The service's receipt for it, if it signs any: at most [`MAX_RECEIPT`] bytes.
    #[cfg_attr(feature = "arbitrary", arbitrary(with = crate::codec::any::optional_short_bytes))]
    pub receipt: Option<Bytes>,
}

/// A Welcome, and what shows that its epoch won its slot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct WelcomeObject {
    /// `None` in a Welcome whose ratchet tree is apart: each byte of it is sent once for each joiner.
    pub confirmation: Option<Confirmation>,
    /// The MLSMessage.
    #[cfg_attr(feature = "arbitrary", arbitrary(with = crate::codec::any::bytes))]
    pub welcome: Bytes,
}

impl WelcomeObject {
    /// Makes the object of a Welcome to the epoch of `pin`, with the service's receipt for it.
    pub fn confirmed(pin: Pin, receipt: Option<Bytes>, welcome: Bytes) -> Self {
        Self { confirmation: Some(Confirmation { pin, receipt }), welcome }
    }

    /// Encodes the object's payload. A receipt over [`MAX_RECEIPT`] bytes is left out.
    pub fn encode(&self) -> Bytes {
        let Some(Confirmation { pin, receipt }) = &self.confirmation else {
            return [&[BARE_WELCOME], &self.welcome[..]].concat().into();
        };
        let receipt = receipt.as_ref().filter(|receipt| receipt.len() <= MAX_RECEIPT);
        let receipt = receipt.map_or(&[][..], |receipt| &receipt[..]);
        let mut out = vec![VERSION];
        out.put_slice(pin.as_bytes());
        out.put_u16(receipt.len() as u16);
        out.put_slice(receipt);
        out.put_slice(&self.welcome);
        out.into()
    }

    /// Decodes an object's payload.
    ///
    /// # Errors
    /// [`PinnedError`] names the field: an unknown version, or a wrong length.
    pub fn decode(mut payload: Bytes) -> Result<Self, PinnedError> {
        if payload.first() == Some(&BARE_WELCOME) {
            return Ok(Self { confirmation: None, welcome: payload.split_off(1) });
        }
        let pin = take_pin(&mut payload)?;
        let len = usize::from(payload.try_get_u16().map_err(|_| PinnedError("length"))?);
        if len > MAX_RECEIPT || len > payload.len() {
            return Err(PinnedError("receipt"));
        }
        let receipt = payload.split_to(len);
        Ok(Self::confirmed(pin, (len > 0).then_some(receipt), payload))
    }
}

fn take_pin(payload: &mut Bytes) -> Result<Pin, PinnedError> {
    if payload.try_get_u8().map_err(|_| PinnedError("length"))? != VERSION {
        return Err(PinnedError("version"));
    }
    if payload.len() < Pin::LEN {
        return Err(PinnedError("length"));
    }
    Pin::from_slice(&payload.split_to(Pin::LEN)).ok_or(PinnedError("length"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_state_is_read_back_and_is_no_receipt() {
        let pin = Pin::new([1; 32], [2; 32], [3; 32]);
        let state = StateObject { val: u64::MAX, current: 7, pin, receipt: Bytes::from_static(b"signed") };
        let bytes = state.encode();
        assert_eq!(StateObject::decode(bytes.clone()), Ok(state));
        assert!(ReceiptObject::decode(bytes.clone()).is_err());
        for len in 0..1 + 8 + 8 + Pin::LEN {
            assert!(StateObject::decode(bytes.slice(..len)).is_err());
        }
        let receipt = ReceiptObject { pin, receipt: Bytes::from_static(b"signed") }.encode();
        assert!(StateObject::decode(receipt).is_err());
        let long = [&bytes[..], &[0; MAX_RECEIPT]].concat();
        assert!(StateObject::decode(long.into()).is_err());
    }
}
