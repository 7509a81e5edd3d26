//! Secure Group Key Agreement with MLS over MoQ, as a state machine without IO.
//!
//! Clients in a call agree on keys through relays that nobody needs to trust: MLS KeyPackages, Welcomes
//! and Commits travel as MoQ objects on named tracks, and a tiny HTTP "epoch counter" says whose commit
//! makes the next epoch (draft-jennings-moq-e2ee-mls, called *the draft* throughout; RFC 9420 is MLS).
//!
//! # The contract
//!
//! A [`Participant`] takes one kind of input and gives one kind of output.
//!
//! - [`Participant::handle`] takes an [`Event`] and the time. It never blocks, and it does nothing but
//!   change its own state and queue actions.
//! - [`Participant::poll_action`] gives the queued [`Action`]s. Do them **in order**, each before the
//!   next. [`Action::Persist`] is a barrier: what follows it may only happen once those bytes are durable.
//! - Every action with an id is answered by **exactly one** event with that id: the reply, or
//!   [`Failure::NotSent`] (it certainly had no effect), [`Failure::Unknown`] (it may have had), or
//!   [`Failure::Refused`] (the peer refused it).
//! - [`Participant::poll_timeout`] says when to send [`Event::Timer`] if nothing happens before.
//! - What others do wrong is a [`Notice`] and a count in [`Stats`], never an `Err`. An [`Error`] means that
//!   the embedder misused the machine, that its engine failed ([`Error::Engine`]), or that the machine has ended.
//!   After a failed engine it refuses everything: [`Participant::restore`] the last durable snapshot.
//! - Secrets are pulled by method ([`Participant::epoch_secret`], [`Participant::export_secret`]) when
//!   [`Notice::Epoch`] says there is a new one, within [`Timers::epoch_secrets`]. No action and no log holds one, but
//!   for the bytes inside `Persist`.
//! - A participant that subscribed to a track gets its own objects on it back. Where slots are pinned it shows a
//!   commit again until it has read it back; in `Advisory` it fills no slot for one that it has not. A relay session that
//!   does not echo needs a second one that only subscribes.
//!
//! # The driver's loop
//!
//! A participant alone with a counter service, with the relay left out: it creates the group.
//!
//! ```
//! use mls_rs::identity::{SigningIdentity, basic::{BasicCredential, BasicIdentityProvider}};
//! use mls_rs::{CipherSuite, CipherSuiteProvider, Client, CryptoProvider};
//! use mls_rs_crypto_rustcrypto::RustCryptoProvider;
//! use moq_mls::counter::service::{CounterService, ServiceConfig, ServiceCrypto};
//! use moq_mls::mls::MlsEngine;
//! use moq_mls::notice::EpochCause;
//! use moq_mls::tracks::GroupName;
//! use moq_mls::{Action, Command, Config, Event, Notice, Participant, Timestamp};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // The embedder's client: its crypto, its identity, its credential.
//! let suite = CipherSuite::CURVE25519_AES128;
//! let crypto = RustCryptoProvider::default();
//! let (secret, public) = crypto.cipher_suite_provider(suite).ok_or("suite")?.signature_key_generate()?;
//! let credential = BasicCredential::new(b"alice".to_vec()).into_credential();
//! let client = Client::builder()
//!     .crypto_provider(crypto.clone())
//!     .identity_provider(BasicIdentityProvider)
//!     .signing_identity(SigningIdentity::new(credential, public), secret, suite)
//!     .build();
//!
//! // What the counter service needs: a hash. It can sign, too.
//! struct Hash;
//! impl ServiceCrypto for Hash {
//!     fn sha256(&self, data: &[u8]) -> [u8; 32] {
//!         use aws_lc_rs::digest::{SHA256, digest};
//!         digest(&SHA256, data).as_ref().try_into().unwrap_or_default()
//!     }
//! }
//!
//! let mut service = CounterService::new(ServiceConfig::default(), Hash);
//! let now = Timestamp::from_secs(1_700_000_000);
//! let config = Config::new(GroupName::try_from("room-1")?);
//! let mut alice = Participant::new(MlsEngine::new(&client, &crypto)?, config, now)?;
//!
//! alice.handle(now, Command::Join)?;
//! let mut created = None;
//! while let Some(action) = alice.poll_action() {
//!     // A driver of a real stack answers later, when the network has.
//!     let answer = match action {
//!         Action::Lock { id, request } => {
//!             let token = b"16 random bytes!"[..].into();
//!             Event::LockReply { id, reply: Ok(service.lock(now, &request, token)) }
//!         }
//!         Action::Increment { id, request } => {
//!             Event::IncrementReply { id, reply: Ok(service.increment(now, &request)) }
//!         }
//!         Action::Fetch { id, .. } => Event::FetchReply { id, reply: Ok(Vec::new()) },
//!         Action::Publish { id, .. } => Event::PublishReply { id, reply: Ok(()) },
//!         Action::Subscribe { id, .. } | Action::SubscribeNamespace { id, .. } => {
//!             Event::SubscribeReply { id, reply: Ok(()) }
//!         }
//!         Action::Notify(Notice::Epoch { epoch, cause: EpochCause::Created }) => {
//!             created = Some(epoch);
//!             continue;
//!         }
//!         // Persist: write and sync. Announce: tell the relay. Notify: tell the user.
//!         _ => continue,
//!     };
//!     alice.handle(now, answer)?;
//! }
//! assert_eq!(created, Some(0));
//! assert_eq!(alice.members().count(), 1);
//! # Ok(())
//! # }
//! ```
//!
//! `examples/minimal.rs` is a complete driver on an async runtime that seals and opens an object. `examples/call.rs`
//! runs a whole call, and `testing::session` (feature `testing`) is a driver with every case in it.
//!
//! # Where things live
//!
//! | module | what |
//! |---|---|
//! | [`participant`] | the state machine: a thin shell, and a struct for each phase |
//! | [`event`], [`action`], [`notice`] | everything that goes in and comes out; what it tells the embedder |
//! | [`tracks`] | group, sender and track names, object places (draft section 6) |
//! | [`counter`] | the epoch counter: requests and replies, their HTTP form, the service itself (section 7) |
//! | [`codec`], [`namespace`] | the draft's control messages and what they mean (section 4.2) |
//! | [`keys`], [`secure_objects`] | from the epoch to a track's key (section 8), and to a sealed object |
//! | [`engine`], [`mls`] | what a group can do, in this crate's terms; the same over mls-rs |
//! | [`snapshot`] | durable bytes |
//! | [`recording`] | a participant's run as a log, for replay |
//! | `testing` | seeded crypto and a simulated network, behind a feature |
//!
//! Data flows one way, from [`codec`] through [`event`] and [`participant`] to [`action`], and no two files name
//! each other, not by way of others either (`tests/architecture.rs`).
//!
//! Only [`mls`] names mls-rs (`testing::seeded_crypto` aside), only [`codec`] knows the control messages'
//! bytes and [`counter::http`] the counter's; nothing here reads a clock, draws a random number outside
//! the crypto provider, opens a socket or spawns.
//!
//! # What it promises
//!
//! See [`SafetyMode`]: with pins, no two members ever hold different keys for one epoch, and the group
//! goes on while one member with its state remains. The draft's own lock and increment promise neither.

pub mod action;
pub mod codec;
mod config;
pub mod counter;
pub mod engine;
mod error;
pub mod event;
mod join_request;
pub mod keys;
mod limits;
pub mod mls;
pub mod namespace;
pub mod notice;
pub mod participant;
mod policy;
pub mod recording;
mod request;
mod secret;
pub mod secure_objects;
pub mod snapshot;
#[cfg(feature = "testing")]
pub mod testing;
mod time;
pub mod tracks;

pub use action::{Action, FetchTarget};
pub use config::{Admission, Config, GroupParams, SafetyMode};
pub use error::{Error, Misuse};
pub use event::{Command, Event};
pub use join_request::JoinRequest;
pub use limits::{Limits, Timers};
pub use notice::{Notice, WaitsFor};
pub use participant::{Participant, Phase, Stats, Status};
pub use policy::{Breach, CommitPolicy, Committers};
pub use request::Failure;
pub use secret::Secret;
pub use time::Timestamp;
pub use tracks::Object;

/// Compiles the code in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
