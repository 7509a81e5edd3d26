//! Looks on at every step of a simulated network, and says which invariant a participant breaks.
//!
//! The witness sees more than any participant: every state
//! that anybody was ever in, the relay and the service. It shares no code with the machine it judges.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bytes::Bytes;

use crate::config::SafetyMode;
use crate::counter::CommitReply;
use crate::counter::service::{Counter, Slot};
use crate::engine::{Engine, Member};
use crate::participant::Participant;
use crate::snapshot::Snapshot;
use crate::testing::sha256;
use crate::time::Timestamp;
use crate::tracks::{Object, SenderId, TrackKind};

/// An invariant that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Its name.
    pub invariant: &'static str,
    /// When.
    pub at: Timestamp,
    /// The participant that was looked at.
    pub who: usize,
    /// What was seen.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} p{}: {}", self.at, self.invariant, self.who, self.detail)
    }
}

/// The safety invariants, by name.
pub const SAFETY: [&str; 16] = [
    "AgreementOnEpoch",
    "NoTwoCommitsPerEpoch",
    "AppliedIsPinned",
    "NoLineageFork",
    "SingleGenesis",
    "OneOutboxPerSlot",
    "EpochMonotonic",
    "OutboxDurableBeforePublish",
    "CommitKeptWithPin",
    "NoWelcomeBeforePin",
    "NoGhostJoin",
    "RemovedCannotDerive",
    "NoSecretSurvivesLoser",
    "BoundsNeverExceeded",
    "KeyPackageUsedOnce",
    "NoLostJoiner",
];

type Context = [u8; 32];

/// What was seen of one state of the group.
#[derive(Clone, Debug, Default)]
struct Seen {
    /// The state it followed on, as a participant saw it.
    parent: Option<Context>,
    /// With the object id of the KeyPackage that each joined by.
    members: BTreeMap<SenderId, Option<u64>>,
    /// The epoch authenticators of those who were in it: one GroupContext can go with different keys.
    keys: BTreeSet<Bytes>,
}

/// A participant when it was last looked at.
#[derive(Clone, Copy, Debug)]
struct Last {
    life: u64,
    epoch: u64,
    context: Context,
    /// How often it was left for good.
    rejoins: u64,
}

/// Everything that was seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Witness {
    states: BTreeMap<u64, BTreeMap<Context, Seen>>,
    last: BTreeMap<usize, Last>,
    /// Hash of the own commit of each participant and epoch; by its GroupContext, if still in it: others may take the name.
    own: BTreeMap<(usize, u64, Option<Context>), Context>,
    /// Who published a Welcome to which epoch for whom.
    welcomed: BTreeSet<(usize, u64, SenderId)>,
    /// The members, by the KeyPackage that each came by, of every state that each participant was in.
    visited: BTreeMap<usize, BTreeSet<(SenderId, Option<u64>)>>,
    /// The service lost its state: who founded the group is no longer for it to say.
    reset: bool,
    /// Everything that participants published.
    published: Vec<Object>,
    violations: Vec<Violation>,
}

impl Witness {
    pub(super) fn violations(&self) -> &[Violation] {
        &self.violations
    }

    pub(super) fn published(&self) -> &[Object] {
        &self.published
    }

    /// Whether some member was, from `epoch` on, in a state of the group without `sender`.
    pub(super) fn was_without(&self, epoch: u64, sender: &SenderId) -> bool {
        let later = self.states.range(epoch..).flat_map(|(_, states)| states.values());
        later.into_iter().any(|seen| !seen.members.contains_key(sender))
    }

    /// Whether any member was ever in this state.
    pub(super) fn knows(&self, epoch: u64, context: &Context) -> Option<&BTreeMap<SenderId, Option<u64>>> {
        Some(&self.states.get(&epoch)?.get(context)?.members)
    }

    pub(super) fn service_lost_its_state(&mut self) {
        self.reset = true;
    }

    fn breaks(&mut self, invariant: &'static str, at: Timestamp, who: usize, detail: String) {
        self.violations.push(Violation { invariant, at, who, detail });
    }

    /// A participant published something.
    pub(super) fn on_publish<E: Engine>(
        &mut self,
        at: Timestamp,
        who: usize,
        participant: &Participant<E>,
        durable: Option<&Snapshot>,
        counter: Option<&Counter>,
        object: &Object,
    ) {
        self.published.push(object.clone());
        let place = object.location;
        // Of a successor the epochs go on from the group before it.
        let group = participant.epoch_base().saturating_add(place.group_id);
        match participant.tracks().classify(&object.track) {
            Some(TrackKind::Commit(_)) if place.object_id.is_multiple_of(2) => {
                let Ok(hash) = participant.engine().sha256(&object.payload) else { return };
                let context = participant.context_hash().filter(|_| participant.epoch() == Some(group));
                let all = (who, group, None)..=(who, group, Some([255; 32]));
                let mut known = self.own.range(all).map(|(_, own)| *own).peekable();
                let new = known.peek().is_some() && known.all(|own| own != hash);
                let first = *self.own.entry((who, group, context)).or_insert(hash);
                let what = format!("commit of epoch {}", place.group_id);
                if first != hash || (new && context.is_none()) {
                    self.breaks("OneOutboxPerSlot", at, who, format!("another {what}"));
                }
                if !durable.is_some_and(|d| contains(&d.to_bytes(), &object.payload)) {
                    self.breaks("OutboxDurableBeforePublish", at, who, what);
                }
            }
            Some(TrackKind::Welcome(to)) => {
                self.welcomed.insert((who, group, to));
                if participant.config().params.mode == SafetyMode::Advisory || self.reset {
                    return;
                }
                let decided = match counter.map_or(Slot::Free, |c| c.slot(place.group_id)) {
                    Slot::Free => false,
                    Slot::Pinned(pin) if participant.epoch() == Some(group) => {
                        participant.context_hash().is_some_and(|c| c == pin.context_hash())
                    }
                    Slot::Pinned(_) | Slot::Unpinned | Slot::Forgotten => true,
                };
                if !decided {
                    self.breaks("NoWelcomeBeforePin", at, who, format!("to epoch {}", place.group_id));
                }
            }
            _ => {}
        }
    }

    /// The service filled a slot.
    pub(super) fn on_slot(&mut self, at: Timestamp, who: usize, val: u64, counter: &Counter) {
        if let Slot::Pinned(pin) = counter.slot(val)
            && val > 0
        {
            let kept = match counter.commit(val) {
                CommitReply::Found { commit, .. } => sha256(&commit) == pin.commit_hash(),
                CommitReply::CounterError(_) | CommitReply::Error(_) => false,
            };
            if !kept {
                self.breaks("CommitKeptWithPin", at, who, format!("slot {val}"));
            }
        }
    }

    /// A participant did something: how does it stand now?
    pub(super) fn look<E: Engine>(
        &mut self,
        at: Timestamp,
        who: usize,
        life: u64,
        participant: &Participant<E>,
        counter: Option<&Counter>,
    ) {
        self.check_bounds(at, who, participant);
        let (Some(epoch), Some(context)) = (participant.epoch(), participant.context_hash()) else { return };
        // Who went on from the state that it had kept never left.
        let rejoins = participant.stats().rejoins.saturating_sub(participant.stats().resumed);
        let last = self.last.insert(who, Last { life, epoch, context, rejoins });
        if last.is_some_and(|l| (l.life, l.context, l.rejoins) == (life, context, rejoins)) {
            return;
        }
        if let Some(l) = last.filter(|l| epoch < l.epoch) {
            self.breaks("EpochMonotonic", at, who, format!("from {} to {epoch}", l.epoch));
        }
        let here = |l: &Last| l.life == life && l.rejoins == rejoins && l.epoch.checked_add(1) == Some(epoch);
        let parent = last.filter(here).map(|l| l.context);
        let came = |m: &Member| (m.sender.clone(), m.key_package_object_id);
        let members: BTreeMap<_, _> = participant.members().map(came).collect();
        if !members.contains_key(participant.sender_id()) {
            let detail = format!("holds epoch {epoch}, which it is not in");
            self.breaks("RemovedCannotDerive", at, who, detail);
        }
        let forgot = last.is_some_and(|l| l.life != life);
        self.check_added(at, who, participant, epoch, parent, &members, forgot);
        self.agree(at, who, epoch, context, parent, members);
        if let Ok(authenticator) = participant.epoch_authenticator() {
            self.agree_on_keys(at, who, epoch, context, authenticator);
        }
        if participant.config().params.mode == SafetyMode::Pinned {
            self.check_pin(at, who, participant, counter, epoch, context, parent);
        }
        if participant.inside().outbox.is_some_and(|(_, _, base)| base != context) {
            self.breaks("NoSecretSurvivesLoser", at, who, format!("an outbox of another epoch in {epoch}"));
        }
    }

    /// Checks whom a participant's own commit lets in: each gets its Welcome from that participant, and came by
    /// a KeyPackage that the participant has not seen a member come by before.
    #[expect(clippy::too_many_arguments, reason = "one look at one state")]
    fn check_added<E: Engine>(
        &mut self,
        at: Timestamp,
        who: usize,
        participant: &Participant<E>,
        epoch: u64,
        parent: Option<Context>,
        members: &BTreeMap<SenderId, Option<u64>>,
        forgot: bool,
    ) {
        let before = epoch.checked_sub(1);
        let own = before.and_then(|e| [parent, None].iter().find_map(|c| self.own.get(&(who, e, *c))));
        let won = participant.pin().is_some_and(|pin| own.is_some_and(|own| pin.commit_hash() == own));
        let old = before.zip(parent).and_then(|(e, c)| self.states.get(&e)?.get(&c));
        let mine = self.visited.entry(who).or_default();
        if forgot {
            // What was not durable is nothing that it could know.
            mine.clear();
        }
        let added: Vec<(SenderId, Option<u64>)> = match old.filter(|_| won) {
            Some(old) => members
                .iter()
                .filter(|(sender, object_id)| old.members.get(*sender) != Some(*object_id))
                .map(|(sender, object_id)| (sender.clone(), *object_id))
                .collect(),
            None => Vec::new(),
        };
        let mut again: Vec<SenderId> =
            added.iter().filter(|key_package| mine.contains(key_package)).map(|(s, _)| s.clone()).collect();
        // Welcomed once more by the very KeyPackage that it came by.
        let welcomed = self.welcomed.iter().filter(|(by, to, _)| (*by, *to) == (who, epoch));
        let same =
            |sender: &SenderId| old.is_some_and(|o| won && o.members.get(sender) == members.get(sender));
        again.extend(welcomed.map(|(_, _, sender)| sender.clone()).filter(same));
        mine.extend(members.iter().map(|(sender, object_id)| (sender.clone(), *object_id)));
        for (sender, _) in added {
            if !self.welcomed.contains(&(who, epoch, sender.clone())) {
                self.breaks("NoLostJoiner", at, who, format!("no Welcome for {sender} to epoch {epoch}"));
            }
        }
        // After the service lost its state, two groups may have the same people in them.
        let again = if self.reset { Vec::new() } else { again };
        for sender in again {
            self.breaks(
                "KeyPackageUsedOnce",
                at,
                who,
                format!("{sender} is let in by a spent one in {epoch}"),
            );
        }
    }

    fn agree(
        &mut self,
        at: Timestamp,
        who: usize,
        epoch: u64,
        context: Context,
        parent: Option<Context>,
        members: BTreeMap<SenderId, Option<u64>>,
    ) {
        let reset = self.reset;
        let states = self.states.entry(epoch).or_default();
        let seen = states.entry(context).or_insert_with(|| Seen { parent, members, ..Seen::default() });
        seen.parent = seen.parent.or(parent);
        let parent = seen.parent;
        // After the service lost its state two groups may stand side by side, but none may split.
        let splits = |(c, s): (&Context, &Seen)| {
            *c != context && (!reset || (s.parent.is_some() && s.parent == parent))
        };
        if states.iter().any(splits) {
            let name = match (epoch, reset) {
                (0, _) => "SingleGenesis",
                (_, true) => "NoLineageFork",
                (_, false) => "AgreementOnEpoch",
            };
            let detail = format!("a second state of epoch {epoch}");
            self.breaks(name, at, who, detail.clone());
            if epoch > 0 {
                self.breaks("NoTwoCommitsPerEpoch", at, who, detail);
            }
        }
    }

    /// Checks that all who are in one state of an epoch have the same keys.
    fn agree_on_keys(
        &mut self,
        at: Timestamp,
        who: usize,
        epoch: u64,
        context: Context,
        authenticator: Bytes,
    ) {
        let seen = self.states.entry(epoch).or_default().entry(context).or_default();
        seen.keys.insert(authenticator);
        if seen.keys.len() > 1 {
            self.breaks("AgreementOnEpoch", at, who, format!("other keys in one state of epoch {epoch}"));
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one look at one state")]
    fn check_pin<E: Engine>(
        &mut self,
        at: Timestamp,
        who: usize,
        participant: &Participant<E>,
        counter: Option<&Counter>,
        epoch: u64,
        context: Context,
        parent: Option<Context>,
    ) {
        let val = epoch.saturating_sub(participant.epoch_base());
        let slot = counter.map_or(Slot::Free, |c| c.slot(val));
        let pinned = match slot {
            Slot::Pinned(pin) => participant.pin() == Some(&pin) && pin.context_hash() == context,
            Slot::Forgotten => true,
            Slot::Free | Slot::Unpinned => false,
        };
        if !pinned && !self.reset {
            // A participant that has just joined came by a Welcome.
            let name = if parent.is_none() { "NoGhostJoin" } else { "AppliedIsPinned" };
            self.breaks(name, at, who, format!("epoch {epoch} with {slot:?} at the service"));
        }
        let before = val.checked_sub(1).and_then(|val| counter.map(|c| c.slot(val)));
        if let (Some(parent), Some(Slot::Pinned(before)), Slot::Pinned(now)) = (parent, before, slot)
            && now.context_hash() == context
            && before.context_hash() != parent
        {
            self.breaks(
                "NoLineageFork",
                at,
                who,
                format!("epoch {epoch} does not follow on the recorded one"),
            );
        }
    }

    fn check_bounds<E: Engine>(&mut self, at: Timestamp, who: usize, participant: &Participant<E>) {
        let (inside, limits) = (participant.inside(), &participant.config().limits);
        let within = [
            ("candidates", inside.candidates, limits.candidates),
            ("waiting", inside.waiting, limits.pending_joiners),
            ("keys", inside.keys, limits.own_key_packages),
            ("welcomes", inside.early_welcomes, limits.welcomes),
            ("later", inside.later_bytes, limits.future_bytes),
        ];
        for (what, is, most) in within {
            if is > most {
                self.breaks("BoundsNeverExceeded", at, who, format!("{what}: {is} over {most}"));
            }
        }
    }
}

fn contains(haystack: &Bytes, needle: &Bytes) -> bool {
    // The length stands before it in a snapshot, which makes for a quick search.
    let whole = [&(needle.len() as u64).to_be_bytes()[..], needle].concat();
    haystack.windows(whole.len()).any(|w| w == whole)
}

#[cfg(test)]
mod tests;
