//! How a driver behaves.

use std::time::Duration;

use moq_mls::keys::RingConfig;
use moq_mls::tracks::Location;

/// Bounds and waiting times of a driver. The participant's own are in
/// [`Config::limits`](moq_mls::Config::limits) and [`Config::timers`](moq_mls::Config::timers).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// When media switches to a new epoch, and forgets old ones.
    pub ring: RingConfig,
    /// From where on nothing was sealed in any earlier run: see
    /// [`EpochKeyRing::sealing_from`](moq_mls::keys::EpochKeyRing::sealing_from). Default `None`: after a restart the
    /// driver asks for a new epoch ([`Command::Update`](moq_mls::Command::Update)), and media seals nothing until then.
    pub sealing_from: Option<Location>,
    /// Most commands that wait; beyond, [`CommandError::Overloaded`](crate::CommandError::Overloaded). Default 64.
    pub commands: usize,
    /// Most notices that wait to be read; beyond, [`NoticesMissed`](crate::NoticesMissed). Default 1024.
    pub notices: usize,
    /// Most objects that wait to be taken in; beyond, the relay waits. Default 256.
    pub objects: usize,
    /// Most objects that wait to be published; beyond, the participant publishes them again later. Default 8192.
    pub publishes: usize,
    /// The longest wait for one call of the relay. Default 10 s.
    pub relay_timeout: Duration,
    /// The longest wait for one call of the counter client. Default 10 s.
    pub counter_timeout: Duration,
    /// The longest wait for the store. Default 30 s.
    pub store_timeout: Duration,
    /// How often an object is published before the participant hears that it failed; it then tries again on its own, up
    /// to [`Limits::publish_tries`](moq_mls::Limits::publish_tries) times. Default 5.
    pub publish_tries: u32,
    /// First and longest wait between two tries. Default 100 ms and 5 s.
    pub backoff: (Duration, Duration),
    /// How long a driver that stops waits for what is being published. Default 1 s.
    pub grace: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ring: RingConfig::default(),
            sealing_from: None,
            commands: 64,
            notices: 1024,
            objects: 256,
            publishes: 8192,
            relay_timeout: Duration::from_secs(10),
            counter_timeout: Duration::from_secs(10),
            store_timeout: Duration::from_secs(30),
            publish_tries: 5,
            backoff: (Duration::from_millis(100), Duration::from_secs(5)),
            grace: Duration::from_secs(1),
        }
    }
}
