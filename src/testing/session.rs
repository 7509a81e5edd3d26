//! A driver of one participant: its actions go out through a port, and what the port brings are its events.
//!
//! It has the shape that every driver has. Actions are done strictly in order; `Persist` is done before
//! whatever comes after it; every action with an id is answered by exactly one event. What a driver
//! of a real stack does with sockets, this one does with [`Outgoing`] and [`Incoming`] values; or, through the
//! port [`Direct`], with the actions and events themselves.

use crate::action::{Action, FetchTarget, Timer};
use crate::engine::Engine;
use crate::error::Error;
use crate::event::{Event, Object};
use crate::notice::Notice;
use crate::participant::Participant;
use crate::recording::Recorder;
use crate::snapshot::Snapshot;
use crate::testing::flaws::Subject;
use crate::time::Timestamp;

mod port;
mod wire;

pub use self::port::{Direct, Port};
pub use self::wire::{HttpId, Incoming, Outgoing, Wire, read_request};

/// Something the session did that a log may want to hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// An object was handed to the relay.
    Published(Object),
    /// The counter service was asked, about this value if about any.
    Asked(HttpId, Option<u64>),
    /// The relay was asked for objects.
    Fetched(FetchTarget),
    /// News for the embedder.
    Told(Notice),
}

/// What came of one action.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step<Out = Outgoing> {
    /// What goes out, in order.
    pub out: Vec<Out>,
    /// What it was.
    pub done: Option<Done>,
}

/// One participant and its connection to a relay and a counter service.
pub struct Session<E: Engine, P: Port = Wire> {
    participant: Subject<E>,
    durable: Option<Snapshot>,
    port: P,
    recorder: Option<Recorder>,
}

impl<E: Engine, P: Port> Session<E, P> {
    /// A session for a participant that has just been made.
    pub fn new(participant: impl Into<Subject<E>>) -> Self {
        Self { participant: participant.into(), durable: None, port: P::default(), recorder: None }
    }

    /// A session for a participant restored from `durable`.
    pub fn restored(participant: impl Into<Subject<E>>, durable: Snapshot) -> Self {
        Self { participant: participant.into(), durable: Some(durable), port: P::default(), recorder: None }
    }

    /// The participant.
    pub fn participant(&self) -> &Participant<E> {
        self.participant.participant()
    }

    /// Ends the session and gives the participant back.
    pub fn into_participant(self) -> Participant<E> {
        self.participant.into_participant()
    }

    /// When [`Event::Timer`] is due next, and what for.
    pub fn poll_timeout(&self) -> Option<(Timestamp, Timer)> {
        self.participant().poll_timeout()
    }

    /// The last snapshot that was made durable.
    pub fn durable(&self) -> Option<&Snapshot> {
        self.durable.as_ref()
    }

    /// The connections' state.
    pub fn port(&self) -> &P {
        &self.port
    }

    /// Passes an event on to the participant.
    ///
    /// # Errors
    /// Those of [`Participant::handle`].
    pub fn handle(&mut self, now: Timestamp, event: impl Into<Event>) -> Result<(), Error> {
        match &mut self.recorder {
            Some(recorder) => recorder.handle(self.participant.participant_mut(), now, event),
            None => self.participant.handle(now, event),
        }
    }

    /// Writes down all from now on. What is written down is a participant's run: no flaw is at work in it.
    pub fn record(&mut self, now: Timestamp, mut recorder: Recorder) {
        recorder.started(self.participant.participant(), now, self.durable.is_some());
        self.recorder = Some(recorder);
    }

    /// The recorder, to take its lines or to go on with in the next session.
    pub fn recorder_mut(&mut self) -> Option<&mut Recorder> {
        self.recorder.as_mut()
    }

    /// Does the next action of the participant: what goes out, and what it was.
    /// `None` if none waits.
    ///
    /// # Errors
    /// Those of [`Participant::handle`], which gets at once how a local step ended.
    pub fn do_next(&mut self, now: Timestamp) -> Result<Option<Step<P::Out>>, Error> {
        let action = match &mut self.recorder {
            Some(recorder) => recorder.poll_action(self.participant.participant_mut()),
            None => self.participant.poll_action(),
        };
        let Some(action) = action else { return Ok(None) };
        let mut out = Vec::new();
        let done = match action {
            // The barrier: in memory it holds as soon as it is written.
            Action::Persist(snapshot) => {
                self.durable = Some(snapshot);
                None
            }
            Action::Notify(notice) => Some(Done::Told(notice)),
            action => {
                let done = Done::by(&action);
                if let Some(event) = self.port.act(action, &mut out) {
                    self.handle(now, event)?;
                }
                done
            }
        };
        Ok(Some(Step { out, done }))
    }

    /// Takes in what was brought; what has to go out in answer.
    ///
    /// # Errors
    /// Those of [`Participant::handle`].
    pub fn receive(&mut self, now: Timestamp, incoming: P::In) -> Result<Vec<P::Out>, Error> {
        let mut out = Vec::new();
        for event in self.port.receive(incoming, &mut out) {
            self.handle(now, event)?;
        }
        Ok(out)
    }
}

impl Done {
    /// What a log says of an action that goes out.
    fn by(action: &Action) -> Option<Self> {
        match action {
            Action::Publish { object, .. } => Some(Self::Published(object.clone())),
            Action::Lock { id, request } => Some(Self::Asked(HttpId::Lock(*id), Some(request.val))),
            Action::Increment { id, request } => Some(Self::Asked(HttpId::Increment(*id), request.val)),
            Action::GetCommit { id, request } => Some(Self::Asked(HttpId::Commit(*id), Some(request.val))),
            Action::Fetch { target, .. } => Some(Self::Fetched(target.clone())),
            _ => None,
        }
    }
}
