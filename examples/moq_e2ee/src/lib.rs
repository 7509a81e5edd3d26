//! The credential of the `moq-e2ee` crate (profile `moq-e2ee-00`) from an MLS epoch.
//!
//! That crate leaves to the application how a [`Credential`] reaches everyone in the broadcast. Here nobody
//! distributes any: every member makes the same one from the epoch it is in, and who is out cannot.
//!
//! | field | from |
//! | --- | --- |
//! | `context` | the broadcast's full track name, serialized: its namespace, and the semantic name |
//! | `kid` | the epoch, which is the key id of every key made from it |
//! | `secret` | `track_base_key` of that name in that epoch, 32 bytes |
//!
//! The crate refuses a `kid` over 2^53 - 1. Its `secret` is 32 bytes, which is Nh of the MLS cipher suites over
//! SHA-256; of a longer base key the profile has no use, so that such a group is refused, not cut short.

use anyhow::{Context, Result};
use moq_e2ee::{Credential, SECRET_LEN, credential};
use moq_mls::keys::EpochSecret;
use moq_mls::tracks::FullTrackName;

/// The credential that all members of the epoch share for a broadcast.
///
/// # Errors
/// A key of another length than the profile's, or a `kid` over 2^53 - 1.
pub fn credential(epoch: &EpochSecret, broadcast: &FullTrackName) -> Result<Credential> {
    let base = epoch.track_base_key(broadcast)?;
    let secret: [u8; SECRET_LEN] =
        base.key.as_bytes().try_into().context("the group's hash is not 32 bytes long")?;
    let context = broadcast.to_serialized();
    Ok(Credential::new(credential::Config { context, kid: base.key_id, secret })?)
}
