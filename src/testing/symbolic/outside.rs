//! What comes from others than participants: receipts of a service, and what no state can process.

use bytes::Bytes;

use crate::counter::service::ServiceCrypto;
use crate::testing::sha256;
use crate::testing::symbolic::message::{Commit, Header};
use crate::testing::symbolic::mix::mix;
use crate::testing::symbolic::wire::{Kind, Writer};
use crate::tracks::GroupName;

/// Receipts that [`SymbolicEngine`](super::SymbolicEngine) verifies, by a service with this "key".
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SymbolicReceipts(pub Bytes);

impl ServiceCrypto for SymbolicReceipts {
    fn sha256(&self, data: &[u8]) -> [u8; 32] {
        sha256(data)
    }

    fn sign(&self, message: &[u8]) -> Option<Bytes> {
        Some(Bytes::copy_from_slice(&receipt(&self.0, message)))
    }
}

pub(super) fn receipt(key: &[u8], message: &[u8]) -> [u8; 32] {
    mix("receipt", &[key, message])
}

/// Bytes that are no message of any kind.
pub fn junk(len: usize) -> Bytes {
    vec![0x5c; len].into()
}

/// A commit whose header is right and that no state can process: by a stranger.
pub fn forged_commit(group: &GroupName, epoch: u64) -> Bytes {
    let header = Header { group_id: group.as_bytes().clone(), epoch };
    let parent = mix("forged", &[]);
    let (removes, adds) = (Vec::new(), Vec::new());
    Commit { header, parent, committer: 0, nonce: (0, 0), faulty: true, removes, adds }.encode()
}

/// A message of a kind that no track is for.
pub fn other_message() -> Bytes {
    Writer::new(Kind::Other).finish()
}
