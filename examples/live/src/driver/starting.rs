//! A participant's start: what it is given, and whether it is new or goes on.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use moq_mls::action::Notice;
use moq_mls::recording::{AnswerLog, RecordedEngine, Secrets};
use moq_mls::{Config, Participant};
use tokio::sync::{mpsc, watch};

use super::Driver;
use crate::clock::Clock;
use crate::counter_client::CounterClient;
use crate::handle::{Handle, Input, View};
use crate::identity::LiveEngine;
use crate::journal::Journal;
use crate::link::RelayAddress;
use crate::media::{Media, MediaConfig};
use crate::state_dir::StateDir;

/// What a participant needs around it.
pub struct Surroundings {
    /// Shown in logs.
    pub name: String,
    /// The relay.
    pub relay: RelayAddress,
    /// The counter service.
    pub counter: CounterClient,
    /// How its media behaves.
    pub media: MediaConfig,
    /// The folder for a log of its life; `None`: it keeps none.
    pub record: Option<PathBuf>,
    /// Where snapshots go; `None`: nowhere, for a participant that lives as long as this process.
    pub state: Option<Arc<StateDir>>,
    /// Tells what happens to the user.
    pub news: Option<mpsc::UnboundedSender<(String, Notice)>>,
}

/// Starts a participant, from its last snapshot if `surroundings.state` has one; then it goes on by
/// itself, otherwise it waits for [`Command::Join`](moq_mls::Command::Join).
pub fn start<E: LiveEngine>(engine: E, config: Config, surroundings: Surroundings) -> Result<Handle> {
    let Some(folder) = surroundings.record.clone() else {
        return run(engine, config, surroundings, |_, _| Ok(None));
    };
    let engine = RecordedEngine::new(engine, &AnswerLog::new(Secrets::Withheld));
    let (name, configured) = (surroundings.name.clone(), config.clone());
    run(engine, config, surroundings, move |engine, restored| {
        Journal::open(&folder, &name, &configured, engine, restored).map(Some)
    })
}

/// Starts it; `journal` makes the log, if there is to be one, and is told whether this is a restart.
fn run<E: LiveEngine>(
    engine: E,
    config: Config,
    surroundings: Surroundings,
    journal: impl FnOnce(&E, bool) -> Result<Option<Journal>>,
) -> Result<Handle> {
    let clock = Clock::new();
    let now = clock.now();
    let durable = surroundings.state.as_ref().map(|dir| dir.snapshot()).transpose()?.flatten();
    let mut journal = journal(&engine, durable.is_some())?;
    let participant = match &durable {
        Some(snapshot) => {
            Participant::restore(engine, config, snapshot, now).context("cannot go on from the state")?
        }
        None => Participant::new(engine, config, now)?,
    };
    if let Some(journal) = &mut journal {
        journal.started(&participant, now, durable.is_some());
        journal.write()?;
    }
    let sender = participant.sender_id().clone();
    let name = surroundings.name.clone();
    let (input, inputs) = mpsc::unbounded_channel();
    let heard = input.clone();
    let counter = surroundings.counter.clone().telling(move |event| {
        heard.send(Input::Event(event)).ok();
    });
    let surroundings = Surroundings { counter, ..surroundings };
    let (view, watched) = watch::channel(View::default());
    let (sessions, _) = watch::channel(None);
    let group = participant.config().group.clone();
    let mut media =
        Media::new(surroundings.media.clone(), group, sender.clone(), surroundings.state.clone(), now)?;
    media.restored(now, &participant)?;
    let driver = Driver {
        participant,
        clock,
        surroundings,
        input: input.clone(),
        view,
        pair: None,
        sessions,
        tracks: BTreeMap::new(),
        interests: BTreeMap::new(),
        commits: Arc::default(),
        media,
        journal,
        media_every: None,
        media_subscription: None,
        known_epoch: None,
        joined: None,
    };
    let task = tokio::spawn(driver.run(inputs));
    Ok(Handle { name, sender, input, view: watched, task })
}
