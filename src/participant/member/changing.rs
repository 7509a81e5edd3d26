//! Members that take another signature key or credential by a commit of their own.
//!
//! This participant makes no such commits. Of others it follows them, with the tree: a client that joins at that epoch
//! reads the new key there. To refuse them would be to leave a group that RFC 9420 lets go on.

use bytes::Bytes;

use crate::engine::{Engine, Judged, Member, Rejection, StagedCommit};
use crate::participant::context::Context;
use crate::participant::member::epoch::Epoch;

/// Whether a member is not who it was, or shows itself otherwise.
pub(crate) fn is_changed(old: &Member, new: &Member) -> bool {
    old.sender != new.sender || old.credential != new.credential
}

impl<G> Epoch<G> {
    /// Judges another member's commit. A credential that is shown for the first time must be valid now. One that the
    /// group has already may have expired, which is for the embedder to act on: all would else have to leave at the
    /// first commit of a member that has not renewed it in time.
    pub(crate) fn stage_commit<E: Engine<Group = G>>(
        &self,
        cx: &Context<E>,
        commit: &Bytes,
        proposals: &[Bytes],
    ) -> Judged<StagedCommit<G>> {
        let staged = match cx.engine.stage_commit_with(&self.group, cx.time_of_day(), commit, proposals)? {
            Ok(staged) => staged,
            Err(rejection) => return Ok(Err(rejection)),
        };
        let Some(next) = &staged.next else { return Ok(Ok(staged)) };
        let is_valid = |new: &Member| {
            self.roster.at(new.leaf_index).is_none_or(|old| !is_changed(old, new))
                || cx.engine.credential_valid(&next.group, new, cx.time_of_day())
        };
        if staged.updated.iter().all(is_valid) {
            return Ok(Ok(staged));
        }
        Ok(Err(Rejection::Invalid("a credential that is not valid takes another's place".into())))
    }
}
