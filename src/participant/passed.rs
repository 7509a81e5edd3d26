//! Secrets of epochs that were passed before the embedder could pull them. MLS has no way back to one.

use std::collections::VecDeque;

use crate::action::Action;
use crate::keys::EpochSecret;
use crate::notice::Notice;

/// Secrets of epochs that were passed before [`Notice::Epoch`] of them was polled, or of the last that was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct PassedEpochs(VecDeque<EpochSecret>);

impl PassedEpochs {
    pub(crate) fn new(secrets: Vec<EpochSecret>) -> Self {
        Self(secrets.into())
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &EpochSecret> {
        self.0.iter()
    }

    pub(crate) fn of(&self, epoch: u64) -> Option<&EpochSecret> {
        self.0.iter().find(|secret| secret.epoch() == epoch)
    }

    pub(crate) fn keep(&mut self, secret: EpochSecret) {
        self.0.push_back(secret);
    }

    /// Notes that an action was polled: the embedder has what it wanted of the epochs before.
    pub(crate) fn on_polled(&mut self, action: &Action) {
        if let Action::Notify(Notice::Epoch { epoch, .. }) = action {
            self.0.retain(|secret| secret.epoch() >= *epoch);
        }
    }
}
