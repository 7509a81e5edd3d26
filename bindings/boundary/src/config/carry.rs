//! How a struct of numbers is carried over to the core's and back.

use std::time::Duration;

use crate::error::Error;
use crate::values::millis;

/// A number of the core's, of whatever type.
pub(super) trait Number: Sized {
    fn give(self) -> u64;
    fn take(value: u64, what: &'static str) -> Result<Self, Error>;
}

macro_rules! integers {
    ($($integer:ty),+) => {$(
        impl Number for $integer {
            fn give(self) -> u64 {
                u64::try_from(self).unwrap_or(u64::MAX)
            }

            fn take(value: u64, what: &'static str) -> Result<Self, Error> {
                Self::try_from(value).map_err(|_| Error::TooLarge { what, value })
            }
        }
    )+};
}
integers!(u8, u32, u64, usize);

impl Number for Duration {
    fn give(self) -> u64 {
        millis(self)
    }

    fn take(value: u64, _: &'static str) -> Result<Self, Error> {
        Ok(Self::from_millis(value))
    }
}

/// Carries a struct of numbers over, by the names on both sides: to forget one does not compile.
macro_rules! carries {
    ($name:ident = $core:ty { $($ours:ident: $theirs:ident),+ $(,)? }) => {
        impl From<$core> for $name {
            fn from(core: $core) -> Self {
                type Core = $core;
                let Core { $($theirs),+ } = core;
                Self { $($ours: $theirs.give()),+ }
            }
        }

        impl TryFrom<$name> for $core {
            type Error = Error;

            fn try_from(numbers: $name) -> Result<Self, Error> {
                let $name { $($ours),+ } = numbers;
                Ok(Self { $($theirs: Number::take($ours, stringify!($ours))?),+ })
            }
        }

        impl Default for $name {
            fn default() -> Self {
                <$core>::default().into()
            }
        }
    };
}

pub(super) use carries;
