//! Sealing and opening one object in place, against the same AEAD called bare with a prepared key.
//!
//! `cargo bench --bench secure_objects`. Rounds of both alternate; a figure is the ratio of their medians.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
// A bench reads the clock.
#![allow(clippy::disallowed_methods)]

use std::hint::black_box;
use std::time::Instant;

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use moq_mls::Secret;
use moq_mls::keys::TrackBaseKey;
use moq_mls::secure_objects::aws_lc::AwsLc;
use moq_mls::secure_objects::{ObjectBuffer, ObjectHeader, ObjectKey, Suite};
use moq_mls::tracks::{FullTrackName, Location, TrackNamespace};

const ROUNDS: usize = 2001;

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Nanoseconds per object of `a` and of `b`, medians of alternating rounds. Each gets `objects` ready to
/// work on, made anew before the clock starts.
fn compare<A, B>(
    objects: u64,
    make_a: impl Fn() -> A,
    make_b: impl Fn() -> B,
    mut a: impl FnMut(u64, &mut A),
    mut b: impl FnMut(u64, &mut B),
) -> (f64, f64) {
    fn time<T>(objects: u64, make: &impl Fn() -> T, of: &mut impl FnMut(u64, &mut T), into: &mut Vec<f64>) {
        let mut all: Vec<T> = (0..objects).map(|_| make()).collect();
        let begin = Instant::now();
        all.iter_mut().zip(0..).for_each(|(object, i)| of(i, object));
        into.push(begin.elapsed().as_nanos() as f64 / objects as f64);
        black_box(all);
    }
    let (mut of_a, mut of_b) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        // The one that goes first changes too.
        if round % 2 == 0 {
            time(objects, &make_a, &mut a, &mut of_a);
            time(objects, &make_b, &mut b, &mut of_b);
        } else {
            time(objects, &make_b, &mut b, &mut of_b);
            time(objects, &make_a, &mut a, &mut of_a);
        }
    }
    (median(of_a), median(of_b))
}

fn object_key(suite: Suite) -> ObjectKey {
    let namespace = TrackNamespace::new(vec!["example.com".into(), "meeting-123".into()]).unwrap();
    let track = FullTrackName { namespace, name: "video".into() };
    let base = TrackBaseKey::new(7, Secret::new(vec![7; 32]));
    ObjectKey::new(&AwsLc, suite, &track, &base).unwrap()
}

fn nonce(i: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[..8].copy_from_slice(&i.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

fn header(i: u64, immutable: &[u8]) -> ObjectHeader<'_> {
    ObjectHeader { location: Location { group_id: i, object_id: 0 }, priority: 128, immutable }
}

fn measure(name: &str, suite: Suite, len: usize) {
    let algorithm = if suite == Suite::Aes128Gcm { &AES_128_GCM } else { &AES_256_GCM };
    let bare = LessSafeKey::new(UnboundKey::new(algorithm, &vec![9; suite.key_len()]).unwrap());
    let mut key = object_key(suite);
    let property = key.key_id_property().to_vec();
    let payload = vec![0x5a; len];
    let objects = if len > 8000 { 16 } else { 64 };
    let aad = [0x11_u8; 17];

    let unsealed = || {
        let mut buffer = ObjectBuffer::with_capacity(len);
        buffer.extend_from_slice(&payload);
        buffer
    };
    // A key seals upwards only, through all rounds.
    let mut place = 0;
    let ours = |_, buffer: &mut ObjectBuffer| {
        place += 1;
        key.seal(&header(place, &property), b"", buffer).unwrap();
    };
    let theirs = |i: u64, (text, tag): &mut (Vec<u8>, [u8; 16])| {
        let made = bare.seal_in_place_separate_tag(nonce(i), Aad::from(&aad), text).unwrap();
        tag.copy_from_slice(made.as_ref());
    };
    let (sealing, sealing_raw) = compare(objects, unsealed, || (payload.clone(), [0; 16]), ours, theirs);

    let mut key = object_key(suite);
    let mut buffer = unsealed();
    key.seal(&header(0, &property), b"", &mut buffer).unwrap();
    let sealed = buffer.as_slice().to_vec();
    let mut raw_sealed = payload.clone();
    bare.seal_in_place_append_tag(nonce(0), Aad::from(&aad), &mut raw_sealed).unwrap();
    let ours = |_, object: &mut Vec<u8>| {
        black_box(key.open(&header(0, &property), object).unwrap());
    };
    let theirs = |_, object: &mut Vec<u8>| {
        black_box(bare.open_in_place(nonce(0), Aad::from(&aad), object).unwrap());
    };
    let (opening, opening_raw) = compare(objects, || sealed.clone(), || raw_sealed.clone(), ours, theirs);
    println!("figure seal_{name}_ns {sealing:.0} ns");
    println!("figure open_{name}_ns {opening:.0} ns");
    println!("figure seal_{name}_vs_raw {:.3} x", sealing / sealing_raw);
    println!("figure open_{name}_vs_raw {:.3} x", opening / opening_raw);
}

/// What the format alone costs: the bare AEAD over a payload with its length before it, as a ratio to the payload
/// only. 1,200 bytes are whole cipher blocks, and 1,202 are not.
fn framing() {
    let bare = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &[9; 16]).unwrap());
    let seal = |i: u64, text: &mut Vec<u8>| {
        let _ =
            black_box(bare.seal_in_place_separate_tag(nonce(i), Aad::from(&[0x11_u8; 17]), text).unwrap());
    };
    let (framed, payload) = compare(64, || vec![0x5a; 1202], || vec![0x5a; 1200], seal, seal);
    println!("figure raw_1202B_vs_raw_1200B {:.3} x", framed / payload);
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
    framing();
    allocations();
}
