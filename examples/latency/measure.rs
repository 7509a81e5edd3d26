//! The measuring itself.

use std::time::Duration;

use bytes::Bytes;
use moq_mls::testing::media::MediaConfig;
use moq_mls::testing::network::{Network, NetworkConfig, Receipts, Ways};
use moq_mls::testing::symbolic::{SymbolicEngine, SymbolicReceipts};
use moq_mls::{Command, Config, Phase};

use crate::options::Setting;

pub(crate) type Net = Network<SymbolicEngine>;

/// Before each join nothing happens for so long.
pub(crate) const QUIET: Duration = Duration::from_secs(3);
/// Whatever takes longer is broken.
const MOST: Duration = Duration::from_secs(60);

/// What one group came to.
pub(crate) struct Sample {
    pub(crate) create: Duration,
    pub(crate) joins: Vec<Duration>,
    /// From the command until all but the removed are in the epoch without it.
    pub(crate) remove: Duration,
}

/// A group of nobody, over these ways.
pub(crate) fn network(setting: &Setting, ways: Ways, seed: u64) -> Net {
    let mut config = NetworkConfig::new(seed);
    config.faults.ways = Some(ways);
    config.faults.latency = (ways.from_relay, ways.from_relay);
    if setting.receipts {
        config.receipts = Receipts::by(SymbolicReceipts(KEY));
    }
    Network::new(config)
}

const KEY: Bytes = Bytes::from_static(b"service key");

/// Adds a participant that joins now, and returns its number.
pub(crate) fn join(net: &mut Net, setting: &Setting, seed: u64) -> usize {
    let mut config = Config::new("room".try_into().unwrap());
    config.params.mode = setting.mode;
    config.params.commit_tracks = setting.tracks;
    config.params.service_key = setting.receipts.then_some(KEY);
    let engine = SymbolicEngine::new(&format!("s{seed}-{}", net.len())).unwrap();
    let who = net.add(engine, config).unwrap();
    net.command(who, Command::Join).unwrap();
    who
}

/// Runs until `done`; how long it took.
///
/// # Panics
/// If it takes longer than anything should.
pub(crate) fn until(net: &mut Net, what: &str, done: impl Fn(&Net) -> bool) -> Duration {
    let begin = net.now();
    assert!(net.run_until(MOST, done), "{what} within {MOST:?}\n{}", net.log().to_text());
    net.now().since(begin)
}

pub(crate) fn is_member(net: &Net, who: usize) -> bool {
    net.peer(who).is_some_and(|p| p.phase() == Phase::Member)
}

/// Lets a group grow to so many, and one member remove another.
pub(crate) fn sample(setting: &Setting, ways: Ways, members: usize, seed: u64) -> Sample {
    let mut net = network(setting, ways, seed);
    let founder = join(&mut net, setting, seed);
    let create = until(&mut net, "the group", |net| is_member(net, founder));
    let mut joins = Vec::new();
    while net.len() < members {
        net.run_for(QUIET + Duration::from_millis(seed % 100));
        let who = join(&mut net, setting, seed);
        joins.push(until(&mut net, "a join", |net| is_member(net, who)));
    }
    net.run_for(QUIET);
    let (by, whom) = (seed as usize % members, (seed as usize * 7 + 1) % members);
    let whom = if whom == by { (by + 1) % members } else { whom };
    let others: Vec<usize> = (0..members).filter(|who| *who != whom).collect();
    let sender = net.sender(whom).unwrap().clone();
    net.command(by, Command::Remove(sender)).unwrap();
    let remove = until(&mut net, "a removal", |net| net.agreement(&others).is_ok());
    Sample { create, joins, remove }
}

/// How soon a new member hears media, and is heard.
pub(crate) struct MediaStart {
    /// From `Joined` to the first object opened.
    pub(crate) opened: Duration,
    /// From `Joined` until every other member can open the first object that the newcomer sealed.
    pub(crate) heard_by_all: Duration,
}

/// Everybody in a group of six sends an object each 20 ms; one more comes.
pub(crate) fn media_start(setting: &Setting, ways: Ways, seed: u64) -> MediaStart {
    let mut net = network(setting, ways, seed);
    let mut media = MediaConfig::default();
    media.interval = Duration::from_millis(20);
    net.enable_media(media, seed);
    for _ in 0..6 {
        let who = join(&mut net, setting, seed);
        until(&mut net, "a join", |net| is_member(net, who));
        net.run_for(QUIET);
    }
    let who = join(&mut net, setting, seed);
    until(&mut net, "a join", |net| is_member(net, who));
    let joined = net.now();
    let mut start = MediaStart { opened: Duration::ZERO, heard_by_all: Duration::ZERO };
    let (mut opened, mut sealed) = (None, None);
    loop {
        net.run_for(Duration::from_millis(1));
        let now = net.now().since(joined);
        assert!(now < MOST, "media start");
        let endpoints = net.media().unwrap().endpoints();
        let newcomer = &endpoints[who];
        opened = opened.or_else(|| (newcomer.stats().opened > 0).then_some(now));
        // The first object is on its way for one way.
        sealed = sealed.or_else(|| newcomer.ring().seal_with().map(|s| (s.epoch(), now + ways.from_relay)));
        let all = |epoch| endpoints[..who].iter().all(|e| e.ring().open_with(epoch).is_some());
        if let (Some(opened), Some((epoch, there))) = (opened, sealed)
            && all(epoch)
        {
            start.opened = opened;
            start.heard_by_all = there.max(now);
            return start;
        }
    }
}

/// Many at once.
pub(crate) struct Crowd {
    pub(crate) last_in: Duration,
    pub(crate) commits: u64,
}

/// So many ask to join a group of one at once.
pub(crate) fn crowd(setting: &Setting, ways: Ways, joiners: usize) -> Crowd {
    let mut net = network(setting, ways, 0).quiet();
    let founder = join(&mut net, setting, 0);
    until(&mut net, "the group", |net| is_member(net, founder));
    net.run_for(QUIET);
    let before = net.peer(founder).and_then(|p| p.epoch()).unwrap();
    let all: Vec<usize> = (0..joiners).map(|_| join(&mut net, setting, 0)).collect();
    let last_in = until(&mut net, "the crowd", |net| all.iter().all(|who| is_member(net, *who)));
    net.run_for(QUIET);
    let commits = net.peer(founder).and_then(|p| p.epoch()).unwrap() - before;
    Crowd { last_in, commits }
}
