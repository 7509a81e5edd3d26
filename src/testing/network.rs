//! A relay, a counter service and participants under a virtual clock, with faults drawn from a seed.
//!
//! One seed, one run: the same calls make the same [`log`](Network::log) byte for byte, with an engine
//! that is deterministic ([`seeded_crypto`](super::seeded_crypto), [`symbolic`](super::symbolic)).

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use super::choices::Choices;
pub use super::faults::{Faults, NetworkConfig, Receipts};
use super::flaws::{Flaw, Subject};
use super::log::{Entry, Log, What};
use super::media::{Links, MediaConfig, MediaPlane};
use super::rng::Rng;
use super::session::{HttpId, Incoming, Outgoing, Session};
use super::stranger::Stranger;
use super::witness::Witness;
use crate::action::Notice;
use crate::codec::{ControlDecoder, ControlMessage, Decode, Encode, ObjectStream};
use crate::config::Config;
use crate::counter::service::{CounterService, ServiceConfig};
use crate::engine::Engine;
use crate::error::Error;
use crate::event::{Command, Event, Object};
use crate::namespace::{Output, Relay};
use crate::participant::Participant;
use crate::recording::{Recorder, Secrets};
use crate::snapshot::Snapshot;
use crate::time::Timestamp;
use crate::tracks::GroupTracks;

mod carrying;
mod watching;

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
    /// Bytes on all links to and from the relay, framing included.
    pub wire_bytes: u64,
    /// Lock requests, reads included.
    pub lock_requests: u64,
    /// Increment requests.
    pub increments: u64,
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

enum Parcel {
    ToPeer(usize, u64, Incoming),
    ToRelay(usize, u64, Outgoing),
    ToCounter(usize, u64, HttpId, Bytes),
    Inject(Vec<(usize, Object)>),
}

struct Peer<E: Engine> {
    session: Option<Session<E>>,
    /// What it restarts from, while it is down.
    durable: Option<Snapshot>,
    config: Config,
    tracks: GroupTracks,
    /// Which life of the peer this is: parcels of an earlier one are not for it.
    life: u64,
    /// Relay side of the control stream.
    uplink: ControlDecoder,
    /// The last arrival on each direction's control stream: it keeps its order.
    last_up: Timestamp,
    last_down: Timestamp,
    /// Until when the peer is cut off.
    cut_until: Timestamp,
    /// How many actions it still does before it is killed.
    actions_left: Option<u64>,
    notices: Vec<(Timestamp, Notice)>,
    /// How far its clock is ahead of virtual time, milliseconds.
    ahead: i64,
    /// The log of a recorded peer, while it is down.
    recorder: Option<Recorder>,
}

/// The relay session of the [`Stranger`].
const STRANGER: usize = usize::MAX;

type Observer = Box<dyn FnMut(&Entry) + Send>;

/// The simulated world.
pub struct Network<E: Engine> {
    now: Timestamp,
    choices: Choices,
    tokens: Rng,
    faults: Faults,
    queue: BTreeMap<(Timestamp, u64), Parcel>,
    sequence: u64,
    relay: Relay<usize>,
    counter: CounterService<Receipts>,
    counter_config: ServiceConfig,
    receipts: Receipts,
    peers: Vec<Peer<E>>,
    stranger: Option<Stranger>,
    media: Option<MediaPlane>,
    log: Log,
    observer: Option<Observer>,
    traffic: Traffic,
    witness: Option<Witness>,
    flaw: Option<Flaw>,
    ignores_prev: bool,
    failures: Vec<(usize, String)>,
}

impl<E: Engine> Network<E> {
    /// An empty world.
    pub fn new(config: NetworkConfig) -> Self {
        Self {
            now: config.start,
            tokens: Rng::new(config.seed ^ 0x746f_6b65_6e73),
            choices: match &config.choices {
                Some(list) => Choices::given(list),
                None => Choices::seeded(config.seed),
            },
            faults: config.faults,
            queue: BTreeMap::new(),
            sequence: 0,
            relay: Relay::new(config.relay),
            counter: CounterService::with_signer(config.counter, config.receipts.clone()),
            counter_config: config.counter,
            receipts: config.receipts,
            peers: Vec::new(),
            stranger: None,
            media: None,
            log: Log::default(),
            observer: None,
            traffic: Traffic::default(),
            witness: None,
            flaw: config.flaw,
            ignores_prev: config.ignores_prev,
            failures: Vec::new(),
        }
    }

    /// Adds a participant that has not begun; its number.
    ///
    /// # Errors
    /// Those of [`Participant::new`].
    pub fn add(&mut self, engine: E, config: Config) -> Result<usize, Error> {
        let participant = Participant::new(engine, config.clone(), self.now)?;
        Ok(self.admit(Session::new(Subject::new(participant, self.flaw)), config))
    }

    /// Writes down a participant's life from now on, restarts included. `engine` as in [`Recorder::new`].
    pub fn record(&mut self, who: usize, engine: &str, secrets: Secrets) {
        if let Some(config) = self.peers.get(who).map(|p| &p.config) {
            self.record_by(who, Recorder::new(engine, config, secrets));
        }
    }

    /// As [`Network::record`], by this recorder.
    pub fn record_by(&mut self, who: usize, recorder: Recorder) {
        let now = self.now;
        if let Some(session) = self.peers.get_mut(who).and_then(|p| p.session.as_mut()) {
            session.record(now, recorder);
        }
    }

    /// What was recorded of a participant since the last call; empty unless it is up and recorded.
    pub fn take_recording(&mut self, who: usize) -> String {
        let session = self.peers.get_mut(who).and_then(|p| p.session.as_mut());
        session.and_then(|s| s.recorder_mut()).map(Recorder::take).unwrap_or_default()
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

    /// The faults, to change them on the way.
    pub fn faults_mut(&mut self) -> &mut Faults {
        &mut self.faults
    }

    /// The log so far.
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

    /// What a participant was told so far.
    pub fn notices(&self, who: usize) -> &[(Timestamp, Notice)] {
        self.peers.get(who).map_or(&[], |peer| &peer.notices)
    }

    /// As [`notices`](Self::notices), and forgets them.
    pub fn take_notices(&mut self, who: usize) -> Vec<(Timestamp, Notice)> {
        self.peers.get_mut(who).map(|peer| std::mem::take(&mut peer.notices)).unwrap_or_default()
    }

    /// Calls `observer` with each line of the log from now on, as it is written: for a timeline.
    pub fn observe(&mut self, observer: impl FnMut(&Entry) + Send + 'static) {
        self.observer = Some(Box::new(observer));
    }

    /// Lets every participant send and receive media from now on: [`media`](super::media). Call it before
    /// any is added.
    pub fn enable_media(&mut self, config: MediaConfig, seed: u64) {
        self.media = Some(MediaPlane::new(config, seed, self.now));
    }

    /// The media, if there is any.
    pub fn media(&self) -> Option<&MediaPlane> {
        self.media.as_ref()
    }

    /// The relay, as it is.
    pub fn relay(&self) -> &Relay<usize> {
        &self.relay
    }

    /// The counter service, as it is.
    pub fn counter(&self) -> &CounterService<Receipts> {
        &self.counter
    }

    fn entry(&mut self, who: usize, what: What, bytes: usize) {
        let epoch = self.peer(who).and_then(Participant::epoch);
        let entry = Entry { at: self.now, who, epoch, what, bytes };
        if let Some(observer) = &mut self.observer {
            observer(&entry);
        }
        self.log.push(entry);
    }

    /// Gives a participant a command.
    ///
    /// # Errors
    /// Those of [`Participant::handle`]; a participant that is down takes no command and says nothing.
    pub fn command(&mut self, who: usize, command: Command) -> Result<(), Error> {
        self.entry(who, What::Command(format!("{command:?}")), 0);
        let now = self.clock(who);
        if let Some(session) = self.peers.get_mut(who).and_then(|p| p.session.as_mut()) {
            session.handle(now, command)?;
        }
        self.pump(who);
        Ok(())
    }

    /// Kills a participant: everything that was not durable is gone. What it had sent arrives or not.
    pub fn crash(&mut self, who: usize) {
        self.entry(who, What::Process("crash".into()), 0);
        let arrives = self.choices.chance(self.faults.last_words);
        self.drain_uplink(who, arrives);
        if let Some(peer) = self.peers.get_mut(who) {
            if let Some(mut session) = peer.session.take() {
                let recorder = session.recorder_mut().cloned();
                peer.durable = session.durable().cloned();
                peer.recorder = recorder;
            }
            peer.life = peer.life.wrapping_add(1);
            peer.actions_left = None;
            peer.uplink = ControlDecoder::new();
            self.relay.close(&who);
        }
        if let Some(endpoint) = self.media.as_mut().and_then(|media| media.endpoint_mut(who)) {
            endpoint.crash();
        }
    }

    /// Kills a participant once it has done `actions` more of its actions: at each boundary between two
    /// actions in turn, if called with 0, 1, 2 and so on.
    pub fn crash_after(&mut self, who: usize, actions: u64) {
        if let Some(peer) = self.peers.get_mut(who) {
            peer.actions_left = Some(actions);
        }
        if actions == 0 {
            self.crash(who);
        }
    }

    /// Takes from the queue what `who` has sent to the relay, and delivers it, or not.
    fn drain_uplink(&mut self, who: usize, deliver: bool) {
        let Some(life) = self.peers.get(who).map(|p| p.life) else { return };
        let sent = |p: &Parcel| matches!(p, Parcel::ToRelay(from, of, _) if *from == who && *of == life);
        let keys: Vec<_> = self.queue.iter().filter(|(_, p)| sent(p)).map(|(key, _)| *key).collect();
        for key in keys {
            let parcel = self.queue.remove(&key);
            if let Some(parcel) = parcel.filter(|_| deliver) {
                self.deliver(parcel);
            }
        }
    }

    /// Cuts a participant off for a while, from now on. Requests to the counter service and objects from
    /// the relay are lost, and its own messages to the relay wait, as a transport would repeat them.
    pub fn partition(&mut self, who: usize, time: Duration) {
        self.entry(who, What::Process(format!("cut off for {} ms", time.as_millis())), 0);
        let until = self.now.after(time);
        if let Some(peer) = self.peers.get_mut(who) {
            peer.cut_until = until;
        }
    }

    /// Sets a participant's clock ahead of the others', or back.
    pub fn set_clock(&mut self, who: usize, ahead_ms: i64) {
        self.entry(who, What::Process(format!("clock {ahead_ms} ms ahead")), 0);
        if let Some(peer) = self.peers.get_mut(who) {
            peer.ahead = ahead_ms;
        }
        // A driver sleeps for a while, not until a time of day: it wakes up, whatever its clock says.
        let now = self.clock(who);
        if let Some(Err(error)) =
            self.peers.get_mut(who).and_then(|p| p.session.as_mut()).map(|s| s.handle(now, Event::Timer))
        {
            self.failures.push((who, error.to_string()));
        }
        self.pump(who);
    }

    /// What time a participant takes it to be.
    fn clock(&self, who: usize) -> Timestamp {
        shifted(self.now, self.peers.get(who).map_or(0, |p| p.ahead))
    }

    /// Every draw that was made so far: with them instead of a seed, the same happens again.
    pub fn choices(&self) -> &[u16] {
        self.choices.made()
    }

    fn is_cut(&self, who: usize) -> bool {
        self.peers.get(who).is_some_and(|p| self.now < p.cut_until)
    }

    /// Restarts the counter service with nothing in it: it has lost every slot and pin.
    pub fn reset_counter(&mut self) {
        if let Some(witness) = &mut self.witness {
            witness.service_lost_its_state();
        }
        self.counter = CounterService::with_signer(self.counter_config, self.receipts.clone());
    }

    /// Empties the relay's cache, as if it had restarted.
    pub fn evict_relay(&mut self) {
        self.relay.evict();
    }

    /// Publishes an object by somebody who is no participant and may use the relay like anyone: it lies
    /// in the cache, goes to all who asked for its track, and can be fetched.
    pub fn publish_as_stranger(&mut self, object: &Object) {
        if self.stranger.is_none() {
            self.relay.open(STRANGER);
        }
        let out = self.stranger.get_or_insert_default().publish(object);
        self.carry_stranger(out);
    }

    /// The stranger sits next to the relay: what it sends is there at once.
    fn carry_stranger(&mut self, out: Vec<Outgoing>) {
        for outgoing in out {
            let answer = match outgoing {
                Outgoing::Control(mut bytes) => {
                    ControlMessage::decode(&mut bytes).map(|m| self.relay.control(&STRANGER, m))
                }
                Outgoing::Object(mut bytes) => ObjectStream::decode(&mut bytes).map(|stream| {
                    self.look_at_relay(&stream.payload);
                    self.relay.object(&STRANGER, stream)
                }),
                Outgoing::Http(..) => continue,
            };
            if let Ok(Ok(outputs)) = answer {
                self.fan_out(outputs);
            }
        }
    }

    fn answer_stranger(&mut self, output: Output) {
        let Output::Control(message) = output else { return };
        let (Some(stranger), Ok(bytes)) = (&mut self.stranger, message.to_bytes()) else { return };
        let out = stranger.receive(Incoming::Control(bytes));
        self.carry_stranger(out);
    }

    /// Starts a crashed participant again from what was durable, or from nothing if nothing was.
    ///
    /// # Errors
    /// Those of [`Participant::restore`].
    pub fn restart(&mut self, who: usize, engine: E) -> Result<(), Error> {
        let now = self.clock(who);
        let Some(peer) = self.peers.get_mut(who) else { return Ok(()) };
        let session = match peer.durable.take() {
            Some(durable) => {
                let participant = Participant::restore(engine, peer.config.clone(), &durable, now)?;
                Session::restored(Subject::new(participant, self.flaw), durable)
            }
            None => {
                let participant = Participant::new(engine, peer.config.clone(), now)?;
                Session::new(Subject::new(participant, self.flaw))
            }
        };
        if let Some(endpoint) = self.media.as_mut().and_then(|media| media.endpoint_mut(who)) {
            endpoint.restart(self.now, session.participant())?;
        }
        let mut session = session;
        if let Some(recorder) = peer.recorder.take() {
            session.record(now, recorder);
        }
        peer.session = Some(session);
        self.relay.open(who);
        self.entry(who, What::Process("restart".into()), 0);
        self.pump(who);
        Ok(())
    }

    /// What a participant would restart from if it crashed now.
    pub fn durable(&self, who: usize) -> Option<Snapshot> {
        let peer = self.peers.get(who)?;
        peer.durable.clone().or_else(|| peer.session.as_ref()?.durable().cloned())
    }

    /// Adds a participant that goes on from a snapshot: one that was copied, moved, or stolen.
    ///
    /// # Errors
    /// Those of [`Participant::restore`].
    pub fn add_restored(&mut self, engine: E, config: Config, snapshot: Snapshot) -> Result<usize, Error> {
        let participant = Participant::restore(engine, config.clone(), &snapshot, self.now)?;
        let who = self.admit(Session::restored(Subject::new(participant, self.flaw), snapshot), config);
        self.pump(who);
        Ok(who)
    }

    fn admit(&mut self, session: Session<E>, config: Config) -> usize {
        let who = self.peers.len();
        self.relay.open(who);
        if let Some(media) = &mut self.media {
            media.add(session.participant().sender_id().clone());
        }
        self.peers.push(Peer {
            tracks: session.participant().tracks().clone(),
            session: Some(session),
            durable: None,
            config,
            life: 0,
            uplink: ControlDecoder::new(),
            last_up: self.now,
            last_down: self.now,
            cut_until: self.now,
            actions_left: None,
            notices: Vec::new(),
            ahead: 0,
            recorder: None,
        });
        who
    }

    /// Hands an object to some participants as if the relay had sent it: from anyone, with anything in it.
    pub fn inject(&mut self, to: impl IntoIterator<Item = usize>, object: &Object) {
        let parcels = to.into_iter().map(|who| (who, object.clone())).collect();
        self.send(Duration::ZERO, Parcel::Inject(parcels));
    }

    /// The next moment at which something happens, media aside.
    pub fn next_at(&self) -> Option<Timestamp> {
        let timeouts = self.peers.iter().filter_map(|p| {
            let (at, _) = p.session.as_ref()?.participant().poll_timeout()?;
            Some(shifted(at, p.ahead.saturating_neg()))
        });
        timeouts.chain(self.queue.keys().next().map(|(at, _)| *at)).min()
    }

    /// Lets the next thing happen; `false` if nothing ever will.
    pub fn step(&mut self) -> bool {
        let Some(at) = self.next_at() else { return false };
        self.pass_to(at);
        if let Some(entry) = self.queue.first_entry().filter(|e| e.key().0 <= self.now) {
            let parcel = entry.remove();
            self.deliver(parcel);
            return true;
        }
        for who in 0..self.peers.len() {
            let now = self.clock(who);
            let Some(session) = self.peers.get_mut(who).and_then(|p| p.session.as_mut()) else { continue };
            if session.participant().poll_timeout().is_some_and(|(at, _)| at <= now) {
                if let Err(error) = session.handle(now, Event::Timer) {
                    self.failures.push((who, error.to_string()));
                }
                self.pump(who);
                return true;
            }
        }
        true
    }

    /// Lets time pass.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now.after(time);
        while self.next_at().is_some_and(|at| at <= end) {
            self.step();
        }
        self.pass_to(end);
    }

    /// Time goes on to `at`. Media follows what the participants do and never moves them: what was due in
    /// between is done in one go.
    fn pass_to(&mut self, at: Timestamp) {
        self.now = self.now.max(at);
        if let Some(media) = &mut self.media {
            let cut_until: Vec<Timestamp> = self.peers.iter().map(|p| p.cut_until).collect();
            media.advance(self.now, Links { faults: &self.faults, cut_until: &cut_until });
        }
    }

    /// Runs until `done`, for `most` at the longest; whether it came to that.
    pub fn run_until(&mut self, most: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let end = self.now.after(most);
        loop {
            if done(self) {
                return true;
            }
            if self.next_at().is_none_or(|at| at > end) {
                self.pass_to(end);
                return false;
            }
            self.step();
        }
    }
}

fn shifted(at: Timestamp, by: i64) -> Timestamp {
    Timestamp::from_millis(at.as_millis().saturating_add_signed(by))
}
