//! How many requests a client may make.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use moq_mls::Timestamp;

/// Most clients that are remembered.
const MAX_CLIENTS: usize = 65_536;

/// A token bucket for each client: so many requests a second, and twice as many at once.
pub struct Rate {
    per_second: u32,
    clients: Mutex<BTreeMap<String, Bucket>>,
}

/// Requests that are left, in thousandths, at a time.
struct Bucket {
    left: u64,
    at: Timestamp,
}

impl Rate {
    /// `per_second` requests for each client.
    pub fn new(per_second: u32) -> Self {
        Self { per_second, clients: Mutex::default() }
    }

    fn full(&self) -> u64 {
        2000 * u64::from(self.per_second)
    }

    /// What is left after the time that passed.
    fn refilled(&self, bucket: &Bucket, now: Timestamp) -> u64 {
        let passed = u64::try_from(now.since(bucket.at).as_millis()).unwrap_or(u64::MAX);
        let more = passed.saturating_mul(u64::from(self.per_second));
        bucket.left.saturating_add(more).min(self.full())
    }

    /// Takes a request of `client`; false if it has made too many.
    pub fn allow(&self, now: Timestamp, client: &str) -> bool {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= MAX_CLIENTS && !clients.contains_key(client) {
            // A full bucket says nothing.
            clients.retain(|_, bucket| self.refilled(bucket, now) < self.full());
            if clients.len() >= MAX_CLIENTS {
                return false;
            }
        }
        let fresh = || Bucket { left: self.full(), at: now };
        let bucket = clients.entry(client.to_owned()).or_insert_with(fresh);
        let left = self.refilled(bucket, now);
        let allowed = left >= 1000;
        *bucket = Bucket { left: if allowed { left - 1000 } else { left }, at: now };
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate_and_each_client_by_itself() {
        let rate = Rate::new(5);
        let at = Timestamp::from_millis;
        let allowed = |ms, who, tries: usize| (0..tries).filter(|_| rate.allow(at(ms), who)).count();
        assert_eq!(allowed(0, "a", 30), 10);
        assert_eq!(allowed(0, "b", 1), 1);
        assert_eq!(allowed(199, "a", 5), 0);
        assert_eq!(allowed(400, "a", 5), 2);
        assert_eq!(allowed(60_000, "a", 30), 10);
    }
}
