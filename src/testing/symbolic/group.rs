//! The state of a group.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::codec::params;
use crate::engine::{ContextParams, Next, Rejection};
use crate::testing::symbolic::message::{Leave, State, invalid};
use crate::tracks::SenderId;

pub(super) fn group_params(state: &State) -> Result<Option<ContextParams>, Rejection> {
    let decoded = state.params.as_ref().map(|content| params::decode(content)).transpose();
    decoded.map_err(|error| Rejection::Invalid(Box::new(error)))
}

/// One member's state of one group at one epoch: what all members share, and its own leaf. A clone costs a
/// reference count.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SymbolicGroup {
    pub(super) own: u32,
    pub(super) state: Arc<State>,
}

impl SymbolicGroup {
    pub(super) fn open_leave(&self, message: &Bytes) -> Result<u32, Rejection> {
        let leave = Leave::decode(message)?;
        self.state.check(&leave.header, &leave.parent)?;
        match self.state.at(leave.leaf) {
            None => Err(invalid("not by a member")),
            Some(_) if leave.leaf == self.own => Err(Rejection::Own),
            Some(_) => Ok(leave.leaf),
        }
    }

    pub(super) fn next(own: u32, state: State) -> Next<Self> {
        Next { context_hash: state.context, group: Self { own, state: Arc::new(state) } }
    }

    /// The same, as if it had come as far as that.
    #[cfg(test)]
    pub(crate) fn at(mut self, epoch: u64) -> Self {
        std::sync::Arc::make_mut(&mut self.state).epoch = epoch;
        self
    }

    /// The epoch.
    pub fn epoch(&self) -> u64 {
        self.state.epoch
    }

    /// Stands for the whole history: equal for two groups exactly if the same was committed in both. That they
    /// have the same keys it does not say, as with MLS.
    pub fn context_hash(&self) -> &[u8; 32] {
        &self.state.context
    }

    /// Returns the own leaf.
    pub fn leaf(&self) -> u32 {
        self.own
    }

    /// The members, by leaf.
    pub fn members(&self) -> impl Iterator<Item = (u32, &SenderId)> {
        self.state.members().map(|(leaf, member)| (leaf, &member.sender))
    }
}

impl fmt::Debug for SymbolicGroup {
    /// `room@3#2 [a - b] 5f3a01c2`: name, epoch, own leaf, leaves, context.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let State { group_id, epoch, context, leaves, .. } = &*self.state;
        write!(f, "{}@{epoch}#{} [", group_id.escape_ascii(), self.own)?;
        for (i, leaf) in leaves.iter().enumerate() {
            let gap = if i > 0 { " " } else { "" };
            match leaf {
                Some(leaf) => write!(f, "{gap}{}", leaf.sender)?,
                None => write!(f, "{gap}-")?,
            }
        }
        write!(f, "] {}", hex::encode(context.first_chunk::<4>().unwrap_or(&[0; 4])))
    }
}
