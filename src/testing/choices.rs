//! Every draw that decides what goes wrong in a simulated world, kept as a list.
//!
//! A seed means something else as soon as the code draws once more or once less. The list of what was drawn
//! does not: a failure is kept with it, and shrunk by making its draws calm.

use std::collections::VecDeque;
use std::time::Duration;

use super::rng::Rng;
use crate::time::millis;

/// Draws from a seed, or from a list that was kept.
#[derive(Clone, Debug)]
pub struct Choices {
    rng: Rng,
    given: Option<VecDeque<u16>>,
    made: Vec<u16>,
}

impl Choices {
    /// Draws that follow from a seed.
    pub fn seeded(seed: u64) -> Self {
        Self { rng: Rng::new(seed), given: None, made: Vec::new() }
    }

    /// The given draws one by one, and after the last only calm: nothing goes wrong, nothing takes longer than it must.
    pub fn given(list: &[u16]) -> Self {
        Self { rng: Rng::new(0), given: Some(list.iter().copied().collect()), made: Vec::new() }
    }

    /// All draws so far.
    pub fn made(&self) -> &[u16] {
        &self.made
    }

    fn draw(&mut self, fresh: impl FnOnce(&mut Rng) -> u64, most: u64) -> u64 {
        let drawn = match &mut self.given {
            Some(given) => given.pop_front().map_or(0, u64::from),
            None => fresh(&mut self.rng),
        };
        let drawn = drawn.min(most).min(u64::from(u16::MAX));
        self.made.push(u16::try_from(drawn).unwrap_or(u16::MAX));
        drawn
    }

    /// Whether something goes wrong that does in `permille` of 1000 cases. What never does is no draw.
    pub fn chance(&mut self, permille: u16) -> bool {
        permille > 0 && self.draw(|rng| u64::from(rng.chance(permille)), 1) == 1
    }

    /// Draws a number below `bound`, 0 for no bound.
    pub fn below(&mut self, bound: u16) -> u16 {
        let most = u64::from(bound.saturating_sub(1));
        u16::try_from(self.draw(|rng| rng.below(most.saturating_add(1)), most)).unwrap_or(0)
    }

    /// A time between two others, both possible.
    pub fn between(&mut self, (least, most): (Duration, Duration)) -> Duration {
        let spread = millis(most.saturating_sub(least));
        least + Duration::from_millis(self.draw(|rng| rng.below(spread.saturating_add(1)), spread))
    }
}
