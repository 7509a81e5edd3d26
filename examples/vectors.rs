//! Makes the vectors: `cargo run --release --example vectors -- --write` over those in `vectors/`, or
//! `--check` to say what differs. `tests/vectors.rs` does the same check.

#[path = "output/mod.rs"]
mod output;

use std::path::Path;
use std::process::ExitCode;

use moq_mls::testing::vectors;

use self::output::{complain, say};

const HELP: &str = "\
usage: vectors --write | --check

  --write     makes the files in vectors/ anew, and names those that changed
  --check     names those that differ, and fails if one does
  -h, --help  this text";

fn main() -> ExitCode {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let mut args = std::env::args().skip(1);
    let first = args.next();
    if let Some(more) = args.next() {
        complain!("vectors: {more} is too much; --help says what there is");
        return ExitCode::FAILURE;
    }
    let write = match first.as_deref() {
        Some("--write") => true,
        Some("--check") => false,
        Some("--help" | "-h") => {
            say!("{HELP}");
            return ExitCode::SUCCESS;
        }
        other => {
            complain!(
                "vectors: {}",
                other.map_or(HELP.into(), |it| format!("no option {it}; --help names them"))
            );
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
        say!("{}", path.display());
        if write {
            let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
            if let Err(error) = made.and_then(|()| std::fs::write(&path, text)) {
                complain!("vectors: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    say!("vectors: {differ} files {}", if write { "written" } else { "differ" });
    if write || differ == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
