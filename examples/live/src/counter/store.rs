//! Where counters are kept: one small trait, and a counter as bytes.

use std::collections::VecDeque;

use anyhow::{Context, Result, bail};
use bytes::{Buf, BufMut, Bytes};
use moq_mls::Timestamp;
use moq_mls::counter::Pin;
use moq_mls::counter::service::{Counter, Lock, Slots};
use moq_mls::tracks::GroupName;

/// Most counters that a store starts.
pub const MAX_COUNTERS: usize = 16_384;

/// Why a step was not done.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No room for another counter.
    #[error("the store is full")]
    Full,
    /// The store failed; the step may or may not have been done.
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

/// What a store does with a counter; it may be run again if another service came first.
pub type Step<'a> = &'a mut dyn FnMut(&mut Counter);

/// A place for counters. Calls block.
pub trait Store: Send + Sync {
    /// Runs `step` on the counter `id`, a new one if there is none, as one transaction. What it
    /// changed is durable when this returns. `now` is what the locks' deadlines are measured by.
    fn transact(&self, id: &GroupName, now: Timestamp, step: Step<'_>) -> Result<(), StoreError>;

    /// Whether the store answers.
    fn check(&self) -> Result<()>;
}

/// True for a counter that says nothing: nobody used it and its lock is gone.
pub fn is_idle(counter: &Counter, now: Timestamp) -> bool {
    counter.next() == 0 && counter.lock_held().is_none_or(|lock| !lock.is_live(now))
}

/// The counter as bytes: `u64 next | slots | lock`, integers big-endian.
pub fn encode(counter: &Counter) -> Vec<u8> {
    let mut out = encode_slots(counter);
    match counter.lock_held() {
        None => out.put_u8(0),
        Some(lock) => {
            out.put_u8(1);
            put_bytes(&mut out, &lock.id);
            out.put_u64(lock.until.as_millis());
        }
    }
    out
}

/// Reads what [`encode`] wrote.
pub fn decode(bytes: &[u8]) -> Result<Counter> {
    let mut bytes = Bytes::copy_from_slice(bytes);
    let (next, slots) = read_slots(&mut bytes)?;
    let lock = match bytes.try_get_u8()? {
        0 => None,
        _ => Some(Lock { id: get_bytes(&mut bytes)?, until: Timestamp::from_millis(bytes.try_get_u64()?) }),
    };
    Counter::restore(next, slots, lock).context("a damaged counter")
}

/// The counter without its lock, for a store that keeps locks elsewhere.
pub fn encode_slots(counter: &Counter) -> Vec<u8> {
    let mut out = Vec::new();
    out.put_u64(counter.next());
    match counter.slots() {
        Slots::Unused => out.put_u8(0),
        Slots::Unpinned { filled_by } => {
            out.put_u8(if filled_by.is_some() { 2 } else { 1 });
            put_bytes(&mut out, filled_by.as_ref().unwrap_or(&Bytes::new()));
        }
        Slots::Pinned { kept } => {
            out.put_u8(3);
            out.put_u32(u32::try_from(kept.len()).unwrap_or(u32::MAX));
            kept.iter().for_each(|pin| out.put_slice(pin.as_bytes()));
        }
    }
    out
}

/// Reads what [`encode_slots`] wrote.
pub fn read_slots(bytes: &mut Bytes) -> Result<(u64, Slots)> {
    let next = bytes.try_get_u64()?;
    let slots = match bytes.try_get_u8()? {
        0 => Slots::Unused,
        1 => get_bytes(bytes).map(|_| Slots::Unpinned { filled_by: None })?,
        2 => Slots::Unpinned { filled_by: Some(get_bytes(bytes)?) },
        3 => {
            let count = bytes.try_get_u32()?;
            let mut kept = VecDeque::new();
            for _ in 0..count {
                let pin = get(bytes, 64)?;
                kept.push_back(Pin::from_slice(&pin).context("a damaged pin")?);
            }
            Slots::Pinned { kept }
        }
        other => bail!("a counter of unknown kind {other}"),
    };
    Ok((next, slots))
}

fn put_bytes(out: &mut Vec<u8>, bytes: &Bytes) {
    // Lock ids, at most 64 bytes.
    out.put_u8(u8::try_from(bytes.len()).unwrap_or(u8::MAX));
    out.put_slice(bytes);
}

fn get_bytes(bytes: &mut Bytes) -> Result<Bytes> {
    let len = bytes.try_get_u8()?;
    get(bytes, usize::from(len))
}

fn get(bytes: &mut Bytes, len: usize) -> Result<Bytes> {
    if bytes.len() < len {
        bail!("a counter cut short");
    }
    Ok(bytes.split_to(len))
}
