//! A participant's life as a log: what it was told, what it wanted done, where it stood after each step.
//!
//! A [`Recorder`] goes between the driver and its [`Participant`]: call [`Recorder::handle`] and
//! [`Recorder::poll_action`] in place of the participant's own, and append [`Recorder::take`] to a file
//! whenever convenient. The log is lines of JSON, one object each, specified in `vectors/README.md`; cut
//! short, it is still a log. `examples/replay.rs` shows one, and runs it again where the engine is the
//! seeded one of `testing`.
//!
//! **Secrets.** With [`Secrets::Withheld`], snapshots show as their length and lock tokens as a hash, so
//! the log holds nothing that lets its reader take part or decrypt; the first line says so. It still
//! names members and holds their credentials, as their MLS messages do. With [`Secrets::Included`] it holds
//! private keys: treat it as a snapshot.

mod json;
mod lines;

use self::json::Object;
use crate::Timestamp;
use crate::action::Action;
use crate::engine::Engine;
use crate::error::Error;
use crate::event::Event;
use crate::participant::{Config, Participant, Phase};

/// The version of the log's format.
pub const LOG_VERSION: u64 = 1;

/// Whether a log holds what nobody else may see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Secrets {
    /// Snapshots show as their length, lock tokens as a hash.
    #[default]
    Withheld,
    /// Everything as it is, private keys in snapshots among it.
    Included,
}

/// Writes down one participant's life. Its memory is what was not yet [taken](Self::take).
#[derive(Clone, Debug)]
pub struct Recorder {
    secrets: Secrets,
    lines: String,
    last: Option<(Phase, Option<u64>)>,
    /// Show tokens as they are: they were hashed when the log was written.
    hashed: bool,
}

impl Recorder {
    /// A recorder whose log begins with the configuration. `engine` names what the participant's engine
    /// is, for the reader: see `vectors/README.md`.
    pub fn new(engine: &str, config: &Config, secrets: Secrets) -> Self {
        let mut this = Self { secrets, lines: String::new(), last: None, hashed: false };
        this.push(lines::header(engine, config, secrets));
        this
    }

    /// A recorder for the replay of a log, whose tokens are already what the log shows.
    #[cfg(feature = "testing")]
    pub(crate) fn replaying(engine: &str, config: &Config, secrets: Secrets) -> Self {
        Self { hashed: true, ..Self::new(engine, config, secrets) }
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
        let line = lines::event(now, &event, |token| self.token(participant, token));
        self.push(line);
        let result = participant.handle(now, event);
        if let Err(error) = &result {
            self.push(Object::new().text("error", &error.to_string()));
        }
        self.note_state(participant);
        result
    }

    /// [`Participant::poll_action`], written down.
    pub fn poll_action<E: Engine>(&mut self, participant: &mut Participant<E>) -> Option<Action> {
        let action = participant.poll_action()?;
        let line = lines::action(&action, self.secrets, |token| self.token(participant, token));
        self.push(line);
        Some(action)
    }

    /// Says that the participant was started, anew or from the last snapshot of this log.
    pub fn started<E: Engine>(&mut self, participant: &Participant<E>, now: Timestamp, restored: bool) {
        let what = if restored { "restore" } else { "new" };
        self.push(Object::new().number("at", now.as_millis()).text("start", what));
        self.last = None;
        self.note_state(participant);
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
            // Without a hash nothing is better than the token.
            Secrets::Withheld => {
                let hash = participant.engine().sha256(token).map(|h| h.to_vec());
                hash.map(|h| h.into_iter().take(8).collect()).unwrap_or_default()
            }
        }
    }

    fn note_state<E: Engine>(&mut self, participant: &Participant<E>) {
        let state = (participant.phase(), participant.epoch());
        if self.last == Some(state) {
            return;
        }
        self.last = Some(state);
        let authenticator = participant.epoch_authenticator().ok();
        let context = participant.context_hash();
        self.push(lines::state(state.0, state.1, authenticator.as_deref(), context.as_ref()));
    }
}
