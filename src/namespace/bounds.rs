//! What a relay and a publisher keep at most, and what they count when there is no room.

use crate::namespace::rules::{MAX_SUBSCRIPTION_BYTES, MAX_SUBSCRIPTIONS};

/// A relay's bounds. Bytes are payloads and names, with an allowance for each object and entry.
///
/// A relay holds at most [`cache_bytes`](Self::cache_bytes), and three times
/// [`session_bytes`](Self::session_bytes) for each session. How many sessions there are is the embedder's choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct RelayConfig {
    /// Objects kept for each track, the newest: 256.
    pub cache: usize,
    /// Most tracks with objects kept: 16,384. Beyond, the least recently used track goes.
    pub cache_tracks: usize,
    /// Most bytes of objects kept: 64 MiB. Beyond, the oldest objects of the least recently used track go.
    pub cache_bytes: usize,
    /// Most entries of each kind for a session: [`MAX_SUBSCRIPTIONS`].
    ///
    /// There are three kinds. What the session announced, asked for and publishes: beyond, it is
    /// refused. The tracks it was notified of: beyond, the oldest ends by SUBSCRIBE_DONE, and the session is
    /// notified again when an object comes. The tracks it is asked for: beyond, the one that was silent longest
    /// ends by UNSUBSCRIBE.
    pub session_entries: usize,
    /// Most bytes of each kind for a session, with the same end: [`MAX_SUBSCRIPTION_BYTES`].
    pub session_bytes: usize,
}

impl Default for RelayConfig {
    fn default() -> Self {
        Self {
            cache: 256,
            cache_tracks: 16_384,
            cache_bytes: 64 << 20,
            session_entries: MAX_SUBSCRIPTIONS,
            session_bytes: MAX_SUBSCRIPTION_BYTES,
        }
    }
}

/// A publisher's bounds, counted as a relay's are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PublisherConfig {
    /// Objects kept for each track, the newest: 256.
    pub keep: usize,
    /// Most tracks with objects kept: 16,384. Beyond, the least recently used track goes.
    pub tracks: usize,
    /// Most bytes of objects kept: 64 MiB. Beyond, the oldest objects of the least recently used track go.
    pub bytes: usize,
    /// Most requests for one namespace: 16. Each brings every track of it, so beyond, they are refused.
    pub requests: usize,
    /// Most entries of each kind: [`MAX_SUBSCRIPTIONS`].
    ///
    /// There are two kinds. What the peer asked for: beyond, it is refused. The tracks it was notified of:
    /// beyond, the oldest ends by SUBSCRIBE_DONE, and the peer is notified again when an object is published.
    pub entries: usize,
    /// Most bytes of each kind, with the same end: [`MAX_SUBSCRIPTION_BYTES`].
    pub entry_bytes: usize,
}

impl Default for PublisherConfig {
    fn default() -> Self {
        Self {
            keep: 256,
            tracks: 16_384,
            bytes: 64 << 20,
            requests: 16,
            entries: MAX_SUBSCRIPTIONS,
            entry_bytes: MAX_SUBSCRIPTION_BYTES,
        }
    }
}

/// What had to go for want of room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Dropped {
    /// Objects no longer kept, but for those that newer ones of their track took the place of.
    pub objects: u64,
    /// Tracks that a subscriber was notified of and is not served any more.
    pub told: u64,
    /// Tracks that a relay asked for and wants no more.
    pub asked: u64,
}
