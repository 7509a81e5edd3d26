//! Two people in a call, from nothing: `cargo run --release --example minimal`.
//!
//! A complete driver: each participant is a future, `network.rs` stands for MoQT and HTTP, and an object is sealed and
//! opened with the keys of the epoch.

mod network;

use std::time::{Duration, UNIX_EPOCH};
use std::{cell::RefCell, error::Error, fs::File, io::Write, sync::Arc};

use bytes::Bytes;
use mls_rs::identity::{SigningIdentity, basic::BasicCredential, basic::BasicIdentityProvider};
use mls_rs::{CipherSuite, CipherSuiteProvider, Client, CryptoProvider};
use mls_rs_crypto_rustcrypto::RustCryptoProvider;
use moq_mls::keys::{EpochKeyRing, RingConfig, RingNotice};
use moq_mls::mls::{MlsCiphers, MlsEngine};
use moq_mls::secure_objects::{ObjectBuffer, ObjectHeader, SecureTrack, Suite};
use moq_mls::tracks::{FullTrackName, GroupName, Location, TrackNamespace};
use moq_mls::{Action, Command, Config, Event, Participant, Timestamp};
use tokio::sync::{mpsc, watch};

use self::network::Hub;

/// The location of Alice's one object.
const PLACE: Location = Location { group_id: 0, object_id: 0 };
/// Of a sealed object, the Key ID property and the payload.
type Sealed = watch::Sender<Option<(Vec<u8>, Vec<u8>)>>;

fn now() -> Timestamp {
    Timestamp::from_millis(UNIX_EPOCH.elapsed().map_or(0, |time| time.as_millis() as u64))
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
    let config = Config::new(GroupName::try_from("room-1")?);
    let mut participant = Participant::new(MlsEngine::new(&client, &crypto)?, config, now())?;
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
                    file.write_all(&snapshot.to_bytes())?;
                    file.sync_all()?;
                    std::fs::rename(path.with_extension("new"), path)?;
                }
                Action::Notify(notice) => {
                    println!("{name}: {notice}");
                    ring.on_notice(now(), &notice, |epoch| participant.epoch_keys(epoch))?;
                }
                action => hub.borrow_mut().act(&events, action)?,
            }
        }
        ring.handle_timeout(now());
        while let Some(notice) = ring.poll_notice() {
            match notice {
                RingNotice::EpochReady { epoch } => {
                    track.add_epoch(ring.open_with(epoch).ok_or("no epoch")?)?
                }
                RingNotice::SendWith { epoch, .. } => _ = track.send_with(epoch),
                RingNotice::Silent { .. } => track.send_nothing(),
                RingNotice::Forgotten { epoch, .. } => track.forget(epoch),
                _ => {}
            }
        }
        // In epoch 1 there are two. A place is sealed once only.
        let alone = track.sealing_key().is_none_or(|key| key.key_id() == 0);
        if name == "alice" && !alone && media.borrow().is_none() {
            let property = track.key_id_property().unwrap_or_default().to_vec();
            let mut buffer = ObjectBuffer::with_capacity(64);
            buffer.extend_from_slice(b"hello");
            track.seal(
                &ObjectHeader { location: PLACE, priority: 0, immutable: &property },
                b"",
                &mut buffer,
            )?;
            media.send_replace(Some((property, buffer.as_slice().to_vec())));
        }
        let due = participant.poll_timeout().map(|(at, _)| at).into_iter().chain(ring.poll_timeout()).min();
        event = tokio::select! {
            Some(event) = inbox.recv() => event,
            Ok(object) = sealed.wait_for(Option::is_some) => {
                let (property, mut object) = object.clone().ok_or("nothing")?;
                if name != "alice" {
                    let opened = track.open(&ObjectHeader { location: PLACE, priority: 0, immutable: &property }, &mut object)?;
                    println!("{name}: opened {:?}", String::from_utf8_lossy(opened.payload));
                }
                return Ok((participant.epoch().ok_or("no member")?, participant.epoch_authenticator()?));
            }
            () = tokio::time::sleep(due.map_or(Duration::MAX, |at| at.since(now()))) => Event::Timer,
        };
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let hub = RefCell::new(Hub::new());
    let (media, _) = watch::channel(None);
    let (alice, bob) = tokio::try_join!(person("alice", &hub, &media), person("bob", &hub, &media))?;
    assert_eq!(alice, bob, "two members disagree");
    println!("agree on epoch {}", alice.0);
    Ok(())
}
