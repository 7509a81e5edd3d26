//! Durable bytes of a participant: what [`Action::Persist`](crate::Action::Persist) carries and
//! [`Participant::restore`](crate::Participant::restore) takes.
//!
//! A snapshot holds private keys and group secrets: seal it at rest, and overwrite the last one when a
//! new one is durable. Its format belongs to this crate and carries a version.

use std::fmt;
use std::hash::{Hash, Hasher};

use bytes::{Buf, Bytes};
use zeroize::Zeroizing;

use crate::secret::Secret;
use crate::tracks::SenderId;

/// "MQLS", then the format's version.
const MAGIC: &[u8; 4] = b"MQLS";
/// The format this crate writes and the only one it reads.
pub const SNAPSHOT_VERSION: u16 = 6;
/// Length of the checksum at the end, bytes.
pub(crate) const CHECKSUM_LEN: usize = 8;
/// What the checksum takes at a time, bytes.
const BLOCK: usize = 64;

/// How much room a part has, bytes: little enough for an allocator's small bins. For more, glibc's first puts in
/// order all that processing the commit has freed.
const PART: usize = 1000;
/// How much each has that follows on more than [`SHORT_PARTS`].
const LONG_PART: usize = 64 * 1024;
const SHORT_PARTS: usize = 16;
/// From this length on a field is not copied into the snapshot but shared with it.
const SHARED: usize = 512;

/// A checksum against damage by accident, of which any change within eight bytes is sure to be noticed. A
/// cryptographic hash would keep nobody out either who can write to the storage. It would cost a tenth of
/// what processing a commit does in a group of 1,000.
pub(crate) fn checksum<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; CHECKSUM_LEN] {
    // Every step can be undone, so that what once differs goes on to differ. Eight lanes keep the processor busy.
    let step = |sum: u64, word: u64| (sum.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut lanes = [1_u64, 2, 3, 4, 5, 6, 7, 8];
    let mut take = |blocks: &[[u8; BLOCK]]| {
        for block in blocks {
            for (lane, word) in lanes.iter_mut().zip(block.as_chunks::<8>().0) {
                *lane = step(*lane, u64::from_le_bytes(*word));
            }
        }
    };
    // What is not a whole block yet.
    let (mut len, mut begun, mut open) = (0_usize, 0, [0; BLOCK]);
    for mut part in parts {
        len = len.wrapping_add(part.len());
        if begun > 0 {
            let (head, tail) = part.split_at(part.len().min(BLOCK - begun));
            open.iter_mut().skip(begun).zip(head).for_each(|(to, byte)| *to = *byte);
            (begun, part) = (begun + head.len(), tail);
            if begun < BLOCK {
                continue;
            }
            take(&[open]);
        }
        let (blocks, rest) = part.as_chunks();
        take(blocks);
        open.iter_mut().zip(rest).for_each(|(to, byte)| *to = *byte);
        begun = rest.len();
    }
    let sum = open.iter().take(begun).map(|byte| u64::from(*byte)).fold(len as u64, step);
    lanes.into_iter().fold(sum, step).to_be_bytes()
}

/// A participant's durable state, in parts to be written one behind the other: what is long is shared with
/// the participant, not copied. Secret: `Debug` shows only its length, and what a participant made is overwritten when
/// the last who holds it is dropped. Of bytes given to [`from_bytes`](Self::from_bytes), that is up to their owner.
#[derive(Clone)]
pub struct Snapshot(Vec<Bytes>);

impl Snapshot {
    /// Takes bytes read back from storage; they are checked by
    /// [`Participant::restore`](crate::Participant::restore).
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Self {
        Self(vec![bytes.into()])
    }

    /// The bytes to store, in order and none of them empty but of an empty snapshot; fit for a vectored write.
    pub fn parts(&self) -> &[Bytes] {
        &self.0
    }

    /// The bytes to store, in one piece: copied together if there are several.
    pub fn to_bytes(&self) -> Bytes {
        match &self.0[..] {
            [one] => one.clone(),
            parts => Secret::new(parts.concat()).into_shared(),
        }
    }

    /// How many bytes there are to store.
    pub fn len(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    /// Whether there are none; never of what a participant made.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

// By the bytes, however they are parted.
impl PartialEq for Snapshot {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.to_bytes() == other.to_bytes()
    }
}

impl Eq for Snapshot {}

impl Hash for Snapshot {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.to_bytes().hash(state);
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Snapshot({} bytes)", self.len())
    }
}

/// Why a snapshot cannot be restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
pub enum SnapshotError {
    /// Cut short, damaged, or no snapshot at all.
    #[error("not a snapshot, or damaged")]
    Malformed,
    /// Written by a version of the format that this one cannot read.
    #[error("snapshot version {0} is not supported")]
    Version(u16),
    /// Of another group, mode or commit-track policy than configured.
    #[error("the snapshot is of another group or configuration")]
    OtherGroup,
    /// Of another signature key than the engine's.
    #[error("the snapshot is of another participant")]
    OtherParticipant,
}

/// Writes length-prefixed fields, integers big-endian.
pub(crate) struct Writer {
    done: Vec<Bytes>,
    last: Zeroizing<Vec<u8>>,
}

impl Writer {
    /// A snapshot.
    pub(crate) fn new() -> Self {
        Self::of(MAGIC, SNAPSHOT_VERSION, PART)
    }

    /// Of another format, with `room` bytes for what is behind magic and version.
    pub(crate) fn of(magic: &[u8; 4], version: u16, room: usize) -> Self {
        let mut this = Self { done: Vec::new(), last: Vec::with_capacity(room.saturating_add(6)).into() };
        this.put(magic);
        this.put(&version.to_be_bytes());
        this
    }

    /// What does not fit begins another part: a buffer that grew would leave copies of secrets behind.
    fn put(&mut self, bytes: &[u8]) {
        if self.last.capacity() - self.last.len() < bytes.len() {
            let next = if self.done.len() < SHORT_PARTS { PART } else { LONG_PART };
            self.end_part(next.max(bytes.len()));
        }
        self.last.extend_from_slice(bytes);
    }

    /// The next part has room for `next` bytes.
    fn end_part(&mut self, next: usize) {
        let part = std::mem::replace(&mut self.last, Vec::with_capacity(next).into());
        if !part.is_empty() {
            self.done.push(Bytes::from_owner(part));
        }
    }

    pub(crate) fn u8(&mut self, v: u8) {
        self.put(&[v]);
    }

    pub(crate) fn u64(&mut self, v: u64) {
        self.put(&v.to_be_bytes());
    }

    pub(crate) fn bytes(&mut self, v: &[u8]) {
        self.u64(v.len() as u64);
        self.put(v);
    }

    /// As [`bytes`](Self::bytes), without a copy if it is long.
    pub(crate) fn shared(&mut self, v: &Bytes) {
        if v.len() < SHARED {
            return self.bytes(v);
        }
        self.u64(v.len() as u64);
        self.end_part(PART);
        self.done.push(v.clone());
    }

    /// A count, then each item.
    pub(crate) fn list<T>(
        &mut self,
        items: impl ExactSizeIterator<Item = T>,
        mut each: impl FnMut(&mut Self, T),
    ) {
        self.u64(items.len() as u64);
        for item in items {
            each(self, item);
        }
    }

    pub(crate) fn option<T>(&mut self, item: Option<T>, each: impl FnOnce(&mut Self, T)) {
        self.u8(u8::from(item.is_some()));
        if let Some(item) = item {
            each(self, item);
        }
    }

    /// Ends the snapshot with a checksum over all before it.
    pub(crate) fn finish(mut self) -> Snapshot {
        let sum = checksum(self.done.iter().map(Bytes::as_ref).chain([&self.last[..]]));
        self.put(&sum);
        self.end_part(0);
        Snapshot(self.done)
    }

    /// Ends it without one.
    pub(crate) fn into_secret(self) -> Secret {
        let parts = || self.done.iter().map(Bytes::as_ref).chain([&self.last[..]]);
        // Room for all: what grows would leave copies behind.
        let mut all = Vec::with_capacity(parts().map(<[u8]>::len).sum());
        parts().for_each(|part| all.extend_from_slice(part));
        Secret::new(all)
    }
}

/// Reads what [`Writer`] wrote; every method fails on short or senseless bytes. What it gives are copies: a name that
/// is remembered must not hold on to a snapshot, and so to secrets of epochs that are over.
pub(crate) struct Reader(Bytes);

impl Reader {
    /// Checks magic, version and checksum.
    pub(crate) fn open(snapshot: &Snapshot) -> Result<Self, SnapshotError> {
        // What ends it depends on the version.
        let snapshot = snapshot.to_bytes();
        let mut body = Self::of(snapshot.clone(), MAGIC, SNAPSHOT_VERSION)?;
        let end = body.0.len().checked_sub(CHECKSUM_LEN).ok_or(SnapshotError::Malformed)?;
        let sum = body.0.split_off(end);
        let (whole, _) = snapshot.split_at(snapshot.len().saturating_sub(CHECKSUM_LEN));
        if checksum([whole])[..] != sum[..] {
            return Err(SnapshotError::Malformed);
        }
        Ok(body)
    }

    /// Checks the magic and version of any format.
    pub(crate) fn of(mut bytes: Bytes, magic: &[u8; 4], version: u16) -> Result<Self, SnapshotError> {
        if !bytes.starts_with(magic) {
            return Err(SnapshotError::Malformed);
        }
        bytes.advance(magic.len());
        match bytes.try_get_u16() {
            Ok(found) if found == version => Ok(Self(bytes)),
            Ok(other) => Err(SnapshotError::Version(other)),
            Err(_) => Err(SnapshotError::Malformed),
        }
    }

    pub(crate) fn u8(&mut self) -> Result<u8, SnapshotError> {
        self.0.try_get_u8().map_err(|_| SnapshotError::Malformed)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, SnapshotError> {
        self.0.try_get_u64().map_err(|_| SnapshotError::Malformed)
    }

    pub(crate) fn bool(&mut self) -> Result<bool, SnapshotError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(SnapshotError::Malformed),
        }
    }

    fn field(&mut self) -> Result<Bytes, SnapshotError> {
        let len = usize::try_from(self.u64()?).map_err(|_| SnapshotError::Malformed)?;
        if len > self.0.len() {
            return Err(SnapshotError::Malformed);
        }
        Ok(self.0.split_to(len))
    }

    pub(crate) fn bytes(&mut self) -> Result<Bytes, SnapshotError> {
        self.field().map(|field| Bytes::copy_from_slice(&field))
    }

    pub(crate) fn secret(&mut self) -> Result<Secret, SnapshotError> {
        self.field().map(|field| Secret::new(field.to_vec()))
    }

    pub(crate) fn list<T>(
        &mut self,
        mut each: impl FnMut(&mut Self) -> Result<T, SnapshotError>,
    ) -> Result<Vec<T>, SnapshotError> {
        let count = self.u64()?;
        // Every item takes at least a byte: a larger count is false, and nothing is allocated for it.
        if count > self.0.len() as u64 {
            return Err(SnapshotError::Malformed);
        }
        (0..count).map(|_| each(self)).collect()
    }

    pub(crate) fn option<T>(
        &mut self,
        each: impl FnOnce(&mut Self) -> Result<T, SnapshotError>,
    ) -> Result<Option<T>, SnapshotError> {
        if self.bool()? { each(self).map(Some) } else { Ok(None) }
    }

    pub(crate) fn sender(&mut self) -> Result<SenderId, SnapshotError> {
        SenderId::new(self.bytes()?).map_err(|_| SnapshotError::Malformed)
    }

    /// Nothing may be left over.
    pub(crate) fn end(self) -> Result<(), SnapshotError> {
        if self.0.is_empty() { Ok(()) } else { Err(SnapshotError::Malformed) }
    }
}

#[cfg(test)]
mod tests;
