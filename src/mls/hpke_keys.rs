//! Public HPKE keys of others, checked where they enter: in KeyPackages and in update paths.
//!
//! Providers differ: some let any bytes pass, some keys of low order, to which whatever is sealed anybody can open
//! (RFC 9180 section 7.1.4). Members must agree on which commit they follow, so this list is the same for all
//! of them, whatever provider each has.

use mls_rs::CipherSuite;

use crate::engine::Rejection;
use crate::mls::curve::{Curve, P256, P384, P521};

/// The KEM of a cipher suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::enum_variant_names, reason = "ML-KEM is a name")]
pub(super) enum Kem {
    X25519,
    X448,
    P256,
    P384,
    P521,
    /// ML-KEM (FIPS 203) with this many polynomials.
    MlKem(usize),
    /// ML-KEM-768 and X25519, one key behind the other.
    XWing,
    /// Of a suite that is not known here.
    Other,
}

/// Points of X25519 of low order, with the bit that is not looked at cleared (RFC 7748 sections 5 and 6.1).
const LOW_ORDER_25519: [[u8; 32]; 7] = [
    [0; 32],
    small(1),
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda,
        0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04,
        0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
    ],
    // The prime less one, the prime, and the prime plus one.
    near_prime_25519(0xec),
    near_prime_25519(0xed),
    near_prime_25519(0xee),
];

const fn small(n: u8) -> [u8; 32] {
    let mut number = [0; 32];
    number[0] = n;
    number
}

const fn near_prime_25519(least: u8) -> [u8; 32] {
    let mut number = [0xff; 32];
    number[0] = least;
    number[31] = 0x7f;
    number
}

/// Coefficients of an ML-KEM key are below this.
const MODULUS: u16 = 3329;

impl Kem {
    pub(super) fn of(suite: CipherSuite) -> Self {
        match suite.raw_value() {
            1 | 3 => Self::X25519,
            2 => Self::P256,
            4 | 6 => Self::X448,
            5 => Self::P521,
            7 => Self::P384,
            // Placeholders of mls-rs, which nobody has registered.
            65001 => Self::MlKem(2),
            65002 => Self::MlKem(3),
            65003 => Self::MlKem(4),
            65100 => Self::XWing,
            _ => Self::Other,
        }
    }

    /// Length of a public key, bytes. For an unknown suite longer than any that is known.
    pub(super) fn public_key_len(self) -> usize {
        match self {
            Self::X25519 => 32,
            Self::X448 => 56,
            Self::P256 => P256.point_len(),
            Self::P384 => P384.point_len(),
            Self::P521 => P521.point_len(),
            Self::MlKem(k) => 384 * k + 32,
            Self::XWing => 1216,
            Self::Other => 2048,
        }
    }

    /// Length of what a KEM output takes, bytes. For an unknown suite longer than any that is known.
    pub(super) fn output_len(self) -> usize {
        match self {
            Self::MlKem(2) => 768,
            Self::MlKem(3) => 1088,
            Self::MlKem(_) => 1568,
            Self::XWing => 1120,
            other => other.public_key_len(),
        }
    }

    /// Whether something can be sealed to a public key that its owner alone can open, as far as the key tells.
    pub(super) fn check(self, key: &[u8]) -> Result<(), Rejection> {
        let refused = |why: &str| Err(Rejection::Invalid(why.into()));
        if key.iter().all(|byte| *byte == 0) {
            return refused("an HPKE public key that is empty or zero");
        }
        if self != Self::Other && key.len() != self.public_key_len() {
            return refused("an HPKE public key of another length");
        }
        let good = match self {
            Self::X25519 => !is_low_order_25519(key),
            Self::X448 => !is_low_order_448(key),
            Self::P256 => Curve::has(&P256, key),
            Self::P384 => Curve::has(&P384, key),
            Self::P521 => Curve::has(&P521, key),
            Self::MlKem(_) => is_ml_kem(key),
            Self::XWing => key
                .split_last_chunk::<32>()
                .is_some_and(|(lattice, x)| is_ml_kem(lattice) && !is_low_order_25519(x)),
            Self::Other => true,
        };
        if good { Ok(()) } else { refused("an HPKE public key that is none, or of low order") }
    }
}

fn is_low_order_25519(key: &[u8]) -> bool {
    let Ok(mut key) = <[u8; 32]>::try_from(key) else { return true };
    let [.., last] = &mut key;
    *last &= 0x7f;
    LOW_ORDER_25519.contains(&key)
}

/// 0, 1, the prime less one, the prime, and the prime plus one (RFC 7748 section 4.2).
fn is_low_order_448(key: &[u8]) -> bool {
    let Some((least, rest)) = key.split_first() else { return true };
    let Some((low, high)) = rest.split_at_checked(27) else { return true };
    let all = |bytes: &[u8], value: u8| bytes.iter().all(|byte| *byte == value);
    let (zeros, ones) = (all(low, 0), all(low, 0xff));
    match high.split_first() {
        Some((0, high)) if all(high, 0) => zeros && *least < 2,
        // Its 225th bit is the only one that the prime has not.
        Some((0xfe, high)) if all(high, 0xff) => ones && *least >= 0xfe,
        Some((0xff, high)) if all(high, 0xff) => zeros && *least == 0,
        _ => false,
    }
}

/// The check of an encapsulation key (FIPS 203 section 7.2): every coefficient is reduced.
fn is_ml_kem(key: &[u8]) -> bool {
    let Some((coefficients, _seed)) = key.split_last_chunk::<32>() else { return false };
    let (triples, rest) = coefficients.as_chunks::<3>();
    rest.is_empty()
        && triples.iter().all(|[a, b, c]| {
            let (a, b, c) = (u16::from(*a), u16::from(*b), u16::from(*c));
            (a | (b & 15) << 8) < MODULUS && (b >> 4 | c << 4) < MODULUS
        })
}

#[cfg(test)]
mod tests;
