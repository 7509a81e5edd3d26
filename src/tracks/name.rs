//! The names themselves, and what makes one.

use std::fmt;

use bytes::Bytes;

/// The field, and flat suffix, of the KeyPackage namespace (draft section 6.1).
pub const KEY_PACKAGES: &str = "keypackages";
/// The field, and flat suffix, of the Welcome namespace (draft section 6.3.1).
pub const WELCOME: &str = "welcome";
/// The shared Commit track's name (draft section 6.3.2), and the field of per-sender commit tracks (ours).
pub const COMMITS: &str = "commits";
/// The field of the ratchet-tree namespace (ours).
pub const TREES: &str = "trees";

/// What stands between a group's root name and the number of its generation.
const GENERATION_MARK: u8 = b'~';
/// What stands between a group's root name and the hash in the name of a successor. A decimal number never begins so.
const SUCCESSOR_MARK: &str = "~s";

/// Longest group name, bytes.
pub const MAX_GROUP_NAME: usize = 255;
/// Longest [`SenderId`], bytes.
pub const MAX_SENDER_ID: usize = 64;
/// Most fields in a namespace (MoQT).
pub const MAX_NAMESPACE_FIELDS: usize = 32;
/// Longest full track name: all namespace fields and the track name together, bytes (MoQT).
pub const MAX_FULL_TRACK_NAME: usize = 4096;

/// Why a name is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
pub enum NameError {
    /// Zero bytes where a name is needed.
    #[error("a name must not be empty")]
    Empty,
    /// Longer than the limit.
    #[error("a name of {len} bytes is over the limit of {max}")]
    TooLong {
        /// Bytes found.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// The flat form of this group's namespaces would equal another group's.
    #[error(
        "a group name must not end in \"{suffix}\": its commits would land in another group's {suffix} namespace"
    )]
    Collides {
        /// The reserved ending.
        suffix: &'static str,
    },
    /// A name that the embedder chose has the mark of names that this crate makes.
    #[error("a chosen group name must not contain \"~\": it is reserved for names that this crate makes")]
    Reserved,
    /// `.` and `..` cannot stand in the counter service's path.
    #[error("a group name must not be \".\" or \"..\": the counter's URL path cannot carry it")]
    Dots,
    /// A namespace with more fields than MoQT allows, or none.
    #[error("a namespace has 1 to 32 fields, not {0}")]
    Fields(usize),
}

/// The MLS group name: the same bytes are the MLS `group_id` and the counter's id.
///
/// 1 to 255 bytes. The draft concatenates it with "keypackages" and "welcome", so a name with such
/// an ending would make two groups share a namespace; it is refused ([`NameError::Collides`]).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupName(Bytes);

impl GroupName {
    /// Checks and takes a name.
    ///
    /// # Errors
    /// [`NameError::Empty`], [`NameError::TooLong`], [`NameError::Dots`] or [`NameError::Collides`].
    pub fn new(name: impl Into<Bytes>) -> Result<Self, NameError> {
        let name = name.into();
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if name.len() > MAX_GROUP_NAME {
            return Err(NameError::TooLong { len: name.len(), max: MAX_GROUP_NAME });
        }
        if &name[..] == b"." || &name[..] == b".." {
            return Err(NameError::Dots);
        }
        for suffix in [KEY_PACKAGES, WELCOME, COMMITS, TREES] {
            if name.ends_with(suffix.as_bytes()) {
                return Err(NameError::Collides { suffix });
            }
        }
        Ok(Self(name))
    }

    /// Takes a name that people choose. `~` is reserved for names that this crate makes
    /// ([`generation`](Self::generation)).
    ///
    /// # Errors
    /// As [`GroupName::new`], and [`NameError::Reserved`] for a name with `~`.
    pub fn chosen(name: impl Into<Bytes>) -> Result<Self, NameError> {
        let name = Self::new(name)?;
        if name.0.contains(&GENERATION_MARK) { Err(NameError::Reserved) } else { Ok(name) }
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// The bytes up to the first `~`: what all generations of a group have in common (ours).
    pub fn root(&self) -> Bytes {
        let end = self.0.iter().position(|byte| *byte == GENERATION_MARK);
        self.0.slice(..end.unwrap_or(self.0.len()))
    }

    /// The name of a later generation of this group, `name~n`, for when nobody is left who could
    /// admit a newcomer (ours).
    ///
    /// # Errors
    /// [`NameError::TooLong`].
    pub fn generation(&self, n: u64) -> Result<Self, NameError> {
        let mut name = self.0.to_vec();
        name.extend_from_slice(format!("~{n}").as_bytes());
        Self::new(name)
    }

    /// Returns the name of a successor of this group, `root~s` and 32 hexadecimal digits (ours). It certifies itself: the
    /// counter service lets slot 0 of it be filled only with a key whose SHA-256 begins with these 16 bytes.
    ///
    /// # Errors
    /// [`NameError::TooLong`].
    pub fn successor(&self, key_hash: [u8; 16]) -> Result<Self, NameError> {
        let mut name = self.root().to_vec();
        name.extend_from_slice(SUCCESSOR_MARK.as_bytes());
        name.extend_from_slice(hex::encode(key_hash).as_bytes());
        Self::new(name)
    }

    /// Returns the 16 bytes that the key of slot 0 must hash to; `None` unless this is the name of a successor.
    pub fn founding_hash(&self) -> Option<[u8; 16]> {
        let digits = self.0.slice(self.root().len()..);
        let digits = digits.strip_prefix(SUCCESSOR_MARK.as_bytes())?;
        let mut hash = [0; 16];
        hex::decode_to_slice(digits, &mut hash).ok()?;
        // One spelling: no two names for one key.
        let lower = digits.iter().all(|digit| !digit.is_ascii_uppercase());
        lower.then_some(hash)
    }
}

impl fmt::Debug for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GroupName({self})")
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl TryFrom<&str> for GroupName {
    type Error = NameError;
    fn try_from(name: &str) -> Result<Self, NameError> {
        Self::new(Bytes::copy_from_slice(name.as_bytes()))
    }
}

/// Who publishes a KeyPackage track, and who reads a Welcome track: the draft's SenderId and RecipientId.
///
/// The certificate fingerprint the draft recommends: lower-case hex of the SHA-256 of the MLS
/// signature public key. 1 to 64 bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SenderId(pub(super) Bytes);

impl SenderId {
    /// Takes an id as found in a track name.
    ///
    /// # Errors
    /// [`NameError::Empty`] or [`NameError::TooLong`].
    pub fn new(id: impl Into<Bytes>) -> Result<Self, NameError> {
        let id = id.into();
        match id.len() {
            0 => Err(NameError::Empty),
            len if len > MAX_SENDER_ID => Err(NameError::TooLong { len, max: MAX_SENDER_ID }),
            _ => Ok(Self(id)),
        }
    }

    /// The id for the SHA-256 of a signature public key.
    pub fn from_fingerprint(sha256: [u8; 32]) -> Self {
        let mut digits = vec![0; 2 * sha256.len()];
        // Just as long as it must be: it cannot fail. (`hex::encode` goes by the character.)
        let _ = hex::encode_to_slice(sha256, &mut digits);
        Self(digits.into())
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }
}

impl fmt::Debug for SenderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SenderId({self})")
    }
}

impl fmt::Display for SenderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

/// A track namespace as a tuple of 1 to 32 non-empty fields (MoQT since draft-06).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackNamespace(pub(super) Vec<Bytes>);

impl TrackNamespace {
    /// Checks and takes the fields.
    ///
    /// # Errors
    /// [`NameError::Fields`], [`NameError::Empty`] or [`NameError::TooLong`].
    pub fn new(fields: Vec<Bytes>) -> Result<Self, NameError> {
        if fields.is_empty() || fields.len() > MAX_NAMESPACE_FIELDS {
            return Err(NameError::Fields(fields.len()));
        }
        if fields.iter().any(|f| f.is_empty()) {
            return Err(NameError::Empty);
        }
        let len = fields.iter().map(Bytes::len).sum();
        if len > MAX_FULL_TRACK_NAME {
            return Err(NameError::TooLong { len, max: MAX_FULL_TRACK_NAME });
        }
        Ok(Self(fields))
    }

    /// The fields.
    pub fn fields(&self) -> &[Bytes] {
        &self.0
    }

    /// The draft's flat form: the fields concatenated with nothing between them (draft section 2).
    pub fn to_flat(&self) -> Bytes {
        match self.0.as_slice() {
            [one] => one.clone(),
            many => many.concat().into(),
        }
    }

    /// True if `self` starts with all fields of `prefix`: how a tuple namespace matches.
    pub fn starts_with(&self, prefix: &TrackNamespace) -> bool {
        self.0.starts_with(&prefix.0)
    }
}

impl fmt::Display for TrackNamespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, field) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("|")?;
            }
            write!(f, "{}", field.escape_ascii())?;
        }
        Ok(())
    }
}

impl fmt::Debug for TrackNamespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrackNamespace({self})")
    }
}

/// A full track name: namespace and track name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FullTrackName {
    /// The namespace.
    pub namespace: TrackNamespace,
    /// The track's name within it.
    pub name: Bytes,
}

impl fmt::Display for FullTrackName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name.escape_ascii())
    }
}

impl fmt::Debug for FullTrackName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FullTrackName({self})")
    }
}
