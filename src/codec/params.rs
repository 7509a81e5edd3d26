//! The group's parameters as the content of a GroupContext extension (an extension of this crate).
//!
//! `version (1) | mode (1) | commit tracks (1) | tree objects (1) | key hash present (1) [| 32 bytes] [| epoch base (8)]`
//!
//! Version 2 has the epoch base, which is not 0; version 1 has none.

use crate::config::SafetyMode;
use crate::engine::ContextParams;
use crate::tracks::CommitTrackPolicy;

const VERSION: u8 = 1;
/// With an epoch base.
const VERSION_WITH_BASE: u8 = 2;

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

/// The extension's content: 5 to 45 bytes.
pub fn encode(params: &ContextParams) -> Vec<u8> {
    let (mode, tracks) = (mode_byte(params.mode), policy_byte(params.commit_tracks));
    let hash = params.service_key_hash;
    let version = if params.epoch_base == 0 { VERSION } else { VERSION_WITH_BASE };
    let mut out = vec![version, mode, tracks, u8::from(params.tree_objects), u8::from(hash.is_some())];
    out.extend(hash.iter().flatten());
    if params.epoch_base > 0 {
        out.extend(params.epoch_base.to_be_bytes());
    }
    out
}

/// Reads the extension's content.
///
/// # Errors
/// [`ParamsError`] names the field: an unknown version or value, or a wrong length.
pub fn decode(content: &[u8]) -> Result<ContextParams, ParamsError> {
    let (head, hash) = content.split_first_chunk::<5>().ok_or(ParamsError("length"))?;
    let [version, mode, tracks, trees, hashed] = *head;
    let (hash, epoch_base) = match version {
        VERSION => (hash, 0),
        VERSION_WITH_BASE => {
            let (hash, base) = hash.split_last_chunk::<8>().ok_or(ParamsError("length"))?;
            let base = u64::from_be_bytes(*base);
            if base == 0 {
                return Err(ParamsError("epoch base"));
            }
            (hash, base)
        }
        _ => return Err(ParamsError("version")),
    };
    let flag = |byte, name| match byte {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(ParamsError(name)),
    };
    Ok(ContextParams {
        mode: mode_of(mode).ok_or(ParamsError("mode"))?,
        commit_tracks: policy_of(tracks).ok_or(ParamsError("commit tracks"))?,
        tree_objects: flag(trees, "tree objects")?,
        service_key_hash: match (flag(hashed, "key hash")?, hash) {
            (false, []) => None,
            (true, hash) => Some(hash.try_into().map_err(|_| ParamsError("key hash"))?),
            (false, _) => return Err(ParamsError("length")),
        },
        epoch_base,
    })
}
