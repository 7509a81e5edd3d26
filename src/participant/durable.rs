//! The frame of a snapshot: what is written in every phase, around what the phase itself writes.

use bytes::Bytes;

use crate::action::Action;
use crate::codec::params::{mode_byte, policy_byte};
use crate::counter::Pin;
use crate::engine::{Engine, OwnKeyPackage};
use crate::error::Error;
use crate::keys::EpochSecret;
use crate::notice::RejoinReason;
use crate::participant::carried::Carried;
use crate::participant::context::Context;
use crate::participant::fresh::Fresh;
use crate::participant::passed::PassedEpochs;
use crate::snapshot::{Reader, Snapshot, SnapshotError, Writer};
use crate::time::Timestamp;
use crate::tracks::SenderId;

/// The phase's tag in a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    New = 0,
    Creating = 1,
    Joining = 2,
    Member = 3,
    Ended = 4,
}

/// The reasons for which a state is kept, by their byte.
const KEPT: [RejoinReason; 5] = [
    RejoinReason::Unreachable,
    RejoinReason::FaultyCommit,
    RejoinReason::PinForgotten,
    RejoinReason::WrongLock,
    RejoinReason::ServiceRegressed,
];

impl Tag {
    fn read(from: &mut Reader) -> Result<Self, SnapshotError> {
        [Self::New, Self::Creating, Self::Joining, Self::Member, Self::Ended]
            .get(usize::from(from.u8()?))
            .copied()
            .ok_or(SnapshotError::Malformed)
    }
}

/// Makes a snapshot: the frame, and in it what `phase` writes.
pub(crate) fn snapshot<E: Engine>(
    cx: &Context<E>,
    carried: &Carried,
    tag: Tag,
    phase: impl FnOnce(&mut Writer),
) -> Snapshot {
    let mut out = Writer::new();
    out.bytes(cx.moved.home.as_bytes());
    out.u8(mode_byte(cx.config.params.mode));
    out.u8(policy_byte(cx.config.params.commit_tracks));
    out.bytes(cx.me.as_bytes());
    cx.write_moved(&mut out);
    out.u64(cx.keys.next_object_id);
    out.list(cx.keys.packages.iter(), |out, key| {
        out.u64(key.object_id);
        out.bytes(&key.message);
        out.bytes(&key.key_package_ref);
        out.bytes(key.secret.as_bytes());
        out.u64(key.expires.as_millis());
    });
    carried.write(&mut out);
    out.u8(tag as u8);
    phase(&mut out);
    // Their notices may never be polled, and MLS has no way back to these epochs.
    out.list(cx.passed.durable(), |out, secret| secret.write(out));
    out.finish()
}

/// Queues the barrier: what comes after it is not done before this is durable.
pub(crate) fn persist<E: Engine>(
    cx: &mut Context<E>,
    carried: &Carried,
    tag: Tag,
    phase: impl FnOnce(&mut Writer),
) {
    let snapshot = snapshot(cx, carried, tag, phase);
    cx.actions.push_back(Action::Persist(snapshot));
}

/// Makes a KeyPackage with the next object id, and publishes it once that is durable.
pub(crate) fn fresh_key_package<E: Engine>(
    cx: &mut Context<E>,
    persist: impl FnOnce(&mut Context<E>),
) -> Result<(), Error> {
    cx.make_key_package()?;
    persist(cx);
    cx.stats.key_packages = cx.stats.key_packages.saturating_add(1);
    cx.show_key_package();
    Ok(())
}

/// Reads the frame up to the phase, into a participant that was just made.
pub(crate) fn open<E: Engine>(
    cx: &mut Context<E>,
    snapshot: &Snapshot,
) -> Result<(Reader, Carried, Tag), Error> {
    let mut from = Reader::open(snapshot)?;
    if from.bytes()? != cx.config.group.as_bytes()
        || from.u8()? != mode_byte(cx.config.params.mode)
        || from.u8()? != policy_byte(cx.config.params.commit_tracks)
    {
        return Err(SnapshotError::OtherGroup.into());
    }
    if from.bytes()? != cx.me.as_bytes() {
        return Err(SnapshotError::OtherParticipant.into());
    }
    cx.read_moved(&mut from)?;
    cx.keys.next_object_id = from.u64()?;
    cx.fresh = Fresh::restored(cx.keys.next_object_id);
    cx.keys.packages = from.list(|from| {
        Ok(OwnKeyPackage {
            object_id: from.u64()?,
            message: from.bytes()?,
            key_package_ref: from.bytes()?,
            secret: from.secret()?,
            expires: Timestamp::from_millis(from.u64()?),
        })
    })?;
    let carried = Carried::read(&mut from)?;
    cx.keys.spare_until = Some(cx.now.after(cx.config.timers.join_deadline));
    let tag = Tag::read(&mut from)?;
    Ok((from, carried, tag))
}

/// Reads the frame behind the phase.
pub(crate) fn close<E: Engine>(cx: &mut Context<E>, mut from: Reader) -> Result<(), Error> {
    let kdf = cx.engine.kdf();
    cx.passed = PassedEpochs::new(from.list(|from| EpochSecret::read(from, &kdf))?);
    from.end()?;
    Ok(())
}

/// Writes why a state is kept.
pub(crate) fn write_reason(out: &mut Writer, why: RejoinReason) {
    let at = KEPT.iter().position(|kept| *kept == why).unwrap_or(0);
    out.u8(u8::try_from(at).unwrap_or(0));
}

/// Reads what [`write_reason`] wrote.
pub(crate) fn read_reason(from: &mut Reader) -> Result<RejoinReason, SnapshotError> {
    KEPT.get(usize::from(from.u8()?)).copied().ok_or(SnapshotError::Malformed)
}

/// Writes a Welcome and whom it is for.
pub(crate) fn write_welcome(out: &mut Writer, (recipient, welcome): &(SenderId, Bytes)) {
    out.bytes(recipient.as_bytes());
    out.shared(welcome);
}

/// Reads what [`write_welcome`] wrote.
pub(crate) fn read_welcome(from: &mut Reader) -> Result<(SenderId, Bytes), SnapshotError> {
    Ok((from.sender()?, from.bytes()?))
}

/// Writes a tree object's id and payload.
pub(crate) fn write_tree(out: &mut Writer, (object, tree): &(u64, Bytes)) {
    out.u64(*object);
    out.shared(tree);
}

/// Reads what [`write_tree`] wrote.
pub(crate) fn read_tree(from: &mut Reader) -> Result<(u64, Bytes), SnapshotError> {
    Ok((from.u64()?, from.bytes()?))
}

/// Reads a pin.
pub(crate) fn read_pin(from: &mut Reader) -> Result<Pin, SnapshotError> {
    Pin::from_slice(&from.bytes()?).ok_or(SnapshotError::Malformed)
}
