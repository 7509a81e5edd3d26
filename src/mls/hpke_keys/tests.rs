//! Keys that are none, by suite, and that real ones pass.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use mls_rs::{CipherSuite, CipherSuiteProvider, CryptoProvider};
use mls_rs_crypto_awslc::AwsLcCryptoProvider;
use mls_rs_crypto_rustcrypto::RustCryptoProvider;

use super::*;

/// How many keys are made of each suite.
const KEYS: usize = 8;

/// Keys of a suite; none if the provider does not know it.
fn keys<P: CryptoProvider>(crypto: &P, suite: CipherSuite) -> Vec<Vec<u8>> {
    let Some(suite) = crypto.cipher_suite_provider(suite) else { return Vec::new() };
    (0..KEYS).map(|_| suite.kem_generate().unwrap().1.as_ref().to_vec()).collect()
}

fn suites() -> impl Iterator<Item = CipherSuite> {
    (1..=7).chain([65001, 65002, 65003, 65100]).map(CipherSuite::from)
}

#[test]
fn real_keys_pass_in_every_suite_of_both_providers() {
    let (mut of_aws, mut of_rust) = (Vec::new(), Vec::new());
    for suite in suites() {
        let (aws, rust) = (keys(&AwsLcCryptoProvider::new(), suite), keys(&RustCryptoProvider::new(), suite));
        for key in aws.iter().chain(&rust) {
            assert_eq!(key.len(), Kem::of(suite).public_key_len(), "{suite:?}");
            Kem::of(suite).check(key).unwrap();
        }
        for (seen, keys) in [(&mut of_aws, &aws), (&mut of_rust, &rust)] {
            if !keys.is_empty() {
                assert_eq!(keys.len(), KEYS);
                seen.push(u16::from(suite));
            }
        }
        if let Some(provider) = AwsLcCryptoProvider::new().cipher_suite_provider(suite) {
            let key = aws[0].clone().into();
            let sealed = provider.hpke_seal(&key, b"", None, b"text").unwrap();
            assert_eq!(sealed.kem_output.len(), Kem::of(suite).output_len(), "{suite:?}");
        }
    }
    assert_eq!(of_aws, [1, 2, 3, 5, 7, 65001, 65002, 65003, 65100]);
    assert_eq!(of_rust, [1, 2, 3, 7]);
}

#[test]
fn empty_zero_and_wrongly_long_keys_are_refused_in_every_suite() {
    for suite in suites() {
        let kem = Kem::of(suite);
        let len = kem.public_key_len();
        for bad in [vec![], vec![0; len], vec![9; 5], vec![9; len - 1], vec![9; len + 1]] {
            assert!(kem.check(&bad).is_err(), "{suite:?}, {} bytes", bad.len());
        }
    }
    assert!(Kem::Other.check(&[]).is_err());
    assert!(Kem::Other.check(&[0; 99]).is_err());
    Kem::Other.check(&[9; 99]).unwrap();
}

#[test]
fn x25519_keys_of_low_order_are_refused_with_the_ignored_bit_too() {
    for point in LOW_ORDER_25519 {
        assert!(Kem::X25519.check(&point).is_err());
        let mut masked = point;
        masked[31] |= 0x80;
        assert!(Kem::X25519.check(&masked).is_err());
        let mut lattice = vec![0; 1184];
        lattice[5] = 1;
        assert!(Kem::XWing.check(&[&lattice[..], &point].concat()).is_err());
    }
    let mut base = [0; 32];
    base[0] = 9;
    Kem::X25519.check(&base).unwrap();
}

#[test]
fn x448_keys_of_low_order_are_refused() {
    let number = |least: u8, low: u8, middle: u8, high: u8| {
        let mut key = vec![least];
        key.extend([low; 27]);
        key.push(middle);
        key.extend([high; 27]);
        key
    };
    for bad in [
        number(0, 0, 0, 0),
        number(1, 0, 0, 0),
        number(0xfe, 0xff, 0xfe, 0xff),
        number(0xff, 0xff, 0xfe, 0xff),
        number(0, 0, 0xff, 0xff),
    ] {
        assert_eq!(bad.len(), 56);
        assert!(Kem::X448.check(&bad).is_err(), "{bad:02x?}");
    }
    for good in [number(5, 0, 0, 0), number(0xfd, 0xff, 0xfe, 0xff), number(1, 0, 0xff, 0xff)] {
        Kem::X448.check(&good).unwrap();
    }
}

#[test]
fn points_beside_a_curve_are_refused() {
    for (suite, kem) in [(2, Kem::P256), (7, Kem::P384), (5, Kem::P521)] {
        let real = keys(&AwsLcCryptoProvider::new(), CipherSuite::from(suite));
        assert_eq!(real.len(), KEYS, "{suite}");
        for key in real {
            for at in [0, 1, key.len() / 2, key.len() - 1] {
                let mut bad = key.clone();
                bad[at] ^= 1;
                assert!(kem.check(&bad).is_err(), "{suite}, byte {at}");
            }
            // The other point with this x is on the curve as well, and so are no coordinates swapped.
            let half = key.len() / 2;
            let swapped = [&key[..1], &key[1 + half..], &key[1..=half]].concat();
            assert!(kem.check(&swapped).is_err());
        }
        let mut infinite = vec![0; kem.public_key_len()];
        infinite[0] = 4;
        assert!(kem.check(&infinite).is_err());
        let mut not_reduced = vec![0xff; kem.public_key_len()];
        not_reduced[0] = 4;
        assert!(kem.check(&not_reduced).is_err());
    }
}

#[test]
fn coefficients_beyond_the_modulus_are_refused() {
    let real = keys(&AwsLcCryptoProvider::new(), CipherSuite::from(65100));
    assert_eq!(real.len(), KEYS);
    for key in real {
        for at in [0, 600, 1149] {
            let mut bad = key.clone();
            bad[at..at + 3].copy_from_slice(&[0xff; 3]);
            assert!(Kem::XWing.check(&bad).is_err(), "{at}");
        }
    }
}
