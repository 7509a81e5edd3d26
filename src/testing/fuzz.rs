//! The bodies of the fuzz targets (features `testing` and `arbitrary`): `fuzz/` runs them under libFuzzer,
//! `tests/fuzz_corpus.rs` runs them over the committed corpus. Each panics where a property fails, and
//! says at its top which it holds.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a failed property panics")]

mod codec;
mod counter;
mod namespace;
mod participant;
mod snapshot;

/// The body of a target: any bytes in, a panic for a finding.
pub type Target = fn(&[u8]);

/// Every target by its name, which its folder in `fuzz/corpus` has, too.
pub const TARGETS: &[(&str, Target)] = &[
    ("decode", codec::decode),
    ("encode", codec::encode),
    ("http", codec::http),
    ("namespace", namespace::namespace),
    ("counter", counter::counter),
    ("participant_raw", participant::raw),
    ("participant_moves", participant::moves),
    ("participant_seeded", participant::seeded),
    ("snapshot", snapshot::snapshot),
];

/// Runs a target by name; false if there is none of that name.
pub fn run(name: &str, data: &[u8]) -> bool {
    let target = TARGETS.iter().find(|(n, _)| *n == name);
    target.map(|(_, body)| body(data)).is_some()
}
