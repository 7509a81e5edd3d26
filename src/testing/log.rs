//! What happened in a simulated world, line by line, so that two runs can be compared byte by byte.

use std::fmt;

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
    /// The embedder's wish.
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

/// All lines so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Log(Vec<Entry>);

impl Log {
    /// Adds a line.
    pub fn push(&mut self, entry: Entry) {
        self.0.push(entry);
    }

    /// The lines.
    pub fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// One line of text for each.
    pub fn to_text(&self) -> String {
        self.0.iter().map(|entry| format!("{entry}\n")).collect()
    }
}
