//! moq-mls on the parts its users run: a MoQT relay over QUIC that is not ours, a counter service over
//! HTTP with stores that survive, and participants that `moq-mls-tokio` drives.
//!
//! | module | what |
//! |---|---|
//! | [`driver`], [`handle`] | one participant: the driver of `moq-mls-tokio` and media beside it; it from outside |
//! | [`quic_relay`] | the relay as that driver takes it |
//! | [`mapping`] | our names and subscriptions on MoQT draft 18 |
//! | [`session`], [`link`], [`publishing`] | a thin MoQT client; two sessions that come back; tracks that outlive them |
//! | [`relay`] | `moq-relay-ietf` in process |
//! | [`counter`], [`counter_client`] | the counter service, and its client as tests call it |
//! | [`fetching`], [`commit_log`] | what is past: where it is asked for, and what is kept for others |
//! | [`media`], [`media_check`] | sealed media tracks; what became of all objects of a call |
//! | [`journal`] | a participant's run as a log that can be run again |
//! | [`identity`], [`tls`] | small parts |
//! | [`call`], [`participant`], [`bench`] | the commands: a whole call in one process, one participant, a benchmark |

pub mod bench;
pub mod call;
pub mod commit_log;
pub mod counter;
pub mod counter_client;
pub mod driver;
pub mod fetching;
pub mod handle;
pub mod identity;
pub mod journal;
pub mod link;
pub mod mapping;
pub mod media;
pub mod media_check;
pub mod participant;
pub mod publishing;
pub mod quic_relay;
pub mod relay;
pub mod session;
pub mod tls;
