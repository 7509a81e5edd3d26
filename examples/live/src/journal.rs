//! A participant's run as a log in a file, which `cargo run --release --example replay -- FILE` runs again; the logs of
//! a call as a page.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use moq_mls::Config;
use moq_mls::engine::Engine;
use moq_mls::recording::{RecordedEngine, Recorder};
use tempfile::TempDir;

use crate::timeline;

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

/// A page that is drawn of a call's logs when the call is over.
pub struct Page {
    out: PathBuf,
    folder: PathBuf,
    /// Logs of earlier calls in that folder.
    earlier: BTreeSet<PathBuf>,
    _scratch: Option<TempDir>,
}

impl Page {
    /// Prepares the page `out` of logs in `folder`; without one, in a folder that is deleted in the end.
    pub fn prepare(out: PathBuf, folder: Option<&Path>) -> Result<Self> {
        // It would be easy to overwrite a log.
        ensure!(out.extension() == Some(OsStr::new("html")), "--html: the name must end in .html");
        let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty());
        ensure!(parent.is_none_or(Path::is_dir), "--html: there is no folder for {}", out.display());
        let scratch = if folder.is_none() { Some(tempfile::tempdir()?) } else { None };
        let folder = folder.or(scratch.as_ref().map(TempDir::path)).map(Path::to_owned).unwrap_or_default();
        let earlier = if folder.is_dir() { logs(&folder)? } else { BTreeSet::new() };
        Ok(Self { out, folder, earlier, _scratch: scratch })
    }

    /// Returns the folder for the logs.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Draws what was recorded since. Returns the file of the page.
    pub fn draw(self) -> Result<PathBuf> {
        let mut files: Vec<PathBuf> = logs(&self.folder)?.difference(&self.earlier).cloned().collect();
        // p2 before p10.
        files.sort_by_key(|file| (file.as_os_str().len(), file.clone()));
        let read = |file: &PathBuf| -> Result<(String, String)> {
            let log =
                std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
            Ok((file.display().to_string(), log))
        };
        let page = timeline::page(&files.iter().map(read).collect::<Result<Vec<_>>>()?)?;
        std::fs::write(&self.out, page).with_context(|| format!("cannot write {}", self.out.display()))?;
        Ok(self.out)
    }
}

/// Returns the logs in a folder.
fn logs(folder: &Path) -> Result<BTreeSet<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let paths: std::io::Result<BTreeSet<PathBuf>> = entries.map(|entry| Ok(entry?.path())).collect();
    Ok(paths?.into_iter().filter(|path| path.extension() == Some(OsStr::new("jsonl"))).collect())
}
