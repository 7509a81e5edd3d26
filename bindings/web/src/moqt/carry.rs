//! How messages and what streams carry cross.

use bytes::Bytes;
use wasm_bindgen::JsValue;

use super::message::{DecodedMessage, KeyValue, MoqtMessage, ObjectStatus, PairValue, Redirect, StreamItem};
use crate::carry::{codes, record, tagged};
use crate::fail::Fail;
use crate::js::Js;

impl Js for PairValue {
    fn to_js(self) -> JsValue {
        match self {
            Self::Number(number) => number.to_js(),
            Self::Bytes(bytes) => bytes.to_js(),
        }
    }

    fn from_js(value: &JsValue) -> Result<Self, Fail> {
        if value.is_bigint() {
            return u64::from_js(value).map(Self::Number);
        }
        Bytes::from_js(value).map(Self::Bytes).map_err(|_| Fail::needs("a bigint or a Uint8Array"))
    }
}

codes!(ObjectStatus { Normal, EndOfGroup, EndOfTrack });
record!(KeyValue { key, value });
record!(Redirect { connect_uri, namespace, name });
record!(DecodedMessage { message, consumed });
tagged!(MoqtMessage {
    Setup { options },
    GoAway { new_session_uri, timeout, request_id },
    RequestOk { parameters, track_properties },
    RequestError { error_code, retry_interval, reason_phrase, redirect },
    Subscribe { request_id, track, parameters },
    SubscribeOk { track_alias, parameters, track_properties },
    RequestUpdate { request_id, parameters },
    Publish { request_id, track, track_alias, parameters, track_properties },
    PublishDone { status_code, stream_count, reason_phrase },
    PublishNamespace { request_id, namespace, parameters },
    Namespace { namespace_suffix },
    NamespaceDone { namespace_suffix },
    SubscribeNamespace { request_id, namespace_prefix, parameters },
    SubscribeTracks { request_id, namespace_prefix, parameters },
    TrackStatus { request_id, track, parameters },
    Fetch { request_id, track, start_group, start_object, end_group, end_object, parameters },
    JoiningFetch { request_id, absolute, joining_request_id, joining_start, parameters },
    FetchOk { end_of_track, end_group, end_object, parameters, track_properties },
    PublishBlocked { namespace_suffix, name },
});
tagged!(StreamItem {
    Control { message },
    Subgroup { track_alias, group_id, priority, end_of_group },
    Fetch { request_id },
    Object { group_id, object_id, properties, payload, status },
    EndOfRange { group_id, object_id, unknown },
});
