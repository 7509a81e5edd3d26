//! The table that handles are numbers in.
//!
//! A handle is an index and a generation, and no pointer. So a handle that was freed, was never given, or is of another
//! type is recognized, however old it is, and never read as memory. A pointer to a block with a mark in
//! it could not do that: after a free, the mark itself is freed memory.

use std::sync::{Arc, Mutex, PoisonError, RwLock, TryLockError};

use moq_mls_boundary::{Identity, Participant, Service, Status};

use crate::borrowed::Borrowed;
use crate::fail::Fail;

/// What a handle names.
#[expect(clippy::large_enum_variant, reason = "each is in an allocation of its own")]
pub(crate) enum Item {
    Identity(Identity),
    Participant(Participant),
    Service(Service),
}

/// What a handle names, and what pointers into it were given out.
pub(crate) struct Held {
    pub(crate) item: Item,
    pub(crate) borrowed: Borrowed,
    /// Another thread may have found it just before.
    freed: bool,
}

#[derive(Default)]
struct Slot {
    generation: u32,
    held: Option<Arc<Mutex<Held>>>,
}

#[derive(Default)]
struct Table {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

static TABLE: RwLock<Table> = RwLock::new(Table { slots: Vec::new(), free: Vec::new() });

/// The generation is above, the index below; the first generation is 1, so no handle is 0.
fn split(handle: u64) -> (u32, usize) {
    let index = handle & u64::from(u32::MAX);
    (u32::try_from(handle >> 32).unwrap_or_default(), usize::try_from(index).unwrap_or(usize::MAX))
}

/// Gives an item a handle.
pub(crate) fn insert(item: Item) -> Result<u64, Fail> {
    let mut table = TABLE.write().unwrap_or_else(PoisonError::into_inner);
    let full = || Fail::new(Status::TooManyHandles, "there are too many handles");
    let index = match table.free.pop() {
        Some(index) => index,
        None => {
            let index = u32::try_from(table.slots.len()).map_err(|_| full())?;
            table.slots.push(Slot::default());
            index
        }
    };
    let slot = usize::try_from(index).ok().and_then(|index| table.slots.get_mut(index)).ok_or_else(full)?;
    slot.generation = slot.generation.saturating_add(1);
    slot.held = Some(Arc::new(Mutex::new(Held { item, borrowed: Borrowed::default(), freed: false })));
    Ok(u64::from(slot.generation) << 32 | u64::from(index))
}

fn invalid() -> Fail {
    Fail::new(Status::InvalidHandle, "the handle names nothing of this type")
}

fn busy() -> Fail {
    Fail::new(Status::Busy, "another thread uses the handle")
}

/// Calls `work` with what a handle names, unless another thread does so now.
pub(crate) fn with<T>(handle: u64, work: impl FnOnce(&mut Held) -> Result<T, Fail>) -> Result<T, Fail> {
    let (generation, index) = split(handle);
    let held = {
        let table = TABLE.read().unwrap_or_else(PoisonError::into_inner);
        let slot = table.slots.get(index).filter(|slot| slot.generation == generation);
        Arc::clone(slot.and_then(|slot| slot.held.as_ref()).ok_or_else(invalid)?)
    };
    using(&held, work)
}

fn using<T>(held: &Mutex<Held>, work: impl FnOnce(&mut Held) -> Result<T, Fail>) -> Result<T, Fail> {
    match held.try_lock() {
        Ok(held) if held.freed => Err(invalid()),
        Ok(mut held) => work(&mut held),
        Err(TryLockError::WouldBlock) => Err(busy()),
        Err(TryLockError::Poisoned(_)) => {
            Err(Fail::new(Status::Panicked, "a call with this handle panicked"))
        }
    }
}

/// As [`with`], for an identity.
pub(crate) fn identity<T>(
    handle: u64,
    work: impl FnOnce(&Identity, &mut Borrowed) -> Result<T, Fail>,
) -> Result<T, Fail> {
    with(handle, |held| match &held.item {
        Item::Identity(identity) => work(identity, &mut held.borrowed),
        Item::Participant(_) | Item::Service(_) => Err(invalid()),
    })
}

/// As [`with`], for a participant.
pub(crate) fn participant<T>(
    handle: u64,
    work: impl FnOnce(&mut Participant, &mut Borrowed) -> Result<T, Fail>,
) -> Result<T, Fail> {
    with(handle, |held| match &mut held.item {
        Item::Participant(participant) => work(participant, &mut held.borrowed),
        Item::Identity(_) | Item::Service(_) => Err(invalid()),
    })
}

/// As [`with`], for a counter service.
pub(crate) fn service<T>(
    handle: u64,
    work: impl FnOnce(&mut Service, &mut Borrowed) -> Result<T, Fail>,
) -> Result<T, Fail> {
    with(handle, |held| match &mut held.item {
        Item::Service(service) => work(service, &mut held.borrowed),
        Item::Identity(_) | Item::Participant(_) => Err(invalid()),
    })
}

/// Takes an item out, whatever its type, unless another thread uses it now.
pub(crate) fn remove(handle: u64) -> Result<(), Fail> {
    let (generation, index) = split(handle);
    let held = {
        let mut table = TABLE.write().unwrap_or_else(PoisonError::into_inner);
        let slot =
            table.slots.get_mut(index).filter(|slot| slot.generation == generation).ok_or_else(invalid)?;
        match slot.held.as_ref().ok_or_else(invalid)?.try_lock() {
            Ok(mut held) => held.freed = true,
            Err(TryLockError::WouldBlock) => return Err(busy()),
            // Every call finds it poisoned.
            Err(TryLockError::Poisoned(_)) => {}
        }
        let held = slot.held.take();
        // A slot whose generations are used up is never given again.
        if generation < u32::MAX {
            table.free.push(u32::try_from(index).unwrap_or_default());
        }
        held
    };
    drop(held);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_is_in_use_is_not_freed() {
        let handle = insert(Item::Identity(Identity::generate(1, &b"a"[..]).unwrap())).unwrap();
        let free = || remove(handle).map_err(|fail| fail.status);
        let during = std::thread::scope(|scope| {
            identity(handle, |_, _| Ok(scope.spawn(free).join().unwrap())).unwrap()
        });
        assert_eq!(during, Err(Status::Busy));
        assert_eq!(identity(handle, |_, _| Ok(())).map_err(|fail| fail.status), Ok(()));
        assert_eq!((free(), free()), (Ok(()), Err(Status::InvalidHandle)));
    }

    /// A thread may have found the item just before another frees it.
    #[test]
    fn what_was_freed_between_is_not_used() {
        let handle = insert(Item::Identity(Identity::generate(1, &b"a"[..]).unwrap())).unwrap();
        let index = split(handle).1;
        let found = Arc::clone(TABLE.read().unwrap().slots[index].held.as_ref().unwrap());
        remove(handle).unwrap();
        assert_eq!(using(&found, |_| Ok(())).map_err(|fail| fail.status), Err(Status::InvalidHandle));
    }
}
