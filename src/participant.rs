//! Skeleton.
/// How the winner of an epoch is decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SafetyMode {
    /// A commit is applied once the service has recorded its pin.
    #[default]
    Pinned,
    /// The draft's bare API: applied on receipt.
    Advisory,
}
/// Who may join without being asked about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Admission {
    /// Everyone with a valid credential.
    #[default]
    Open,
    /// Nobody: each sender waits for `Command::Admit`.
    Ask,
}
/// Config.
#[derive(Clone, Debug)]
pub struct Config {}
/// Stats.
#[derive(Clone, Debug, Default)]
pub struct Stats {}
/// Participant.
pub struct Participant<E> {
    #[allow(dead_code)]
    engine: E,
}
