//! Signs on the relay that the group exists, whatever the service says.

use crate::codec::pinned::ReceiptObject;
use crate::engine::{Engine, EngineError, MessageKind};
use crate::participant::context::Context;
use crate::tracks::Object;

impl<E: Engine> Context<E> {
    /// Returns whether an object of the Commit track is a sign that the group exists, whatever the service says.
    /// Where the service signs, only its statement is one; elsewhere anybody can make one up.
    pub(crate) fn is_sign(&self, object: &Object) -> Result<bool, EngineError> {
        if self.is_signed() {
            let slot = object.location.group_id.saturating_add(1);
            let receipt = ReceiptObject::decode(object.payload.clone());
            return Ok(object.location.object_id % 2 == 1
                && receipt.is_ok_and(|r| self.believes(slot, &r.pin, Some(&r.receipt))));
        }
        Ok(object.location.object_id.is_multiple_of(2)
            && matches!(
                self.engine.classify(&object.payload)?,
                Ok(MessageKind::Commit { group_id, .. }) if group_id == self.config.group.as_bytes()
            ))
    }

    /// Whether signs on the relay say that a group exists which the service does not know. For a while they are
    /// believed; to believe them for ever would let a client that makes them up keep the group from being
    /// created.
    pub(crate) fn seems_lost(&self) -> bool {
        self.signs_since.is_some_and(|since| self.now.since(since) < self.config.timers.lost_group)
    }
}
