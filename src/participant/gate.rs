//! Welcomes that open with a key of ours and wait for the service's answer about their epochs.
//!
//! Anybody can make one for any epoch: its maker signs the GroupInfo itself. So each epoch is asked about, the
//! newest arrival first, and what the counter has not reached goes first where there is no room.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::action::Timer;
use crate::counter::Pin;
use crate::engine::{Engine, WelcomeInfo};
use crate::limits::Limits;
use crate::participant::context::Context;
use crate::participant::requests::LockPurpose;

/// Most questions under way at once.
const MOST_ASKED: usize = 8;

/// The Welcomes that wait, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Gate {
    waiting: Vec<(Bytes, WelcomeInfo)>,
    /// Epochs that the counter had not reached when it was asked.
    unreached: BTreeSet<u64>,
    /// Epochs of which a Welcome came since the counter was asked about them, in that order.
    news: Vec<u64>,
    /// Receipts of the Commit track verified since the counter last answered.
    verified: usize,
}

impl Gate {
    pub(crate) fn has(&self, welcome: &Bytes) -> bool {
        self.waiting.iter().any(|(held, _)| held == welcome)
    }

    /// The epoch of the newest that waits.
    pub(crate) fn newest(&self) -> Option<u64> {
        self.waiting.last().map(|(_, info)| info.epoch)
    }

    pub(crate) fn awaits(&self, epoch: u64) -> bool {
        self.waiting.iter().any(|(_, info)| info.epoch == epoch)
    }

    /// Lends the newest Welcome to a GroupContext.
    #[cfg(feature = "testing")]
    pub(crate) fn of_context(&self, context: &[u8]) -> Option<(Bytes, WelcomeInfo)> {
        self.waiting.iter().rev().find(|(_, info)| info.context_hash == context).cloned()
    }

    /// Whether a receipt with `pin` is worth a verification: a Welcome to its very GroupContext waits, and there
    /// were not too many before it.
    pub(crate) fn may_verify(&mut self, epoch: u64, pin: &Pin, limits: &Limits) -> bool {
        let names = |(_, info): &(Bytes, WelcomeInfo)| {
            info.epoch == epoch && info.context_hash == *pin.context_hash()
        };
        if self.verified >= limits.commits_per_epoch || !self.waiting.iter().any(names) {
            return false;
        }
        self.verified = self.verified.saturating_add(1);
        true
    }

    /// Keeps a Welcome; `false` if another had to go for it.
    pub(crate) fn keep(&mut self, welcome: Bytes, info: WelcomeInfo, limits: &Limits) -> bool {
        if !self.news.contains(&info.epoch) {
            self.news.push(info.epoch);
        }
        self.waiting.push((welcome, info));
        let mut all = true;
        while self.waiting.len() > limits.welcomes.max(1) || self.bytes() > limits.welcome_bytes {
            let looked_at = |(_, info): &(Bytes, WelcomeInfo)| {
                self.unreached.contains(&info.epoch) && !self.news.contains(&info.epoch)
            };
            let victim = self.waiting.iter().position(looked_at).unwrap_or(0);
            self.waiting.remove(victim);
            all = false;
            if self.waiting.is_empty() {
                break;
            }
        }
        self.forget();
        all
    }

    fn bytes(&self) -> usize {
        self.waiting.iter().map(|(welcome, _)| welcome.len()).sum()
    }

    /// Takes the Welcomes of an epoch.
    pub(crate) fn take(&mut self, epoch: u64) -> Vec<(Bytes, WelcomeInfo)> {
        let waiting = std::mem::take(&mut self.waiting);
        let (these, others) = waiting.into_iter().partition(|(_, info)| info.epoch == epoch);
        self.waiting = others;
        self.verified = 0;
        self.forget();
        these
    }

    /// Notes that the counter has not reached an epoch.
    pub(crate) fn is_unreached(&mut self, epoch: u64) {
        self.unreached.insert(epoch);
        self.verified = 0;
    }

    /// Looks at an epoch soon, and not only at the next try, if a Welcome came since the counter had not reached it: a
    /// committer sends its Welcomes once the slot is filled. Not at once: anybody can make as many as it likes.
    pub(crate) fn look_soon<E: Engine>(&self, cx: &mut Context<E>, epoch: u64) {
        if self.unreached.contains(&epoch) && self.news.contains(&epoch) {
            let turn = cx.config.timers.turn;
            let wait = turn + cx.jitter.up_to(turn);
            cx.bring_forward(Timer::Hint, wait);
        }
    }

    fn forget(&mut self) {
        let waiting = &self.waiting;
        let waits = |epoch: &u64| waiting.iter().any(|(_, info)| info.epoch == *epoch);
        self.unreached.retain(waits);
        self.news.retain(waits);
    }

    /// Asks which commits won the slots of those that wait, and with `again` of those that the counter had not
    /// reached. Asking for a used value changes nothing.
    pub(crate) fn ask<E: Engine>(&mut self, cx: &mut Context<E>, again: bool) {
        let mut asked = cx.requests.confirming();
        // What nobody has asked about first: others may be made up, and as many as anybody likes.
        for unreached in [false, true] {
            let newest = self.waiting.iter().rev().map(|(_, info)| info.epoch);
            for epoch in newest.filter(|epoch| self.unreached.contains(epoch) == unreached) {
                if asked.len() >= MOST_ASKED || (unreached && !again) {
                    return;
                }
                ask_about(cx, &mut self.news, &mut asked, epoch);
            }
        }
    }

    /// Asks about the epochs that are worth another look, the first to come first. One place is theirs alone: who makes up
    /// Welcomes to ever new epochs cannot keep it taken.
    pub(crate) fn look_again<E: Engine>(&mut self, cx: &mut Context<E>) {
        let mut asked = cx.requests.confirming();
        for epoch in self.news.clone().into_iter().filter(|epoch| self.unreached.contains(epoch)) {
            if asked.len() > MOST_ASKED {
                return self.look_soon(cx, epoch);
            }
            ask_about(cx, &mut self.news, &mut asked, epoch);
        }
    }
}

/// Asks about an epoch, unless that is under way.
fn ask_about<E: Engine>(cx: &mut Context<E>, news: &mut Vec<u64>, asked: &mut BTreeSet<u64>, epoch: u64) {
    if asked.insert(epoch) {
        news.retain(|other| *other != epoch);
        cx.ask_lock(LockPurpose::ConfirmWelcome(epoch));
    }
}
