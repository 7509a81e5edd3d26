//! moq-mls on a second relay that is not ours: moq-relay of moq-dev. The README has what it can do, and what not.
//!
//! | module | what |
//! |---|---|
//! | [`relay`] | the relay as `moq-mls-tokio` takes it |
//! | [`names`], [`frames`] | our names as paths, our objects as frames |
//! | [`publishing`], [`following`], [`fetching`] | what a client publishes, subscribes to, and asks for |
//! | [`server`] | moq-relay in the process; a counter service for other processes |
//! | [`participant`], [`media`] | a participant, and its sealed media |
//! | [`call`] | a whole call in one process |

pub mod call;
pub mod fetching;
pub mod following;
pub mod frames;
pub mod media;
pub mod names;
#[path = "../../output/mod.rs"]
mod output;
pub mod participant;
pub mod publishing;
pub mod relay;
pub mod server;
