//! Mode Fenced: the slot is filled under a lock token first, and the commit shown after.

use bytes::Bytes;

use crate::action::Timer;
use crate::engine::Engine;
use crate::error::Error;
use crate::participant::Participant;
use crate::tracks::Object;

impl<E: Engine> Participant<E> {
    /// Fenced: the token, made durable with the commit, is all that can tell later whose the slot is. So the
    /// slot is filled first, and nobody sees the commit unless it has won.
    pub(crate) fn fill_slot(&mut self, lock_id: Option<Bytes>) -> Result<(), Error> {
        let Some(outbox) = self.member_mut().and_then(|m| m.outbox.as_mut()) else { return Ok(()) };
        outbox.lock_id = lock_id.clone();
        let pin = outbox.pin;
        self.persist()?;
        self.pin_slot(pin, lock_id, true);
        Ok(())
    }

    /// Fenced: shows the commit that made the present epoch, until it was read back.
    pub(crate) fn publish_unheard(&mut self) {
        let Some(unheard) = self.member().and_then(|m| m.unheard.clone()) else { return };
        self.publish(self.tracks.commit(&self.me), unheard.location, unheard.commit);
        self.deadlines.set(Timer::ReadBack, self.now.after(self.config.timers.read_back));
    }

    /// Fenced: an object of the last epoch, perhaps one's own commit that came back.
    pub(crate) fn on_past_object(&mut self, object: &Object) {
        let Some(member) = self.member_mut() else { return };
        let back = member
            .unheard
            .take_if(|u| u.location.group == object.location.group && u.commit == object.payload);
        if back.is_some() {
            self.deadlines.clear(Timer::ReadBack);
        }
    }
}
