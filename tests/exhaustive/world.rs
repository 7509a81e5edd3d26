//! A world in one of its states: participants, what is on its way, the relay, the service.
//!
//! Nothing here repeats a rule of the machine: a participant is the machine itself, and the counter is the
//! service's own. What the world adds is that messages take as long as they like, and what it looks at.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use moq_mls::action::{CommitRequestId, FetchId, IncrementRequestId, LockRequestId, Timer};
use moq_mls::codec::pinned::WelcomeObject;
use moq_mls::counter::service::{Counter, Slot};
use moq_mls::counter::{CommitReply, IncrementReply, IncrementRequest, LockReply, Pin};
use moq_mls::engine::Engine;
use moq_mls::notice::{EpochCause, Notice};
use moq_mls::snapshot::Snapshot;
use moq_mls::testing::flaws::Subject;
use moq_mls::testing::rogue;
use moq_mls::testing::symbolic::SymbolicEngine;
use moq_mls::tracks::{CommitTrackPolicy, GroupName, GroupTracks, TrackKind};
use moq_mls::{Action, Command, Config, Event, Failure, Object, Participant, SafetyMode, Timestamp};

use crate::acts::{Act, Step};
use crate::rows::Row;
use crate::watching::state;

pub(crate) type Machine = Participant<SymbolicEngine>;

pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_000_000);
pub(crate) const LEASE: std::time::Duration = std::time::Duration::from_secs(1_000_000);

/// The same on every machine: counterexamples name objects by it.
pub(crate) fn digest(value: &impl Hash) -> u64 {
    foldhash::quality::FixedState::default().hash_one(value)
}

#[derive(Clone)]
pub(crate) struct Peer {
    /// `None`: dead for good.
    subject: Option<Subject<SymbolicEngine>>,
    durable: Option<Snapshot>,
    life: u8,
    digest: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(clippy::large_enum_variant)]
pub(crate) enum Body {
    Lock(u64),
    Increment {
        val: Option<u64>,
        lock_id: Option<Bytes>,
        prev: Option<Pin>,
        pin: Option<Pin>,
        key: Option<Bytes>,
        commit: Option<Bytes>,
    },
    Commit(u64),
    /// About a successor of the group.
    Elsewhere(GroupName, Box<Body>),
}

impl Body {
    fn about(group: GroupName, body: Self) -> Self {
        if group.founding_hash().is_some() { Self::Elsewhere(group, Box::new(body)) } else { body }
    }

    fn inner(&self) -> &Self {
        match self {
            Self::Elsewhere(_, body) => body,
            body => body,
        }
    }

    /// It changes nothing at the service, or no more than a lock that lapses does.
    fn is_read(&self, mode: SafetyMode) -> bool {
        match self {
            Self::Lock(_) => mode == SafetyMode::Pinned,
            Self::Commit(_) => true,
            Self::Increment { .. } => false,
            Self::Elsewhere(_, body) => body.is_read(mode),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Reply {
    Lock(LockReply),
    Increment(IncrementReply),
    Commit(CommitReply),
}

/// What may still go wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Budget {
    pub(crate) crashes: u8,
    pub(crate) restarts: u8,
    pub(crate) resets: u8,
    pub(crate) rogues: u8,
    pub(crate) repeats: u8,
    pub(crate) rekeys: u8,
    /// Places that an outsider takes before what is on its way to them: more than one could who has to guess.
    pub(crate) squats: u8,
    /// Increments by a client that has no keys.
    pub(crate) keyless: u8,
    /// Welcomes that a malicious member makes up keys for.
    pub(crate) forgeries: u8,
    /// Locks that a malicious member has just when another asks for them.
    pub(crate) refusals: u8,
    /// True commits that a malicious member pins with a lock of made-up keys.
    pub(crate) wrong_locks: u8,
}

#[derive(Clone)]
pub(crate) struct World {
    pub(crate) peers: Vec<Arc<Peer>>,
    /// On their way to the service, by participant and request id.
    pub(crate) requests: BTreeMap<(u8, u64), Body>,
    /// On their way to the service, with nobody to answer to.
    pub(crate) late: BTreeSet<Body>,
    pub(crate) replies: BTreeMap<(u8, u64), Reply>,
    /// On their way to the relay, by content.
    pub(crate) publishes: BTreeMap<u64, Arc<Object>>,
    /// At the relay, by content.
    pub(crate) store: BTreeMap<u64, Arc<Object>>,
    pub(crate) counter: Counter,
    /// The counters of successors.
    pub(crate) successors: BTreeMap<GroupName, Counter>,
    pub(crate) budget: Budget,
    pub(crate) was_reset: bool,
    /// By epoch, every GroupContext that anybody was ever in, with the one it followed on.
    pub(crate) history: BTreeMap<u64, BTreeSet<(u64, u64)>>,
    /// The keys of each of them.
    pub(crate) keys: BTreeMap<(u64, u64), u64>,
    /// Own commits that were ever published, by participant and epoch.
    pub(crate) own: BTreeMap<(u8, u64), u64>,
    /// The first invariant that was found broken, by name.
    pub(crate) broken: Option<&'static str>,
    /// No part of the state: see [`Idle`].
    idle: Arc<Idle>,
}

/// What a participant did.
#[derive(Clone, Copy, Default)]
pub(crate) struct Did {
    /// How many things that the world can see: it may die between any two of them.
    pub(crate) visible: u8,
    anything: bool,
}

/// Deliveries that a participant did not even answer to, by its digest and the object's: what it would do
/// depends on nothing else, so they need not be tried in each of the worlds that hold both.
#[derive(Debug, Default)]
struct Idle(Mutex<HashSet<(u64, u64)>>);

impl Idle {
    fn knows(&self, peer: &Peer, object: u64) -> bool {
        self.0.lock().unwrap().contains(&(peer.digest, object))
    }

    fn learn(&self, peer: &Peer, object: u64) {
        self.0.lock().unwrap().insert((peer.digest, object));
    }
}

impl PartialEq for World {
    fn eq(&self, other: &Self) -> bool {
        digest(self) == digest(other)
    }
}

impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for peer in &self.peers {
            state.write_u64(peer.digest);
        }
        self.requests.hash(state);
        self.late.hash(state);
        self.replies.hash(state);
        for id in self.publishes.keys() {
            state.write_u64(*id);
        }
        state.write_u64(u64::MAX);
        for id in self.store.keys() {
            state.write_u64(*id);
        }
        self.counter.hash(state);
        self.successors.hash(state);
        self.budget.hash(state);
        self.was_reset.hash(state);
        self.history.hash(state);
        self.keys.hash(state);
        self.own.hash(state);
        self.broken.hash(state);
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (who, peer) in self.peers.iter().enumerate() {
            match peer.machine() {
                None => write!(f, "p{who} dead; ")?,
                Some(m) => {
                    write!(f, "p{who} {:?} {:?} {:?} {:?}; ", m.phase(), m.epoch(), m.armed(), m.inside())?;
                }
            }
        }
        writeln!(f, "next {} {:?}", self.counter.next(), self.broken)?;
        writeln!(f, "requests {:?} late {:?} replies {:?}", self.requests, self.late, self.replies)?;
        for (what, objects) in [("on its way", &self.publishes), ("at the relay", &self.store)] {
            for (id, object) in objects {
                let at = object.location;
                writeln!(f, "{what}: {id:016x} {:?} {}/{}", object.track, at.group_id, at.object_id)?;
            }
        }
        Ok(())
    }
}

impl World {
    pub(crate) fn engine(who: usize, life: u64) -> SymbolicEngine {
        SymbolicEngine::new(&format!("u{who}")).unwrap().incarnation(life)
    }

    fn config(row: &Row) -> Config {
        let mut config = Config::new(GroupName::try_from("room").unwrap());
        config.params.mode = row.mode;
        // How long a secret stays changes nothing that the others see.
        config.timers.epoch_secrets = Duration::ZERO;
        config.successor = row.recovers;
        config.params.commit_tracks =
            if row.shared { CommitTrackPolicy::Shared } else { CommitTrackPolicy::PerSender };
        config
    }

    /// The row's first state: its members agree, and nothing is on its way.
    pub(crate) fn new(row: &Row) -> Self {
        let mut world = Self {
            peers: Vec::new(),
            requests: BTreeMap::new(),
            late: BTreeSet::new(),
            replies: BTreeMap::new(),
            publishes: BTreeMap::new(),
            store: BTreeMap::new(),
            counter: Counter::new(),
            successors: BTreeMap::new(),
            budget: Budget::default(),
            was_reset: false,
            history: BTreeMap::new(),
            keys: BTreeMap::new(),
            own: BTreeMap::new(),
            broken: None,
            idle: Arc::default(),
        };
        for who in 0..row.participants {
            let machine = Participant::new(Self::engine(who, 0), Self::config(row), NOW).unwrap();
            let subject = Some(Subject::new(machine, row.flaw));
            let mut peer = Peer { subject, durable: None, life: 0, digest: 0 };
            peer.seal(true);
            world.peers.push(Arc::new(peer));
        }
        let quiet = Row { committers: 0, epochs: 99, loss: false, remove: None, ..row.clone() };
        for who in 0..row.members {
            world.tell(&quiet, who, Event::Command(Command::Join), None);
            world.settle(&quiet, who + 1);
        }
        // Every member has all of it by now.
        world.store.clear();
        world.own.clear();
        world.budget = row.budget.clone();
        world.broken = None;
        let base = row.base();
        world.history.retain(|epoch, _| *epoch >= base);
        world.keys.retain(|(epoch, _), _| *epoch >= base);
        for who in 0..row.members {
            if let Some((by, whom)) = row.remove
                && by == who
            {
                let whom = Self::engine(whom, 0).sender_id().clone();
                world.tell(row, who, Event::Command(Command::Remove(whom)), None);
            }
            world.tell(row, who, Event::Timer, None);
        }
        for who in row.members..row.participants {
            world.tell(row, who, Event::Command(Command::Join), None);
        }
        // Learnt while no member had an intent.
        world.idle = Arc::default();
        world
    }

    /// Lets everything happen at once until the first `members` agree and nothing is on its way.
    fn settle(&mut self, row: &Row, members: usize) {
        for _ in 0..10_000 {
            let mut steps = Vec::new();
            self.steps(row, &mut steps);
            let moving = |s: &&Step| !matches!(s.act, Act::Fire(..) | Act::Deliver(..) | Act::Lapse);
            let next = steps.iter().find(moving).copied();
            let next = next.map_or_else(
                || {
                    let useful = steps.iter().filter(|s| !matches!(s.act, Act::Lapse));
                    useful.copied().find_map(|s| self.after(row, s).map(|world| (s, world)))
                },
                |s| self.after(row, s).map(|world| (s, world)),
            );
            match next {
                Some((_, world)) => *self = world,
                None => break,
            }
        }
        let epochs: BTreeSet<_> = (0..members).map(|who| self.machine(who).unwrap().epoch()).collect();
        assert!(epochs.len() == 1 && !epochs.contains(&None), "{self:?}");
    }

    /// Whether a commit made in `epoch` is anywhere.
    pub(crate) fn anything_at(&self, epoch: u64) -> bool {
        let here = |o: &Arc<Object>| o.location.group_id == epoch && is_commit(o);
        self.store.values().any(here) || self.publishes.values().any(here)
    }

    pub(crate) fn machine(&self, who: usize) -> Option<&Machine> {
        self.peers[who].machine()
    }

    pub(crate) fn break_invariant(&mut self, name: &'static str) {
        self.broken.get_or_insert(name);
    }

    /// A participant hears something and does all that it wants done, or dies on the way.
    fn tell(&mut self, row: &Row, who: usize, event: Event, dies: Option<u8>) -> Did {
        self.drive(row, who, dies, |m| m.handle(NOW, event).unwrap())
    }

    fn drive(
        &mut self,
        row: &Row,
        who: usize,
        dies: Option<u8>,
        hear: impl FnOnce(&mut Subject<SymbolicEngine>),
    ) -> Did {
        let mut arc = self.peers[who].clone();
        let peer = Arc::make_mut(&mut arc);
        let Some(subject) = &mut peer.subject else { return Did::default() };
        let before = state(subject.participant());
        hear(subject);
        let mut did = Did::default();
        let mut answers = Vec::new();
        let mut died = false;
        'run: loop {
            while let Some(action) = subject.poll_action() {
                let seen = matches!(
                    action,
                    Action::Persist(_)
                        | Action::Publish { .. }
                        | Action::Lock { .. }
                        | Action::Increment { .. }
                        | Action::GetCommit { .. }
                );
                if seen && dies == Some(did.visible) {
                    died = true;
                    break 'run;
                }
                self.act(row, who, subject.participant(), &mut peer.durable, action, &mut answers);
                did.visible += u8::from(seen);
                did.anything = true;
            }
            if answers.is_empty() {
                break;
            }
            for answer in answers.drain(..) {
                subject.handle(NOW, answer).unwrap();
            }
        }
        let epoch = subject.participant().epoch();
        if who < row.committers && !died && epoch.is_some_and(|e| e < row.last()) {
            subject.handle(NOW, Command::Update).unwrap();
        }
        // In a successor the only intents are to let each other in.
        if epoch.is_some_and(|e| e >= row.last()) && subject.participant().epoch_base() == 0 {
            subject.participant_mut().forget_wishes();
        }
        self.look(row, before, subject.participant());
        self.forget_requests(who, subject);
        peer.seal(row.keeps_durable());
        self.peers[who] = arc;
        did
    }

    /// Numbers the participant's requests as it does now.
    fn forget_requests(&mut self, who: usize, subject: &mut Subject<SymbolicEngine>) {
        let renumbered = subject.canonical();
        let who = who as u8;
        // Who went over to a successor waits for no answer any more.
        let waits = |(p, id): &(u8, u64)| *p != who || renumbered.contains_key(id);
        self.requests.retain(|key, _| waits(key));
        self.replies.retain(|key, _| waits(key));
        let new = |id: u64| *renumbered.get(&id).unwrap();
        let now = |(p, id): (u8, u64)| if p == who { (p, new(id)) } else { (p, id) };
        self.requests = std::mem::take(&mut self.requests).into_iter().map(|(k, v)| (now(k), v)).collect();
        self.replies = std::mem::take(&mut self.replies).into_iter().map(|(k, v)| (now(k), v)).collect();
    }

    fn act(
        &mut self,
        row: &Row,
        who: usize,
        machine: &Machine,
        durable: &mut Option<Snapshot>,
        action: Action,
        answers: &mut Vec<Event>,
    ) {
        match action {
            Action::Persist(snapshot) => *durable = Some(snapshot),
            Action::Subscribe { id, .. } | Action::SubscribeNamespace { id, .. } => {
                answers.push(Event::SubscribeReply { id, reply: Ok(()) });
            }
            Action::Fetch { id, target, groups } => {
                let wanted =
                    |o: &&Arc<Object>| groups.contains(&o.location.group_id) && target.covers(&o.track);
                let found = self.store.values().filter(wanted).map(|o| (**o).clone()).collect();
                answers.push(Event::FetchReply { id: FetchId(id.0), reply: Ok(found) });
            }
            Action::Publish { id, object } => {
                answers.push(Event::PublishReply { id, reply: Ok(()) });
                self.publish(row, who, machine, durable.as_ref(), object);
            }
            Action::Lock { id, request } => {
                let body = Body::about(request.counter, Body::Lock(request.val));
                self.requests.insert((who as u8, id.0), body);
            }
            Action::Increment { id, request } => {
                let IncrementRequest { counter, val, lock_id, prev, pin, key, commit } = request;
                let body = Body::about(counter, Body::Increment { val, lock_id, prev, pin, key, commit });
                self.requests.insert((who as u8, id.0), body);
            }
            Action::GetCommit { id, request } => {
                let body = Body::about(request.counter, Body::Commit(request.val));
                self.requests.insert((who as u8, id.0), body);
            }
            Action::Notify(Notice::Epoch { epoch, cause: EpochCause::Created | EpochCause::Welcome })
                if !self.was_reset && epoch > 0 =>
            {
                let slot = self.counter_of(machine).slot(epoch - machine.epoch_base());
                if let Slot::Pinned(pin) = slot {
                    if machine.context_hash().is_none_or(|c| c != pin.context_hash()) {
                        self.break_invariant("NoGhostJoin");
                    }
                } else if matches!(slot, Slot::Free) {
                    self.break_invariant("NoGhostJoin");
                }
            }
            Action::Announce { .. } | Action::Unsubscribe { .. } | Action::Notify(_) => {}
            other => panic!("{other:?}"),
        }
    }

    /// The counter of the group that a participant is in or asks to come in to.
    pub(crate) fn counter_of(&self, machine: &Machine) -> Counter {
        let group = machine.tracks().group();
        let elsewhere =
            group.founding_hash().map(|_| self.successors.get(group).cloned().unwrap_or_default());
        elsewhere.unwrap_or_else(|| self.counter.clone())
    }

    fn kill(&mut self, who: u8, row: &Row, back: bool) {
        let mut arc = self.peers[who as usize].clone();
        let peer = Arc::make_mut(&mut arc);
        let (mine, others) =
            std::mem::take(&mut self.requests).into_iter().partition(|((p, _), _)| *p == who);
        self.requests = others;
        let mine: BTreeMap<(u8, u64), Body> = mine;
        self.late.extend(mine.into_values());
        self.late.retain(|body| !body.is_read(row.mode));
        self.replies.retain(|(p, _), _| *p != who);
        peer.subject = None;
        peer.life = peer.life.saturating_add(1);
        let life = peer.life;
        if !back {
            // Its timer goes on: a joiner that asked again before the death asks again after it.
            self.budget.rekeys = self.budget.rekeys.max(row.budget.rekeys.min(1));
            peer.durable = None;
            peer.seal(false);
            self.peers[who as usize] = arc;
            return;
        }
        let engine = Self::engine(who.into(), life.into());
        let durable = peer.durable.clone();
        let machine = match &durable {
            Some(durable) => Participant::restore(engine, Self::config(row), durable, NOW).unwrap(),
            None => Participant::new(engine, Self::config(row), NOW).unwrap(),
        };
        peer.subject = Some(Subject::new(machine, row.flaw));
        self.peers[who as usize] = arc;
        let fresh = durable.is_none();
        self.drive(row, who.into(), None, |m| {
            if fresh {
                m.handle(NOW, Command::Join).unwrap();
            }
        });
    }

    /// A delivery that is known to do nothing.
    pub(crate) fn is_idle(&self, act: Act) -> bool {
        matches!(act, Act::Deliver(who, id) if self.idle.knows(&self.peers[who as usize], id))
    }

    /// The state after a step; `None` if it changes nothing.
    pub(crate) fn after(&self, row: &Row, step: Step) -> Option<Self> {
        if step.dies.is_none() && self.is_idle(step.act) {
            return None;
        }
        let mut world = self.clone();
        let mut did = Did { anything: true, ..Did::default() };
        match (step.dies, step.act) {
            (Some((after, back)), act @ (Act::Fire(who, _) | Act::Answer(who, _) | Act::Deliver(who, _))) => {
                world.perform(row, act, Some(after));
                if back {
                    world.budget.restarts -= 1;
                } else {
                    world.budget.crashes -= 1;
                }
                world.kill(who, row, back);
            }
            (_, act) => did = world.perform(row, act, None),
        }
        while row.prompt
            && let Some(id) = world.publishes.keys().next().copied()
        {
            world.perform(row, Act::Arrive(id), None);
        }
        if digest(&world) != digest(self) {
            return (world.founded() <= row.founds).then_some(world);
        }
        if let (Act::Deliver(who, id), false) = (step.act, did.anything) {
            self.idle.learn(&self.peers[who as usize], id);
        }
        None
    }

    /// How many successors were founded, each under a name of its own.
    fn founded(&self) -> usize {
        let asked = self.requests.values().chain(&self.late).filter_map(|body| match body {
            Body::Elsewhere(group, _) => Some(group),
            _ => None,
        });
        self.successors.keys().chain(asked).collect::<BTreeSet<_>>().len()
    }

    pub(crate) fn perform(&mut self, row: &Row, act: Act, dies: Option<u8>) -> Did {
        match act {
            Act::Fire(who, timer) => {
                if timer == Timer::JoinRetry {
                    self.budget.rekeys -= 1;
                }
                return self.drive(row, who.into(), dies, |m| m.fire(NOW, timer).unwrap());
            }
            Act::Serve(who, id) => {
                let Some(body) = self.requests.remove(&(who, id)) else { return Did::default() };
                let reply = self.serve(row, who, &body);
                self.replies.insert((who, id), reply);
                if row.prompt {
                    return self.perform(row, Act::Answer(who, id), dies);
                }
            }
            Act::Refuse(who, id) => {
                self.budget.refusals -= 1;
                self.requests.remove(&(who, id));
                let refused = LockReply::Conflict { retry_later: LEASE };
                self.replies.insert((who, id), Reply::Lock(refused));
            }
            Act::Again(who, id) => {
                let Some(body) = self.requests.get(&(who, id)).cloned() else { return Did::default() };
                self.budget.repeats -= 1;
                self.serve(row, who, &body);
            }
            Act::Late(id) => {
                let Some(body) = self.late.iter().find(|b| digest(*b) == id).cloned() else {
                    return Did::default();
                };
                self.late.remove(&body);
                self.serve(row, u8::MAX, &body);
            }
            Act::Answer(who, id) => {
                let Some(reply) = self.replies.remove(&(who, id)) else { return Did::default() };
                let event = match reply {
                    Reply::Lock(reply) => Event::LockReply { id: LockRequestId(id), reply: Ok(reply) },
                    Reply::Commit(reply) => Event::CommitReply { id: CommitRequestId(id), reply: Ok(reply) },
                    Reply::Increment(reply) => {
                        Event::IncrementReply { id: IncrementRequestId(id), reply: Ok(reply) }
                    }
                };
                return self.tell(row, who.into(), event, dies);
            }
            Act::GiveUp(who, id) => {
                let lost = Err::<(), _>(Failure::Unknown);
                let (body, reply) = (self.requests.remove(&(who, id)), self.replies.remove(&(who, id)));
                let event = match (body.as_ref().map(Body::inner), &reply) {
                    (Some(Body::Lock(_)), _) | (None, Some(Reply::Lock(_))) => {
                        Event::LockReply { id: LockRequestId(id), reply: lost.map(|()| unreachable!()) }
                    }
                    (Some(Body::Increment { .. }), _) | (None, Some(Reply::Increment(_))) => {
                        Event::IncrementReply {
                            id: IncrementRequestId(id),
                            reply: lost.map(|()| unreachable!()),
                        }
                    }
                    (Some(Body::Commit(_)), _) | (None, Some(Reply::Commit(_))) => {
                        Event::CommitReply { id: CommitRequestId(id), reply: lost.map(|()| unreachable!()) }
                    }
                    (None, None) | (Some(Body::Elsewhere(..)), _) => return Did::default(),
                };
                self.late.extend(body.filter(|body| !body.is_read(row.mode)));
                return self.tell(row, who.into(), event, None);
            }
            Act::Arrive(id) => {
                let Some(object) = self.publishes.remove(&id) else { return Did::default() };
                // A place on a commit track is taken for good; of two Welcomes, relays may have either.
                let taken = |o: &Arc<Object>| {
                    is_commit(&object) && o.track == object.track && o.location == object.location
                };
                if !self.store.values().any(taken) {
                    self.store.insert(id, object);
                }
            }
            Act::Deliver(who, id) => {
                let Some(object) = self.store.get(&id).cloned() else { return Did::default() };
                return self.tell(row, who.into(), Event::Object((*object).clone()), dies);
            }
            Act::Lapse => {
                let slots = self.counter.slots().clone();
                self.counter = Counter::restore(self.counter.next(), slots, None).unwrap();
            }
            Act::Crash(who) => {
                self.budget.crashes -= 1;
                self.kill(who, row, false);
            }
            Act::Restart(who) => {
                self.budget.restarts -= 1;
                self.kill(who, row, true);
            }
            Act::Reset => {
                self.budget.resets -= 1;
                self.was_reset = true;
                self.counter = Counter::new();
            }
            Act::Squat(id) => {
                self.budget.squats -= 1;
                let Some(object) = self.publishes.get(&id) else { return Did::default() };
                let junk = Object { payload: Bytes::from_static(b"junk"), ..(**object).clone() };
                self.store.insert(digest(&junk), Arc::new(junk));
            }
            Act::Keyless => {
                self.budget.keyless -= 1;
                let next = self.counter.next();
                let Some(Slot::Pinned(prev)) = next.checked_sub(1).map(|newest| self.counter.slot(newest))
                else {
                    return Did::default();
                };
                let commit = Bytes::from_static(b"no commit");
                let pin = Pin::new(Self::engine(0, 0).sha256(&commit).unwrap(), [7; 32], [7; 32]);
                let (prev, pin, key) = (Some(prev), Some(pin), Some(Bytes::from(vec![7; 32])));
                let body =
                    Body::Increment { val: Some(next), lock_id: None, prev, pin, key, commit: Some(commit) };
                self.serve(row, u8::MAX, &body);
            }
            Act::Forge(id) => {
                self.budget.forgeries -= 1;
                let Some(object) = self.publishes.get(&id).or(self.store.get(&id)) else {
                    return Did::default();
                };
                let Ok(real) = WelcomeObject::decode(object.payload.clone()) else { return Did::default() };
                let welcome = Self::engine(0, 0).forge_welcome(&real.welcome, [7; 32]).unwrap().unwrap();
                let payload = WelcomeObject { welcome, ..real }.encode();
                let mut location = object.location;
                location.object_id ^= 1 << 20;
                let forged = Object { track: object.track.clone(), location, payload };
                self.store.insert(digest(&forged), Arc::new(forged));
            }
            Act::WrongLock(id) => {
                self.budget.wrong_locks -= 1;
                let Some(Body::Increment { val, prev, pin: Some(pin), key, commit, .. }) =
                    self.requests.iter().find(|((_, at), _)| *at == id).map(|(_, body)| body.clone())
                else {
                    return Did::default();
                };
                let part = |bytes: &[u8]| bytes.try_into().unwrap();
                let pin = Some(Pin::new(part(pin.commit_hash()), part(pin.context_hash()), [7; 32]));
                self.serve(row, u8::MAX, &Body::Increment { val, lock_id: None, prev, pin, key, commit });
            }
            Act::Rogue(who) => {
                self.budget.rogues -= 1;
                let Some(machine) = self.machine(who.into()) else { return Did::default() };
                let engine = Self::engine(who.into(), 99);
                let tracks: &GroupTracks = machine.tracks();
                if let Some((location, payload)) = rogue::commit(machine, &engine, NOW) {
                    let object = Object { track: tracks.commit(machine.sender_id()), location, payload };
                    self.publishes.insert(digest(&object), Arc::new(object));
                }
            }
        }
        Did::default()
    }
}

impl Peer {
    pub(crate) fn machine(&self) -> Option<&Machine> {
        self.subject.as_ref().map(Subject::participant)
    }

    /// Makes its digest current. What nothing will ever be restored from makes no difference.
    fn seal(&mut self, keeps_durable: bool) {
        let durable = self.durable.as_ref().filter(|_| keeps_durable);
        self.digest = digest(&(&self.subject, durable, self.life));
    }
}

fn is_commit(object: &Object) -> bool {
    [CommitTrackPolicy::PerSender, CommitTrackPolicy::Shared].into_iter().any(|policy| {
        let tracks = GroupTracks::new(GroupName::try_from("room").unwrap(), policy);
        matches!(tracks.classify(&object.track), Some(TrackKind::Commit(_)))
    })
}
