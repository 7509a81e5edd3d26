//! Objects under an epoch that is not known yet.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::Timestamp;

/// How much a [`WaitQueue`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct WaitQueueLimits {
    /// Most objects.
    pub objects: usize,
    /// Most bytes.
    pub bytes: usize,
    /// Longest wait.
    pub time: Duration,
}

impl Default for WaitQueueLimits {
    fn default() -> Self {
        Self { objects: 1024, bytes: 4 << 20, time: Duration::from_secs(5) }
    }
}

/// Something that waits for its key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Waiting<T> {
    /// The key id it waits for.
    pub key_id: u64,
    /// What waits.
    pub object: T,
    /// Its size, bytes.
    pub bytes: usize,
    /// When it came.
    pub since: Timestamp,
}

/// A bounded queue of objects under epochs not known yet, oldest first. What does not fit or waits too
/// long is given back, for the caller to drop and count. A clock that is set back moves the waits back with it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WaitQueue<T> {
    limits: WaitQueueLimits,
    queue: VecDeque<Waiting<T>>,
    bytes: usize,
}

impl<T> WaitQueue<T> {
    /// An empty queue.
    pub fn new(limits: WaitQueueLimits) -> Self {
        Self { limits, queue: VecDeque::new(), bytes: 0 }
    }

    /// Number of objects.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// True if nothing waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Bytes of all objects.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes in an object of `bytes` bytes. Gives back what has to go for it, the oldest first: media that
    /// is late is worth less than media that is new. An object over the limit by itself comes back too.
    pub fn push(&mut self, now: Timestamp, key_id: u64, object: T, bytes: usize) -> Vec<Waiting<T>> {
        self.follow_clock(now);
        let new = Waiting { key_id, object, bytes, since: now };
        if bytes > self.limits.bytes || self.limits.objects == 0 {
            return vec![new];
        }
        let mut gone = Vec::new();
        while self.queue.len() >= self.limits.objects || self.bytes > self.limits.bytes.saturating_sub(bytes)
        {
            let Some(oldest) = self.queue.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(oldest.bytes);
            gone.push(oldest);
        }
        self.bytes = self.bytes.saturating_add(bytes);
        self.queue.push_back(new);
        gone
    }

    /// Takes out what waited for `key_id`, in the order it came: at
    /// [`EpochReady`](super::RingNotice::EpochReady).
    pub fn take(&mut self, key_id: u64) -> Vec<Waiting<T>> {
        self.take_if(|waiting| waiting.key_id == key_id)
    }

    /// Takes out what waited for `key_id` or an older one, in the order it came: after a gap in the epochs,
    /// when the older ones come no more.
    pub fn take_up_to(&mut self, key_id: u64) -> Vec<Waiting<T>> {
        self.take_if(|waiting| waiting.key_id <= key_id)
    }

    /// Takes out what has waited too long. A wait is over at its last millisecond, not after it.
    pub fn expired(&mut self, now: Timestamp) -> Vec<Waiting<T>> {
        self.follow_clock(now);
        let limit = self.limits.time;
        let over = |waiting: &Waiting<T>| waiting.since.after(limit) <= now;
        let mut gone = Vec::new();
        while self.queue.front().is_some_and(over) {
            let Some(oldest) = self.queue.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(oldest.bytes);
            gone.push(oldest);
        }
        gone
    }

    /// When [`expired`](Self::expired) is due next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.queue.front().map(|oldest| oldest.since.after(self.limits.time))
    }

    /// Keeps the queue in the order of time.
    fn follow_clock(&mut self, now: Timestamp) {
        let back = self.queue.back().map(|newest| newest.since.since(now)).filter(|back| !back.is_zero());
        if let Some(back) = back {
            self.queue.iter_mut().for_each(|waiting| waiting.since = waiting.since.before(back));
        }
    }

    fn take_if(&mut self, take: impl Fn(&Waiting<T>) -> bool) -> Vec<Waiting<T>> {
        let (taken, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.queue).into_iter().partition(|w| take(w));
        self.queue = kept.into();
        self.bytes = self.queue.iter().fold(0_usize, |sum, w| sum.saturating_add(w.bytes));
        taken
    }
}
