//! Driver of [`moq_mls`] on tokio: it runs a participant on a relay, a counter service, a store and a clock.
//!
//! # Decide first
//!
//! - **Receipts.** Set [`GroupParams::service_key`](moq_mls::GroupParams::service_key) for all members. Without it, an attacker
//!   between a member and the counter service can forge its answers.
//! - **Admission.** The default of the core lets in every valid credential. Set
//!   [`Admission::Ask`](moq_mls::Admission::Ask), and answer by [`Handle::admit`] or [`Handle::refuse`].
//! - **Storage.** A snapshot holds private keys. Wrap the store in [`Sealed`] unless its medium is encrypted. Keep the
//!   key of a [`Sealed`] store on another medium, and the [`IdentityKey`] apart from the snapshots.
//! - **Tokens.** [`HttpCounter`] shows a token over HTTPS only, or to this machine.
//!
//! # Parts
//!
//! | trait | what it does | in this crate |
//! |---|---|---|
//! | [`Relay`] | publishes, subscribes, fetches | [`LocalRelay`], for tests |
//! | [`CounterClient`] | asks the counter service | [`HttpCounter`]; [`Failover`] over several; [`LocalCounter`], for tests |
//! | [`Store`] | keeps the last snapshot | [`FileStore`], [`Sealed`], [`MemoryStore`] |
//! | [`Clock`] | tells the time | [`SystemClock`] |
//!
//! [`Driver`] takes them and starts; [`Handle`] commands and watches what runs; [`Notices`] says what happens.
//!
//! # What the driver promises
//!
//! - It does actions in order. A snapshot is durable before the next action begins. If the store fails, the driver ends with
//!   [`DriverError::Store`], and nothing that depends on that snapshot leaves.
//! - Objects of one track are published one after another, and none before an earlier subscription was answered.
//! - A failed publish is repeated, at first by the driver and then by the participant. A subscription that ends is begun
//!   again. Every call has a time-out: [`Options`].
//! - Every request of the participant gets exactly one reply.
//! - All queues are bounded. Too many commands are [`CommandError::Overloaded`], unread notices [`NoticesMissed`]; a
//!   participant that is slow makes the relay wait.
//! - A dropped [`Handle`] ends all tasks. A panic in a part ends the driver with [`DriverError::Panicked`].
//! - [`Handle::media_keys`] has the keys of an epoch before its notice is reported.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, reason = "tests"))]

mod clock;
mod counter;
mod driver;
mod error;
mod handle;
mod identity;
#[cfg(feature = "local")]
mod local;
mod media;
mod notices;
mod options;
mod private_file;
mod relay;
mod store;

pub use moq_mls;

pub use self::clock::{Clock, SystemClock};
pub use self::counter::{Answer, CounterClient, CounterError, Failover};
#[cfg(feature = "http")]
pub use self::counter::{HttpCounter, HttpCounterError, HttpOptions};
pub use self::driver::{Driver, SendEngine};
pub use self::error::{CommandError, DriverError};
pub use self::handle::{Handle, Status};
pub use self::identity::{IdentityKey, KeyFileError};
#[cfg(feature = "local")]
pub use self::local::{LocalCounter, LocalRelay};
pub use self::media::{MediaSigns, MediaTrack};
pub use self::notices::{Notices, NoticesMissed};
pub use self::options::Options;
pub use self::private_file::{create_private, make_private_folder, write_private};
pub use self::relay::{FetchRequest, Relay, RelayError, Scope};
pub use self::store::{FileStore, MemoryStore, Sealed, SealingKey, Store, StoreError};

/// Compiles and runs the code in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
