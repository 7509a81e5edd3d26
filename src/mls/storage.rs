//! What mls-rs insists on storing: handed over right away, nothing stays.

use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mls_rs::storage_provider::KeyPackageData;
use mls_rs::{GroupStateStorage, KeyPackageStorage};
use mls_rs_core::group::{EpochRecord, GroupState};
use zeroize::Zeroizing;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The one KeyPackage that the running call is about.
#[derive(Clone, Default)]
pub struct KeyPackageSlot(Arc<Mutex<Option<Keyed>>>);

/// Under its KeyPackageRef.
type Keyed = (Vec<u8>, KeyPackageData);

impl KeyPackageSlot {
    pub(super) fn put(&self, reference: Vec<u8>, data: KeyPackageData) {
        *lock(&self.0) = Some((reference, data));
    }

    pub(super) fn take(&self) -> Option<Keyed> {
        lock(&self.0).take()
    }
}

impl fmt::Debug for KeyPackageSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPackageSlot").finish_non_exhaustive()
    }
}

impl KeyPackageStorage for KeyPackageSlot {
    type Error = Infallible;

    fn delete(&mut self, id: &[u8]) -> Result<(), Infallible> {
        lock(&self.0).take_if(|(held, _)| held == id);
        Ok(())
    }

    fn insert(&mut self, id: Vec<u8>, pkg: KeyPackageData) -> Result<(), Infallible> {
        self.put(id, pkg);
        Ok(())
    }

    fn get(&self, id: &[u8]) -> Result<Option<KeyPackageData>, Infallible> {
        Ok(lock(&self.0).as_ref().filter(|(held, _)| held == id).map(|(_, data)| data.clone()))
    }
}

/// The one group state that the running call saves or loads, under any name: a state says itself which group it
/// is of. Never keeps a prior epoch.
#[derive(Clone, Default)]
pub struct GroupStateSlot(Arc<Mutex<States>>);

#[derive(Default)]
struct States {
    state: Option<Zeroizing<Vec<u8>>>,
    /// Whether mls-rs was built to remember prior epochs; known after the first write.
    remembers: Option<bool>,
}

impl GroupStateSlot {
    pub(super) fn put(&self, state: Vec<u8>) {
        lock(&self.0).state = Some(state.into());
    }

    pub(super) fn take(&self) -> Option<Zeroizing<Vec<u8>>> {
        lock(&self.0).state.take()
    }

    /// Whether a group that has just advanced must be written, to make it drop the epoch before.
    pub(super) fn must_flush(&self) -> bool {
        lock(&self.0).remembers.unwrap_or(true)
    }
}

impl fmt::Debug for GroupStateSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupStateSlot").finish_non_exhaustive()
    }
}

impl GroupStateStorage for GroupStateSlot {
    type Error = Infallible;

    fn state(&self, _: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, Infallible> {
        Ok(lock(&self.0).state.clone())
    }

    fn epoch(&self, _: &[u8], _: u64) -> Result<Option<Zeroizing<Vec<u8>>>, Infallible> {
        Ok(None)
    }

    fn write(
        &mut self,
        state: GroupState,
        epoch_inserts: Vec<EpochRecord>,
        _: Vec<EpochRecord>,
    ) -> Result<(), Infallible> {
        let mut states = lock(&self.0);
        states.state = Some(state.data);
        states.remembers = Some(states.remembers.unwrap_or(false) || !epoch_inserts.is_empty());
        Ok(())
    }

    fn max_epoch_id(&self, _: &[u8]) -> Result<Option<u64>, Infallible> {
        Ok(None)
    }
}
