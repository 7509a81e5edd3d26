//! What members of the last epoch say that they founded.

use bytes::Bytes;

use crate::codec::successor::Successor;
use crate::engine::Engine;
use crate::error::Error;
use crate::notice::Fault;
use crate::participant::context::Context;
use crate::participant::member::epoch::Epoch;
use crate::participant::recovery::{MOST_OPENED, Recovery};
use crate::tracks::SenderId;

impl Recovery {
    /// Takes in an object of a member's KeyPackage track; whether it is the announcement of a successor.
    pub(crate) fn hear<E: Engine>(
        &mut self,
        cx: &mut Context<E>,
        epoch: &Epoch<E::Group>,
        sender: &SenderId,
        payload: &Bytes,
    ) -> Result<bool, Error> {
        // The cheapest checks come first: anybody may have made it.
        let Some(leaf) = epoch.roster.of(sender).map(|member| member.leaf_index) else { return Ok(false) };
        let opened = self.opened.get(sender).copied().unwrap_or(0);
        if self.from.is_none()
            || self.heard.get(sender).is_some_and(|(message, _)| message == payload)
            || self.left_out.contains(sender)
            || opened >= MOST_OPENED
        {
            return Ok(false);
        }
        let Ok((from_leaf, data)) = cx.engine.open(&epoch.group, cx.time_of_day(), payload)? else {
            return Ok(false);
        };
        if from_leaf != leaf {
            cx.fault(Some(sender.clone()), Fault::WrongSender);
            return Ok(false);
        }
        self.opened.insert(sender.clone(), opened.saturating_add(1));
        let Ok(successor) = Successor::decode(data) else {
            cx.fault(Some(sender.clone()), Fault::Invalid);
            return Ok(false);
        };
        if successor.group.root() != cx.moved.home.root() {
            cx.fault(Some(sender.clone()), Fault::Invalid);
            return Ok(false);
        }
        self.heard.insert(sender.clone(), (payload.clone(), successor));
        Ok(true)
    }
}
