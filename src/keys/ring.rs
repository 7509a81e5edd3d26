//! Which epochs can be opened now, and which one to seal with.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::keys::floor::Floor;
use crate::keys::ring_config::{ForgetReason, RingConfig, RingNotice, Silence, SwitchReason};
use crate::keys::secret::{EpochKeys, EpochSecret};
use crate::keys::signs::Signs;
use crate::notice::{EpochCause, Notice};
use crate::time::Timestamp;
use crate::tracks::SenderId;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Held {
    pub(super) secret: EpochSecret,
    /// From when on it, or one that it stands for, could be sent with.
    pub(super) ready: Timestamp,
    /// When a newer epoch came.
    pub(super) superseded: Option<Timestamp>,
    /// Since when a member is removed that can read the epochs before.
    pub(super) removal: Option<Timestamp>,
    /// When enough members were seen on it.
    pub(super) quorum: Option<Timestamp>,
}

impl Held {
    fn set_back(&mut self, by: Duration) {
        self.ready = self.ready.before(by);
        for at in [&mut self.superseded, &mut self.removal, &mut self.quorum].into_iter().flatten() {
            *at = at.before(by);
        }
    }
}

/// The epochs of one group, as one member's media uses them: a state machine without IO or clock.
///
/// Receive first: a new epoch opens at once. Sending switches to it when enough members were seen on it, or
/// at a deadline, sooner after a removal. There is an epoch to seal with from the first one on until
/// [`close`](Self::close). So media does not stop and never goes out in the clear. Two things alone interrupt it,
/// each a [`Silence`]: a restart, and that the group went on without this member.
///
/// Feed it [`new_epoch`](Self::new_epoch), [`seen`](Self::seen), [`switch_now`](Self::switch_now) and, at
/// [`poll_timeout`](Self::poll_timeout), [`handle_timeout`](Self::handle_timeout); drain
/// [`poll_notice`](Self::poll_notice) after each. [The module](crate::keys) shows the wiring. A clock that is set
/// back moves every deadline back with it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EpochKeyRing {
    pub(super) config: RingConfig,
    pub(super) me: SenderId,
    pub(super) held: BTreeMap<u64, Held>,
    pub(super) sending: Option<u64>,
    /// The members of the newest epoch.
    pub(super) members: BTreeSet<SenderId>,
    /// The newest epoch that each other member was seen on.
    pub(super) seen: BTreeMap<SenderId, u64>,
    /// The time of the last call.
    pub(super) latest: Timestamp,
    /// Since when it is known that the group goes on without this member.
    pub(super) behind: Option<Timestamp>,
    /// From where on epochs may be sealed with that an earlier run may have had.
    pub(super) resumes_at: Option<Floor>,
    /// Why nothing is sealed, as last reported.
    pub(super) silent: Option<Silence>,
    pub(super) notices: VecDeque<RingNotice>,
    pub(super) signs: Signs,
}

impl EpochKeyRing {
    /// An empty ring of member `me`.
    pub fn new(config: RingConfig, me: SenderId) -> Self {
        Self {
            config,
            me,
            held: BTreeMap::new(),
            sending: None,
            members: BTreeSet::new(),
            seen: BTreeMap::new(),
            latest: Timestamp::default(),
            behind: None,
            resumes_at: None,
            silent: None,
            notices: VecDeque::new(),
            signs: Signs::default(),
        }
    }

    /// The configuration.
    pub fn config(&self) -> &RingConfig {
        &self.config
    }

    /// Takes in a participant's notice, as soon as it was polled: new epochs, and its own end. `keys` is asked
    /// for those of a new epoch: [`Participant::epoch_keys`](crate::Participant::epoch_keys).
    ///
    /// # Errors
    /// Those of `keys`.
    pub fn on_notice<E>(
        &mut self,
        now: Timestamp,
        notice: &Notice,
        keys: impl FnOnce(u64) -> Result<EpochKeys, E>,
    ) -> Result<(), E> {
        match notice {
            Notice::Epoch { epoch, cause } => {
                let EpochKeys { secret, members } = keys(*epoch)?;
                self.new_epoch(now, secret, members);
                if let EpochCause::Commit { committer } = cause {
                    self.seen(now, committer, *epoch);
                }
            }
            Notice::Removed { .. } | Notice::Left | Notice::LeaveUnheard => self.close(),
            // The next epoch was decided, and is out of reach for now.
            Notice::Rejoining { .. }
            | Notice::FaultyCommit { .. }
            | Notice::DeadSlot { .. }
            | Notice::JoinStalled { .. } => {
                self.fall_behind(now);
            }
            _ => {}
        }
        Ok(())
    }

    /// Takes in every epoch of a participant that was just restored, which gives no notice of them:
    /// [`Participant::all_epoch_keys`](crate::Participant::all_epoch_keys).
    ///
    /// They open, and nothing is sealed with them ([`Silence::Restored`]) unless
    /// [`sealing_from`](Self::sealing_from) says from where on. None at all: it is no member, or not yet again.
    pub fn on_restore(&mut self, now: Timestamp, keys: impl IntoIterator<Item = EpochKeys>) {
        let mut keys = keys.into_iter().peekable();
        if keys.peek().is_none() {
            self.fall_behind(now);
        }
        for EpochKeys { secret, members } in keys {
            self.new_epoch(now, secret.resumed(), members);
        }
    }

    /// A new epoch, with its members as far as known (none: the list before stands).
    ///
    /// Who was a member before and is none now was removed. An epoch that is not newer than those held is
    /// ignored if its secret is the one held, or unknown and older; with another secret it comes after a
    /// fork, and it and all newer ones are replaced.
    pub fn new_epoch(
        &mut self,
        now: Timestamp,
        mut secret: EpochSecret,
        members: impl IntoIterator<Item = SenderId>,
    ) {
        self.follow_clock(now);
        let epoch = secret.epoch();
        let mut ready = now;
        let mut removal = None;
        match self.held.get(&epoch) {
            Some(held) if held.secret == secret => return,
            Some(_) => (ready, removal) = self.drop_fork(epoch, now),
            None if self.newest().is_some_and(|newest| epoch < newest) => return,
            None => {}
        }
        self.behind = None;
        if let Some(floor) = self.resumes_at.filter(|_| !secret.may_seal()) {
            secret.set_floor(floor);
        }
        let members: BTreeSet<SenderId> = members.into_iter().collect();
        if !members.is_empty() {
            if self.members.iter().any(|member| *member != self.me && !members.contains(member)) {
                removal.get_or_insert(now);
            }
            self.members = members;
            self.seen.retain(|sender, _| self.members.contains(sender));
        }
        if let Some(mut before) = self.held.last_entry() {
            before.get_mut().superseded = Some(now);
        }
        self.held.insert(epoch, Held { secret, ready, superseded: None, removal, quorum: None });
        self.notices.push_back(RingNotice::EpochReady { epoch });
        self.make_room();
        self.settle(now);
    }

    /// `sender` was seen on `epoch`: an object of its own under that key id was opened, or it committed
    /// the epoch. Pass on only what was authenticated; epochs that are not held prove nothing.
    pub fn seen(&mut self, now: Timestamp, sender: &SenderId, epoch: u64) {
        self.follow_clock(now);
        if *sender == self.me || !self.members.contains(sender) || !self.held.contains_key(&epoch) {
            return;
        }
        if self.newest() == Some(epoch) {
            self.signs.opened(now, sender, epoch);
        }
        match self.seen.get_mut(sender) {
            Some(newest) if *newest >= epoch => return,
            Some(newest) => *newest = epoch,
            None => {
                self.seen.insert(sender.clone(), epoch);
            }
        }
        self.settle(now);
    }

    /// Seals with the newest epoch from here on.
    pub fn switch_now(&mut self, now: Timestamp) {
        self.follow_clock(now);
        if let Some(newest) = self.newest() {
            self.switch(newest, SwitchReason::Asked);
        }
        self.settle(now);
    }

    /// Does what is due. Call it at [`poll_timeout`](Self::poll_timeout); at other times it does no harm.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.follow_clock(now);
        self.settle(now);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let switch = self.next_switch().map(|(at, ..)| at);
        let forget = self.held.iter().filter_map(|(epoch, held)| self.forget_at(*epoch, held)).min();
        switch.into_iter().chain(forget).chain(self.next_silence()).min()
    }

    /// The next notice.
    pub fn poll_notice(&mut self) -> Option<RingNotice> {
        self.notices.pop_front()
    }

    /// The secret to seal with; `None` where [`sealing`](Self::sealing) says why not.
    pub fn seal_with(&self) -> Option<&EpochSecret> {
        self.sealing().ok()
    }

    /// The secret of objects under this key id, if they can be opened.
    pub fn open_with(&self, key_id: u64) -> Option<&EpochSecret> {
        self.held.get(&key_id).map(|held| &held.secret)
    }

    /// True for a key id that may still come: its objects are worth keeping ([`WaitQueue`](super::WaitQueue)).
    pub fn may_come(&self, key_id: u64) -> bool {
        self.newest().is_none_or(|newest| key_id > newest)
    }

    /// The epochs that can be opened, oldest first.
    pub fn epochs(&self) -> impl Iterator<Item = u64> + '_ {
        self.held.keys().copied()
    }

    /// Erases every secret: for a member that has left or was removed. A later epoch starts anew.
    pub fn close(&mut self) {
        while let Some((epoch, _)) = self.held.pop_first() {
            self.notices.push_back(RingNotice::Forgotten { epoch, reason: ForgetReason::Closed });
        }
        self.sending = None;
        self.behind = None;
        self.silent = None;
        self.members.clear();
        self.seen.clear();
        self.signs = Signs::default();
    }

    pub(super) fn follow_clock(&mut self, now: Timestamp) {
        let back = self.latest.since(now);
        if !back.is_zero() {
            self.held.values_mut().for_each(|held| held.set_back(back));
            self.behind = self.behind.map(|since| since.before(back));
        }
        self.latest = now;
    }

    fn newest(&self) -> Option<u64> {
        self.held.last_key_value().map(|(epoch, _)| *epoch)
    }

    /// Drops the epochs from `from` on. What was still due in them is due in the one that replaces them.
    fn drop_fork(&mut self, from: u64, now: Timestamp) -> (Timestamp, Option<Timestamp>) {
        let dropped = self.held.split_off(&from);
        if self.sending.is_some_and(|epoch| dropped.contains_key(&epoch)) {
            self.sending = None;
        }
        self.seen.retain(|_, epoch| *epoch < from);
        let ready = dropped.values().map(|held| held.ready).min().unwrap_or(now);
        let removal = dropped.values().filter_map(|held| held.removal).min();
        for epoch in dropped.into_keys() {
            self.forgotten(epoch, ForgetReason::Fork);
        }
        (ready, removal)
    }

    /// Over the number, the oldest epoch goes that is neither the newest nor sent with.
    fn make_room(&mut self) {
        while self.held.len() > self.config.keep_epochs.max(2) {
            let newest = self.newest();
            let mut rest = self.held.keys().copied();
            let Some(oldest) = rest.find(|e| Some(*e) != self.sending && Some(*e) != newest) else { return };
            let Some(gone) = self.held.remove(&oldest) else { return };
            // A switch to it that was not made stays due, or ever new epochs would put it off for ever.
            if self.sending.is_some_and(|sending| sending < oldest)
                && let Some((_, next)) = self.held.range_mut(oldest..).next()
            {
                next.ready = next.ready.min(gone.ready);
                next.removal = [gone.removal, next.removal].into_iter().flatten().min();
            }
            self.forgotten(oldest, ForgetReason::Number);
        }
    }

    fn forgotten(&mut self, epoch: u64, reason: ForgetReason) {
        self.notices.push_back(RingNotice::Forgotten { epoch, reason });
    }

    pub(super) fn settle(&mut self, now: Timestamp) {
        self.note_quorums(now);
        if let Some(newest) = self.newest() {
            if self.sending.is_none() {
                self.switch(newest, SwitchReason::First);
            } else if self.is_silent_for_want_of(newest) {
                self.switch(newest, SwitchReason::Resumed);
            }
        }
        while let Some((at, epoch, reason)) = self.next_switch() {
            if at > now {
                break;
            }
            self.switch(epoch, reason);
        }
        self.tell_silence();
        self.forget_old(now);
    }

    /// Marks the epochs newer than the one sent with that enough members are on.
    fn note_quorums(&mut self, now: Timestamp) {
        let others = self.members.iter().filter(|m| **m != self.me).count();
        let needed = others.saturating_mul(usize::from(self.config.quorum)).div_ceil(100);
        let sending = self.sending;
        for (epoch, held) in self.held.iter_mut().rev().take_while(|(e, _)| sending.is_none_or(|s| **e > s)) {
            if held.quorum.is_none() && self.seen.values().filter(|at| *at >= epoch).count() >= needed {
                held.quorum = Some(now);
            }
        }
    }

    /// When an epoch is to be sent with, coalescing aside, and why.
    fn due(&self, held: &Held) -> (Timestamp, SwitchReason) {
        let deadline = (held.ready.after(self.config.switch_after), SwitchReason::Deadline);
        let removal = self.removal_due(held).map(|at| (at, SwitchReason::Removal));
        let quorum = held.quorum.map(|at| (at, SwitchReason::Quorum));
        let all = [Some(deadline), removal, quorum];
        all.into_iter().flatten().min_by_key(|(at, _)| *at).unwrap_or(deadline)
    }

    fn removal_due(&self, held: &Held) -> Option<Timestamp> {
        held.removal.map(|since| since.after(self.config.switch_after_removal))
    }

    /// The next switch: when, to which epoch, and why.
    fn next_switch(&self) -> Option<(Timestamp, u64, SwitchReason)> {
        let sending = self.sending?;
        let pending = || self.held.iter().rev().take_while(move |(epoch, _)| **epoch > sending);
        let first = pending().map(|(_, held)| self.due(held).0).min()?;
        let mut at = first.after(self.config.coalesce);
        if let Some(latest) = pending().filter_map(|(_, held)| self.removal_due(held)).min() {
            at = at.min(latest).max(first);
        }
        // Nothing newer comes due while it waits: then it need not wait so long.
        let last = pending().map(|(_, held)| self.due(held).0).filter(|due| *due <= at).max()?;
        let at = at.min(last);
        let (epoch, held) = pending().find(|(_, held)| self.due(held).0 <= at)?;
        Some((at, *epoch, self.due(held).1))
    }

    fn forget_at(&self, epoch: u64, held: &Held) -> Option<Timestamp> {
        let kept = self.sending == Some(epoch);
        held.superseded.filter(|_| !kept).map(|at| at.after(self.config.keep))
    }

    fn forget_old(&mut self, now: Timestamp) {
        let due = |(epoch, held): (&u64, &Held)| {
            self.forget_at(*epoch, held).filter(|at| *at <= now).map(|_| *epoch)
        };
        let due: Vec<u64> = self.held.iter().filter_map(due).collect();
        for epoch in due {
            self.held.remove(&epoch);
            self.forgotten(epoch, ForgetReason::Age);
        }
    }
}
