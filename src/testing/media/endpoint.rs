//! One participant's media.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::engine::Engine;
use crate::error::Error;
use crate::event::Event;
use crate::keys::{EpochKeyRing, EpochKeys, EpochSecret, RingNotice, Silence, WaitQueue, Waiting};
use crate::notice::{EpochCause, Notice};
use crate::participant::Participant;
use crate::secret::Secret;
use crate::testing::media::objects::{MediaConfig, MediaObject, MediaStats, Places, Received};
use crate::time::{Timestamp, millis};
use crate::tracks::{Location, SenderId};

/// What a driver has stored: the ring as it last was, and since which epoch it is a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored(Secret, u64);

const START: Location = Location { group_id: 0, object_id: 0 };

#[derive(Clone, Copy, Debug)]
struct Removal {
    /// When this member heard of it.
    since: Timestamp,
    /// The first epoch without the removed, until it or a later one is sent with.
    to_pass: Option<u64>,
}

/// One participant's media: sender and receiver in one, and what an attacker would keep of it.
#[derive(Clone, Debug)]
pub struct MediaEndpoint {
    me: SenderId,
    config: MediaConfig,
    ring: EpochKeyRing,
    waiting: WaitQueue<Arc<MediaObject>>,
    /// The first epoch since it last joined; none while it is no member.
    member_since: Option<u64>,
    /// It gave its state up and is no member until it is let in again; its keys serve on.
    rejoining: bool,
    members: BTreeSet<SenderId>,
    /// Every secret it ever had, by epoch: erasing is up to the honest.
    ever: BTreeMap<u64, Vec<EpochSecret>>,
    durable: Option<Stored>,
    /// The lowest location of the next object.
    next: Location,
    /// The highest place sealed under each secret, by epoch, in any run: what only an onlooker remembers.
    sealed: BTreeMap<u64, Vec<(EpochSecret, Location)>>,
    /// When something is due next.
    due: Option<Timestamp>,
    removed: BTreeMap<SenderId, Removal>,
    /// Objects that waited in vain, by epoch.
    owed: BTreeMap<u64, u64>,
    stats: MediaStats,
}

impl MediaEndpoint {
    /// The media of `me`, which is no member yet.
    pub fn new(config: MediaConfig, me: SenderId) -> Self {
        Self {
            ring: EpochKeyRing::new(config.ring.clone(), me.clone()),
            waiting: WaitQueue::new(config.waiting),
            me,
            config,
            member_since: None,
            rejoining: false,
            members: BTreeSet::new(),
            ever: BTreeMap::new(),
            durable: None,
            next: START,
            sealed: BTreeMap::new(),
            due: None,
            removed: BTreeMap::new(),
            owed: BTreeMap::new(),
            stats: MediaStats::default(),
        }
    }

    /// Returns the next event that media has for the participant.
    pub fn poll_sign(&mut self) -> Option<Event> {
        self.ring.poll_sign()
    }

    /// The key ring.
    pub fn ring(&self) -> &EpochKeyRing {
        &self.ring
    }

    /// The counts so far.
    pub fn stats(&self) -> MediaStats {
        self.stats
    }

    /// The counts at the end, when all epochs that ever come have come: what is still owed is a gap.
    pub fn final_stats(&self) -> MediaStats {
        let owed: u64 = self.owed.values().sum();
        let gaps = if self.member_since.is_some() && !self.rejoining { owed } else { 0 };
        MediaStats { gaps: self.stats.gaps.saturating_add(gaps), ..self.stats }
    }

    /// Passes on what `participant` reported, at the moment it was polled.
    ///
    /// # Errors
    /// Those of [`Participant::epoch_secret`].
    pub fn on_notice<E: Engine>(
        &mut self,
        now: Timestamp,
        participant: &Participant<E>,
        notice: &Notice,
    ) -> Result<(), Error> {
        match notice {
            Notice::Rejoining { .. } => self.rejoining = true,
            Notice::Resumed { .. } => self.rejoining = false,
            Notice::Epoch { epoch, cause } => {
                if matches!(cause, EpochCause::Created | EpochCause::Welcome) {
                    self.member_since = Some(*epoch);
                    self.rejoining = false;
                }
                self.note_epoch(now, &participant.epoch_keys(*epoch)?);
            }
            Notice::Removed { .. } | Notice::Left | Notice::LeaveUnheard => {
                self.stop();
                return Ok(());
            }
            _ => return Ok(()),
        }
        self.ring.on_notice(now, notice, |epoch| participant.epoch_keys(epoch))?;
        self.follow_ring(now);
        self.plan();
        Ok(())
    }

    /// It is no member any more: every key goes, stored ones too.
    pub fn stop(&mut self) {
        self.crash();
        self.durable = None;
        self.members.clear();
        self.removed.clear();
    }

    /// The process died, with every key that was in its memory.
    pub fn crash(&mut self) {
        self.ring = EpochKeyRing::new(self.config.ring.clone(), self.me.clone());
        self.next = START;
        self.waiting = WaitQueue::new(self.config.waiting);
        self.member_since = None;
        self.rejoining = false;
        self.owed.clear();
        self.due = None;
    }

    /// Shows what is stored.
    pub fn stored(&self) -> Option<&Stored> {
        self.durable.as_ref()
    }

    /// Puts back what was stored earlier, for the next restart.
    pub fn put_back(&mut self, stored: Option<Stored>) {
        self.durable = stored;
    }

    /// It is back, as `participant` was restored, with the ring that was stored.
    ///
    /// # Errors
    /// Those of [`Participant::all_epoch_keys`] and [`EpochKeyRing::restore`].
    pub fn restart<E: Engine>(&mut self, now: Timestamp, participant: &Participant<E>) -> Result<(), Error> {
        let keys = participant.all_epoch_keys();
        let Some(first) = keys.first().map(|keys| keys.secret.epoch()) else {
            self.stop();
            self.resume(now);
            return Ok(());
        };
        self.member_since = Some(first);
        if let Some(Stored(saved, since)) = self.durable.take() {
            let kdf = participant.engine().kdf();
            self.ring = EpochKeyRing::restore(self.config.ring.clone(), self.me.clone(), kdf, &saved, now)?;
            self.resume(now);
            // With a hole between, it was out in the meantime and came back just before it died.
            if self.ring.epochs().last().is_some_and(|newest| first <= newest.saturating_add(1)) {
                self.member_since = Some(since);
            }
            // Nothing was sealed while it was down.
            let sending = self.ring.seal_with().map(EpochSecret::epoch);
            for removal in self.removed.values_mut() {
                removal.to_pass.take_if(|without| sending.is_some_and(|s| *without <= s));
            }
        }
        self.resume(now);
        for keys in &keys {
            self.note_epoch(now, keys);
        }
        self.ring.on_restore(now, keys);
        self.follow_ring(now);
        self.plan();
        Ok(())
    }

    /// Says from where on nothing was sealed, if it can.
    fn resume(&mut self, now: Timestamp) {
        if self.config.places == Places::ByTime {
            self.next = Location { group_id: now.as_millis().saturating_add(1), object_id: 0 };
            self.ring.sealing_from(self.next);
        }
    }

    /// A new epoch without a participant, with its members as far as known and who committed it.
    pub fn new_epoch(
        &mut self,
        now: Timestamp,
        secret: EpochSecret,
        members: Vec<SenderId>,
        committer: Option<&SenderId>,
    ) {
        let epoch = secret.epoch();
        let keys = EpochKeys { secret, members };
        self.note_epoch(now, &keys);
        self.ring.new_epoch(now, keys.secret, keys.members);
        if let Some(committer) = committer {
            self.ring.seen(now, committer, epoch);
        }
        self.follow_ring(now);
        self.plan();
    }

    /// Notes whose secret was had, and who came and went.
    fn note_epoch(&mut self, now: Timestamp, keys: &EpochKeys) {
        let epoch = keys.secret.epoch();
        self.member_since.get_or_insert(epoch);
        let members: BTreeSet<SenderId> = keys.members.iter().cloned().collect();
        if !members.is_empty() {
            for gone in self.members.difference(&members).filter(|m| **m != self.me) {
                // Who seals nothing need not switch; whether what comes after it leaks is looked at by itself.
                let to_pass = self.ring.sealing().is_ok().then_some(epoch);
                let removal = Removal { since: now, to_pass };
                self.removed.entry(gone.clone()).or_insert(removal);
            }
            self.removed.retain(|sender, _| !members.contains(sender));
            self.members = members;
        }
        let ever = self.ever.entry(epoch).or_default();
        if !ever.contains(&keys.secret) {
            ever.push(keys.secret.clone());
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due next.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.due
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        if self.due.is_none_or(|due| due > now) {
            return;
        }
        self.ring.handle_timeout(now);
        self.follow_ring(now);
        let expired = self.waiting.expired(now);
        self.owe(expired);
        self.plan();
    }

    fn plan(&mut self) {
        self.due = self.ring.poll_timeout().into_iter().chain(self.waiting.poll_timeout()).min();
    }

    /// The next object; `None` while it is no member.
    pub fn seal(&mut self, now: Timestamp) -> Option<MediaObject> {
        self.handle_timeout(now);
        let secret = match self.ring.sealing() {
            Ok(secret) => secret.clone(),
            Err(why) => {
                let missed = u64::from(self.member_since.is_some());
                let dark = matches!(why, Silence::NoEpoch);
                let count = if dark { &mut self.stats.dark } else { &mut self.stats.held_back };
                *count = count.saturating_add(missed);
                return None;
            }
        };
        self.stats.sealed = self.stats.sealed.saturating_add(1);
        self.place(now, &secret);
        let bound = self.config.ring.switch_after_removal;
        let known = self.removed.iter().filter(|(_, removal)| removal.since.after(bound) <= now);
        let shut_out = known.map(|(sender, _)| sender.clone()).collect();
        Some(MediaObject { sender: self.me.clone(), secret, sealed: now, shut_out })
    }

    /// Takes the next place for an object under this secret.
    fn place(&mut self, now: Timestamp, secret: &EpochSecret) {
        let mut at = self.next;
        if self.config.places == Places::ByTime {
            at = at.max(Location { group_id: now.as_millis(), object_id: 0 });
        }
        self.next = Location { object_id: at.object_id.saturating_add(1), ..at };
        let all = self.sealed.entry(secret.epoch()).or_default();
        match all.iter_mut().find(|(other, _)| other == secret) {
            Some((_, highest)) => {
                self.stats.reused = self.stats.reused.saturating_add(u64::from(at <= *highest));
                *highest = at.max(*highest);
            }
            None => all.push((secret.clone(), at)),
        }
    }

    /// Takes in an object.
    pub fn receive(&mut self, now: Timestamp, object: impl Into<Arc<MediaObject>>) -> Received {
        let object = object.into();
        if object.shut_out.contains(&self.me) && self.ever_had(&object.secret) {
            self.stats.leaks = self.stats.leaks.saturating_add(1);
        }
        self.handle_timeout(now);
        let epoch = object.secret.epoch();
        if self.ring.may_come(epoch) {
            self.ring.unopened(now, epoch);
            let gone = self.waiting.push(now, epoch, object, 1);
            self.owe(gone);
            self.plan();
            return Received::Waits;
        }
        let switches = self.ring.seal_with().is_none_or(|secret| secret.epoch() < epoch);
        let received = self.judge(now, &object);
        if switches {
            self.follow_ring(now);
            self.plan();
        }
        received
    }

    fn ever_had(&self, secret: &EpochSecret) -> bool {
        self.ever.get(&secret.epoch()).is_some_and(|all| all.contains(secret))
    }

    fn judge(&mut self, now: Timestamp, object: &MediaObject) -> Received {
        let epoch = object.secret.epoch();
        let Some(since) = self.member_since else { return Received::Ignored };
        let count;
        let received;
        if self.ring.open_with(epoch) == Some(&object.secret) {
            self.ring.seen(now, &object.sender, epoch);
            (count, received) = (&mut self.stats.opened, Received::Opened);
        } else if !self.members.contains(&object.sender) {
            return Received::Ignored;
        } else if epoch < since {
            (count, received) = (&mut self.stats.before, Received::Before);
        } else if self.ever_had(&object.secret) {
            (count, received) = (&mut self.stats.late, Received::Late);
        } else {
            (count, received) = (&mut self.stats.gaps, Received::Gap);
        }
        *count = count.saturating_add(1);
        received
    }

    fn owe(&mut self, objects: Vec<Waiting<Arc<MediaObject>>>) {
        for waited in objects.into_iter().filter(|w| self.members.contains(&w.object.sender)) {
            let owed = self.owed.entry(waited.key_id).or_default();
            *owed = owed.saturating_add(1);
        }
    }

    fn follow_ring(&mut self, now: Timestamp) {
        let mut changed = false;
        while let Some(notice) = self.ring.poll_notice() {
            changed = true;
            match notice {
                RingNotice::EpochReady { epoch } => {
                    let overdue = self.owed.remove(&epoch).unwrap_or_default();
                    self.stats.overdue = self.stats.overdue.saturating_add(overdue);
                    // Epochs that were left out on the way back in were none of this member's.
                    if self.member_since == Some(epoch) {
                        let before: u64 = self.owed.range(..epoch).map(|(_, n)| *n).sum();
                        self.stats.before = self.stats.before.saturating_add(before);
                        self.owed = self.owed.split_off(&epoch);
                    }
                    for waited in self.waiting.take_up_to(epoch) {
                        self.judge(now, &waited.object);
                    }
                }
                RingNotice::SendWith { epoch, .. } => {
                    for removal in self.removed.values_mut() {
                        if removal.to_pass.take_if(|without| *without <= epoch).is_some() {
                            let took = millis(now.since(removal.since));
                            self.stats.worst_switch_ms = self.stats.worst_switch_ms.max(took);
                        }
                    }
                }
                RingNotice::Silent { .. } => {
                    self.removed.values_mut().for_each(|removal| removal.to_pass = None);
                }
                _ => {}
            }
        }
        if let (true, Some(since)) = (changed, self.member_since) {
            self.durable = Some(Stored(self.ring.save(), since));
        }
    }
}
