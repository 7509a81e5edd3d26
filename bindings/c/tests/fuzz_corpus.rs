//! Every input of the committed corpus, through the body of the fuzz target, on stable.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::fs;
use std::path::Path;

#[test]
fn corpus_finds_nothing() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/calls");
    let mut inputs = 0;
    for entry in fs::read_dir(corpus).expect("the corpus") {
        moq_mls_c::testing::fuzz::calls(&fs::read(entry.unwrap().path()).expect("an input"));
        inputs += 1;
    }
    assert!(inputs > 10, "{inputs} inputs");
}
