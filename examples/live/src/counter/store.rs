//! Where counters are kept: one small trait, and a counter as bytes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::{Buf, BufMut, Bytes};
use moq_mls::Timestamp;
use moq_mls::counter::Pin;
use moq_mls::counter::http::MAX_COMMIT;
use moq_mls::counter::service::{Counter, Keep, Lock, Slots};
use moq_mls::tracks::GroupName;

/// How long a lock lasts. etcd leases are whole seconds, and no shorter than its elections.
pub const LEASE: Duration = Duration::from_secs(2);
/// Most counters that a store starts.
pub const MAX_COUNTERS: usize = 16_384;
/// What is kept of each counter: the pins that members count on, and some commits.
pub const KEEP: Keep = Keep { pins: 1024, commits: 64, commit_bytes: 4 << 20 };
/// How long a counter of which only slot 0 is filled must rest, asked about by nobody, before another may
/// take its place. Its group had one member, the founder; who finds its group gone founds it again.
pub const IDLE: Duration = Duration::from_secs(3600);

/// The first byte of a record. Version 1 had none, and began with the high byte of a number, 0.
const VERSION: u8 = 2;

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
    /// changed is durable when this returns, the commit of a slot that it filled included.
    /// `now` is what the locks' deadlines are measured by. The counter comes without its commits.
    fn transact(&self, id: &GroupName, now: Timestamp, step: Step<'_>) -> Result<(), StoreError>;

    /// Reads a counter, and the commit of slot `val` if that is kept.
    fn read(&self, id: &GroupName, val: u64, now: Timestamp) -> Result<(Counter, Option<Bytes>), StoreError>;

    /// Returns the most bytes that a commit may have.
    fn max_commit(&self) -> usize {
        MAX_COMMIT
    }

    /// Records what all services of the store must have in common, unless it is recorded; returns what is.
    fn claim(&self, name: &str, value: &[u8]) -> Result<Vec<u8>>;

    /// Whether the store answers.
    fn check(&self) -> Result<()>;
}

/// A counter as it is stored. Commits are stored beside it, each under its slot, so that a step need not move them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// The counter without commits.
    pub counter: Counter,
    /// How long the commits of the newest slots are, oldest first.
    pub commits: VecDeque<u32>,
}

/// What a step made of a record.
pub struct Change {
    /// The record as it is now.
    pub record: Record,
    /// The slot that was filled, and its commit: to be stored. None for slot 0.
    pub added: Option<(u64, Bytes)>,
    /// Slots whose commits are not kept any more.
    pub dropped: Vec<u64>,
}

impl Record {
    /// Runs a step; `None` if it changed nothing.
    pub fn after(&self, step: Step<'_>) -> Option<Change> {
        let mut counter = self.counter.clone();
        step(&mut counter);
        if counter == self.counter {
            return None;
        }
        let (mut commits, mut dropped, mut added) = (self.commits.clone(), Vec::new(), None);
        // Without commits before, it has that of the slot that was filled.
        if let Some(commit) = counter.drop_commit() {
            commits.push_back(u32::try_from(commit.len()).unwrap_or(u32::MAX));
            let sum = |commits: &VecDeque<u32>| commits.iter().map(|len| *len as usize).sum::<usize>();
            while commits.len() > KEEP.commits || (commits.len() > 1 && sum(&commits) > KEEP.commit_bytes) {
                dropped.push(counter.next() - commits.len() as u64);
                commits.pop_front();
            }
            added = (counter.next() > 1).then(|| (counter.next() - 1, commit));
        }
        Some(Change { record: Self { counter, commits }, added, dropped })
    }

    /// Whether the commit of slot `val` is kept, and its length: 0 for slot 0, which has none.
    pub fn commit_len(&self, val: u64) -> Option<u32> {
        let age = self.counter.next().checked_sub(val)?.checked_sub(1)?;
        self.commits.iter().rev().nth(usize::try_from(age).ok()?).copied()
    }

    /// As bytes: `version | u64 next | slots | lock`, integers big-endian.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.encode_slots();
        match self.counter.lock_held() {
            None => out.put_u8(0),
            Some(lock) => {
                out.put_u8(1);
                put_bytes(&mut out, &lock.id);
                out.put_u64(lock.until.as_millis());
            }
        }
        out
    }

    /// Reads what [`encode`](Self::encode) wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut bytes = Bytes::copy_from_slice(bytes);
        let parts = read_slots(&mut bytes)?;
        let lock = match bytes.try_get_u8()? {
            0 => None,
            _ => {
                Some(Lock { id: get_bytes(&mut bytes)?, until: Timestamp::from_millis(bytes.try_get_u64()?) })
            }
        };
        Self::from_parts(parts, lock)
    }

    /// As bytes without the lock, for a store that keeps locks elsewhere.
    pub fn encode_slots(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.put_u64(self.counter.next());
        match self.counter.slots() {
            Slots::Unused => out.put_u8(0),
            Slots::Unpinned { filled_by } => {
                out.put_u8(if filled_by.is_some() { 2 } else { 1 });
                put_bytes(&mut out, filled_by.as_ref().unwrap_or(&Bytes::new()));
            }
            Slots::Pinned { kept, .. } => {
                out.put_u8(3);
                out.put_u32(u32::try_from(kept.len()).unwrap_or(u32::MAX));
                kept.iter().for_each(|pin| out.put_slice(pin.as_bytes()));
                out.put_u8(u8::try_from(self.commits.len()).unwrap_or(u8::MAX));
                self.commits.iter().for_each(|len| out.put_u32(*len));
            }
        }
        out
    }

    /// Reads what [`encode_slots`](Self::encode_slots) wrote, and puts `lock` beside it.
    pub fn decode_slots(bytes: &[u8], lock: Option<Lock>) -> Result<Self> {
        Self::from_parts(read_slots(&mut Bytes::copy_from_slice(bytes))?, lock)
    }

    fn from_parts((next, slots, commits): Parts, lock: Option<Lock>) -> Result<Self> {
        let counter = Counter::restore(next, slots, lock).context("a damaged counter")?;
        Ok(Self { counter, commits })
    }
}

type Parts = (u64, Slots, VecDeque<u32>);

fn read_slots(bytes: &mut Bytes) -> Result<Parts> {
    match bytes.try_get_u8()? {
        VERSION => {}
        0 => bail!("a record of version 1, whose pins have 64 bytes: begin with an empty store"),
        other => bail!("a record of version {other}, which this program does not know"),
    }
    let next = bytes.try_get_u64()?;
    let mut commits = VecDeque::new();
    let slots = match bytes.try_get_u8()? {
        0 => Slots::Unused,
        1 => get_bytes(bytes).map(|_| Slots::Unpinned { filled_by: None })?,
        2 => Slots::Unpinned { filled_by: Some(get_bytes(bytes)?) },
        3 => {
            let count = bytes.try_get_u32()?;
            let mut kept = VecDeque::new();
            for _ in 0..count {
                let pin = get(bytes, Pin::LEN)?;
                kept.push_back(Pin::from_slice(&pin).context("a damaged pin")?);
            }
            for _ in 0..bytes.try_get_u8()? {
                commits.push_back(bytes.try_get_u32()?);
            }
            Slots::Pinned { kept, commits: VecDeque::new() }
        }
        other => bail!("a counter of unknown kind {other}"),
    };
    Ok((next, slots, commits))
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

/// Which counters may give their places to others, and when. In memory: where a counter is one that was used,
/// or was asked about a moment ago, nothing has to be looked through to know it.
#[derive(Default)]
pub struct Resting {
    at: BTreeMap<GroupName, Timestamp>,
    order: BTreeSet<(Timestamp, GroupName)>,
}

impl Resting {
    /// Notes what a counter is now, and that it was asked about.
    pub fn note(&mut self, now: Timestamp, id: &GroupName, counter: &Counter) {
        let at = match (counter.next(), counter.lock_held()) {
            // Nobody used it: it says nothing when its lock is gone.
            (0, lock) => lock.map_or(now, |lock| lock.until.min(now.after(IDLE))),
            (1, _) => now.after(IDLE),
            _ => return self.forget(id),
        };
        if let Some(before) = self.at.insert(id.clone(), at) {
            self.order.remove(&(before, id.clone()));
        }
        self.order.insert((at, id.clone()));
    }

    /// Takes the one that has rested for longest, if it is long enough.
    pub fn take(&mut self, now: Timestamp) -> Option<GroupName> {
        // Noted while the clock was ahead: let it rest from now on.
        while let Some((at, id)) = self.order.last().filter(|(at, _)| *at > now.after(IDLE)).cloned() {
            self.order.remove(&(at, id.clone()));
            self.order.insert((now.after(IDLE), id.clone()));
            self.at.insert(id, now.after(IDLE));
        }
        let (_, id) = self.order.first().filter(|(at, _)| *at <= now).cloned()?;
        self.forget(&id);
        Some(id)
    }

    fn forget(&mut self, id: &GroupName) {
        if let Some(at) = self.at.remove(id) {
            self.order.remove(&(at, id.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counter(next: u64, lock: Option<Lock>) -> Counter {
        let slots = if next == 0 { Slots::Unused } else { Slots::Unpinned { filled_by: None } };
        Counter::restore(next, slots, lock).unwrap()
    }

    #[test]
    fn records_read_back_and_old_ones_are_refused_by_name() {
        let pins = Slots::Pinned {
            kept: vec![Pin::new([1; 32], [2; 32], [3; 32]); 3].into(),
            commits: VecDeque::new(),
        };
        let lock = Lock { id: Bytes::from_static(b"id"), until: Timestamp::from_millis(7) };
        for (next, slots, commits, lock) in [
            (0, Slots::Unused, vec![], Some(lock.clone())),
            (3, Slots::Unpinned { filled_by: Some(Bytes::from_static(b"x")) }, vec![], None),
            (9, pins, vec![5, 6], Some(lock)),
        ] {
            let counter = Counter::restore(next, slots, lock.clone()).unwrap();
            let record = Record { counter, commits: commits.into() };
            assert_eq!(Record::decode(&record.encode()).unwrap(), record);
            assert_eq!(Record::decode_slots(&record.encode_slots(), lock).unwrap(), record);
            for cut in 0..record.encode().len() {
                assert!(Record::decode(&record.encode()[..cut]).is_err());
            }
        }
        // What version 1 wrote of a counter without slots: `u64 next | 0 | no lock`.
        let old = Record::decode(&[0; 10]).unwrap_err().to_string();
        assert!(old.contains("version 1"), "{old}");
        let newer = Record::decode(&[3; 10]).unwrap_err().to_string();
        assert!(newer.contains("version 3"), "{newer}");
    }

    #[test]
    fn commits_are_kept_up_to_their_number_and_their_bytes() {
        let mut record = Record::default();
        let mut fill = |len: usize| {
            let change = record.after(&mut |counter| {
                let mut kept = VecDeque::new();
                if let Slots::Pinned { kept: pins, .. } = counter.slots() {
                    kept = pins.clone();
                }
                kept.push_back(Pin::new([0; 32], [0; 32], [0; 32]));
                let commit = if counter.next() == 0 { Bytes::new() } else { vec![1; len].into() };
                let slots = Slots::Pinned { kept, commits: vec![commit].into() };
                *counter = Counter::restore(counter.next() + 1, slots, None).unwrap();
            });
            let change = change.unwrap();
            record = change.record;
            (change.added.map(|(slot, commit)| (slot, commit.len())), change.dropped, record.commits.len())
        };
        assert_eq!(fill(0), (None, vec![], 1));
        for slot in 1..64 {
            assert_eq!(fill(10), (Some((slot, 10)), vec![], slot as usize + 1));
        }
        assert_eq!(fill(10), (Some((64, 10)), vec![0], 64));
        assert_eq!(fill(10), (Some((65, 10)), vec![1], 64));
        // One as large as all may be leaves no room for others; it stays until the next.
        assert_eq!(fill(KEEP.commit_bytes), (Some((66, KEEP.commit_bytes)), (2..66).collect(), 1));
        assert_eq!(record.commit_len(66), Some(KEEP.commit_bytes as u32));
        assert_eq!((record.commit_len(65), record.commit_len(67)), (None, None));
    }

    #[test]
    fn the_one_that_rests_longest_gives_way_and_one_in_use_never() {
        let at = Timestamp::from_secs;
        let id = |name: &str| GroupName::try_from(name).unwrap();
        let mut resting = Resting::default();
        let lock = Lock { id: Bytes::new(), until: at(2) };
        resting.note(at(0), &id("locked"), &counter(0, Some(lock)));
        resting.note(at(0), &id("young"), &counter(1, None));
        resting.note(at(1), &id("asked about"), &counter(1, None));
        resting.note(at(0), &id("used"), &counter(1, None));
        resting.note(at(1), &id("used"), &counter(2, None));
        assert_eq!(resting.take(at(1)), None);
        assert_eq!(resting.take(at(2)), Some(id("locked")));
        assert_eq!(resting.take(at(3599)), None);
        resting.note(at(3599), &id("asked about"), &counter(1, None));
        assert_eq!(resting.take(at(3600)), Some(id("young")));
        assert_eq!(resting.take(at(7198)), None);
        assert_eq!(resting.take(at(7199)), Some(id("asked about")));
        assert_eq!(resting.take(at(1 << 40)), None);
        // Noted while the clock was a year ahead.
        resting.note(at(40_000_000), &id("ahead"), &counter(1, None));
        assert_eq!(resting.take(at(8000)), None);
        assert_eq!(resting.take(at(8000 + 3600)), Some(id("ahead")));
    }
}
