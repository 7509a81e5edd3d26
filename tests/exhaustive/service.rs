//! The counter service's side of a world.

use bytes::Bytes;
use moq_mls::SafetyMode;
use moq_mls::counter::service::{Counter, Keep, Slot, Slots};
use moq_mls::counter::{CommitReply, IncrementReply, IncrementRequest, LockReply, Pin};
use moq_mls::testing::sha256;
use moq_mls::tracks::GroupName;

use crate::rows::Row;
use crate::world::{Body, LEASE, NOW, Reply, World};

impl World {
    pub(crate) fn serve(&mut self, row: &Row, who: u8, body: &Body) -> Reply {
        let Body::Elsewhere(group, body) = body else {
            return self.serve_of(row, who, GroupName::try_from("room").unwrap(), body);
        };
        let counter = self.successors.remove(group).unwrap_or_default();
        let room = std::mem::replace(&mut self.counter, counter);
        let reply = self.serve_of(row, who, group.clone(), body);
        self.successors.insert(group.clone(), std::mem::replace(&mut self.counter, room));
        reply
    }

    fn serve_of(&mut self, row: &Row, who: u8, counter: GroupName, body: &Body) -> Reply {
        match body {
            Body::Elsewhere(..) => unreachable!("not within another"),
            Body::Lock(val) => {
                let token = if row.mode == SafetyMode::Pinned { Bytes::new() } else { self.token(who) };
                Reply::Lock(self.counter.lock(NOW, *val, token, LEASE))
            }
            Body::Commit(val) => Reply::Commit(match self.counter.commit(*val) {
                CommitReply::Found { state, .. } if row.keeps_no_commits => CommitReply::CounterError(state),
                reply => reply,
            }),
            Body::Increment { val, lock_id, prev, pin, key, commit } => {
                let before = self.counter.next();
                let newest = before.checked_sub(1).map(|v| self.counter.slot(v));
                let prev = match newest {
                    Some(Slot::Pinned(newest)) if row.no_prev && pin.is_some() => Some(newest),
                    _ if row.no_prev => None,
                    _ => *prev,
                };
                let request = IncrementRequest {
                    counter,
                    val: *val,
                    lock_id: lock_id.clone(),
                    prev,
                    pin: *pin,
                    key: key.clone(),
                    commit: commit.clone(),
                };
                let keep = Keep { pins: 1024, commits: 1024, commit_bytes: usize::MAX };
                let mut reply = self.counter.increment(NOW, &request, keep, sha256);
                if let (IncrementReply::WrongKey(_), true, Some(pin)) = (&reply, row.no_key, pin) {
                    self.fill(*pin, commit.clone().unwrap_or_default());
                    reply = self.counter.increment(NOW, &request, keep, sha256);
                }
                if self.counter.next() > before
                    && before > 0
                    && let Some(pin) = pin
                {
                    let kept = match self.counter.commit(before) {
                        CommitReply::Found { commit, .. } => sha256(&commit) == pin.commit_hash(),
                        _ => false,
                    };
                    if !kept {
                        self.break_invariant("CommitKeptWithPin");
                    }
                }
                Reply::Increment(reply)
            }
        }
    }

    /// Fills the next slot for any client that asks: a service that does not look at keys.
    fn fill(&mut self, pin: Pin, commit: Bytes) {
        let Slots::Pinned { mut kept, mut commits } = self.counter.slots().clone() else { return };
        kept.push_back(pin);
        commits.push_back(commit);
        self.counter =
            Counter::restore(self.counter.next() + 1, Slots::Pinned { kept, commits }, None).unwrap();
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
