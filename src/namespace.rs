//! What the messages of draft section 4.2 mean: who subscribed to which namespace, which subscription is
//! which track, and what a relay does between the two sides. Sans-IO, like everything here.
//!
//! - [`Subscriber`] asks for namespaces and tracks and says which track an object belongs to.
//! - [`Publisher`] announces, answers, tells each new track once to each who asked, and addresses objects.
//! - [`Relay`] sits between any number of sessions, with a bounded cache.
//!
//! **Bounds.** Peers can name as many tracks as they like, so everything that is kept for them has a bound in
//! number and in bytes ([`RelayConfig`], [`PublisherConfig`]; [`MAX_SUBSCRIPTIONS`] for a subscriber). It is looked
//! up by name and never walked through. What has to go is counted in [`Dropped`]; what is refused is
//! [`NamespaceError::TooMany`].
//!
//! **Subscribe IDs.** On a session both sides name subscriptions: the subscriber in SUBSCRIBE, the
//! publisher in NAMESPACE_INFO. So that an object's Subscribe ID means one of them, those of a SUBSCRIBE
//! are even and those of a NAMESPACE_INFO are odd (ours; the draft leaves it open).
//!
//! **Flat names.** A namespace on this wire is one byte string, which can be cut into fields in many
//! ways. The subscriber knows which fields it asked for; the relay compares bytes, and only exactly.

mod bounds;
mod kept;
mod name;
mod publisher;
mod relay;
mod rules;
mod subscriber;
mod table;
#[cfg(all(test, feature = "testing"))]
mod tests;

pub use self::bounds::{Dropped, PublisherConfig, RelayConfig};
pub use self::publisher::Publisher;
pub use self::relay::{Output, Relay};
pub use self::rules::{MAX_SUBSCRIPTION_BYTES, MAX_SUBSCRIPTIONS, NamespaceError, STATUS_NOT_ANNOUNCED};
pub use self::subscriber::{Answer, Subscriber};
