//! How a member goes: by its own request, put out, or replaced.

use crate::action::Timer;
use crate::engine::{Engine, Member as GroupMember};
use crate::error::Error;
use crate::notice::Notice;
use crate::participant::carried::{LeaveRequest, Leaving};
use crate::participant::context::Context;
use crate::participant::flow::{Flow, When};
use crate::participant::member::{Member, doubled, leave};
use crate::tracks::{KEY_PACKAGE_GROUP, Location};

impl<G> Member<G> {
    pub(super) fn leave<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>) -> Result<(), Error> {
        if self.carried.leaving.is_some() {
            return Ok(());
        }
        self.carried.leaving = Some(Leaving::default());
        cx.deadlines.clear(Timer::Turn);
        cx.await_leave();
        self.schedule_audit(cx);
        self.ask_to_leave(cx)
    }

    /// Publishes the leave request of this epoch at the next object id, if this participant wants to leave.
    pub(crate) fn ask_to_leave<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>) -> Result<(), Error> {
        // While a commit of ours is undecided, its handshake key must not be used for anything else.
        if self.slot.outbox.is_some() {
            return Ok(());
        }
        if let Some(request) = leave::ask(cx, &self.epoch, &mut self.carried)? {
            self.persist(cx);
            cx.publish_leave(request);
        }
        Ok(())
    }

    /// Nobody has committed the request: publishes it again, or gives up.
    pub(super) fn on_leave_timer<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
    ) -> Result<Flow<G>, Error> {
        if self.carried.gives_up_leaving(cx) {
            return self.end(cx, Notice::LeaveUnheard);
        }
        let epoch = self.epoch.number;
        let asked = self.carried.leaving.as_mut().and_then(|leaving| leaving.asked.as_mut());
        if let Some(request) = asked.filter(|request| request.epoch == epoch) {
            // Elsewhere: a relay passes no object on twice.
            request.object_id = cx.next_object_id()?;
            let request = request.clone();
            self.persist(cx);
            cx.publish_leave(request);
        }
        Ok(Flow::Stay)
    }

    pub(super) fn on_removed<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        added: &[GroupMember],
    ) -> Result<Flow<G>, Error> {
        if let Some(own) = added.iter().find(|m| m.sender == cx.me) {
            // The same commit took the own leaf and added an own KeyPackage.
            let reason = doubled::reason_of(cx, own);
            return self.rejoin(cx, reason, When::IfNone);
        }
        let left = self.carried.leaving.is_some();
        let notice = if left { Notice::Left } else { Notice::Removed { epoch: self.epoch.shown_slot() } };
        self.end(cx, notice)
    }

    pub(super) fn end<E: Engine<Group = G>>(
        &self,
        cx: &mut Context<E>,
        notice: Notice,
    ) -> Result<Flow<G>, Error> {
        self.epoch.keep_secret(cx);
        cx.passed.end();
        Ok(Flow::End(notice))
    }
}

impl<E: Engine> Context<E> {
    fn publish_leave(&mut self, request: LeaveRequest) {
        let location = Location { group_id: KEY_PACKAGE_GROUP, object_id: request.object_id };
        self.publish(self.tracks.key_package(&self.me), location, request.message);
    }
}
