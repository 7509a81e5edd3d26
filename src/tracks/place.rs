//! Objects, and where in their tracks each kind of them is.

use bytes::Bytes;

use super::name::FullTrackName;

/// Where an object is in its track: MOQT group and object id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Location {
    /// MOQT group id.
    pub group_id: u64,
    /// MOQT object id within the group.
    pub object_id: u64,
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

/// The MOQT group that all objects of a KeyPackage track are in: there is one (draft section 6.1).
pub const KEY_PACKAGE_GROUP: u64 = 0;
/// The draft's object id of a Welcome in its MOQT group, which is the epoch it admits to (draft section 6.3.1).
pub const WELCOME_OBJECT: u64 = 0;
/// The draft's object id of a Commit in its MOQT group, which is the epoch it is sent in (draft section 6.3.2).
pub const COMMIT_OBJECT: u64 = 0;
