//! From which location on a key may seal.

use crate::tracks::Location;

/// The lowest location that may still be sealed, as one number: group id, then 32 bits of object id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Floor(u128);

impl Floor {
    /// Nothing was sealed yet.
    pub(crate) const START: Self = Self(0);
    /// Above every location: anything may have been sealed.
    pub(crate) const NOWHERE: Self = Self(u128::MAX);

    /// At a location. An object id over 2^32 - 1 is never sealed, so it stands for the next group.
    #[inline]
    pub(crate) fn at(location: Location) -> Self {
        Self((u128::from(location.group_id) << 32) + u128::from(location.object_id.min(1 << 32)))
    }

    /// Right above this location.
    #[inline]
    pub(crate) fn above(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Sets from where on nothing was sealed, as the caller states it. What is known already is never given
    /// up.
    pub(crate) fn set(&mut self, from: Self) {
        *self = if *self == Self::NOWHERE { from } else { from.max(*self) };
    }
}
