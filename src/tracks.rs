//! Names: the group, its namespaces and tracks, and where in them each object lies (draft section 6).
//!
//! Namespaces are tuples of fields here. The draft joins the fields with "|", its sign for plain
//! concatenation; that flat form exists only at the codec ([`TrackNamespace::to_flat`]).

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
/// The shared ratchet-tree track.
const TREE: &str = "tree";

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
#[non_exhaustive]
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

    /// The bytes.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// The name of a later generation of this group, `name~n`, for when nobody is left who could
    /// admit a newcomer (ours, `design.md` row 20).
    ///
    /// # Errors
    /// [`NameError::TooLong`].
    pub fn generation(&self, n: u64) -> Result<Self, NameError> {
        let mut name = self.0.to_vec();
        name.extend_from_slice(format!("~{n}").as_bytes());
        Self::new(name)
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
pub struct SenderId(Bytes);

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
pub struct TrackNamespace(Vec<Bytes>);

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

/// Where an object lies in its track: MOQT group and object id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Location {
    /// MOQT group id.
    pub group: u64,
    /// MOQT object id within the group.
    pub object: u64,
}

/// Who publishes commits where (`design.md` row 11).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CommitTrackPolicy {
    /// The draft's one shared track: namespace `(group)`, track `commits` (draft section 6.3.2).
    #[default]
    Shared,
    /// One track per sender, ours: namespace `(group, commits)`, track SenderId. For relays that
    /// accept one publisher per track, as published MoQT relays do.
    PerSender,
}

impl CommitTrackPolicy {
    /// Both policies, the default first.
    pub const ALL: [Self; 2] = [Self::Shared, Self::PerSender];

    /// The policy's name, as logs and test vectors have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::PerSender => "per_sender",
        }
    }

    /// The policy of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.name() == name)
    }
}

/// An MoQT object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Object {
    /// Its track.
    pub track: FullTrackName,
    /// Its place in the track.
    pub location: Location,
    /// Its payload.
    pub payload: Bytes,
}

/// What a track of a group is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TrackKind {
    /// KeyPackages and leave requests of one sender.
    KeyPackage(SenderId),
    /// Welcomes to one recipient.
    Welcome(SenderId),
    /// Commits: of everyone (`None`, shared policy) or of one sender.
    Commit(Option<SenderId>),
    /// Ratchet trees: of everyone (`None`, shared policy) or of one sender.
    Tree(Option<SenderId>),
}

/// The namespaces and tracks of one group (draft sections 6.1, 6.3.1 and 6.3.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GroupTracks {
    name: GroupName,
    policy: CommitTrackPolicy,
}

impl GroupTracks {
    /// The tracks of `name` under `policy`.
    pub fn new(name: GroupName, policy: CommitTrackPolicy) -> Self {
        Self { name, policy }
    }

    /// The group's name.
    pub fn group(&self) -> &GroupName {
        &self.name
    }

    /// The commit-track policy.
    pub fn policy(&self) -> CommitTrackPolicy {
        self.policy
    }

    fn namespace(&self, field: Option<&'static str>) -> TrackNamespace {
        let mut fields = vec![self.name.as_bytes().clone()];
        fields.extend(field.map(|f| Bytes::from_static(f.as_bytes())));
        TrackNamespace(fields)
    }

    /// KeyPackage Namespace `:= <mls-group-name> | "keypackages"`.
    pub fn key_package_namespace(&self) -> TrackNamespace {
        self.namespace(Some(KEY_PACKAGES))
    }

    /// Welcome Namespace `:= <mls-group-name> | "welcome"`.
    pub fn welcome_namespace(&self) -> TrackNamespace {
        self.namespace(Some(WELCOME))
    }

    /// The namespace of the commit tracks: `<mls-group-name>` alone, or with "commits" per sender.
    pub fn commit_namespace(&self) -> TrackNamespace {
        match self.policy {
            CommitTrackPolicy::Shared => self.namespace(None),
            CommitTrackPolicy::PerSender => self.namespace(Some(COMMITS)),
        }
    }

    /// The namespace of the ratchet-tree tracks (ours).
    pub fn tree_namespace(&self) -> TrackNamespace {
        self.namespace(Some(TREES))
    }

    /// A sender's KeyPackage Track.
    pub fn key_package(&self, sender: &SenderId) -> FullTrackName {
        FullTrackName { namespace: self.key_package_namespace(), name: sender.0.clone() }
    }

    /// A recipient's Welcome Track.
    pub fn welcome(&self, recipient: &SenderId) -> FullTrackName {
        FullTrackName { namespace: self.welcome_namespace(), name: recipient.0.clone() }
    }

    /// The Commit Track that `sender` publishes on.
    pub fn commit(&self, sender: &SenderId) -> FullTrackName {
        let name = match self.policy {
            CommitTrackPolicy::Shared => Bytes::from_static(COMMITS.as_bytes()),
            CommitTrackPolicy::PerSender => sender.0.clone(),
        };
        FullTrackName { namespace: self.commit_namespace(), name }
    }

    /// The ratchet-tree track that `sender` publishes on (ours, `design.md` section 7).
    pub fn tree(&self, sender: &SenderId) -> FullTrackName {
        let name = match self.policy {
            CommitTrackPolicy::Shared => Bytes::from_static(TREE.as_bytes()),
            CommitTrackPolicy::PerSender => sender.0.clone(),
        };
        FullTrackName { namespace: self.tree_namespace(), name }
    }

    /// What `track` is in this group; `None` if it is not one of ours.
    pub fn classify(&self, track: &FullTrackName) -> Option<TrackKind> {
        let sender = || SenderId::new(track.name.clone()).ok();
        let fields = track.namespace.fields();
        let (group, rest) = fields.split_first()?;
        if group != self.name.as_bytes() {
            return None;
        }
        match (rest, self.policy) {
            ([], CommitTrackPolicy::Shared) if &track.name[..] == COMMITS.as_bytes() => {
                Some(TrackKind::Commit(None))
            }
            ([f], _) if &f[..] == KEY_PACKAGES.as_bytes() => sender().map(TrackKind::KeyPackage),
            ([f], _) if &f[..] == WELCOME.as_bytes() => sender().map(TrackKind::Welcome),
            ([f], CommitTrackPolicy::PerSender) if &f[..] == COMMITS.as_bytes() => {
                sender().map(|s| TrackKind::Commit(Some(s)))
            }
            ([f], CommitTrackPolicy::PerSender) if &f[..] == TREES.as_bytes() => {
                sender().map(|s| TrackKind::Tree(Some(s)))
            }
            ([f], CommitTrackPolicy::Shared)
                if &f[..] == TREES.as_bytes() && &track.name[..] == TREE.as_bytes() =>
            {
                Some(TrackKind::Tree(None))
            }
            _ => None,
        }
    }
}

/// The MOQT group that all objects of a KeyPackage track lie in: there is one (draft section 6.1).
pub const KEY_PACKAGE_GROUP: u64 = 0;
/// The object id of a Welcome in its MOQT group, which is the epoch it admits to (draft section 6.3.1).
pub const WELCOME_OBJECT: u64 = 0;
/// The object id of a ratchet tree in its MOQT group, which is the epoch it belongs to (ours).
pub const TREE_OBJECT: u64 = 0;
/// The object id of a Commit in its MOQT group, which is the epoch it is sent in (draft section 6.3.2).
pub const COMMIT_OBJECT: u64 = 0;

/// Where a commit goes on the shared track when object 0 holds something else: `2 x (1 + leaf)`.
/// Odd ids hold the receipt of the commit before them.
///
/// `None` when the id would pass 2^62 - 1, the largest MOQT varint.
pub fn commit_fallback_object(leaf: u32) -> Option<u64> {
    u64::from(leaf).checked_add(1)?.checked_mul(2)
}
