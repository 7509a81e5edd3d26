//! Creating and joining (draft section 6.2), and Welcomes (section 6.3.1).

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use moq_mls::Object;

use super::{Ask, Peer, Phase, Step};
use crate::counter::{Fill, Pinned, Reply, Request};
use crate::mls::Group;
use crate::wire::{self, Pin};

impl Peer {
    /// Is the group there?
    pub(super) fn on_genesis(&mut self, reply: Reply) -> Result<()> {
        if self.phase != Phase::Bootstrapping {
            return Ok(());
        }
        match reply {
            Reply::Ok { lock_id, .. } => {
                self.lock_id = lock_id;
                let number = self.own.last().map_or(0, |own| own.number);
                self.founded = Some(self.identity.create(number)?);
                let fill = self.founding()?;
                self.ask(Ask::Found, Request::Increment(fill));
            }
            Reply::CounterError { current: 1.., .. } => self.wait_for_welcome(),
            Reply::Conflict { retry_later_ms } => {
                self.ask_later(retry_later_ms, retry_later_ms + 100, Ask::Genesis);
            }
            _ => self.ask_later(200, 1_000, Ask::Genesis),
        }
        Ok(())
    }

    pub(super) fn founding(&self) -> Result<Fill> {
        let group = self.founded.as_ref().context("nothing founded")?;
        let mut fill = Fill { lock_id: self.lock_id.clone(), pinned: None };
        if self.style.pinned {
            fill.pinned = Some(Pinned { val: 0, prev: None, pin: group.pin(None)?, key: None, commit: None });
        }
        Ok(fill)
    }

    pub(super) fn on_founded(&mut self, reply: Reply) -> Result<()> {
        let Some(group) = self.founded.take() else { return Ok(()) };
        let own = group.pin(None)?;
        match reply {
            Reply::Ok { pin, .. } if !self.style.pinned || pin == Some(own) => {
                self.own.clear();
                self.founder = true;
                self.enter(group, Some(own));
            }
            Reply::Error(reason) if reason == "not_locked" => self.ask_later(100, 500, Ask::Genesis),
            _ => self.wait_for_welcome(),
        }
        Ok(())
    }

    fn wait_for_welcome(&mut self) {
        self.phase = Phase::Joining;
        // Who creates the group lets them in; who is let in leaves them to those who were there.
        self.joiners.clear();
    }

    pub(super) fn on_welcome(&mut self, payload: Bytes) -> Result<()> {
        if !matches!(self.phase, Phase::Joining | Phase::Bootstrapping) || self.founded.is_some() {
            return Ok(());
        }
        let (pin, welcome) = if self.style.pinned {
            let Some((pin, welcome)) = wire::read_welcome_object(&payload) else { bail!("Welcome object") };
            (pin, Bytes::from(welcome))
        } else {
            (None, payload)
        };
        // To a KeyPackage of an earlier run, or one that lost: not for us.
        let Ok(opened) = self.identity.open_welcome(&self.own, &welcome) else { return Ok(()) };
        if self.phase == Phase::Bootstrapping {
            self.wait_for_welcome();
        }
        self.welcome = Some((welcome, pin));
        match opened.tree {
            Some(_) => self.fetch(self.names.trees()),
            None => self.join(None)?,
        }
        Ok(())
    }

    /// The tree of a Welcome was fetched.
    pub(super) fn on_trees(&mut self, objects: Vec<Object>) -> Result<()> {
        let Some((welcome, _)) = &self.welcome else { return Ok(()) };
        let opened = self.identity.open_welcome(&self.own, welcome)?;
        let Some(place) = opened.tree else { return Ok(()) };
        let track = self.names.trees();
        let epoch = opened.epoch;
        let lies = |o: &&Object| {
            o.track == track && o.location.group_id == epoch && o.location.object_id == place.object
        };
        match objects.iter().find(lies) {
            Some(object) => self.join(Some(&object.payload.clone())),
            None => {
                self.fetch(track);
                Ok(())
            }
        }
    }

    fn join(&mut self, sealed: Option<&[u8]>) -> Result<()> {
        let Some((welcome, pin)) = self.welcome.take() else { return Ok(()) };
        let opened = self.identity.open_welcome(&self.own, &welcome)?;
        let (spent, used) = (opened.spent, opened.number);
        let group = opened.join(sealed)?;
        self.spent = self.spent.max(spent.unwrap_or(0));
        if !self.style.pinned {
            self.own.retain(|own| own.number > used);
            self.enter(group, None);
            return Ok(());
        }
        let made = group.pin(None)?;
        if pin.is_some_and(|pin| pin[32..] != made[32..]) {
            bail!("a Welcome whose pin is another group's");
        }
        // The service must say that it won.
        self.welcome = Some((welcome, pin));
        let epoch = group.epoch();
        self.founded = None;
        self.joined = Some((group, made));
        self.ask(Ask::Confirm(epoch), Request::Lock(epoch));
        Ok(())
    }

    pub(super) fn on_confirmed(&mut self, epoch: u64, reply: Reply) -> Result<()> {
        if self.joined.as_ref().is_none_or(|(group, _)| group.epoch() != epoch) {
            return Ok(());
        }
        match reply {
            Reply::CounterError { current, pin: Some(winner) } if current > epoch => {
                let Some((group, pin)) = self.joined.take() else { return Ok(()) };
                self.welcome = None;
                // What a joiner cannot make is the hash of the commit.
                if winner[32..] == pin[32..] {
                    let by = group.number_at(group.leaf()).unwrap_or(0);
                    self.own.retain(|own| own.number > by);
                    self.enter(group, Some(winner));
                } else {
                    self.troubles.push("a Welcome whose epoch did not win".to_owned());
                }
            }
            _ => self.ask_later(100, 300, Ask::Confirm(epoch)),
        }
        Ok(())
    }

    /// Enters an epoch, from outside or from the one before.
    pub(super) fn enter(&mut self, group: Group, pin: Option<Pin>) {
        self.phase = Phase::Member;
        self.group = Some(group);
        self.pin = pin;
        self.retry_at = None;
        self.arrive();
        if let Err(error) = self.replay_leaves() {
            self.troubles.push(format!("early requests to leave: {error:#}"));
        }
    }

    /// Begins a new epoch with a new slot.
    pub(super) fn arrive(&mut self) {
        self.step = Step::Idle;
        self.lock_id = None;
        self.conflicts = 0;
        self.built = None;
        self.seen = false;
        self.candidates.clear();
        self.commits.clear();
        self.turn_at = None;
        self.read_at = None;
        self.ask_at = None;
        self.leaves.clear();
        self.proposed = false;
        let Some(group) = &self.group else { return };
        let members = group.members();
        // Who came in by its newest KeyPackage waits no longer.
        for (leaf, sender) in &members {
            if self.joiners.get(sender).is_some_and(|theirs| group.came_by(*leaf, theirs)) {
                self.joiners.remove(sender);
            }
        }
        self.removes.retain(|sender| members.iter().any(|(_, member)| member == sender));
        self.audit_at = Some(self.after(15_000, 25_000));
        self.ask_to_leave();
    }
}
