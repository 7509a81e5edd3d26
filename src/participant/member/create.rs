//! Creating the slot's one commit from what there is to commit.

use bytes::Bytes;

use crate::engine::{Attached, Built, Engine, EngineError, Judged};
use crate::error::Error;
use crate::notice::{Fault, Notice, Refusal};
use crate::participant::carried::Carried;
use crate::participant::context::Context;
use crate::participant::member::epoch::Epoch;
use crate::participant::member::slot::Outbox;
use crate::participant::member::turn::{Add, Agenda, Work};
use crate::tracks::Location;

/// A commit and the leaves that it empties.
type Emptying<G> = (Built<G>, Vec<u32>);

/// What came of creating a commit.
pub(crate) enum Created<G> {
    Commit(Box<Outbox<G>>),
    Nothing,
    /// Not even a commit without adds. Most often some member's key is one that nothing can be sealed to.
    Impossible,
}

/// Creates a commit, if there is something to commit.
pub(crate) fn create<E: Engine>(
    cx: &mut Context<E>,
    epoch: &Epoch<E::Group>,
    carried: &mut Carried,
) -> Result<Created<E::Group>, Error> {
    let work = Agenda { cx, epoch, carried }.work();
    // Made from the same state, a leave request of this epoch has taken the handshake key that a commit would use.
    let asked_to_leave = carried.leaving.as_ref().is_some_and(|l| l.asked_in == Some(epoch.number));
    if work.is_empty() || asked_to_leave {
        return Ok(Created::Nothing);
    }
    let place = cx.random_object()?;
    let (built, removed) = match build(cx, epoch, carried, &work, place)? {
        Ok(Some(built)) => built,
        Ok(None) => return Ok(Created::Nothing),
        Err(_) => {
            // A peer made that key, so this is no failure of ours: it would let one member stop all others.
            cx.fault(None, Fault::Invalid);
            return Ok(Created::Impossible);
        }
    };
    let hash = cx.engine.sha256(&built.commit)?;
    let saved = cx.engine.save(&built.next.group)?;
    let pin = cx.pin_of(hash, &built.next, epoch.slot())?;
    cx.fresh.on_built(epoch.slot());
    cx.stats.commits_built = cx.stats.commits_built.saturating_add(1);
    Ok(Created::Commit(Box::new(Outbox {
        base: epoch.context_hash,
        commit: built.commit,
        pin,
        welcomes: built.welcomes,
        tree: built.tree.map(|tree| (place, tree)),
        next: built.next,
        saved,
        added: built.added,
        removed,
        sent: false,
        tries: 0,
        seen: false,
        lock_id: None,
    })))
}

/// Builds a commit, and says which leaves it empties. KeyPackages that cannot be committed are dropped
/// one by one, never the batch. Rejected is a commit without any.
fn build<E: Engine>(
    cx: &mut Context<E>,
    epoch: &Epoch<E::Group>,
    carried: &mut Carried,
    work: &Work,
    place: u64,
) -> Judged<Option<Emptying<E::Group>>> {
    let attempt = |adds: &[Add]| {
        let mut removes = work.removes.clone();
        removes.extend(adds.iter().flat_map(|add| &add.takes));
        let removes: Vec<u32> = removes.into_iter().collect();
        let messages: Vec<Bytes> = adds.iter().map(|add| add.message.clone()).collect();
        let members = (epoch.roster.len() + messages.len()).saturating_sub(removes.len());
        let apart = cx.sends_tree_apart(members) && !messages.is_empty();
        let place = Location { group: epoch.slot(), object: place };
        let attached = Attached {
            tree: apart.then(|| (cx.tracks.tree(&cx.me), place)),
            spent: carried.joiners.gone.filter(|_| cx.rules.numbers_by_time),
        };
        let built = cx.engine.build_with(&epoch.group, cx.time_of_day(), &messages, &removes, &attached);
        Ok::<_, EngineError>(built?.map(|built| (built, removes)))
    };
    if let Ok(built) = attempt(&work.adds)? {
        return Ok(Ok(Some(built)));
    }
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    // Halving finds the bad ones without a group clone for each good one.
    let mut parts = vec![&work.adds[..]];
    while let Some(part) = parts.pop() {
        if part.is_empty() {
            continue;
        }
        if attempt(part)?.is_ok() {
            good.extend_from_slice(part);
        } else if let [one] = part {
            bad.push(one.sender.clone());
        } else {
            let (left, right) = part.split_at(part.len() / 2);
            parts.extend([right, left]);
        }
    }
    // Some may each be good and not go together: then one at a time.
    let mut built = Ok(None);
    for adds in [&good[..], good.get(..1).unwrap_or_default()] {
        if matches!(built, Ok(None)) && !adds.is_empty() {
            built = Ok(attempt(adds)?.ok());
        }
    }
    if matches!(built, Ok(None)) && (work.update || !work.removes.is_empty()) {
        built = attempt(&[])?.map(Some);
    }
    for sender in bad {
        carried.joiners.take(&sender);
        cx.notify(Notice::Refused { sender, why: Refusal::BadKeyPackage });
    }
    Ok(built)
}
