//! For the tests of this crate: seeded participants, actions read back, and the body of the fuzz target. It is in no
//! shipped build, and nothing of it is in the header.

mod back;
pub mod fuzz;

use moq_mls_boundary::{Config, Participant, Status};

use crate::fail::{Fail, guard};
use crate::handles::{self, Item};

pub use self::back::{action, bytes};

fn made(participant: Result<Participant, moq_mls_boundary::Error>) -> Result<u64, Status> {
    let mut handle = 0;
    let status = guard(|| -> Result<(), Fail> {
        handle = handles::insert(Item::Participant(participant?))?;
        Ok(())
    });
    if status == Status::Ok { Ok(handle) } else { Err(status) }
}

/// Makes a participant whose engine is `seeded NAME SEED`, from a snapshot if there is one.
///
/// # Errors
/// The status.
pub fn seeded(
    (name, seed): (&str, u64),
    config: &Config,
    snapshot: Option<&[u8]>,
    now_ms: u64,
) -> Result<u64, Status> {
    made(match snapshot {
        Some(snapshot) => Participant::restore_seeded(name, seed, config, snapshot, now_ms),
        None => Participant::seeded(name, seed, config, now_ms),
    })
}

/// Reads a configuration as the functions of the header do.
///
/// # Errors
/// The status.
///
/// # Safety
/// The pointers in it are valid.
pub unsafe fn config(config: &crate::abi::Config) -> Result<Config, Status> {
    // SAFETY: by the caller.
    unsafe { crate::input::config(config) }.map_err(|fail| fail.status)
}

/// Calls `work` with the event that a C caller would pass, and with what its pointers lead to.
pub fn with_event<T>(event: moq_mls_boundary::Event, work: impl FnOnce(&crate::abi::Event) -> T) -> T {
    let mut borrowed = crate::borrowed::Borrowed::default();
    let event = borrowed.event(event);
    work(&event)
}

/// Calls `work` with the action that a C caller would get, and with what its pointers lead to.
pub fn with_action<T>(action: moq_mls_boundary::Action, work: impl FnOnce(&crate::abi::Action) -> T) -> T {
    let mut borrowed = crate::borrowed::Borrowed::default();
    let action = borrowed.action(Some(action));
    work(&action)
}

/// Reads an event as the functions of the header do.
///
/// # Errors
/// The status.
///
/// # Safety
/// It is null or an event whose pointers are valid.
pub unsafe fn event(event: *const crate::abi::Event) -> Result<moq_mls_boundary::Event, Status> {
    // SAFETY: by the caller.
    unsafe { crate::input::event(event) }.map_err(|fail| fail.status)
}
