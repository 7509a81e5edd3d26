//! What one who waits for a Welcome has kept of the group, and goes over with to a successor.

use crate::action::Timer;
use crate::codec::successor::Successor;
use crate::counter::LockReply;
use crate::engine::Engine;
use crate::error::Error;
use crate::notice::Notice;
use crate::participant::carried::Carried;
use crate::participant::context::Context;
use crate::participant::durable::{self, Tag};
use crate::participant::flow::Flow;
use crate::participant::gate::Gate;
use crate::participant::genesis::Genesis;
use crate::participant::joining::{Joining, Told};
use crate::participant::recovery::founding::{self, admit_members, epoch_base};
use crate::participant::requests::LockPurpose;
use crate::participant::stranded::Stranded;
use crate::participant::trees::Trees;
use crate::request::Failure;
use crate::secret::Secret;
use crate::snapshot::{Reader, Writer};
use crate::tracks::Object;

impl<G> Joining<G> {
    /// Publishes a KeyPackage above all that are there, if there was none.
    pub(super) fn on_own_track<E: Engine<Group = G>>(
        &self,
        cx: &mut Context<E>,
        objects: Vec<Object>,
    ) -> Result<(), Error> {
        if cx.on_own_track(objects)? { self.fresh_key_package(cx) } else { Ok(()) }
    }

    /// Goes over to a successor, and asks to be let in there.
    pub(crate) fn follow<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        Successor { group, .. }: Successor,
    ) -> Result<(), Error> {
        let Some(kept) = &self.kept else { return Ok(()) };
        let Some(hash) = group.founding_hash() else { return Ok(()) };
        cx.move_to(group, epoch_base(kept.epoch.shown(), hash), kept.recovery.moved);
        admit_members(cx, &kept.epoch, &kept.recovery, &mut self.carried)?;
        self.begin_elsewhere(cx);
        // Whether slot 0 is filled by what the founder said.
        cx.ask_lock(LockPurpose::Genesis);
        self.fresh_key_package(cx)
    }

    /// Founds a successor; `None` if there can be none.
    pub(crate) fn found<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
    ) -> Result<Option<(Genesis<G>, Secret)>, Error> {
        let Some(kept) = &mut self.kept else { return Ok(None) };
        let founded = founding::found(cx, &kept.epoch, kept.recovery.moved)?;
        if founded.is_none() {
            cx.set(Timer::Recover, cx.config.timers.strand);
        } else {
            kept.recovery.moved = true;
            cx.deadlines.clear_phase();
        }
        Ok(founded)
    }

    /// Asks to be let in under the group's own name again.
    pub(crate) fn go_back<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>) -> Result<(), Error> {
        let base = self.kept.as_ref().map_or(0, |kept| kept.epoch.base);
        cx.move_back(base);
        self.begin_elsewhere(cx);
        if let Some(kept) = &mut self.kept {
            kept.recovery.begin_again(cx);
            kept.begin(cx);
        }
        self.fresh_key_package(cx)
    }

    pub(super) fn begin_elsewhere<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>) {
        (self.trees, self.gate, self.told) = (Trees::default(), Gate::default(), Told::default());
        (self.attempts, self.counter) = (0, None);
        if let Some(kept) = &mut self.kept {
            kept.recovery.moved = true;
        }
        for timer in [Timer::Request, Timer::Tree, Timer::Fetch, Timer::Confirm] {
            cx.deadlines.clear(timer);
        }
        cx.set(Timer::JoinRetry, cx.config.timers.join_retry);
        cx.set(Timer::JoinDeadline, cx.config.timers.join_deadline);
    }

    /// Is there a group to be let into at all?
    pub(super) fn on_probe<E: Engine<Group = G>>(
        &mut self,
        cx: &Context<E>,
        reply: Result<LockReply, Failure>,
    ) -> Flow<G> {
        match reply {
            // Nobody but its founder can create it.
            Ok(LockReply::Ok { .. } | LockReply::Conflict { .. }) if cx.moved.is_elsewhere() => Flow::Stay,
            Ok(LockReply::CounterError(state)) if state.current > 0 => {
                self.counter = Some(state.current);
                Flow::Stay
            }
            Ok(LockReply::Ok { .. } | LockReply::Conflict { .. } | LockReply::CounterError(_)) => {
                Flow::Create
            }
            Ok(LockReply::Error(_)) | Err(_) => Flow::Stay,
        }
    }

    /// Whether a KeyPackage under the present name may be answered.
    pub(super) fn asks<E: Engine>(&self, cx: &Context<E>) -> bool {
        self.kept.as_ref().is_none_or(|kept| kept.recovery.asks(cx))
    }

    /// The time of the kept state is over. Who went over to a successor for nothing comes back as a newcomer.
    pub(super) fn erase<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>) -> Result<(), Error> {
        let Some(kept) = self.kept.take() else { return Ok(()) };
        cx.deadlines.clear(Timer::Fetch);
        cx.deadlines.clear(Timer::Recover);
        if kept.recovery.moved {
            cx.go_home();
            self.begin_elsewhere(cx);
        }
        self.persist(cx);
        cx.notify(Notice::StateErased { epoch: kept.epoch.shown() });
        if kept.recovery.moved { self.fresh_key_package(cx) } else { Ok(()) }
    }

    pub(super) fn persist<E: Engine<Group = G>>(&self, cx: &mut Context<E>) {
        durable::persist(cx, &self.carried, Tag::Joining, |out| self.write(out));
    }

    /// Writes what must survive a crash.
    pub(crate) fn write(&self, out: &mut Writer) {
        out.option(self.kept.as_ref(), |out, kept| kept.write(out));
        out.u8(u8::from(self.accepted));
    }

    /// Reads what [`write`](Self::write) wrote.
    pub(crate) fn read<E: Engine<Group = G>>(
        cx: &Context<E>,
        carried: Carried,
        from: &mut Reader,
    ) -> Result<Self, Error> {
        let mut this = Self::new(carried, Trees::default(), None);
        this.kept = Stranded::read_option(cx, from)?;
        this.accepted = from.bool()?;
        Ok(this)
    }
}
