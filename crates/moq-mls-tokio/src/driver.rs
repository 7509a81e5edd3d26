//! What a driver is made of, and its start.

mod calls;
mod publishing;
mod running;
mod subscribing;

use std::any::Any;
use std::io::Write;
use std::sync::Arc;

use moq_mls::engine::Engine;
use moq_mls::keys::EpochKeyRing;
use moq_mls::recording::Recorder;
use moq_mls::snapshot::Snapshot;
use moq_mls::{Config, Participant};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tracing::Instrument;

use self::running::{Parts, Running};
use crate::clock::{Clock, SystemClock};
use crate::counter::CounterClient;
use crate::error::DriverError;
use crate::handle::{End, Handle, Status};
use crate::notices::{Notices, Reporter};
use crate::options::Options;
use crate::relay::Relay;
use crate::store::Store;

/// What a driver needs of an engine, to run it on any thread of the runtime. Every engine over mls-rs has it.
pub trait SendEngine: Engine<Group: Send + Sync> + Send + Sync + 'static {}
impl<E: Engine<Group: Send + Sync> + Send + Sync + 'static> SendEngine for E {}

/// Where the record of a run goes.
pub(crate) struct Record {
    pub(crate) recorder: Recorder,
    pub(crate) out: Box<dyn Write + Send + Sync>,
}

impl Record {
    pub(crate) fn write(&mut self) -> Result<(), DriverError> {
        let lines = self.recorder.take();
        self.out.write_all(lines.as_bytes()).map_err(DriverError::Record)
    }
}

/// A driver that was not started yet: one participant, and what it runs on.
pub struct Driver<E, R, C, S> {
    engine: E,
    config: Config,
    relay: R,
    counter: C,
    store: S,
    clock: Arc<dyn Clock>,
    options: Options,
    record: Option<Record>,
}

impl<E: SendEngine, R: Relay, C: CounterClient, S: Store> Driver<E, R, C, S> {
    /// Makes a driver of a participant that is configured by `config`.
    pub fn new(engine: E, config: Config, relay: R, counter: C, store: S) -> Self {
        Self {
            engine,
            config,
            relay,
            counter,
            store,
            clock: Arc::new(SystemClock::new()),
            options: Options::default(),
            record: None,
        }
    }

    /// Sets bounds and waiting times.
    #[must_use]
    pub fn with_options(self, options: Options) -> Self {
        Self { options, ..self }
    }

    /// Sets the clock in place of a [`SystemClock`].
    #[must_use]
    pub fn with_clock(self, clock: impl Clock) -> Self {
        Self { clock: Arc::new(clock), ..self }
    }

    /// Records the run: see [`moq_mls::recording`]. The engine must be the one that `recorder` was made for. What is
    /// recorded is written before the snapshot that it leads to is stored; `out` blocks the driver.
    #[must_use]
    pub fn with_record(self, recorder: Recorder, out: impl Write + Send + Sync + 'static) -> Self {
        Self { record: Some(Record { recorder, out: Box::new(out) }), ..self }
    }

    /// Starts the driver on the present runtime, from the snapshot in the store if there is one.
    ///
    /// # Errors
    /// [`DriverError::Store`] if the store cannot be read; those of [`start_from`](Self::start_from).
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn start(self) -> Result<(Handle, Notices), DriverError> {
        let snapshot = self.store.load().await?;
        self.start_from(snapshot)
    }

    /// Starts the driver from what the caller has read from its store. It must be the snapshot that was stored last.
    ///
    /// # Errors
    /// [`DriverError::Participant`] if the snapshot does not fit; [`DriverError::Record`].
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start_from(self, snapshot: Option<Snapshot>) -> Result<(Handle, Notices), DriverError> {
        let Self { engine, config, relay, counter, store, clock, options, mut record } = self;
        let now = clock.now();
        let resumed = snapshot.is_some();
        let participant = match snapshot {
            Some(snapshot) => Participant::restore(engine, config, &snapshot, now)?,
            None => Participant::new(engine, config, now)?,
        };
        if let Some(record) = &mut record {
            record.recorder.started(&participant, now, resumed);
            record.write()?;
        }
        let (sender, group) = (participant.sender_id().clone(), participant.tracks().group().clone());
        let mut ring = EpochKeyRing::new(options.ring.clone(), sender.clone());
        ring.on_restore(now, participant.all_epoch_keys());
        if let Some(location) = options.sealing_from {
            ring.sealing_from(location);
        }
        let (requests, commands) = mpsc::channel(options.commands.max(1));
        let (signs, heard) = mpsc::channel(64);
        let (reporter, notices) = Reporter::with_room(options.notices);
        let (status, watched) = watch::channel(Status::of(&participant)?);
        let (shown, keys) = watch::channel(Arc::new(ring.clone()));
        let stop = Arc::new(Notify::new());
        let running = Running::new(Parts {
            participant,
            relay: Arc::new(relay),
            counter: Arc::new(counter),
            store,
            clock,
            options,
            record,
            ring,
            keys: shown,
            status,
            reporter,
            commands,
            signs: heard,
            stop: stop.clone(),
        });
        let (end, ended) = watch::channel::<Option<End>>(None);
        // As much of the SenderId as tells participants apart in a log.
        let short: String = sender.to_string().chars().take(8).collect();
        let span = tracing::info_span!("participant", sender = short, %group);
        let task = async move {
            // Dropped with this task, it ends the inner one.
            let mut inner = JoinSet::new();
            inner.spawn(running.run().in_current_span());
            let ended = match inner.join_next().await {
                Some(Ok(ended)) => ended,
                Some(Err(error)) if error.is_panic() => Err(panicked(&*error.into_panic())),
                Some(Err(_)) | None => Err(DriverError::Aborted),
            };
            if let Err(error) = &ended {
                tracing::error!(%error, "the driver ended");
            }
            end.send_replace(Some(ended.map_err(Arc::new)));
        };
        let task = tokio::spawn(task.instrument(span)).abort_handle();
        let handle = Handle { sender, resumed, requests, signs, status: watched, keys, ended, stop, task };
        Ok((handle, notices))
    }
}

/// Makes the error of what a panic left.
pub(crate) fn panicked(payload: &(dyn Any + Send)) -> DriverError {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    DriverError::Panicked(text.unwrap_or_else(|| "without a text".to_owned()))
}
