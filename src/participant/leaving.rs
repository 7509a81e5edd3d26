//! Leaving: an authenticated request on one's own KeyPackage track, which some other member commits
//! (`design.md` section 7). It is opened on a clone, never cached; the committer removes by value.

use bytes::Bytes;

use crate::action::Timer;
use crate::engine::Engine;
use crate::error::{Error, Misuse};
use crate::notice::{Fault, Notice};
use crate::participant::{Participant, State};
use crate::tracks::{KEY_PACKAGE_GROUP, Location, SenderId};

/// One's own wish to leave.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Leaving {
    /// The epoch in which the request was last published.
    asked_in: Option<u64>,
}

impl<E: Engine> Participant<E> {
    pub(crate) fn leave(&mut self) -> Result<(), Error> {
        match &self.state {
            State::New => return Err(Misuse::NotAMember.into()),
            State::Member(member) if member.roster.len() > 1 => {}
            // Nobody is left to commit it, or nobody has let us in.
            State::Member(_) | State::Bootstrapping(_) | State::Joining(_) => return self.end(Notice::Left),
            State::Ended => return Err(Error::Ended),
        }
        if self.leaving.is_none() {
            self.leaving = Some(Leaving::default());
            self.deadlines.clear(Timer::Turn);
            self.deadlines.set(Timer::Leave, self.now.after(self.config.timers.leave));
            self.schedule_audit();
            self.ask_to_leave()?;
        }
        Ok(())
    }

    /// Publishes the request of this epoch at the next object id.
    pub(crate) fn ask_to_leave(&mut self) -> Result<(), Error> {
        let Some(member) = self.member() else { return Ok(()) };
        let epoch = member.epoch;
        // While a commit of ours is undecided, its handshake key must not be used for anything else.
        if member.outbox.is_some() || self.leaving.as_ref().is_none_or(|l| l.asked_in == Some(epoch)) {
            return Ok(());
        }
        let request = self.engine.propose_leave(&member.group, self.now)?;
        let object = self.next_sequence;
        self.next_sequence = object.saturating_add(1);
        if let Some(leaving) = &mut self.leaving {
            leaving.asked_in = Some(epoch);
        }
        self.persist()?;
        let track = self.tracks.key_package(&self.me);
        self.publish(track, Location { group: KEY_PACKAGE_GROUP, object }, request);
        Ok(())
    }

    pub(crate) fn on_leave_deadline(&mut self) -> Result<(), Error> {
        if self.leaving.is_some() { self.end(Notice::LeaveUnheard) } else { Ok(()) }
    }

    /// Drops every secret, makes that durable, and stops.
    pub(crate) fn end(&mut self, notice: Notice) -> Result<(), Error> {
        self.keep_passed_epoch()?;
        self.state = State::Ended;
        self.keys.clear();
        self.deadlines.clear_all();
        self.persist()?;
        self.unsubscribe_all();
        self.notify(notice);
        Ok(())
    }

    /// Somebody's request to leave.
    pub(crate) fn consider_leave(
        &mut self,
        sender: SenderId,
        object: u64,
        request: Bytes,
        group_id: &Bytes,
        epoch: u64,
    ) {
        if group_id != self.config.group.as_bytes() {
            self.fault(Some(sender), Fault::WrongGroup);
            return;
        }
        let Some(member) = self.member() else { return };
        if epoch > member.epoch {
            if epoch - member.epoch <= self.config.limits.future_epochs
                && (member.roster.of(&sender).is_some()
                    || self.wishes.leaves_later.len() < self.config.limits.roster)
            {
                self.wishes.leaves_later.insert(sender, (epoch, object, request));
            }
            return;
        }
        // The newest object on the track speaks: a KeyPackage that came before it is withdrawn.
        if self.joiners.get(&sender).is_some_and(|waiting| waiting.object < object) {
            self.joiners.take(&sender);
        }
        let Some(member) = self.member() else { return };
        if epoch < member.epoch {
            // The leaver asks again in each epoch.
            return;
        }
        match self.engine.open_leave(&member.group, self.now, &request) {
            Ok(leaf) if member.roster.at(leaf).is_some_and(|m| m.sender == sender) => {
                // Only an authenticated request may push later objects of its track aside.
                self.joiners.is_news(&sender, object, &self.config.limits);
                self.wishes.leaves.insert(leaf);
                self.wishes.leavers.insert(sender);
            }
            Ok(_) => self.fault(Some(sender), Fault::WrongSender),
            Err(_) => self.fault(Some(sender), Fault::Invalid),
        }
    }

    /// After a new epoch: one's own request again, and those that came early.
    pub(crate) fn settle_leaves(&mut self, epoch: u64) -> Result<(), Error> {
        self.wishes.leaves.clear();
        let group_id = self.config.group.as_bytes().clone();
        for (sender, (of, object, request)) in std::mem::take(&mut self.wishes.leaves_later) {
            if of >= epoch {
                self.consider_leave(sender, object, request, &group_id, of);
            }
        }
        self.ask_to_leave()
    }
}
