//! Makes the vectors: `cargo run --release --example vectors -- --write` over those in `vectors/`, or
//! `--check` to say what differs. `tests/vectors.rs` does the same check.

use std::path::Path;
use std::process::ExitCode;

use moq_mls::testing::vectors;

fn main() -> ExitCode {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let write = match std::env::args().nth(1).as_deref() {
        Some("--write") => true,
        Some("--check") => false,
        _ => {
            println!("usage: vectors --write | --check");
            return ExitCode::FAILURE;
        }
    };
    let mut differ = 0;
    for (path, text) in vectors::all() {
        let path = folder.join(path);
        if std::fs::read_to_string(&path).is_ok_and(|there| there == text) {
            continue;
        }
        differ += 1;
        println!("{}", path.display());
        if write {
            let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
            if let Err(error) = made.and_then(|()| std::fs::write(&path, text)) {
                eprintln!("vectors: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    println!("vectors: {differ} files {}", if write { "written" } else { "differ" });
    if write || differ == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
