//! Bytes that must not show up in a log or outlive their use.

use std::fmt;
use std::hash::{Hash, Hasher};

use bytes::Bytes;
use zeroize::Zeroizing;

/// Secret bytes: redacted in `Debug`, overwritten when dropped.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, for the one who needs them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Shares the bytes without a copy; they are overwritten when the last who holds them is dropped.
    pub(crate) fn into_shared(self) -> Bytes {
        Bytes::from_owner(self.0)
    }

    /// Number of bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Hash for Secret {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}
