//! What the members of a group agreed on when it was created, out of its GroupContext.

use mls_rs::ExtensionList;
use mls_rs::extension::ExtensionType;

use crate::codec::params;
use crate::config::SafetyMode;
use crate::engine::{ContextParams, Rejection};

/// The GroupContext extension with the [`ContextParams`] (ours; private use).
pub const PARAMS_EXTENSION: u16 = 0xF0A1;

pub(super) fn group_params(extensions: &ExtensionList) -> Result<Option<ContextParams>, Rejection> {
    let found = extensions.get(ExtensionType::new(PARAMS_EXTENSION));
    found.map(|e| params::decode(&e.extension_data)).transpose().map_err(|e| Rejection::Invalid(Box::new(e)))
}

/// Whether a group with these extensions takes all that RFC 9420 allows members and the draft does not forbid: one of
/// [`SafetyMode::Advisory`].
pub(super) fn takes_plain_mls(extensions: &ExtensionList) -> bool {
    let params = group_params(extensions);
    params.is_ok_and(|params| params.is_none_or(|params| params.mode == SafetyMode::Advisory))
}
