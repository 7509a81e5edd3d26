//! The group at epoch 0 before it is known to be the group.

use bytes::Bytes;

use crate::counter::Pin;
use crate::engine::{Engine, GroupView};
use crate::error::Error;
use crate::participant::context::Context;
use crate::participant::durable::read_pin;
use crate::participant::flow::{By, Entry, Flow};
use crate::snapshot::{Reader, Writer};

/// A group as created here, durable until slot 0 is decided.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Genesis<G> {
    group: G,
    view: GroupView,
    saved: Bytes,
    pub(crate) pin: Pin,
}

impl<G> Genesis<G> {
    /// Creates the group of the present name.
    pub(crate) fn create<E: Engine<Group = G>>(cx: &mut Context<E>) -> Result<Self, Error> {
        let object_id = cx.keys.packages.last().map_or(0, |key| key.object_id);
        let group = cx.engine.create(cx.time_of_day(), &cx.config.group, &cx.params, object_id)?;
        let view = cx.engine.view(&group)?;
        let lock = if cx.rules.pins { cx.slot_lock(&group, 0)? } else { [0; 32] };
        let pin = Pin::genesis(view.context_hash, lock);
        cx.fresh.on_built(view.epoch);
        let saved = cx.engine.save(&group)?;
        Ok(Self { group, view, saved, pin })
    }

    /// It is the group.
    pub(crate) fn enter(self, pin: Option<Pin>) -> Flow<G> {
        let Self { group, view, saved, .. } = self;
        Flow::Enter(Box::new(Entry { group, view, saved, pin }), By::Creation)
    }

    /// Writes what must survive a crash.
    pub(crate) fn write(&self, out: &mut Writer) {
        out.shared(&self.saved);
        out.bytes(self.pin.as_bytes());
    }

    /// Reads what an option of [`write`](Self::write) wrote.
    pub(crate) fn read<E: Engine<Group = G>>(
        cx: &Context<E>,
        from: &mut Reader,
    ) -> Result<Option<Self>, Error> {
        let stored = from.option(|from| Ok((from.secret()?.into_shared(), read_pin(from)?)))?;
        let Some((saved, pin)) = stored else { return Ok(None) };
        let group = cx.engine.load(&saved)?;
        Ok(Some(Self { view: cx.engine.view(&group)?, group, saved, pin }))
    }
}
