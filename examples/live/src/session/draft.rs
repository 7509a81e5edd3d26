//! The drafts of MoQT that a session speaks. Within the session, messages are those of draft 18; here those of draft 20
//! are made of them, and they of those.
//!
//! What differs for this client: in draft 20 the range of a FETCH is the parameter LOCATION_FILTER, both ends of ranges
//! are inclusive, PUBLISH_BLOCKED is PUBLISH_SKIPPED, GOAWAY names no request, and a subscription brings nothing of the
//! past unless it asks. Streams of subgroups are the same.

use bytes::{Buf, BytesMut};
use moqtap_codec::draft18::data_stream as streams18;
use moqtap_codec::draft18::message::{self as m18, ControlMessage, FetchPayload, FetchType};
use moqtap_codec::draft20::data_stream as streams20;
use moqtap_codec::draft20::message::{self as m20, ControlMessage as Message20, LOCATION_FILTER};
use moqtap_codec::error::CodecError;
use moqtap_codec::kvp::{KeyValuePair, KvpValue};
use moqtap_codec::varint::{Moqt18, VarInt};

/// Parameter of PUBLISH and SUBSCRIBE_OK: the largest location of the track.
const LARGEST_OBJECT: u64 = 0x09;

/// A draft of MoQT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draft {
    /// Draft 18.
    D18,
    /// Draft 20.
    D20,
}

impl Draft {
    /// All that a session speaks. The relay chooses.
    pub const ALL: [Self; 2] = [Self::D20, Self::D18];

    /// Returns its name in the TLS handshake, over QUIC without WebTransport.
    pub const fn alpn(self) -> &'static [u8] {
        match self {
            Self::D18 => b"moqt-18",
            Self::D20 => b"moqt-20",
        }
    }

    /// Returns the draft that was chosen for a connection.
    pub fn of(connection: &quinn::Connection) -> Option<Self> {
        let data = connection.handshake_data()?.downcast::<quinn::crypto::rustls::HandshakeData>().ok()?;
        let chosen = data.protocol?;
        Self::ALL.into_iter().find(|draft| draft.alpn() == chosen)
    }

    /// Returns whether a subscription brings what was published before it.
    pub(super) const fn subscriptions_begin_in_the_past(self) -> bool {
        matches!(self, Self::D18)
    }

    pub(super) fn encode(self, message: &ControlMessage, out: &mut Vec<u8>) -> Result<(), CodecError> {
        match self {
            Self::D18 => message.encode(out),
            Self::D20 => to_20(message.clone()).ok_or(CodecError::InvalidField)?.encode(out),
        }
    }

    /// Decodes from the front of `buf`. `None`: a message that may be passed over.
    pub(super) fn decode(self, buf: &mut impl Buf) -> Result<Option<ControlMessage>, CodecError> {
        match self {
            Self::D18 => ControlMessage::decode(buf).map(Some),
            Self::D20 => from_20(Message20::decode(buf)?),
        }
    }
}

fn varint(value: u64) -> VarInt {
    VarInt::from_u64_moqt(value)
}

/// A message of one draft as that of the other, where the fields are the same.
macro_rules! carried {
    ($from:ident into $to:ident of $module:ident: $name:ident { $($field:ident),* $(; $more:ident: $value:expr)? }) => {
        $to::$name($module::$name { $($field: $from.$field,)* $($more: $value)? })
    };
}

/// `None` for a message or a range that draft 20 does not have; this client sends none.
fn to_20(message: ControlMessage) -> Option<Message20> {
    Some(match message {
        ControlMessage::Setup(m) => carried!(m into Message20 of m20: Setup { options }),
        ControlMessage::RequestOk(m) => {
            carried!(m into Message20 of m20: RequestOk { parameters, track_properties })
        }
        ControlMessage::RequestError(m) => carried!(m into Message20 of m20: RequestError {
            error_code, retry_interval, reason_phrase; redirect: None
        }),
        ControlMessage::Subscribe(m) => carried!(m into Message20 of m20: Subscribe {
            request_id, track_namespace, track_name, parameters
        }),
        ControlMessage::SubscribeTracks(m) => {
            carried!(m into Message20 of m20: SubscribeTracks { request_id, namespace_prefix, parameters })
        }
        ControlMessage::Publish(m) => carried!(m into Message20 of m20: Publish {
            request_id, track_namespace, track_name, track_alias, parameters, track_properties
        }),
        ControlMessage::PublishDone(m) => {
            carried!(m into Message20 of m20: PublishDone { status_code, stream_count, reason_phrase })
        }
        ControlMessage::PublishNamespace(m) => {
            carried!(m into Message20 of m20: PublishNamespace { request_id, track_namespace, parameters })
        }
        ControlMessage::Fetch(fetch) => fetch_to_20(fetch)?,
        ControlMessage::FetchOk(ok) => Message20::FetchOk(m20::FetchOk {
            end_of_track: ok.end_of_track,
            end_group: ok.end_group,
            end_object: varint(ok.end_object.into_inner().checked_sub(1)?),
            parameters: ok.parameters,
            track_properties: ok.track_properties,
        }),
        ControlMessage::GoAway(_)
        | ControlMessage::SubscribeOk(_)
        | ControlMessage::RequestUpdate(_)
        | ControlMessage::Namespace(_)
        | ControlMessage::NamespaceDone(_)
        | ControlMessage::SubscribeNamespace(_)
        | ControlMessage::TrackStatus(_)
        | ControlMessage::PublishBlocked(_) => return None,
    })
}

/// `Ok(None)` for what may be passed over: it says something of a request that goes on.
///
/// # Errors
/// For a request that this client does not answer, as a message of draft 18 that is not expected is refused where it comes.
fn from_20(message: Message20) -> Result<Option<ControlMessage>, CodecError> {
    Ok(Some(match message {
        Message20::Setup(m) => carried!(m into ControlMessage of m18: Setup { options }),
        Message20::GoAway(m) => {
            carried!(m into ControlMessage of m18: GoAway { new_session_uri, timeout; request_id: None })
        }
        Message20::RequestOk(m) => {
            carried!(m into ControlMessage of m18: RequestOk { parameters, track_properties })
        }
        Message20::RequestError(m) => carried!(m into ControlMessage of m18: RequestError {
            error_code, retry_interval, reason_phrase; redirect: None
        }),
        Message20::SubscribeOk(m) => {
            carried!(m into ControlMessage of m18: SubscribeOk { track_alias, parameters, track_properties })
        }
        Message20::Publish(m) => carried!(m into ControlMessage of m18: Publish {
            request_id, track_namespace, track_name, track_alias, parameters, track_properties
        }),
        Message20::PublishDone(m) => {
            carried!(m into ControlMessage of m18: PublishDone { status_code, stream_count, reason_phrase })
        }
        Message20::PublishSkipped(m20::PublishSkipped { namespace_suffix, track_name }) => {
            ControlMessage::PublishBlocked(m18::PublishBlocked { namespace_suffix, track_name })
        }
        Message20::Fetch(fetch) => ControlMessage::Fetch(fetch_from_20(fetch)?),
        // Nobody asks for the end, which is one further in draft 18.
        Message20::FetchOk(m) => carried!(m into ControlMessage of m18: FetchOk {
            end_of_track, end_group, end_object, parameters, track_properties
        }),
        Message20::PublishStateNotify(_) | Message20::RequestUpdate(_) => return Ok(None),
        Message20::Namespace(_)
        | Message20::NamespaceDone(_)
        | Message20::PublishNamespace(_)
        | Message20::Subscribe(_)
        | Message20::SubscribeNamespace(_)
        | Message20::SubscribeTracks(_)
        | Message20::TrackStatus(_) => return Err(CodecError::InvalidField),
    }))
}

/// Of whole groups only, as this client asks for.
fn fetch_to_20(fetch: m18::Fetch) -> Option<Message20> {
    let FetchPayload::Standalone {
        track_namespace,
        track_name,
        start_group,
        start_object,
        end_group,
        end_object,
    } = fetch.fetch_payload
    else {
        return None;
    };
    if end_object.into_inner() != 0 {
        return None;
    }
    let (start, delta) =
        (start_group.into_inner(), end_group.into_inner().checked_sub(start_group.into_inner())?);
    let mut filter = Vec::new();
    for field in [start, start_object.into_inner(), delta] {
        varint(field).encode_moqt::<Moqt18>(&mut filter);
    }
    let mut parameters = fetch.parameters;
    parameters.push(KeyValuePair { key: varint(LOCATION_FILTER), value: KvpValue::Bytes(filter) });
    Some(Message20::Fetch(m20::Fetch {
        request_id: fetch.request_id,
        track_namespace,
        track_name,
        parameters,
    }))
}

/// The groups that a FETCH covers, whole: more objects than asked for do no harm, as each has its location. A start that
/// is relative to what the track has is taken as the first group.
fn fetch_from_20(fetch: m20::Fetch) -> Result<m18::Fetch, CodecError> {
    let filter = fetch.parameters.iter().find_map(|parameter| match &parameter.value {
        KvpValue::Bytes(value) if parameter.key.into_inner() == LOCATION_FILTER => Some(value),
        _ => None,
    });
    let fields = m20::decode_location_filter(filter.map_or(&[], Vec::as_slice))?;
    let start = if fields.len() < 2 { 0 } else { fields[0] };
    let end = fields.get(2).map_or(u64::MAX, |delta| start.saturating_add(*delta));
    Ok(m18::Fetch {
        request_id: fetch.request_id,
        fetch_type: FetchType::Standalone,
        fetch_payload: FetchPayload::Standalone {
            track_namespace: fetch.track_namespace,
            track_name: fetch.track_name,
            start_group: varint(start),
            start_object: varint(0),
            end_group: varint(end),
            end_object: varint(0),
        },
        parameters: Vec::new(),
    })
}

/// Returns the group of LARGEST_OBJECT among the parameters of PUBLISH or SUBSCRIBE_OK.
pub(super) fn largest_group(parameters: &[KeyValuePair]) -> Option<u64> {
    parameters.iter().find_map(|parameter| match &parameter.value {
        KvpValue::Bytes(location) if parameter.key.into_inner() == LARGEST_OBJECT => {
            Some(VarInt::decode_moqt::<Moqt18>(&mut &location[..]).ok()?.into_inner())
        }
        _ => None,
    })
}

/// What stands before a payload on a stream of FETCH.
pub(super) struct Frame {
    pub(super) group_id: u64,
    pub(super) object_id: u64,
    pub(super) properties: Vec<u8>,
    /// The length of the payload in bytes; `None` for a frame that says which objects there are not.
    pub(super) payload_length: Option<u64>,
}

/// Reads the frames of a stream of FETCH, ascending.
pub(super) enum Frames {
    D18(streams18::FetchObjectReader),
    D20(streams20::FetchObjectReader),
}

impl Frames {
    pub(super) fn new(draft: Draft) -> Self {
        match draft {
            Draft::D18 => Self::D18(streams18::FetchObjectReader::new(streams18::GroupOrder::Ascending)),
            Draft::D20 => Self::D20(streams20::FetchObjectReader::new(streams20::GroupOrder::Ascending)),
        }
    }

    pub(super) fn next(&mut self, buf: &mut BytesMut) -> Result<Frame, CodecError> {
        let (group_id, object_id, properties, length, is_object);
        match self {
            Self::D18(reader) => {
                let frame = reader.read_object_header(buf)?;
                is_object = frame.header.end_of_range().is_none();
                (group_id, object_id) = (frame.group_id, frame.object_id);
                (properties, length) = (frame.header.properties, frame.header.payload_length);
            }
            Self::D20(reader) => {
                let frame = reader.read_object_header(buf)?;
                is_object = frame.header.end_of_range().is_none();
                (group_id, object_id) = (frame.group_id, frame.object_id);
                (properties, length) =
                    (frame.header.properties.unwrap_or_default(), frame.header.payload_length);
            }
        }
        Ok(Frame { group_id, object_id, properties, payload_length: is_object.then(|| length.into_inner()) })
    }
}
