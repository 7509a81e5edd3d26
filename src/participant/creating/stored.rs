//! What of creating survives a crash.

use crate::engine::Engine;
use crate::error::Error;
use crate::participant::carried::Carried;
use crate::participant::context::Context;
use crate::participant::creating::Creating;
use crate::participant::durable::{self, Tag};
use crate::participant::genesis::Genesis;
use crate::participant::stranded::Stranded;
use crate::snapshot::{Reader, Writer};

impl<G> Creating<G> {
    pub(super) fn persist<E: Engine<Group = G>>(&self, cx: &mut Context<E>) {
        durable::persist(cx, &self.carried, Tag::Creating, |out| self.write(out));
    }

    /// Writes what must survive a crash.
    pub(crate) fn write(&self, out: &mut Writer) {
        out.option(self.genesis.as_ref(), |out, genesis| genesis.write(out));
        out.option(self.lock_id.as_ref(), |out, id| out.bytes(id));
        out.option(self.founding_key.as_ref(), |out, key| out.bytes(key.as_bytes()));
        out.option(self.kept.as_ref(), |out, kept| kept.write(out));
    }

    /// Reads what [`write`](Self::write) wrote.
    pub(crate) fn read<E: Engine<Group = G>>(
        cx: &Context<E>,
        carried: Carried,
        from: &mut Reader,
    ) -> Result<Self, Error> {
        let genesis = Genesis::read(cx, from)?;
        let lock_id = from.option(Reader::bytes)?;
        let founding_key = from.option(Reader::secret)?;
        let kept = Stranded::read_option(cx, from)?;
        Ok(Self { genesis, lock_id, founding_key, kept, ..Self::new(carried) })
    }
}
