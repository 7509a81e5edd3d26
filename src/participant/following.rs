//! Following the group (draft section 6.3.2): commits are tried aside, held until their slot's
//! pin is known, and applied only then.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::action::{Action, Timer};
use crate::config::SafetyMode;
use crate::counter::{MAX_RECEIPT, Pin, receipt_message};
use crate::engine::{Engine, EngineError, Member, MessageKind, Next, WelcomeInfo};
use crate::error::Error;
use crate::limits::Limits;
use crate::notice::{Fault, Notice, RejoinReason};
use crate::participant::flaws::Flaw;
use crate::participant::membership::{Candidate, Membership, Step, Unheard};
use crate::participant::turn::Wishes;
use crate::participant::{Participant, State};
use crate::tracks::{Location, Object, SenderId};

/// Commit objects of epochs not reached yet, or of a group not joined yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Later {
    objects: BTreeMap<u64, Vec<(Option<SenderId>, Object)>>,
    bytes: usize,
}

impl Later {
    /// Keeps an object. A member keeps the nearest epochs; one who is not in yet, the latest.
    fn keep(&mut self, from: Option<SenderId>, object: Object, member: bool, limits: &Limits) -> bool {
        let epoch = object.location.group;
        let here = self.objects.entry(epoch).or_default();
        if here.iter().any(|(_, o)| *o == object) {
            return true;
        }
        if here.len() >= limits.commits_per_epoch {
            return false;
        }
        self.bytes = self.bytes.saturating_add(cost(&object));
        here.push((from, object));
        while self.bytes > limits.future_bytes {
            let victim = if member { self.objects.last_key_value() } else { self.objects.first_key_value() };
            let Some(victim) = victim.map(|(epoch, _)| *epoch) else { break };
            self.take(victim);
        }
        self.objects.contains_key(&epoch)
    }

    #[cfg(feature = "testing")]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The objects kept of an epoch.
    pub(crate) fn of(&self, epoch: u64) -> impl Iterator<Item = &Object> {
        self.objects.get(&epoch).into_iter().flatten().map(|(_, object)| object)
    }

    fn take(&mut self, epoch: u64) -> Vec<(Option<SenderId>, Object)> {
        let objects = self.objects.remove(&epoch).unwrap_or_default();
        for (_, object) in &objects {
            self.bytes = self.bytes.saturating_sub(cost(object));
        }
        objects
    }

    fn forget_before(&mut self, epoch: u64) {
        while let Some(first) = self.objects.keys().next().copied().filter(|first| *first < epoch) {
            self.take(first);
        }
    }
}

/// What an object counts for against the limit: empty ones take room too.
fn cost(object: &Object) -> usize {
    object.payload.len().saturating_add(256)
}

/// What a commit changes, for the roster and the notices.
pub(crate) struct Change {
    pub(crate) committer: Option<u32>,
    pub(crate) removed: Vec<u32>,
    pub(crate) added: Vec<Member>,
}

/// What goes with an epoch that one made oneself.
struct OwnCommit {
    saved: Bytes,
    welcomes: Vec<(SenderId, Bytes)>,
    tree: Option<Bytes>,
    unheard: Option<Unheard>,
}

impl<E: Engine> Participant<E> {
    pub(crate) fn on_commit_object(&mut self, from: Option<SenderId>, object: Object) -> Result<(), Error> {
        let limits = &self.config.limits;
        if object.payload.len() > limits.handshake_bytes {
            self.fault(from, Fault::TooLarge);
            return Ok(());
        }
        let most = u64::try_from(limits.roster).unwrap_or(u64::MAX).saturating_add(1).saturating_mul(2);
        if object.location.object > most.saturating_add(1) {
            self.fault(from, Fault::BadLocation);
            return Ok(());
        }
        let group = object.location.group;
        match &self.state {
            State::Bootstrapping(_) => self.on_sign_of_a_group(&object),
            State::Member(member) if group < member.epoch => {
                self.on_past_object(&object);
                return Ok(());
            }
            State::Member(member) if group == member.epoch => return self.on_present_object(from, object),
            State::Member(member) if group - member.epoch > limits.future_epochs => {
                self.fault(from, Fault::WrongEpoch);
                return Ok(());
            }
            State::Member(_) | State::Joining(_) => {}
            State::New | State::Ended => return Ok(()),
        }
        let member = self.member().is_some();
        if !self.later.keep(from.clone(), object, member, &self.config.limits) {
            self.fault(from, Fault::TooMany);
        } else if member {
            self.notice_gap();
        }
        Ok(())
    }

    /// A commit of a later epoch is here: the ones before it exist, and are either on their way or lost.
    fn notice_gap(&mut self) {
        if self.member().is_some_and(|m| m.candidates.is_empty() && m.decided.is_none()) {
            self.deadlines.bring_forward(Timer::Confirm, self.now.after(self.config.timers.confirm));
        }
    }

    /// An object of this epoch's MOQT group: a commit at an even id, its receipt at the next.
    fn on_present_object(&mut self, from: Option<SenderId>, object: Object) -> Result<(), Error> {
        let id = object.location.object;
        if id % 2 == 1 {
            self.on_receipt(from, id, object.payload)
        } else {
            self.try_commit(from, id, object.payload)
        }
    }

    fn try_commit(&mut self, from: Option<SenderId>, id: u64, bytes: Bytes) -> Result<(), Error> {
        let hash = self.engine.sha256(&bytes)?;
        let me = self.me.clone();
        let (most_looks, most_held) = (self.config.limits.commits_per_epoch, self.config.limits.candidates);
        let Some(member) = self.member_mut() else { return Ok(()) };
        if member.outbox.as_ref().is_some_and(|o| o.pin.commit_hash() == hash) {
            return self.on_own_commit_seen();
        }
        if from.as_ref().is_none_or(|from| *from == me) && member.taken.len() < most_looks {
            member.taken.insert(id);
        }
        if let Some(candidate) = member.candidate(&hash).and_then(|i| member.candidates.get_mut(i)) {
            candidate.objects.insert(id);
            return self.use_receipts();
        }
        if member.decided.is_some_and(|pin| pin.commit_hash() != hash) {
            // The slot is decided for another commit.
            return Ok(());
        }
        let over = member.looked_at >= most_looks || member.candidates.len() >= most_held;
        if over && member.decided.is_none() {
            self.fault(from, Fault::TooMany);
            return Ok(());
        }
        member.looked_at = member.looked_at.saturating_add(1);
        let Some(member) = self.member() else { return Ok(()) };
        match self.engine.trial(&member.group, self.now, &bytes) {
            Ok(trial) => {
                // One per author: a member that sends two cannot crowd out the others.
                if member.decided.is_none()
                    && member.candidates.iter().any(|c| c.trial.author == trial.author)
                {
                    self.fault(from, Fault::TooMany);
                    return Ok(());
                }
                let candidate = Candidate { hash, objects: [id].into(), trial };
                self.on_candidate(candidate)
            }
            // Ours, from before a state loss: nobody can process it for us, and others will.
            Err(EngineError::Own) => Ok(()),
            Err(_) => {
                let fault = self.what_is_wrong_with(&bytes);
                self.fault(from, fault);
                if fault != Fault::Invalid {
                    return Ok(());
                }
                if self.has(Flaw::HelpUntried) {
                    self.pin_slot(Pin::new(hash, [0; 32]), None, false);
                }
                self.on_faulty(&hash)
            }
        }
    }

    /// Why this, of the present epoch's MOQT group, is no commit on the present epoch.
    fn what_is_wrong_with(&self, bytes: &Bytes) -> Fault {
        match self.engine.classify(bytes) {
            Ok(MessageKind::Commit { group_id, .. }) if group_id != self.config.group.as_bytes() => {
                Fault::WrongGroup
            }
            Ok(MessageKind::Commit { epoch, .. }) if Some(epoch) != self.epoch() => Fault::WrongEpoch,
            Ok(MessageKind::Commit { .. }) => Fault::Invalid,
            Ok(_) | Err(_) => Fault::NotMls,
        }
    }

    fn on_candidate(&mut self, candidate: Candidate<E::Group>) -> Result<(), Error> {
        let pinned = self.is_pinned();
        let Some(member) = self.member_mut() else { return Ok(()) };
        let unsent = member.outbox.as_ref().is_none_or(|o| !o.sent);
        member.candidates.push(candidate);
        if let Some(pin) = member.decided {
            return self.decide(pin);
        }
        let at = member.candidates.len().saturating_sub(1);
        if !pinned && unsent {
            // The draft's rule: process it on receipt. In Fenced mode its author has won the slot.
            return self.apply_candidate(at, None);
        }
        if self.has(Flaw::ApplyOnReceipt) {
            let pin = self.member().and_then(Membership::best_candidate);
            return self.apply_candidate(at, pin);
        }
        self.deadlines.clear(Timer::Turn);
        let wait = self.config.timers.confirm + self.jitter.up_to(self.config.timers.confirm);
        self.deadlines.bring_forward(Timer::Confirm, self.now.after(wait));
        self.use_receipts()?;
        self.on_rival();
        Ok(())
    }

    /// A decided commit that cannot be processed: report it and come back as a new leaf.
    fn on_faulty(&mut self, hash: &[u8; 32]) -> Result<(), Error> {
        let Some(member) = self.member() else { return Ok(()) };
        if member.decided.is_none_or(|pin| pin.commit_hash() != hash) {
            return Ok(());
        }
        self.notify(Notice::FaultyCommit { epoch: member.epoch, commit_hash: *hash });
        self.rejoin(RejoinReason::FaultyCommit)
    }

    fn on_receipt(&mut self, from: Option<SenderId>, id: u64, receipt: Bytes) -> Result<(), Error> {
        let most = self.config.limits.candidates;
        let Some(member) = self.member_mut() else { return Ok(()) };
        if receipt.len() > MAX_RECEIPT {
            self.fault(from, Fault::BadReceipt);
        } else if member.receipts.len() >= most {
            self.fault(from, Fault::TooMany);
        } else {
            member.receipts.push((id - 1, receipt));
            return self.use_receipts();
        }
        Ok(())
    }

    /// A receipt that verifies confirms its commit without a word from the counter service.
    fn use_receipts(&mut self) -> Result<(), Error> {
        let Some(key) = self.config.service_key.clone().filter(|_| self.is_pinned()) else { return Ok(()) };
        let Some(member) = self.member() else { return Ok(()) };
        let slot = member.slot();
        let confirmed = member.receipts.iter().find_map(|(id, receipt)| {
            let pin = member.candidates.iter().find(|c| c.objects.contains(id))?.pin()?;
            let message = receipt_message(&self.config.group, slot, &pin);
            self.engine.verify_receipt(&key, &message, receipt).then_some(pin)
        });
        match confirmed {
            Some(pin) => {
                self.stats.receipts_used = self.stats.receipts_used.saturating_add(1);
                self.decide(pin)
            }
            None => Ok(()),
        }
    }

    /// The pin by which a Welcome's epoch won its slot, if its commit and a receipt for it came already: then
    /// a joiner need not ask the counter either.
    pub(crate) fn pin_by_receipt(&self, welcome: &WelcomeInfo) -> Option<Pin> {
        let key = self.config.service_key.as_ref().filter(|_| self.is_pinned())?;
        let sent_in = welcome.epoch.checked_sub(1)?;
        let receipts = self.later.of(sent_in).filter(|o| o.location.object % 2 == 1);
        receipts.take(self.config.limits.candidates).find_map(|receipt| {
            let of = receipt.location.object - 1;
            let commit =
                self.later.of(sent_in).find(|o| o.location.object == of && o.track == receipt.track)?;
            let hash = self.engine.sha256(&commit.payload).ok()?;
            let pin = Pin::new(hash, welcome.context_hash);
            let message = receipt_message(&self.config.group, welcome.epoch, &pin);
            self.engine.verify_receipt(key, &message, &receipt.payload).then_some(pin)
        })
    }

    /// The slot is decided: apply the commit that `pin` names, or go and find it.
    pub(crate) fn decide(&mut self, pin: Pin) -> Result<(), Error> {
        let Some(member) = self.member_mut() else { return Ok(()) };
        member.halted = None;
        if member.outbox.as_ref().is_some_and(|o| o.pin == pin) {
            return self.apply_outbox();
        }
        if let Some(at) = member.candidates.iter().position(|c| c.agrees_with(&pin)) {
            return self.apply_candidate(at, self.is_pinned().then_some(pin));
        }
        let commit_hash: Option<[u8; 32]> = pin.commit_hash().try_into().ok();
        let misnamed = member.candidates.iter().any(|c| c.is_named_by(&pin));
        member.decided = Some(pin);
        member.step = Step::Idle;
        // Losers and their secrets go; what they held is rebuilt in the next epoch.
        member.candidates.clear();
        if member.outbox.take().is_some() {
            self.stats.commits_lost = self.stats.commits_lost.saturating_add(1);
        }
        if let (true, Some(hash)) = (misnamed, commit_hash) {
            // The commit makes another epoch than its author told the service.
            return self.on_faulty(&hash);
        }
        for timer in [Timer::Turn, Timer::Confirm, Timer::ReadBack, Timer::Request] {
            self.deadlines.clear(timer);
        }
        self.deadlines.bring_forward(Timer::Rejoin, self.now.after(self.config.timers.rejoin));
        self.fetch_missing();
        Ok(())
    }

    /// Advisory: the counter is ahead, so a commit is on its way or lost.
    pub(crate) fn on_behind(&mut self) -> Result<(), Error> {
        if let Some(member) = self.member_mut() {
            member.step = Step::Idle;
        }
        self.deadlines.bring_forward(Timer::Rejoin, self.now.after(self.config.timers.rejoin));
        self.fetch_missing();
        Ok(())
    }

    /// Asks the relay for what is missing, again and again until it is here or the member gives up.
    pub(crate) fn fetch_missing(&mut self) {
        let Some(epoch) = self.epoch() else { return };
        let track = self.tracks.commit(&self.me);
        let last = epoch.saturating_add(self.config.limits.future_epochs);
        self.fetch(track, epoch..=last);
        let wait = self.config.timers.fetch + self.jitter.up_to(self.config.timers.fetch / 2);
        self.deadlines.set(Timer::Fetch, self.now.after(wait));
    }

    fn apply_outbox(&mut self) -> Result<(), Error> {
        let pinned = self.is_pinned();
        let Some(member) = self.member_mut() else { return Ok(()) };
        // mls-rs would roll a group back without a word: the base must be the very epoch we are in.
        let Some(outbox) = member.outbox.take_if(|o| o.base == member.context_hash) else {
            return self.rejoin(RejoinReason::Unreachable);
        };
        let change = Change { committer: Some(member.leaf), removed: outbox.removed, added: outbox.added };
        let group = member.epoch;
        let pin = pinned.then_some(outbox.pin);
        let place = self.commit_place(&outbox.commit)?;
        let unheard = (self.config.mode == SafetyMode::Fenced)
            .then(|| Unheard { location: Location { group, object: place }, commit: outbox.commit });
        self.stats.commits_won = self.stats.commits_won.saturating_add(1);
        self.wishes.update = false;
        let own = OwnCommit { saved: outbox.saved, welcomes: outbox.welcomes, tree: outbox.tree, unheard };
        self.enter_epoch(outbox.next, change, pin, Some(own))
    }

    fn apply_candidate(&mut self, at: usize, pin: Option<Pin>) -> Result<(), Error> {
        let Some(member) = self.member_mut() else { return Ok(()) };
        if at >= member.candidates.len() {
            return Ok(());
        }
        let trial = member.candidates.swap_remove(at).trial;
        if member.outbox.take().is_some() {
            self.stats.commits_lost = self.stats.commits_lost.saturating_add(1);
            if self.has(Flaw::DroppedIntent) {
                self.wishes = Wishes::default();
            }
        }
        let change = Change { committer: Some(trial.author), removed: trial.removed, added: trial.added };
        match trial.next {
            Some(next) => self.enter_epoch(next, change, pin, None),
            None => self.on_removed(&change.added),
        }
    }

    fn on_removed(&mut self, added: &[Member]) -> Result<(), Error> {
        if added.iter().any(|m| m.sender == self.me) {
            return self.wait_for_welcome();
        }
        let epoch = self.member().map_or(0, |m| m.slot());
        let notice = if self.leaving.is_some() { Notice::Left } else { Notice::Removed { epoch } };
        self.end(notice)
    }

    /// Puts the next epoch in force: durable first, then Welcomes, then the news.
    fn enter_epoch(
        &mut self,
        next: Next<E::Group>,
        change: Change,
        pin: Option<Pin>,
        own: Option<OwnCommit>,
    ) -> Result<(), Error> {
        let OwnCommit { saved, welcomes, tree, unheard } = match own {
            Some(own) => own,
            None => {
                let saved = self.engine.save(&next.group)?;
                OwnCommit { saved, welcomes: Vec::new(), tree: None, unheard: None }
            }
        };
        self.keep_passed_epoch()?;
        let Some(member) = self.member_mut() else { return Ok(()) };
        let committer = change.committer.and_then(|l| member.roster.at(l)).map(|m| m.sender.clone());
        member.epoch = member.slot();
        member.group = next.group;
        member.saved = saved;
        member.context_hash = next.context_hash;
        member.pin = pin;
        member.candidates.clear();
        member.receipts.clear();
        member.looked_at = 0;
        member.taken.clear();
        member.outbox = None;
        member.step = Step::Idle;
        member.decided = None;
        member.attempts = 0;
        member.welcomes = welcomes;
        member.tree = tree;
        member.unheard = unheard;
        let removed: Vec<Member> = change.removed.iter().filter_map(|l| member.roster.remove(*l)).collect();
        for added in &change.added {
            member.roster.insert(added.clone());
        }
        let epoch = member.epoch;
        for timer in
            [Timer::Turn, Timer::Confirm, Timer::ReadBack, Timer::Fetch, Timer::Rejoin, Timer::Request]
        {
            self.deadlines.clear(timer);
        }
        self.schedule_audit();
        self.stats.epochs = self.stats.epochs.saturating_add(1);
        self.later.forget_before(epoch);
        self.settle(&removed, &change.added);
        self.persist()?;
        self.publish_unheard();
        self.publish_welcomes();
        self.notify(Notice::Epoch { epoch, committer });
        self.tell_changes(removed, change.added);
        self.settle_leaves(epoch)?;
        self.replay_later()
    }

    /// The embedder could not pull the secret of an epoch whose notice it has not polled, and MLS has no
    /// way back to one.
    pub(crate) fn keep_passed_epoch(&mut self) -> Result<(), Error> {
        let Some(current) = self.epoch() else { return Ok(()) };
        let untold =
            |a: &Action| matches!(a, Action::Notify(Notice::Epoch { epoch, .. }) if *epoch == current);
        if self.actions.iter().any(untold) {
            self.passed.push_back(self.epoch_secret(current)?);
        }
        Ok(())
    }

    /// Wishes that the commit fulfilled are done, whoever made it.
    fn settle(&mut self, removed: &[Member], added: &[Member]) {
        let State::Member(member) = &self.state else { return };
        for gone in removed {
            let back = added.iter().any(|m| m.sender == gone.sender);
            // Who came back in the same commit was not put out: a wish to bar it stands.
            let stands = back && self.wishes.removals.get(&gone.sender) == Some(&true);
            let wish = if stands { Some(true) } else { self.wishes.removals.remove(&gone.sender) };
            let left = self.wishes.leavers.remove(&gone.sender);
            let replaced = added.iter().any(|m| m.identity == gone.identity);
            // What it joined by is spent, and must not be taken for a new wish to join.
            if let Some(sequence) = gone.sequence {
                self.joiners.is_news(&gone.sender, sequence, &self.config.limits);
            }
            if !(back || left || replaced || wish == Some(false)) {
                self.joiners.bar(&gone.sender, &self.config.limits);
            }
        }
        for new in added {
            if let Some(sequence) = new.sequence {
                self.joiners.is_news(&new.sender, sequence, &self.config.limits);
            }
        }
        self.joiners.settle(&member.roster, added);
        self.wishes.removals.retain(|sender, _| member.roster.of(sender).is_some());
    }

    fn tell_changes(&mut self, removed: Vec<Member>, added: Vec<Member>) {
        let mut fresh = added;
        for old in removed {
            match fresh.iter().position(|m| m.sender == old.sender || m.identity == old.identity) {
                Some(at) => {
                    let new = fresh.swap_remove(at);
                    self.notify(Notice::MemberReplaced { old: old.sender, new: new.sender });
                }
                None => self.notify(Notice::MemberLeft { sender: old.sender }),
            }
        }
        for Member { leaf, sender, credential, .. } in fresh {
            self.actions.push_back(Action::Notify(Notice::MemberJoined { sender, leaf, credential }));
        }
    }

    /// Takes up what came early for the epoch that is now.
    pub(crate) fn replay_later(&mut self) -> Result<(), Error> {
        let Some(epoch) = self.epoch() else { return Ok(()) };
        self.later.forget_before(epoch);
        for (from, object) in self.later.take(epoch) {
            // Entering the next epoch on the way replays its objects in turn; these are then old.
            self.on_commit_object(from, object)?;
        }
        if !self.later.objects.is_empty() {
            self.notice_gap();
        }
        Ok(())
    }
}
