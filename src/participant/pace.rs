//! How often one sender may make the members work: a few times in a row, then once in a while.

use std::time::Duration;

use crate::participant::remembered::Remembered;
use crate::time::Timestamp;
use crate::tracks::SenderId;

/// How much is allowed.
#[derive(Clone, Copy)]
pub(crate) struct Rate {
    /// So often in a row.
    pub(crate) burst: u32,
    /// Then once in this time.
    pub(crate) every: Duration,
}

/// When each sender will have made up for all that it did: the later, the less it may do now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Pace(Remembered<Timestamp>);

impl Pace {
    /// Whether a sender may go on.
    pub(crate) fn allows(&self, sender: &SenderId, now: Timestamp, rate: Rate) -> bool {
        let most = rate.every.saturating_mul(rate.burst.max(1).saturating_sub(1));
        self.0.get(sender).is_none_or(|even| even.since(now) <= most)
    }

    /// Notes that a sender did something; `most` senders are remembered.
    pub(crate) fn note(&mut self, sender: &SenderId, now: Timestamp, rate: Rate, most: usize) {
        let even = self.0.get(sender).copied().filter(|even| *even > now).unwrap_or(now);
        self.0.put(sender.clone(), even.after(rate.every), most);
    }

    /// Follows a clock that was set back.
    fn set_back(&mut self, by: Duration) {
        self.0.iter_mut().for_each(|(_, even)| *even = even.before(by));
    }
}

/// What is counted of each sender.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Paces {
    /// How often it was let in.
    pub(crate) entries: Pace,
    /// How often its KeyPackages were verified and found good: a forgery counts against nobody.
    pub(crate) key_packages: Pace,
}

impl Paces {
    /// Follows a clock that was set back.
    pub(crate) fn set_back(&mut self, by: Duration) {
        self.entries.set_back(by);
        self.key_packages.set_back(by);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_few_in_a_row_and_then_one_in_a_while() {
        let (a, b) = (SenderId::new("a").unwrap(), SenderId::new("b").unwrap());
        let rate = Rate { burst: 3, every: Duration::from_secs(10) };
        let at = |secs: u64| Timestamp::from_secs(1000 + secs);
        let mut pace = Pace::default();
        let mut go = |who: &SenderId, now| {
            let may = pace.allows(who, now, rate);
            if may {
                pace.note(who, now, rate, 8);
            }
            may
        };
        assert_eq!([0, 0, 0, 0, 9].map(|s| go(&a, at(s))), [true, true, true, false, false]);
        assert!(go(&b, at(9)), "each for itself");
        assert_eq!([10, 10, 19, 20].map(|s| go(&a, at(s))), [true, false, false, true]);
        // After a long rest as at the beginning.
        assert_eq!([100, 100, 100, 100].map(|s| go(&a, at(s))), [true, true, true, false]);
        let mut back = pace.clone();
        back.set_back(Duration::from_secs(100));
        assert!(!back.allows(&a, at(0), rate) && back.allows(&a, at(10), rate));
    }
}
