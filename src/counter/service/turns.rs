//! Whose turn a slot is, where the service knows who asks.
//!
//! Who has the keys of each epoch can fill one slot after the other and leave the others none. So who
//! filled the newest slot of a counter does not fill the next while another has asked for its lock: for one lease from
//! that request, and once for each slot. Others have that long to fill it, and nobody is kept out for longer. After a
//! wait that nobody used there is none at the next slot: else one that asks and never fills delays each of them.
//!
//! Members follow one slot after the other, in a round trip each, and a service keeps the newest commits only. So
//! nobody fills more than [`MOST_IN_A_ROW`] slots in a row within one lease either, no matter who waits.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;

use crate::time::Timestamp;
use crate::tracks::GroupName;

/// Slots that one source fills in a row within one lease.
pub const MOST_IN_A_ROW: u32 = 8;

/// The newest slot of a counter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Newest {
    slot: u64,
    by: Bytes,
    filled: Timestamp,
    /// Until when who filled it waits for others; `None` while none of them has asked.
    waits: Option<Timestamp>,
    /// Whether it was filled after a wait that nobody used.
    in_vain: bool,
    /// How many it filled in a row, and since when.
    row: (u32, Timestamp),
}

/// Who filled the newest slots of counters, and who has asked for the next.
///
/// It is kept in memory only, and lost with it: then each counter has one slot without the rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Turns {
    most: usize,
    newest: BTreeMap<GroupName, Newest>,
    /// The same by time, oldest first.
    filled: BTreeSet<(Timestamp, GroupName)>,
}

impl Turns {
    /// Remembers nothing yet, and of at most `most` counters: those filled last.
    pub fn new(most: usize) -> Self {
        Self { most, newest: BTreeMap::new(), filled: BTreeSet::new() }
    }

    /// Notes that `source` asks for the lock of slot `val`. One that asks about the newest slot may only want to know
    /// what won; one that is further behind while slots are filled wants to fill one.
    pub fn on_lock(&mut self, now: Timestamp, id: &GroupName, source: &Bytes, val: u64, lease: Duration) {
        let Some(newest) = self.newest.get(id) else { return };
        // No client fills a slot further ahead: such a request is an audit, or a look at a made-up epoch.
        let wants_next = newest.slot.checked_add(1) == Some(val);
        if wants_next || (val < newest.slot && now.since(newest.filled) < lease) {
            self.on_intent(now, id, source, lease);
        }
    }

    /// Notes that `source` came too late with an increment of slot `val`.
    pub fn on_lost(&mut self, now: Timestamp, id: &GroupName, source: &Bytes, val: u64, lease: Duration) {
        let Some(newest) = self.newest.get(id) else { return };
        if val <= newest.slot && now.since(newest.filled) < lease {
            self.on_intent(now, id, source, lease);
        }
    }

    fn on_intent(&mut self, now: Timestamp, id: &GroupName, source: &Bytes, lease: Duration) {
        let Some(newest) = self.newest.get_mut(id) else { return };
        if newest.by != *source && !newest.in_vain && newest.waits.is_none() {
            newest.waits = Some(now.after(lease));
        }
    }

    /// Returns whether `source` may fill slot `val` now.
    pub fn may_fill(
        &self,
        now: Timestamp,
        id: &GroupName,
        source: &Bytes,
        val: u64,
        lease: Duration,
    ) -> bool {
        let Some(newest) = self.newest.get(id) else { return true };
        let next = newest.slot.checked_add(1) == Some(val);
        // A clock that was set back makes no lease longer.
        let lasts = |until: Timestamp| now < until && until.since(now) <= lease;
        let (count, since) = newest.row;
        let waits = newest.waits.is_some_and(lasts) || (count >= MOST_IN_A_ROW && lasts(since.after(lease)));
        !(next && waits && newest.by == *source)
    }

    /// Notes that `source` filled slot `slot`; without one, the client that did may fill the next.
    pub fn on_filled(
        &mut self,
        now: Timestamp,
        id: &GroupName,
        source: Option<&Bytes>,
        slot: u64,
        lease: Duration,
    ) {
        // A late report: another thread was faster. A much lower slot is that of a counter that began again.
        let passed =
            |newest: &Newest| newest.slot.checked_sub(slot).is_some_and(|by| by < u64::from(MOST_IN_A_ROW));
        let newest = self.newest.get(id);
        if newest.is_some_and(passed) {
            return;
        }
        let before = newest.filter(|newest| Some(&newest.by) == source);
        let in_vain = before.is_some_and(|newest| newest.waits.is_some_and(|until| now >= until));
        let row = before.map(|newest| newest.row).filter(|(_, since)| now.since(*since) < lease);
        let row = row.map_or((1, now), |(count, since)| (count.saturating_add(1), since));
        self.forget(id);
        let Some(by) = source.cloned() else { return };
        while self.newest.len() >= self.most.max(1) {
            let Some((_, oldest)) = self.filled.pop_first() else { break };
            self.newest.remove(&oldest);
        }
        self.filled.insert((now, id.clone()));
        self.newest.insert(id.clone(), Newest { slot, by, filled: now, waits: None, in_vain, row });
    }

    /// Forgets a counter.
    pub fn forget(&mut self, id: &GroupName) {
        if let Some(Newest { filled, .. }) = self.newest.remove(id) {
            self.filled.remove(&(filled, id.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const LEASE: Duration = Duration::from_secs(2);

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + ms)
    }

    #[test]
    fn who_filled_a_slot_waits_one_lease_for_who_asked() {
        let id = GroupName::try_from("g").unwrap();
        let [a, b] = ["a", "b"].map(Bytes::from);
        let mut turns = Turns::new(8);
        let may = |turns: &Turns, who: &Bytes, ms, val| turns.may_fill(at(ms), &id, who, val, LEASE);
        assert!(may(&turns, &a, 0, 5), "nothing is known");
        turns.on_filled(at(0), &id, Some(&a), 5, LEASE);
        assert!(may(&turns, &a, 1, 6), "nobody else has asked");
        turns.on_lock(at(2), &id, &a, 6, LEASE);
        assert!(may(&turns, &a, 3, 6), "its own request is nobody else's");
        for far in [7, 1 << 63, u64::MAX] {
            turns.on_lock(at(3), &id, &b, far, LEASE);
            assert!(may(&turns, &a, 3, 6), "{far} is no slot that b could fill");
        }
        turns.on_lock(at(3), &id, &b, 5, LEASE);
        assert!(may(&turns, &a, 3, 6), "b may only want to know what won");
        let mut behind = turns.clone();
        behind.on_lock(at(4), &id, &b, 4, LEASE);
        assert!(!may(&behind, &a, 5, 6), "b cannot keep up");
        turns.on_lost(at(4), &id, &a, 5, LEASE);
        assert!(may(&turns, &a, 5, 6));
        turns.on_lost(at(4), &id, &b, 5, LEASE);
        assert!(!may(&turns, &a, 5, 6), "b came too late");
        assert!(may(&turns, &b, 5, 6) && may(&turns, &a, 5, 5) && may(&turns, &a, 5, 7));
        // Asking again and again makes it no longer.
        turns.on_lock(at(1999), &id, &b, 6, LEASE);
        assert!(!may(&turns, &a, 2003, 6) && may(&turns, &a, 2004, 6));
        turns.on_lock(at(2500), &id, &b, 6, LEASE);
        assert!(may(&turns, &a, 2501, 6), "once for each slot");
        turns.on_filled(at(2800), &id, Some(&a), 6, LEASE);
        turns.on_lock(at(2900), &id, &b, 7, LEASE);
        assert!(may(&turns, &a, 2901, 7), "it was waited for in vain");
        turns.on_filled(at(3000), &id, Some(&a), 7, LEASE);
        // What was lost long ago is no reason any more.
        turns.on_lock(at(9000), &id, &b, 6, LEASE);
        turns.on_lost(at(9000), &id, &b, 7, LEASE);
        assert!(may(&turns, &a, 9001, 8));
        turns.on_lock(at(9002), &id, &b, 8, LEASE);
        assert!(!may(&turns, &a, 9003, 8));
        assert!(may(&turns, &a, 1000, 8), "the clock was set back by more than a lease");
        turns.on_filled(at(9004), &id, Some(&b), 8, LEASE);
        assert!(may(&turns, &a, 9005, 9));
        turns.on_lock(at(9006), &id, &a, 9, LEASE);
        assert!(!may(&turns, &b, 9007, 9));
        // A late report, as another thread was faster; then one of a counter that began again.
        let mut late = turns.clone();
        late.on_filled(at(9008), &id, Some(&a), 7, LEASE);
        assert_eq!(late, turns);
        late.on_filled(at(9008), &id, Some(&a), 0, LEASE);
        assert!(may(&late, &b, 9009, 9) && may(&late, &a, 9009, 1));
        late.on_lock(at(9010), &id, &b, 1, LEASE);
        assert!(!may(&late, &a, 9011, 1));
        turns.on_filled(at(9008), &id, None, 9, LEASE);
        assert!(may(&turns, &b, 9009, 10), "nobody knows who filled it");
    }

    #[test]
    fn nobody_fills_many_in_a_row() {
        let id = GroupName::try_from("g").unwrap();
        let [a, b] = ["a", "b"].map(Bytes::from);
        let mut turns = Turns::new(8);
        let most = u64::from(MOST_IN_A_ROW);
        for slot in 0..most {
            assert!(turns.may_fill(at(slot), &id, &a, slot, LEASE));
            turns.on_filled(at(slot), &id, Some(&a), slot, LEASE);
        }
        assert!(!turns.may_fill(at(1999), &id, &a, most, LEASE));
        assert!(turns.may_fill(at(1999), &id, &b, most, LEASE));
        assert!(turns.may_fill(at(2000), &id, &a, most, LEASE), "a lease after the first of them");
        turns.on_filled(at(2000), &id, Some(&a), most, LEASE);
        assert!(turns.may_fill(at(2001), &id, &a, most + 1, LEASE));
        turns.on_filled(at(2001), &id, Some(&b), most + 1, LEASE);
        turns.on_filled(at(2002), &id, Some(&a), most + 2, LEASE);
        assert_eq!(turns.newest.get(&id).unwrap().row.0, 1, "b was between");
    }

    #[test]
    fn the_oldest_are_forgotten_first() {
        let a = Bytes::from("a");
        let id = |n: u64| GroupName::try_from(format!("g{n}").as_str()).unwrap();
        let mut turns = Turns::new(2);
        for n in 0..3 {
            turns.on_filled(at(n), &id(n), Some(&a), 1, LEASE);
            turns.on_lock(at(n), &id(n), &Bytes::from("b"), 2, LEASE);
        }
        let waits: Vec<bool> = (0..3).map(|n| !turns.may_fill(at(3), &id(n), &a, 2, LEASE)).collect();
        assert_eq!(waits, [false, true, true]);
        assert_eq!((turns.newest.len(), turns.filled.len()), (2, 2));
        turns.forget(&id(2));
        assert_eq!((turns.newest.len(), turns.filled.len()), (1, 1));
    }
}
