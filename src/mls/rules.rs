//! The strict rules: what this crate lets into a commit, sent or received.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mls_rs::MlsRules;
use mls_rs::client_builder::PaddingMode;
use mls_rs::error::IntoAnyError;
use mls_rs::group::{GroupContext, Roster, Sender};
use mls_rs::mls_rules::{
    CommitDirection, CommitOptions, CommitSource, EncryptionOptions, ProposalBundle, ProposalSource,
};

use crate::mls::params::takes_plain_mls;

/// Only Add and Remove, by value, by a member; with a path, encrypted, one Welcome per joiner.
///
/// In a group of [`SafetyMode::Advisory`](crate::SafetyMode::Advisory), members' commits may also refer to proposals of
/// members, Updates among them.
///
/// A whitelist: what mls-rs learns to carry later, or carries because another crate turned on one
/// of its features (`psk`, `custom_proposal`), stays out.
#[derive(Clone, Debug)]
pub struct StrictRules {
    padding: PaddingMode,
    /// Whether the commit that is being built has Welcomes without the tree.
    apart: Arc<AtomicBool>,
}

impl StrictRules {
    pub(super) fn new(padding: PaddingMode) -> Self {
        Self { padding, apart: Arc::default() }
    }

    /// For the next commits. Held by the engine's lock around each.
    pub(super) fn set_apart(&self, apart: bool) {
        self.apart.store(apart, Ordering::Relaxed);
    }
}

/// Which rule a commit broke.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Broken(pub(super) &'static str);

impl IntoAnyError for Broken {
    fn into_dyn_error(self) -> Result<Box<dyn std::error::Error + Send + Sync>, Self> {
        Ok(Box::new(self))
    }
}

/// Whether all proposals are members'.
fn of_members(proposals: &ProposalBundle) -> Result<(), Broken> {
    let senders = proposals.add_proposals().iter().map(|p| p.sender);
    let senders = senders.chain(proposals.remove_proposals().iter().map(|p| p.sender));
    let mut senders = senders.chain(proposals.update_proposals().iter().map(|p| p.sender));
    let all = senders.all(|sender| matches!(sender, Sender::Member(_)));
    if all { Ok(()) } else { Err(Broken("a proposal of a client that is no member")) }
}

impl MlsRules for StrictRules {
    type Error = Broken;

    fn filter_proposals(
        &self,
        _: CommitDirection,
        source: CommitSource,
        _: &Roster<'_>,
        context: &GroupContext,
        proposals: ProposalBundle,
    ) -> Result<ProposalBundle, Broken> {
        match source {
            CommitSource::ExistingMember(_) => {}
            // Otherwise a client that gets hold of a GroupInfo could let itself in.
            CommitSource::NewMember(_) => return Err(Broken("an external commit")),
        }
        let known = proposals.add_proposals().len() + proposals.remove_proposals().len();
        if takes_plain_mls(&context.extensions) {
            if proposals.length() != known + proposals.update_proposals().len() {
                return Err(Broken("a proposal other than Add, Remove and Update"));
            }
            return of_members(&proposals).map(|()| proposals);
        }
        let by_value = |source: &ProposalSource| matches!(source, ProposalSource::ByValue);
        if !proposals.add_proposals().iter().all(|p| by_value(&p.source))
            || !proposals.remove_proposals().iter().all(|p| by_value(&p.source))
        {
            return Err(Broken("a proposal by reference"));
        }
        if proposals.length() != known {
            return Err(Broken("a proposal other than Add and Remove"));
        }
        Ok(proposals)
    }

    fn commit_options(
        &self,
        _: &Roster<'_>,
        _: &GroupContext,
        _: &ProposalBundle,
    ) -> Result<CommitOptions, Broken> {
        Ok(CommitOptions::new()
            .with_path_required(true)
            .with_ratchet_tree_extension(!self.apart.load(Ordering::Relaxed))
            .with_single_welcome_message(false)
            .with_allow_external_commit(false))
    }

    fn encryption_options(&self, _: &Roster<'_>, _: &GroupContext) -> Result<EncryptionOptions, Broken> {
        // Unencrypted, every relay could read the roster.
        Ok(EncryptionOptions::new(true, self.padding))
    }
}
