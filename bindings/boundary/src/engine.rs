//! A participant whatever its engine: what the boundary asks of the core, without a type parameter.

use std::sync::Arc;

use bytes::Bytes;
use moq_mls::engine::{Engine, Kdf, Member};
use moq_mls::keys::{EpochKeys, EpochSecret};
use moq_mls::snapshot::Snapshot;
use moq_mls::tracks::SenderId;
use moq_mls::{Action, Error, Event, Participant, Secret, Status, Timestamp};

/// The core's participant, with any engine.
pub(crate) trait Machine: Send {
    fn handle(&mut self, now: Timestamp, event: Event) -> Result<(), Error>;
    fn poll_action(&mut self) -> Option<Action>;
    fn poll_timeout(&self) -> Option<Timestamp>;
    fn snapshot(&self) -> Result<Snapshot, Error>;
    fn sender_id(&self) -> &SenderId;
    fn status(&self) -> Status;
    fn members(&self) -> Vec<Member>;
    fn context_hash(&self) -> Option<[u8; 32]>;
    fn epoch_authenticator(&self) -> Result<Bytes, Error>;
    fn export_secret(&self, label: &[u8], context: &[u8], len: usize) -> Result<Secret, Error>;
    fn epoch_secret(&self, epoch: u64) -> Result<EpochSecret, Error>;
    fn epoch_keys(&self, epoch: u64) -> Result<EpochKeys, Error>;
    fn all_epoch_keys(&self) -> Vec<EpochKeys>;
    fn kdf(&self) -> Arc<dyn Kdf>;
}

impl<E> Machine for Participant<E>
where
    E: Engine + Send,
    E::Group: Send,
{
    fn handle(&mut self, now: Timestamp, event: Event) -> Result<(), Error> {
        self.handle(now, event)
    }

    fn poll_action(&mut self) -> Option<Action> {
        self.poll_action()
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        self.poll_timeout().map(|(at, _)| at)
    }

    fn snapshot(&self) -> Result<Snapshot, Error> {
        self.snapshot()
    }

    fn sender_id(&self) -> &SenderId {
        self.sender_id()
    }

    fn status(&self) -> Status {
        self.status()
    }

    fn members(&self) -> Vec<Member> {
        self.members().cloned().collect()
    }

    fn context_hash(&self) -> Option<[u8; 32]> {
        self.context_hash()
    }

    fn epoch_authenticator(&self) -> Result<Bytes, Error> {
        self.epoch_authenticator()
    }

    fn export_secret(&self, label: &[u8], context: &[u8], len: usize) -> Result<Secret, Error> {
        self.export_secret(label, context, len)
    }

    fn epoch_secret(&self, epoch: u64) -> Result<EpochSecret, Error> {
        self.epoch_secret(epoch)
    }

    fn epoch_keys(&self, epoch: u64) -> Result<EpochKeys, Error> {
        self.epoch_keys(epoch)
    }

    fn all_epoch_keys(&self) -> Vec<EpochKeys> {
        self.all_epoch_keys()
    }

    fn kdf(&self) -> Arc<dyn Kdf> {
        self.engine().kdf()
    }
}
