//! Members that could not go on: what they keep, and how they meet again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use bytes::Bytes;
use mls_rs::Client;
use mls_rs_crypto_rustcrypto::RustCryptoProvider;
use moq_mls::action::{Notice, RejoinReason};
use moq_mls::counter::IncrementReply;
use moq_mls::counter::service::Counter;
use moq_mls::mls::MlsEngine;
use moq_mls::{Command, Phase};
use support::attackers::{Rogue, commits, increment, put};
use support::engines::{BasicConfig, TestEngine, basic_client};
use support::{Steps, World, config, group};

const MINUTE: u64 = 60_000;

/// Members over real MLS, and what their engines are made of: each can be restarted.
struct Room {
    world: World<TestEngine>,
    clients: Vec<Client<BasicConfig<RustCryptoProvider>>>,
}

impl Room {
    fn new(members: usize) -> Self {
        Self::with(members, |_| ())
    }

    fn with(members: usize, change: impl Fn(&mut moq_mls::Config)) -> Self {
        let crypto = RustCryptoProvider::default;
        let clients: Vec<_> = (0..members).map(|i| basic_client(&format!("m{i}"), crypto())).collect();
        let mut world = World::new();
        let mut config = config();
        change(&mut config);
        for client in &clients {
            let who = world.enter(MlsEngine::new(client, &crypto()).unwrap(), config.clone());
            world.tell(who, Command::Join);
            world.run(2000);
        }
        Self { world, clients }
    }

    fn everyone(&self) -> Vec<usize> {
        (0..self.clients.len()).collect()
    }

    fn restart(&mut self, who: usize) {
        let engine = MlsEngine::new(&self.clients[who], &RustCryptoProvider::default()).unwrap();
        self.world.again(who, engine);
    }

    fn phases(&self) -> Vec<Phase> {
        self.everyone().into_iter().map(|who| self.world.machine(who).phase()).collect()
    }

    fn told(&self, who: usize, wanted: &Notice) -> usize {
        self.world.told(who).filter(|notice| *notice == wanted).count()
    }
}

/// An insider pins a good commit that nobody else gets to see, for the service loses it.
fn pin_what_nobody_has(room: &mut Room, insider: &Rogue) -> Bytes {
    let (built, pin) = insider.build(&room.world, &[], &[]);
    let request = insider.increment(&room.world, built.commit.clone(), pin);
    assert!(matches!(increment(&mut room.world, &request), IncrementReply::Ok(_)));
    let mut counter: Counter = room.world.counter().get(&group()).unwrap().clone();
    while counter.drop_commit().is_some() {}
    let now = room.world.now();
    room.world.counter_mut().insert(now, &group(), counter);
    built.commit
}

#[test]
fn who_could_not_find_a_commit_goes_on_when_it_appears() {
    let mut room = Room::new(3);
    let insider = Rogue::join(&mut room.world, "insider");
    let commit = pin_what_nobody_has(&mut room, &insider);
    room.world.run(2 * MINUTE);
    assert_eq!(room.phases(), [Phase::Joining; 3]);
    room.restart(1);
    room.world.run(5 * MINUTE);
    assert_eq!(room.phases(), [Phase::Joining; 3]);
    let track = commits(&room.world);
    put(&mut room.world, &track, insider.epoch, 50, commit);
    room.world.run(5 * MINUTE);
    let epoch = room.world.machine(0).epoch().unwrap();
    for who in room.everyone() {
        assert_eq!(room.world.machine(who).epoch(), Some(epoch));
        assert_eq!(room.world.machine(who).context_hash(), room.world.machine(0).context_hash());
        assert_eq!(room.told(who, &Notice::Rejoining(RejoinReason::Unreachable)), 1);
        assert_eq!(room.told(who, &Notice::Resumed { epoch: insider.epoch + 1 }), 1);
    }
}

#[test]
fn a_state_that_nothing_came_for_is_erased_after_ten_minutes() {
    let mut room = Room::new(2);
    let insider = Rogue::join(&mut room.world, "insider");
    let commit = pin_what_nobody_has(&mut room, &insider);
    room.world.run(5 * MINUTE);
    room.restart(1);
    room.world.run(4 * MINUTE);
    assert!((0..2).all(|who| room.world.machine(who).inside().kept));
    room.world.run(3 * MINUTE);
    let track = commits(&room.world);
    put(&mut room.world, &track, insider.epoch, 50, commit);
    room.world.run(MINUTE);
    for who in 0..2 {
        assert!(!room.world.machine(who).inside().kept);
        assert_eq!(room.told(who, &Notice::StateErased { epoch: insider.epoch }), 1);
        assert_eq!(room.world.machine(who).phase(), Phase::Joining);
    }
}
