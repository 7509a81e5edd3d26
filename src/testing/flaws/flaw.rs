//! The deliberate bugs by name.

/// A deliberate bug of the procedure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Flaw {
    /// A commit of another member is applied as soon as it was tried (the draft's text).
    ApplyOnReceipt,
    /// The own commit is applied once it was read back, before its slot is pinned.
    ApplyBeforePin,
    /// Each lock builds a new commit for the slot.
    SecondCommit,
    /// An increment without an answer is taken for one that had no effect.
    OutboxDroppedOnTimeout,
    /// The commit is made durable only after it was published.
    PersistAfterPublish,
    /// Welcomes go out only if the own increment was answered with Ok.
    WelcomeOnlyOnOk,
    /// Welcomes go out with the commit, before its slot is decided.
    WelcomeBeforePin,
    /// A commit is helped that could not be processed.
    HelpUntried,
    /// Nobody finishes the increment of another.
    NoHelp,
    /// The same KeyPackage is published again where a fresh one is due, and its key outlives the join.
    ReusedKeyPackage,
    /// Intents are forgotten when the own commit loses.
    DroppedIntent,
    /// Any KeyPackage is taken for a fresh one, whatever its object id.
    StaleKeyPackage,
    /// Nobody compares the slot lock of a pin with the keys it is to confirm.
    LockUnchecked,
    /// What the service says counts without its receipt.
    ReceiptUnchecked,
    /// Objects go to the draft's places, which anybody can foresee.
    ForeseeablePlaces,
    /// Every commit of another is pinned for it at once, no matter who made it.
    HelpsAnybody,
    /// A commit of another is given way to for as long as it is not pinned.
    YieldsForEver,
    /// Commits are helped whatever the policy says.
    PolicyIgnored,
    /// Who comes back again and again is let in each time.
    PaceIgnored,
    /// A lock that another holds is waited for, however long.
    WaitsForLock,
}
