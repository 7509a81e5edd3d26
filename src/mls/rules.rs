//! What a commit may hold: members' adds and removes, by value, with a path. Nothing else.
//!
//! mls-rs follows RFC 9420 and so accepts more: an external commit by any stranger with a GroupInfo,
//! ReInit, proposals by reference. A group that is ordered slot by slot can do without, and each is a
//! way to fork, freeze or enter it (`reliability.md` section 4).

use mls_rs::MlsRules;
use mls_rs::client_builder::PaddingMode;
use mls_rs::error::IntoAnyError;
use mls_rs::group::{GroupContext, Roster};
use mls_rs::mls_rules::{CommitDirection, CommitOptions, CommitSource, EncryptionOptions, ProposalBundle};

/// The rules of this crate's groups.
#[derive(Clone, Debug)]
pub struct StrictRules {
    /// A throw-away group for looking at KeyPackages needs no path.
    pub(super) path: bool,
}

/// A commit that the rules forbid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("forbidden in this group: {0}")]
pub struct Forbidden(&'static str);

impl IntoAnyError for Forbidden {
    fn into_dyn_error(self) -> Result<Box<dyn std::error::Error + Send + Sync>, Self> {
        Ok(Box::new(self))
    }
}

impl MlsRules for StrictRules {
    type Error = Forbidden;

    fn filter_proposals(
        &self,
        _: CommitDirection,
        source: CommitSource,
        _: &Roster<'_>,
        _: &GroupContext,
        proposals: ProposalBundle,
    ) -> Result<ProposalBundle, Forbidden> {
        if matches!(source, CommitSource::NewMember(_)) {
            return Err(Forbidden("external commit"));
        }
        let adds = proposals.add_proposals();
        let removes = proposals.remove_proposals();
        if proposals.length() != adds.len().saturating_add(removes.len()) {
            return Err(Forbidden("a proposal that is neither Add nor Remove"));
        }
        let by_value = adds.iter().all(|p| p.is_by_value()) && removes.iter().all(|p| p.is_by_value());
        if !by_value {
            return Err(Forbidden("a proposal by reference"));
        }
        Ok(proposals)
    }

    fn commit_options(
        &self,
        _: &Roster<'_>,
        _: &GroupContext,
        _: &ProposalBundle,
    ) -> Result<CommitOptions, Forbidden> {
        Ok(CommitOptions::new()
            .with_path_required(self.path)
            .with_ratchet_tree_extension(true)
            .with_single_welcome_message(false)
            .with_allow_external_commit(false))
    }

    fn encryption_options(&self, _: &Roster<'_>, _: &GroupContext) -> Result<EncryptionOptions, Forbidden> {
        // Otherwise relays would read the roster from every commit.
        Ok(EncryptionOptions::new(true, PaddingMode::StepFunction))
    }
}
