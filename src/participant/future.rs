//! Commits of epochs that this participant is not at yet.

use std::collections::{BTreeMap, BTreeSet};

use crate::limits::Limits;
use crate::tracks::{Object, SenderId};

/// Commit objects of epochs not reached yet, or of a group not joined yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct FutureCommits {
    objects: BTreeMap<u64, Vec<(Option<SenderId>, Object)>>,
    bytes: usize,
    /// Epochs of which not all were kept: the commit that won may be among those that were not.
    gaps: BTreeSet<u64>,
}

/// Most epochs with gaps that are remembered.
const MOST_GAPS: usize = 256;

/// Which epochs are worth most where there is no room for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// A member needs the next ones.
    Nearest,
    /// A joiner will be let in at one of the last.
    Latest,
}

impl FutureCommits {
    /// Keeps an object; `false` if there is no room for it.
    pub(crate) fn keep(
        &mut self,
        from: Option<SenderId>,
        object: Object,
        keep: Keep,
        limits: &Limits,
    ) -> bool {
        let epoch = object.location.group_id;
        let here = self.objects.entry(epoch).or_default();
        if here.iter().any(|(_, o)| *o == object) {
            return true;
        }
        if here.len() >= limits.commits_per_epoch {
            self.note_gap(epoch);
            return false;
        }
        self.bytes = self.bytes.saturating_add(cost(&object));
        here.push((from, object));
        while self.bytes > limits.future_bytes {
            let victim = match keep {
                Keep::Nearest => self.objects.last_key_value(),
                Keep::Latest => self.objects.first_key_value(),
            };
            let Some(victim) = victim.map(|(epoch, _)| *epoch) else { break };
            self.take(victim);
            self.note_gap(victim);
        }
        self.objects.contains_key(&epoch)
    }

    #[cfg(feature = "testing")]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// Lends the objects kept of an epoch.
    pub(crate) fn at(&self, epoch: u64) -> impl Iterator<Item = &(Option<SenderId>, Object)> {
        self.objects.get(&epoch).into_iter().flatten()
    }

    /// Takes the objects kept of an epoch.
    pub(crate) fn take(&mut self, epoch: u64) -> Vec<(Option<SenderId>, Object)> {
        let objects = self.objects.remove(&epoch).unwrap_or_default();
        for (_, object) in &objects {
            self.bytes = self.bytes.saturating_sub(cost(object));
        }
        objects
    }

    fn note_gap(&mut self, epoch: u64) {
        if self.gaps.len() < MOST_GAPS {
            self.gaps.insert(epoch);
        }
    }

    /// Whether something of an epoch was not kept; asked once.
    pub(crate) fn take_gap(&mut self, epoch: u64) -> bool {
        self.gaps.remove(&epoch)
    }

    /// Drops what is further ahead than the group can be.
    pub(crate) fn forget_beyond(&mut self, epoch: u64) {
        while let Some(last) = self.objects.keys().next_back().copied().filter(|last| *last > epoch) {
            self.take(last);
        }
        self.gaps.retain(|gap| *gap <= epoch);
    }

    pub(crate) fn forget_before(&mut self, epoch: u64) {
        self.gaps.retain(|gap| *gap >= epoch);
        while let Some(first) = self.objects.keys().next().copied().filter(|first| *first < epoch) {
            self.take(first);
        }
    }
}

/// What an object counts for against the limit: empty ones take room too.
fn cost(object: &Object) -> usize {
    object.payload.len().saturating_add(256)
}
