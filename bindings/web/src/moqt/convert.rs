//! Control messages in those of the codec and back, to the last variant and field.

use bytes::Bytes;
use moq_mls_boundary::values::TrackName;
use moqtap_codec::draft18::message::{self as wire, ControlMessage, FetchPayload, FetchType};
use moqtap_codec::kvp::{KeyValuePair, KvpValue};
use moqtap_codec::types::TrackNamespace;

use super::message::{KeyValue, MoqtMessage, PairValue, Redirect};
use super::number;
use crate::fail::Fail;

fn fields(namespace: TrackNamespace) -> Vec<Bytes> {
    namespace.0.into_iter().map(Bytes::from).collect()
}

fn namespace(fields: Vec<Bytes>) -> TrackNamespace {
    TrackNamespace(fields.into_iter().map(Vec::from).collect())
}

fn track(namespace: TrackNamespace, name: Vec<u8>) -> TrackName {
    TrackName { namespace: fields(namespace), name: name.into() }
}

fn parts(track: TrackName) -> (TrackNamespace, Vec<u8>) {
    (namespace(track.namespace), track.name.into())
}

fn values(pairs: Vec<KeyValuePair>) -> Vec<KeyValue> {
    let one = |KeyValuePair { key, value }| KeyValue {
        key: key.into_inner(),
        value: match value {
            KvpValue::Varint(value) => PairValue::Number(value.into_inner()),
            KvpValue::Bytes(bytes) => PairValue::Bytes(bytes.into()),
        },
    };
    pairs.into_iter().map(one).collect()
}

/// Refuses a number under an odd key and bytes under an even one: the key alone says on the wire which it is.
fn pairs(values: Vec<KeyValue>) -> Result<Vec<KeyValuePair>, Fail> {
    let one = |KeyValue { key, value }| match (key % 2, value) {
        (0, PairValue::Number(value)) => {
            Ok(KeyValuePair { key: number(key), value: KvpValue::Varint(number(value)) })
        }
        (1, PairValue::Bytes(bytes)) => {
            Ok(KeyValuePair { key: number(key), value: KvpValue::Bytes(bytes.into()) })
        }
        _ => Err(Fail::Moqt(format!("the value of key {key}: even keys have numbers, odd ones bytes"))),
    };
    values.into_iter().map(one).collect()
}

impl From<ControlMessage> for MoqtMessage {
    fn from(message: ControlMessage) -> Self {
        match message {
            ControlMessage::Setup(wire::Setup { options }) => Self::Setup { options: values(options) },
            ControlMessage::GoAway(wire::GoAway { new_session_uri, timeout, request_id }) => Self::GoAway {
                new_session_uri: new_session_uri.into(),
                timeout: timeout.into_inner(),
                request_id: request_id.map(|id| id.into_inner()),
            },
            ControlMessage::RequestOk(wire::RequestOk { parameters, track_properties }) => {
                Self::RequestOk { parameters: values(parameters), track_properties: values(track_properties) }
            }
            ControlMessage::RequestError(wire::RequestError {
                error_code,
                retry_interval,
                reason_phrase,
                redirect,
            }) => Self::RequestError {
                error_code: error_code.into_inner(),
                retry_interval: retry_interval.into_inner(),
                reason_phrase: reason_phrase.into(),
                redirect: redirect.map(|wire::Redirect { connect_uri, track_namespace, track_name }| {
                    Redirect {
                        connect_uri: connect_uri.into(),
                        namespace: fields(track_namespace),
                        name: track_name.into(),
                    }
                }),
            },
            ControlMessage::Subscribe(wire::Subscribe {
                request_id,
                track_namespace,
                track_name,
                parameters,
            }) => Self::Subscribe {
                request_id: request_id.into_inner(),
                track: track(track_namespace, track_name),
                parameters: values(parameters),
            },
            ControlMessage::SubscribeOk(wire::SubscribeOk { track_alias, parameters, track_properties }) => {
                Self::SubscribeOk {
                    track_alias: track_alias.into_inner(),
                    parameters: values(parameters),
                    track_properties: values(track_properties),
                }
            }
            ControlMessage::RequestUpdate(wire::RequestUpdate { request_id, parameters }) => {
                Self::RequestUpdate { request_id: request_id.into_inner(), parameters: values(parameters) }
            }
            ControlMessage::Publish(wire::Publish {
                request_id,
                track_namespace,
                track_name,
                track_alias,
                parameters,
                track_properties,
            }) => Self::Publish {
                request_id: request_id.into_inner(),
                track: track(track_namespace, track_name),
                track_alias: track_alias.into_inner(),
                parameters: values(parameters),
                track_properties: values(track_properties),
            },
            ControlMessage::PublishDone(wire::PublishDone { status_code, stream_count, reason_phrase }) => {
                Self::PublishDone {
                    status_code: status_code.into_inner(),
                    stream_count: stream_count.into_inner(),
                    reason_phrase: reason_phrase.into(),
                }
            }
            ControlMessage::PublishNamespace(wire::PublishNamespace {
                request_id,
                track_namespace,
                parameters,
            }) => Self::PublishNamespace {
                request_id: request_id.into_inner(),
                namespace: fields(track_namespace),
                parameters: values(parameters),
            },
            ControlMessage::Namespace(wire::Namespace { namespace_suffix }) => {
                Self::Namespace { namespace_suffix: fields(namespace_suffix) }
            }
            ControlMessage::NamespaceDone(wire::NamespaceDone { namespace_suffix }) => {
                Self::NamespaceDone { namespace_suffix: fields(namespace_suffix) }
            }
            ControlMessage::SubscribeNamespace(wire::SubscribeNamespace {
                request_id,
                namespace_prefix,
                parameters,
            }) => Self::SubscribeNamespace {
                request_id: request_id.into_inner(),
                namespace_prefix: fields(namespace_prefix),
                parameters: values(parameters),
            },
            ControlMessage::SubscribeTracks(wire::SubscribeTracks {
                request_id,
                namespace_prefix,
                parameters,
            }) => Self::SubscribeTracks {
                request_id: request_id.into_inner(),
                namespace_prefix: fields(namespace_prefix),
                parameters: values(parameters),
            },
            ControlMessage::TrackStatus(wire::TrackStatus {
                request_id,
                track_namespace,
                track_name,
                parameters,
            }) => Self::TrackStatus {
                request_id: request_id.into_inner(),
                track: track(track_namespace, track_name),
                parameters: values(parameters),
            },
            ControlMessage::Fetch(wire::Fetch { request_id, fetch_type, fetch_payload, parameters }) => {
                let (request_id, parameters) = (request_id.into_inner(), values(parameters));
                match fetch_payload {
                    FetchPayload::Standalone {
                        track_namespace,
                        track_name,
                        start_group,
                        start_object,
                        end_group,
                        end_object,
                    } => Self::Fetch {
                        request_id,
                        track: track(track_namespace, track_name),
                        start_group: start_group.into_inner(),
                        start_object: start_object.into_inner(),
                        end_group: end_group.into_inner(),
                        end_object: end_object.into_inner(),
                        parameters,
                    },
                    FetchPayload::Joining { joining_request_id, joining_start } => Self::JoiningFetch {
                        request_id,
                        absolute: fetch_type == FetchType::AbsoluteJoining,
                        joining_request_id: joining_request_id.into_inner(),
                        joining_start: joining_start.into_inner(),
                        parameters,
                    },
                }
            }
            ControlMessage::FetchOk(wire::FetchOk {
                end_of_track,
                end_group,
                end_object,
                parameters,
                track_properties,
            }) => Self::FetchOk {
                end_of_track: end_of_track != 0,
                end_group: end_group.into_inner(),
                end_object: end_object.into_inner(),
                parameters: values(parameters),
                track_properties: values(track_properties),
            },
            ControlMessage::PublishBlocked(wire::PublishBlocked { namespace_suffix, track_name }) => {
                Self::PublishBlocked { namespace_suffix: fields(namespace_suffix), name: track_name.into() }
            }
        }
    }
}

impl TryFrom<MoqtMessage> for ControlMessage {
    type Error = Fail;

    fn try_from(message: MoqtMessage) -> Result<Self, Fail> {
        Ok(match message {
            MoqtMessage::Setup { options } => Self::Setup(wire::Setup { options: pairs(options)? }),
            MoqtMessage::GoAway { new_session_uri, timeout, request_id } => Self::GoAway(wire::GoAway {
                new_session_uri: new_session_uri.into(),
                timeout: number(timeout),
                request_id: request_id.map(number),
            }),
            MoqtMessage::RequestOk { parameters, track_properties } => Self::RequestOk(wire::RequestOk {
                parameters: pairs(parameters)?,
                track_properties: pairs(track_properties)?,
            }),
            MoqtMessage::RequestError { error_code, retry_interval, reason_phrase, redirect } => {
                let redirect =
                    redirect.map(|Redirect { connect_uri, namespace: its, name }| wire::Redirect {
                        connect_uri: connect_uri.into(),
                        track_namespace: namespace(its),
                        track_name: name.into(),
                    });
                Self::RequestError(wire::RequestError {
                    error_code: number(error_code),
                    retry_interval: number(retry_interval),
                    reason_phrase: reason_phrase.into(),
                    redirect,
                })
            }
            MoqtMessage::Subscribe { request_id, track, parameters } => {
                let (track_namespace, track_name) = parts(track);
                let (request_id, parameters) = (number(request_id), pairs(parameters)?);
                Self::Subscribe(wire::Subscribe { request_id, track_namespace, track_name, parameters })
            }
            MoqtMessage::SubscribeOk { track_alias, parameters, track_properties } => {
                Self::SubscribeOk(wire::SubscribeOk {
                    track_alias: number(track_alias),
                    parameters: pairs(parameters)?,
                    track_properties: pairs(track_properties)?,
                })
            }
            MoqtMessage::RequestUpdate { request_id, parameters } => {
                let (request_id, parameters) = (number(request_id), pairs(parameters)?);
                Self::RequestUpdate(wire::RequestUpdate { request_id, parameters })
            }
            MoqtMessage::Publish { request_id, track, track_alias, parameters, track_properties } => {
                let (track_namespace, track_name) = parts(track);
                Self::Publish(wire::Publish {
                    request_id: number(request_id),
                    track_namespace,
                    track_name,
                    track_alias: number(track_alias),
                    parameters: pairs(parameters)?,
                    track_properties: pairs(track_properties)?,
                })
            }
            MoqtMessage::PublishDone { status_code, stream_count, reason_phrase } => {
                Self::PublishDone(wire::PublishDone {
                    status_code: number(status_code),
                    stream_count: number(stream_count),
                    reason_phrase: reason_phrase.into(),
                })
            }
            MoqtMessage::PublishNamespace { request_id, namespace: its, parameters } => {
                let (request_id, parameters) = (number(request_id), pairs(parameters)?);
                let track_namespace = namespace(its);
                Self::PublishNamespace(wire::PublishNamespace { request_id, track_namespace, parameters })
            }
            MoqtMessage::Namespace { namespace_suffix } => {
                Self::Namespace(wire::Namespace { namespace_suffix: namespace(namespace_suffix) })
            }
            MoqtMessage::NamespaceDone { namespace_suffix } => {
                Self::NamespaceDone(wire::NamespaceDone { namespace_suffix: namespace(namespace_suffix) })
            }
            MoqtMessage::SubscribeNamespace { request_id, namespace_prefix, parameters } => {
                let (request_id, parameters) = (number(request_id), pairs(parameters)?);
                let namespace_prefix = namespace(namespace_prefix);
                Self::SubscribeNamespace(wire::SubscribeNamespace {
                    request_id,
                    namespace_prefix,
                    parameters,
                })
            }
            MoqtMessage::SubscribeTracks { request_id, namespace_prefix, parameters } => {
                let (request_id, parameters) = (number(request_id), pairs(parameters)?);
                let namespace_prefix = namespace(namespace_prefix);
                Self::SubscribeTracks(wire::SubscribeTracks { request_id, namespace_prefix, parameters })
            }
            MoqtMessage::TrackStatus { request_id, track, parameters } => {
                let (track_namespace, track_name) = parts(track);
                let (request_id, parameters) = (number(request_id), pairs(parameters)?);
                Self::TrackStatus(wire::TrackStatus { request_id, track_namespace, track_name, parameters })
            }
            MoqtMessage::Fetch {
                request_id,
                track,
                start_group,
                start_object,
                end_group,
                end_object,
                parameters,
            } => {
                let (track_namespace, track_name) = parts(track);
                Self::Fetch(wire::Fetch {
                    request_id: number(request_id),
                    fetch_type: FetchType::Standalone,
                    fetch_payload: FetchPayload::Standalone {
                        track_namespace,
                        track_name,
                        start_group: number(start_group),
                        start_object: number(start_object),
                        end_group: number(end_group),
                        end_object: number(end_object),
                    },
                    parameters: pairs(parameters)?,
                })
            }
            MoqtMessage::JoiningFetch {
                request_id,
                absolute,
                joining_request_id,
                joining_start,
                parameters,
            } => Self::Fetch(wire::Fetch {
                request_id: number(request_id),
                fetch_type: if absolute { FetchType::AbsoluteJoining } else { FetchType::RelativeJoining },
                fetch_payload: FetchPayload::Joining {
                    joining_request_id: number(joining_request_id),
                    joining_start: number(joining_start),
                },
                parameters: pairs(parameters)?,
            }),
            MoqtMessage::FetchOk { end_of_track, end_group, end_object, parameters, track_properties } => {
                Self::FetchOk(wire::FetchOk {
                    end_of_track: end_of_track.into(),
                    end_group: number(end_group),
                    end_object: number(end_object),
                    parameters: pairs(parameters)?,
                    track_properties: pairs(track_properties)?,
                })
            }
            MoqtMessage::PublishBlocked { namespace_suffix, name } => {
                let namespace_suffix = namespace(namespace_suffix);
                Self::PublishBlocked(wire::PublishBlocked { namespace_suffix, track_name: name.into() })
            }
        })
    }
}
