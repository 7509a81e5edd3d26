//! A participant's life as a log in a file, which `cargo run --release --example replay -- FILE` lives again.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use moq_mls::engine::Engine;
use moq_mls::recording::{RecordedEngine, Recorder};
use moq_mls::{Action, Config, Error, Event, Participant, Timestamp};

/// The log of one participant. It holds no secrets.
pub struct Journal {
    path: PathBuf,
    file: File,
    recorder: Recorder,
}

impl Journal {
    /// Begins a log in `folder`, or goes on with the one that `restored` says is there.
    pub fn open<E: Engine>(
        folder: &Path,
        name: &str,
        config: &Config,
        engine: &RecordedEngine<E>,
        restored: bool,
    ) -> Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let path = folder.join(format!("{name}-{}.jsonl", crate::identity::short(engine.sender_id())));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(!restored);
        let mut file = options.open(&path).with_context(|| format!("cannot write {}", path.display()))?;
        let recorder = if restored {
            // A process that was killed may have left half a line.
            let log = std::fs::read(&path)?;
            let whole = log.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            ensure!(
                whole > 0,
                "{} lacks the life so far: it must be recorded from the start",
                path.display()
            );
            file.set_len(whole as u64)?;
            file.seek(SeekFrom::End(0))?;
            Recorder::appending(engine)
        } else {
            Recorder::with_answers("mls-rs with AWS-LC", config, engine)
        };
        Ok(Self { path, file, recorder })
    }

    /// Says that the participant was started, before anything else is asked of it.
    pub fn started<E: Engine>(&mut self, participant: &Participant<E>, now: Timestamp, restored: bool) {
        self.recorder.started(participant, now, restored);
    }

    /// [`Participant::handle`], written down.
    pub fn handle<E: Engine>(
        &mut self,
        participant: &mut Participant<E>,
        now: Timestamp,
        event: Event,
    ) -> Result<(), Error> {
        self.recorder.handle(participant, now, event)
    }

    /// [`Participant::poll_action`], written down.
    pub fn poll_action<E: Engine>(&mut self, participant: &mut Participant<E>) -> Option<Action> {
        self.recorder.poll_action(participant)
    }

    /// Writes what is new to the file.
    pub fn write(&mut self) -> Result<()> {
        let lines = self.recorder.take();
        self.file.write_all(lines.as_bytes()).with_context(|| format!("cannot write {}", self.path.display()))
    }
}
