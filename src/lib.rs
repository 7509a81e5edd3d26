//! moq-mls (skeleton; the crate docs are written with the participant)

pub mod action;
pub mod codec;
pub mod counter;
pub mod engine;
mod error;
pub mod event;
pub mod keys;
mod limits;
pub mod mls;
pub mod namespace;
pub mod participant;
mod secret;
pub mod snapshot;
#[cfg(feature = "testing")]
pub mod testing;
mod time;
pub mod tracks;

pub use action::{Action, Notice};
pub use error::{Error, Misuse};
pub use event::{Command, Event, Failure, Object};
pub use limits::{Limits, Timers};
pub use participant::{Admission, Config, Participant, Phase, SafetyMode, Stats};
pub use secret::Secret;
pub use time::Timestamp;
