//! The boundary of moq-mls: flat, owned, versioned events and actions, for bindings to other languages.
//!
//! A binding turns its own values into those of this crate and back, and does nothing else. So every language has the
//! same events, the same actions and the same numbers.
//!
//! - **Flat**: one kind of event for each thing that can happen, with its fields beside each other. `LockGranted` and
//!   `LockConflict` are two kinds, not one with a reply in it.
//! - **Typed**: no text format crosses. What has no number in Rust has one here, in [`codes`], and keeps it.
//! - **Ids are mandatory**: each action that wants an answer has an id, and each answer takes one.
//! - **Secrets by method only**: no event, action or notice holds a key of an epoch. [`Participant::track_key`] and
//!   [`Participant::export_secret`] return one. The two actions that carry secret bytes because their receiver needs
//!   them, `Persist` and `Increment`, redact them in `Debug`.
//! - **Complete**: conversions match the core's enums and structs to the last variant and field, without `_`. The
//!   core's feature `unstable-exhaustive` allows that. A variant that the core gains and this crate lacks does not
//!   compile.
//!
//! The crate forbids unsafe code, starts no thread, and reads no clock.

#![forbid(unsafe_code)]

/// The version of the events, actions and numbers. It rises when a program made for the one before would break.
pub const VERSION: u32 = 1;

pub mod action;
pub mod codes;
pub mod config;
mod engine;
mod error;
pub mod event;
mod http;
mod identity;
mod media;
pub mod notice;
mod participant;
mod service;
#[cfg(feature = "testing")]
pub mod testing;
pub mod values;

pub use self::action::Action;
pub use self::config::Config;
pub use self::error::{Error, Status};
pub use self::event::Event;
pub use self::http::{CounterReply, counter_reply, counter_request};
pub use self::identity::Identity;
pub use self::media::{ObjectPlace, OpenedObject};
pub use self::notice::Notice;
pub use self::participant::{Member, Participant};
pub use self::service::{HttpAnswer, Service};
