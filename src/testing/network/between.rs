//! Who sits between the participants and the counter service, and changes its answers.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::counter::http::{
    HttpResponse, decode_commit_reply, decode_increment_reply, decode_lock_reply, encode_commit_reply,
    encode_increment_reply, encode_lock_reply,
};
use crate::counter::{CommitReply, CounterState, IncrementReply, LockReply, Pin, Reason};
use crate::testing::sha256;

/// Answers that are remembered, to be given once more.
const REMEMBERED: usize = 16;

/// What it has heard.
#[derive(Default)]
pub(super) struct Between {
    answers: VecDeque<HttpResponse>,
    forged: u64,
}

impl Between {
    pub(super) fn push(&mut self, answer: &HttpResponse) {
        if self.answers.len() >= REMEMBERED {
            self.answers.pop_front();
        }
        self.answers.push_back(answer.clone());
    }

    /// Another answer in place of `answer`; `below` draws a number below its argument.
    pub(super) fn forge(&mut self, answer: &HttpResponse, mut below: impl FnMut(u16) -> u16) -> HttpResponse {
        self.forged = self.forged.saturating_add(1);
        let part = |n: u8| {
            let mut of = self.forged.to_be_bytes().to_vec();
            of.push(n);
            sha256(&of)
        };
        let made_up = Pin::new(part(0), part(1), part(2));
        let receipt = Bytes::copy_from_slice(&[part(3), part(4)].concat());
        let change = |state: CounterState, how: u16| -> CounterState {
            match how {
                0 => CounterState { pin: Some(made_up), ..state },
                1 => CounterState { pin: Some(made_up), receipt: Some(receipt.clone()), ..state },
                2 => CounterState { receipt: None, ..state },
                3 => CounterState { current: 0, pin: None, receipt: None, ..state },
                4 => CounterState { current: state.current.saturating_add(1), ..state },
                5 => CounterState {
                    current: state.current.saturating_add(2000),
                    pin: None,
                    receipt: None,
                    pin_forgotten: true,
                },
                6 => CounterState { pin: None, receipt: None, ..state },
                _ => CounterState { current: state.current.saturating_sub(1), ..state },
            }
        };
        let how = below(8);
        let state = CounterState { current: 1, pin: None, receipt: None, pin_forgotten: false };
        match below(6) {
            // One of another slot, or of another question.
            0 => {
                let at = usize::from(below(REMEMBERED as u16));
                self.answers.get(at).unwrap_or(answer).clone()
            }
            1 => encode_lock_reply(&LockReply::Error(Reason::Forbidden)),
            2 => encode_increment_reply(&IncrementReply::WrongKey(change(state, how))),
            _ => {
                if let Ok(CommitReply::Found { state, commit }) = decode_commit_reply(answer) {
                    return encode_commit_reply(&CommitReply::Found { state: change(state, how), commit });
                }
                match (decode_increment_reply(answer), decode_lock_reply(answer)) {
                    (Ok(IncrementReply::Ok(state)), _) if state.current > 0 => {
                        encode_increment_reply(&IncrementReply::Ok(change(state, how)))
                    }
                    (_, Ok(LockReply::CounterError(state))) => {
                        encode_lock_reply(&LockReply::CounterError(change(state, how)))
                    }
                    // A lock that is none, a slot that was not filled.
                    _ => encode_increment_reply(&IncrementReply::Ok(change(state, how))),
                }
            }
        }
    }
}
