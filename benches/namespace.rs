//! What a NAMESPACE_INFO costs a relay that has few tracks or many.
//!
//! `cargo bench --bench namespace`. Twenty sessions asked for the namespace. `figure namespace_info_growth`: the
//! time for one at 4,000 tracks over that at 40, medians of rounds that alternate in one run.
//! `namespace_publish_growth`: the same for an object that a publisher publishes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use std::hint::black_box;

use bytes::Bytes;
use moq_mls::Object;
use moq_mls::codec::{Announce, NamespaceInfo, SubscribeNamespace};
use moq_mls::namespace::{Publisher, Relay, RelayConfig};
use moq_mls::tracks::{FullTrackName, Location, TrackNamespace};

use self::support::{median, timed};

const FEW: u64 = 40;
const MANY: u64 = 4000;
const ROUNDS: usize = 101;
/// New tracks in a round, of a copy that is made before: the number of tracks stays.
const EACH: u64 = 10;
const PUBLISHER: u8 = 100;

fn namespace() -> Bytes {
    Bytes::from_static(b"keypackages")
}

fn name(n: u64) -> Bytes {
    Bytes::from(format!("{n:064x}"))
}

fn tell(relay: &mut Relay<u8>, n: u64) {
    let subscribe_id = 2 * n + 1;
    let info =
        NamespaceInfo { track_alias: n, subscribe_id, namespace: namespace(), name: name(n), request_id: 0 };
    assert_eq!(black_box(relay.control(&PUBLISHER, info.into()).unwrap()).len(), 20);
}

fn relay(tracks: u64) -> Relay<u8> {
    let mut relay = Relay::new(RelayConfig::default());
    (0..20).chain([PUBLISHER]).for_each(|who| relay.open(who));
    relay.control(&PUBLISHER, Announce { namespace: namespace() }.into()).unwrap();
    for who in 0..20 {
        relay.control(&who, SubscribeNamespace { namespace: namespace(), id: 0 }.into()).unwrap();
    }
    (0..tracks).for_each(|n| tell(&mut relay, n));
    relay
}

fn publish(publisher: &mut Publisher, n: u64, object: u64) {
    let namespace = TrackNamespace::new(vec![namespace()]).unwrap();
    let track = FullTrackName { namespace, name: name(n) };
    let location = Location { group_id: 0, object_id: object };
    let object = Object { track, location, payload: Bytes::from_static(b"payload") };
    assert_eq!(black_box(publisher.publish(&object)).1.len(), 1);
}

fn publisher(tracks: u64) -> Publisher {
    let mut publisher = Publisher::new(8);
    publisher.announce(&TrackNamespace::new(vec![namespace()]).unwrap());
    publisher.on_subscribe_namespace(SubscribeNamespace { namespace: namespace(), id: 0 }).unwrap();
    (0..tracks).for_each(|n| publish(&mut publisher, n, 0));
    publisher
}

/// The medians of rounds of both, which alternate, in microseconds for each.
fn compare(mut few: impl FnMut() -> f64, mut many: impl FnMut() -> f64) -> [f64; 2] {
    let mut samples = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        samples[0].push(few());
        samples[1].push(many());
    }
    samples.map(|mut of_one| median(&mut of_one) * 1e6 / EACH as f64)
}

fn main() {
    let told = |tracks: u64| {
        let mut relay = relay(tracks);
        // The tracks announced in the rounds add a quarter to the many, and are many for the few. So the relay is put
        // back every four rounds.
        let fresh = relay.clone();
        let mut round = 0;
        move || {
            if round % 4 == 0 {
                relay = fresh.clone();
            }
            let first = tracks + EACH * (round % 4);
            round += 1;
            timed(|| (first..first + EACH).for_each(|n| tell(&mut relay, n))).0
        }
    };
    let [few, many] = compare(told(FEW), told(MANY));
    println!("# a NAMESPACE_INFO to 20 sessions: {few:.1} us at {FEW} tracks, {many:.1} us at {MANY}");
    println!("figure namespace_info_growth {:.2} x", many / few);

    let published = |tracks: u64| {
        let mut publisher = publisher(tracks);
        let mut object = 0;
        move || {
            object += 1;
            timed(|| (0..EACH).for_each(|n| publish(&mut publisher, n, object))).0
        }
    };
    let [few, many] = compare(published(FEW), published(MANY));
    println!("# an object published: {few:.2} us at {FEW} tracks, {many:.2} us at {MANY}");
    println!("figure namespace_publish_growth {:.2} x", many / few);
}
