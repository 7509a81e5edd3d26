//! How participants die and come back, and the recording of their runs.

use super::model::{Carriage, World};
use crate::engine::Engine;
use crate::error::Error;
use crate::participant::Participant;
use crate::recording::{Recorder, Secrets};
use crate::snapshot::Snapshot;
use crate::testing::flaws::Subject;
use crate::testing::log::What;
use crate::testing::session::Session;

impl<E: Engine, C: Carriage<E>> World<E, C> {
    /// Kills a participant: everything that was not durable is gone. What it had sent arrives or not.
    pub fn crash(&mut self, who: usize) {
        self.entry(who, || What::Process("crash".into()), 0);
        C::last_words(self, who);
        if let Some(peer) = self.peers.get_mut(who) {
            if let Some(mut session) = peer.session.take() {
                peer.recorder = session.recorder_mut().cloned();
                peer.durable = session.durable().cloned();
            }
            peer.life = peer.life.wrapping_add(1);
            peer.actions_left = None;
        }
        self.carriage.close(who);
        self.retime(who);
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

    /// Starts a participant again from what was durable, or from nothing if nothing was. One that is up is
    /// killed before.
    ///
    /// # Errors
    /// Those of [`Participant::restore`].
    pub fn restart(&mut self, who: usize, engine: E) -> Result<(), Error> {
        if self.peer(who).is_some() {
            self.crash(who);
        }
        let now = self.clock(who);
        let Some(peer) = self.peers.get_mut(who) else { return Ok(()) };
        let mut session = match peer.durable.take() {
            Some(durable) => {
                let participant = Participant::restore(engine, peer.config.clone(), &durable, now)?;
                Session::restored(Subject::new(participant, self.flaw), durable)
            }
            None => {
                let participant = Participant::new(engine, peer.config.clone(), now)?;
                Session::new(Subject::new(participant, self.flaw))
            }
        };
        self.carriage.open(self.now, who, &session)?;
        if let Some(recorder) = peer.recorder.take() {
            session.record(now, recorder);
        }
        peer.sender = session.participant().sender_id().clone();
        peer.session = Some(session);
        self.entry(who, || What::Process("restart".into()), 0);
        self.pump(who);
        Ok(())
    }

    /// Replaces what is durable of a participant that is down, as if its state had been put back to an older one.
    pub fn put_back(&mut self, who: usize, durable: Snapshot) {
        if let Some(peer) = self.peers.get_mut(who) {
            peer.durable = Some(durable);
        }
    }

    /// What a participant would restart from if it crashed now.
    pub fn durable(&self, who: usize) -> Option<Snapshot> {
        let peer = self.peers.get(who)?;
        peer.durable.clone().or_else(|| peer.session.as_ref()?.durable().cloned())
    }

    /// Takes a participant out of the world, to go on with it by hand; its place stays, as if it were down.
    pub fn take(&mut self, who: usize) -> Option<Participant<E>> {
        let session = self.peers.get_mut(who)?.session.take()?;
        self.crash(who);
        Some(session.into_participant())
    }

    /// Writes down a participant's run from now on, restarts included. `engine` as in [`Recorder::new`].
    pub fn record(&mut self, who: usize, engine: &str, secrets: Secrets) {
        if let Some(config) = self.peers.get(who).map(|p| &p.config) {
            self.record_by(who, Recorder::new(engine, config, secrets));
        }
    }

    /// As [`record`](Self::record), by this recorder; of one that is down, from its next start on.
    pub fn record_by(&mut self, who: usize, recorder: Recorder) {
        let now = self.now;
        let Some(peer) = self.peers.get_mut(who) else { return };
        match &mut peer.session {
            Some(session) => session.record(now, recorder),
            None => peer.recorder = Some(recorder),
        }
    }

    /// What was recorded of a participant since the last call; empty unless it is recorded.
    pub fn take_recording(&mut self, who: usize) -> String {
        let Some(peer) = self.peers.get_mut(who) else { return String::new() };
        let recorder = match &mut peer.session {
            Some(session) => session.recorder_mut(),
            None => peer.recorder.as_mut(),
        };
        recorder.map(Recorder::take).unwrap_or_default()
    }
}
