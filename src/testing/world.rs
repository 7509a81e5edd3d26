//! One simulated world: participants, a relay and a counter service under a virtual clock.
//!
//! [`World`] holds what does not depend on how things travel: the clock and the queue of what is on its way;
//! the participants with their snapshots and notices, their timers, crashes and restarts; the counter service,
//! the log and the witness. A [`Carriage`] takes what participants send to the relay and the service, and
//! brings back what comes of it:
//!
//! - [`ByValue`] hands over objects and answers as values: at once and in order, or each after a time that is
//!   drawn. Nothing is lost. It is for single steps, and for thousands of participants.
//! - [`ByWire`](super::network::ByWire) makes bytes of everything, and faults go wrong on the way:
//!   [`Network`](super::network::Network).
//!
//! ```
//! use moq_mls::testing::symbolic::SymbolicEngine;
//! use moq_mls::testing::world::World;
//! use moq_mls::{Command, Config, Timestamp};
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut world = World::at_once(Timestamp::from_secs(1_700_000_000));
//! for name in ["alice", "bob"] {
//!     let who = world.add(SymbolicEngine::new(name)?, Config::new("room".try_into()?))?;
//!     world.command(who, Command::Join)?;
//!     world.run_for(Duration::from_secs(1));
//! }
//! assert_eq!(world.agreement(&[0, 1])?.epoch, 1);
//! # Ok(())
//! # }
//! ```

mod acting;
mod lives;
mod model;
mod running;
mod store;
mod timers;
mod values;
mod watching;

pub(in crate::testing) use self::model::Parcel;
pub use self::model::{Agreement, Carriage, Traffic, World};
pub use self::store::Store;
pub use self::values::{Asked, ByValue};
