//! What every phase works with: the engine, the configuration, the clock, and what goes out.

use std::collections::VecDeque;
use std::time::Duration;

use crate::action::{Action, Timer};
use crate::codec::leaf_origin;
use crate::config::{Config, SafetyMode};
use crate::engine::{ContextParams, Credential, Engine, EngineError, GroupMark, KeyPackageClaim};
use crate::error::Error;
use crate::notice::{Fault, Notice};
use crate::participant::alarms::{Alarms, TOLD};
use crate::participant::clock::Skew;
use crate::participant::deadlines::{Deadlines, Jitter};
use crate::participant::doubles::Doubles;
use crate::participant::fresh::Fresh;
use crate::participant::input::Input;
use crate::participant::moved::Moved;
use crate::participant::own_keys::OwnKeys;
use crate::participant::pace::Rate;
use crate::participant::passed::PassedEpochs;
use crate::participant::requests::Requests;
use crate::participant::rules::Rules;
use crate::participant::sparing::{Pause, Unanswered};
use crate::participant::stats::Stats;
use crate::time::Timestamp;
use crate::tracks::{GroupTracks, SenderId};

/// What stays the same participant's from phase to phase, whatever becomes of the group.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Context<E: Engine> {
    pub(crate) engine: E,
    pub(crate) config: Config,
    pub(crate) params: ContextParams,
    pub(crate) rules: Rules,
    pub(crate) tracks: GroupTracks,
    /// What KeyPackages for this group carry.
    pub(crate) mark: GroupMark,
    pub(crate) me: SenderId,
    /// The own clock, by which waiting times pass.
    pub(crate) now: Timestamp,
    /// How far it is off the time of day.
    pub(crate) skew: Skew,
    /// What waits to be polled, in order.
    pub(crate) actions: VecDeque<Action>,
    /// What is still to be taken in during this call, in order.
    pub(crate) inputs: VecDeque<Input>,
    pub(crate) requests: Requests,
    pub(crate) pause: Pause,
    pub(crate) unanswered: Unanswered,
    pub(crate) deadlines: Deadlines,
    pub(crate) jitter: Jitter,
    pub(crate) keys: OwnKeys,
    pub(crate) doubles: Doubles,
    pub(crate) passed: PassedEpochs,
    pub(crate) fresh: Fresh,
    pub(crate) stats: Stats,
    pub(crate) alarms: Alarms,
    /// Since when objects on the relay say that the group exists.
    pub(crate) signs_since: Option<Timestamp>,
    /// Until when the relay may be showing what lay on the KeyPackage tracks when this participant came.
    pub(crate) shown_until: Option<Timestamp>,
    /// When a hint that the group went on was last looked into.
    pub(crate) hinted: Option<Timestamp>,
    /// The date of the newest signed state that was taken in.
    pub(crate) told: Option<Timestamp>,
    /// When the service last said that the group is where this participant is.
    pub(crate) confirmed: Option<Timestamp>,
    pub(crate) moved: Moved,
}

impl<E: Engine> Context<E> {
    pub(crate) fn new(engine: E, config: Config, now: Timestamp) -> Result<Self, Error> {
        let service_key_hash =
            config.params.service_key.as_ref().map(|key| engine.sha256(key)).transpose()?;
        let params = ContextParams {
            mode: config.params.mode,
            commit_tracks: config.params.commit_tracks,
            tree_objects: config.params.tree_objects && config.params.mode != SafetyMode::Advisory,
            service_key_hash,
            epoch_base: 0,
        };
        let me = engine.sender_id().clone();
        let moved = Moved::nowhere(config.group.clone());
        Ok(Self {
            tracks: GroupTracks::new(config.group.clone(), config.params.commit_tracks),
            jitter: Jitter::new(me.as_bytes()),
            rules: Rules::of(config.params.mode),
            mark: leaf_origin::mark(&engine.sha256(&config.group.root())?),
            engine,
            config,
            params,
            me,
            now,
            skew: Skew::default(),
            actions: VecDeque::new(),
            inputs: VecDeque::new(),
            requests: Requests::default(),
            pause: Pause::default(),
            unanswered: Unanswered::default(),
            deadlines: Deadlines::default(),
            keys: OwnKeys::default(),
            doubles: Doubles::default(),
            passed: PassedEpochs::default(),
            fresh: Fresh::FIRST_RUN,
            stats: Stats::default(),
            alarms: Alarms::default(),
            signs_since: None,
            shown_until: None,
            hinted: None,
            told: None,
            confirmed: None,
            moved,
        })
    }

    pub(crate) fn notify(&mut self, notice: Notice) {
        self.actions.push_back(Action::Notify(notice));
    }

    /// Reports, once, that a commit sent in `epoch` was published `tries` times and never came back.
    pub(crate) fn note_not_read_back(&mut self, tries: u32, epoch: u64) {
        if tries == self.config.limits.publish_tries.saturating_add(1) {
            self.notify(Notice::NotReadBack { epoch });
        }
    }

    /// Counts and reports something wrong that a peer or a relay sent.
    pub(crate) fn fault(&mut self, from: Option<SenderId>, fault: Fault) {
        let total = self.stats.faults.entry(fault).or_default();
        *total = total.saturating_add(1);
        let total = *total;
        match self.alarms.count(fault, self.now) {
            1..=TOLD => self.notify(Notice::PeerFault { from, fault }),
            n if n == TOLD.saturating_add(1) => self.notify(Notice::UnderAttack { fault, total }),
            _ => {}
        }
    }

    /// What is wrong with the group that a KeyPackage was made for.
    pub(crate) fn misbound(&self, claim: &KeyPackageClaim) -> Option<Fault> {
        match claim.group {
            Some(group) => (group != self.mark).then_some(Fault::WrongGroup),
            None => self.rules.binds_key_packages.then_some(Fault::Invalid),
        }
    }

    /// Hashes a credential: what is remembered of whom the embedder let in.
    pub(crate) fn credential_hash(&self, credential: &Credential) -> Result<[u8; 32], EngineError> {
        self.engine.sha256(&[&credential.kind.to_be_bytes(), &credential.data[..]].concat())
    }

    /// How often one sender is let in.
    pub(crate) fn entry_rate(&self) -> Rate {
        Rate { burst: self.config.limits.returns, every: self.config.timers.returns }
    }

    /// How many KeyPackages of one sender are verified.
    pub(crate) fn key_package_rate(&self) -> Rate {
        Rate { burst: self.config.limits.key_packages, every: self.config.timers.key_package }
    }

    /// Sets a deadline `wait` from now.
    pub(crate) fn set(&mut self, timer: Timer, wait: Duration) {
        self.deadlines.set(timer, self.now.after(wait));
    }

    /// Sets a deadline `wait` from now, unless an earlier one stands.
    pub(crate) fn bring_forward(&mut self, timer: Timer, wait: Duration) {
        self.deadlines.bring_forward(timer, self.now.after(wait));
    }

    /// Draws the pause before try number `attempt` of something that failed.
    pub(crate) fn backoff(&mut self, attempt: u32) -> Duration {
        self.jitter.backoff(self.config.timers.backoff, attempt)
    }

    /// Limits `retry_later` to what is believed, and adds jitter: everyone was given the same moment.
    pub(crate) fn retry_after(&mut self, retry_later: Duration) -> Duration {
        let (shortest, longest) = self.config.timers.retry_later;
        let wait = retry_later.clamp(shortest, longest);
        wait + self.jitter.up_to(self.config.timers.turn)
    }

    /// Puts inputs before all others that are still to be taken in, and keeps their order.
    pub(crate) fn first(&mut self, inputs: impl DoubleEndedIterator<Item = Input>) {
        inputs.rev().for_each(|input| self.inputs.push_front(input));
    }
}
