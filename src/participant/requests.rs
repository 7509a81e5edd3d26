//! Requests under way: each has a purpose, and its reply arrives with it.

use std::collections::{BTreeMap, BTreeSet};

use crate::counter::Pin;
use crate::request::{CommitRequestId, FetchId, IncrementRequestId, LockRequestId, PublishId, SubscribeId};
use crate::tracks::{FullTrackName, Object, TrackNamespace};

/// Why a value of the counter was asked for. Asking for a used value takes no lock: it reads the counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum LockPurpose {
    /// Does the group exist, and if not, who creates it?
    Genesis,
    /// Which commit won the slot of the epoch that a Welcome admits to?
    ConfirmWelcome(u64),
    /// May this member fill the slot, or which commit won it?
    Slot(u64),
    /// Does the counter stand where the present epoch says? Its own value is used, and so takes no lock.
    Standing(u64),
    /// Advisory: may this member fill the slot of the present epoch, as its committer died?
    Repair(u64),
    /// Is the newest slot truly filled, as the service says?
    Progress(u64),
    /// Where does the counter stand, signed? The value is one that nobody can foresee.
    Attest(u64),
    /// The same for all members: the value carries the time.
    Audit(u64),
}

impl LockPurpose {
    /// Whether the answer is about no slot: who asked looks at the signature.
    pub(crate) fn asks_for_the_state(self) -> bool {
        matches!(self, Self::Attest(_) | Self::Audit(_))
    }

    /// The counter value that is asked for.
    pub(crate) fn value(self) -> u64 {
        match self {
            Self::Genesis => 0,
            Self::ConfirmWelcome(value)
            | Self::Slot(value)
            | Self::Standing(value)
            | Self::Repair(value)
            | Self::Progress(value)
            | Self::Attest(value)
            | Self::Audit(value) => value,
        }
    }
}

/// Why a slot is filled, and by which pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum IncrementPurpose {
    /// To create the group.
    Genesis(Pin),
    /// To decide the next epoch.
    Slot(u64, Pin),
    /// Advisory: on behalf of a committer that died.
    Repair(u64, Pin),
}

impl IncrementPurpose {
    /// The counter value to fill, and the pin to fill it with.
    pub(crate) fn slot(self) -> (u64, Pin) {
        match self {
            Self::Genesis(pin) => (0, pin),
            Self::Slot(slot, pin) | Self::Repair(slot, pin) => (slot, pin),
        }
    }
}

/// What a fetch is for. Its objects are taken in as they are; this says who waits for its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum FetchPurpose {
    /// Are there commits of a group that the service does not know?
    Genesis,
    /// Is there a commit for the slot already?
    Slot,
    /// Objects that were missed: nobody waits for the end.
    Objects,
    /// Which KeyPackages of this participant are there that it knows nothing of?
    OwnTrack,
}

/// What waits for an answer, and what waits to be repeated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Requests {
    last_id: u64,
    /// Of requests up to this id nobody waits for the answer.
    abandoned: u64,
    pub(super) locks: BTreeMap<LockRequestId, LockPurpose>,
    pub(super) increments: BTreeMap<IncrementRequestId, IncrementPurpose>,
    /// The slots whose commits were asked for.
    pub(super) commits: BTreeMap<CommitRequestId, u64>,
    pub(super) fetches: BTreeMap<FetchId, FetchPurpose>,
    pub(super) publishes: BTreeMap<PublishId, Attempt>,
    pub(super) publish_again: Vec<Attempt>,
    pub(super) subscriptions: BTreeMap<SubscribeId, Interest>,
    pub(super) subscribe_again: Vec<Interest>,
}

/// An object that is published until the relay has it, or too often.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Attempt {
    pub(crate) object: Object,
    pub(crate) tries: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Interest {
    Namespace(TrackNamespace),
    Track(FullTrackName),
}

impl Requests {
    /// Draws the next id.
    pub(super) fn id(&mut self) -> u64 {
        self.last_id = self.last_id.wrapping_add(1);
        self.last_id
    }

    /// Waits no longer for any answer of the service, nor for what was fetched.
    pub(crate) fn abandon(&mut self) {
        self.abandoned = self.last_id;
        self.locks.clear();
        self.increments.clear();
        self.commits.clear();
        self.fetches.clear();
    }

    /// Whether nobody waits for the answer to this request any more.
    pub(crate) fn is_abandoned(&self, id: u64) -> bool {
        id <= self.abandoned
    }

    /// Takes a lock request off the list, as it is answered; `None` for one that was never made.
    pub(crate) fn take_lock(&mut self, id: LockRequestId) -> Option<LockPurpose> {
        self.locks.remove(&id)
    }

    /// Whether a signed state was asked for.
    pub(crate) fn is_attesting(&self) -> bool {
        self.locks.values().any(|purpose| matches!(purpose, LockPurpose::Attest(_)))
    }

    /// Lists the epochs whose Welcomes are being asked about.
    pub(crate) fn confirming(&self) -> BTreeSet<u64> {
        let epoch = |purpose: &LockPurpose| match purpose {
            LockPurpose::ConfirmWelcome(epoch) => Some(*epoch),
            _ => None,
        };
        self.locks.values().filter_map(epoch).collect()
    }

    /// Takes an increment request off the list, as it is answered; `None` for one that was never made.
    pub(crate) fn take_increment(&mut self, id: IncrementRequestId) -> Option<IncrementPurpose> {
        self.increments.remove(&id)
    }

    /// Takes a commit request off the list, as it is answered; `None` for one that was never made.
    pub(crate) fn take_commit(&mut self, id: CommitRequestId) -> Option<u64> {
        self.commits.remove(&id)
    }

    /// Takes a fetch off the list, as it is answered; `None` for one that was never made.
    pub(crate) fn take_fetch(&mut self, id: FetchId) -> Option<FetchPurpose> {
        self.fetches.remove(&id)
    }

    /// Expects an answer as if it had been asked for.
    #[cfg(all(test, feature = "testing"))]
    pub(crate) fn expect_lock(&mut self, id: LockRequestId, purpose: LockPurpose) {
        self.locks.insert(id, purpose);
    }

    /// Numbers what waits for an answer from 1, in the present order: old to new.
    #[cfg(feature = "testing")]
    pub(crate) fn renumber(&mut self) -> BTreeMap<u64, u64> {
        let locks = self.locks.keys().map(|id| id.0);
        let increments = self.increments.keys().map(|id| id.0);
        let fetches = self.fetches.keys().map(|id| id.0);
        let publishes = self.publishes.keys().map(|id| id.0);
        let commits = self.commits.keys().map(|id| id.0);
        let live = locks.chain(increments).chain(commits).chain(fetches).chain(publishes);
        let mut old: Vec<u64> = live.collect();
        old.sort_unstable();
        let new: BTreeMap<u64, u64> = old.into_iter().zip(1..).collect();
        let of = |id: u64| new.get(&id).copied().unwrap_or(0);
        self.locks =
            std::mem::take(&mut self.locks).into_iter().map(|(id, v)| (LockRequestId(of(id.0)), v)).collect();
        self.increments = std::mem::take(&mut self.increments)
            .into_iter()
            .map(|(id, v)| (IncrementRequestId(of(id.0)), v))
            .collect();
        self.commits = std::mem::take(&mut self.commits)
            .into_iter()
            .map(|(id, v)| (CommitRequestId(of(id.0)), v))
            .collect();
        self.fetches =
            std::mem::take(&mut self.fetches).into_iter().map(|(id, v)| (FetchId(of(id.0)), v)).collect();
        self.publishes =
            std::mem::take(&mut self.publishes).into_iter().map(|(id, v)| (PublishId(of(id.0)), v)).collect();
        // A subscription stands for ever once accepted, and is only named to be ended.
        self.subscriptions.clear();
        self.abandoned = 0;
        self.last_id = new.len() as u64;
        new
    }
}
