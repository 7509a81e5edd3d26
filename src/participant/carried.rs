//! What goes along from phase to phase: whom to let in, what to commit, what came early.

use bytes::Bytes;

use crate::action::Timer;
use crate::engine::Engine;
use crate::error::Error;
use crate::notice::Fault;
use crate::participant::context::Context;
use crate::participant::future::FutureCommits;
use crate::participant::intents::Intents;
use crate::participant::joiners::{Joiners, Permit};
use crate::participant::pace::Paces;
use crate::participant::remembered::Remembered;
use crate::snapshot::{Reader, SnapshotError, Writer};
use crate::tracks::SenderId;

/// Moved, never copied, into the phase that follows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Carried {
    pub(crate) joiners: Joiners,
    pub(crate) intents: Intents,
    pub(crate) leaving: Option<Leaving>,
    pub(crate) future: FutureCommits,
    /// Not in a snapshot: who restarts begins to count anew.
    pub(crate) paces: Paces,
}

/// A request to leave, as it was published.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LeaveRequest {
    /// The epoch it was made in.
    pub(crate) epoch: u64,
    pub(crate) object_id: u64,
    pub(crate) message: Bytes,
}

/// This participant's own intent to leave.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Leaving {
    /// Its newest request, as it was last published.
    pub(crate) asked: Option<LeaveRequest>,
    /// How many parts of the time to leave are over.
    waited: u32,
}

impl Leaving {
    /// The request is published at the beginning of each part: a relay may lose it.
    const PARTS: u32 = 3;

    /// Returns the request that was made in this epoch.
    pub(crate) fn asked_in(&self, epoch: u64) -> Option<&LeaveRequest> {
        self.asked.as_ref().filter(|request| request.epoch == epoch)
    }
}

impl<E: Engine> Context<E> {
    /// Waits for one part of the time to leave.
    pub(crate) fn await_leave(&mut self) {
        self.set(Timer::Leave, self.config.timers.leave / Leaving::PARTS);
    }
}

impl Carried {
    /// A part of the time to leave is over. Returns whether it was the last; waits for the next one if not.
    pub(crate) fn gives_up_leaving<E: Engine>(&mut self, cx: &mut Context<E>) -> bool {
        let Some(leaving) = &mut self.leaving else { return false };
        leaving.waited = leaving.waited.saturating_add(1);
        let over = leaving.waited >= Leaving::PARTS;
        if !over {
            cx.await_leave();
        }
        over
    }

    /// Judges a KeyPackage that came before this participant is a member, at once: anybody may have put junk further up
    /// on the track, and the newest speaks. Of a good one `keep` is kept.
    pub(crate) fn keep_early<E: Engine>(
        &mut self,
        cx: &mut Context<E>,
        sender: SenderId,
        object_id: u64,
        payload: &Bytes,
        keep: Bytes,
    ) -> Result<(), Error> {
        // The cheapest checks come first.
        let Ok(claim) = cx.engine.peek_key_package(payload)? else { return Ok(()) };
        if !claim.may_be_at(&sender, object_id) || self.joiners.came_early(&sender, object_id) {
            return Ok(());
        }
        if let Some(fault) = cx.misbound(&claim) {
            cx.fault(Some(sender), fault);
            return Ok(());
        }
        if cx.engine.inspect_key_package(cx.time_of_day(), payload)?.is_ok_and(|info| info.claim() == claim)
            && !self.joiners.keep_early(sender.clone(), object_id, keep, &cx.config.limits)
        {
            cx.fault(Some(sender), Fault::TooMany);
        }
        Ok(())
    }

    /// Writes what must survive a crash.
    pub(crate) fn write(&self, out: &mut Writer) {
        let Joiners { barred, admitted, refused, spent, seen, .. } = &self.joiners;
        remembered(out, barred, |_, ()| {});
        remembered(out, admitted, |out, permit| {
            out.bytes(&permit.credential);
            out.option(permit.replacing.as_ref(), |out, other| out.bytes(other.as_bytes()));
        });
        remembered(out, refused, |out, told| out.u8(u8::from(*told)));
        // Without them, every KeyPackage that the relay replays after a restart would look fresh.
        remembered(out, spent, |out, object| out.u64(*object));
        remembered(out, seen, |out, object| out.u64(*object));
        out.option(self.joiners.gone, Writer::u64);
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
        this.joiners.barred = remember(from, |_| Ok(()))?;
        this.joiners.admitted = remember(from, |from| {
            let credential = from.bytes()?[..].try_into().map_err(|_| SnapshotError::Malformed)?;
            Ok(Permit { credential, replacing: from.option(Reader::sender)? })
        })?;
        this.joiners.refused = remember(from, Reader::bool)?;
        this.joiners.spent = remember(from, Reader::u64)?;
        this.joiners.seen = remember(from, Reader::u64)?;
        this.joiners.gone = from.option(Reader::u64)?;
        this.intents.removals = from.list(|from| Ok((from.sender()?, from.bool()?)))?.into_iter().collect();
        this.intents.update = from.bool()?;
        this.leaving = from.bool()?.then(Leaving::default);
        Ok(this)
    }
}

/// Writes the oldest first, so that the order in which they are forgotten survives.
fn remembered<T>(out: &mut Writer, all: &Remembered<T>, mut each: impl FnMut(&mut Writer, &T)) {
    out.u8(u8::from(all.has_forgotten()));
    out.list(all.iter(), |out, (sender, of)| {
        out.bytes(sender.as_bytes());
        each(out, of);
    });
}

fn remember<T>(
    from: &mut Reader,
    mut each: impl FnMut(&mut Reader) -> Result<T, SnapshotError>,
) -> Result<Remembered<T>, SnapshotError> {
    let forgot = from.bool()?;
    let oldest_first = from.list(|from| Ok((from.sender()?, each(from)?)))?;
    Ok(Remembered::again(oldest_first, forgot))
}
