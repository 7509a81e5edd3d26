//! A log of a run, through a binding: beside it the core does the same, and both must come to the same.

use bytes::Bytes;
use moq_mls::snapshot::Snapshot;
use moq_mls::testing::replay as core_replay;
use moq_mls::testing::seeded_crypto::{SeededEngine, seeded_engine};
use moq_mls::{Action as CoreAction, Config as CoreConfig, Participant as Core, Timestamp};
use serde_json::Value;

use crate::action::Action;
use crate::codes::Phase;
use crate::config::Config;
use crate::error::{Error, Status};
use crate::event::Event;

/// Where a participant stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Its phase.
    pub phase: Phase,
    /// Its epoch, while a member.
    pub epoch: Option<u64>,
    /// Its epoch authenticator, while a member.
    pub authenticator: Option<Bytes>,
    /// The hash of its GroupContext, while a member.
    pub context_hash: Option<Bytes>,
}

/// A binding under test, with one participant of the engine `seeded NAME SEED`.
pub trait Binding {
    /// Makes the participant, from a snapshot if there is one, in place of the one before.
    ///
    /// # Errors
    /// The status of the call that failed.
    fn start(
        &mut self,
        engine: (&str, u64),
        config: &Config,
        snapshot: Option<&[u8]>,
        now_ms: u64,
    ) -> Result<(), Status>;

    /// Gives it an event.
    ///
    /// # Errors
    /// The status of the call that failed.
    fn handle(&mut self, now_ms: u64, event: Event) -> Result<(), Status>;

    /// Returns its next action, as the binding has it.
    ///
    /// # Errors
    /// The status of the call that failed.
    fn poll(&mut self) -> Result<Option<Action>, Status>;

    /// Returns where it stands, as the binding has it.
    ///
    /// # Errors
    /// The status of the call that failed.
    fn state(&mut self) -> Result<State, Status>;
}

/// Replays a log through the core, which must come to every line, and through a binding. That must come to the same
/// actions and states, to the last byte of each. Returns how many actions there were.
///
/// # Errors
/// A sentence about the first difference.
pub fn replay(log: &str, binding: &mut impl Binding) -> Result<u64, String> {
    let done = core_replay::replay(log, |_, _| {}).map_err(|error| error.to_string())?;
    if let Some(difference) = done.difference {
        return Err(format!("the core differs: {difference:?}"));
    }
    let mut lines = log.lines().enumerate();
    let (_, first) = lines.next().ok_or("an empty log")?;
    let header = core_replay::header(&json(first)?)?;
    let engine = header.engine.strip_prefix("seeded ").and_then(|rest| rest.rsplit_once(' '));
    let (name, seed) = engine.ok_or("not a seeded engine")?;
    let seed: u64 = seed.parse().map_err(|_| "no seed")?;
    let (core_config, config) = (header.config.clone(), Config::from(header.config.clone()));
    let mut run = Run { name, seed, core_config, config, core: None, durable: None, actions: 0 };
    for (at, line) in lines {
        run.step(&json(line)?, binding).map_err(|why| format!("line {}: {why}", at.saturating_add(1)))?;
    }
    match run.next(binding)? {
        None => Ok(run.actions),
        Some(action) => Err(format!("an action too many: {action:?}")),
    }
}

fn json(line: &str) -> Result<Value, String> {
    serde_json::from_str(line).map_err(|error| error.to_string())
}

struct Run<'a> {
    name: &'a str,
    seed: u64,
    core_config: CoreConfig,
    config: Config,
    core: Option<Core<SeededEngine>>,
    durable: Option<Snapshot>,
    actions: u64,
}

impl Run<'_> {
    fn step(&mut self, line: &Value, binding: &mut impl Binding) -> Result<(), String> {
        let at = line.get("at").and_then(Value::as_u64);
        if let Some(start) = line.get("start").and_then(Value::as_str) {
            return self.start(start == "restore", at.ok_or("no time")?, binding);
        }
        if line.get("event").is_some() {
            let (now_ms, event) = (at.ok_or("no time")?, core_replay::event(line)?);
            let core = self.core.as_mut().ok_or("nothing was started")?;
            let done = core.handle(Timestamp::from_millis(now_ms), event.clone());
            let done = done.map_err(|error| Error::from(error).status());
            same(binding.handle(now_ms, event.into()), done)?;
        } else if line.get("action").is_some() || line.get("notify").is_some() {
            let core = self.core.as_mut().ok_or("nothing was started")?.poll_action();
            let action = self.next(binding)?;
            same(&action, &core)?;
            self.actions = self.actions.saturating_add(1);
            if let Some(CoreAction::Persist(snapshot)) = action {
                self.durable = Some(snapshot);
            }
        }
        let core = self.core.as_ref().ok_or("nothing was started")?;
        let stands = State {
            phase: core.phase().into(),
            epoch: core.epoch(),
            authenticator: core.epoch_authenticator().ok(),
            context_hash: core.context_hash().map(|hash| Bytes::copy_from_slice(&hash)),
        };
        same(binding.state(), Ok(stands))
    }

    fn start(&mut self, restored: bool, now_ms: u64, binding: &mut impl Binding) -> Result<(), String> {
        let now = Timestamp::from_millis(now_ms);
        let engine = seeded_engine(self.name, self.seed);
        let config = self.core_config.clone();
        let durable = self.durable.as_ref().filter(|_| restored);
        let core = match durable {
            Some(durable) => Core::restore(engine, config, durable, now),
            None => Core::new(engine, config, now),
        };
        self.core = Some(core.map_err(|error| error.to_string())?);
        let bytes = durable.map(Snapshot::to_bytes);
        same(binding.start((self.name, self.seed), &self.config, bytes.as_deref(), now_ms), Ok(()))
    }

    /// The binding's next action that the core has, too.
    fn next(&self, binding: &mut impl Binding) -> Result<Option<CoreAction>, String> {
        loop {
            match binding.poll().map_err(|status| format!("{status:?}"))? {
                Some(Action::Keys(_)) => {}
                Some(action) => {
                    return CoreAction::try_from(action).map(Some).map_err(|error| error.to_string());
                }
                None => return Ok(None),
            }
        }
    }
}

fn same<T: PartialEq + std::fmt::Debug>(found: T, expected: T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("found {found:?}, expected {expected:?}")) }
}
