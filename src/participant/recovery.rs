//! The way from an epoch that nobody can go on from to a successor of the group.
//!
//! Only proof leads here, never silence: a relay that withholds and a service that does not answer split no meeting.
//! The member of the lowest rank, turned by the epoch as for commits, founds the successor. The others wait for its
//! announcement. Who gets no Welcome in time tries the next founder.

pub(crate) mod founding;
mod hearing;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;

use crate::action::{FetchTarget, Timer};
use crate::codec::successor::Successor;
use crate::counter::Pin;
use crate::engine::Engine;
use crate::notice::{Notice, Recovery as Step};
use crate::participant::context::Context;
use crate::participant::member::epoch::Epoch;
use crate::participant::moved::group_name;
use crate::participant::requests::{FetchPurpose, LockPurpose};
use crate::snapshot::{Reader, SnapshotError, Writer};
use crate::time::Timestamp;
use crate::tracks::{GroupName, KEY_PACKAGE_GROUP, SenderId};

/// The KeyPackage tracks of so many founders are looked at: those whose turn it is first.
const MOST_ASKED: usize = 8;
/// So many messages of one member that are no announcement are opened.
const MOST_OPENED: u8 = 8;

/// Where this participant is on that way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Recovery {
    /// From when on it looks for a successor; `None` without proof.
    from: Option<Timestamp>,
    /// The embedder was notified that this participant looks for one.
    told: bool,
    /// What members said last that they founded, and the message.
    heard: BTreeMap<SenderId, (Bytes, Successor)>,
    /// How many messages of each were opened.
    opened: BTreeMap<SenderId, u8>,
    /// Whose successors came to nothing in this round; this participant too, once it founded one.
    tried: BTreeSet<SenderId>,
    /// The successors that came to nothing.
    dead: BTreeSet<GroupName>,
    /// Whose successor it asks to be let in to, and since when.
    following: Option<(SenderId, Timestamp)>,
    /// When this participant founded one.
    founded: Option<Timestamp>,
    /// It has left its group's name.
    pub(crate) moved: bool,
    /// Members whom the successor does not let in.
    left_out: BTreeSet<SenderId>,
}

/// What there is to do next.
pub(crate) enum Next {
    Wait,
    /// Go over to a successor.
    Follow(Successor),
    /// Found one.
    Found,
}

impl Recovery {
    /// Leaves some members out of the successor.
    pub(crate) fn leave_out(&mut self, members: impl Iterator<Item = SenderId>) {
        self.left_out.extend(members);
    }

    /// There is proof. With `hope`, others may have gone on: they get the time to let this participant in.
    pub(crate) fn begin<E: Engine>(&mut self, cx: &mut Context<E>, hope: bool) {
        if !cx.config.successor || !cx.rules.pins {
            return;
        }
        let wait = if hope { cx.config.timers.strand } else { Default::default() };
        self.from.get_or_insert(cx.now.after(wait));
        cx.bring_forward(Timer::Recover, Default::default());
    }

    /// Whether a KeyPackage under the present name may still be answered.
    pub(crate) fn asks<E: Engine>(&self, cx: &Context<E>) -> bool {
        self.following.is_some() || self.from.is_none_or(|from| cx.now < from)
    }

    /// Whether there is proof.
    pub(crate) fn is_on_its_way(&self) -> bool {
        self.from.is_some()
    }

    /// Whether it asks to be let in to another's successor.
    pub(crate) fn is_following(&self) -> bool {
        self.following.is_some()
    }

    pub(crate) fn left_out(&self) -> &BTreeSet<SenderId> {
        &self.left_out
    }

    /// The members that may found, the first in turn first, less those whose successors came to nothing.
    fn order<G>(&self, epoch: &Epoch<G>) -> Vec<SenderId> {
        let turned = self.turned(epoch).into_iter();
        turned.filter(|sender| !self.tried.contains(sender)).collect()
    }

    fn turned<G>(&self, epoch: &Epoch<G>) -> Vec<SenderId> {
        let members: Vec<_> = epoch.roster.iter().map(|member| member.sender.clone()).collect();
        let first = usize::try_from(epoch.number % members.len().max(1) as u64).unwrap_or(0);
        let (before, from) = members.split_at(first.min(members.len()));
        let turned = from.iter().chain(before);
        turned.filter(|sender| !self.left_out.contains(*sender)).cloned().collect()
    }

    /// Decides what to do now.
    pub(crate) fn next<E: Engine>(&mut self, cx: &mut Context<E>, epoch: &Epoch<E::Group>) -> Next {
        let Some(from) = self.from else { return Next::Wait };
        let strand = cx.config.timers.strand;
        if let Some((founder, since)) = self.following.clone() {
            let until = since.min(cx.now).after(strand);
            if cx.now < until {
                cx.deadlines.set(Timer::Recover, until);
                return Next::Wait;
            }
            self.give_up(cx, founder);
        }
        // Of a clock that was set back.
        let from = self.from.unwrap_or(from).min(cx.now.after(strand));
        if cx.now < from {
            cx.deadlines.set(Timer::Recover, from);
            return Next::Wait;
        }
        if !std::mem::replace(&mut self.told, true) {
            cx.notify(Notice::Recovery(Step::Looking));
        }
        if let Some((founder, successor)) = self.best(&self.turned(epoch)) {
            self.follow(cx, founder, &successor);
            return Next::Follow(successor);
        }
        let (mut order, mut from) = (self.order(epoch), from);
        if order.is_empty() {
            // Everybody had a turn: from the beginning.
            self.tried.clear();
            from = cx.now;
            self.from = Some(from);
            order = self.turned(epoch);
        }
        let turn = order.iter().position(|sender| *sender == cx.me);
        let mut wait = strand / 8;
        if let Some(turn) = turn {
            let due = from.after(strand.saturating_mul(u32::try_from(turn).unwrap_or(u32::MAX)));
            if due <= cx.now {
                self.tried.insert(cx.me.clone());
                self.founded = Some(cx.now);
                return Next::Found;
            }
            wait = wait.min(due.since(cx.now));
        }
        // Perhaps a founder's announcement came too early, or was lost.
        let place = cx.meeting_place();
        let others: Vec<_> = order.into_iter().filter(|sender| *sender != cx.me).take(MOST_ASKED).collect();
        for sender in &others {
            let track = FetchTarget::Track(place.key_package(sender));
            cx.fetch(FetchPurpose::Objects, track, KEY_PACKAGE_GROUP..=KEY_PACKAGE_GROUP);
        }
        cx.set(Timer::Recover, wait);
        Next::Wait
    }

    /// The first of these whose successor may come to something.
    fn best(&self, order: &[SenderId]) -> Option<(SenderId, Successor)> {
        let living =
            |founder: &SenderId| self.heard.get(founder).filter(|(_, s)| !self.dead.contains(&s.group));
        order.iter().find_map(|founder| Some((founder.clone(), living(founder)?.1.clone())))
    }

    fn follow<E: Engine>(&mut self, cx: &mut Context<E>, founder: SenderId, successor: &Successor) {
        let group = successor.group.clone();
        cx.notify(Notice::Recovery(Step::Following { group, founder: founder.clone() }));
        self.following = Some((founder, cx.now));
        cx.set(Timer::Recover, cx.config.timers.strand);
    }

    /// Decides whether a founder to whom nobody came goes to another's successor: at once if the other's turn was
    /// before its own, so that two who founded at the same time meet. Else once others have had the time to come.
    pub(crate) fn next_alone<E: Engine>(
        &mut self,
        cx: &mut Context<E>,
        epoch: &Epoch<E::Group>,
    ) -> Option<Successor> {
        let order = self.turned(epoch);
        let own = order.iter().position(|sender| *sender == cx.me)?;
        let before = if self.waited_alone(cx) { order.len() } else { own };
        let (founder, successor) = self.best(order.get(..before)?)?;
        self.follow(cx, founder, &successor);
        Some(successor)
    }

    /// Whether a founder gave the others the time to come.
    pub(crate) fn waited_alone<E: Engine>(&self, cx: &Context<E>) -> bool {
        self.founded.is_some_and(|at| cx.now.since(at) >= cx.config.timers.strand)
    }

    /// Begins once more under the group's name, after an own successor to which nobody came.
    pub(crate) fn begin_again<E: Engine>(&mut self, cx: &mut Context<E>) {
        self.tried.remove(&cx.me);
        (self.founded, self.following, self.moved, self.from) = (None, None, false, None);
        self.begin(cx, true);
    }

    fn give_up<E: Engine>(&mut self, cx: &mut Context<E>, founder: SenderId) {
        cx.notify(Notice::Recovery(Step::GivenUp { founder: founder.clone() }));
        self.dead.insert(cx.config.group.clone());
        self.tried.insert(founder);
        self.following = None;
        self.from = Some(cx.now);
    }

    /// Compares what the service says of slot 0 of the successor with what its founder said.
    pub(crate) fn on_genesis<E: Engine>(
        &mut self,
        cx: &mut Context<E>,
        purpose: LockPurpose,
        pin: Option<Pin>,
    ) {
        let Some((founder, _)) = self.following.clone().filter(|_| purpose == LockPurpose::Genesis) else {
            return;
        };
        let said = self.heard.get(&founder).map(|(_, successor)| successor.pin);
        if pin.is_some_and(|pin| said.is_some_and(|said| said != pin)) {
            self.give_up(cx, founder);
            cx.bring_forward(Timer::Recover, Default::default());
        }
    }

    /// Follows a clock that was set back.
    pub(crate) fn set_back(&mut self, by: Duration) {
        let following = self.following.as_mut().map(|(_, since)| since);
        for at in [self.from.as_mut(), self.founded.as_mut(), following].into_iter().flatten() {
            *at = at.before(by);
        }
    }

    /// Lets everybody's turn have come: when it has, the timer says.
    #[cfg(feature = "testing")]
    pub(crate) fn level(&mut self) {
        let long_ago = Timestamp::from_millis(0);
        self.from = self.from.map(|_| long_ago);
        self.opened.clear();
    }

    /// Writes what must survive a crash. What was heard is heard again.
    pub(crate) fn write(&self, out: &mut Writer) {
        out.option(self.from, |out, from| out.u64(from.as_millis()));
        out.u8(u8::from(self.told));
        out.option(self.founded, |out, at| out.u64(at.as_millis()));
        out.u8(u8::from(self.moved));
        for senders in [&self.tried, &self.left_out] {
            out.list(senders.iter(), |out, sender| out.bytes(sender.as_bytes()));
        }
        out.list(self.dead.iter(), |out, group| out.bytes(group.as_bytes()));
        out.option(self.following.as_ref(), |out, (founder, since)| {
            out.bytes(founder.as_bytes());
            out.u64(since.as_millis());
        });
    }

    /// Reads what [`write`](Self::write) wrote.
    pub(crate) fn read(from: &mut Reader) -> Result<Self, SnapshotError> {
        let at = |from: &mut Reader| from.u64().map(Timestamp::from_millis);
        Ok(Self {
            from: from.option(at)?,
            told: from.bool()?,
            founded: from.option(at)?,
            moved: from.bool()?,
            tried: from.list(Reader::sender)?.into_iter().collect(),
            left_out: from.list(Reader::sender)?.into_iter().collect(),
            dead: from.list(|from| group_name(from.bytes()?))?.into_iter().collect(),
            following: from.option(|from| Ok((from.sender()?, at(from)?)))?,
            ..Self::default()
        })
    }
}
