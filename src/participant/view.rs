//! What an embedder may look at, at any time.

use bytes::Bytes;

use crate::action::Timer;
use crate::config::Config;
use crate::counter::Pin;
use crate::engine::{Engine, Member as GroupMember};
use crate::error::{Error, Misuse};
use crate::notice::WaitsFor;
use crate::participant::Participant;
use crate::participant::aside::Aside;
use crate::participant::member::Member;
use crate::participant::phase::Phase;
use crate::participant::state::State;
use crate::participant::stats::Stats;
use crate::participant::status::Status;
use crate::secret::Secret;
use crate::tracks::{GroupTracks, SenderId};

impl<E: Engine> Participant<E> {
    /// Returns the phase that this participant is in.
    pub fn phase(&self) -> Phase {
        match self.state {
            State::New(_) => Phase::New,
            State::Creating(_) => Phase::Bootstrapping,
            State::Joining(_) => Phase::Joining,
            State::Member(_) => Phase::Member,
            State::Ended(_) => Phase::Ended,
            State::Poisoned(_) => Phase::Poisoned,
        }
    }

    /// The own SenderId.
    pub fn sender_id(&self) -> &SenderId {
        &self.cx.me
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.cx.config
    }

    /// The names of the group's tracks.
    pub fn tracks(&self) -> &GroupTracks {
        &self.cx.tracks
    }

    /// What was counted so far.
    pub fn stats(&self) -> &Stats {
        &self.cx.stats
    }

    /// The engine.
    pub fn engine(&self) -> &E {
        &self.cx.engine
    }

    /// The epoch, while a member: the MLS epoch, and in a successor
    /// [`ContextParams::epoch_base`](crate::engine::ContextParams::epoch_base) more.
    pub fn epoch(&self) -> Option<u64> {
        self.member().map(|m| m.epoch.shown())
    }

    /// The members by leaf; empty unless this participant is one.
    pub fn members(&self) -> impl Iterator<Item = &GroupMember> {
        self.member().into_iter().flat_map(|m| m.epoch.roster.iter())
    }

    /// SHA-256 of the TLS-serialized GroupContext, while a member: equal for all members of an epoch.
    pub fn context_hash(&self) -> Option<[u8; 32]> {
        self.member().map(|m| m.epoch.context_hash)
    }

    /// The pin by which the present epoch won its slot; `None` where slots have no pins, and unless a member.
    pub fn pin(&self) -> Option<&Pin> {
        self.member().and_then(|m| m.epoch.pin.as_ref())
    }

    /// The epoch authenticator (RFC 9420 section 8.7): what to compare with a peer's.
    ///
    /// # Errors
    /// [`Misuse::NotAMember`], or a failure of the provider.
    pub fn epoch_authenticator(&self) -> Result<Bytes, Error> {
        let member = self.member().ok_or(Misuse::NotAMember)?;
        Ok(self.cx.engine.epoch_authenticator(&member.epoch.group)?)
    }

    /// An exporter secret of the current epoch (RFC 9420 section 8.5), `len` bytes.
    ///
    /// # Errors
    /// [`Misuse::NotAMember`], or a failure of the provider.
    pub fn export_secret(&self, label: &[u8], context: &[u8], len: usize) -> Result<Secret, Error> {
        let member = self.member().ok_or(Misuse::NotAMember)?;
        Ok(self.cx.engine.export_secret(&member.epoch.group, label, context, len)?)
    }

    pub(crate) fn member(&self) -> Option<&Member<E::Group>> {
        self.state.member()
    }

    /// Says where this participant is, and what it waits for.
    pub fn status(&self) -> Status {
        let Aside((waits_for, since)) = self.waits;
        Status {
            phase: self.phase(),
            epoch: self.epoch(),
            members: self.members().count(),
            waits_for,
            since,
            waited: self.cx.now.since(since),
        }
    }

    /// Notes since when it waits for what it waits for.
    pub(crate) fn note_waits(&mut self) {
        let now = self.cx.now;
        let waits_for = self.waits_for();
        let (before, since) = &mut *self.waits;
        // A clock that was set back.
        *since = (*since).min(now);
        if *before != waits_for {
            self.waits = Aside((waits_for, now));
        }
    }

    fn waits_for(&self) -> WaitsFor {
        match &self.state {
            State::New(_) => WaitsFor::Join,
            State::Creating(creating) => creating.waits_for(),
            State::Joining(joining) => joining.waits_for(),
            State::Member(member) => member.waits_for(self.cx.deadlines.is_set(Timer::Turn)),
            State::Ended(_) | State::Poisoned(_) => WaitsFor::End,
        }
    }
}
