//! Counters in a redb file: durable on one machine.
//!
//! redb has one writer at a time and syncs before a commit returns, so a write transaction is the
//! compare-and-set that the counter needs, and an answer that was sent survives SIGKILL.

use std::path::Path;

use ::redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition};
use anyhow::{Context, Result};
use moq_mls::Timestamp;
use moq_mls::counter::service::Counter;
use moq_mls::tracks::GroupName;

use super::store::{MAX_COUNTERS, Step, Store, StoreError, decode, encode, is_idle};

const COUNTERS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("counters v1");

/// An open file; redb holds a lock on it.
pub struct Redb(Database);

impl Redb {
    /// Opens the file, and makes it if there is none.
    pub fn open(path: &Path) -> Result<Self> {
        let database = Database::create(path).with_context(|| format!("cannot open {}", path.display()))?;
        let write = database.begin_write()?;
        write.open_table(COUNTERS)?;
        write.commit()?;
        Ok(Self(database))
    }

    fn step(&self, id: &GroupName, now: Timestamp, step: Step<'_>) -> Result<bool> {
        // Most requests read a pin: they need not wait for the writer. The read ends before the write begins, or
        // the pages it sees could not be freed.
        let found = load(&self.0.begin_read()?.open_table(COUNTERS)?, id)?;
        if changed(found, step).is_none() {
            return Ok(true);
        }
        let write = self.0.begin_write()?;
        {
            let mut table = write.open_table(COUNTERS)?;
            let Some(counter) = changed(load(&table, id)?, step) else { return Ok(true) };
            if table.get(&id.as_bytes()[..])?.is_none() && table.len()? >= MAX_COUNTERS as u64 {
                table.retain(|_, value| decode(value).map_or(true, |counter| !is_idle(&counter, now)))?;
                if table.len()? >= MAX_COUNTERS as u64 {
                    return Ok(false);
                }
            }
            table.insert(&id.as_bytes()[..], &encode(&counter)[..])?;
        }
        write.commit()?;
        Ok(true)
    }
}

fn load(table: &impl ReadableTable<&'static [u8], &'static [u8]>, id: &GroupName) -> Result<Counter> {
    match table.get(&id.as_bytes()[..])? {
        Some(value) => decode(value.value()),
        None => Ok(Counter::new()),
    }
}

/// The counter after the step, if it is another.
fn changed(before: Counter, step: Step<'_>) -> Option<Counter> {
    let mut counter = before.clone();
    step(&mut counter);
    (counter != before).then_some(counter)
}

impl Store for Redb {
    fn transact(&self, id: &GroupName, now: Timestamp, step: Step<'_>) -> Result<(), StoreError> {
        if self.step(id, now, step)? { Ok(()) } else { Err(StoreError::Full) }
    }

    fn check(&self) -> Result<()> {
        self.0.begin_read()?.open_table(COUNTERS)?.len()?;
        Ok(())
    }
}
