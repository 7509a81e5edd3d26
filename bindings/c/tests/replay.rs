//! `vectors/replay` through the functions of the header: the same actions and the same states, to the last byte.

#![allow(unsafe_code, clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "tests")]

mod support;

use std::fs;
use std::path::Path;

use moq_mls_boundary::testing::replay;

use support::ThroughC;

#[test]
fn every_vector_comes_to_the_same_actions_through_c() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/replay");
    let (mut files, mut actions) = (0, 0);
    for entry in fs::read_dir(folder).expect("the vectors") {
        let path = entry.expect("an entry").path();
        let log = fs::read_to_string(&path).expect("a log");
        actions += replay(&log, &mut ThroughC::default()).unwrap_or_else(|why| panic!("{path:?}: {why}"));
        files += 1;
    }
    assert!(actions > 100, "{actions} actions");
    println!("figure replay_c {files} files");
    println!("figure replay_c_actions {actions} actions");
}
