//! What is remembered of senders, up to a number of them: the oldest is forgotten first.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

use crate::tracks::SenderId;

/// Senders in the order in which they were last put here, and what is known of each.
#[derive(Clone, Debug)]
pub(crate) struct Remembered<T> {
    by_age: BTreeMap<u64, (SenderId, T)>,
    ages: BTreeMap<SenderId, u64>,
    forgot: bool,
}

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        Self { by_age: BTreeMap::new(), ages: BTreeMap::new(), forgot: false }
    }
}

impl<T> Remembered<T> {
    /// Remembers a sender as the newest, and forgets the oldest of more than `most`.
    pub(crate) fn put(&mut self, sender: SenderId, of: T, most: usize) {
        self.remove(&sender);
        let age = self.by_age.last_key_value().map_or(0, |(last, _)| last.saturating_add(1));
        self.ages.insert(sender.clone(), age);
        self.by_age.insert(age, (sender, of));
        while self.by_age.len() > most {
            let Some((_, (oldest, _))) = self.by_age.pop_first() else { return };
            self.ages.remove(&oldest);
            self.forgot = true;
        }
    }

    pub(crate) fn remove(&mut self, sender: &SenderId) -> Option<T> {
        let age = self.ages.remove(sender)?;
        self.by_age.remove(&age).map(|(_, of)| of)
    }

    pub(crate) fn get(&self, sender: &SenderId) -> Option<&T> {
        let age = self.ages.get(sender)?;
        self.by_age.get(age).map(|(_, of)| of)
    }

    pub(crate) fn get_mut(&mut self, sender: &SenderId) -> Option<&mut T> {
        let age = self.ages.get(sender)?;
        self.by_age.get_mut(age).map(|(_, of)| of)
    }

    pub(crate) fn contains(&self, sender: &SenderId) -> bool {
        self.ages.contains_key(sender)
    }

    /// Whether anybody was ever forgotten for want of room: then absence says nothing.
    pub(crate) fn has_forgotten(&self) -> bool {
        self.forgot
    }

    /// The oldest first.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &(SenderId, T)> {
        self.by_age.values()
    }

    /// The oldest first, to be changed.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&SenderId, &mut T)> {
        self.by_age.values_mut().map(|(sender, of)| (&*sender, of))
    }

    /// Makes anew what [`iter`](Self::iter) and [`has_forgotten`](Self::has_forgotten) returned.
    pub(crate) fn again(oldest_first: Vec<(SenderId, T)>, forgot: bool) -> Self {
        let mut this = Self::default();
        for (sender, of) in oldest_first {
            this.put(sender, of, usize::MAX);
        }
        this.forgot = forgot;
        this
    }

    /// Makes all the same age, but for the order of their names: nothing is full where states are compared.
    #[cfg(feature = "testing")]
    pub(crate) fn level(&mut self) {
        let mut all: Vec<(SenderId, T)> = std::mem::take(&mut self.by_age).into_values().collect();
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        *self = Self::again(all, self.forgot);
    }
}

// Of the numbers only their order counts.
impl<T: PartialEq> PartialEq for Remembered<T> {
    fn eq(&self, other: &Self) -> bool {
        self.forgot == other.forgot && self.iter().eq(other.iter())
    }
}

impl<T: Eq> Eq for Remembered<T> {}

impl<T: Hash> Hash for Remembered<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.forgot.hash(state);
        self.by_age.len().hash(state);
        self.iter().for_each(|entry| entry.hash(state));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn id(name: &'static str) -> SenderId {
        SenderId::new(name).unwrap()
    }

    fn order<T>(of: &Remembered<T>) -> Vec<SenderId> {
        of.iter().map(|(sender, _)| sender.clone()).collect()
    }

    #[test]
    fn the_oldest_is_forgotten_whatever_its_name() {
        let mut all = Remembered::default();
        for name in ["z", "a", "m"] {
            all.put(id(name), (), 3);
        }
        assert!(!all.has_forgotten());
        all.put(id("z"), (), 3);
        assert!(!all.has_forgotten(), "the same once more needs no room");
        all.put(id("b"), (), 3);
        assert_eq!((order(&all), all.has_forgotten()), (vec![id("m"), id("z"), id("b")], true));
        all.remove(&id("m"));
        assert!(all.has_forgotten(), "room now makes up for nothing");
        let again = Remembered::again(all.iter().cloned().collect(), all.has_forgotten());
        assert_eq!(again, all);
        let mut none = Remembered::default();
        none.put(id("a"), (), 0);
        assert!(!none.contains(&id("a")) && none.has_forgotten());
    }
}
