//! The group at one epoch, as this participant holds it, and what the last commit left to be done.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::action::{Action, Timer};
use crate::codec::pinned::WelcomeObject;
use crate::counter::Pin;
use crate::engine::{Engine, EngineError, Member as GroupMember, Next};
use crate::error::Error;
use crate::keys::{EXPORTER_LABEL, EpochSecret};
use crate::notice::Notice;
use crate::participant::context::Context;
use crate::participant::durable::{read_pin, read_tree, read_welcome, write_tree, write_welcome};
use crate::participant::flow::Entry;
use crate::participant::member::measured::Measured;
use crate::participant::requests::FetchPurpose;
use crate::participant::roster::Roster;
use crate::secret::Secret;
use crate::snapshot::{Reader, SnapshotError, Writer};
use crate::tracks::{Location, Object, SenderId};

/// One epoch.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Epoch<G> {
    pub(crate) group: G,
    /// `Engine::save` of `group`, made once per epoch.
    pub(crate) saved: Bytes,
    pub(crate) number: u64,
    /// What is added to the number for the embedder and for key ids.
    pub(crate) base: u64,
    pub(crate) context_hash: [u8; 32],
    pub(crate) leaf: u32,
    /// The pin of this epoch; `None` but in Pinned mode.
    pub(crate) pin: Option<Pin>,
    /// What opens the slot of the next epoch; `None` but in Pinned mode.
    pub(crate) slot_key: Option<Secret>,
    /// What media keys follow from. Exported at once: once a commit was staged on the group, it would have to be read
    /// back for that.
    secret: EpochSecret,
    pub(crate) roster: Roster,
    /// What the own commit that made it left to be shown.
    pub(crate) afterwards: Afterwards,
    /// The leaf of who committed it; `None` for an epoch that this participant was let into, or restarted in.
    pub(crate) committer: Option<u32>,
    /// Members already reported as expired.
    expired: BTreeSet<SenderId>,
    pub(crate) measured: Measured,
}

/// What follows on an own commit that won: nothing, for an epoch that another made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Afterwards {
    /// Welcomes, published by now or about to be.
    pub(crate) welcomes: Vec<(SenderId, Bytes)>,
    /// The commit itself, until it was read back.
    pub(crate) unheard: Option<Unheard>,
    /// The service's receipt for this epoch, for its Welcomes.
    pub(crate) receipt: Option<Bytes>,
    /// The object id and the payload of the tree that goes before the Welcomes, if they come without it.
    pub(crate) tree: Option<(u64, Bytes)>,
}

/// An own commit that made the present epoch, and where it was sent last.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Unheard {
    /// The epoch it was sent in.
    pub(crate) epoch: u64,
    pub(crate) commit: Bytes,
    /// How often it was published and not read back.
    pub(crate) tries: u32,
}

/// The next epoch, decided.
pub(crate) struct NewEpoch<G> {
    pub(crate) next: Next<G>,
    pub(crate) change: Change,
    pub(crate) pin: Option<Pin>,
    /// The service's receipt, empty where it signs none, if this participant is to tell the others.
    pub(crate) receipt: Option<Bytes>,
    /// Where the counter stands, as far as it was reported: this may not be the newest epoch.
    pub(crate) current: u64,
    /// What goes with an epoch that this participant made itself.
    pub(crate) own: Option<OwnCommit>,
}

/// What a commit changes, for the roster and the notices.
pub(crate) struct Change {
    pub(crate) committer: u32,
    /// The members whose leaves it replaces. An own one changes nothing of this participant that others see.
    pub(crate) updated: Vec<GroupMember>,
    pub(crate) removed: Vec<u32>,
    pub(crate) added: Vec<GroupMember>,
    /// Of the commit.
    pub(crate) bytes: usize,
}

/// What an own commit that won brings along.
pub(crate) struct OwnCommit {
    /// `Engine::save` of the group after it.
    pub(crate) saved: Bytes,
    pub(crate) afterwards: Afterwards,
}

/// Who came, who went, and by whose commit.
pub(crate) struct Turnover {
    /// By the key that signed it.
    pub(crate) committer: SenderId,
    /// The members that took another key, credential or origin: as each was, and as it is.
    pub(crate) changed: Vec<(GroupMember, GroupMember)>,
    pub(crate) removed: Vec<GroupMember>,
    pub(crate) added: Vec<GroupMember>,
}

impl<G> Epoch<G> {
    /// Takes a group state as this participant's own.
    pub(crate) fn enter<E: Engine<Group = G>>(cx: &Context<E>, entry: Entry<G>) -> Result<Self, Error> {
        let Entry { group, view, saved, pin } = entry;
        let base = view.params.map_or(0, |params| params.epoch_base);
        Ok(Self {
            secret: export(cx, &group, base.saturating_add(view.epoch))?,
            slot_key: cx.rules.pins.then(|| cx.slot_key(&group)).transpose()?,
            roster: Roster::new(cx.engine.roster(&group)?),
            group,
            saved,
            number: view.epoch,
            base,
            context_hash: view.context_hash,
            leaf: view.leaf_index,
            pin,
            afterwards: Afterwards::default(),
            committer: None,
            expired: BTreeSet::new(),
            measured: Measured::default(),
        })
    }

    /// The counter value that makes the next epoch. Epoch 2^64 - 1 has none; the engine refuses it.
    pub(crate) fn slot(&self) -> u64 {
        self.number.saturating_add(1)
    }

    /// Returns the epoch as the embedder and key ids have it: it grows from a group to its successor.
    pub(crate) fn shown(&self) -> u64 {
        self.base.saturating_add(self.number)
    }

    /// Returns the next epoch, as [`shown`](Self::shown).
    pub(crate) fn shown_slot(&self) -> u64 {
        self.base.saturating_add(self.slot())
    }

    /// Goes on to the next epoch.
    pub(crate) fn advance<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
        new: NewEpoch<G>,
    ) -> Result<Turnover, Error> {
        let NewEpoch { next, change, pin, own, .. } = new;
        let OwnCommit { saved, afterwards } = match own {
            Some(own) => own,
            None => OwnCommit { saved: cx.engine.save(&next.group)?, afterwards: Afterwards::default() },
        };
        self.keep_secret(cx);
        // An engine that names a leaf where nobody is has another group than this one.
        let committer = self.roster.at(change.committer).ok_or(EngineError::State)?.sender.clone();
        self.committer = Some(change.committer);
        self.number = self.slot();
        self.measured = Measured::default();
        self.slot_key = cx.rules.pins.then(|| cx.slot_key(&next.group)).transpose()?;
        self.secret = export(cx, &next.group, self.shown())?;
        self.group = next.group;
        self.saved = saved;
        self.context_hash = next.context_hash;
        self.pin = pin;
        self.afterwards = afterwards;
        let removed: Vec<_> = change.removed.iter().filter_map(|leaf| self.roster.remove(*leaf)).collect();
        // A client that joins at this epoch, or restarts, reads it in the tree.
        let changed = change.updated.into_iter();
        let changed: Vec<_> =
            changed.filter_map(|new| Some((self.roster.change(new.clone())?, new))).collect();
        for old in changed.iter().map(|(old, _)| old).chain(&removed) {
            // Another credential may expire, too.
            self.expired.remove(&old.sender);
        }
        for added in &change.added {
            self.roster.insert(added.clone());
        }
        Ok(Turnover { committer, changed, removed, added: change.added })
    }

    /// Returns the secret that all track keys of this epoch follow from.
    pub(crate) fn secret<E: Engine<Group = G>>(&self, cx: &Context<E>) -> EpochSecret {
        match cx.passed.of(self.shown()) {
            Some(passed) => passed.clone(),
            None if cx.fresh.is(self.number) => self.secret.clone(),
            None => self.secret.clone().resumed(),
        }
    }

    /// Keeps this epoch's secret, before it is left: the embedder may not have pulled it yet, and MLS has no way back
    /// to it.
    pub(crate) fn keep_secret<E: Engine<Group = G>>(&self, cx: &mut Context<E>) {
        let unheard =
            |a: &Action| matches!(a, Action::Notify(Notice::Epoch { epoch, .. }) if *epoch == self.shown());
        let keep = cx.config.timers.epoch_secrets;
        let until = match cx.actions.iter().any(unheard) {
            true => None,
            false if keep.is_zero() => return,
            false => Some(cx.now.after(keep)),
        };
        let secret = self.secret(cx);
        cx.passed.keep(secret, until);
    }

    /// Publishes the Welcomes of the own commit, its tree ahead of them. Its slot is decided, so nobody is
    /// let into an epoch that never was (RFC 9420 section 14).
    pub(crate) fn publish_welcomes<E: Engine<Group = G>>(&self, cx: &mut Context<E>) -> Result<(), Error> {
        let group = self.number;
        let Afterwards { welcomes, tree, receipt, .. } = &self.afterwards;
        if let Some((object, tree)) = tree {
            cx.publish(
                cx.tracks.tree(&cx.me),
                Location { group_id: group, object_id: *object },
                tree.clone(),
            );
        }
        cx.stats.welcomes = cx.stats.welcomes.saturating_add(welcomes.len() as u64);
        for (recipient, welcome) in welcomes {
            let payload = match self.pin {
                // One receipt on the Commit track is enough for a crowd.
                Some(_) if tree.is_some() => {
                    WelcomeObject { confirmation: None, welcome: welcome.clone() }.encode()
                }
                Some(pin) => WelcomeObject::confirmed(pin, receipt.clone(), welcome.clone()).encode(),
                None => welcome.clone(),
            };
            let object = cx.welcome_place(&payload)?;
            for track in cx.welcome_tracks(recipient) {
                cx.publish(track, Location { group_id: group, object_id: object }, payload.clone());
            }
        }
        Ok(())
    }

    /// Shows the commit that made this epoch, until it was read back.
    pub(crate) fn publish_unheard<E: Engine<Group = G>>(&self, cx: &mut Context<E>) -> Result<(), Error> {
        let Some(Unheard { epoch, commit, tries }) = &self.afterwards.unheard else { return Ok(()) };
        let object = cx.commit_place(&cx.engine.sha256(commit)?, *tries)?;
        cx.publish(
            cx.tracks.commit(&cx.me),
            Location { group_id: *epoch, object_id: object },
            commit.clone(),
        );
        cx.set(Timer::ReadBack, cx.config.timers.read_back);
        Ok(())
    }

    /// Waits for the commit, which was published a moment ago: relays take it ill if it comes once more.
    pub(crate) fn await_unheard<E: Engine<Group = G>>(&self, cx: &mut Context<E>) {
        if self.afterwards.unheard.is_some() {
            cx.set(Timer::ReadBack, cx.config.timers.read_back);
        }
    }

    /// The commit did not come back: it was lost, or only its echo was, or other bytes are at its place.
    pub(crate) fn show_unheard_again<E: Engine<Group = G>>(
        &mut self,
        cx: &mut Context<E>,
    ) -> Result<(), Error> {
        let Some(unheard) = &mut self.afterwards.unheard else { return Ok(()) };
        unheard.tries = unheard.tries.saturating_add(1);
        let group = unheard.epoch;
        let tries = unheard.tries;
        cx.note_not_read_back(tries, self.base.saturating_add(group));
        if tries > cx.config.limits.publish_tries && cx.rules.pins {
            // The service has it.
            self.afterwards.unheard = None;
            return Ok(());
        }
        self.publish_unheard(cx)?;
        cx.fetch_commits(FetchPurpose::Objects, group..=group);
        Ok(())
    }

    /// Takes in an object of an epoch that is over, perhaps the own commit that came back.
    pub(crate) fn on_past_object<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>, object: &Object) {
        let own = |u: &mut Unheard| u.epoch == object.location.group_id && u.commit == object.payload;
        if self.afterwards.unheard.take_if(own).is_some() {
            cx.deadlines.clear(Timer::ReadBack);
        }
    }

    /// Reports members whose credential is no longer valid, once each.
    pub(crate) fn check_credentials<E: Engine<Group = G>>(&mut self, cx: &mut Context<E>) {
        cx.set(Timer::Credentials, cx.config.timers.credential_check);
        let expired: Vec<SenderId> = self
            .roster
            .iter()
            .filter(|m| !self.expired.contains(&m.sender))
            .filter(|m| !cx.engine.credential_valid(&self.group, m, cx.time_of_day()))
            .map(|m| m.sender.clone())
            .collect();
        self.expired.extend(expired.iter().cloned());
        for sender in expired {
            cx.notify(Notice::CredentialExpired { sender });
        }
    }

    /// Compares a peer's epoch authenticator, from the application's own channel: of two that differ, says
    /// whether it is this participant that must move.
    pub(crate) fn must_move<E: Engine<Group = G>>(
        &self,
        cx: &mut Context<E>,
        peer: SenderId,
        epoch: u64,
        authenticator: &Bytes,
    ) -> Result<bool, Error> {
        if epoch != self.shown()
            || self.roster.of(&peer).is_none()
            || cx.engine.epoch_authenticator(&self.group)? == *authenticator
        {
            return Ok(false);
        }
        // The one with the lower SenderId stays: both draw the same line.
        let moves = !cx.rules.pins && peer < cx.me;
        cx.notify(Notice::ForkDetected { epoch, peer });
        Ok(moves)
    }

    /// Writes what must survive a crash.
    pub(crate) fn write(&self, out: &mut Writer) {
        let Afterwards { welcomes, tree, unheard, receipt } = &self.afterwards;
        out.shared(&self.saved);
        out.option(self.pin, |out, pin| out.bytes(pin.as_bytes()));
        out.list(welcomes.iter(), write_welcome);
        out.option(tree.as_ref(), write_tree);
        out.option(unheard.as_ref(), |out, unheard| {
            out.u64(unheard.epoch);
            out.shared(&unheard.commit);
        });
        out.option(receipt.as_ref(), |out, receipt| out.bytes(receipt));
    }
}

/// An epoch as a snapshot has it.
pub(crate) struct Stored {
    pub(crate) saved: Bytes,
    pub(crate) pin: Option<Pin>,
    pub(crate) afterwards: Afterwards,
}

impl Stored {
    /// Reads what [`Epoch::write`] wrote.
    pub(crate) fn read(from: &mut Reader) -> Result<Self, SnapshotError> {
        let saved = from.secret()?.into_shared();
        let pin = from.option(read_pin)?;
        let welcomes = from.list(read_welcome)?;
        let tree = from.option(read_tree)?;
        let unheard =
            from.option(|from| Ok(Unheard { epoch: from.u64()?, commit: from.bytes()?, tries: 0 }))?;
        let receipt = from.option(Reader::bytes)?;
        Ok(Self { saved, pin, afterwards: Afterwards { welcomes, unheard, receipt, tree } })
    }
}

fn export<E: Engine>(cx: &Context<E>, group: &E::Group, shown: u64) -> Result<EpochSecret, Error> {
    let kdf = cx.engine.kdf();
    let name = cx.config.group.as_bytes();
    let master = cx.engine.export_secret(group, EXPORTER_LABEL, name, kdf.hash_len())?;
    Ok(EpochSecret::from_master(kdf, shown, &master)?)
}
