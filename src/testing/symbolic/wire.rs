//! The bytes of symbolic messages: a mark, a kind, the fields, and a check over all before it, which
//! stands for the signature: flipped bits are seen, and nobody is kept from making a new one.

use bytes::{Buf, BufMut, Bytes};

use super::mix::mix64;
use crate::engine::Rejection;

/// No MLSMessage begins so.
const MARK: u8 = 0xa5;

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    KeyPackage = 1,
    Welcome = 2,
    Commit = 3,
    Leave = 4,
    Saved = 5,
    Other = 6,
    Tree = 7,
    Sealed = 8,
}

impl Kind {
    fn from_u8(byte: u8) -> Option<Self> {
        let all = [
            Self::KeyPackage,
            Self::Welcome,
            Self::Commit,
            Self::Leave,
            Self::Saved,
            Self::Other,
            Self::Tree,
            Self::Sealed,
        ];
        all.into_iter().find(|kind| *kind as u8 == byte)
    }
}

pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn new(kind: Kind) -> Self {
        Self(vec![MARK, kind as u8])
    }

    pub(super) fn flag(&mut self, v: bool) {
        self.0.put_u8(u8::from(v));
    }

    pub(super) fn u32(&mut self, v: u32) {
        self.0.put_u32(v);
    }

    pub(super) fn u64(&mut self, v: u64) {
        self.0.put_u64(v);
    }

    pub(super) fn hash(&mut self, v: &[u8; 32]) {
        self.0.put_slice(v);
    }

    /// Nothing in a simulation is 4 GiB long.
    pub(super) fn bytes(&mut self, v: &[u8]) {
        self.u32(u32::try_from(v.len()).unwrap_or(u32::MAX));
        self.0.put_slice(v);
    }

    pub(super) fn option<T>(&mut self, v: Option<T>, put: impl FnOnce(&mut Self, T)) {
        self.flag(v.is_some());
        if let Some(v) = v {
            put(self, v);
        }
    }

    pub(super) fn list<T>(&mut self, items: impl ExactSizeIterator<Item = T>, put: impl Fn(&mut Self, T)) {
        self.u32(u32::try_from(items.len()).unwrap_or(u32::MAX));
        for item in items {
            put(self, item);
        }
    }

    pub(super) fn finish(mut self) -> Bytes {
        let check = mix64("check", &[&self.0]);
        self.u64(check);
        self.0.into()
    }
}

/// Reads what [`Writer`] wrote. Fields that do not fit are [`Rejection::Malformed`].
pub(super) struct Reader {
    rest: Bytes,
    checks: bool,
}

impl Reader {
    pub(super) fn open(message: &Bytes) -> Result<(Kind, Self), Rejection> {
        let body = message.len().checked_sub(8).ok_or(Rejection::Malformed)?;
        let mut rest = message.clone();
        let mut check = rest.split_off(body);
        let checks = check.try_get_u64().ok() == Some(mix64("check", &[&rest]));
        let mut this = Self { rest, checks };
        if this.u8()? != MARK {
            return Err(Rejection::Malformed);
        }
        let kind = Kind::from_u8(this.u8()?).ok_or(Rejection::Malformed)?;
        Ok((kind, this))
    }

    pub(super) fn open_as(message: &Bytes, wanted: Kind) -> Result<Self, Rejection> {
        let (kind, reader) = Self::open(message)?;
        if kind == wanted { Ok(reader) } else { Err(Rejection::Malformed) }
    }

    fn u8(&mut self) -> Result<u8, Rejection> {
        self.rest.try_get_u8().map_err(|_| Rejection::Malformed)
    }

    pub(super) fn flag(&mut self) -> Result<bool, Rejection> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Rejection::Malformed),
        }
    }

    pub(super) fn u32(&mut self) -> Result<u32, Rejection> {
        self.rest.try_get_u32().map_err(|_| Rejection::Malformed)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Rejection> {
        self.rest.try_get_u64().map_err(|_| Rejection::Malformed)
    }

    pub(super) fn hash(&mut self) -> Result<[u8; 32], Rejection> {
        let mut hash = [0; 32];
        self.rest.try_copy_to_slice(&mut hash).map_err(|_| Rejection::Malformed)?;
        Ok(hash)
    }

    pub(super) fn bytes(&mut self) -> Result<Bytes, Rejection> {
        let len = usize::try_from(self.u32()?).map_err(|_| Rejection::Malformed)?;
        if len > self.rest.len() {
            return Err(Rejection::Malformed);
        }
        Ok(self.rest.split_to(len))
    }

    pub(super) fn option<T>(
        &mut self,
        take: impl FnOnce(&mut Self) -> Result<T, Rejection>,
    ) -> Result<Option<T>, Rejection> {
        if self.flag()? { take(self).map(Some) } else { Ok(None) }
    }

    pub(super) fn list<T>(
        &mut self,
        take: impl Fn(&mut Self) -> Result<T, Rejection>,
    ) -> Result<Vec<T>, Rejection> {
        let count = usize::try_from(self.u32()?).map_err(|_| Rejection::Malformed)?;
        // Every item takes at least a byte: a larger count is false, and nothing is allocated for it.
        if count > self.rest.len() {
            return Err(Rejection::Malformed);
        }
        (0..count).map(|_| take(self)).collect()
    }

    /// All was read, and the check holds.
    pub(super) fn end(self) -> Result<(), Rejection> {
        if !self.rest.is_empty() {
            Err(Rejection::Malformed)
        } else if !self.checks {
            Err(Rejection::Invalid("a symbolic message that was tampered with".into()))
        } else {
            Ok(())
        }
    }
}
