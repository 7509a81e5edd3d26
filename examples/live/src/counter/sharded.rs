//! Several stores as one: each counter is in one of them.
//!
//! Which one, rendezvous hashing says: the store whose name and the group's root name have the highest SHA-256. So every service
//! with the same list of stores finds a counter at once, in whatever order the list is. A group and its later generations
//! share a store.
//!
//! The list must not change while there are counters. With one store more, a part of the counters would be looked for where
//! they are not. So each store has the list recorded, and refuses another one.

use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use bytes::Bytes;
use moq_mls::Timestamp;
use moq_mls::counter::service::Counter;
use moq_mls::tracks::GroupName;

use super::keys::sha256;
use super::store::{Step, Store, StoreError};

/// Several stores, by their names.
pub struct Sharded(Vec<(String, Arc<dyn Store>)>);

impl Sharded {
    /// Makes one store of several. Names must differ, and must be the same for all services.
    pub fn new(mut stores: Vec<(String, Arc<dyn Store>)>) -> Result<Self> {
        stores.sort_by(|(one, _), (other, _)| one.cmp(other));
        ensure!(!stores.is_empty(), "no store");
        ensure!(stores.windows(2).all(|pair| pair[0].0 != pair[1].0), "one store is named twice");
        let names = stores.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join("\n");
        for (name, store) in &stores {
            let recorded = store.claim("stores", names.as_bytes())?;
            if recorded != names.as_bytes() {
                let list = String::from_utf8_lossy(&recorded).replace('\n', " ");
                bail!(
                    "{name} holds counters of another list of stores ({list}): name those, or begin with empty stores"
                );
            }
        }
        Ok(Self(stores))
    }

    fn of(&self, id: &GroupName) -> &dyn Store {
        let root = id.root();
        let score = |name: &str| sha256(&[name.as_bytes(), &[0], &root].concat());
        let best = self.0.iter().max_by_key(|(name, _)| score(name));
        // There is at least one.
        best.map_or(&*self.0[0].1, |(_, store)| &**store)
    }
}

impl Store for Sharded {
    fn transact(&self, id: &GroupName, now: Timestamp, step: Step<'_>) -> Result<(), StoreError> {
        self.of(id).transact(id, now, step)
    }

    fn read(&self, id: &GroupName, val: u64, now: Timestamp) -> Result<(Counter, Option<Bytes>), StoreError> {
        self.of(id).read(id, val, now)
    }

    fn max_commit(&self) -> usize {
        self.0.iter().map(|(_, store)| store.max_commit()).min().unwrap_or_default()
    }

    fn claim(&self, name: &str, value: &[u8]) -> Result<Vec<u8>> {
        for (_, store) in &self.0 {
            let recorded = store.claim(name, value)?;
            if recorded != value {
                return Ok(recorded);
            }
        }
        Ok(value.to_vec())
    }

    fn check(&self) -> Result<()> {
        self.0.iter().try_for_each(|(_, store)| store.check())
    }
}

#[cfg(test)]
mod tests {
    use super::super::redb::Redb;
    use super::*;

    fn id(name: &str) -> GroupName {
        GroupName::try_from(name).unwrap()
    }

    #[test]
    fn each_counter_is_in_one_store_whatever_the_order() {
        let folder = tempfile::tempdir().unwrap();
        let open = |name: &str| -> (String, Arc<dyn Store>) {
            (name.to_owned(), Arc::new(Redb::open(&folder.path().join(name)).unwrap()))
        };
        let stores = || ["a", "b", "c"].map(open);
        let lock = |store: &dyn Store, name: &str| {
            let at = Timestamp::from_secs(1);
            let mut step = |counter: &mut Counter| {
                counter.lock(at, 0, Bytes::from_static(b"id"), std::time::Duration::from_secs(1));
            };
            store.transact(&id(name), at, &mut step).unwrap();
        };
        let held = |store: &dyn Store, name: &str| {
            store.read(&id(name), 0, Timestamp::from_secs(1)).unwrap().0.lock_held().is_some()
        };
        {
            let all = Sharded::new(stores().into()).unwrap();
            (0..60).for_each(|number| lock(&all, &format!("room {number}")));
            lock(&all, "room 7~1");
        }
        {
            let alone = stores();
            let mut counts = [0; 3];
            for number in 0..60 {
                let name = format!("room {number}");
                let at: Vec<_> = (0..3).filter(|at| held(&*alone[*at].1, &name)).collect();
                let [at] = at[..] else { panic!("{name} in {at:?}") };
                counts[at] += 1;
                assert!(number != 7 || held(&*alone[at].1, "room 7~1"));
            }
            assert!(counts.iter().all(|count| *count > 8), "{counts:?}");
        }
        let [a, b, c] = stores();
        let all = Sharded::new(vec![c, a, b]).unwrap();
        assert!((0..60).all(|number| held(&all, &format!("room {number}"))));
        drop(all);
        // Without one of them, a third of the counters would begin anew.
        let [a, b, _] = stores();
        let refused = Sharded::new(vec![a, b]).err().unwrap().to_string();
        assert!(refused.contains("another list of stores (a b c)"), "{refused}");
    }
}
