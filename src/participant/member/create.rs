//! Creating the slot's one commit from what there is to commit.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::engine::{Attached, CommitOutput, Engine, EngineError, Judged, TreePlace};
use crate::error::Error;
use crate::notice::{Fault, Notice, Refusal};
use crate::participant::carried::Carried;
use crate::participant::context::Context;
use crate::participant::member::batch::{Load, Sizes};
use crate::participant::member::epoch::Epoch;
use crate::participant::member::slot::Outbox;
use crate::participant::member::turn::{Add, Agenda, Work};
use crate::tracks::SenderId;

/// A commit and the leaves that it empties.
type Emptying<G> = (CommitOutput<G>, Vec<u32>);

/// The best commit that there is, and those whose KeyPackages cannot be committed.
type Best<'a, G> = (Option<Emptying<G>>, Vec<&'a Add>);

/// Most commits built to find out who of a batch goes with whom.
const MOST_BUILDS: usize = 64;

/// What came of creating a commit.
pub(crate) enum Created<T> {
    Commit(Box<T>),
    Nothing,
    /// Not even a commit without adds, and why was reported. Most often some member's key is one that nothing can be
    /// sealed to.
    Impossible,
}

/// Creates a commit, if there is something to commit.
pub(crate) fn create<E: Engine>(
    cx: &mut Context<E>,
    epoch: &Epoch<E::Group>,
    carried: &mut Carried,
) -> Result<Created<Outbox<E::Group>>, Error> {
    let agenda = Agenda { cx, epoch, carried };
    let (work, has_asked_to_leave) = (agenda.work(), agenda.has_asked_to_leave());
    if work.is_empty() || has_asked_to_leave {
        return Ok(Created::Nothing);
    }
    let mut asked = work.removes.clone();
    asked.extend(work.adds.iter().flat_map(|add| &add.takes));
    let work = sift(cx, epoch, carried, work)?;
    if work.is_empty() {
        return Ok(Created::Nothing);
    }
    let place = cx.random_object()?;
    let (built, removed) = match build(cx, epoch, carried, &work, place)? {
        Created::Commit(commit) => *commit,
        Created::Nothing => return Ok(Created::Nothing),
        Created::Impossible => return Ok(Created::Impossible),
    };
    for leaf in removed.iter().filter(|leaf| !asked.contains(leaf)) {
        if let Some(member) = epoch.roster.at(*leaf) {
            cx.notify(Notice::InvalidLeafKey { sender: member.sender.clone() });
        }
    }
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

/// Leaves out of a commit what cannot be in it: who has a member's key is refused, who has that of another joiner waits,
/// and so does what does not fit. Members to whom nothing can be sealed are removed.
fn sift<E: Engine>(
    cx: &mut Context<E>,
    epoch: &Epoch<E::Group>,
    carried: &mut Carried,
    mut work: Work,
) -> Result<Work, EngineError> {
    let messages: Vec<Bytes> = work.adds.iter().map(|add| add.message.clone()).collect();
    let survey = cx.engine.survey(&epoch.group, &messages, false)?;
    work.removes.extend(&survey.invalid_leaves);
    let mut load = Load { removes: work.removes.len(), ..Load::default() };
    let mut adds = Vec::with_capacity(work.adds.len());
    for (at, add) in work.adds.into_iter().enumerate() {
        let (len, takes) = (add.message.len(), add.takes.len());
        let more = load.with(len, takes);
        let taken = survey.taken.iter().find(|(place, _)| *place == at);
        if taken.is_some_and(|(_, leaf)| !work.removes.contains(leaf) && !add.takes.contains(leaf)) {
            refuse(cx, carried, add.sender, Refusal::BadKeyPackage);
        } else if survey.clashing.binary_search(&at).is_ok() {
            continue;
        } else if cx.fits(&survey, &more) {
            load = more;
            adds.push(add);
        } else if cx.fits(&survey, &Load::default().with(len, takes)) {
            // First come, first served.
            break;
        } else {
            refuse(cx, carried, add.sender, Refusal::TooLarge);
        }
    }
    Ok(Work { adds, ..work })
}

fn refuse<E: Engine>(cx: &mut Context<E>, carried: &mut Carried, sender: SenderId, reason: Refusal) {
    if carried.joiners.take(&sender).is_some() {
        cx.notify(Notice::Refused { sender, reason });
    }
}

/// Makes commits of one epoch to choose from.
struct Builder<'a, E: Engine> {
    cx: &'a Context<E>,
    epoch: &'a Epoch<E::Group>,
    removes: BTreeSet<u32>,
    /// The highest object id of those who are out again, for the Welcomes.
    spent: Option<u64>,
    /// Of the tree object.
    place: u64,
}

impl<E: Engine> Builder<'_, E> {
    fn attempt(&self, adds: &[Add]) -> Judged<Emptying<E::Group>> {
        let (cx, epoch) = (self.cx, self.epoch);
        let mut removes = self.removes.clone();
        removes.extend(adds.iter().flat_map(|add| &add.takes));
        let removes: Vec<u32> = removes.into_iter().collect();
        let messages: Vec<Bytes> = adds.iter().map(|add| add.message.clone()).collect();
        let members = (epoch.roster.len() + messages.len()).saturating_sub(removes.len());
        let apart = cx.sends_tree_apart(members) && !messages.is_empty();
        let place = || TreePlace { publisher: cx.tracks.tree_publisher(&cx.me), object_id: self.place };
        let attached = Attached { tree: apart.then(place), spent: self.spent };
        let built =
            cx.engine.create_commit_with(&epoch.group, cx.time_of_day(), &messages, &removes, &attached);
        Ok(built?.map(|built| (built, removes)))
    }

    /// Tells the KeyPackages apart that can be committed alone from those that cannot. Halving finds these
    /// without a group clone for each of those.
    fn bisect<'b>(&self, adds: &'b [Add]) -> Result<(Vec<Add>, Vec<&'b Add>), EngineError> {
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        let mut parts = vec![adds];
        while let Some(part) = parts.pop() {
            if part.is_empty() {
                continue;
            }
            if self.attempt(part)?.is_ok() {
                good.extend_from_slice(part);
            } else if let [one] = part {
                bad.push(one);
            } else {
                let (left, right) = part.split_at(part.len() / 2);
                parts.extend([right, left]);
            }
        }
        Ok((good, bad))
    }

    /// Commits as many as go together of those that each are good alone, the first of any two that do not. Who does not go
    /// with the others waits.
    fn together(&self, adds: &[Add]) -> Result<Option<Emptying<E::Group>>, EngineError> {
        let mut chosen: Vec<Add> = Vec::new();
        let mut best = None;
        let mut parts = vec![adds];
        for _ in 0..MOST_BUILDS {
            let Some(part) = parts.pop() else { break };
            let both = [&chosen[..], part].concat();
            if let Ok(built) = self.attempt(&both)? {
                (best, chosen) = (Some(built), both);
            } else if part.len() > 1 {
                let (left, right) = part.split_at(part.len() / 2);
                parts.extend([right, left]);
            }
        }
        Ok(best)
    }

    /// Finds the leaves to which nothing can be sealed; whether there are any that go now and did not before.
    fn remove_invalid(&mut self) -> Result<bool, EngineError> {
        let before = self.removes.len();
        let survey = self.cx.engine.survey(&self.epoch.group, &[], true)?;
        self.removes.extend(survey.invalid_leaves);
        Ok(self.removes.len() > before)
    }

    /// Builds the best commit that there is of `adds`, and says whose KeyPackages cannot be committed. Rejected is a commit
    /// without any.
    fn best<'b>(&mut self, adds: &'b [Add]) -> Judged<Best<'b, E::Group>> {
        if let Ok(built) = self.attempt(adds)? {
            return Ok(Ok((Some(built), Vec::new())));
        }
        // A member's key spoils every commit, and a joiner is not to be blamed for it.
        let mut alone = self.attempt(&[])?;
        if alone.is_err() && self.remove_invalid()? {
            if let Ok(built) = self.attempt(adds)? {
                return Ok(Ok((Some(built), Vec::new())));
            }
            alone = self.attempt(&[])?;
        }
        let alone = match alone {
            Ok(built) => built,
            Err(rejection) => return Ok(Err(rejection)),
        };
        let (good, bad) = self.bisect(adds)?;
        let with_adds = if good.is_empty() {
            None
        } else {
            match self.attempt(&good)? {
                Ok(built) => Some(built),
                Err(_) => self.together(&good)?,
            }
        };
        Ok(Ok((with_adds.or(Some(alone)), bad)))
    }
}

/// Builds a commit. KeyPackages that cannot be committed are dropped one by one, never the batch.
fn build<E: Engine>(
    cx: &mut Context<E>,
    epoch: &Epoch<E::Group>,
    carried: &mut Carried,
    work: &Work,
    place: u64,
) -> Result<Created<Emptying<E::Group>>, EngineError> {
    let spent = carried.joiners.gone.filter(|_| cx.rules.numbers_by_time);
    let mut adds = &work.adds[..];
    loop {
        let mut builder = Builder { cx, epoch, removes: work.removes.clone(), spent, place };
        let Ok((built, bad)) = builder.best(adds)? else {
            // A peer made that key, so this is no failure of ours: it would let one member stop all others.
            cx.fault(None, Fault::Invalid);
            return Ok(Created::Impossible);
        };
        for add in bad {
            refuse(cx, carried, add.sender.clone(), Refusal::BadKeyPackage);
        }
        let holds = |(built, removes): &Emptying<E::Group>| !removes.is_empty() || !built.welcomes.is_empty();
        let Some((built, removes)) = built.filter(|built| work.update || holds(built)) else {
            return Ok(Created::Nothing);
        };
        if Sizes::of(&built).fit(&cx.config.limits) {
            return Ok(Created::Commit(Box::new((built, removes))));
        }
        // The bound before was too low.
        match adds {
            [] => {
                cx.notify(Notice::Refused { sender: cx.me.clone(), reason: Refusal::TooLarge });
                return Ok(Created::Impossible);
            }
            [one] => {
                refuse(cx, carried, one.sender.clone(), Refusal::TooLarge);
                adds = &[];
            }
            more => adds = more.split_at(more.len() / 2).0,
        }
    }
}
