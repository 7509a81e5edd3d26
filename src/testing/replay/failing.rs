//! The errors of an engine, out of a log.

use serde_json::Value;

use super::reading::flag;
use crate::engine::{EngineError, Rejection};

/// What is written of a question that had no answer.
pub(super) struct Failed {
    kind: Kind,
    detail: String,
    /// A failure of the engine although its name is one of a rejection, too.
    ours: bool,
}

enum Kind {
    Malformed,
    Unsupported,
    Expired,
    NotForMe,
    Own,
    Stranger,
    MissingProposal,
    Forbidden,
    Invalid,
    Provider,
}

impl Failed {
    /// Returns what it was as a failure of an own state.
    pub(super) fn failure(self) -> EngineError {
        match self.kind {
            Kind::Malformed => EngineError::State,
            // This leaks a few bytes per line of a log, in a tool that ends with it.
            Kind::Unsupported => EngineError::Unsupported(self.detail.leak()),
            _ => EngineError::Provider(self.detail.into()),
        }
    }

    /// What it was of something that a peer made; an error is a failure all the same.
    pub(super) fn rejection(self) -> Result<Rejection, EngineError> {
        if self.ours {
            return Err(self.failure());
        }
        Ok(match self.kind {
            Kind::Malformed => Rejection::Malformed,
            Kind::Unsupported => Rejection::Unsupported(self.detail.leak()),
            Kind::Expired => Rejection::Expired,
            Kind::NotForMe => Rejection::NotForMe,
            Kind::Own => Rejection::Own,
            Kind::Stranger => Rejection::Stranger,
            Kind::MissingProposal => Rejection::MissingProposal,
            Kind::Forbidden => Rejection::Forbidden(self.detail.leak()),
            Kind::Invalid => Rejection::Invalid(self.detail.into()),
            Kind::Provider => return Err(self.failure()),
        })
    }
}

/// Reads what is written of a question that had no answer; `None` if it had one.
pub(super) fn failed(answer: &Value) -> Result<Option<Failed>, String> {
    let Some(kind) = answer.get("failed") else { return Ok(None) };
    let detail = answer.get("detail").and_then(Value::as_str).unwrap_or_default().to_owned();
    let ours = answer.get("ours").is_some() && flag(answer, "ours")?;
    let kind = match kind.as_str() {
        Some("malformed") => Kind::Malformed,
        Some("unsupported") => Kind::Unsupported,
        Some("expired") => Kind::Expired,
        Some("not_for_me") => Kind::NotForMe,
        Some("own") => Kind::Own,
        Some("stranger") => Kind::Stranger,
        Some("missing_proposal") => Kind::MissingProposal,
        Some("forbidden") => Kind::Forbidden,
        Some("invalid") => Kind::Invalid,
        Some("provider") => Kind::Provider,
        _ => return Err(format!("unknown failure {kind}")),
    };
    Ok(Some(Failed { kind, detail, ours }))
}
