//! The phases of a participant, and how one follows on another.

use crate::action::Timer;
use crate::engine::Engine;
use crate::error::Error;
use crate::event::Command;
use crate::join_request::JoinRequest;
use crate::notice::{Notice, Refusal};
use crate::participant::carried::Carried;
use crate::participant::context::Context;
use crate::participant::creating::Creating;
use crate::participant::durable::{self, Tag};
use crate::participant::flow::{Flow, Join, Then, When};
use crate::participant::input::Input;
use crate::participant::joiners::Permit;
use crate::participant::joining::Joining;
use crate::participant::member::slot::Verdict;
use crate::participant::member::{Member, arrival};
use crate::participant::recovery::{Next, founding};
use crate::participant::stranded::{Alone, Onward, Stranded};
use crate::participant::trees::Trees;
use crate::snapshot::{Snapshot, Writer};
use crate::tracks::SenderId;

/// What a participant is in, and what belongs to it. Boxed: a moved secret leaves a copy behind.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum State<G> {
    New(Box<Carried>),
    Creating(Box<Creating<G>>),
    Joining(Box<Joining<G>>),
    Member(Box<Member<G>>),
    Ended(Box<Carried>),
    /// The own state failed; nothing of it is kept.
    Poisoned(Box<Carried>),
}

impl<G> State<G> {
    /// Takes in one input, and goes wherever it leads.
    pub(crate) fn handle<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        input: Input,
    ) -> Result<(), Error> {
        let input = match input {
            Input::Command(Command::Admit { request, replacing }) => {
                admit(cx, self.carried_mut(), &request, replacing)?;
                if let Self::Member(member) = self {
                    // It may be that nothing can add it any more.
                    cx.refuse_misfit(&member.epoch, &mut member.carried.joiners, request.sender())?;
                }
                return Ok(());
            }
            Input::Command(Command::Refuse(sender)) => {
                refuse(cx, self.carried_mut(), sender);
                return Ok(());
            }
            Input::Object(object) => match cx.look_at(object)? {
                Some(arrival) => Input::Arrival(arrival),
                None => return Ok(()),
            },
            Input::Timer(Timer::Subscribe) => {
                cx.subscribe_again();
                return Ok(());
            }
            Input::Timer(Timer::Publish) => {
                cx.publish_again();
                return Ok(());
            }
            Input::Timer(Timer::Service) => {
                cx.end_pause();
                return Ok(());
            }
            input => input,
        };
        let flow = match self {
            Self::New(_) => return self.begin(cx, input),
            Self::Creating(creating) => {
                match creating.kept.as_mut().map(|kept| kept.handle_alone(cx, &input)).transpose()? {
                    None | Some(Alone::Stays) => creating.handle(cx, input)?,
                    Some(elsewhere) => return self.leave_alone(cx, elsewhere),
                }
            }
            Self::Joining(joining) => {
                let onward = match &mut joining.kept {
                    Some(kept) => kept.handle(cx, input)?,
                    None => Onward::Input(Box::new(input)),
                };
                match onward {
                    Onward::Verdict(Verdict::Open) | Onward::Next(Next::Wait) => return Ok(()),
                    Onward::Verdict(verdict) => return self.resume(cx, verdict),
                    Onward::Next(Next::Follow(successor)) => return joining.follow(cx, successor),
                    Onward::Next(Next::Found) => return self.found(cx),
                    Onward::Input(input) => joining.handle(cx, *input)?,
                }
            }
            Self::Member(member) => member.handle(cx, input)?,
            Self::Ended(_) | Self::Poisoned(_) => return Ok(()),
        };
        self.go(cx, flow)
    }

    fn begin<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>, input: Input) -> Result<(), Error> {
        match input {
            Input::Command(Command::Join) => {
                *self = Self::Creating(Box::new(Creating::begin(cx, self.take_carried())?));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn go<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>, flow: Flow<G>) -> Result<(), Error> {
        match flow {
            Flow::Stay => Ok(()),
            Flow::Join(join) => self.join(cx, join),
            Flow::Create => {
                *self = Self::Creating(Box::new(Creating::again(cx, self.take_carried())));
                Ok(())
            }
            Flow::Enter(entry, by) => {
                let recovers = self.is_recovering();
                *self = Self::Member(Box::new(arrival::arrive(cx, self.take_carried(), *entry, by)?));
                if recovers {
                    cx.show_beacon();
                    cx.notify(Notice::Succeeded { group: cx.config.group.clone() });
                }
                Ok(())
            }
            Flow::End(notice) => {
                self.end(cx, notice);
                Ok(())
            }
        }
    }

    /// Goes on from the kept state, wherever the verdict on it leads.
    fn resume<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        verdict: Verdict<G>,
    ) -> Result<(), Error> {
        let carried = self.take_carried();
        let Self::Joining(joining) = std::mem::replace(self, Self::New(Box::default())) else {
            return Ok(());
        };
        let Some(kept) = joining.kept else { return Ok(()) };
        let Stranded { epoch, slot, .. } = *kept;
        let mut member = Member { epoch, slot, carried };
        let flow = member.resume(cx, verdict);
        *self = Self::Member(Box::new(member));
        self.go(cx, flow?)
    }

    /// Whether it is a successor that this participant is about to enter.
    fn is_recovering(&self) -> bool {
        match self {
            Self::Creating(creating) => creating.is_founding(),
            Self::Joining(joining) => {
                let follows = |kept: &Stranded<G>| kept.recovery.is_following();
                joining.accepted || joining.kept.as_deref().is_some_and(follows)
            }
            _ => false,
        }
    }

    /// Founds a successor of the group of the kept state.
    fn found<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>) -> Result<(), Error> {
        let Self::Joining(joining) = self else { return Ok(()) };
        let Some((genesis, key)) = joining.found(cx)? else { return Ok(()) };
        let (mut carried, kept) = (std::mem::take(&mut joining.carried), joining.kept.take());
        if let Some(kept) = &kept {
            founding::admit_members(cx, &kept.epoch, &kept.recovery, &mut carried)?;
        }
        *self = Self::Creating(Box::new(Creating::found(cx, carried, (genesis, key), kept)));
        Ok(())
    }

    /// Goes from a successor to which nobody came to another's, or back to where the others may have gone on.
    fn leave_alone<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>, alone: Alone) -> Result<(), Error> {
        let carried = self.take_carried();
        let Self::Creating(creating) = std::mem::replace(self, Self::New(Box::default())) else {
            return Ok(());
        };
        cx.deadlines.clear_phase();
        let mut joining = Joining::new(carried, Trees::default(), None);
        joining.kept = creating.kept;
        let left = match alone {
            Alone::Goes(successor) => joining.follow(cx, successor),
            Alone::Returns | Alone::Stays => joining.go_back(cx),
        };
        *self = Self::Joining(Box::new(joining));
        left
    }

    fn join<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>, join: Join) -> Result<(), Error> {
        let carried = self.take_carried();
        let (trees, kept) = match (std::mem::replace(self, Self::New(Box::default())), join.then) {
            (Self::Creating(creating), _) => (creating.trees, None),
            (Self::Member(member), Then::Rejoin { reason, .. }) if reason.keeps_state() => {
                let Member { epoch, slot, .. } = *member;
                (Trees::default(), Some(Box::new(Stranded::new(cx, epoch, slot, reason))))
            }
            _ => (Trees::default(), None),
        };
        let mut joining = Joining::new(carried, trees, join.counter);
        joining.kept = kept;
        if let Then::Rejoin { reason, .. } = join.then {
            cx.notify(Notice::Rejoining { reason });
        }
        let flow = joining.begin(cx);
        *self = Self::Joining(Box::new(joining));
        let flow = flow?;
        if let Flow::Enter(..) = flow {
            // A Welcome was there already: nobody is to be asked any more.
            return self.go(cx, flow);
        }
        match join.then {
            Then::Nothing => {}
            Then::Persist => self.persist(cx),
            Then::Rejoin { reason, when } => match when {
                _ if !reason.asks_in() => self.persist(cx),
                When::IfNone if !cx.keys.packages.is_empty() => self.persist(cx),
                When::Now | When::IfNone => durable::fresh_key_package(cx, |cx| self.persist(cx))?,
                When::After(wait) => {
                    cx.set(Timer::JoinRetry, wait);
                    self.persist(cx);
                }
            },
        }
        Ok(())
    }

    /// Drops every secret, makes that durable, and stops.
    fn end<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>, notice: Notice) {
        *self = Self::Ended(Box::new(self.take_carried()));
        cx.keys.packages.clear();
        cx.deadlines.clear_all();
        self.persist(cx);
        cx.unsubscribe_all();
        cx.notify(notice);
    }

    /// Sets the time of the own turn, if there is anything to commit.
    pub(crate) fn schedule_turn<E: Engine<Group = G>>(&self, cx: &mut Context<E>) {
        if let Self::Member(member) = self {
            member.schedule_turn(cx);
        }
    }

    fn persist<E: Engine<Group = G>>(&self, cx: &mut Context<E>) {
        durable::persist(cx, self.carried(), self.tag(), |out| self.write(out));
    }

    /// The durable state as it is now.
    pub(crate) fn snapshot<E: Engine<Group = G>>(&self, cx: &Context<E>) -> Snapshot {
        durable::snapshot(cx, self.carried(), self.tag(), |out| self.write(out))
    }

    fn tag(&self) -> Tag {
        match self {
            Self::New(_) => Tag::New,
            Self::Creating(_) => Tag::Creating,
            Self::Joining(_) => Tag::Joining,
            Self::Member(_) => Tag::Member,
            Self::Ended(_) | Self::Poisoned(_) => Tag::Ended,
        }
    }

    fn write(&self, out: &mut Writer) {
        match self {
            Self::Creating(creating) => creating.write(out),
            Self::Joining(joining) => joining.write(out),
            Self::Member(member) => member.write(out),
            Self::New(_) | Self::Ended(_) | Self::Poisoned(_) => {}
        }
    }

    /// Goes on after a restart, with the last snapshot that became durable.
    pub(crate) fn restore<E: Engine<Group = G>>(
        cx: &mut Context<E>,
        snapshot: &Snapshot,
    ) -> Result<Self, Error> {
        let (mut from, carried, tag) = durable::open(cx, snapshot)?;
        let mut this = match tag {
            Tag::New => Self::New(Box::new(carried)),
            Tag::Creating => Self::Creating(Box::new(Creating::read(cx, carried, &mut from)?)),
            Tag::Joining => Self::Joining(Box::new(Joining::read(cx, carried, &mut from)?)),
            Tag::Member => Self::Member(Box::new(arrival::read(cx, carried, &mut from)?)),
            Tag::Ended => Self::Ended(Box::new(carried)),
        };
        durable::close(cx, from)?;
        if !matches!(tag, Tag::New | Tag::Ended) {
            cx.listen();
        }
        match &mut this {
            Self::Creating(creating) => creating.resume(cx),
            Self::Joining(joining) => joining.resume(cx),
            Self::Member(member) => arrival::resume(cx, member)?,
            Self::New(_) | Self::Ended(_) | Self::Poisoned(_) => {}
        }
        Ok(this)
    }

    pub(crate) fn member(&self) -> Option<&Member<G>> {
        match self {
            Self::Member(member) => Some(member),
            _ => None,
        }
    }

    pub(crate) fn carried(&self) -> &Carried {
        match self {
            Self::New(carried) | Self::Ended(carried) | Self::Poisoned(carried) => carried,
            Self::Creating(creating) => &creating.carried,
            Self::Joining(joining) => &joining.carried,
            Self::Member(member) => &member.carried,
        }
    }

    pub(crate) fn carried_mut(&mut self) -> &mut Carried {
        match self {
            Self::New(carried) | Self::Ended(carried) | Self::Poisoned(carried) => carried,
            Self::Creating(creating) => &mut creating.carried,
            Self::Joining(joining) => &mut joining.carried,
            Self::Member(member) => &mut member.carried,
        }
    }

    fn take_carried(&mut self) -> Carried {
        std::mem::take(self.carried_mut())
    }
}

/// The embedder admits a sender, as whom it saw.
fn admit<E: Engine>(
    cx: &Context<E>,
    carried: &mut Carried,
    request: &JoinRequest,
    replacing: Option<SenderId>,
) -> Result<(), Error> {
    let permit = Permit { credential: cx.credential_hash(request.credential())?, replacing };
    carried.joiners.let_in(request.sender(), request.credential(), permit, &cx.config.limits);
    Ok(())
}

fn refuse<E: Engine>(cx: &mut Context<E>, carried: &mut Carried, sender: SenderId) {
    if carried.joiners.turn_away(&sender, &cx.config.limits) {
        cx.notify(Notice::Refused { sender, reason: Refusal::NotAdmitted });
    }
}
