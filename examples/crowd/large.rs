//! A crowd of any size, and how much of its committer's time is whose.

use mls_rs_crypto_awslc::AwsLcCryptoProvider;
use moq_mls::engine::{Attached, ContextParams, Engine, TreePlace};

use crate::output::say;
use crate::support::{SUITE, engine_of, group, timed};
use crate::{NOW, Plan, joiner, millis, round};

type P = AwsLcCryptoProvider;

/// One round, under limits raised for it; then each part of the committer's work by itself.
pub(crate) fn figures(joiners: usize) {
    let plan = Plan { sample: 4, ..Plan::of(joiners) };
    let once = round::<P>(&plan);
    assert_eq!(once.members, joiners + 1);
    say!("figure crowd_{joiners}_bytes {} bytes", once.bytes);
    say!("figure crowd_{joiners}_commits {} commits", once.commits);
    say!("figure crowd_{joiners}_tree_bytes {} bytes", once.longest[2]);
    say!("figure crowd_{joiners}_committer_ms {:.0} ms", millis(once.committer));
    say!("figure crowd_{joiners}_join_ms {:.1} ms", millis(once.join.0));
    say!("figure crowd_{joiners}_update_ms {:.1} ms", millis(once.update.1));
    parts(joiners, &plan);
}

/// Checking every KeyPackage once, as this crate does when it comes; and one commit of as many as one takes, in which
/// the MLS library checks each again.
fn parts(joiners: usize, plan: &Plan) {
    let mut engine = engine_of::<P>(SUITE, "founder");
    let packages: Vec<_> = (0..joiners).map(|at| joiner::<P>(at, false, plan).key_package.payload).collect();
    let (check, all) = timed(|| {
        packages.iter().all(|package| engine.inspect_key_package(NOW, package).is_ok_and(|info| info.is_ok()))
    });
    assert!(all);
    say!("figure crowd_{joiners}_check_ms {:.0} ms", check * 1e3);
    let mut alone = engine.create(NOW, &group(), &ContextParams::draft(), 0).expect("a group of one");
    let apart = Attached { tree: Some(TreePlace { publisher: None, object_id: 1 }), spent: None };
    let mut built = 0.0;
    for batch in packages.chunks(crate::config(plan).limits.adds_per_commit_apart) {
        let (time, commit) = timed(|| engine.create_commit_with(&alone, NOW, batch, &[], &apart));
        built += time;
        alone = commit.expect("no failure").expect("a commit").next.group;
    }
    say!("figure crowd_{joiners}_build_ms {:.0} ms", built * 1e3);
}
