//! Which epochs no earlier run of this participant can have sealed media in.

/// What this run knows to be new.
///
/// A state may be older than what was done with it: a folder can be put back. So after a restart, an epoch that
/// others made and that this run catches up on need not be new. An earlier run may have been in it, sealed in it,
/// and known others after it. New for certain is what this run had a part in: an epoch whose commit this run
/// built, one joined by a KeyPackage that this run made, and all that follow on either.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Fresh {
    /// From this epoch on all are new.
    from: Option<u64>,
    /// KeyPackages from this object id on were made in this run.
    made_from: u64,
    /// The epoch that the last commit built in this run makes if it wins.
    built: Option<u64>,
}

impl Fresh {
    /// Of a participant that has no earlier run.
    pub(crate) const FIRST_RUN: Self = Self { from: Some(0), made_from: 0, built: None };

    /// Of one that goes on from a snapshot, and makes its next KeyPackage with this object id.
    pub(crate) fn restored(next_object_id: u64) -> Self {
        Self { from: None, made_from: next_object_id, built: None }
    }

    /// Of the same run, once it goes over to another group: what it makes from now on is new there too.
    pub(crate) fn elsewhere(&self) -> Self {
        Self { from: None, made_from: self.made_from, built: None }
    }

    /// Whether no earlier run can have been in this epoch.
    pub(crate) fn is(&self, epoch: u64) -> bool {
        self.from.is_some_and(|from| from <= epoch)
    }

    /// A commit was built that makes this epoch if it wins, or the group was created.
    pub(crate) fn on_built(&mut self, epoch: u64) {
        self.built = Some(epoch);
    }

    /// The own commit made this epoch: one of this run, or one that a snapshot held.
    pub(crate) fn on_own(&mut self, epoch: u64) {
        if self.built == Some(epoch) {
            self.from.get_or_insert(epoch);
        }
    }

    /// Joined at this epoch by the KeyPackage with this object id.
    pub(crate) fn on_joined(&mut self, epoch: u64, object_id: u64) {
        if object_id < self.made_from {
            self.from = None;
        } else {
            self.from.get_or_insert(epoch);
        }
    }
}
