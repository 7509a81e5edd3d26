//! What a malicious member publishes.

use bytes::Bytes;

use crate::counter::Pin;
use crate::engine::Engine;
use crate::participant::Participant;
use crate::time::Timestamp;
use crate::tracks::Location;

/// Builds a commit on the present epoch behind the machine's back, and says where it may be.
///
/// `engine` is another instance of this member's, so that the commit differs from the machine's own.
pub fn commit<E: Engine>(
    participant: &Participant<E>,
    engine: &E,
    now: Timestamp,
) -> Option<(Location, Bytes)> {
    let group = participant.group()?;
    let epoch = participant.epoch()?.saturating_sub(participant.epoch_base());
    let built = engine.create_commit(group, now, &[], &[]).ok()?.ok()?;
    Some((Location { group_id: epoch, object_id: 2 }, built.commit))
}

/// The pin of a commit of another's, as a member that processes it makes it.
pub fn pin<E: Engine>(participant: &Participant<E>, commit: &Bytes, now: Timestamp) -> Option<Pin> {
    let staged = participant.engine().stage_commit(participant.group()?, now, commit).ok()?.ok()?;
    participant.pin_of(commit, &staged.next?)
}
