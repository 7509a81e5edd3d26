//! How much later a join goes through while adversaries are at work.

use std::time::Duration;

use super::{Kit, Run};
use crate::config::SafetyMode;
use crate::engine::Engine;
use crate::testing::network::Faults;
use crate::testing::simulation::adversary::Attacks;
use crate::testing::simulation::profiles::Profile;
use crate::testing::simulation::scenario::{Op, Scenario};
use crate::time::Timestamp;
use crate::tracks::CommitTrackPolicy;

/// Members before the join.
const MEMBERS: usize = 5;
/// After so long a join counts as this late.
const MOST: Duration = Duration::from_secs(120);

/// Measures how long one join takes, in virtual time, in a group of five over latency alone. Meanwhile the
/// adversaries of a hostile profile are at work. Of any other profile nobody attacks.
pub fn join_time<E: Engine>(profile: Profile, seed: u64, kit: &Kit<E>) -> Duration {
    let every_ms = if profile == Profile::Outsider || profile == Profile::Reachable { 20 } else { 0 };
    let outsider = profile == Profile::Outsider;
    let scenario = Scenario {
        seed,
        profile,
        participants: MEMBERS + 1,
        mode: SafetyMode::Pinned,
        commit_tracks: if seed.is_multiple_of(2) {
            CommitTrackPolicy::Shared
        } else {
            CommitTrackPolicy::PerSender
        },
        receipts: seed % 4 < 2 || profile == Profile::Between,
        trees: seed % 8 < 4,
        tokens: false,
        lease: Duration::from_secs(2),
        faults: Faults::default(),
        choices: None,
        flaw: None,
        attacks: Attacks { outsider, reachable: profile == Profile::Reachable, every_ms, ..Attacks::NONE },
        service_flaw: None,
        steps: Vec::new(),
    };
    let mut run = Run::new(&scenario, kit, None);
    run.adversary.next = Timestamp::from_millis(u64::MAX);
    for who in 0..MEMBERS {
        let _ = run.act(&Op::Join(who));
        let _ = run.wait(Duration::from_secs(2));
    }
    let _ = run.wait(Duration::from_secs(10) + Duration::from_millis(seed % 1000));
    // Now they begin, and are at it for a while before anybody joins.
    run.adversary.next = run.net.now();
    if profile == Profile::Between {
        run.net.faults_mut().forged_answers = 300;
    }
    let _ = run.wait(Duration::from_secs(2));
    let begin = run.net.now();
    let _ = run.act(&Op::Join(MEMBERS));
    while run.member(MEMBERS).is_none() && run.net.now().since(begin) < MOST {
        let _ = run.wait(Duration::from_millis(1));
    }
    run.net.now().since(begin)
}
