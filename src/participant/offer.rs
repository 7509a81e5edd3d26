//! A Welcome to a successor of the group that a newcomer looks for.

use bytes::Bytes;

use crate::engine::{ContextParams, Engine, WelcomeInfo};
use crate::participant::context::Context;
use crate::tracks::GroupName;

/// What waits for the embedder's decision.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Offer {
    pub(crate) group: GroupName,
    pub(crate) epoch_base: u64,
    pub(crate) payload: Bytes,
}

impl Offer {
    /// Says what successor a Welcome is to; `None` unless it is one of this group, with the same parameters.
    pub(crate) fn of<E: Engine>(cx: &Context<E>, payload: Bytes, info: &WelcomeInfo) -> Option<Self> {
        let group = GroupName::new(info.group_id.clone()).ok()?;
        let params = info.params.as_ref()?;
        let epoch_base = params.epoch_base;
        let same = ContextParams { epoch_base: 0, ..params.clone() } == cx.params;
        let is_one = group.founding_hash().is_some() && group.root() == cx.moved.home.root();
        let goes = cx.config.successor && !cx.moved.is_elsewhere();
        (is_one && same && epoch_base > 0 && goes).then_some(Self { group, epoch_base, payload })
    }
}
