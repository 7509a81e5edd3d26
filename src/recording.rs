//! A participant's run as a log: what happened to it, what it wanted done, where it stood after each step.
//!
//! A [`Recorder`] goes between the driver and its [`Participant`]: call [`Recorder::handle`] and
//! [`Recorder::poll_action`] in place of the participant's own, and append [`Recorder::take`] to a file.
//! The log is lines of JSON, one object each, specified in `vectors/README.md`; cut short, it is still a
//! log. `cargo run --release --example replay -- FILE` shows one and replays it, byte for byte.
//!
//! **A live participant** draws random numbers, which nobody can draw again. A [`RecordedEngine`] therefore
//! stands around its engine and writes down each answer, between the lines of the events; the replay gives
//! the machine those answers and needs neither keys nor randomness:
//!
//! ```
//! # fn doc<E: moq_mls::engine::Engine>(engine: E, config: moq_mls::Config, now: moq_mls::Timestamp)
//! #     -> Result<(), moq_mls::Error> {
//! # let mut file = String::new();
//! use moq_mls::recording::{AnswerLog, RecordedEngine, Recorder, Secrets};
//! use moq_mls::{Action, Command, Participant};
//!
//! let answers = AnswerLog::new(Secrets::Withheld);
//! let engine = RecordedEngine::new(engine, &answers);
//! let mut recorder = Recorder::with_answers("RustCrypto", &config, &engine);
//! let mut participant = Participant::new(engine, config, now)?; // or restore
//! recorder.started(&participant, now, false); // or true, right after it was made
//!
//! recorder.handle(&mut participant, now, Command::Join)?;
//! while let Some(action) = recorder.poll_action(&mut participant) {
//!     if let Action::Persist(_) = &action {
//!         file.push_str(&recorder.take()); // the log first: it must not lack what a restart begins from
//!     }
//!     // do it
//! }
//! file.push_str(&recorder.take());
//! # Ok(()) }
//! ```
//!
//! After a restart of the process, [`Recorder::appending`] goes on in the same file; in the same process, a
//! new [`RecordedEngine`] over the same [`AnswerLog`] and the same [`Recorder`] do.
//!
//! **Secrets.** With [`Secrets::Withheld`], snapshots, private keys, group states and exported secrets show as
//! their lengths, and lock tokens as a hash. So the log holds nothing that lets its reader take part or
//! decrypt; the first line says so. It still names members and holds their credentials. With
//! [`Secrets::Included`] it holds private keys: treat it as a snapshot.
//!
//! [`Participant`]: crate::Participant

mod answer_log;
mod answers;
mod format;
mod json;
mod lines;
mod recorder;
pub(crate) mod settings;
mod told;

pub use self::answer_log::AnswerLog;
pub use self::answers::{RecordedEngine, RecordedGroup};
pub use self::format::{LOG_VERSION, Secrets};
pub use self::recorder::Recorder;
