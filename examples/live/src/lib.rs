//! moq-mls on the parts its users run: a MoQT relay over QUIC that is not ours, a counter service over
//! HTTP with stores that survive, and participants that `moq-mls-tokio` drives.
//!
//! | module | what |
//! |---|---|
//! | [`driver`], [`handle`] | one participant: the driver of `moq-mls-tokio` and media beside it; it from outside |
//! | [`quic_relay`] | the relay as that driver takes it |
//! | [`mapping`] | our names and subscriptions on MoQT |
//! | [`session`], [`link`], [`publishing`] | a thin MoQT client of drafts 18 and 20; sessions that come back; tracks that outlive them |
//! | [`relay`], [`relay_tokens`] | `moq-relay-ietf` in process; who may publish where |
//! | [`counter`], [`counter_client`] | the counter service, and its client as tests call it |
//! | [`fetching`], [`commit_log`] | what is past: where it is asked for, and what is kept for others |
//! | [`media`], [`media_check`] | sealed media tracks; what became of all objects of a call |
//! | [`journal`] | a participant's run as a log that can be run again; logs of a call as a page |
//! | [`screen`], [`logging`] | the live view of one participant; where logged lines go |
//! | [`identity`], [`tls`] | small parts |
//! | [`metrics`] | figures of a service or a participant for Prometheus |
//! | [`call`], [`participant`], [`bench`], [`load`] | the commands: a whole call in one process, one participant, benchmarks |

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
pub mod load;
pub mod logging;
pub mod mapping;
pub mod media;
pub mod media_check;
pub mod metrics;
#[path = "../../output/mod.rs"]
mod output;
pub mod participant;
pub mod publishing;
pub mod quic_relay;
pub mod relay;
pub mod relay_tokens;
pub mod screen;
pub mod session;
#[path = "../../timeline/mod.rs"]
mod timeline;
pub mod tls;
