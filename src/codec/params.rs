//! The group's parameters as the content of a GroupContext extension (an extension of this crate).
//!
//! `version (1) | mode (1) | commit tracks (1) | tree objects (1) | key hash present (1) [| 32 bytes]`

use crate::config::SafetyMode;
use crate::engine::GroupParams;
use crate::tracks::CommitTrackPolicy;

const VERSION: u8 = 1;

/// Parameters that this crate cannot read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("group parameters: bad {0}")]
pub struct ParamsError(&'static str);

/// The mode's byte, here and in a snapshot.
pub(crate) fn mode_byte(mode: SafetyMode) -> u8 {
    match mode {
        SafetyMode::Advisory => 0,
        SafetyMode::Pinned => 1,
        SafetyMode::Fenced => 2,
    }
}

fn mode_of(byte: u8) -> Option<SafetyMode> {
    SafetyMode::ALL.into_iter().find(|mode| mode_byte(*mode) == byte)
}

/// The policy's byte, here and in a snapshot.
pub(crate) fn policy_byte(policy: CommitTrackPolicy) -> u8 {
    match policy {
        CommitTrackPolicy::Shared => 0,
        CommitTrackPolicy::PerSender => 1,
    }
}

fn policy_of(byte: u8) -> Option<CommitTrackPolicy> {
    CommitTrackPolicy::ALL.into_iter().find(|policy| policy_byte(*policy) == byte)
}

/// The extension's content: 5 or 37 bytes.
pub fn encode(params: &GroupParams) -> Vec<u8> {
    let (mode, tracks) = (mode_byte(params.mode), policy_byte(params.commit_tracks));
    let hash = params.service_key_hash;
    let mut out = vec![VERSION, mode, tracks, u8::from(params.tree_objects), u8::from(hash.is_some())];
    out.extend(hash.iter().flatten());
    out
}

/// Reads the extension's content.
///
/// # Errors
/// [`ParamsError`] names the field: an unknown version or value, or a wrong length.
pub fn decode(content: &[u8]) -> Result<GroupParams, ParamsError> {
    let (head, hash) = content.split_first_chunk::<5>().ok_or(ParamsError("length"))?;
    let [version, mode, tracks, trees, hashed] = *head;
    if version != VERSION {
        return Err(ParamsError("version"));
    }
    let flag = |byte, name| match byte {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(ParamsError(name)),
    };
    Ok(GroupParams {
        mode: mode_of(mode).ok_or(ParamsError("mode"))?,
        commit_tracks: policy_of(tracks).ok_or(ParamsError("commit tracks"))?,
        tree_objects: flag(trees, "tree objects")?,
        service_key_hash: match (flag(hashed, "key hash")?, hash) {
            (false, []) => None,
            (true, hash) => Some(hash.try_into().map_err(|_| ParamsError("key hash"))?),
            (false, _) => return Err(ParamsError("length")),
        },
    })
}
