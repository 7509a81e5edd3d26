//! What a world is made of, and what carries things in it.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use super::timers::Timers;
use crate::counter::service::{CounterService, ServiceConfig};
use crate::engine::Engine;
use crate::error::Error;
use crate::event::{Command, Event, Object};
use crate::notice::Notice;
use crate::participant::{Config, Participant};
use crate::recording::Recorder;
use crate::snapshot::Snapshot;
use crate::testing::faults::Receipts;
use crate::testing::flaws::{Flaw, Subject};
use crate::testing::log::{Entry, Log, What};
use crate::testing::rng::Rng;
use crate::testing::session::{Port, Session};
use crate::testing::witness::Witness;
use crate::time::Timestamp;
use crate::tracks::{GroupTracks, SenderId};

/// What went over the network so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// Commit objects published, receipts not counted.
    pub commits: u64,
    /// Objects published.
    pub objects: u64,
    /// Payload bytes published.
    pub bytes_published: u64,
    /// Bytes on all links to and from the relay, framing included; 0 where nothing is made bytes of.
    pub wire_bytes: u64,
    /// Lock requests, reads included.
    pub lock_requests: u64,
    /// Increment requests.
    pub increments: u64,
    /// Requests for a slot's commit.
    pub commit_requests: u64,
}

/// What all members of an agreement share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// Their epoch.
    pub epoch: u64,
    /// How many they are.
    pub members: usize,
    /// Their epoch authenticator.
    pub authenticator: Bytes,
}

/// How what participants send reaches the relay and the counter service, and how the answers come back.
pub trait Carriage<E: Engine>: Sized {
    /// The near end, at each participant.
    type Port: Port;

    /// Takes note of a participant that is there: a new one, or one that was down.
    ///
    /// # Errors
    /// Those of an engine; the participant stays down.
    fn open(&mut self, now: Timestamp, who: usize, session: &Session<E, Self::Port>) -> Result<(), Error>;

    /// Settles what becomes of what a participant had sent when it was killed.
    fn last_words(world: &mut World<E, Self>, who: usize);

    /// Takes note of a participant that is down.
    fn close(&mut self, who: usize);

    /// Sends what goes out of a participant on its way.
    fn carry(world: &mut World<E, Self>, who: usize, out: <Self::Port as Port>::Out);

    /// Lets arrive, at the relay or the service, what `who` sent in its run number `life`.
    fn arrive(world: &mut World<E, Self>, who: usize, life: u64, out: <Self::Port as Port>::Out);

    /// Takes note of a notice of a participant.
    ///
    /// # Errors
    /// Those of an engine.
    fn told(&mut self, _: Timestamp, _: usize, _: &Participant<E>, _: &Notice) -> Result<(), Error> {
        Ok(())
    }

    /// Takes note of the time; what participants hear of media meanwhile.
    fn pass(&mut self, _: Timestamp) -> Vec<(usize, Event)> {
        Vec::new()
    }
}

/// What is on its way: from a peer and to a peer in one of its runs, or to several at once.
pub(in crate::testing) enum Parcel<P: Port> {
    ToPeer(usize, u64, P::In),
    FromPeer(usize, u64, P::Out),
    Inject(Vec<(usize, Object)>),
}

pub(in crate::testing) struct Peer<E: Engine, P: Port> {
    pub(in crate::testing) session: Option<Session<E, P>>,
    /// What it restarts from, while it is down.
    pub(super) durable: Option<Snapshot>,
    pub(in crate::testing) config: Config,
    pub(super) tracks: GroupTracks,
    pub(super) sender: SenderId,
    /// Which run of the peer this is: parcels of an earlier one are not for it.
    pub(in crate::testing) life: u64,
    /// How many actions it still does before it is killed.
    pub(super) actions_left: Option<u64>,
    pub(super) notices: Vec<(Timestamp, Notice)>,
    /// How far its clock is ahead of virtual time, milliseconds.
    pub(super) ahead: i64,
    /// The log of a recorded peer, while it is down.
    pub(super) recorder: Option<Recorder>,
}

type Observer = Box<dyn FnMut(&Entry) + Send>;

/// A simulated world, in which `C` carries things.
pub struct World<E: Engine, C: Carriage<E>> {
    pub(in crate::testing) now: Timestamp,
    pub(in crate::testing) tokens: Rng,
    pub(in crate::testing) queue: BTreeMap<(Timestamp, u64), Parcel<C::Port>>,
    pub(super) sequence: u64,
    pub(super) timers: Timers,
    pub(in crate::testing) counter: CounterService<Receipts>,
    pub(super) counter_config: ServiceConfig,
    pub(super) receipts: Receipts,
    pub(in crate::testing) peers: Vec<Peer<E, C::Port>>,
    pub(in crate::testing) carriage: C,
    pub(super) log: Log,
    quiet: bool,
    observer: Option<Observer>,
    pub(in crate::testing) traffic: Traffic,
    pub(super) witness: Option<Witness>,
    pub(super) failures: Vec<(usize, String)>,
    /// A deliberate bug of every participant.
    pub(super) flaw: Option<Flaw>,
}

impl<E: Engine, C: Carriage<E>> World<E, C> {
    /// Makes an empty world at `now`; `tokens` draws the tokens of locks.
    pub(in crate::testing) fn over(
        carriage: C,
        now: Timestamp,
        tokens: Rng,
        counter: ServiceConfig,
        receipts: Receipts,
    ) -> Self {
        Self {
            now,
            tokens,
            queue: BTreeMap::new(),
            sequence: 0,
            timers: Timers::default(),
            counter: CounterService::new(counter, receipts.clone()),
            counter_config: counter,
            receipts,
            peers: Vec::new(),
            carriage,
            log: Log::default(),
            quiet: false,
            observer: None,
            traffic: Traffic::default(),
            witness: None,
            failures: Vec::new(),
            flaw: None,
        }
    }

    /// Puts a deliberate bug around every participant that comes from now on.
    pub(crate) fn set_flaw(&mut self, flaw: Option<Flaw>) {
        self.flaw = flaw;
    }

    /// Keeps no log from now on: for large crowds, and where time is measured.
    #[must_use]
    pub fn quiet(mut self) -> Self {
        self.quiet = true;
        self
    }

    /// Lets the counter service, which starts again with nothing in it, sign receipts.
    pub fn set_receipts(&mut self, receipts: Receipts) {
        self.receipts = receipts;
        self.reset_counter();
    }

    /// Adds a participant that has not begun; its number.
    ///
    /// # Errors
    /// Those of [`Participant::new`].
    pub fn add(&mut self, engine: E, config: Config) -> Result<usize, Error> {
        let participant = Participant::new(engine, config.clone(), self.now)?;
        self.admit(Session::new(Subject::new(participant, self.flaw)), config)
    }

    /// Adds a participant that was made elsewhere; its number. What it subscribed to there is not heard of here.
    ///
    /// # Errors
    /// Those of an engine.
    pub fn adopt(&mut self, participant: Participant<E>) -> Result<usize, Error> {
        let config = participant.config().clone();
        let who = self.admit(Session::new(participant), config)?;
        self.pump(who);
        Ok(who)
    }

    /// Adds a participant that goes on from a snapshot: one that was copied, moved, or stolen.
    ///
    /// # Errors
    /// Those of [`Participant::restore`].
    pub fn add_restored(&mut self, engine: E, config: Config, snapshot: Snapshot) -> Result<usize, Error> {
        let participant = Participant::restore(engine, config.clone(), &snapshot, self.now)?;
        let who = self.admit(Session::restored(Subject::new(participant, self.flaw), snapshot), config)?;
        self.pump(who);
        Ok(who)
    }

    fn admit(&mut self, session: Session<E, C::Port>, config: Config) -> Result<usize, Error> {
        let who = self.peers.len();
        self.carriage.open(self.now, who, &session)?;
        self.peers.push(Peer {
            tracks: session.participant().tracks().clone(),
            sender: session.participant().sender_id().clone(),
            session: Some(session),
            durable: None,
            config,
            life: 0,
            actions_left: None,
            notices: Vec::new(),
            ahead: 0,
            recorder: None,
        });
        self.retime(who);
        Ok(who)
    }

    /// Gives a participant a command.
    ///
    /// # Errors
    /// Those of [`Participant::handle`]; a participant that is down takes no command and says nothing.
    pub fn command(&mut self, who: usize, command: Command) -> Result<(), Error> {
        self.entry(who, || What::Command(format!("{command:?}")), 0);
        self.handle(who, command)
    }

    /// Tells a participant of an event at once, past the relay and the service.
    ///
    /// # Errors
    /// As [`command`](Self::command).
    pub fn handle(&mut self, who: usize, event: impl Into<Event>) -> Result<(), Error> {
        let now = self.clock(who);
        if let Some(session) = self.peers.get_mut(who).and_then(|p| p.session.as_mut()) {
            let handled = session.handle(now, event);
            if handled.is_err() {
                self.retime(who);
                return handled;
            }
        }
        self.pump(who);
        Ok(())
    }

    /// Hands an object to some participants as if the relay had sent it: from anyone, with anything in it.
    pub fn inject(&mut self, to: impl IntoIterator<Item = usize>, object: &Object) {
        let parcels = to.into_iter().map(|who| (who, object.clone())).collect();
        self.send(Duration::ZERO, Parcel::Inject(parcels));
    }

    /// Restarts the counter service with nothing in it: it has lost every slot and pin.
    pub fn reset_counter(&mut self) {
        if let Some(witness) = &mut self.witness {
            witness.service_lost_its_state();
        }
        self.counter = CounterService::new(self.counter_config, self.receipts.clone());
    }

    /// Virtual time.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Number of participants ever added.
    pub fn len(&self) -> usize {
        self.peers.len()
    }

    /// True if nobody was added.
    pub fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    /// A participant; `None` while it is down or if there is none of that number.
    pub fn peer(&self, who: usize) -> Option<&Participant<E>> {
        self.peers.get(who)?.session.as_ref().map(Session::participant)
    }

    /// The name of a participant, which may be down.
    pub fn sender(&self, who: usize) -> Option<&SenderId> {
        self.peers.get(who).map(|peer| &peer.sender)
    }

    /// The log so far; empty in a [`quiet`](Self::quiet) world.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Counts so far.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Participants whose `handle` failed, and how: always empty, unless an engine fails.
    pub fn failures(&self) -> &[(usize, String)] {
        &self.failures
    }

    /// Returns the notices of a participant so far.
    pub fn notices(&self, who: usize) -> &[(Timestamp, Notice)] {
        self.peers.get(who).map_or(&[], |peer| &peer.notices)
    }

    /// As [`notices`](Self::notices), and forgets them.
    pub fn take_notices(&mut self, who: usize) -> Vec<(Timestamp, Notice)> {
        self.peers.get_mut(who).map(|peer| std::mem::take(&mut peer.notices)).unwrap_or_default()
    }

    /// The counter service, as it is.
    pub fn counter(&self) -> &CounterService<Receipts> {
        &self.counter
    }

    /// The counter service, to put a counter in place.
    pub fn counter_mut(&mut self) -> &mut CounterService<Receipts> {
        &mut self.counter
    }

    /// What carries things here.
    pub fn carriage(&self) -> &C {
        &self.carriage
    }

    /// What carries things here, to meddle with it.
    pub fn carriage_mut(&mut self) -> &mut C {
        &mut self.carriage
    }

    /// Calls `observer` with each line of the log from now on, as it is written: for a timeline.
    pub fn observe(&mut self, observer: impl FnMut(&Entry) + Send + 'static) {
        self.observer = Some(Box::new(observer));
    }

    /// Writes a line of the log, if one is kept.
    pub(in crate::testing) fn entry(&mut self, who: usize, what: impl FnOnce() -> What, bytes: usize) {
        if self.quiet {
            return;
        }
        let epoch = self.peer(who).and_then(Participant::epoch);
        let entry = Entry { at: self.now, who, epoch, what: what(), bytes };
        if let Some(observer) = &mut self.observer {
            observer(&entry);
        }
        self.log.push(entry);
    }

    /// Takes bytes that a participant gets into the log's digest.
    pub(super) fn log_delivered(&mut self, at: Timestamp, who: usize, incoming: &<C::Port as Port>::In) {
        if !self.quiet {
            self.log.delivered(at, who, C::Port::bytes(incoming));
        }
    }
}
