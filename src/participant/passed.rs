//! Secrets of epochs that were passed before the embedder could pull them. MLS has no way back to one.

use std::collections::VecDeque;
use std::time::Duration;

use crate::action::Action;
use crate::keys::EpochSecret;
use crate::notice::Notice;
use crate::time::Timestamp;

/// Secrets of epochs that were passed, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct PassedEpochs(VecDeque<Passed>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Passed {
    secret: EpochSecret,
    /// When it is erased; `None` while the embedder has not heard of a later epoch.
    until: Option<Timestamp>,
}

impl PassedEpochs {
    pub(crate) fn new(secrets: Vec<EpochSecret>) -> Self {
        Self(secrets.into_iter().map(|secret| Passed { secret, until: None }).collect())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &EpochSecret> {
        self.0.iter().map(|passed| &passed.secret)
    }

    /// Returns those that a snapshot keeps: of epochs that the embedder may not have heard of. The others would stay on
    /// the disk after they are erased here.
    pub(crate) fn durable(&self) -> impl ExactSizeIterator<Item = &EpochSecret> {
        let unheard = self.0.iter().filter(|passed| passed.until.is_none());
        unheard.map(|passed| &passed.secret).collect::<Vec<_>>().into_iter()
    }

    pub(crate) fn of(&self, epoch: u64) -> Option<&EpochSecret> {
        self.iter().find(|secret| secret.epoch() == epoch)
    }

    pub(crate) fn keep(&mut self, secret: EpochSecret, until: Option<Timestamp>) {
        self.0.push_back(Passed { secret, until });
    }

    /// Notes that an action was polled: the secrets of the epochs before it stay for `keep` more, if at all.
    pub(crate) fn on_polled(&mut self, action: &Action, now: Timestamp, keep: Duration) {
        if let Action::Notify(Notice::Epoch { epoch, .. }) = action {
            if keep.is_zero() {
                self.0.retain(|passed| passed.secret.epoch() >= *epoch);
            }
            for passed in self.0.iter_mut().filter(|passed| passed.secret.epoch() < *epoch) {
                passed.until.get_or_insert(now.after(keep));
            }
        }
    }

    /// Erases those of epochs that the embedder has heard of: this participant has ended.
    pub(crate) fn end(&mut self) {
        self.0.retain(|passed| passed.until.is_none());
    }

    /// Erases those whose time is over.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        self.0.retain(|passed| passed.until.is_none_or(|until| now < until));
    }

    /// Returns when the next one is to be erased.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.0.iter().filter_map(|passed| passed.until).min()
    }

    /// The clock was set back by so much.
    pub(crate) fn set_back(&mut self, by: Duration) {
        self.0.iter_mut().for_each(|passed| passed.until = passed.until.map(|until| until.before(by)));
    }
}
