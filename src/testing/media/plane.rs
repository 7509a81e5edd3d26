//! The media of everyone, and what carries it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::event::Event;
use crate::testing::faults::Faults;
use crate::testing::media::endpoint::MediaEndpoint;
use crate::testing::media::objects::{MediaConfig, MediaObject, MediaStats};
use crate::testing::rng::Rng;
use crate::time::Timestamp;
use crate::tracks::SenderId;

/// What a step of the plane needs to know of the network around it.
#[derive(Clone, Copy, Debug)]
pub struct Links<'a> {
    /// What goes wrong: latency, lost, late and repeated objects.
    pub faults: &'a Faults,
    /// Until when each is cut off, by number.
    pub cut_until: &'a [Timestamp],
}

/// The media of all participants of a network, and the way between them: everyone gets what anyone seals,
/// members or not, as a relay would have it. It draws from a seed of its own.
#[derive(Clone, Debug)]
pub struct MediaPlane {
    config: MediaConfig,
    rng: Rng,
    endpoints: Vec<MediaEndpoint>,
    queue: BTreeMap<(Timestamp, u64), (usize, Arc<MediaObject>)>,
    sequence: u64,
    next_round: Timestamp,
}

impl MediaPlane {
    /// A plane without participants, which begins at `now`.
    pub fn new(config: MediaConfig, seed: u64, now: Timestamp) -> Self {
        Self {
            config,
            rng: Rng::new(seed),
            endpoints: Vec::new(),
            queue: BTreeMap::new(),
            sequence: 0,
            next_round: now,
        }
    }

    /// Adds a participant; numbers go up from 0.
    pub fn add(&mut self, me: SenderId) {
        self.endpoints.push(MediaEndpoint::new(self.config.clone(), me));
    }

    /// The media of a participant.
    pub fn endpoint_mut(&mut self, who: usize) -> Option<&mut MediaEndpoint> {
        self.endpoints.get_mut(who)
    }

    /// The media of all participants, by number.
    pub fn endpoints(&self) -> &[MediaEndpoint] {
        &self.endpoints
    }

    /// The counts of all, as at the end.
    pub fn stats(&self) -> MediaStats {
        self.endpoints.iter().map(MediaEndpoint::final_stats).fold(MediaStats::default(), MediaStats::and)
    }

    /// When [`step`](Self::step) is due next.
    pub fn next_at(&self) -> Timestamp {
        let arrival = self.queue.keys().next().map(|(at, _)| *at);
        let timeouts = self.endpoints.iter().filter_map(MediaEndpoint::poll_timeout);
        timeouts.chain(arrival).fold(self.next_round, Timestamp::min)
    }

    /// Does all that is due up to `now`, in order.
    pub fn advance(&mut self, now: Timestamp, links: Links<'_>) {
        loop {
            let at = self.next_at();
            if at > now {
                return;
            }
            self.step(at, links);
        }
    }

    /// Returns what the participants are to hear of it, each by its number.
    pub fn take_signs(&mut self) -> Vec<(usize, Event)> {
        let heard = |(who, endpoint): (usize, &mut MediaEndpoint)| {
            std::iter::from_fn(move || endpoint.poll_sign())
                .map(move |event| (who, event))
                .collect::<Vec<_>>()
        };
        self.endpoints.iter_mut().enumerate().flat_map(heard).collect()
    }

    /// Does what is due at `now`.
    pub fn step(&mut self, now: Timestamp, links: Links<'_>) {
        for endpoint in &mut self.endpoints {
            endpoint.handle_timeout(now);
        }
        while let Some(entry) = self.queue.first_entry().filter(|e| e.key().0 <= now) {
            let (to, object) = entry.remove();
            if let Some(endpoint) = self.endpoints.get_mut(to) {
                endpoint.receive(now, object);
            }
        }
        if self.next_round <= now {
            self.next_round = now.after(self.config.interval.max(Duration::from_millis(1)));
            for from in 0..self.endpoints.len().min(self.config.speakers) {
                let object = self.endpoints.get_mut(from).and_then(|endpoint| endpoint.seal(now));
                if let Some(object) = object {
                    self.send(now, from, &Arc::new(object), links);
                }
            }
        }
    }

    fn send(&mut self, now: Timestamp, from: usize, object: &Arc<MediaObject>, links: Links<'_>) {
        let is_cut = |who: usize| links.cut_until.get(who).is_some_and(|until| now < *until);
        for to in (0..self.endpoints.len()).filter(|to| *to != from) {
            if is_cut(from) || is_cut(to) || self.rng.chance(links.faults.lost_objects) {
                continue;
            }
            let copies = 1 + u64::from(self.rng.chance(links.faults.repeated_objects));
            for _ in 0..copies {
                let late = if self.rng.chance(links.faults.late_objects) { 20 } else { 1 };
                let at = now.after(self.rng.between(links.faults.latency).saturating_mul(late));
                self.sequence = self.sequence.wrapping_add(1);
                self.queue.insert((at, self.sequence), (to, Arc::clone(object)));
            }
        }
    }
}
