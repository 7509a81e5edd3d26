//! Secure Objects: the published vectors, and what each rule is for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use mls_rs_crypto_awslc::AwsLcCryptoProvider;
use mls_rs_crypto_rustcrypto::RustCryptoProvider;
use moq_mls::Secret;
use moq_mls::Timestamp;
use moq_mls::engine::EngineError;
use moq_mls::keys::{EpochKeyRing, EpochKeys, EpochSecret, Kdf, RingConfig, TrackBaseKey};
use moq_mls::mls::MlsCiphers;
use moq_mls::secure_objects::aws_lc::{AwsLc, AwsLcWith};
use moq_mls::secure_objects::{
    Aead, AeadError, Ciphers, CtrTag, Digest, KeyError, KeyLimits, ObjectBuffer, ObjectHeader, ObjectKey,
    OpenError, SealError, SecureTrack, Suite, properties,
};
use moq_mls::tracks::{FullTrackName, Location, SenderId, TrackNamespace};
use proptest::prelude::*;
use serde_json::Value;

fn published() -> Value {
    serde_json::from_str(include_str!("../vectors/secure_objects/published.json")).unwrap()
}

fn rows<'a>(of: &'a Value, name: &str) -> &'a Vec<Value> {
    let rows = of[name].as_array().unwrap();
    assert!(!rows.is_empty());
    rows
}

fn bytes(of: &Value) -> Vec<u8> {
    hex::decode(of.as_str().unwrap()).unwrap()
}

fn text(of: &Value) -> &str {
    of.as_str().unwrap()
}

fn track(of: &Value) -> FullTrackName {
    let fields = rows(of, "namespace").iter().map(|f| Bytes::from(text(f).to_owned())).collect();
    FullTrackName {
        namespace: TrackNamespace::new(fields).unwrap(),
        name: text(&of["name"]).to_owned().into(),
    }
}

fn suite(of: &Value) -> Suite {
    Suite::from_value(u16::try_from(of["suite"].as_u64().unwrap()).unwrap()).unwrap()
}

fn base_key(key_id: u64, key: &[u8]) -> TrackBaseKey {
    TrackBaseKey::new(key_id, Secret::new(key.to_vec()))
}

fn header(group: u64, object: u64, immutable: &[u8]) -> ObjectHeader<'_> {
    ObjectHeader { location: Location { group_id: group, object_id: object }, priority: 128, immutable }
}

/// Every library under test, with the suites that it has.
fn libraries() -> Vec<(&'static str, Arc<dyn Ciphers + Send + Sync>, Vec<Suite>)> {
    vec![
        ("aws-lc", Arc::new(AwsLc), Suite::ALL.to_vec()),
        (
            "mls over aws-lc",
            Arc::new(MlsCiphers::new(&AwsLcCryptoProvider::new()).unwrap()),
            vec![Suite::Aes128Gcm],
        ),
        (
            "mls over rustcrypto",
            Arc::new(MlsCiphers::new(&RustCryptoProvider::default()).unwrap()),
            vec![Suite::Aes128Gcm],
        ),
    ]
}

/// A library that notes what it is asked: secrets, keys, nonces, AADs and plaintexts.
#[derive(Clone, Default)]
struct Spy(Arc<Mutex<Vec<Noted>>>);

type Noted = (&'static str, Vec<u8>);

struct SpyKey(Spy, Box<dyn Aead>);

impl Spy {
    fn note(&self, what: &'static str, bytes: &[u8]) {
        self.0.lock().unwrap().push((what, bytes.to_vec()));
    }
    fn take(&self) -> Vec<Noted> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Ciphers for Spy {
    fn hkdf_extract(&self, digest: Digest, salt: &[u8], ikm: &[u8]) -> Result<Secret, EngineError> {
        let out = AwsLc.hkdf_extract(digest, salt, ikm)?;
        self.note("extract", out.as_bytes());
        Ok(out)
    }
    fn hkdf_expand(
        &self,
        digest: Digest,
        prk: &[u8],
        info: &[u8],
        len: usize,
    ) -> Result<Secret, EngineError> {
        let out = AwsLc.hkdf_expand(digest, prk, info, len)?;
        self.note("expand", out.as_bytes());
        Ok(out)
    }
    fn aead(&self, suite: Suite, key: &Secret) -> Result<Option<Box<dyn Aead>>, AeadError> {
        self.note("aead", key.as_bytes());
        Ok(AwsLc.aead(suite, key)?.map(|key| Box::new(SpyKey(self.clone(), key)) as Box<dyn Aead>))
    }
}

impl Aead for SpyKey {
    fn seal(&self, nonce: &[u8; 12], aad: &[u8], in_out: &mut [u8], tag: &mut [u8]) -> Result<(), AeadError> {
        self.0.note("nonce", nonce);
        self.0.note("aad", aad);
        self.1.seal(nonce, aad, in_out, tag)
    }
    fn open(&self, nonce: &[u8; 12], aad: &[u8], in_out: &mut [u8], tag: &[u8]) -> Result<(), AeadError> {
        self.0.note("open", tag);
        self.1.open(nonce, aad, in_out, tag)
    }
}

#[test]
fn published_track_names() {
    for row in rows(&published(), "track_names") {
        assert_eq!(track(row).to_serialized(), bytes(&row["serialized"]), "{row}");
    }
}

#[test]
fn published_keys_and_salts() {
    let all = published();
    let key_id = all["key_id"].as_u64().unwrap();
    for row in rows(&all, "keys") {
        let spy = Spy::default();
        let base = base_key(key_id, text(&row["track_base_key"]).as_bytes());
        ObjectKey::new(&spy, suite(row), &track(&all), &base).unwrap();
        let expected = [
            ("extract", bytes(&row["moq_secret"])),
            ("expand", bytes(&row["moq_key"])),
            ("expand", bytes(&row["moq_salt"])),
            ("aead", bytes(&row["moq_key"])),
        ];
        assert_eq!(spy.take(), expected, "{row}");
    }
}

#[test]
fn published_nonces_and_aads() {
    let all = published();
    for row in rows(&all, "nonces") {
        let spy = Spy::default();
        let mut key =
            ObjectKey::new(&spy, suite(row), &track(&all), &base_key(7, b"sixteen byte key")).unwrap();
        spy.take();
        let immutable = bytes(&row["immutable"]);
        let location =
            Location { group_id: row["group"].as_u64().unwrap(), object_id: row["object"].as_u64().unwrap() };
        let priority = u8::try_from(row["priority"].as_u64().unwrap()).unwrap();
        let header = ObjectHeader { location, priority, immutable: &immutable };
        key.seal(&header, b"", &mut ObjectBuffer::with_capacity(0)).unwrap();
        assert_eq!(spy.take(), [("nonce", bytes(&row["nonce"])), ("aad", bytes(&row["aad"]))], "{row}");
    }
}

/// Objects as published, and as a program seals them that shares no code with this crate: every library that has the
/// suite makes the same, opens them, and finds what is in them. One with the other tag opens nothing.
#[test]
fn sealings_of_others_with_every_library() {
    let sealed = serde_json::from_str(include_str!("../vectors/secure_objects/sealed.json")).unwrap();
    for (all, count) in [(published(), 4), (sealed, 12)] {
        assert_eq!(rows(&all, "sealed").len(), count);
        for row in rows(&all, "sealed") {
            let (suite, key_id) = (suite(row), all["key_id"].as_u64().unwrap());
            let base = base_key(key_id, text(&row["track_base_key"]).as_bytes());
            let key_of = |ciphers: &dyn Ciphers| ObjectKey::new(ciphers, suite, &track(&all), &base).unwrap();
            let (mut keys, mut others) = (Vec::new(), Vec::new());
            match row["ctr_tag"].as_str() {
                None => {
                    let having = libraries().into_iter().filter(|(.., suites)| suites.contains(&suite));
                    keys.extend(having.map(|(_, ciphers, _)| key_of(&*ciphers)));
                }
                Some(tag) => {
                    let (text, vectors) = (key_of(&AwsLc), key_of(&AwsLcWith(CtrTag::PublishedVectors)));
                    let (same, other) = if tag == "rfc9605" { (text, vectors) } else { (vectors, text) };
                    keys.push(same);
                    others.push(other);
                }
            }
            assert!(!keys.is_empty());
            let (immutable, encrypted) = (bytes(&row["immutable"]), bytes(&row["encrypted"]));
            let header = header(42, 1, &immutable);
            for mut key in keys {
                let mut buffer = ObjectBuffer::with_capacity(100);
                buffer.extend_from_slice(text(&row["payload"]).as_bytes());
                key.seal(&header, &encrypted, &mut buffer).unwrap();
                assert_eq!(hex::encode(buffer.as_slice()), text(&row["ciphertext"]));
                let mut object = bytes(&row["ciphertext"]);
                let opened = key.open(&header, &mut object).unwrap();
                assert_eq!(opened.payload, text(&row["payload"]).as_bytes());
                assert_eq!(opened.encrypted, encrypted);
                let list: Vec<_> = properties::iter(opened.encrypted).collect();
                let eyes_only = Some((0x0100, &b"for-eyes-only"[..]));
                assert_eq!(
                    list,
                    if opened.payload.is_empty() { vec![] } else { vec![eyes_only] },
                    "and padding"
                );
            }
            for mut key in others {
                assert_eq!(key.open(&header, &mut bytes(&row["ciphertext"])), Err(OpenError::Rejected));
            }
        }
    }
}

#[test]
fn padding_hides_a_length() {
    let pad = |len| {
        let mut out = Vec::new();
        properties::push_padding(&mut out, len);
        out
    };
    assert_eq!(hex::encode(pad(0)), "003200000000");
    assert_eq!(hex::encode(pad(3)), "003200000003000000");
    assert_eq!(pad(70_000).len(), 70_000 + properties::PADDING_OVERHEAD);
    for mut key in keys() {
        let property = key.key_id_property().to_vec();
        let lens = [(7, 30), (20, 17), (1, 36)].map(|(payload, padding)| {
            let mut encrypted = Vec::new();
            properties::push(&mut encrypted, 0x0100, b"x");
            properties::push_padding(&mut encrypted, padding);
            let head = header(payload, 0, &property);
            let mut one =
                ObjectKey::new(&AwsLc, key.suite(), &track(&published()), &base_key(300, &[7; 32])).unwrap();
            let mut object = sealed(&mut one, &head, &vec![1; payload as usize], &encrypted);
            let len = object.len();
            let opened = key.open(&head, &mut object).unwrap();
            assert_eq!(opened.payload.len() as u64, payload);
            assert_eq!(properties::iter(opened.encrypted).collect::<Vec<_>>(), [Some((0x0100, &b"x"[..]))]);
            len
        });
        assert!(lens.iter().all(|len| *len == lens[0]), "{lens:?}");
    }
}

/// All tracks of a namespace follow from one key, and have keys of their own all the same.
#[test]
fn a_namespace_shares_a_base_key_and_its_tracks_no_key() {
    let video = track(&published());
    let mut audio = video.clone();
    audio.name = Bytes::from_static(b"audio");
    let mut elsewhere = video.clone();
    elsewhere.namespace = TrackNamespace::new(vec!["example.com".into()]).unwrap();
    let base = |track: &FullTrackName| epoch(5).namespace_base_key(&track.namespace).unwrap();
    assert_eq!(base(&video), base(&audio));
    assert!(base(&video) != base(&elsewhere) && base(&video) != epoch(5).track_base_key(&video).unwrap());
    // A namespace is not a track whose name is empty.
    let unnamed = FullTrackName { name: Bytes::new(), ..video.clone() };
    assert_ne!(base(&video), epoch(5).track_base_key(&unnamed).unwrap());
    let shared = |track: &FullTrackName| {
        let mut track =
            SecureTrack::new(Arc::new(AwsLc), Suite::Aes128Gcm, track.clone()).with_namespace_key();
        track.add_epoch(&epoch(5)).unwrap();
        track.send_with(5);
        track
    };
    let mut publisher = shared(&video);
    let property = publisher.key_id_property().unwrap().to_vec();
    let (mut buffer, head) = (ObjectBuffer::with_capacity(10), header(0, 0, &property));
    buffer.extend_from_slice(b"payload");
    publisher.seal(&head, b"", &mut buffer).unwrap();
    let opens = |track: &mut SecureTrack| track.open(&head, &mut buffer.as_slice().to_vec()).is_ok();
    assert!(opens(&mut shared(&video)) && !opens(&mut shared(&audio)));
    let mut by_itself = SecureTrack::new(Arc::new(AwsLc), Suite::Aes128Gcm, video.clone());
    by_itself.add_epoch(&epoch(5)).unwrap();
    assert!(!opens(&mut by_itself));
    let mut of_base = ObjectKey::new(&AwsLc, Suite::Aes128Gcm, &video, &base(&video)).unwrap();
    assert!(of_base.open(&head, &mut buffer.as_slice().to_vec()).is_ok());
}

#[test]
fn published_sframe_ciphers() {
    let all: Value =
        serde_json::from_str(include_str!("../vectors/secure_objects/sframe_aead.json")).unwrap();
    let nonce: [u8; 12] = bytes(&all["nonce"]).try_into().unwrap();
    let (aad, plaintext) = (bytes(&all["aad"]), bytes(&all["plaintext"]));
    for (value, tag_len) in [(1, 10), (2, 8), (3, 4)] {
        let suite = Suite::from_value(value).unwrap();
        assert_eq!(suite.tag_len(), tag_len);
        let key = AwsLc.aead(suite, &Secret::new(bytes(&all["key"]))).unwrap().unwrap();
        let (mut text, mut tag) = (plaintext.clone(), vec![0; tag_len]);
        key.seal(&nonce, &aad, &mut text, &mut tag).unwrap();
        let sealed = [text.clone(), tag.clone()].concat();
        assert_eq!(sealed, bytes(&all["ciphertexts"][value.to_string()]));
        key.open(&nonce, &aad, &mut text, &tag).unwrap();
        assert_eq!(text, plaintext);
        assert!(AwsLc.aead(suite, &Secret::new(vec![0; 47])).is_err());
    }
}

#[test]
fn what_a_library_lacks_is_said() {
    let all = published();
    for (_, ciphers, suites) in libraries() {
        for suite in Suite::ALL {
            let key = ObjectKey::new(&*ciphers, suite, &track(&all), &base_key(7, &[1; 32]));
            assert_eq!(key.is_ok(), suites.contains(&suite), "{suite:?}");
        }
    }
    let mls = MlsCiphers::new(&RustCryptoProvider::default()).unwrap();
    let key = |suite| ObjectKey::new(&mls, suite, &track(&all), &base_key(7, &[1; 32])).unwrap_err();
    assert!(matches!(key(Suite::Aes128CtrHmacSha256Tag80), KeyError::Unsupported(_)));
    assert!(matches!(key(Suite::Aes256Gcm), KeyError::Provider(EngineError::Unsupported(_))));
    assert_eq!(Suite::from_value(6), None);
    let too_large = ObjectKey::new(&AwsLc, Suite::Aes128Gcm, &track(&all), &base_key(1 << 62, &[1; 32]));
    assert!(too_large.is_err(), "a key id that no varint holds");
}

/// A key of each suite over AWS-LC.
fn keys() -> Vec<ObjectKey> {
    let base = base_key(300, &[7; 32]);
    let all = published();
    Suite::ALL.map(|suite| ObjectKey::new(&AwsLc, suite, &track(&all), &base).unwrap()).into()
}

fn sealed(key: &mut ObjectKey, header: &ObjectHeader<'_>, payload: &[u8], encrypted: &[u8]) -> Vec<u8> {
    let mut buffer = ObjectBuffer::with_capacity(payload.len());
    buffer.extend_from_slice(payload);
    key.seal(header, encrypted, &mut buffer).unwrap();
    buffer.as_slice().to_vec()
}

#[test]
fn whatever_is_changed_it_does_not_open() {
    for mut key in keys() {
        let immutable = key.key_id_property().to_vec();
        assert_eq!(hex::encode(&immutable), "000202412c", "300 as a varint");
        let more = [&immutable[..], b"\0\x04\x01x"].concat();
        let head = header(5, 6, &more);
        let object = sealed(&mut key, &head, b"payload", b"");
        assert_eq!(key.open(&head, &mut object.clone()).unwrap().payload, b"payload");
        for bit in 0..object.len() * 8 {
            let mut bad = object.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(key.open(&head, &mut bad), Err(OpenError::Rejected), "{:?}", key.suite());
        }
        for len in 0..object.len() {
            assert_eq!(key.open(&head, &mut object[..len].to_vec()), Err(OpenError::Rejected));
        }
        let other = [&immutable[..], b"\0\x04\x01y"].concat();
        let mut priority = head;
        priority.priority = 127;
        let places = [header(6, 6, &more), header(5, 7, &more), header(5, (1 << 32) + 6, &more)];
        for wrong in [header(5, 6, &other), header(5, 6, &immutable), header(5, 6, b""), priority]
            .iter()
            .chain(&places)
        {
            assert_eq!(key.open(wrong, &mut object.clone()), Err(OpenError::Rejected));
        }
    }
}

#[test]
fn garbage_takes_the_path_of_a_bad_tag() {
    let spy = Spy::default();
    let all = published();
    let mut key =
        ObjectKey::new(&spy, Suite::Aes128Gcm, &track(&all), &base_key(7, b"sixteen byte key")).unwrap();
    let property = key.key_id_property().to_vec();
    let good = sealed(&mut key, &header(1, 1, &property), b"p", b"");
    spy.take();
    let bad_tag = [&good[..good.len() - 1], &[!good[good.len() - 1]]].concat();
    let cases: [(&[u8], ObjectHeader<'_>); 6] = [
        (&bad_tag, header(1, 1, &property)),
        (b"", header(1, 1, &property)),
        (&good[..15], header(1, 1, &property)),
        (&good, header(1, 1 << 32, &property)),
        (&good, header(1, 1, b"\0\x02\x01\x08")),
        (&good, header(1, 1, b"\0\x02\x09")),
    ];
    for (object, header) in cases {
        assert_eq!(key.open(&header, &mut object.to_vec()), Err(OpenError::Rejected));
        let asked = spy.take();
        assert_eq!(asked.len(), 1, "the cipher was asked once: {header:?}");
        assert_eq!((asked[0].0, asked[0].1.len()), ("open", 16));
    }
}

#[test]
fn a_plaintext_that_is_none_is_rejected() {
    // Sealed by hand, as a member that does not keep to the format would.
    let mut key = keys().remove(3);
    let spy = Spy::default();
    let all = published();
    ObjectKey::new(&spy, Suite::Aes128Gcm, &track(&all), &base_key(300, &[7; 32])).unwrap();
    let made = spy.take();
    let (aead, salt) =
        (AwsLc.aead(Suite::Aes128Gcm, &Secret::new(made[1].1.clone())).unwrap().unwrap(), &made[2].1);
    let property = key.key_id_property().to_vec();
    let mut open = |plaintext: &[u8]| {
        let (mut object, mut tag) = (plaintext.to_vec(), [0; 16]);
        let mut aad = vec![0; 13];
        aad[12] = 128;
        aad.extend_from_slice(&property);
        aead.seal(salt[..].try_into().unwrap(), &aad, &mut object, &mut tag).unwrap();
        object.extend_from_slice(&tag);
        key.open(&header(0, 0, &property), &mut object).map(|o| (o.payload.to_vec(), o.encrypted.to_vec()))
    };
    assert_eq!(open(b"\x02ab"), Ok((b"ab".to_vec(), Vec::new())));
    assert_eq!(open(b"\x40\x02ab"), Ok((b"ab".to_vec(), Vec::new())), "a length longer than it must be");
    assert_eq!(open(b"\x02ab\0\x0a\x01x"), Ok((b"ab".to_vec(), b"x".to_vec())));
    assert_eq!(open(b"\x02ab\0\x0a\0"), Ok((b"ab".to_vec(), Vec::new())));
    let bad: [&[u8]; 9] = [
        b"",
        b"\x03ab",
        b"\x40",
        b"\x02ab\0",
        b"\x02ab\0\x0b\x01x",
        b"\x02ab\0\x0a",
        b"\x02ab\0\x0a\x02x",
        b"\x02ab\0\x0a\x01xy",
        b"\xff\xff\xff\xff\xff\xff\xff\xffab",
    ];
    for plaintext in bad {
        assert_eq!(open(plaintext), Err(OpenError::Rejected), "{plaintext:?}");
    }
}

#[test]
fn properties_one_by_one() {
    let list = |bytes| properties::iter(bytes).collect::<Vec<_>>();
    assert_eq!(list(b""), []);
    assert_eq!(list(b"\0\x04\x01a\0\x02\0"), [Some((4, &b"a"[..])), Some((2, &b""[..]))]);
    assert_eq!(list(b"\0\x04\x01a\0"), [Some((4, &b"a"[..])), None]);
    assert_eq!(list(b"\0\x04\x02a"), [None]);
    assert_eq!(list(b"\0\x04\x01a\0\x32\xff\xff"), [Some((4, &b"a"[..]))], "padding, of whatever form");
    assert_eq!(properties::key_id(b"\0\x02\x01\x07"), Some(7));
    assert_eq!(properties::key_id(b"\0\x04\x01a\0\x02\x02\x41\x2c"), Some(300));
    for none in
        [&b""[..], b"\0\x02\0", b"\0\x02\x02\x07\x07", b"\0\x02\x01\x07\0\x02\x01\x07", b"\0\x02\x01\x07\0"]
    {
        assert_eq!(properties::key_id(none), None, "{none:?}");
    }
}

#[test]
fn refusals_of_a_sealer_leave_the_payload() {
    for mut key in keys() {
        let property = key.key_id_property().to_vec();
        let mut buffer = ObjectBuffer::with_capacity(10);
        buffer.extend_from_slice(b"payload");
        let left = key.blocks_left();
        let refused = [
            (header(0, 1 << 32, &property), SealError::ObjectId),
            (header(0, 0, b""), SealError::KeyId),
            (header(0, 0, b"\0\x02\x01\x07"), SealError::KeyId),
        ];
        for (header, error) in refused {
            assert_eq!(key.seal(&header, b"", &mut buffer), Err(error));
            assert_eq!(buffer.as_slice(), b"payload");
        }
        assert_eq!(key.blocks_left(), left);
        key.seal(&header(u64::MAX, u64::from(u32::MAX), &property), b"", &mut buffer).unwrap();
    }
}

#[test]
fn a_key_seals_upwards_only() {
    for mut key in keys() {
        let property = key.key_id_property().to_vec();
        let mut buffer = ObjectBuffer::with_capacity(10);
        let mut seal = |key: &mut ObjectKey, group, object| {
            buffer.clear();
            buffer.extend_from_slice(b"payload");
            let (left, sealed) =
                (key.blocks_left(), key.seal(&header(group, object, &property), b"", &mut buffer));
            if sealed.is_err() {
                assert_eq!((buffer.as_slice(), key.blocks_left()), (&b"payload"[..], left));
            }
            sealed
        };
        let last = u64::from(u32::MAX);
        assert_eq!(seal(&mut key, 5, 6), Ok(()));
        for (group, object) in [(5, 6), (5, 5), (5, 0), (4, 7), (4, last), (0, 0)] {
            assert_eq!(seal(&mut key, group, object), Err(SealError::NotAbove), "{group}/{object}");
        }
        assert_eq!(seal(&mut key, 5, 7), Ok(()));
        assert_eq!(seal(&mut key, 5, last), Ok(()));
        assert_eq!(seal(&mut key, 6, last + 1), Err(SealError::ObjectId));
        // What was refused for another reason was not sealed.
        let refused = key.seal(&header(6, 0, b""), b"", &mut ObjectBuffer::with_capacity(0));
        assert_eq!((refused, seal(&mut key, 6, 0)), (Err(SealError::KeyId), Ok(())));
        key.sealing_from(Location { group_id: 8, object_id: 3 });
        assert_eq!(seal(&mut key, 8, 2), Err(SealError::NotAbove));
        key.sealing_from(Location { group_id: 0, object_id: 0 });
        assert_eq!(seal(&mut key, 8, 2), Err(SealError::NotAbove), "no way back down");
        assert_eq!(seal(&mut key, 8, 3), Ok(()));
        assert_eq!(seal(&mut key, u64::MAX, last), Ok(()));
        assert_eq!(seal(&mut key, u64::MAX, last), Err(SealError::NotAbove));
    }
}

/// Gives keys that fail to seal, and may have used the nonce all the same.
struct Failing;

impl Ciphers for Failing {
    fn hkdf_extract(&self, digest: Digest, salt: &[u8], ikm: &[u8]) -> Result<Secret, EngineError> {
        AwsLc.hkdf_extract(digest, salt, ikm)
    }
    fn hkdf_expand(
        &self,
        digest: Digest,
        prk: &[u8],
        info: &[u8],
        len: usize,
    ) -> Result<Secret, EngineError> {
        AwsLc.hkdf_expand(digest, prk, info, len)
    }
    fn aead(&self, _: Suite, _: &Secret) -> Result<Option<Box<dyn Aead>>, AeadError> {
        Ok(Some(Box::new(Self)))
    }
}

impl Aead for Failing {
    fn seal(&self, _: &[u8; 12], _: &[u8], _: &mut [u8], _: &mut [u8]) -> Result<(), AeadError> {
        Err(AeadError)
    }
    fn open(&self, _: &[u8; 12], _: &[u8], _: &mut [u8], _: &[u8]) -> Result<(), AeadError> {
        Err(AeadError)
    }
}

#[test]
fn a_place_where_sealing_failed_is_used_up() {
    let all = published();
    let mut key = ObjectKey::new(&Failing, Suite::Aes128Gcm, &track(&all), &base_key(7, &[1; 32])).unwrap();
    let property = key.key_id_property().to_vec();
    for error in [SealError::Cipher, SealError::NotAbove] {
        let mut buffer = ObjectBuffer::with_capacity(10);
        buffer.extend_from_slice(b"payload");
        assert_eq!(key.seal(&header(0, 0, &property), b"", &mut buffer), Err(error));
    }
}

/// The secret of an epoch as a restart gives it.
fn restored(number: u64) -> EpochSecret {
    let mut ring = EpochKeyRing::new(RingConfig::default(), SenderId::new("me".as_bytes().to_vec()).unwrap());
    ring.on_restore(Timestamp::from_secs(1), [EpochKeys { secret: epoch(number), members: Vec::new() }]);
    ring.open_with(number).unwrap().clone()
}

#[test]
fn a_key_from_before_a_restart_opens_and_seals_only_from_the_stated_location() {
    let all = published();
    let seal = |track: &mut SecureTrack, group| {
        let mut buffer = ObjectBuffer::with_capacity(10);
        buffer.extend_from_slice(b"payload");
        let property = track.key_id_property().unwrap().to_vec();
        track
            .seal(&header(group, 0, &property), b"", &mut buffer)
            .map(|()| (property, buffer.as_slice().to_vec()))
    };
    let new = || SecureTrack::new(Arc::new(AwsLc), Suite::Aes128Gcm, track(&all));
    let mut before = new();
    before.add_epoch(&epoch(5)).unwrap();
    before.send_with(5);
    let (property, object) = seal(&mut before, 7).unwrap();

    let mut after = new();
    assert!(epoch(5).may_seal() && !restored(5).may_seal());
    assert_eq!(restored(5), epoch(5));
    after.add_epoch(&restored(5)).unwrap();
    after.send_with(5);
    assert_eq!(after.open(&header(7, 0, &property), &mut object.clone()).unwrap().payload, b"payload");
    assert_eq!(seal(&mut after, 8), Err(SealError::Restored));
    assert_eq!(seal(&mut after, u64::MAX), Err(SealError::Restored));
    after.sealing_from(Location { group_id: 8, object_id: 0 });
    assert_eq!(seal(&mut after, 7), Err(SealError::NotAbove));
    assert!(seal(&mut after, 8).is_ok());
    // What comes later from before the restart, too; what is new, from anywhere.
    after.add_epoch(&restored(6)).unwrap();
    after.add_epoch(&epoch(7)).unwrap();
    after.send_with(6);
    assert_eq!((seal(&mut after, 7), seal(&mut after, 8).is_ok()), (Err(SealError::NotAbove), true));
    after.send_with(7);
    assert!(seal(&mut after, 0).is_ok());
    after.send_nothing();
    assert!(after.key_id_property().is_none());
    // A namespace's key is no way around it.
    let mut after = new().with_namespace_key();
    after.add_epoch(&restored(5)).unwrap();
    after.send_with(5);
    assert_eq!(seal(&mut after, 9), Err(SealError::Restored));
}

#[test]
fn a_key_that_was_forgotten_and_is_back_seals_nothing_twice() {
    let mut track = SecureTrack::new(Arc::new(AwsLc), Suite::Aes128Gcm, track(&published()));
    let seal = |track: &mut SecureTrack, group| {
        let property = track.key_id_property().unwrap().to_vec();
        track.seal(&header(group, 0, &property), b"", &mut ObjectBuffer::with_capacity(0))
    };
    for (number, group) in [(5, 9), (6, 3)] {
        track.add_epoch(&epoch(number)).unwrap();
        track.send_with(number);
        assert_eq!(seal(&mut track, group), Ok(()));
        track.forget(number);
    }
    for number in [5, 6] {
        track.add_epoch(&epoch(number)).unwrap();
        track.send_with(number);
        assert_eq!(seal(&mut track, 9), Err(SealError::NotAbove), "{number}");
        assert_eq!(seal(&mut track, 10), Ok(()), "{number}");
    }
    track.add_epoch(&epoch(7)).unwrap();
    track.send_with(7);
    assert_eq!(seal(&mut track, 0), Ok(()), "nobody had it before");
}

#[test]
fn limits_are_counted_and_refused_before_they_are_passed() {
    let all = published();
    for suite in Suite::ALL {
        let mut limits = KeyLimits::default();
        assert_eq!(limits.blocks, 2_f64.powf(34.5) as u64);
        limits.blocks = 5;
        let base = base_key(7, &[1; 32]);
        let mut key = ObjectKey::with_limits(&AwsLc, suite, &track(&all), &base, limits).unwrap();
        let mut reader = ObjectKey::with_limits(&AwsLc, suite, &track(&all), &base, limits).unwrap();
        let property = key.key_id_property().to_vec();
        let mut buffer = ObjectBuffer::with_capacity(32);
        // 16 bytes are one block, and one more is counted per object.
        buffer.extend_from_slice(&[0; 16]);
        key.seal(&header(0, 0, &property), b"", &mut buffer).unwrap();
        assert_eq!(key.blocks_left(), 3);
        let first = buffer.as_slice().to_vec();
        buffer.clear();
        buffer.extend_from_slice(&[0; 33]);
        assert_eq!(key.seal(&header(0, 1, &property), b"", &mut buffer), Err(SealError::Limit));
        assert_eq!((buffer.len(), key.blocks_left()), (33, 3));
        buffer.clear();
        buffer.extend_from_slice(&[0; 32]);
        key.seal(&header(0, 1, &property), b"", &mut buffer).unwrap();
        assert_eq!(key.blocks_left(), 0);
        buffer.clear();
        assert_eq!(key.seal(&header(0, 2, &property), b"", &mut buffer), Err(SealError::Limit));
        // Opening counts for CTR with HMAC only.
        for i in 0..9 {
            let opened = reader.open(&header(0, 0, &property), &mut first.clone()).map(|o| o.payload.len());
            let counted = !suite.is_gcm() && i >= 1;
            assert_eq!(opened, if counted { Err(OpenError::Limit) } else { Ok(16) }, "{suite:?} {i}");
        }
    }
}

struct AwsKdf;

impl Kdf for AwsKdf {
    fn extract(&self, salt: &[u8], ikm: &[u8]) -> Result<Secret, EngineError> {
        AwsLc.hkdf_extract(Digest::Sha256, salt, ikm)
    }
    fn expand(&self, prk: &[u8], info: &[u8], len: usize) -> Result<Secret, EngineError> {
        AwsLc.hkdf_expand(Digest::Sha256, prk, info, len)
    }
    fn hash_len(&self) -> usize {
        32
    }
}

fn epoch(number: u64) -> EpochSecret {
    EpochSecret::from_master(Arc::new(AwsKdf), number, &Secret::new(vec![9; 32])).unwrap()
}

#[test]
fn a_track_keeps_a_key_per_epoch() {
    let spy = Spy::default();
    let all = published();
    let mut publisher = SecureTrack::new(Arc::new(AwsLc), Suite::Aes128Gcm, track(&all));
    let mut subscriber = SecureTrack::new(Arc::new(spy.clone()), Suite::Aes128Gcm, track(&all));
    let mut buffer = ObjectBuffer::with_capacity(10);
    assert_eq!(publisher.seal(&header(0, 0, b""), b"", &mut buffer), Err(SealError::NoKey));
    assert!(!publisher.send_with(5) && publisher.key_id_property().is_none());
    let mut objects = Vec::new();
    for number in [5, 6] {
        publisher.add_epoch(&epoch(number)).unwrap();
        assert!(publisher.send_with(number));
        let property = publisher.key_id_property().unwrap().to_vec();
        buffer.extend_from_slice(format!("in {number}").as_bytes());
        publisher.seal(&header(number, 0, &property), b"", &mut buffer).unwrap();
        objects.push((property, buffer.as_slice().to_vec()));
    }
    let open = |subscriber: &mut SecureTrack, at: usize| {
        let (property, object) = &objects[at];
        let head = header(5 + at as u64, 0, property);
        subscriber.open(&head, &mut object.clone()).map(|o| String::from_utf8(o.payload.to_vec()).unwrap())
    };
    assert_eq!(open(&mut subscriber, 1), Err(OpenError::UnknownKey(6)));
    subscriber.add_epoch(&epoch(6)).unwrap();
    spy.take();
    for _ in 0..3 {
        subscriber.add_epoch(&epoch(6)).unwrap();
        assert_eq!(open(&mut subscriber, 1).unwrap(), "in 6");
    }
    assert!(spy.take().iter().all(|(what, _)| *what == "open"), "nothing is derived per object");
    assert_eq!(open(&mut subscriber, 0), Err(OpenError::UnknownKey(5)));
    subscriber.add_epoch(&epoch(5)).unwrap();
    assert_eq!(open(&mut subscriber, 0).unwrap(), "in 5");
    subscriber.forget(5);
    assert_eq!(open(&mut subscriber, 0), Err(OpenError::UnknownKey(5)));
    spy.take();
    assert_eq!(subscriber.open(&header(0, 0, b"junk"), &mut [0; 40]), Err(OpenError::Rejected));
    assert_eq!(spy.take().len(), 1, "no key id, and the same work");
    publisher.forget(6);
    assert_eq!(publisher.seal(&header(9, 0, b""), b"", &mut buffer), Err(SealError::NoKey));
}

#[test]
fn another_track_or_epoch_has_another_key() {
    let all = published();
    let mut other = track(&all);
    other.name = Bytes::from_static(b"audio");
    let key = |track: &FullTrackName, epoch_number: u64| {
        let base = epoch(epoch_number).track_base_key(track).unwrap();
        ObjectKey::new(&AwsLc, Suite::Aes128Gcm, track, &base).unwrap()
    };
    let mut keys = [key(&track(&all), 5), key(&other, 5), key(&track(&all), 6)];
    let made: Vec<(Vec<u8>, Vec<u8>)> = keys
        .iter_mut()
        .map(|key| {
            let property = key.key_id_property().to_vec();
            let object = sealed(key, &header(0, 0, &property), b"same", b"");
            (property, object)
        })
        .collect();
    for (i, (property, object)) in made.iter().enumerate() {
        for (j, key) in keys.iter_mut().enumerate() {
            assert_eq!(key.open(&header(0, 0, property), &mut object.clone()).is_ok(), i == j);
        }
    }
}

#[test]
fn nothing_secret_shows() {
    let key = keys().remove(0);
    assert_eq!(
        format!("{key:?}"),
        "ObjectKey { suite: Aes128CtrHmacSha256Tag80, key_id: 300, blocks: 0, .. }"
    );
    let mut buffer = ObjectBuffer::with_capacity(3);
    buffer.extend_from_slice(b"secret");
    assert_eq!(format!("{buffer:?}"), "ObjectBuffer(6 bytes)");
}

proptest! {
    #[test]
    fn what_is_sealed_opens(
        suite in 0..5_usize,
        group: u64,
        object: u32,
        priority: u8,
        payload in prop::collection::vec(any::<u8>(), 0..20_000),
        encrypted in prop::option::of(prop::collection::vec(any::<u8>(), 1..300)),
        extra in prop::collection::vec(any::<u8>(), 0..100),
        room in 0..2_usize,
    ) {
        let mut key = keys().remove(suite);
        let mut immutable = key.key_id_property().to_vec();
        properties::push(&mut immutable, 0x0004, &extra);
        let location = Location { group_id: group, object_id: object.into() };
        let header = ObjectHeader { location, priority, immutable: &immutable };
        let encrypted = encrypted.unwrap_or_default();
        let mut buffer = ObjectBuffer::with_capacity(room * 30_000);
        buffer.extend_from_slice(b"an object before");
        keys().remove(suite).seal(&header, b"", &mut buffer).unwrap();
        let (front, back) = payload.split_at(payload.len() / 2);
        buffer.extend_from_slice(front);
        buffer.extend_from_slice(back);
        prop_assert_eq!(buffer.as_slice(), if payload.is_empty() { buffer.as_slice() } else { &payload });
        if payload.is_empty() {
            buffer.clear();
        }
        key.seal(&header, &encrypted, &mut buffer).unwrap();
        let mut object = buffer.as_slice().to_vec();
        prop_assert!(payload.len() < 16 || !object.windows(16).any(|w| w == &payload[..16]));
        let opened = key.open(&header, &mut object).unwrap();
        prop_assert_eq!(opened.payload, &payload[..]);
        prop_assert_eq!(opened.encrypted, &encrypted[..]);
    }

    #[test]
    fn any_bytes_are_rejected_and_nothing_panics(
        suite in 0..5_usize,
        immutable in prop::collection::vec(any::<u8>(), 0..40),
        mut object in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        prop_assume!(suite != 2);
        let mut key = keys().remove(suite);
        prop_assert_eq!(key.open(&header(0, 0, &immutable), &mut object), Err(OpenError::Rejected));
        let _ = properties::iter(&immutable).count();
    }
}

/// The properties of the object before are remembered, with what was found in them: properties of any length,
/// good and bad in turn and twice in a row, are judged as by a key that never saw another object.
#[test]
fn properties_are_judged_alike_whatever_came_before() {
    let named = [key(7), key(77)].map(|key| key.key_id_property().to_vec());
    let mut lists = vec![Vec::new(), vec![0], named[0].clone(), named[1].clone()];
    for changed in 0..named[0].len() {
        let mut other = named[0].clone();
        other[changed] ^= 1;
        lists.push(other);
    }
    for more in [1, 3, 4, 5, 9] {
        // The Key ID and a property behind it, in lengths around those that are compared without a call.
        let mut longer = named[0].clone();
        properties::push(&mut longer, 0x0100, &vec![0x55; more]);
        lists.push(longer.clone());
        *longer.last_mut().unwrap() ^= 1;
        lists.push(longer);
    }
    let mut experienced = key(7);
    for (i, (first, second)) in lists.iter().flat_map(|a| lists.iter().map(move |b| (a, b))).enumerate() {
        for (j, immutable) in [first, second, second].into_iter().enumerate() {
            let header = header(i as u64, j as u64, immutable);
            let fresh = try_seal(&mut key(7), &header);
            assert_eq!(try_seal(&mut experienced, &header), fresh, "{first:?}, then {second:?}");
            let mut object = fresh.unwrap_or_else(|_| vec![0x11; 40]);
            let opened = key(7).open(&header, &mut object.clone()).is_ok();
            assert_eq!(experienced.open(&header, &mut object).is_ok(), opened, "{first:?}, then {second:?}");
        }
    }
}

fn key(key_id: u64) -> ObjectKey {
    let track = FullTrackName { namespace: TrackNamespace::new(vec!["a".into()]).unwrap(), name: "b".into() };
    ObjectKey::new(&AwsLc, Suite::Aes128Gcm, &track, &base_key(key_id, &[3; 32])).unwrap()
}

fn try_seal(key: &mut ObjectKey, header: &ObjectHeader<'_>) -> Result<Vec<u8>, SealError> {
    let mut buffer = ObjectBuffer::with_capacity(8);
    buffer.extend_from_slice(b"payload");
    key.seal(header, b"", &mut buffer)?;
    Ok(buffer.as_slice().to_vec())
}
