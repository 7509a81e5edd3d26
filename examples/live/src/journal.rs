//! A participant's run as a log in a file, which `cargo run --release --example replay -- FILE` runs again.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use moq_mls::Config;
use moq_mls::engine::Engine;
use moq_mls::recording::{RecordedEngine, Recorder};

/// Begins a log in `folder`, or goes on with the one that `restored` says is there. It holds no secrets.
pub fn open<E: Engine>(
    folder: &Path,
    name: &str,
    config: &Config,
    engine: &RecordedEngine<E>,
    restored: bool,
) -> Result<(Recorder, File)> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let path = folder.join(format!("{name}-{}.jsonl", crate::identity::short(engine.sender_id())));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(!restored);
    let mut file = options.open(&path).with_context(|| format!("cannot write {}", path.display()))?;
    if !restored {
        return Ok((Recorder::with_answers("mls-rs with AWS-LC", config, engine), file));
    }
    // A process that was killed may have left half a line.
    let log = std::fs::read(&path)?;
    let whole = log.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    ensure!(whole > 0, "{} lacks the run so far: it must be recorded from the start", path.display());
    file.set_len(whole as u64)?;
    file.seek(SeekFrom::End(0))?;
    Ok((Recorder::appending(engine), file))
}
