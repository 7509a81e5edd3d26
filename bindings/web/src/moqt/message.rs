//! Control messages and what streams carry, as JavaScript has them.

use bytes::Bytes;
use moq_mls_boundary::values::TrackName;

/// A parameter, option or property: even keys have numbers, odd ones bytes.
pub(crate) struct KeyValue {
    /// The key.
    pub(crate) key: u64,
    /// The value.
    pub(crate) value: PairValue,
}

/// The value of a parameter.
pub(crate) enum PairValue {
    /// Of an even key.
    Number(u64),
    /// Of an odd key.
    Bytes(Bytes),
}

/// Where a request should go instead.
pub(crate) struct Redirect {
    /// The address to connect to; empty for the same.
    pub(crate) connect_uri: Bytes,
    /// The fields of the namespace; empty for the same.
    pub(crate) namespace: Vec<Bytes>,
    /// The track's name.
    pub(crate) name: Bytes,
}

/// A control message of MoQT draft 18.
pub(crate) enum MoqtMessage {
    /// SETUP, the first on each side's control stream.
    Setup {
        /// The setup options.
        options: Vec<KeyValue>,
    },
    /// GOAWAY: the relay ends the session soon.
    GoAway {
        /// Where to go; empty for the same address.
        new_session_uri: Bytes,
        /// How long the session stays, milliseconds.
        timeout: u64,
        /// The first request that is not answered any more.
        request_id: Option<u64>,
    },
    /// REQUEST_OK.
    RequestOk {
        /// Parameters.
        parameters: Vec<KeyValue>,
        /// Properties of the track.
        track_properties: Vec<KeyValue>,
    },
    /// REQUEST_ERROR.
    RequestError {
        /// Why, as a number.
        error_code: u64,
        /// When to ask again, milliseconds and one more; 0 for never.
        retry_interval: u64,
        /// Why, in UTF-8.
        reason_phrase: Bytes,
        /// Where to go, of the error code 0x34 only.
        redirect: Option<Redirect>,
    },
    /// SUBSCRIBE to one track.
    Subscribe {
        /// The id of the request.
        request_id: u64,
        /// The track.
        track: TrackName,
        /// Parameters; none to have it from the oldest object on.
        parameters: Vec<KeyValue>,
    },
    /// SUBSCRIBE_OK.
    SubscribeOk {
        /// What its streams call the track.
        track_alias: u64,
        /// Parameters.
        parameters: Vec<KeyValue>,
        /// Properties of the track.
        track_properties: Vec<KeyValue>,
    },
    /// REQUEST_UPDATE.
    RequestUpdate {
        /// The id of the request.
        request_id: u64,
        /// Parameters.
        parameters: Vec<KeyValue>,
    },
    /// PUBLISH: a track begins here, or at the relay.
    Publish {
        /// The id of the request.
        request_id: u64,
        /// The track.
        track: TrackName,
        /// What its streams call the track.
        track_alias: u64,
        /// Parameters.
        parameters: Vec<KeyValue>,
        /// Properties of the track.
        track_properties: Vec<KeyValue>,
    },
    /// PUBLISH_DONE.
    PublishDone {
        /// Why, as a number.
        status_code: u64,
        /// How many streams there were.
        stream_count: u64,
        /// Why, in UTF-8.
        reason_phrase: Bytes,
    },
    /// PUBLISH_NAMESPACE.
    PublishNamespace {
        /// The id of the request.
        request_id: u64,
        /// The fields of the namespace.
        namespace: Vec<Bytes>,
        /// Parameters.
        parameters: Vec<KeyValue>,
    },
    /// NAMESPACE.
    Namespace {
        /// The fields behind the prefix.
        namespace_suffix: Vec<Bytes>,
    },
    /// NAMESPACE_DONE.
    NamespaceDone {
        /// The fields behind the prefix.
        namespace_suffix: Vec<Bytes>,
    },
    /// SUBSCRIBE_NAMESPACE: which namespaces there are under a prefix.
    SubscribeNamespace {
        /// The id of the request.
        request_id: u64,
        /// The fields of the prefix.
        namespace_prefix: Vec<Bytes>,
        /// Parameters.
        parameters: Vec<KeyValue>,
    },
    /// SUBSCRIBE_TRACKS: every track under a prefix.
    SubscribeTracks {
        /// The id of the request.
        request_id: u64,
        /// The fields of the prefix.
        namespace_prefix: Vec<Bytes>,
        /// Parameters.
        parameters: Vec<KeyValue>,
    },
    /// TRACK_STATUS.
    TrackStatus {
        /// The id of the request.
        request_id: u64,
        /// The track.
        track: TrackName,
        /// Parameters.
        parameters: Vec<KeyValue>,
    },
    /// FETCH of a range of a track.
    Fetch {
        /// The id of the request.
        request_id: u64,
        /// The track.
        track: TrackName,
        /// The first MOQT group.
        start_group: u64,
        /// The first object in it.
        start_object: u64,
        /// The last MOQT group.
        end_group: u64,
        /// One more than the last object in it; 0 for all of it.
        end_object: u64,
        /// Parameters.
        parameters: Vec<KeyValue>,
    },
    /// FETCH of what is before a subscription.
    JoiningFetch {
        /// The id of the request.
        request_id: u64,
        /// Whether the start is a group id, and not a number of groups before the subscription.
        absolute: bool,
        /// The id of the subscription's request.
        joining_request_id: u64,
        /// The start.
        joining_start: u64,
        /// Parameters.
        parameters: Vec<KeyValue>,
    },
    /// FETCH_OK.
    FetchOk {
        /// Whether the track ends in the range.
        end_of_track: bool,
        /// The last MOQT group.
        end_group: u64,
        /// One more than the last object in it.
        end_object: u64,
        /// Parameters.
        parameters: Vec<KeyValue>,
        /// Properties of the track.
        track_properties: Vec<KeyValue>,
    },
    /// PUBLISH_BLOCKED: the relay does not offer this track; subscribe by name.
    PublishBlocked {
        /// The fields behind the prefix.
        namespace_suffix: Vec<Bytes>,
        /// The track's name.
        name: Bytes,
    },
}

/// A control message, and how many bytes it had.
pub(crate) struct DecodedMessage {
    /// The message.
    pub(crate) message: MoqtMessage,
    /// How many bytes of the input it was.
    pub(crate) consumed: usize,
}

/// The status of an object.
#[derive(Clone, Copy)]
pub(crate) enum ObjectStatus {
    /// An object like any other.
    Normal,
    /// No object at its place or behind it is in the group.
    EndOfGroup,
    /// No object at its place or behind it is in the track.
    EndOfTrack,
}

/// What a stream carries.
pub(crate) enum StreamItem {
    /// A control message: of a control stream, or of a request's stream.
    Control {
        /// The message.
        message: MoqtMessage,
    },
    /// The stream has objects of a subgroup.
    Subgroup {
        /// What it calls the track.
        track_alias: u64,
        /// The MOQT group id.
        group_id: u64,
        /// The publisher priority; absent for that of the track.
        priority: Option<u8>,
        /// Whether the group ends with the stream.
        end_of_group: bool,
    },
    /// The stream has the objects of a FETCH.
    Fetch {
        /// The id of the request.
        request_id: u64,
    },
    /// An object.
    Object {
        /// The MOQT group id.
        group_id: u64,
        /// The object id.
        object_id: u64,
        /// Its properties, serialized.
        properties: Bytes,
        /// Its payload.
        payload: Bytes,
        /// Its status.
        status: ObjectStatus,
    },
    /// Up to this place, the range of a FETCH has nothing, or nothing is known of it.
    EndOfRange {
        /// The MOQT group id.
        group_id: u64,
        /// The object id.
        object_id: u64,
        /// Whether nothing is known of it.
        unknown: bool,
    },
}
