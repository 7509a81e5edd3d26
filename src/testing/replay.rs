//! Runs a log of [`recording`](crate::recording) again, and finds the first line that comes out otherwise.
//!
//! The log's events are given to a fresh participant at their times; everything that it then does is
//! written down by a [`Recorder`] and must be the log's own lines, byte for byte. The engine is one that draws
//! the same randomness, where the log's `engine` is `seeded NAME SEED` ([`seeded_crypto`](super::seeded_crypto)),
//! or one that gives the answers which the log has
//! ([`RecordedEngine`]).

mod answering;
mod failing;
mod reading;

use std::collections::VecDeque;
use std::fmt;

use serde_json::Value;

use self::answering::{AnsweringEngine, Answers};
use self::reading::number;
pub use self::reading::{Header, event, header};
use super::seeded_crypto::seeded_engine;
use crate::action::Action;
use crate::config::Config;
use crate::engine::Engine;
use crate::participant::Participant;
use crate::recording::{AnswerLog, RecordedEngine, Recorder};
use crate::snapshot::Snapshot;
use crate::time::Timestamp;

/// What came of a replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// Events given, those before a difference.
    pub steps: u64,
    /// The first line that came out otherwise.
    pub difference: Option<Difference>,
    /// Whether the log ends inside a step, as that of a killed process may: all that is there was as it is.
    pub cut: bool,
}

/// A line of the log that came out otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its number, from 1.
    pub line: usize,
    /// What the log has.
    pub logged: String,
    /// What came out; `None` for nothing.
    pub found: Option<String>,
}

/// A log that cannot be replayed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct ReplayError {
    /// The line's number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

/// A recorded run that is replayed.
struct Run<E: Engine> {
    /// The engine of the next start.
    engine: Box<dyn Fn() -> E>,
    answers: Answers,
    /// Whether the log has what the engine answered.
    answered: bool,
    config: Config,
    recorder: Recorder,
    participant: Option<Participant<E>>,
    durable: Option<Snapshot>,
}

/// Replays a log, and calls `shown` with each of its lines that came out as it is. A last line without its line
/// break is not looked at.
///
/// # Errors
/// [`ReplayError`] for a line that is no line of a log, or of an engine that cannot be had again.
pub fn replay(log: &str, shown: impl FnMut(usize, &str)) -> Result<Replayed, ReplayError> {
    let (log, torn) = match log.rfind('\n') {
        Some(end) => log.split_at(end.saturating_add(1)),
        None => ("", log),
    };
    let first = log.lines().next().unwrap_or_default();
    let fail = |what: String| ReplayError { line: 1, what };
    let line: Value = serde_json::from_str(first).map_err(|e| fail(e.to_string()))?;
    let Header { engine, config, secrets, answers } = header(&line).map_err(fail)?;
    let mut done = if let Some(sender) = answers {
        let answers = Answers::default();
        let lines = AnswerLog::new(secrets).replaying();
        let source = AnsweringEngine::new(sender, answers.clone());
        let recorder = Recorder::with_answers(&engine, &config, &RecordedEngine::new(source.clone(), &lines));
        let again = Box::new(move || RecordedEngine::new(source.clone(), &lines));
        Run { answered: true, ..Run::new(again, answers, config, recorder) }.all(log, shown)
    } else {
        let seeded = engine.strip_prefix("seeded ").and_then(|rest| rest.rsplit_once(' '));
        let (name, seed) = seeded.ok_or_else(|| {
            fail(format!("the engine {engine:?} cannot be had again, and did not leave its answers"))
        })?;
        let seed: u64 = seed.parse().map_err(|_| fail("seed".to_owned()))?;
        let name = name.to_owned();
        let recorder = Recorder::new(&engine, &config, secrets);
        Run::new(Box::new(move || seeded_engine(&name, seed)), Answers::default(), config, recorder)
            .all(log, shown)
    }?;
    done.cut |= !torn.is_empty() && done.difference.is_none();
    Ok(done)
}

impl<E: Engine> Run<E> {
    fn new(engine: Box<dyn Fn() -> E>, answers: Answers, config: Config, recorder: Recorder) -> Self {
        let recorder = recorder.replaying();
        Self { engine, answers, answered: false, config, recorder, participant: None, durable: None }
    }

    fn all(mut self, log: &str, mut shown: impl FnMut(usize, &str)) -> Result<Replayed, ReplayError> {
        // The recorder has already written the first line.
        let mut found: VecDeque<String> = self.lines();
        let mut steps = 0;
        let lines: Vec<&str> = log.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let number = at.saturating_add(1);
            if found.is_empty() {
                let fail =
                    |line: usize, what: &dyn fmt::Display| ReplayError { line, what: what.to_string() };
                let value: Value = serde_json::from_str(line).map_err(|e| fail(number, &e))?;
                // What the engine answered stands behind what was asked of the machine.
                let answers =
                    lines.iter().enumerate().skip(number).take_while(|(_, l)| l.starts_with(ANSWER));
                let mut end = number;
                for (at, answer) in answers {
                    end = at.saturating_add(1);
                    let answer = serde_json::from_str(answer).map_err(|e| fail(at.saturating_add(1), &e))?;
                    self.answers.push(answer);
                }
                match self.step(&value) {
                    Ok(was_event) => steps += u64::from(was_event),
                    // What a start wanted to know was to come.
                    Err(_) if self.answered && end == lines.len() && value.get("start").is_some() => {
                        return Ok(Replayed { steps, difference: None, cut: true });
                    }
                    Err(what) => return Err(fail(number, &what)),
                }
                self.answers.clear();
                found = self.lines();
            }
            let next = found.pop_front();
            if next.as_deref() != Some(line) {
                let difference = Difference { line: number, logged: (*line).to_owned(), found: next };
                return Ok(Replayed { steps, difference: Some(difference), cut: false });
            }
            shown(number, line);
        }
        Ok(Replayed { steps, difference: None, cut: !found.is_empty() })
    }

    fn lines(&mut self) -> VecDeque<String> {
        self.recorder.take().lines().map(str::to_owned).collect()
    }

    /// Does what the line says was done; whether it was an event.
    fn step(&mut self, line: &Value) -> Result<bool, String> {
        if let Some(start) = line.get("start").and_then(Value::as_str) {
            let now = Timestamp::from_millis(number(line, "at")?);
            let engine = (self.engine)();
            let config = self.config.clone();
            let started = match (start, &self.durable) {
                ("new", _) => Participant::new(engine, config, now),
                ("restore", Some(durable)) => Participant::restore(engine, config, durable, now),
                _ => return Err(format!("cannot start {start:?}")),
            };
            let participant = started.map_err(|e| e.to_string())?;
            self.recorder.started(&participant, now, start == "restore");
            self.participant = Some(participant);
            return Ok(false);
        }
        let participant = self.participant.as_mut().ok_or("nothing was started")?;
        if line.get("event").is_some() {
            let event = event(line)?;
            // An error is a line of its own.
            let _ = self.recorder.handle(participant, Timestamp::from_millis(number(line, "at")?), event);
            return Ok(true);
        }
        if let Some(Action::Persist(snapshot)) = self.recorder.poll_action(participant) {
            self.durable = Some(snapshot);
        }
        Ok(false)
    }
}

/// How a line with an engine's answer begins.
const ANSWER: &str = "{\"answer\":";
