//! A running participant from outside: what to tell it, and what can be seen of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use moq_mls::tracks::{FullTrackName, SenderId};
use moq_mls::{Command, Phase, Stats, Timestamp};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::media::Received;

/// What can be seen of a participant from outside.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// The phase that it is in.
    pub phase: Option<Phase>,
    /// The epoch, while a member.
    pub epoch: Option<u64>,
    /// Members, itself included.
    pub members: usize,
    /// The members: SenderId and the name in the credential, [printable](crate::identity::printable).
    pub roster: Vec<(SenderId, String)>,
    /// The epoch authenticator, while a member.
    pub authenticator: Option<Bytes>,
    /// The base key of its group's track `probe`, while a member.
    pub probe_key: Option<Bytes>,
    /// When it became a member, the last time.
    pub joined: Option<Instant>,
    /// What it waits for, and since when.
    pub waits: Option<moq_mls::Status>,
    /// Why the relay does not answer, if it does not.
    pub relay_error: Option<String>,
    /// Why the counter service does not answer, if it does not.
    pub counter_error: Option<String>,
    /// What it counts.
    pub stats: Stats,
    /// Media: what came, by track.
    pub received: BTreeMap<FullTrackName, Received>,
    /// Media: how many wait for their key.
    pub waiting: usize,
    /// Media: the last sequence it sent.
    pub last_sent: Option<u64>,
    /// Who went out while it was a member, and when it heard of it.
    pub went: BTreeMap<SenderId, Timestamp>,
    /// Why it ended, if not by itself.
    pub failure: Option<String>,
}

impl View {
    /// Returns what came of a member's media.
    pub fn media_of(&self, member: &SenderId) -> Received {
        let track = self.received.iter().find(|(track, _)| track.name == member.as_bytes());
        track.map(|(_, received)| received.clone()).unwrap_or_default()
    }
}

/// A running participant. Dropping it ends it as a crash would; its state stays where it was stored.
pub struct Handle {
    /// Its name.
    pub name: String,
    /// Its SenderId.
    pub sender: SenderId,
    pub(crate) commands: mpsc::UnboundedSender<Command>,
    pub(crate) every: watch::Sender<Option<Duration>>,
    pub(crate) view: watch::Receiver<View>,
    pub(crate) running: Arc<moq_mls_tokio::Handle>,
    pub(crate) tasks: JoinSet<()>,
}

impl Handle {
    /// Passes a command to the participant.
    pub fn command(&self, command: Command) {
        self.commands.send(command).ok();
    }

    /// Sends a media object that often, or none.
    pub fn media(&self, every: Option<Duration>) {
        self.every.send_replace(every);
    }

    /// Whether it goes on from its state.
    pub fn resumed(&self) -> bool {
        self.running.resumed()
    }

    /// What it is now.
    pub fn view(&self) -> View {
        self.view.borrow().clone()
    }

    /// Returns a receiver that is notified when the view changes.
    pub fn watch(&self) -> watch::Receiver<View> {
        self.view.clone()
    }

    /// Closes its sessions in good order, without leaving the group.
    pub async fn stop(mut self) {
        self.running.shutdown().await.ok();
        self.tasks.shutdown().await;
    }
}
