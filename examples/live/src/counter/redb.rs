//! Counters in a redb file: durable on one machine.
//!
//! redb has one writer at a time and syncs before a commit returns, so a write transaction is the
//! compare-and-set that the counter needs, and an answer that was sent survives SIGKILL. A commit is a row of
//! its own, written in the transaction that fills its slot.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use ::redb::{
    Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition, TableHandle,
};
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use moq_mls::Timestamp;
use moq_mls::counter::service::Counter;
use moq_mls::tracks::GroupName;

use super::store::{MAX_COUNTERS, Record, Resting, Step, Store, StoreError};
use moq_mls_tokio::{Clock, SystemClock};

const COUNTERS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("counters v2");
const COMMITS: TableDefinition<(&[u8], u64), &[u8]> = TableDefinition::new("commits v2");
const SETTINGS: TableDefinition<&str, &[u8]> = TableDefinition::new("settings v1");
/// What an older program wrote: pins of 64 bytes, which nobody can go on from.
const OLD: &str = "counters v1";

/// An open file; redb holds a lock on it, so nobody else changes what `resting` is about.
pub struct Redb {
    file: Database,
    room: usize,
    resting: Mutex<Resting>,
}

impl Redb {
    /// Opens the file, and makes it if there is none. After a restart every counter rests from here on.
    pub fn open(path: &Path) -> Result<Self> {
        let file = Database::create(path).with_context(|| format!("cannot open {}", path.display()))?;
        let old = file.begin_read()?.list_tables()?.any(|table| table.name() == OLD);
        ensure!(
            !old,
            "{} is of version 1, whose pins have 64 bytes: begin with another file",
            path.display()
        );
        let write = file.begin_write()?;
        let (now, mut resting) = (SystemClock::new().now(), Resting::default());
        {
            write.open_table(COMMITS)?;
            for row in write.open_table(COUNTERS)?.iter()? {
                let (id, value) = row?;
                let id = GroupName::new(id.value().to_vec()).context("a damaged id")?;
                resting.note(now, &id, &Record::decode(value.value())?.counter);
            }
        }
        write.commit()?;
        Ok(Self { file, room: MAX_COUNTERS, resting: Mutex::new(resting) })
    }

    /// With room for that many counters.
    #[must_use]
    pub fn with_room(self, room: usize) -> Self {
        Self { room, ..self }
    }

    fn note(&self, now: Timestamp, id: &GroupName, counter: &Counter) {
        // A counter that says nothing has no row: there is none to give to others.
        if *counter != Counter::new() {
            self.resting.lock().unwrap_or_else(PoisonError::into_inner).note(now, id, counter);
        }
    }

    fn step(&self, id: &GroupName, now: Timestamp, step: Step<'_>) -> Result<bool> {
        // Most requests read a pin: they need not wait for the writer. The read ends before the write begins, or
        // the pages it sees could not be freed.
        let found = load(&self.file.begin_read()?.open_table(COUNTERS)?, id)?;
        if found.after(step).is_none() {
            self.note(now, id, &found.counter);
            return Ok(true);
        }
        let write = self.file.begin_write()?;
        let change = {
            let mut table = write.open_table(COUNTERS)?;
            let Some(change) = load(&table, id)?.after(step) else { return Ok(true) };
            if table.get(&id.as_bytes()[..])?.is_none() && table.len()? >= self.room as u64 {
                let Some(gone) = self.rests(&table, now)? else { return Ok(false) };
                // Without a slot beyond 0, it has no commit.
                table.remove(&gone.as_bytes()[..])?;
            }
            table.insert(&id.as_bytes()[..], &change.record.encode()[..])?;
            if change.added.is_some() || !change.dropped.is_empty() {
                let mut commits = write.open_table(COMMITS)?;
                for slot in &change.dropped {
                    commits.remove((&id.as_bytes()[..], *slot))?;
                }
                if let Some((slot, commit)) = &change.added {
                    commits.insert((&id.as_bytes()[..], *slot), &commit[..])?;
                }
            }
            change
        };
        write.commit()?;
        self.note(now, id, &change.record.counter);
        Ok(true)
    }

    /// A counter that rests, as the row says: what `resting` knows is noted after a transaction has ended.
    fn rests(
        &self,
        table: &impl ReadableTable<&'static [u8], &'static [u8]>,
        now: Timestamp,
    ) -> Result<Option<GroupName>> {
        let take = || self.resting.lock().unwrap_or_else(PoisonError::into_inner).take(now);
        while let Some(id) = take() {
            if table.get(&id.as_bytes()[..])?.is_some() && load(table, &id)?.counter.next() <= 1 {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    fn get(&self, id: &GroupName, val: u64) -> Result<(Record, Option<Bytes>)> {
        let read = self.file.begin_read()?;
        let record = load(&read.open_table(COUNTERS)?, id)?;
        let commit = match record.commit_len(val) {
            Some(0) => Some(Bytes::new()),
            Some(_) => {
                let row = read.open_table(COMMITS)?.get((&id.as_bytes()[..], val))?;
                row.map(|row| Bytes::copy_from_slice(row.value()))
            }
            None => None,
        };
        Ok((record, commit))
    }
}

fn load(table: &impl ReadableTable<&'static [u8], &'static [u8]>, id: &GroupName) -> Result<Record> {
    match table.get(&id.as_bytes()[..])? {
        Some(value) => Record::decode(value.value()),
        None => Ok(Record::default()),
    }
}

impl Store for Redb {
    fn transact(&self, id: &GroupName, now: Timestamp, step: Step<'_>) -> Result<(), StoreError> {
        if self.step(id, now, step)? { Ok(()) } else { Err(StoreError::Full) }
    }

    fn read(&self, id: &GroupName, val: u64, now: Timestamp) -> Result<(Counter, Option<Bytes>), StoreError> {
        let (record, commit) = self.get(id, val)?;
        self.note(now, id, &record.counter);
        Ok((record.counter, commit))
    }

    fn claim(&self, name: &str, value: &[u8]) -> Result<Vec<u8>> {
        let write = self.file.begin_write()?;
        let recorded = {
            let mut table = write.open_table(SETTINGS)?;
            let before = table.get(name)?.map(|row| row.value().to_vec());
            if before.is_none() {
                table.insert(name, value)?;
            }
            before.unwrap_or_else(|| value.to_vec())
        };
        write.commit()?;
        Ok(recorded)
    }

    fn check(&self) -> Result<()> {
        self.file.begin_read()?.open_table(COUNTERS)?.len()?;
        Ok(())
    }
}
