//! Two people in a call, from nothing: `cargo run --release --example minimal`.
//!
//! A complete driver: a participant is a future, `Hub` stands for MoQT and HTTP. An object is sealed and opened.

#[path = "output/mod.rs"]
mod output;

use aws_lc_rs::{digest, rand};
use bytes::Bytes;
use mls_rs::identity::{SigningIdentity, basic::BasicCredential, basic::BasicIdentityProvider};
use mls_rs::{CipherSuite, CipherSuiteProvider, Client, CryptoProvider};
use mls_rs_crypto_rustcrypto::RustCryptoProvider;
use moq_mls::counter::service::{CounterService, ServiceConfig, ServiceCrypto};
use moq_mls::keys::{EpochKeyRing, RingConfig, RingNotice};
use moq_mls::mls::{MlsCiphers, MlsEngine};
use moq_mls::secure_objects::{ObjectBuffer, ObjectHeader, SecureTrack, Suite};
use moq_mls::tracks::{FullTrackName, GroupName, Location, TrackNamespace};
use moq_mls::{Action, Command, Config, Event, FetchTarget, Object, Participant, Timestamp};
use std::{cell::RefCell, error::Error, fs::File, io::Write, process::ExitCode, sync::Arc};
use std::{time::Duration, time::UNIX_EPOCH};
use tokio::sync::{mpsc, watch};

use self::output::say;

const ALICES_OBJECT: Location = Location { group_id: 0, object_id: 0 };
/// Of a sealed object, the Key ID property and the payload.
type Sealed = watch::Sender<Option<(Vec<u8>, Vec<u8>)>>;

fn now() -> Timestamp {
    Timestamp::from_millis(UNIX_EPOCH.elapsed().map_or(0, |time| time.as_millis() as u64))
}

struct Hash;
impl ServiceCrypto for Hash {
    fn sha256(&self, data: &[u8]) -> [u8; 32] {
        digest::digest(&digest::SHA256, data).as_ref().try_into().unwrap_or_default()
    }
}

/// A relay that keeps every object, and the counter service: in this process, with answers at once.
struct Hub(CounterService<Hash>, Vec<Object>, Vec<(mpsc::UnboundedSender<Event>, FetchTarget)>);
impl Hub {
    fn act(&mut self, to: &mpsc::UnboundedSender<Event>, action: Action) -> Result<(), Box<dyn Error>> {
        let (Self(http, objects, subscribers), now) = (self, now());
        let mut subscribe = |id, target: FetchTarget| {
            let past = objects.iter().filter(|o| target.covers(&o.track)).cloned();
            past.for_each(|object| _ = to.send(Event::Object(object)));
            subscribers.push((to.clone(), target));
            Event::SubscribeReply { id, reply: Ok(()) }
        };
        let answer = match action {
            Action::Lock { id, request } => {
                let token: [u8; 16] = rand::generate(&rand::SystemRandom::new())?.expose();
                Event::LockReply { id, reply: Ok(http.lock(now, &request, token.to_vec().into())) }
            }
            Action::Increment { id, request } => {
                Event::IncrementReply { id, reply: Ok(http.increment(now, &request)) }
            }
            Action::GetCommit { id, request: of } => Event::CommitReply { id, reply: Ok(http.commit(&of)) },
            Action::Publish { id, object } => {
                let wanting = subscribers.iter().filter(|(_, target)| target.covers(&object.track));
                wanting.for_each(|(to, _)| _ = to.send(Event::Object(object.clone())));
                objects.push(object);
                Event::PublishReply { id, reply: Ok(()) }
            }
            Action::Subscribe { id, track } => subscribe(id, FetchTarget::Track(track)),
            Action::SubscribeNamespace { id, namespace } => subscribe(id, FetchTarget::Namespace(namespace)),
            Action::Fetch { id, target, groups } => {
                let asked = |o: &&Object| target.covers(&o.track) && groups.contains(&o.location.group_id);
                Event::FetchReply { id, reply: Ok(objects.iter().filter(asked).cloned().collect()) }
            }
            _ => return Ok(()),
        };
        Ok(to.send(answer)?)
    }
}

/// Joins, sends or opens one object, and returns its epoch and authenticator.
async fn person(name: &str, hub: &RefCell<Hub>, media: &Sealed) -> Result<(u64, Bytes), Box<dyn Error>> {
    let (kind, crypto) = (CipherSuite::CURVE25519_AES128, RustCryptoProvider::default());
    let (secret, public) = crypto.cipher_suite_provider(kind).ok_or("suite")?.signature_key_generate()?;
    let credential = BasicCredential::new(name.as_bytes().to_vec()).into_credential();
    let client = Client::builder()
        .crypto_provider(crypto.clone())
        .identity_provider(BasicIdentityProvider)
        .signing_identity(SigningIdentity::new(credential, public), secret, kind)
        .build();
    let (engine, config) = (MlsEngine::new(&client, &crypto)?, Config::new(GroupName::try_from("room-1")?));
    let mut participant = Participant::new(engine, config, now())?;
    let mut ring = EpochKeyRing::new(RingConfig::default(), participant.sender_id().clone());
    let track = FullTrackName { namespace: TrackNamespace::new(vec!["media".into()])?, name: "alice".into() };
    let mut track = SecureTrack::new(Arc::new(MlsCiphers::new(&crypto)?), Suite::Aes128Gcm, track);
    let ((events, mut inbox), mut sealed) = (mpsc::unbounded_channel(), media.subscribe());
    let mut event = Event::Command(Command::Join);
    loop {
        participant.handle(now(), event)?;
        while let Some(action) = participant.poll_action() {
            match action {
                // Durable before the next action is done. It holds private keys: let nobody else read it.
                Action::Persist(snapshot) => {
                    let path = std::env::temp_dir().join(format!("minimal-{name}"));
                    let mut file = File::create(path.with_extension("new"))?;
                    file.write_all(&snapshot.to_bytes()).and_then(|()| file.sync_all())?;
                    std::fs::rename(path.with_extension("new"), path)?;
                }
                Action::Notify(notice) => {
                    say!("{name}: {notice}");
                    ring.on_notice(now(), &notice, |epoch| participant.epoch_keys(epoch))?;
                }
                action => hub.borrow_mut().act(&events, action)?,
            }
        }
        ring.handle_timeout(now());
        while let Some(notice) = ring.poll_notice() {
            match notice {
                RingNotice::EpochReady { epoch } => track.add_epoch(ring.open_with(epoch).ok_or("gone")?)?,
                RingNotice::SendWith { epoch, .. } => _ = track.send_with(epoch),
                RingNotice::Silent { .. } => track.send_nothing(),
                RingNotice::Forgotten { epoch, .. } => track.forget(epoch),
                _ => {}
            }
        }
        // From epoch 1 on there are two. A place is sealed once only.
        let shared = track.sealing_key().is_some_and(|key| key.key_id() > 0);
        if name == "alice" && shared && media.borrow().is_none() {
            let property = track.key_id_property().unwrap_or_default().to_vec();
            let mut buffer = ObjectBuffer::with_capacity(64);
            buffer.extend_from_slice(b"hello");
            let header = ObjectHeader { location: ALICES_OBJECT, priority: 0, immutable: &property };
            track.seal(&header, b"", &mut buffer)?;
            media.send_replace(Some((property, buffer.as_slice().to_vec())));
        }
        let due = participant.poll_timeout().map(|(at, _)| at).into_iter().chain(ring.poll_timeout()).min();
        event = tokio::select! {
            Some(event) = inbox.recv() => event,
            Ok(object) = sealed.wait_for(Option::is_some) => {
                let (property, mut object) = object.clone().ok_or("nothing")?;
                let header = ObjectHeader { location: ALICES_OBJECT, priority: 0, immutable: &property };
                let opened = track.open(&header, &mut object)?;
                say!("{name}: opened {:?}", String::from_utf8_lossy(opened.payload));
                return Ok((participant.epoch().ok_or("no member")?, participant.epoch_authenticator()?));
            }
            () = tokio::time::sleep(due.map_or(Duration::MAX, |at| at.since(now()))) => Event::Timer,
        };
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    if let Some(done) =
        output::no_options("minimal", "minimal: two people meet in a call, and one hears the other")
    {
        return Ok(done);
    }
    let hub = RefCell::new(Hub(CounterService::new(ServiceConfig::default(), Hash), Vec::new(), Vec::new()));
    let (media, _) = watch::channel(None);
    let (alice, bob) = tokio::try_join!(person("alice", &hub, &media), person("bob", &hub, &media))?;
    assert_eq!(alice, bob, "two members disagree");
    say!("agree on epoch {}", alice.0);
    Ok(ExitCode::SUCCESS)
}
