//! A participant on OpenMLS: a state machine of its own, after the draft and the documented wire. It shares no code
//! with `moq_mls::participant`, and takes no short cut through it.

mod committing;
mod following;
mod joining;
mod key_packages;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use anyhow::Result;
use bytes::Bytes;
use moq_mls::{Object, Timestamp};
use openmls::prelude::Ciphersuite;

use crate::counter::{Fill, Reply, Request};
use crate::mls::{Built, Group, Identity, Own, Style, Theirs};
use crate::random::Random;
use crate::wire::{Facts, Names, Pin};

/// What is asked of the service, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    Genesis,
    Found,
    /// Whether the epoch of a Welcome won its slot.
    Confirm(u64),
    Slot(u64),
    /// Whether a slot is decided.
    Read(u64),
    /// By the commit of this hash.
    Fill(u64, [u8; 32]),
}

/// What happens to a peer.
pub enum In {
    Object(Object),
    Reply(Ask, Reply),
    /// A look at the Commit track is over: what lay there came before.
    Looked(u64),
    /// What is on the fetched track: the own KeyPackages, by number, or the trees.
    Found(Vec<Object>),
    Wake,
}

/// What a peer wants done, in order.
#[allow(clippy::large_enum_variant, reason = "few at a time, and none is kept")]
pub enum Out {
    Publish(Object),
    Ask(Ask, Request),
    /// Fetch a MOQT group of the Commit track.
    Look(u64),
    /// Fetch a whole track.
    Fetch(moq_mls::tracks::FullTrackName),
    Subscribe,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    New,
    Bootstrapping,
    Joining,
    Member,
    Ended,
    Down,
}

/// Where the own part in deciding a slot stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Idle,
    Locking,
    Looking,
    /// Advisory: published, and waiting to read it back.
    Publishing,
    Filling,
}

/// Points at which a peer can be made to die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DieAt {
    /// It holds the lock and has sent nothing.
    Locked,
    /// Its commit is published; no increment was sent.
    Published,
    /// The slot is filled; no Welcome was sent.
    Filled,
}

pub struct Peer {
    pub identity: Rc<Identity>,
    style: Style,
    names: Names,
    random: Random,
    pub phase: Phase,
    now: Timestamp,
    pub out: Vec<Out>,
    /// What went wrong that should not have, for the report.
    pub troubles: Vec<String>,
    pub die_at: Option<DieAt>,

    own: Vec<Own>,
    next_number: u64,
    retry_at: Option<Timestamp>,
    ask_at: Option<(Timestamp, Ask)>,
    /// Welcomes that wait for a pin or a tree: epoch, bytes, pin.
    welcome: Option<(Bytes, Option<Pin>)>,
    founded: Option<Group>,
    /// Joined by a Welcome, and not confirmed yet.
    joined: Option<(Group, Pin)>,
    founder: bool,

    group: Option<Group>,
    pin: Option<Pin>,
    since: Timestamp,
    step: Step,
    lock_id: Option<String>,
    conflicts: u32,
    built: Option<Built>,
    /// The own commit was read back.
    seen: bool,
    /// Commit objects of this epoch that could be read, and those of later epochs.
    candidates: Vec<[u8; 32]>,
    commits: BTreeMap<[u8; 32], Bytes>,
    later: BTreeMap<u64, Vec<Bytes>>,
    turn_at: Option<Timestamp>,
    read_at: Option<Timestamp>,
    audit_at: Option<Timestamp>,

    joiners: BTreeMap<String, Theirs>,
    newest: BTreeMap<String, u64>,
    spent: u64,
    leaves: BTreeSet<u32>,
    proposed: bool,
    pub removes: BTreeSet<String>,
    pub update: bool,
    /// Requests to leave that could not be read: by whom, and the message.
    early_leaves: Vec<(String, Bytes)>,
    leaving: bool,
    asked_to_leave_in: Option<u64>,
}

impl Peer {
    pub fn new(name: &str, group: &str, suite: Ciphersuite, style: Style, seed: u64) -> Result<Self> {
        Ok(Self::with_identity(Rc::new(Identity::new(name, group, suite, style)?), group, style, seed))
    }

    fn with_identity(identity: Rc<Identity>, group: &str, style: Style, seed: u64) -> Self {
        Self {
            identity,
            style,
            names: Names { group: group.to_owned() },
            random: Random::new(seed),
            phase: Phase::New,
            now: Timestamp::default(),
            out: Vec::new(),
            troubles: Vec::new(),
            die_at: None,
            own: Vec::new(),
            next_number: 0,
            retry_at: None,
            ask_at: None,
            welcome: None,
            founded: None,
            joined: None,
            founder: false,
            group: None,
            pin: None,
            since: Timestamp::default(),
            step: Step::Idle,
            lock_id: None,
            conflicts: 0,
            built: None,
            seen: false,
            candidates: Vec::new(),
            commits: BTreeMap::new(),
            later: BTreeMap::new(),
            turn_at: None,
            read_at: None,
            audit_at: None,
            joiners: BTreeMap::new(),
            newest: BTreeMap::new(),
            spent: 0,
            leaves: BTreeSet::new(),
            proposed: false,
            removes: BTreeSet::new(),
            update: false,
            early_leaves: Vec::new(),
            leaving: false,
            asked_to_leave_in: None,
        }
    }

    pub fn epoch(&self) -> Option<u64> {
        self.group.as_ref().map(Group::epoch)
    }

    pub fn facts(&self) -> Option<Result<Facts>> {
        self.group.as_ref().map(Group::facts)
    }

    /// What to be woken for next.
    pub fn wake_at(&self) -> Option<Timestamp> {
        let ask = self.ask_at.as_ref().map(|(at, _)| *at);
        [self.retry_at, ask, self.turn_at, self.read_at, self.audit_at].into_iter().flatten().min()
    }

    /// Begins, or begins anew after everything but the keys was lost.
    pub fn start(&mut self, now: Timestamp) {
        self.now = now;
        self.out.push(Out::Subscribe);
        // Where it was here before, its track says which numbers are taken.
        self.out.push(Out::Fetch(self.names.key_packages(&self.identity.sender)));
        self.phase = Phase::Bootstrapping;
    }

    /// Everything but the long-lived keys is gone.
    pub fn die(&mut self) {
        let fresh =
            Self::with_identity(self.identity.clone(), &self.names.group, self.style, self.random.next());
        let dead = std::mem::replace(self, fresh);
        self.now = dead.now;
        self.troubles = dead.troubles;
        self.phase = Phase::Down;
    }

    pub fn leave(&mut self, now: Timestamp) {
        self.now = now;
        self.leaving = true;
        self.turn_at = None;
        self.ask_to_leave();
    }

    pub fn handle(&mut self, now: Timestamp, input: In) {
        self.now = now;
        if let Err(error) = self.take_in(input) {
            self.troubles.push(format!("{error:#}"));
        }
        self.schedule();
    }

    fn take_in(&mut self, input: In) -> Result<()> {
        match input {
            In::Object(object) => self.on_object(object),
            In::Reply(ask, reply) => self.on_reply(ask, reply),
            In::Looked(epoch) => self.on_looked(epoch),
            In::Found(objects) => self.on_found(objects),
            In::Wake => self.on_wake(),
        }
    }

    fn on_object(&mut self, object: Object) -> Result<()> {
        let Object { track, location, payload } = object;
        let name = String::from_utf8_lossy(&track.name).into_owned();
        if track == self.names.commits() {
            return self.on_commit_object(location.group_id, location.object_id, payload);
        }
        if track == self.names.welcome(&self.identity.sender) {
            return self.on_welcome(payload);
        }
        if track == self.names.key_packages(&name) && name != self.identity.sender {
            return self.on_key_package_object(&name, location.object_id, &payload);
        }
        Ok(())
    }

    fn on_reply(&mut self, ask: Ask, reply: Reply) -> Result<()> {
        match ask {
            Ask::Genesis => self.on_genesis(reply),
            Ask::Found => self.on_founded(reply),
            Ask::Confirm(epoch) => self.on_confirmed(epoch, reply),
            Ask::Slot(slot) => self.on_locked(slot, reply),
            Ask::Read(slot) => self.on_read(slot, reply),
            Ask::Fill(slot, hash) => self.on_filled(slot, hash, reply),
        }
    }

    fn on_wake(&mut self) -> Result<()> {
        let now = self.now;
        let due = |at: &mut Option<Timestamp>| at.take_if(|at| *at <= now).is_some();
        let (retry, turn, read, audit) = (
            due(&mut self.retry_at),
            due(&mut self.turn_at),
            due(&mut self.read_at),
            due(&mut self.audit_at),
        );
        if let Some((_, ask)) = self.ask_at.take_if(|(at, _)| *at <= now) {
            self.ask_again(ask)?;
        }
        if retry && self.phase == Phase::Joining {
            self.publish_key_package()?;
        }
        if turn {
            self.on_turn()?;
        }
        if read || audit {
            self.look_into_slot();
        }
        Ok(())
    }

    fn after(&mut self, least: u64, most: u64) -> Timestamp {
        let wait = self.random.between(least, most);
        self.now.after(std::time::Duration::from_millis(wait))
    }

    fn ask(&mut self, ask: Ask, request: Request) {
        self.out.push(Out::Ask(ask, request));
    }

    fn ask_later(&mut self, least: u64, most: u64, ask: Ask) {
        let at = self.after(least, most);
        self.ask_at = Some((at, ask));
    }

    fn ask_again(&mut self, ask: Ask) -> Result<()> {
        match ask {
            Ask::Genesis => self.ask(Ask::Genesis, Request::Lock(0)),
            Ask::Found => {
                let fill = self.founding()?;
                self.ask(Ask::Found, Request::Increment(fill));
            }
            Ask::Confirm(epoch) => self.ask(Ask::Confirm(epoch), Request::Lock(epoch)),
            Ask::Slot(slot) if self.slot() == Some(slot) && self.step == Step::Locking => {
                self.ask(Ask::Slot(slot), Request::Lock(slot));
            }
            Ask::Read(slot) if self.slot() == Some(slot) => self.look_into_slot(),
            Ask::Slot(_) | Ask::Read(_) | Ask::Fill(..) => {}
        }
        Ok(())
    }

    /// The counter value that makes the next epoch.
    fn slot(&self) -> Option<u64> {
        self.epoch().map(|epoch| epoch + 1)
    }

    fn fill(&mut self, slot: u64, hash: [u8; 32], fill: Fill) {
        self.step = Step::Filling;
        self.ask(Ask::Fill(slot, hash), Request::Increment(fill));
    }

    fn publish(&mut self, track: moq_mls::tracks::FullTrackName, group: u64, object: u64, payload: Bytes) {
        let location = moq_mls::tracks::Location { group_id: group, object_id: object };
        self.out.push(Out::Publish(Object { track, location, payload }));
    }

    fn is_to_die(&mut self, at: DieAt) -> bool {
        let dies = self.die_at == Some(at);
        if dies {
            // What is queued was sent.
            self.die_at = None;
            self.phase = Phase::Down;
        }
        dies
    }
}

impl Peer {
    pub fn ask_for_update(&mut self, now: Timestamp) {
        self.now = now;
        self.update = true;
        self.schedule();
    }

    pub fn remove(&mut self, now: Timestamp, sender: String) {
        self.now = now;
        self.removes.insert(sender);
        self.schedule();
    }
}
