//! The worlds that are checked, each a row with a name.

use moq_mls::SafetyMode;
use moq_mls::testing::flaws::Flaw;

use crate::search::STAYS;
use crate::world::Budget;

/// What a row must come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// Every invariant, and agreement reachable from every state.
    Holds,
    /// A state from which the group cannot reach agreement.
    Wedges,
    /// This invariant broken.
    Breaks(&'static str),
}

/// Whether a row is checked whole in `cargo test`, or in the ignored test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    Small,
    Large,
}

#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Its name in the notes, then what it is.
    pub(crate) name: &'static str,
    pub(crate) size: Size,
    pub(crate) expect: Expect,
    pub(crate) participants: usize,
    /// How many of them are members at the start.
    pub(crate) members: usize,
    /// How many epochs the members may go on.
    pub(crate) epochs: u64,
    /// So many of them, from the first on, always want to commit.
    pub(crate) committers: usize,
    pub(crate) mode: SafetyMode,
    /// One commit track for all, whose relay keeps the first object at each place.
    pub(crate) shared: bool,
    /// An object is at the relay as soon as it is published, and an answer comes as soon as the service has it: fewer
    /// orders, and so a search that comes to its end.
    pub(crate) prompt: bool,
    /// Requests and answers may be lost or arrive after they were given up.
    pub(crate) loss: bool,
    /// Most requests that were given up and are on their way at a time. Under lock tokens no two are alike.
    pub(crate) most_late: usize,
    pub(crate) budget: Budget,
    pub(crate) crash_only: Option<usize>,
    /// Who publishes a commit without asking.
    pub(crate) rogue: Option<usize>,
    /// Who wants whom removed.
    pub(crate) remove: Option<(usize, usize)>,
    /// The goal is that the joiners are in; the last epoch is for repair and is not judged.
    pub(crate) joins: bool,
    pub(crate) flaw: Option<Flaw>,
    /// Welcomes before the pin are part of the row.
    pub(crate) early_welcomes: bool,
    /// The service does not look at `prev`.
    pub(crate) no_prev: bool,
    /// The service does not look at slot keys.
    pub(crate) no_key: bool,
    /// The service keeps no commits.
    pub(crate) keeps_no_commits: bool,
    /// Members go over to a successor, in any order and whenever they like: turns are no bound.
    pub(crate) recovers: bool,
    /// So many successors are founded, at most. A founder to whom nobody came in time founds anew: without a bound on
    /// how often the timers of some run out before anything arrives, there is no end.
    pub(crate) founds: usize,
    /// Nothing happens that proves the group to be lost, so nobody may go over.
    pub(crate) stays: bool,
}

impl Row {
    fn pinned(name: &'static str, participants: usize, epochs: u64) -> Self {
        Self {
            name,
            size: Size::Small,
            expect: Expect::Holds,
            participants,
            members: participants,
            epochs,
            committers: usize::MAX,
            mode: SafetyMode::Pinned,
            shared: false,
            prompt: false,
            loss: false,
            most_late: usize::MAX,
            budget: Budget::default(),
            crash_only: None,
            rogue: None,
            remove: None,
            joins: false,
            flaw: None,
            early_welcomes: false,
            no_prev: false,
            no_key: false,
            keeps_no_commits: false,
            recovers: false,
            founds: usize::MAX,
            stays: false,
        }
    }

    fn large(self) -> Self {
        Self { size: Size::Large, ..self }
    }

    fn expects(self, expect: Expect) -> Self {
        Self { expect, ..self }
    }

    fn loss(self) -> Self {
        Self { loss: true, ..self }
    }

    fn late(self, most_late: usize) -> Self {
        Self { most_late, ..self }
    }

    fn crash(mut self) -> Self {
        self.budget.crashes = 1;
        self
    }

    fn crash_of(self, who: usize) -> Self {
        Self { crash_only: Some(who), ..self.crash() }
    }

    fn restart(mut self) -> Self {
        self.budget.restarts = 1;
        self
    }

    fn rekeys(mut self, rekeys: u8) -> Self {
        self.budget.rekeys = rekeys;
        self
    }

    fn reset(mut self) -> Self {
        self.budget.resets = 1;
        self
    }

    fn repeats(mut self) -> Self {
        self.budget.repeats = 2;
        self
    }

    fn rogue(mut self, who: usize) -> Self {
        self.budget.rogues = 1;
        self.rogue = Some(who);
        self
    }

    fn attacked(mut self, attack: impl FnOnce(&mut Budget)) -> Self {
        attack(&mut self.budget);
        self
    }

    fn flaw(self, flaw: Flaw) -> Self {
        Self { flaw: Some(flaw), ..self }
    }

    fn shared(self) -> Self {
        Self { shared: true, ..self }
    }

    fn mode(self, mode: SafetyMode) -> Self {
        Self { mode, ..self }
    }

    /// Two members and a joiner, and commits for joins only.
    fn join(name: &'static str) -> Self {
        Self { members: 2, committers: 0, joins: true, ..Self::pinned(name, 3, 2) }
    }

    fn boot(name: &'static str) -> Self {
        Self { members: 0, committers: 0, ..Self::pinned(name, 2, 1) }.rekeys(1)
    }

    /// The epoch of the members at the start: each but the first came by a commit.
    pub(crate) fn base(&self) -> u64 {
        self.members.saturating_sub(1) as u64
    }

    pub(crate) fn last(&self) -> u64 {
        self.base() + self.epochs
    }

    pub(crate) fn keeps_durable(&self) -> bool {
        self.budget.restarts > 0
    }
}

/// All rows.
pub(crate) fn all() -> Vec<Row> {
    use Expect::{Breaks, Wedges};
    use SafetyMode::{Advisory, Fenced};
    let row = Row::pinned;
    vec![
        row("P1 pinned, no faults", 2, 2),
        row("P2 loss, 2 repeats, 1 crash", 2, 1).loss().repeats().crash().large(),
        row("P3 loss, 1 crash, 2 epochs", 2, 2).loss().crash().large(),
        row("P4 loss, a malicious publisher, 2 epochs", 2, 2).loss().rogue(1).large(),
        row("P5 loss, restart, outbox not durable in time", 2, 1)
            .loss()
            .restart()
            .flaw(Flaw::PersistAfterPublish)
            .expects(Breaks("OutboxDurableBeforePublish")),
        row("P5b loss, restart, durable outbox", 2, 1).loss().restart(),
        row("P6 first-wins relay, crash, nobody helps", 2, 1)
            .shared()
            .crash()
            .flaw(Flaw::NoHelp)
            .expects(Wedges),
        row("P8 first-wins relay, crash, pinned without read-back", 2, 1).shared().crash(),
        row("P9 3 members, 1 crash", 3, 1).crash().large(),
        Row { remove: Some((0, 2)), ..row("P10 A removes C while C commits", 3, 1) }.large(),
        row("P11 3 members, crash of A, a malicious publisher", 3, 1).crash_of(0).rogue(1).large(),
        row("P12 3 members, loss, crash of A", 3, 1).loss().crash_of(0).large(),
        row("PR 3 members, loss, restart: a helper and a restarted committer meet", 3, 1)
            .loss()
            .restart()
            .large(),
        row("PRb the same without loss", 3, 1).restart().large(),
        Row::boot("B2 bootstrap and join, loss").loss(),
        Row::boot("B3 bootstrap and join, 1 crash").crash(),
        Row { crash_only: Some(0), ..Row::join("J0 restart of A, Welcome only on increment Ok").restart() }
            .flaw(Flaw::WelcomeOnlyOnOk)
            .large()
            .expects(Wedges),
        Row { crash_only: Some(0), ..Row::join("J0c restart of A, Welcome on any confirmation").restart() }
            .large(),
        Row::join("J0b Welcome on any confirmation"),
        Row::join("J1 crash of A, no fresh KeyPackage").crash_of(0).large().expects(Wedges),
        Row::join("J2 crash of A, fresh KeyPackage").crash_of(0).rekeys(1).large(),
        Row {
            early_welcomes: true,
            ..Row::join("J3 crash of A, Welcome before pin, joiner gated")
                .crash_of(0)
                .flaw(Flaw::WelcomeBeforePin)
        },
        Row {
            members: 2,
            no_prev: true,
            no_key: true,
            ..row("R2 no prev and no key, service loses its state, newcomer", 3, 1)
        }
        .reset()
        .large()
        .expects(Breaks("NoLineageFork")),
        Row { members: 2, ..row("R4 service loses its state, newcomer", 3, 1) }.reset().large(),
        row("R4b service loses its state, 2 members", 2, 1).reset(),
        Row { members: 2, committers: 0, joins: true, ..row("R4c service loses its state, joiner", 3, 1) }
            .reset()
            .large(),
        // Adversaries, and some once more without what keeps them out.
        row("O1 an outsider takes two places first, 1 crash", 2, 1)
            .shared()
            .crash()
            .attacked(|b| b.squats = 2),
        Row { keeps_no_commits: true, ..row("O1b the same, and the service keeps no commits", 2, 1) }
            .shared()
            .crash()
            .attacked(|b| b.squats = 1)
            .expects(Wedges),
        row("O2 somebody without keys increments", 2, 2).attacked(|b| b.keyless = 1),
        Row::join("O3 a Welcome with other keys").attacked(|b| b.forgeries = 1),
        Row::join("O3b the same, and joiners look at no lock")
            .attacked(|b| b.forgeries = 1)
            .flaw(Flaw::LockUnchecked)
            .expects(Breaks("AgreementOnEpoch")),
        row("O4 a true commit pinned with a lock of made-up keys", 2, 1).attacked(|b| b.wrong_locks = 1),
        row("O4b the same, and members look at no lock", 2, 2)
            .attacked(|b| b.wrong_locks = 1)
            .flaw(Flaw::LockUnchecked)
            .expects(Breaks("AppliedIsPinned")),
        Row { recovers: true, ..row("O5 the same as O4, and members go over to a successor", 2, 1) }
            .large()
            .attacked(|b| b.wrong_locks = 1),
        // The garbage comes without a key: as the service does not look, it is as good as from a member.
        Row { recovers: true, no_key: true, founds: 2, ..row("O6 an insider pins garbage", 2, 1) }
            .large()
            .attacked(|b| b.keyless = 1),
        // The members of the row before meet again from each of its states.
        Row {
            recovers: true,
            no_key: true,
            founds: 1,
            committers: 1,
            prompt: true,
            ..row("O6b an insider pins garbage, one member commits, no delays", 2, 1)
        }
        .large()
        .attacked(|b| b.keyless = 1),
        Row {
            recovers: true,
            stays: true,
            ..row("O7 a counter that does not answer, a relay that withholds", 2, 1)
        }
        .loss()
        .late(1),
        Row { recovers: true, stays: true, ..row("O7b a pin with a wrong lock, which is no silence", 2, 1) }
            .attacked(|b| b.wrong_locks = 1)
            .expects(Breaks(STAYS)),
        // No lock is asked for to remove a member. B asks for one to help, and A once it has lost a race: the refusals
        // are all spent.
        Row {
            committers: 0,
            remove: Some((0, 2)),
            ..row("I1 A removes C, who publishes; 6 refused locks", 3, 2)
        }
        .rogue(2)
        .attacked(|b| b.refusals = 6)
        .large(),
        row("I2 a member publishes and dies", 2, 1).rogue(1).crash_of(1),
        row("I2b the same, and commits are given way to for ever", 2, 1)
            .rogue(1)
            .crash_of(1)
            .flaw(Flaw::YieldsForEver)
            .expects(Wedges),
        // The other modes.
        row("F1 fenced, no faults", 2, 2).mode(Fenced),
        row("S11 fenced, loss, 1 restart", 2, 2).mode(Fenced).loss().late(1).restart().large(),
        row("S11b fenced, loss, 1 restart, 1 epoch", 2, 1).mode(Fenced).loss().late(1).restart().large(),
        row("S12 fenced, 1 crash", 2, 1).mode(Fenced).crash().expects(Wedges),
        row("S2b the draft's bare API, 3 members", 3, 1).mode(Advisory).expects(Breaks("AgreementOnEpoch")),
    ]
}
