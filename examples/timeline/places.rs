//! Where an object is, and what is in it.

use serde_json::Value;

use super::fields::{decoded, integer, text};

/// What is in an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Content {
    KeyPackage,
    Proposal,
    Commit,
    Receipt,
    Welcome,
    Tree,
    Other,
}

impl Content {
    /// All of them, in the order of the legend.
    pub(super) const ALL: [Self; 7] = [
        Self::Commit,
        Self::Receipt,
        Self::Welcome,
        Self::KeyPackage,
        Self::Proposal,
        Self::Tree,
        Self::Other,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::KeyPackage => "KeyPackage",
            Self::Proposal => "leave request",
            Self::Commit => "Commit",
            Self::Receipt => "receipt or signed state",
            Self::Welcome => "Welcome",
            Self::Tree => "ratchet tree",
            Self::Other => "other object",
        }
    }

    /// Returns its class in the page.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::KeyPackage => "o-keypackage",
            Self::Proposal => "o-proposal",
            Self::Commit => "o-commit",
            Self::Receipt => "o-receipt",
            Self::Welcome => "o-welcome",
            Self::Tree => "o-tree",
            Self::Other => "o-other",
        }
    }
}

/// Where an object is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    namespace: Vec<String>,
    track: String,
    pub(super) group: u64,
    pub(super) object: u64,
}

impl Place {
    /// Returns the place that a line names.
    pub(super) fn of(line: &Value) -> Option<Self> {
        let fields = line.get("namespace")?.as_array()?;
        Some(Self {
            namespace: fields.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            track: text(line, "track")?.to_owned(),
            group: integer(line, "group")?,
            object: integer(line, "object")?,
        })
    }

    fn field(&self) -> Option<String> {
        self.namespace.get(1).and_then(|field| decoded(field))
    }

    /// Returns who has a KeyPackage track.
    pub(super) fn owner(&self) -> Option<String> {
        (self.field().as_deref() == Some("keypackages")).then(|| decoded(&self.track)).flatten()
    }

    /// Returns what an object here is, with the payload in hexadecimal.
    pub(super) fn content(&self, payload: &str) -> Content {
        // MLSMessage begins with the version and the wire format (RFC 9420 section 6).
        match (self.field().as_deref(), payload.get(..8)) {
            (Some("keypackages"), Some("00010005")) => Content::KeyPackage,
            (Some("keypackages"), _) => Content::Proposal,
            (Some("welcome"), _) => Content::Welcome,
            (Some("trees"), _) => Content::Tree,
            (None | Some("commits"), Some(start)) if start.starts_with("0001") => Content::Commit,
            (None | Some("commits"), _) => Content::Receipt,
            _ => Content::Other,
        }
    }
}

/// Returns what is in an object, with the place of it.
pub(super) fn content(line: &Value) -> Option<(Place, Content)> {
    let place = Place::of(line)?;
    let content = place.content(text(line, "payload").unwrap_or_default());
    Some((place, content))
}
