//! Requests to the runtime: what names one, and how one ends without an answer.

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
        pub struct $name(pub u64);
    )+};
}
ids! {
    /// Names a [`Action::Lock`](crate::Action::Lock).
    LockRequestId,
    /// Names an [`Action::Increment`](crate::Action::Increment).
    IncrementRequestId,
    /// Names an [`Action::GetCommit`](crate::Action::GetCommit).
    CommitRequestId,
    /// Names an [`Action::Publish`](crate::Action::Publish).
    PublishId,
    /// Names an [`Action::Subscribe`](crate::Action::Subscribe) or [`Action::SubscribeNamespace`](crate::Action::SubscribeNamespace).
    SubscribeId,
    /// Names an [`Action::Fetch`](crate::Action::Fetch).
    FetchId,
}

/// How a request ended without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
pub enum Failure {
    /// It certainly had no effect.
    #[error("not sent")]
    NotSent,
    /// It may have had its effect. Never a reason to drop a commit.
    #[error("outcome unknown")]
    Unknown,
    /// The peer refused it with this code.
    #[error("refused with code {0}")]
    Refused(u64),
}
