//! Creating a successor of the group.

use crate::action::Timer;
use crate::engine::Engine;
use crate::participant::carried::Carried;
use crate::participant::context::Context;
use crate::participant::creating::Creating;
use crate::participant::flow::Flow;
use crate::participant::genesis::Genesis;
use crate::participant::stranded::Stranded;
use crate::secret::Secret;
use crate::tracks::SenderId;

impl<G> Creating<G> {
    /// Creates a successor: the name is this participant's already, and nobody else can begin with it.
    pub(crate) fn found<E: Engine<Group = G>>(
        cx: &mut Context<E>,
        carried: Carried,
        (genesis, key): (Genesis<G>, Secret),
        kept: Option<Box<Stranded<G>>>,
    ) -> Self {
        let this = Self { genesis: Some(genesis), founding_key: Some(key), kept, ..Self::new(carried) };
        cx.set(Timer::JoinDeadline, cx.config.timers.join_deadline);
        this.kept.iter().for_each(|kept| kept.set_erase(cx));
        this.persist(cx);
        this.ask(cx);
        this
    }

    /// Whether it is a successor that is created.
    pub(crate) fn is_founding(&self) -> bool {
        self.founding_key.is_some()
    }

    /// Enters a successor once a member of the last epoch comes: a founder to whom nobody comes was nowhere, and is
    /// free to go to another's. After a while it lets in any client that comes.
    pub(super) fn enter_founded<E: Engine<Group = G>>(&mut self, cx: &Context<E>) -> Flow<G> {
        let Some(pin) = self.founded else { return Flow::Stay };
        let joiners = &self.carried.joiners;
        let came = self.kept.as_ref().is_none_or(|kept| {
            let counts =
                |sender: &SenderId| kept.epoch.roster.of(sender).is_some() || kept.recovery.waited_alone(cx);
            joiners.early_news().any(counts)
        });
        if !came {
            return Flow::Stay;
        }
        match self.genesis.take() {
            Some(genesis) => genesis.enter(Some(pin)),
            None => Flow::Stay,
        }
    }

    /// Returns whether a client that asks under the old name was no member there: members know where to ask.
    pub(super) fn is_newcomer(&self, sender: &SenderId) -> bool {
        self.kept.as_ref().is_none_or(|kept| kept.epoch.roster.of(sender).is_none())
    }
}
