//! Where objects go: at places that nobody can foresee, for a relay keeps what comes to a place first.
//!
//! A commit's place comes from its bytes, which nobody knows before it is published; that of a receipt or a signed state
//! from the slot key and the sender, too. So a restart publishes the same bytes at the same place.
//!
//! Some relays and subscribers drop an object whose id is below one that they had before in the same MoQT group. So what
//! comes later in a group has a higher id: signed states, by their dates; then the commit; then its receipt.

use crate::engine::{Engine, EngineError};
use crate::participant::context::Context;
use crate::time::Timestamp;
use crate::tracks::{COMMIT_OBJECT, SenderId, WELCOME_OBJECT};

/// The largest MoQT object id: a varint.
const LAST_OBJECT: u64 = (1 << 62) - 1;
/// Commits are from here on, and below the receipts.
const COMMITS: u64 = 1 << 60;
/// Receipts are from here on.
const RECEIPTS: u64 = 1 << 61;

/// Draws an object id from what `parts` say.
fn draw<E: Engine>(engine: &E, label: &[u8], parts: &[&[u8]]) -> Result<u64, EngineError> {
    let mut message = label.to_vec();
    for part in parts {
        message.extend_from_slice(part);
    }
    let hash = engine.sha256(&message)?;
    let first = hash.first_chunk::<8>().copied().map_or(0, u64::from_be_bytes);
    Ok(first & LAST_OBJECT)
}

/// Returns the place of a commit: an even id, another for each try. In the draft's form, without `drawn`, the first is 0.
pub(crate) fn of_commit<E: Engine>(
    engine: &E,
    drawn: bool,
    commit_hash: &[u8],
    tries: u32,
) -> Result<u64, EngineError> {
    if !drawn && tries == 0 {
        return Ok(COMMIT_OBJECT);
    }
    let place = draw(engine, b"moq-mls commit place", &[commit_hash, &tries.to_be_bytes()])?;
    Ok(if drawn { place & (COMMITS - 1) | COMMITS } else { place } & !1)
}

/// Returns the place of a receipt: an odd id. Who knows the commit knows the receipt too, so it is drawn from a secret
/// of the members.
pub(crate) fn of_receipt<E: Engine>(
    engine: &E,
    secret: &[u8],
    publisher: &SenderId,
    receipt: &[u8],
) -> Result<u64, EngineError> {
    let place = draw(engine, b"moq-mls receipt place", &[secret, publisher.as_bytes(), receipt])?;
    Ok(place | RECEIPTS | 1)
}

/// Returns the place of a signed state of that date: an odd id, below those of commits, drawn as a receipt's.
pub(crate) fn of_state<E: Engine>(
    engine: &E,
    secret: &[u8],
    publisher: &SenderId,
    at: Timestamp,
    state: &[u8],
) -> Result<u64, EngineError> {
    let place = draw(engine, b"moq-mls state place", &[secret, publisher.as_bytes(), state])?;
    Ok((((at.as_millis() << 17) | (place & 0xffff) << 1) & (COMMITS - 1)) | 1)
}

/// Returns the place of a Welcome where places are drawn.
pub(crate) fn of_welcome<E: Engine>(engine: &E, welcome: &[u8]) -> Result<u64, EngineError> {
    draw(engine, b"moq-mls welcome place", &[welcome])
}

impl<E: Engine> Context<E> {
    /// Draws an object id that nobody can foresee.
    pub(crate) fn random_object(&mut self) -> Result<u64, EngineError> {
        Ok(if self.rules.draws_places { self.engine.random()? & LAST_OBJECT } else { 0 })
    }

    /// Returns the place of a commit under this group's rules.
    pub(crate) fn commit_place(&self, commit_hash: &[u8], tries: u32) -> Result<u64, EngineError> {
        of_commit(&self.engine, self.rules.draws_places, commit_hash, tries)
    }

    /// Returns the place of a receipt of this participant.
    pub(crate) fn receipt_place(&self, secret: &[u8], receipt: &[u8]) -> Result<u64, EngineError> {
        of_receipt(&self.engine, secret, &self.me, receipt)
    }

    /// Returns the place of a signed state of that date of this participant.
    pub(crate) fn state_place(&self, secret: &[u8], at: Timestamp, state: &[u8]) -> Result<u64, EngineError> {
        of_state(&self.engine, secret, &self.me, at, state)
    }

    /// Returns the place of a Welcome under this group's rules. The draft's is 0.
    pub(crate) fn welcome_place(&self, welcome: &[u8]) -> Result<u64, EngineError> {
        if self.rules.draws_places { of_welcome(&self.engine, welcome) } else { Ok(WELCOME_OBJECT) }
    }
}
