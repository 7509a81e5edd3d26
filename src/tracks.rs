//! Names: the group, its namespaces and tracks, and where in them each object is (draft section 6).
//!
//! Namespaces are tuples of fields here. The draft joins the fields with "|", its sign for plain
//! concatenation; that flat form exists only at the codec ([`TrackNamespace::to_flat`]).

mod name;
mod place;

use bytes::Bytes;

pub use self::name::{
    COMMITS, FullTrackName, GroupName, KEY_PACKAGES, MAX_FULL_TRACK_NAME, MAX_GROUP_NAME,
    MAX_NAMESPACE_FIELDS, MAX_SENDER_ID, NameError, SenderId, TREES, TrackNamespace, WELCOME,
};
pub use self::place::{COMMIT_OBJECT, KEY_PACKAGE_GROUP, Location, Object, WELCOME_OBJECT};

/// The shared ratchet-tree track.
const TREE: &str = "tree";

/// Who publishes commits where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
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

/// What a track of a group is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(not(feature = "unstable-exhaustive"), non_exhaustive)]
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

    /// The ratchet-tree track that `sender` publishes on (ours).
    pub fn tree(&self, sender: &SenderId) -> FullTrackName {
        self.tree_track(self.tree_publisher(sender).as_ref())
    }

    /// Says whose the tree track is that `sender` publishes on; `None` for the shared one.
    pub fn tree_publisher(&self, sender: &SenderId) -> Option<SenderId> {
        (self.policy == CommitTrackPolicy::PerSender).then(|| sender.clone())
    }

    /// Finds the tree track of a publisher, or the shared one; `None` if this group has the other kind.
    pub fn tree_of(&self, publisher: Option<&SenderId>) -> Option<FullTrackName> {
        let fits = publisher.is_some() == (self.policy == CommitTrackPolicy::PerSender);
        fits.then(|| self.tree_track(publisher))
    }

    fn tree_track(&self, publisher: Option<&SenderId>) -> FullTrackName {
        let name = publisher.map_or(Bytes::from_static(TREE.as_bytes()), |publisher| publisher.0.clone());
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
