//! FETCH: objects of the past, asked of the session that published their namespace, and given.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use bytes::BytesMut;
use moq_mls::Object;
use moq_mls::tracks::{FullTrackName, Location};
use moqtap_codec::draft18::data_stream::{FetchHeader, FetchObjectHeader};
use moqtap_codec::draft18::message::{
    ControlMessage, Fetch, FetchOk, FetchPayload, FetchType, RequestError, RequestOk,
};
use moqtap_codec::varint::VarInt;
use quinn::{RecvStream, SendStream};
use tokio::sync::oneshot;

use super::asks::Asks;
use super::draft::Frames;
use super::wire::{more, read, step, write};
use super::{Draft, PRIORITY, Session, WireObject};
use crate::mapping;

/// Most objects that one FETCH brings: some for each epoch that a counter service keeps.
const MOST_OBJECTS: usize = 64 << 10;
/// REQUEST_ERROR: there is no such track here.
const DOES_NOT_EXIST: u64 = 0x10;
/// Fetch objects: the fields Object ID Delta, Group ID Delta and Publisher Priority are there.
const OBJECT_ID: u64 = 0x04;
const GROUP_ID: u64 = 0x08;
const WITH_PRIORITY: u64 = 0x10;

/// What a session gives to those who FETCH: the objects of a track in these MOQT groups, by location; within
/// a group their ids go up by one.
pub type Archive = Arc<dyn Fn(&FullTrackName, RangeInclusive<u64>) -> Vec<Object> + Send + Sync>;

/// Our own requests, whose objects come on a stream of their own.
#[derive(Default)]
pub(super) struct Requests(Mutex<BTreeMap<u64, oneshot::Sender<Stream>>>);

/// A stream behind its header, and what was read of it already.
type Stream = (RecvStream, BytesMut);

impl Requests {
    fn open(&self, request: u64) -> oneshot::Receiver<Stream> {
        let (stream, comes) = oneshot::channel();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(request, stream);
        comes
    }

    fn close(&self, request: u64) -> Option<oneshot::Sender<Stream>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&request)
    }
}

/// A request, forgotten when dropped.
struct Asked<'a>(&'a Requests, u64);

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.0.close(self.1);
    }
}

impl Session {
    /// FETCH: the objects of `track` in these MOQT groups.
    ///
    /// # Errors
    /// If the relay knows nobody who has them, or the session ends.
    pub async fn fetch(&self, track: &FullTrackName, groups: RangeInclusive<u64>) -> Result<Vec<Object>> {
        Ok(fetch(&self.asks, track, groups).await?.into_iter().map(|wire| wire.object).collect())
    }

    /// PUBLISH_NAMESPACE: the relay passes FETCHes under `namespace` on to this session, until the
    /// returned streams are dropped.
    pub async fn publish_namespace(
        &self,
        namespace: &moq_mls::tracks::TrackNamespace,
    ) -> Result<(SendStream, RecvStream)> {
        let message = moqtap_codec::draft18::message::PublishNamespace {
            request_id: self.asks.request_id(),
            track_namespace: mapping::to_wire(namespace),
            parameters: Vec::new(),
        };
        let (send, mut recv) = self.asks.send(ControlMessage::PublishNamespace(message)).await?;
        match read(&mut recv, self.asks.draft, &mut BytesMut::new()).await? {
            Some(ControlMessage::RequestOk(RequestOk { .. })) => Ok((send, recv)),
            Some(ControlMessage::RequestError(e)) => {
                bail!("PUBLISH_NAMESPACE {namespace} refused with code {:#x}", e.error_code.into_inner())
            }
            other => bail!("PUBLISH_NAMESPACE {namespace} answered by {other:?}"),
        }
    }
}

/// As [`Session::fetch`], with the key ids of what is sealed.
pub(super) async fn fetch(
    asks: &Asks,
    track: &FullTrackName,
    groups: RangeInclusive<u64>,
) -> Result<Vec<WireObject>> {
    let request_id = asks.request_id();
    let number = request_id.into_inner();
    let comes = asks.fetches.open(number);
    let _asked = Asked(&asks.fetches, number);
    let message = Fetch {
        request_id,
        fetch_type: FetchType::Standalone,
        fetch_payload: FetchPayload::Standalone {
            track_namespace: mapping::to_wire(&track.namespace),
            track_name: track.name.to_vec(),
            start_group: VarInt::from_u64_moqt(*groups.start()),
            start_object: VarInt::from_u64_moqt(0),
            end_group: VarInt::from_u64_moqt(*groups.end()),
            // The whole of it.
            end_object: VarInt::from_u64_moqt(0),
        },
        parameters: Vec::new(),
    };
    let (mut send, mut recv) = asks.send(ControlMessage::Fetch(message)).await?;
    send.finish()?;
    match read(&mut recv, asks.draft, &mut BytesMut::new()).await? {
        Some(ControlMessage::FetchOk(_)) => {}
        Some(ControlMessage::RequestError(e)) => {
            bail!("FETCH {track} refused with code {:#x}", e.error_code.into_inner())
        }
        other => bail!("FETCH {track} answered by {other:?}"),
    }
    objects(comes.await.context("the session ended")?, asks.draft, track).await
}

/// True for a stream that begins as that of a FETCH's objects.
pub(super) fn is_fetch_stream(buf: &[u8]) -> bool {
    buf.first() == Some(&0x05)
}

/// Hands a stream of objects, read up to behind its header, to the request that waits for it.
pub(super) async fn on_stream(mut recv: RecvStream, mut buf: BytesMut, requests: &Requests) -> Result<()> {
    let header = loop {
        if let Some(Some(header)) = step(&mut buf, |b| FetchHeader::decode(b), |_| false)? {
            break header;
        }
        if !more(&mut recv, &mut buf).await? {
            return Ok(());
        }
    };
    let waits = requests.close(header.request_id.into_inner()).context("objects that nobody asked for")?;
    waits.send((recv, buf)).ok();
    Ok(())
}

/// The objects on a stream, to its end.
async fn objects(
    (mut recv, mut buf): Stream,
    draft: Draft,
    track: &FullTrackName,
) -> Result<Vec<WireObject>> {
    while more(&mut recv, &mut buf).await? {}
    let mut frames = Frames::new(draft);
    let mut objects = Vec::new();
    while !buf.is_empty() {
        let frame = frames.next(&mut buf).context("FETCH")?;
        let Some(length) = frame.payload_length else { continue };
        let length = usize::try_from(length)?;
        if buf.len() < length {
            bail!("a FETCH cut short");
        }
        // A frame may be two bytes long, and each becomes an object with its track's name.
        if objects.len() >= MOST_OBJECTS {
            bail!("a FETCH of more than {MOST_OBJECTS} objects");
        }
        let payload = buf.split_to(length).freeze();
        let location = Location { group_id: frame.group_id, object_id: frame.object_id };
        let object = Object { track: track.clone(), location, payload };
        objects.push(WireObject { object, key_id: mapping::key_id(&frame.properties) });
    }
    Ok(objects)
}

/// Answers a FETCH that the relay passed on.
pub(super) async fn answer(asks: &Asks, mut send: SendStream, fetch: Fetch, archive: &Archive) -> Result<()> {
    let found = match fetch.fetch_payload {
        FetchPayload::Standalone { track_namespace, track_name, start_group, end_group, .. } => {
            let track = mapping::track(track_namespace, track_name)?;
            archive(&track, start_group.into_inner()..=end_group.into_inner())
        }
        // The relay resolves it before it passes it on.
        FetchPayload::Joining { .. } => Vec::new(),
    };
    let Some(last) = found.last().map(|object| object.location) else {
        let refusal = RequestError {
            error_code: VarInt::from_u64_moqt(DOES_NOT_EXIST),
            retry_interval: VarInt::from_u64_moqt(0),
            reason_phrase: b"nothing of that here".to_vec(),
            redirect: None,
        };
        write(&mut send, asks.draft, &ControlMessage::RequestError(refusal)).await?;
        send.finish()?;
        return Ok(());
    };
    let ok = FetchOk {
        end_of_track: 0,
        end_group: VarInt::from_u64_moqt(last.group_id),
        end_object: VarInt::from_u64_moqt(last.object_id + 1),
        parameters: Vec::new(),
        track_properties: Vec::new(),
    };
    write(&mut send, asks.draft, &ControlMessage::FetchOk(ok)).await?;
    send.finish()?;
    let mut buf = Vec::new();
    FetchHeader { request_id: fetch.request_id }.encode(&mut buf);
    encode(&found, &mut buf)?;
    let mut stream = asks.connection.open_uni().await?;
    stream.write_all(&buf).await?;
    stream.finish()?;
    Ok(())
}

/// The objects as a FETCH carries them, ascending.
fn encode(objects: &[Object], buf: &mut Vec<u8>) -> Result<()> {
    let mut prior: Option<u64> = None;
    for Object { location, payload, .. } in objects {
        let same = prior == Some(location.group_id);
        // Within a group an object follows the one before by one: then neither id is there.
        let (group, object) = match prior {
            Some(_) if same => (None, None),
            Some(prior) => {
                let delta = location.group_id.checked_sub(prior + 1).context("groups out of order")?;
                (Some(delta), Some(location.object_id))
            }
            None => (Some(location.group_id), Some(location.object_id)),
        };
        let flags = if same { WITH_PRIORITY } else { WITH_PRIORITY | GROUP_ID | OBJECT_ID };
        let header = FetchObjectHeader {
            serialization_flags: flags,
            group_id_delta: group.map(VarInt::from_u64_moqt),
            subgroup_id: None,
            object_id_delta: object.map(VarInt::from_u64_moqt),
            publisher_priority: Some(PRIORITY),
            properties: Vec::new(),
            payload_length: VarInt::from_usize(payload.len()),
        };
        header.encode(buf).context("FETCH")?;
        buf.extend_from_slice(payload);
        prior = Some(location.group_id);
    }
    Ok(())
}
