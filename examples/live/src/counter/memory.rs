//! Counters in memory, gone with the process: for one call, for tests.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use bytes::Bytes;
use moq_mls::Timestamp;
use moq_mls::counter::service::Counter;
use moq_mls::tracks::GroupName;

use super::store::{MAX_COUNTERS, Record, Resting, Step, Store, StoreError};

/// Most bytes of commits of all counters together: beyond, the oldest are not kept.
const MAX_COMMIT_BYTES: usize = 256 << 20;

/// All counters.
pub struct Memory {
    room: usize,
    all: Mutex<All>,
}

impl Default for Memory {
    fn default() -> Self {
        Self::with_room(MAX_COUNTERS)
    }
}

#[derive(Default)]
struct All {
    records: BTreeMap<GroupName, Record>,
    commits: BTreeMap<(GroupName, u64), Bytes>,
    /// Commits as they came, those that are gone among them.
    came: VecDeque<(GroupName, u64)>,
    bytes: usize,
    resting: Resting,
}

impl Memory {
    /// With room for that many counters.
    pub fn with_room(room: usize) -> Self {
        Self { room, all: Mutex::default() }
    }

    fn all(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl All {
    fn drop_commit(&mut self, at: &(GroupName, u64)) {
        if let Some(commit) = self.commits.remove(at) {
            self.bytes -= commit.len();
        }
    }
}

impl Store for Memory {
    fn transact(&self, id: &GroupName, now: Timestamp, step: Step<'_>) -> Result<(), StoreError> {
        let mut all = self.all();
        let before = all.records.get(id).cloned().unwrap_or_default();
        let Some(change) = before.after(step) else {
            if all.records.contains_key(id) {
                all.resting.note(now, id, &before.counter);
            }
            return Ok(());
        };
        if !all.records.contains_key(id) && all.records.len() >= self.room {
            let gone = all.resting.take(now).ok_or(StoreError::Full)?;
            // Without a slot beyond 0, it has no commit.
            all.records.remove(&gone);
        }
        for slot in change.dropped {
            all.drop_commit(&(id.clone(), slot));
        }
        if let Some((slot, commit)) = change.added {
            all.bytes += commit.len();
            all.commits.insert((id.clone(), slot), commit);
            all.came.push_back((id.clone(), slot));
        }
        // What a counter dropped by itself is still listed: such entries are looked for once they are the most.
        while all.bytes > MAX_COMMIT_BYTES || all.came.len() > 2 * all.commits.len() + 64 {
            let Some(oldest) = all.came.pop_front() else { break };
            if all.bytes > MAX_COMMIT_BYTES {
                all.drop_commit(&oldest);
            } else if all.commits.contains_key(&oldest) {
                all.came.push_back(oldest);
            }
        }
        all.resting.note(now, id, &change.record.counter);
        all.records.insert(id.clone(), change.record);
        Ok(())
    }

    fn read(&self, id: &GroupName, val: u64, now: Timestamp) -> Result<(Counter, Option<Bytes>), StoreError> {
        let mut all = self.all();
        let Some(record) = all.records.get(id).cloned() else { return Ok((Counter::new(), None)) };
        all.resting.note(now, id, &record.counter);
        let commit = match record.commit_len(val) {
            Some(0) => Some(Bytes::new()),
            Some(_) => all.commits.get(&(id.clone(), val)).cloned(),
            None => None,
        };
        Ok((record.counter, commit))
    }

    fn claim(&self, _: &str, value: &[u8]) -> Result<Vec<u8>> {
        // Of this process alone.
        Ok(value.to_vec())
    }

    fn check(&self) -> Result<()> {
        Ok(())
    }
}
