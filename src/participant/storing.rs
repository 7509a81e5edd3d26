//! What survives a crash, and how a participant goes on after one.

use bytes::Bytes;

use crate::action::{Action, Timer};
use crate::codec::params::{mode_byte, policy_byte};
use crate::config::{Config, SafetyMode};
use crate::counter::Pin;
use crate::engine::{Engine, Member, Next, OwnKeyPackage};
use crate::error::Error;
use crate::keys::EpochSecret;
use crate::participant::bootstrapping::{Bootstrap, Genesis};
use crate::participant::joining::Joining;
use crate::participant::leaving::Leaving;
use crate::participant::membership::{Outbox, Unheard};
use crate::participant::roster::Roster;
use crate::participant::{Participant, State};
use crate::secret::Secret;
use crate::snapshot::{Reader, Snapshot, SnapshotError, Writer};
use crate::time::Timestamp;
use crate::tracks::{KEY_PACKAGE_GROUP, Location, SenderId};

/// The state's tag in a snapshot.
mod tag {
    pub(super) const NEW: u8 = 0;
    pub(super) const BOOTSTRAPPING: u8 = 1;
    pub(super) const JOINING: u8 = 2;
    pub(super) const MEMBER: u8 = 3;
    pub(super) const ENDED: u8 = 4;
}

impl<E: Engine> Participant<E> {
    /// Queues the barrier: what comes after it is not done before this is durable.
    pub(crate) fn persist(&mut self) -> Result<(), Error> {
        let snapshot = self.snapshot()?;
        self.actions.push_back(Action::Persist(snapshot));
        Ok(())
    }

    /// The durable state as it is now. The machine emits it by itself whenever it must be stored; this
    /// is for an embedder that wants to move a participant.
    ///
    /// # Errors
    /// [`Error::Engine`] if the engine fails.
    pub fn snapshot(&self) -> Result<Snapshot, Error> {
        let mut out = Writer::new();
        out.bytes(self.config.group.as_bytes());
        out.u8(mode_byte(self.config.mode));
        out.u8(policy_byte(self.config.commit_tracks));
        out.bytes(self.me.as_bytes());
        out.u64(self.next_sequence);
        out.list(self.keys.iter(), |out, key| {
            out.u64(key.sequence);
            out.bytes(&key.message);
            out.bytes(&key.reference);
            out.bytes(key.secret.as_bytes());
            out.u64(key.expires.as_millis());
        });
        let senders = |out: &mut Writer, set: &std::collections::BTreeSet<SenderId>| {
            out.list(set.iter(), |out, sender| out.bytes(sender.as_bytes()));
        };
        senders(&mut out, &self.joiners.barred);
        out.list(self.joiners.admitted.iter(), |out, (sender, replacing)| {
            out.bytes(sender.as_bytes());
            out.option(replacing.as_ref(), |out, other| out.bytes(other.as_bytes()));
        });
        senders(&mut out, &self.joiners.refused);
        // Without it, every KeyPackage that the relay replays after a restart would look fresh.
        out.list(self.joiners.newest.iter(), |out, (sender, object)| {
            out.bytes(sender.as_bytes());
            out.u64(*object);
        });
        out.list(self.wishes.removals.iter(), |out, (sender, bar)| {
            out.bytes(sender.as_bytes());
            out.u8(u8::from(*bar));
        });
        out.u8(u8::from(self.wishes.update));
        out.u8(u8::from(self.leaving.is_some()));
        match &self.state {
            State::New => out.u8(tag::NEW),
            State::Bootstrapping(bootstrap) => {
                out.u8(tag::BOOTSTRAPPING);
                out.option(bootstrap.genesis.as_ref(), |out, genesis| {
                    out.shared(&genesis.saved);
                    out.bytes(genesis.pin.as_bytes());
                });
                out.option(bootstrap.lock_id.as_ref(), |out, id| out.bytes(id));
            }
            State::Joining(_) => out.u8(tag::JOINING),
            State::Member(member) => {
                out.u8(tag::MEMBER);
                out.shared(&member.saved);
                out.option(member.pin, |out, pin| out.bytes(pin.as_bytes()));
                out.list(member.welcomes.iter(), welcome);
                out.option(member.tree.as_ref(), |out, tree| out.shared(tree));
                out.option(member.unheard.as_ref(), |out, unheard| {
                    out.u64(unheard.location.group);
                    out.u64(unheard.location.object);
                    out.shared(&unheard.commit);
                });
                out.option(member.outbox.as_ref(), |out, outbox| {
                    out.shared(&outbox.commit);
                    out.bytes(outbox.pin.as_bytes());
                    out.shared(&outbox.saved);
                    out.list(outbox.welcomes.iter(), welcome);
                    out.option(outbox.tree.as_ref(), |out, tree| out.shared(tree));
                    out.option(outbox.lock_id.as_ref(), |out, id| out.bytes(id));
                });
            }
            State::Ended => out.u8(tag::ENDED),
        }
        // Their notices may never be polled, and MLS has no way back to these epochs.
        out.list(self.passed.iter(), |out, secret| secret.write(out));
        Ok(out.finish())
    }

    /// Goes on after a restart, with the last snapshot that became durable. The actions that resume
    /// the work are queued at once; the same engine keys and the same configuration are needed.
    ///
    /// # Errors
    /// [`Error::Snapshot`] for bytes that are damaged, of another version, group or participant;
    /// [`Error::Engine`] if the engine refuses the group state.
    pub fn restore(engine: E, config: Config, snapshot: &Snapshot, now: Timestamp) -> Result<Self, Error> {
        let mut this = Self::new(engine, config, now)?;
        let mut from = Reader::open(snapshot)?;
        if from.bytes()? != this.config.group.as_bytes()
            || from.u8()? != mode_byte(this.config.mode)
            || from.u8()? != policy_byte(this.config.commit_tracks)
        {
            return Err(SnapshotError::OtherGroup.into());
        }
        if from.bytes()? != this.me.as_bytes() {
            return Err(SnapshotError::OtherParticipant.into());
        }
        this.next_sequence = from.u64()?;
        this.keys = from.list(|from| {
            Ok(OwnKeyPackage {
                sequence: from.u64()?,
                message: from.bytes()?,
                reference: from.bytes()?,
                secret: Secret::new(from.bytes()?.to_vec()),
                expires: Timestamp::from_millis(from.u64()?),
            })
        })?;
        this.joiners.barred = from.list(Reader::sender)?.into_iter().collect();
        this.joiners.admitted =
            from.list(|from| Ok((from.sender()?, from.option(Reader::sender)?)))?.into_iter().collect();
        this.joiners.refused = from.list(Reader::sender)?.into_iter().collect();
        this.joiners.newest = from.list(|from| Ok((from.sender()?, from.u64()?)))?.into_iter().collect();
        this.wishes.removals = from.list(|from| Ok((from.sender()?, from.bool()?)))?.into_iter().collect();
        this.wishes.update = from.bool()?;
        if from.bool()? {
            this.leaving = Some(Leaving::default());
        }
        this.spare_keys_until = Some(this.now.after(this.config.timers.join_deadline));
        match from.u8()? {
            tag::NEW => {}
            tag::BOOTSTRAPPING => this.read_bootstrap(&mut from)?,
            tag::JOINING => this.state = State::Joining(Box::new(Joining::new(None))),
            tag::MEMBER => this.read_member(&mut from)?,
            tag::ENDED => this.state = State::Ended,
            _ => return Err(SnapshotError::Malformed.into()),
        }
        let kdf = this.engine.kdf();
        this.passed = from.list(|from| EpochSecret::read(from, &kdf))?.into();
        from.end()?;
        this.resume()?;
        Ok(this)
    }

    fn read_bootstrap(&mut self, from: &mut Reader) -> Result<(), Error> {
        let genesis = from.option(|from| Ok((from.bytes()?, pin(from)?)))?;
        let genesis = match genesis {
            Some((saved, pin)) => {
                let group = self.engine.load(&saved)?;
                Some(Genesis { view: self.engine.view(&group)?, group, saved, pin })
            }
            None => None,
        };
        let lock_id = from.option(Reader::bytes)?;
        let bootstrap = Bootstrap { genesis, lock_id, ..Bootstrap::default() };
        self.state = State::Bootstrapping(Box::new(bootstrap));
        Ok(())
    }

    fn read_member(&mut self, from: &mut Reader) -> Result<(), Error> {
        let saved = from.bytes()?;
        let own_pin = from.option(pin)?;
        let welcomes = from.list(read_welcome)?;
        let tree = from.option(Reader::bytes)?;
        let unheard = from.option(|from| {
            let location = Location { group: from.u64()?, object: from.u64()? };
            Ok(Unheard { location, commit: from.bytes()? })
        })?;
        let outbox = from.option(|from| {
            Ok(Stored {
                commit: from.bytes()?,
                pin: pin(from)?,
                saved: from.bytes()?,
                welcomes: from.list(read_welcome)?,
                tree: from.option(Reader::bytes)?,
                lock_id: from.option(Reader::bytes)?,
            })
        })?;
        let group = self.engine.load(&saved)?;
        let view = self.engine.view(&group)?;
        self.become_member(group, &view, saved, own_pin)?;
        let outbox = match outbox {
            Some(stored) => Some(self.read_outbox(stored)?),
            None => None,
        };
        if let Some(member) = self.member_mut() {
            member.welcomes = welcomes;
            member.tree = tree;
            member.unheard = unheard;
            member.outbox = outbox;
        }
        Ok(())
    }

    fn read_outbox(&self, stored: Stored) -> Result<Outbox<E::Group>, Error> {
        let Stored { commit, pin, saved, welcomes, tree, lock_id } = stored;
        let group = self.engine.load(&saved)?;
        let context_hash = self.engine.view(&group)?.context_hash;
        let Some(member) = self.member() else { return Err(SnapshotError::Malformed.into()) };
        let after = Roster::new(self.engine.roster(&group)?);
        let differs = |a: &Roster, m: &Member| {
            a.at(m.leaf).is_none_or(|o| o.sender != m.sender || o.sequence != m.sequence)
        };
        Ok(Outbox {
            base: member.context_hash,
            commit,
            pin,
            welcomes,
            tree,
            next: Next { group, context_hash },
            saved,
            added: after.iter().filter(|m| differs(&member.roster, m)).cloned().collect(),
            removed: member.roster.iter().filter(|m| differs(&after, m)).map(|m| m.leaf).collect(),
            // It may have left before the crash: from now on only a confirmed pin may end it. In Fenced
            // mode nothing leaves before the slot is filled.
            sent: self.config.mode != SafetyMode::Fenced,
            object: None,
            seen: false,
            lock_id,
        })
    }

    /// Takes up the work where the snapshot left it.
    fn resume(&mut self) -> Result<(), Error> {
        if matches!(self.state, State::New | State::Ended) {
            return Ok(());
        }
        self.listen();
        let timers = self.config.timers.clone();
        match &self.state {
            State::Bootstrapping(_) => {
                self.republish_key_package();
                self.deadlines.set(Timer::JoinDeadline, self.now.after(timers.join_deadline));
                self.ask_genesis();
            }
            State::Joining(_) => {
                self.republish_key_package();
                self.deadlines.set(Timer::JoinDeadline, self.now.after(timers.join_deadline));
                self.deadlines.set(Timer::JoinRetry, self.now.after(timers.join_retry));
            }
            State::Member(member) => {
                // Commits may have been missed: ask where the counter stands, or finish what was begun.
                let wait = if member.outbox.is_some() { Default::default() } else { timers.confirm };
                self.deadlines.set(Timer::Confirm, self.now.after(wait));
                self.publish_unheard();
                self.publish_welcomes();
                if self.leaving.is_some() {
                    self.deadlines.set(Timer::Leave, self.now.after(timers.leave));
                    self.ask_to_leave()?;
                }
            }
            State::New | State::Ended => {}
        }
        Ok(())
    }

    /// The same bytes at the same place: no second object.
    pub(crate) fn republish_key_package(&mut self) {
        if let Some(key) = self.keys.last() {
            let location = Location { group: KEY_PACKAGE_GROUP, object: key.sequence };
            let message = key.message.clone();
            self.publish(self.tracks.key_package(&self.me), location, message);
        }
    }
}

/// An outbox as a snapshot has it.
struct Stored {
    commit: Bytes,
    pin: Pin,
    saved: Bytes,
    welcomes: Vec<(SenderId, Bytes)>,
    tree: Option<Bytes>,
    lock_id: Option<Bytes>,
}

fn welcome(out: &mut Writer, (recipient, welcome): &(SenderId, Bytes)) {
    out.bytes(recipient.as_bytes());
    out.shared(welcome);
}

fn read_welcome(from: &mut Reader) -> Result<(SenderId, Bytes), SnapshotError> {
    Ok((from.sender()?, from.bytes()?))
}

fn pin(from: &mut Reader) -> Result<Pin, SnapshotError> {
    Pin::from_slice(&from.bytes()?).ok_or(SnapshotError::Malformed)
}
