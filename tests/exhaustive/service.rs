//! The counter service's side of a world.

use std::sync::Arc;

use bytes::Bytes;
use moq_mls::counter::service::Slot;
use moq_mls::counter::{IncrementRequest, LockReply};
use moq_mls::engine::Engine;
use moq_mls::tracks::GroupName;
use moq_mls::{Object, SafetyMode};

use crate::rows::Row;
use crate::world::{Body, LEASE, NOW, Reply, World};

impl World {
    pub(crate) fn serve(&mut self, row: &Row, who: u8, body: &Body) -> Reply {
        match body {
            Body::Lock(val) => {
                let token = if row.mode == SafetyMode::Pinned { Bytes::new() } else { self.token(who) };
                Reply::Lock(self.counter.lock(NOW, *val, token, LEASE))
            }
            Body::Increment { val, lock_id, prev, pin } => {
                let before = self.counter.next();
                let counter = GroupName::try_from("room").unwrap();
                let newest = before.checked_sub(1).map(|v| self.counter.slot(v));
                let prev = match newest {
                    Some(Slot::Pinned(newest)) if row.no_prev && pin.is_some() => Some(newest),
                    _ if row.no_prev => None,
                    _ => *prev,
                };
                let request =
                    IncrementRequest { counter, val: *val, lock_id: lock_id.clone(), prev, pin: *pin };
                let reply = self.counter.increment(NOW, &request, 1024);
                if self.counter.next() > before
                    && before > 0
                    && let Some(pin) = pin
                {
                    let hash = |o: &Arc<Object>| Self::engine(0, 0).sha256(&o.payload).unwrap();
                    if !self.store.values().any(|o| hash(o) == pin.commit_hash()) {
                        self.break_invariant("PublishedBeforePinned");
                    }
                }
                Reply::Increment(reply)
            }
        }
    }

    /// The least token that nobody remembers.
    fn token(&self, who: u8) -> Bytes {
        let tokens = (0_u8..).map(|n| Bytes::from(vec![who, n]));
        let known = |token: &Bytes| {
            let held = self.counter.lock_held().is_some_and(|l| l.id == *token);
            let body = |b: &Body| matches!(b, Body::Increment { lock_id: Some(id), .. } if id == token);
            let asked = self.requests.values().any(body) || self.late.iter().any(body);
            let told =
                |r: &Reply| matches!(r, Reply::Lock(LockReply::Ok { lock_id: Some(id), .. }) if id == token);
            let filled = matches!(self.counter.slots(),
                moq_mls::counter::service::Slots::Unpinned { filled_by: Some(id) } if id == token);
            let kept = self.peers.iter().any(|p| p.machine().is_some_and(|m| m.remembers(token)));
            held || asked || filled || kept || self.replies.values().any(told)
        };
        tokens.into_iter().find(|t| !known(t)).unwrap()
    }
}
