//! What happened in a simulated world, line by line, so that two runs can be compared byte by byte.

use std::fmt;

use super::symbolic::mix64;
use crate::time::Timestamp;

/// One line: when, who, what. No secrets: payloads show as their lengths.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Virtual time.
    pub at: Timestamp,
    /// The participant's number in the network.
    pub who: usize,
    /// The epoch it was in, if it was a member.
    pub epoch: Option<u64>,
    /// What it did or learned.
    pub what: What,
    /// Bytes that went out with it.
    pub bytes: usize,
}

/// What a line tells of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum What {
    /// A request of the embedder.
    Command(String),
    /// Something published: the kind of track, MOQT group and object.
    Published(String),
    /// A request to the counter service.
    Asked(String),
    /// News for the embedder.
    Notice(String),
    /// Killed or started again.
    Process(String),
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, text) = match &self.what {
            What::Command(text) => ('>', text),
            What::Published(text) => ('^', text),
            What::Asked(text) => ('?', text),
            What::Notice(text) => ('!', text),
            What::Process(text) => ('#', text),
        };
        write!(f, "{} p{} ", self.at, self.who)?;
        match self.epoch {
            Some(epoch) => write!(f, "e{epoch} ")?,
            None => f.write_str("- ")?,
        }
        write!(f, "{sign} {text}")?;
        if self.bytes > 0 {
            write!(f, " [{} B]", self.bytes)?;
        }
        Ok(())
    }
}

/// All lines so far, and a running digest of everything that was delivered between them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Log {
    entries: Vec<Entry>,
    delivered: u64,
}

impl Log {
    /// Adds a line.
    pub fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// Takes bytes that were delivered at `at` to `who` into the digest. No line tells of them.
    pub fn delivered(&mut self, at: Timestamp, who: usize, bytes: &[u8]) {
        let when = [self.delivered, at.as_millis(), who as u64].map(u64::to_be_bytes);
        self.delivered = mix64("delivered", &[when.as_flattened(), bytes]);
    }

    /// The lines.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// One line of text for each.
    pub fn to_text(&self) -> String {
        self.entries.iter().map(|entry| format!("{entry}\n")).collect()
    }

    /// Equal for two runs in which every line and every delivered byte was the same, at the same times.
    pub fn digest(&self) -> u64 {
        mix64("log", &[self.to_text().as_bytes(), &self.delivered.to_be_bytes()])
    }
}
