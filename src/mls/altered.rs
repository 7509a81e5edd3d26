//! Altered copies of real messages, refused before they use up a group.
//!
//! A client that has seen a message of this epoch can change what follows its sender data. Such a copy goes as far as
//! the sender's key, which is gone then, whether or not the content opens with it. Then the group has to be read back.
//! The sender data is sealed with a key made of the first bytes of the ciphertext (RFC 9420 section 6.3.2). So all that
//! a stranger can bring so far has both in common with a real message, its *stem*: all but the authenticated data,
//! which the sender data does not cover, and the rest of the ciphertext.
//!
//! What is remembered is true of the epoch, whatever else happens in it:
//!
//! - Bytes that failed fail again.
//! - A leave request that opened says what it said. All others of its stem are copies: its sender uses a key once.
//! - Of the stem of a leave request [`TRIES`] are tried. The real one is lost if so many copies got ahead of it. Who gets ahead
//!   at every member is the leaver's own relay, which could drop it as well; elsewhere one member that has opened it
//!   commits it for all, and the leaver asks again in the next epoch.
//!
//! Other commits of a stem are tried, however many: a member that refused the decided one would have to leave and come
//! back. [`Limits::commits_per_epoch`](crate::limits::Limits::commits_per_epoch) bounds those of which nothing is decided.

use std::collections::{BTreeMap, VecDeque};

use mls_rs::client_builder::MlsConfig;
use mls_rs::mls_rs_codec::{MlsDecode, VarInt};

use crate::engine::{EngineError, Rejection};
use crate::mls::client::MlsEngine;

/// Of how many real messages of an epoch copies are known: those of a large group that all leave at once. The oldest is
/// forgotten first; no stranger adds one.
pub(super) const STEMS: usize = 1024;
/// How many leave requests of one stem are tried, and how many bytes that failed are known of each.
pub(super) const TRIES: usize = 4;

type Hash = [u8; 32];

/// MLS 1.0 and the wire format.
const PRIVATE_MESSAGE: [u8; 4] = [0, 1, 0, 2];

/// What was tried in an epoch.
#[derive(Clone, Default)]
pub(super) struct Tried {
    stems: BTreeMap<Hash, Copies>,
    /// Oldest first.
    order: VecDeque<Hash>,
}

/// What was tried of one stem.
#[derive(Clone, Default)]
struct Copies {
    /// Bytes that failed, the latest last.
    failed: VecDeque<Hash>,
    /// A leave request that opened, and whose it is.
    leave: Option<(Hash, u32)>,
}

/// A message by its hashes.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    stem: Hash,
    whole: Hash,
}

impl Tried {
    #[cfg(all(test, feature = "testing"))]
    pub(super) fn len(&self) -> usize {
        assert_eq!(self.stems.len(), self.order.len());
        self.order.len()
    }

    /// Whether these very bytes failed.
    pub(super) fn failed(&self, mark: &Mark) -> bool {
        self.stems.get(&mark.stem).is_some_and(|copies| copies.failed.contains(&mark.whole))
    }

    /// What a leave request comes to, if it need not be tried.
    pub(super) fn leave(&self, mark: &Mark) -> Option<Result<u32, Rejection>> {
        let copies = self.stems.get(&mark.stem)?;
        match copies.leave {
            Some((whole, leaf)) if whole == mark.whole => Some(Ok(leaf)),
            None if copies.failed.len() < TRIES && !copies.failed.contains(&mark.whole) => None,
            _ => Some(Err(altered())),
        }
    }

    /// Notes bytes that failed once the sender's key was gone.
    pub(super) fn fail(&mut self, mark: Mark) {
        let failed = &mut self.copies(mark.stem).failed;
        if failed.len() >= TRIES {
            failed.pop_front();
        }
        failed.push_back(mark.whole);
    }

    /// Notes a leave request that opened.
    pub(super) fn open(&mut self, mark: Mark, leaf: u32) {
        self.copies(mark.stem).leave = Some((mark.whole, leaf));
    }

    fn copies(&mut self, stem: Hash) -> &mut Copies {
        if !self.stems.contains_key(&stem) {
            self.order.push_back(stem);
            if self.order.len() > STEMS
                && let Some(oldest) = self.order.pop_front()
            {
                self.stems.remove(&oldest);
            }
        }
        self.stems.entry(stem).or_default()
    }
}

pub(super) fn altered() -> Rejection {
    Rejection::Invalid("an altered copy".into())
}

impl<C: MlsConfig> MlsEngine<C> {
    /// Marks a PrivateMessage.
    pub(super) fn mark(&self, message: &[u8]) -> Result<Option<Mark>, EngineError> {
        let Some(stem) = self.stem(message)? else { return Ok(None) };
        Ok(Some(Mark { stem, whole: self.primitives.sha256(message)? }))
    }

    /// Marks a PrivateMessage if something of its stem was tried on the group.
    pub(super) fn mark_known(&self, tried: &Tried, message: &[u8]) -> Result<Option<Mark>, EngineError> {
        if tried.stems.is_empty() {
            return Ok(None);
        }
        let Some(stem) = self.stem(message)?.filter(|stem| tried.stems.contains_key(stem)) else {
            return Ok(None);
        };
        Ok(Some(Mark { stem, whole: self.primitives.sha256(message)? }))
    }

    fn stem(&self, message: &[u8]) -> Result<Option<Hash>, EngineError> {
        let stem = stem(message, self.primitives.hash_len());
        stem.map(|stem| self.primitives.sha256(&stem)).transpose()
    }
}

/// The bytes of a PrivateMessage that decide which key of which sender it takes: all up to the content type, the sender
/// data, and a sample of the ciphertext.
fn stem(message: &[u8], sample: usize) -> Option<Vec<u8>> {
    let mut rest = message.strip_prefix(&PRIVATE_MESSAGE)?;
    vector(&mut rest)?;
    // Epoch and content type.
    rest = rest.get(9..)?;
    let header = message.get(..message.len().checked_sub(rest.len())?)?;
    // Authenticated data.
    vector(&mut rest)?;
    let sender_data = vector(&mut rest)?;
    let ciphertext = vector(&mut rest)?;
    let sample = ciphertext.get(..sample).unwrap_or(ciphertext);
    // The header says itself how long it is.
    let len = (sender_data.len() as u64).to_be_bytes();
    Some([header, &len, sender_data, sample].concat())
}

/// A vector with its length before it (RFC 9420 section 2.1.2).
fn vector<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::try_from(u32::from(VarInt::mls_decode(rest).ok()?)).ok()?;
    let (vector, behind) = rest.split_at_checked(len)?;
    *rest = behind;
    Some(vector)
}
