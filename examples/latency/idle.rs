//! What a group costs its counter service while nothing happens, and what one commit costs it.

use std::time::Duration;

use moq_mls::Command;
use moq_mls::testing::media::MediaConfig;
use moq_mls::testing::network::Ways;

use crate::measure::{Net, is_member, join, network};
use crate::options::Setting;

const MEMBERS: usize = 1000;
const RTT: Duration = Duration::from_millis(100);
/// Longer than any deadline of a join.
const CALM: Duration = Duration::from_secs(180);
const WATCHED_MINUTES: u64 = 10;

/// Requests of a group of a thousand.
pub(crate) struct Idle {
    /// Per minute, nothing happening.
    pub(crate) per_minute: f64,
    /// For one commit that a member makes, all that the group asks until everybody follows.
    pub(crate) per_epoch: u64,
}

/// Measures a group of a thousand, two of whom speak if there is `media`: who speaks alone hears nobody.
pub(crate) fn idle(setting: &Setting, media: bool) -> Idle {
    let mut net = network(setting, Ways::even(RTT), 0).quiet();
    if media {
        let mut config = MediaConfig::default();
        config.interval = Duration::from_secs(2);
        config.speakers = 2;
        net.enable_media(config, 0);
    }
    let all: Vec<usize> = (0..MEMBERS).map(|_| join(&mut net, setting, 0)).collect();
    assert!(net.run_until(CALM, |net| all.iter().all(|who| is_member(net, *who))), "the group");
    net.run_for(CALM);
    let before = requests(&net);
    net.run_for(Duration::from_secs(WATCHED_MINUTES * 60));
    let per_minute = (requests(&net) - before) as f64 / WATCHED_MINUTES as f64;
    let before = requests(&net);
    net.command(MEMBERS / 2, Command::Update).unwrap();
    let epoch = net.peer(0).and_then(|p| p.epoch()).unwrap() + 1;
    assert!(net.run_until(CALM, |net| {
        all.iter().all(|who| net.peer(*who).is_some_and(|p| p.epoch() == Some(epoch)))
    }));
    Idle { per_minute, per_epoch: requests(&net) - before }
}

fn requests(net: &Net) -> u64 {
    let traffic = net.traffic();
    traffic.lock_requests + traffic.increments + traffic.commit_requests
}
