//! What of a creation survives a restart.

use crate::engine::Engine;
use crate::error::Error;
use crate::participant::carried::Carried;
use crate::participant::context::Context;
use crate::participant::creating::{Creating, Genesis};
use crate::participant::durable::{self, Tag, read_pin};
use crate::snapshot::{Reader, Writer};

impl<G> Creating<G> {
    pub(super) fn persist<E: Engine<Group = G>>(&self, cx: &mut Context<E>) {
        durable::persist(cx, &self.carried, Tag::Creating, |out| self.write(out));
    }

    /// Writes what must survive a crash.
    pub(crate) fn write(&self, out: &mut Writer) {
        out.option(self.genesis.as_ref(), |out, genesis| {
            out.shared(&genesis.saved);
            out.bytes(genesis.pin.as_bytes());
        });
        out.option(self.lock_id.as_ref(), |out, id| out.bytes(id));
    }

    /// Reads what [`write`](Self::write) wrote.
    pub(crate) fn read<E: Engine<Group = G>>(
        cx: &Context<E>,
        carried: Carried,
        from: &mut Reader,
    ) -> Result<Self, Error> {
        let genesis = match from.option(|from| Ok((from.secret()?.into_shared(), read_pin(from)?)))? {
            Some((saved, pin)) => {
                let group = cx.engine.load(&saved)?;
                Some(Genesis { view: cx.engine.view(&group)?, group, saved, pin })
            }
            None => None,
        };
        Ok(Self { genesis, lock_id: from.option(Reader::bytes)?, ..Self::new(carried) })
    }
}
