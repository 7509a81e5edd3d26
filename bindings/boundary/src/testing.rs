//! For tests of a binding: participants whose randomness follows from a seed, and the way back to the core's values.
//!
//! A binding that replays a log turns what it has into this crate's actions, and those into the core's. So whatever it
//! loses shows.

mod back;
mod lockstep;

pub use self::lockstep::{Binding, State, replay};

use moq_mls::snapshot::Snapshot;
use moq_mls::testing::seeded_crypto::seeded_engine;
use moq_mls::{Participant as Core, Timestamp};

use crate::config::Config;
use crate::error::Error;
use crate::participant::Participant;

impl Participant {
    /// Makes a participant whose engine is `seeded NAME SEED`. **Never for production.**
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn seeded(name: &str, seed: u64, config: &Config, now_ms: u64) -> Result<Self, Error> {
        let now = Timestamp::from_millis(now_ms);
        Self::over(Core::new(seeded_engine(name, seed), config.core()?, now)?, config, None, now)
    }

    /// Restores such a participant. **Never for production.**
    ///
    /// # Errors
    /// As [`restore`](Self::restore).
    pub fn restore_seeded(
        name: &str,
        seed: u64,
        config: &Config,
        snapshot: &[u8],
        now_ms: u64,
    ) -> Result<Self, Error> {
        let now = Timestamp::from_millis(now_ms);
        let snapshot = Snapshot::from_bytes(snapshot.to_vec());
        let core = Core::restore(seeded_engine(name, seed), config.core()?, &snapshot, now)?;
        Self::over(core, config, Some(None), now)
    }
}
