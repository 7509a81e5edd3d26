//! Counters in memory, gone with the process: for one call, for tests.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use moq_mls::Timestamp;
use moq_mls::counter::service::Counter;
use moq_mls::tracks::GroupName;

use super::store::{MAX_COUNTERS, Step, Store, StoreError, is_idle};

/// All counters.
#[derive(Default)]
pub struct Memory(Mutex<BTreeMap<GroupName, Counter>>);

impl Store for Memory {
    fn transact(&self, id: &GroupName, now: Timestamp, step: Step<'_>) -> Result<(), StoreError> {
        let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = counters.get(id).cloned().unwrap_or_default();
        let mut counter = before.clone();
        step(&mut counter);
        if counter == before {
            return Ok(());
        }
        if !counters.contains_key(id) && counters.len() >= MAX_COUNTERS {
            counters.retain(|_, counter| !is_idle(counter, now));
            if counters.len() >= MAX_COUNTERS {
                return Err(StoreError::Full);
            }
        }
        counters.insert(id.clone(), counter);
        Ok(())
    }

    fn check(&self) -> Result<()> {
        Ok(())
    }
}
