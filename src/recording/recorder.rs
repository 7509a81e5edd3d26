//! The recorder of one participant.

use crate::action::Action;
use crate::config::Config;
use crate::engine::Engine;
use crate::error::Error;
use crate::event::Event;
use crate::participant::{Participant, Phase};
use crate::recording::answer_log::AnswerLog;
use crate::recording::answers::RecordedEngine;
use crate::recording::format::Secrets;
use crate::recording::json::Object;
use crate::recording::lines;
use crate::time::Timestamp;

/// Writes down one participant's run. Its memory is what was not yet [taken](Self::take).
#[derive(Clone, Debug)]
pub struct Recorder {
    secrets: Secrets,
    lines: String,
    last: Option<(Phase, Option<u64>)>,
    /// Show tokens as they are: they were hashed when the log was written.
    hashed: bool,
    answers: Option<AnswerLog>,
}

impl Recorder {
    /// A recorder whose log begins with the configuration. `engine` names what the participant's engine
    /// is, for the reader; only a run with the seeded engine of `testing`, named `seeded NAME SEED`, can be
    /// replayed. All others need [`with_answers`](Self::with_answers).
    pub fn new(engine: &str, config: &Config, secrets: Secrets) -> Self {
        let mut this = Self::empty(secrets, None);
        this.push(lines::header(engine, config, secrets, None));
        this
    }

    /// A recorder that takes the engine's answers into the log, so that the run can be replayed. `name` says
    /// what the engine is, for the reader.
    pub fn with_answers<E: Engine>(name: &str, config: &Config, engine: &RecordedEngine<E>) -> Self {
        let mut this = Self::appending(engine);
        this.push(lines::header(name, config, this.secrets, Some(engine.sender_id())));
        this
    }

    /// A recorder that goes on with a log of [`with_answers`](Self::with_answers) after the process was
    /// restarted: without a first line, for the file that has one. The participant must be restored from the
    /// last snapshot of that log, with the same configuration.
    pub fn appending<E: Engine>(engine: &RecordedEngine<E>) -> Self {
        Self::empty(engine.answers().secrets(), Some(engine.answers().clone()))
    }

    fn empty(secrets: Secrets, answers: Option<AnswerLog>) -> Self {
        Self { secrets, lines: String::new(), last: None, hashed: false, answers }
    }

    /// A recorder for the replay of a log, whose tokens are already what the log shows.
    #[cfg(feature = "testing")]
    pub(crate) fn replaying(self) -> Self {
        Self { hashed: true, ..self }
    }

    /// [`Participant::handle`], written down: the event before, an error after.
    ///
    /// # Errors
    /// Those of [`Participant::handle`].
    pub fn handle<E: Engine>(
        &mut self,
        participant: &mut Participant<E>,
        now: Timestamp,
        event: impl Into<Event>,
    ) -> Result<(), Error> {
        let event = event.into();
        // What the embedder asked in between is no part of the run.
        self.take_answers();
        let line = lines::event(now, &event, |token| self.token(participant, token));
        self.push(line);
        let result = participant.handle(now, event);
        let state = self.state(participant);
        let answers = self.take_answers();
        self.lines.push_str(&answers);
        if let Err(error) = &result {
            self.push(Object::new().text("error", &error.to_string()));
        }
        if let Some(state) = state {
            self.push(state);
        }
        result
    }

    /// [`Participant::poll_action`], written down.
    pub fn poll_action<E: Engine>(&mut self, participant: &mut Participant<E>) -> Option<Action> {
        let action = participant.poll_action()?;
        let line = lines::action(&action, self.secrets, |token| self.token(participant, token));
        self.push(line);
        Some(action)
    }

    /// Says that the participant was started, anew or from the last snapshot of this log. Call it before
    /// anything else is asked of it.
    pub fn started<E: Engine>(&mut self, participant: &Participant<E>, now: Timestamp, restored: bool) {
        let what = if restored { "restore" } else { "new" };
        self.push(Object::new().number("at", now.as_millis()).text("start", what));
        self.last = None;
        let state = self.state(participant);
        let answers = self.take_answers();
        self.lines.push_str(&answers);
        if let Some(state) = state {
            self.push(state);
        }
    }

    /// The lines since the last call, each with its line break.
    pub fn take(&mut self) -> String {
        std::mem::take(&mut self.lines)
    }

    fn push(&mut self, line: Object) {
        self.lines.push_str(&line.finish());
        self.lines.push('\n');
    }

    fn token<E: Engine>(&self, participant: &Participant<E>, token: &[u8]) -> Vec<u8> {
        match self.secrets {
            Secrets::Included => token.to_vec(),
            Secrets::Withheld if self.hashed => token.to_vec(),
            // As long as the token, so that a snapshot with it in is as long. Without a hash nothing is
            // better than the token.
            Secrets::Withheld => {
                let hash = participant.engine().sha256(token).unwrap_or_default();
                hash.iter().copied().cycle().take(token.len()).collect()
            }
        }
    }

    fn take_answers(&self) -> String {
        self.answers.as_ref().map(AnswerLog::take).unwrap_or_default()
    }

    /// The line that says where the participant stands, if that is news.
    fn state<E: Engine>(&mut self, participant: &Participant<E>) -> Option<Object> {
        let state = (participant.phase(), participant.epoch());
        if self.last == Some(state) {
            return None;
        }
        self.last = Some(state);
        let authenticator = participant.epoch_authenticator().ok();
        let context = participant.context_hash();
        Some(lines::state(state.0, state.1, authenticator.as_deref(), context.as_ref()))
    }
}
