//! A count that belongs to a state.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{self, AtomicU64};

use crate::testing::symbolic::mix::mix64;

/// How many commits were built on the present state.
///
/// It starts again with each state, so that a checker does not tell apart what differs only in how often a
/// participant once tried. Building is a `&self` method of [`Engine`], hence the atomic.
#[derive(Default)]
pub(super) struct Nonce(AtomicU64);

impl Nonce {
    /// Counts the commits; the rest remembers the state they were built on.
    const COUNT: u64 = 0xffff;

    pub(super) fn next(&self, context: &[u8; 32]) -> u64 {
        let state = mix64("nonce", &[context]) & !Self::COUNT;
        let old = self.get();
        let count = if old & !Self::COUNT == state { old.wrapping_add(1) & Self::COUNT } else { 1 };
        self.0.store(state | count, atomic::Ordering::Relaxed);
        count
    }

    fn get(&self) -> u64 {
        self.0.load(atomic::Ordering::Relaxed)
    }
}

impl Clone for Nonce {
    fn clone(&self) -> Self {
        Self(AtomicU64::new(self.get()))
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.get() & Self::COUNT)
    }
}

impl PartialEq for Nonce {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl Eq for Nonce {}

impl PartialOrd for Nonce {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Nonce {
    fn cmp(&self, other: &Self) -> Ordering {
        self.get().cmp(&other.get())
    }
}

impl Hash for Nonce {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.get().hash(hasher);
    }
}
