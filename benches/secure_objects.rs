//! Sealing and opening one object in place, against the same AEAD called bare with a prepared key.
//!
//! `cargo bench --bench secure_objects`. Rounds of both alternate; a figure is the ratio of their medians.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::hint::black_box;
use std::time::Instant;

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use moq_mls::Secret;
use moq_mls::keys::TrackBaseKey;
use moq_mls::secure_objects::aws_lc::AwsLc;
use moq_mls::secure_objects::{ObjectBuffer, ObjectHeader, ObjectKey, Suite};
use moq_mls::tracks::{FullTrackName, Location, TrackNamespace};

const ROUNDS: usize = 301;

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Nanoseconds per call of `a` and of `b`, medians of alternating rounds of `calls` each.
fn compare(calls: u64, mut a: impl FnMut(u64), mut b: impl FnMut(u64)) -> (f64, f64) {
    let mut times = (Vec::new(), Vec::new());
    let mut time = |of: &mut dyn FnMut(u64), into: &mut Vec<f64>, round: u64| {
        let begin = Instant::now();
        (0..calls).for_each(|i| of(round * calls + i));
        into.push(begin.elapsed().as_nanos() as f64 / calls as f64);
    };
    for round in 0..ROUNDS as u64 {
        // The one that goes first changes too.
        if round % 2 == 0 {
            time(&mut a, &mut times.0, round);
            time(&mut b, &mut times.1, round);
        } else {
            time(&mut b, &mut times.1, round);
            time(&mut a, &mut times.0, round);
        }
    }
    (median(times.0), median(times.1))
}

fn object_key(suite: Suite) -> ObjectKey {
    let namespace = TrackNamespace::new(vec!["example.com".into(), "meeting-123".into()]).unwrap();
    let track = FullTrackName { namespace, name: "video".into() };
    let base = TrackBaseKey { key_id: 7, key: Secret::new(vec![7; 32]) };
    ObjectKey::new(&AwsLc, suite, &track, &base).unwrap()
}

fn nonce(i: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[..8].copy_from_slice(&i.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

fn header(i: u64, immutable: &[u8]) -> ObjectHeader<'_> {
    ObjectHeader { location: Location { group: i, object: 0 }, priority: 128, immutable }
}

fn measure(name: &str, suite: Suite, len: usize) {
    let algorithm = if suite == Suite::Aes128Gcm { &AES_128_GCM } else { &AES_256_GCM };
    let bare = LessSafeKey::new(UnboundKey::new(algorithm, &vec![9; suite.key_len()]).unwrap());
    let mut key = object_key(suite);
    let property = key.key_id_property().to_vec();
    let payload = vec![0x5a; len];
    let calls = if len > 8000 { 60 } else { 600 };
    let aad = [0x11_u8; 17];

    // Both begin with the payload's copy into the buffer that is sealed.
    let mut buffer = ObjectBuffer::with_capacity(len);
    let mut raw = vec![0_u8; len];
    let ours = |i: u64| {
        buffer.clear();
        buffer.extend_from_slice(&payload);
        key.seal(&header(i, &property), b"", &mut buffer).unwrap();
        black_box(buffer.as_slice());
    };
    let theirs = |i: u64| {
        raw.copy_from_slice(&payload);
        let tag = bare.seal_in_place_separate_tag(nonce(i), Aad::from(&aad), &mut raw).unwrap();
        black_box((&raw, tag));
    };
    let (sealing, sealing_raw) = compare(calls, ours, theirs);

    let mut key = object_key(suite);
    let mut buffer = ObjectBuffer::with_capacity(len);
    buffer.extend_from_slice(&payload);
    key.seal(&header(0, &property), b"", &mut buffer).unwrap();
    let sealed = buffer.as_slice().to_vec();
    let mut object = sealed.clone();
    let mut raw_sealed = payload.clone();
    bare.seal_in_place_append_tag(nonce(0), Aad::from(&aad), &mut raw_sealed).unwrap();
    let mut raw = raw_sealed.clone();
    let ours = |_| {
        object.copy_from_slice(&sealed);
        black_box(key.open(&header(0, &property), &mut object).unwrap());
    };
    let theirs = |_| {
        raw.copy_from_slice(&raw_sealed);
        black_box(bare.open_in_place(nonce(0), Aad::from(&aad), &mut raw).unwrap());
    };
    let (opening, opening_raw) = compare(calls, ours, theirs);
    println!("figure seal_{name}_ns {sealing:.0} ns");
    println!("figure open_{name}_ns {opening:.0} ns");
    println!("figure seal_{name}_vs_raw {:.3} x", sealing / sealing_raw);
    println!("figure open_{name}_vs_raw {:.3} x", opening / opening_raw);
}

fn allocations() {
    let mut key = object_key(Suite::Aes128Gcm);
    let property = key.key_id_property().to_vec();
    let payload = [0x5a; 1200];
    let mut buffer = ObjectBuffer::with_capacity(payload.len() + 20);
    let mut encrypted = Vec::new();
    moq_mls::secure_objects::properties::push(&mut encrypted, 0x0100, b"0123456789");
    let sealing = allocation_counter::measure(|| {
        for i in 0..1000 {
            buffer.clear();
            buffer.extend_from_slice(&payload);
            key.seal(&header(i, &property), &encrypted, &mut buffer).unwrap();
        }
    });
    let mut objects = vec![buffer.as_slice().to_vec(); 1000];
    let opening = allocation_counter::measure(|| {
        for object in &mut objects {
            black_box(key.open(&header(999, &property), object).unwrap());
        }
    });
    println!("figure seal_allocs {} per_object", sealing.count_total as f64 / 1000.0);
    println!("figure open_allocs {} per_object", opening.count_total as f64 / 1000.0);
}

fn main() {
    measure("1200B", Suite::Aes128Gcm, 1200);
    measure("16KiB", Suite::Aes128Gcm, 16 << 10);
    measure("1200B_0x0005", Suite::Aes256Gcm, 1200);
    measure("16KiB_0x0005", Suite::Aes256Gcm, 16 << 10);
    allocations();
}
