//! Mode Advisory: proposals that are objects of their own, for commits that refer to them (RFC 9420 section
//! 12.4).
//!
//! The draft names no track for them. They are taken where a commit may come from a moment later: on the Commit track,
//! in the MOQT group of their epoch, and on the KeyPackage tracks, where requests to leave are.

use bytes::Bytes;

use crate::action::FetchTarget;
use crate::engine::{Engine, EngineError, MessageKind, Rejection};
use crate::error::Error;
use crate::notice::Fault;
use crate::participant::carried::Carried;
use crate::participant::context::Context;
use crate::participant::member::epoch::Epoch;
use crate::participant::member::slot::{Slot, Verdict};
use crate::participant::requests::FetchPurpose;
use crate::tracks::{KEY_PACKAGE_GROUP, SenderId};

/// Of how many members requests to leave are fetched at a time.
const FETCHED: usize = 64;

/// Whether this is a proposal made in `epoch` of this group, as far as its header tells.
pub(crate) fn is_of<E: Engine>(cx: &Context<E>, epoch: u64, bytes: &Bytes) -> Result<bool, EngineError> {
    let kind = cx.engine.classify(bytes)?;
    Ok(matches!(kind, Ok(MessageKind::Proposal { group_id, epoch: of })
        if of == epoch && group_id == cx.config.group.as_bytes()))
}

impl<G> Slot<G> {
    /// Takes in an object of this epoch's MOQT group: a commit, or a proposal.
    pub(crate) fn on_handshake<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: &Epoch<G>,
        from: Option<SenderId>,
        bytes: Bytes,
    ) -> Result<Verdict<G>, Error> {
        if is_of(cx, epoch.number, &bytes)? {
            self.on_proposal(cx, epoch, from, bytes)
        } else {
            self.on_commit(cx, epoch, from, bytes)
        }
    }

    /// Takes in a proposal of this epoch, and tries the commits that waited for it.
    pub(crate) fn on_proposal<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: &Epoch<G>,
        from: Option<SenderId>,
        message: Bytes,
    ) -> Result<Verdict<G>, Error> {
        let hash = cx.engine.sha256(&message)?;
        if self.proposals.contains(&message) || self.refused.contains(&hash) {
            return Ok(Verdict::Open);
        }
        if self.proposals.len() >= cx.config.limits.commits_per_epoch || self.is_flooded(cx) {
            cx.fault(from, Fault::TooMany);
            self.leave_to_the_counter(cx);
            return Ok(Verdict::Open);
        }
        let bytes = message.len();
        match cx.engine.inspect_proposal(&epoch.group, cx.time_of_day(), &message)? {
            Ok(()) => self.proposals.push(message),
            Err(Rejection::Own) => return Ok(Verdict::Open),
            Err(rejection) => {
                // A stranger's cost next to nothing, and anybody could use up what may be staged so.
                if !matches!(rejection, Rejection::Stranger) {
                    self.staged_commits = self.staged_commits.saturating_add(1);
                    self.vain = self.vain.saturating_add(bytes);
                    self.refused.insert(hash);
                }
                cx.fault(from, Fault::Invalid);
                return Ok(Verdict::Open);
            }
        }
        for commit in std::mem::take(&mut self.waiting) {
            // It was counted when it came.
            self.staged_commits = self.staged_commits.saturating_sub(1);
            let verdict = self.on_commit(cx, epoch, None, commit)?;
            if !matches!(verdict, Verdict::Open) {
                return Ok(verdict);
            }
        }
        Ok(Verdict::Open)
    }

    /// Takes in what is on a KeyPackage track: a request to leave is a proposal.
    pub(crate) fn on_request<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: &Epoch<G>,
        sender: &SenderId,
        message: &Bytes,
    ) -> Result<Verdict<G>, Error> {
        if cx.rules.takes_proposals && is_of(cx, epoch.number, message)? {
            return self.on_proposal(cx, epoch, Some(sender.clone()), message.clone());
        }
        Ok(Verdict::Open)
    }

    /// Takes up, in a new epoch, the requests to leave that came early for it. Nothing waits for them yet.
    pub(crate) fn take_up_requests<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        epoch: &Epoch<G>,
        carried: &Carried,
    ) -> Result<(), Error> {
        for (sender, (_, _, request)) in &carried.intents.future_leaves {
            self.on_request(cx, epoch, sender, request)?;
        }
        Ok(())
    }

    /// Looks for requests to leave that a commit may refer to: they are on their senders' tracks. Those of a large
    /// group are fetched in turn.
    pub(crate) fn fetch_requests<E: Engine<Group = G>>(&self, cx: &mut Context<E>, epoch: &Epoch<G>) {
        if self.waiting.is_empty() {
            return;
        }
        let others = epoch.roster.iter().map(|m| &m.sender).filter(|sender| **sender != cx.me);
        let others: Vec<SenderId> = others.cloned().collect();
        let groups = others.len().div_ceil(FETCHED).max(1);
        let turn = usize::try_from(self.attempts).unwrap_or(0) % groups;
        for sender in others.chunks(FETCHED).nth(turn).unwrap_or_default() {
            let track = FetchTarget::Track(cx.tracks.key_package(sender));
            cx.fetch(FetchPurpose::Objects, track, KEY_PACKAGE_GROUP..=KEY_PACKAGE_GROUP);
        }
    }

    /// Keeps a commit until the proposals are here that it refers to.
    pub(crate) fn wait_for_proposals<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        from: Option<SenderId>,
        commit: Bytes,
    ) {
        if self.waiting.len() < cx.config.limits.candidates {
            self.waiting.push(commit);
        } else {
            cx.fault(from, Fault::TooMany);
        }
        // If they are lost, the counter says that the group went on.
        cx.hint();
    }
}
