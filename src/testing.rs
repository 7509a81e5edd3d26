//! A world to try participants, and drivers of them, in (feature `testing`).
//!
//! [`world::World`] is a relay, a counter service and any number of participants under a virtual clock.
//! Things travel in it as values, at once or with a latency; or, in [`network::Network`], as bytes through
//! the real codecs, with faults drawn from a seed. [`session::Session`] drives each participant, and is a
//! pattern for your driver. [`seeded_crypto`] makes real MLS repeatable; [`symbolic`] does without
//! cryptography, for very many runs. **None of it is for production.**

pub mod choices;
pub mod faults;
pub mod flaws;
#[cfg(feature = "arbitrary")]
pub mod fuzz;
pub mod inspect;
pub mod log;
pub mod media;
pub mod network;
pub mod replay;
pub mod rng;
pub mod rogue;
pub mod seeded_crypto;
pub mod session;
pub mod simulation;
pub mod stranger;
pub mod symbolic;
pub mod vectors;
pub mod witness;
pub mod world;

/// Returns SHA-256 of `data`: what services under test compute.
pub fn sha256(data: &[u8]) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(data).into()
}
