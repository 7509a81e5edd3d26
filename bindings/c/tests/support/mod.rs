//! A participant behind the functions of the header, with nothing but what a C program has.

#![allow(unreachable_pub, dead_code, reason = "several tests have it, and not each needs all of it")]

use bytes::Bytes as Owned;
use moq_mls_boundary::action::Action;
use moq_mls_boundary::codes::Phase;
use moq_mls_boundary::testing::{Binding, State};
use moq_mls_boundary::{Config, Event, Status};
use moq_mls_c::abi::{self, Bytes};
use moq_mls_c::*;

/// A handle, freed when it is dropped.
#[derive(Default)]
pub struct ThroughC(pub u64);

impl Drop for ThroughC {
    fn drop(&mut self) {
        if self.0 != 0 {
            assert_eq!(moq_mls_free(self.0), Status::Ok);
        }
    }
}

/// An action to be filled.
pub fn no_action() -> abi::Action {
    let body = abi::ActionBody { snapshot: Bytes::ABSENT };
    abi::Action { size: size_of::<abi::Action>() as u32, kind: 0, request: 0, id: 0, body }
}

fn done(status: Status) -> Result<(), Status> {
    if status == Status::Ok { Ok(()) } else { Err(status) }
}

impl Binding for ThroughC {
    fn start(
        &mut self,
        engine: (&str, u64),
        config: &Config,
        snapshot: Option<&[u8]>,
        now_ms: u64,
    ) -> Result<(), Status> {
        let handle = testing::seeded(engine, config, snapshot, now_ms)?;
        drop(std::mem::replace(self, Self(handle)));
        Ok(())
    }

    fn handle(&mut self, now_ms: u64, event: Event) -> Result<(), Status> {
        // SAFETY: the event and what it points to are there until the call returns.
        done(testing::with_event(event, |event| unsafe { moq_mls_participant_handle(self.0, now_ms, event) }))
    }

    fn poll(&mut self) -> Result<Option<Action>, Status> {
        let mut action = no_action();
        // SAFETY: there is room for an action, and what it points to is read before the next call.
        unsafe {
            done(moq_mls_participant_poll(self.0, &raw mut action))?;
            testing::action(&action)
        }
    }

    fn state(&mut self) -> Result<State, Status> {
        let (mut phase, mut epoch, mut lent) = (0, 0, Bytes::ABSENT);
        // SAFETY: there is room for each output, and what is lent is copied before the next call.
        unsafe {
            done(moq_mls_participant_phase(self.0, &raw mut phase))?;
            let phase = Phase::try_from(phase).map_err(|error| error.status())?;
            let some = |status: Status| status == Status::Ok;
            let copy = |lent: Bytes| -> Owned { testing::bytes(lent) };
            let epoch = some(moq_mls_participant_epoch(self.0, &raw mut epoch)).then_some(epoch);
            let authenticator = some(moq_mls_participant_epoch_authenticator(self.0, &raw mut lent));
            let authenticator = authenticator.then(|| copy(lent));
            let hash = some(moq_mls_participant_context_hash(self.0, &raw mut lent)).then(|| copy(lent));
            Ok(State { phase, epoch, authenticator, context_hash: hash })
        }
    }
}
