//! A world to try participants, and drivers of them, in (feature `testing`).
//!
//! [`network::Network`] is a relay, a counter service and any number of participants under a virtual
//! clock, with faults drawn from a seed; every message crosses the real codecs as bytes.
//! [`session::Session`] is its driver, and a pattern for yours. [`seeded_crypto`] makes real MLS
//! repeatable; [`symbolic`] does without cryptography, for very many runs. **None of it is
//! for production.**

pub mod choices;
pub mod faults;
#[cfg(feature = "arbitrary")]
pub mod fuzz;
pub mod log;
pub mod media;
pub mod network;
pub mod replay;
pub mod rng;
pub mod seeded_crypto;
pub mod session;
pub mod simulation;
pub mod stranger;
pub mod symbolic;
pub mod vectors;
pub mod witness;
pub mod world;
