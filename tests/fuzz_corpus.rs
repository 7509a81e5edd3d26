//! Every input of the committed corpus, through the bodies of the fuzz targets, on stable.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::Path;

use moq_mls::testing::fuzz::TARGETS;

#[test]
fn the_corpus_finds_nothing() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, target) in TARGETS {
        let mut inputs = 0;
        for entry in std::fs::read_dir(corpus.join(name)).unwrap() {
            let path = entry.unwrap().path();
            let data = std::fs::read(&path).unwrap();
            if std::panic::catch_unwind(|| target(&data)).is_err() {
                panic!("{name} fails for {}", path.display());
            }
            inputs += 1;
        }
        assert!(inputs > 0, "{name} has no corpus");
        println!("{name}: {inputs} inputs");
    }
    for entry in std::fs::read_dir(corpus).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(TARGETS.iter().any(|(n, _)| *n == name), "a corpus for no target: {name}");
    }
}

/// Random inputs where there is no libFuzzer: `FUZZ_RUNS` a target, 200 unless it says so.
#[test]
#[ignore = "by hand: cargo test --release --test suite fuzz_corpus:: -- --ignored --nocapture"]
fn random_inputs_find_nothing() {
    let number = |name| std::env::var(name).ok().and_then(|s| s.parse::<u64>().ok());
    let (runs, seed) = (number("FUZZ_RUNS").unwrap_or(200), number("FUZZ_SEED").unwrap_or(1));
    for (name, target) in TARGETS {
        let mut rng = moq_mls::testing::rng::Rng::new(seed);
        for _ in 0..runs {
            let data: Vec<u8> = (0..rng.below(400)).map(|_| rng.next_u64() as u8).collect();
            if std::panic::catch_unwind(|| target(&data)).is_err() {
                panic!("{name} fails for {}", hex::encode(&data));
            }
        }
        println!("{name}: {runs} random inputs");
    }
}
