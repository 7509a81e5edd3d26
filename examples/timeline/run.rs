//! Everything that is drawn.

use std::collections::BTreeMap;

use super::describing::{Names, participant};
use super::layout::Layout;
use super::log::Log;
use super::objects::{Clocks, Message};
use super::slots::{self, Increment};

/// Everything that is drawn.
pub(super) struct Run {
    pub(super) logs: Vec<Log>,
    pub(super) names: Names,
    pub(super) messages: Vec<Message>,
    pub(super) increments: Vec<Increment>,
    pub(super) clocks: Clocks,
    pub(super) layout: Layout,
}

impl Run {
    /// Returns what a lane is called.
    pub(super) fn title(&self, log: usize) -> String {
        let Some(log) = self.logs.get(log) else { return String::new() };
        log.sender
            .as_ref()
            .map_or_else(|| log.file_name().to_owned(), |sender| participant(sender, &self.names))
    }

    /// Returns the slots that were filled.
    pub(super) fn slots(&self) -> BTreeMap<u64, &Increment> {
        slots::filled(&self.logs, &self.increments)
    }
}
