//! How much a client may ask: a bucket for each.
//!
//! A table of clients has to end somewhere. When it is full, a newcomer takes the place of the client that has not
//! asked for longest: with that many addresses a flood passes any limit, and shutting newcomers out would let it shut
//! everybody out. So it fails open, and the bounds of the store hold what is behind it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use moq_mls::Timestamp;

/// Most clients that are remembered.
const MAX_CLIENTS: usize = 65_536;

/// So many at once, and one more each time that some time has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    burst: u32,
    each: Duration,
}

impl Quota {
    /// Allows `per_second`, and twice as many at once.
    pub fn per_second(per_second: u32) -> Self {
        Self::new(per_second.saturating_mul(2), Duration::from_secs(1) / per_second.max(1))
    }

    /// Allows `burst` at once, and one more after each `each`.
    pub fn new(burst: u32, each: Duration) -> Self {
        Self { burst, each }
    }

    fn nanos(duration: Duration) -> u64 {
        u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
    }

    fn full(self) -> u64 {
        Self::nanos(self.each).saturating_mul(self.burst.into())
    }
}

/// A token bucket for each client.
pub struct Rate {
    quota: Option<Quota>,
    most: usize,
    clients: Mutex<Clients>,
}

#[derive(Default)]
struct Clients {
    buckets: BTreeMap<String, Bucket>,
    /// By when they last asked.
    order: BTreeSet<(Timestamp, String)>,
}

/// What is left, in nanoseconds of waiting, at a time.
#[derive(Clone, Copy)]
struct Bucket {
    left: u64,
    at: Timestamp,
}

impl Rate {
    /// Allows each client `per_second`, and twice as many at once.
    pub fn new(per_second: u32) -> Self {
        Self::of(Some(Quota::per_second(per_second)))
    }

    /// Allows each client `burst` at once, and one more after each `each`.
    pub fn with(burst: u32, each: Duration) -> Self {
        Self::of(Some(Quota::new(burst, each)))
    }

    /// Limits those clients only that have a quota of their own.
    pub fn unlimited() -> Self {
        Self::of(None)
    }

    fn of(quota: Option<Quota>) -> Self {
        Self { quota, most: MAX_CLIENTS, clients: Mutex::default() }
    }

    /// Takes one of `client`'s, within its own quota if it has one; false if none is left.
    pub fn allow(&self, now: Timestamp, client: &str, own: Option<Quota>) -> bool {
        self.ask(now, client, own, true)
    }

    /// Whether one of `client`'s is left.
    pub fn has(&self, now: Timestamp, client: &str, own: Option<Quota>) -> bool {
        self.ask(now, client, own, false)
    }

    fn ask(&self, now: Timestamp, client: &str, own: Option<Quota>, take: bool) -> bool {
        let Some(quota) = own.or(self.quota) else { return true };
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let Clients { buckets, order } = &mut *clients;
        let before = buckets.get(client).copied();
        let bucket = before.unwrap_or(Bucket { left: quota.full(), at: now });
        let left = bucket.left.saturating_add(Quota::nanos(now.since(bucket.at))).min(quota.full());
        let rest = left.checked_sub(Quota::nanos(quota.each));
        if !take {
            return rest.is_some();
        }
        match before {
            Some(before) => drop(order.remove(&(before.at, client.to_owned()))),
            None if buckets.len() >= self.most => {
                if let Some((_, oldest)) = order.pop_first() {
                    buckets.remove(&oldest);
                }
            }
            None => {}
        }
        buckets.insert(client.to_owned(), Bucket { left: rest.unwrap_or(left), at: now });
        order.insert((now, client.to_owned()));
        rest.is_some()
    }
}

/// Returns what counts as one client: the address, or the /64 of an IPv6 address, whose holder has all of the /64.
pub fn source(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate_and_each_client_by_itself() {
        let rate = Rate::new(5);
        let at = Timestamp::from_millis;
        let has = |ms| rate.has(at(ms), "a", None);
        let allowed = |ms, who, tries: usize| (0..tries).filter(|_| rate.allow(at(ms), who, None)).count();
        assert_eq!(allowed(0, "a", 30), 10);
        assert_eq!(allowed(0, "b", 1), 1);
        assert_eq!(allowed(199, "a", 5), 0);
        assert_eq!(allowed(400, "a", 5), 2);
        assert!(!has(400) && has(600) && has(600));
        assert_eq!(allowed(60_000, "a", 30), 10);
    }

    #[test]
    fn a_quota_of_its_own_takes_the_place_of_the_common_one() {
        let allowed =
            |rate: &Rate, own| (0..50).filter(|_| rate.allow(Timestamp::from_secs(1), "a", own)).count();
        assert_eq!(allowed(&Rate::new(5), Some(Quota::per_second(1))), 2);
        assert_eq!(allowed(&Rate::new(1), Some(Quota::per_second(20))), 40);
        assert_eq!(allowed(&Rate::unlimited(), Some(Quota::new(0, Duration::from_secs(1)))), 0);
        assert_eq!(allowed(&Rate::unlimited(), None), 50);
    }

    #[test]
    fn a_full_table_shuts_no_newcomer_out() {
        let mut rate = Rate::new(1);
        rate.most = 3;
        let at = Timestamp::from_millis;
        for (ms, who) in [(0, "busy"), (1, "b"), (2, "c"), (3, "busy")] {
            assert!(rate.allow(at(ms), who, None), "{who}");
        }
        assert!(!rate.allow(at(4), "busy", None));
        for i in 0..100u32 {
            assert!(rate.allow(at(5 + u64::from(i)), &format!("newcomer {i}"), None));
            // A client that goes on asking is remembered.
            assert!(!rate.allow(at(5 + u64::from(i)), "busy", None), "{i}");
        }
        assert_eq!(rate.clients.lock().unwrap().buckets.len(), 3);
        assert_eq!(rate.clients.lock().unwrap().order.len(), 3);
    }

    #[test]
    fn an_ipv6_network_is_one_client() {
        let source = |text: &str| source(text.parse().unwrap());
        assert_eq!(source("2001:db8:1:2::1"), source("2001:db8:1:2:ffff::9"));
        assert_ne!(source("2001:db8:1:2::1"), source("2001:db8:1:3::1"));
        assert_eq!(source("::ffff:203.0.113.7"), "203.0.113.7");
        assert_ne!(source("203.0.113.7"), source("203.0.113.8"));
    }
}
