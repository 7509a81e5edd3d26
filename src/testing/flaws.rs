//! Deliberate bugs, to see that the simulation and the checker find them.
//!
//! The participant is the one that ships and knows nothing of them. A [`Subject`] stands around it, and
//! distorts what goes in and what comes out.

mod flaw;
mod looks;
mod subject;
mod tricks;

pub use self::flaw::Flaw;
pub use self::subject::Subject;
