//! How a participant's actions leave it and how its events come in: as wire bytes, or as they are.

use crate::action::Action;
use crate::event::Event;

/// The near end of a participant's connections, whose state a restart loses.
pub trait Port: Default {
    /// What goes out.
    type Out;
    /// What comes in.
    type In;

    /// Does one action, `Persist` and `Notify` aside: what goes out is pushed on `out`.
    ///
    /// Returns the event that answers it at once, if it needs nobody else's answer.
    fn act(&mut self, action: Action, out: &mut Vec<Self::Out>) -> Option<Event>;

    /// Takes in what came: the events of it, in order. What has to be answered is pushed on `out`.
    fn receive(&mut self, incoming: Self::In, out: &mut Vec<Self::Out>) -> Vec<Event>;

    /// Gives the bytes of what came, for a digest; none where there are no bytes.
    fn bytes(incoming: &Self::In) -> &[u8];
}

/// The port without a wire: actions go out as they are, and events come in as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Direct;

impl Port for Direct {
    type Out = Action;
    type In = Event;

    fn act(&mut self, action: Action, out: &mut Vec<Action>) -> Option<Event> {
        out.push(action);
        None
    }

    fn receive(&mut self, event: Event, _: &mut Vec<Action>) -> Vec<Event> {
        vec![event]
    }

    fn bytes(_: &Event) -> &[u8] {
        &[]
    }
}
