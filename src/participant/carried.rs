//! What goes along from phase to phase: whom to let in, what to commit, what came early.

use std::collections::BTreeSet;

use crate::participant::future::FutureCommits;
use crate::participant::intents::Intents;
use crate::participant::joiners::Joiners;
use crate::snapshot::{Reader, SnapshotError, Writer};
use crate::tracks::SenderId;

/// Moved, never copied, into the phase that follows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Carried {
    pub(crate) joiners: Joiners,
    pub(crate) intents: Intents,
    pub(crate) leaving: Option<Leaving>,
    pub(crate) future: FutureCommits,
}

/// This participant's own intent to leave.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Leaving {
    /// The epoch in which the request was last published.
    pub(crate) asked_in: Option<u64>,
}

impl Carried {
    /// Writes what must survive a crash.
    pub(crate) fn write(&self, out: &mut Writer) {
        let senders = |out: &mut Writer, set: &BTreeSet<SenderId>| {
            out.list(set.iter(), |out, sender| out.bytes(sender.as_bytes()));
        };
        senders(out, &self.joiners.barred);
        out.list(self.joiners.admitted.iter(), |out, (sender, replacing)| {
            out.bytes(sender.as_bytes());
            out.option(replacing.as_ref(), |out, other| out.bytes(other.as_bytes()));
        });
        senders(out, &self.joiners.refused);
        // Without it, every KeyPackage that the relay replays after a restart would look fresh.
        out.list(self.joiners.newest.iter(), |out, (sender, object)| {
            out.bytes(sender.as_bytes());
            out.u64(*object);
        });
        out.u64(self.joiners.spent);
        out.list(self.intents.removals.iter(), |out, (sender, bar)| {
            out.bytes(sender.as_bytes());
            out.u8(u8::from(*bar));
        });
        out.u8(u8::from(self.intents.update));
        out.u8(u8::from(self.leaving.is_some()));
    }

    /// Reads what [`write`](Self::write) wrote.
    pub(crate) fn read(from: &mut Reader) -> Result<Self, SnapshotError> {
        let mut this = Self::default();
        this.joiners.barred = from.list(Reader::sender)?.into_iter().collect();
        this.joiners.admitted =
            from.list(|from| Ok((from.sender()?, from.option(Reader::sender)?)))?.into_iter().collect();
        this.joiners.refused = from.list(Reader::sender)?.into_iter().collect();
        this.joiners.newest = from.list(|from| Ok((from.sender()?, from.u64()?)))?.into_iter().collect();
        this.joiners.spent = from.u64()?;
        this.intents.removals = from.list(|from| Ok((from.sender()?, from.bool()?)))?.into_iter().collect();
        this.intents.update = from.bool()?;
        this.leaving = from.bool()?.then(Leaving::default);
        Ok(this)
    }
}
