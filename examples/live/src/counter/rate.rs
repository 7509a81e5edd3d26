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

/// A token bucket for each client: so many at once, and one more each time that some time has passed.
pub struct Rate {
    burst: u32,
    each: Duration,
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
    /// `per_second` for each client, and twice as many at once.
    pub fn new(per_second: u32) -> Self {
        Self::with(per_second.saturating_mul(2), Duration::from_secs(1) / per_second.max(1))
    }

    /// `burst` at once, and one more after each `each`.
    pub fn with(burst: u32, each: Duration) -> Self {
        Self { burst, each, most: MAX_CLIENTS, clients: Mutex::default() }
    }

    fn nanos(duration: Duration) -> u64 {
        u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
    }

    fn full(&self) -> u64 {
        Self::nanos(self.each).saturating_mul(self.burst.into())
    }

    /// Takes one of `client`'s; false if none is left.
    pub fn allow(&self, now: Timestamp, client: &str) -> bool {
        self.ask(now, client, true)
    }

    /// Whether one of `client`'s is left.
    pub fn has(&self, now: Timestamp, client: &str) -> bool {
        self.ask(now, client, false)
    }

    fn ask(&self, now: Timestamp, client: &str, take: bool) -> bool {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let Clients { buckets, order } = &mut *clients;
        let before = buckets.get(client).copied();
        let bucket = before.unwrap_or(Bucket { left: self.full(), at: now });
        let left = bucket.left.saturating_add(Self::nanos(now.since(bucket.at))).min(self.full());
        let rest = left.checked_sub(Self::nanos(self.each));
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
        let allowed = |ms, who, tries: usize| (0..tries).filter(|_| rate.allow(at(ms), who)).count();
        assert_eq!(allowed(0, "a", 30), 10);
        assert_eq!(allowed(0, "b", 1), 1);
        assert_eq!(allowed(199, "a", 5), 0);
        assert_eq!(allowed(400, "a", 5), 2);
        assert!(!rate.has(at(400), "a") && rate.has(at(600), "a") && rate.has(at(600), "a"));
        assert_eq!(allowed(60_000, "a", 30), 10);
    }

    #[test]
    fn a_full_table_shuts_no_newcomer_out() {
        let mut rate = Rate::new(1);
        rate.most = 3;
        let at = Timestamp::from_millis;
        for (ms, who) in [(0, "busy"), (1, "b"), (2, "c"), (3, "busy")] {
            assert!(rate.allow(at(ms), who), "{who}");
        }
        assert!(!rate.allow(at(4), "busy"));
        for i in 0..100u32 {
            assert!(rate.allow(at(5 + u64::from(i)), &format!("newcomer {i}")));
            // A client that goes on asking is remembered.
            assert!(!rate.allow(at(5 + u64::from(i)), "busy"), "{i}");
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
