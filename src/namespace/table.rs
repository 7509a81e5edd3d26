//! Maps that everything here is looked up in. A message may cost look-ups, and one more for each thing that
//! it brings about, but no walk through what is kept: a test counts every entry that is touched.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::ops::RangeBounds;

use bytes::Bytes;

use crate::namespace::name::Name;

/// Entries touched on this thread, so that a test can tell a look-up from a walk.
#[cfg(test)]
pub(super) mod touched {
    use std::cell::Cell;

    thread_local!(static COUNT: Cell<u64> = const { Cell::new(0) });

    pub(crate) fn one() {
        COUNT.with(|count| count.set(count.get() + 1));
    }

    /// How many entries `work` touches.
    pub(crate) fn by<T>(work: impl FnOnce() -> T) -> (u64, T) {
        let before = COUNT.with(Cell::get);
        let done = work();
        (COUNT.with(Cell::get) - before, done)
    }
}

#[cfg(not(test))]
mod touched {
    pub(super) fn one() {}
}

/// A map, of which no entry is reached uncounted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Table<K, V>(BTreeMap<K, V>);

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord, V> Table<K, V> {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn contains<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.get(key).is_some()
    }

    pub(super) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        touched::one();
        self.0.get(key)
    }

    pub(super) fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        touched::one();
        self.0.get_mut(key)
    }

    pub(super) fn get_or_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        touched::one();
        self.0.entry(key).or_default()
    }

    pub(super) fn insert(&mut self, key: K, value: V) -> Option<V> {
        touched::one();
        self.0.insert(key, value)
    }

    pub(super) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        touched::one();
        self.0.remove(key)
    }

    pub(super) fn first(&self) -> Option<(&K, &V)> {
        touched::one();
        self.0.first_key_value()
    }

    pub(super) fn last(&self) -> Option<(&K, &V)> {
        touched::one();
        self.0.last_key_value()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.0.iter().inspect(|_| touched::one())
    }

    fn range(&self, range: impl RangeBounds<K>) -> impl Iterator<Item = (&K, &V)> {
        self.0.range(range).inspect(|_| touched::one())
    }
}

impl<V> Table<Name, V> {
    /// The tracks of a namespace.
    pub(super) fn under<'a>(&'a self, namespace: &'a Bytes) -> impl Iterator<Item = &'a Name> {
        let first = (namespace.clone(), Bytes::new());
        self.range(first..).map(|(name, _)| name).take_while(move |name| name.0 == *namespace)
    }
}

/// Many values to a key, and no key without.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Many<K, V>(Table<K, Table<V, ()>>);

impl<K, V> Default for Many<K, V> {
    fn default() -> Self {
        Self(Table::default())
    }
}

impl<K: Ord, V: Ord> Many<K, V> {
    pub(super) fn add(&mut self, key: K, value: V) {
        self.0.get_or_default(key).insert(value, ());
    }

    pub(super) fn remove(&mut self, key: &K, value: &V) {
        if let Some(values) = self.0.get_mut(key) {
            values.remove(value);
            if values.is_empty() {
                self.0.remove(key);
            }
        }
    }

    pub(super) fn contains(&self, key: &K) -> bool {
        self.0.contains(key)
    }

    pub(super) fn count(&self, key: &K) -> usize {
        self.0.get(key).map_or(0, Table::len)
    }

    pub(super) fn of(&self, key: &K) -> impl Iterator<Item = &V> + use<'_, K, V> {
        self.0.get(key).into_iter().flat_map(|values| values.iter().map(|(value, ())| value))
    }
}

impl<V: Ord> Many<Name, V> {
    /// The tracks of a namespace that have any.
    pub(super) fn under<'a>(&'a self, namespace: &'a Bytes) -> impl Iterator<Item = &'a Name> {
        self.0.under(namespace)
    }
}
