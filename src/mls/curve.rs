//! Whether a point is on a NIST curve (SP 800-186), for public keys only: nothing here takes a constant time.
//!
//! Providers differ in what they let pass, and members must agree on which commit they follow.

/// 64-bit limbs of P-521, the longest, least significant first.
const LIMBS: usize = 9;

type Number = [u64; LIMBS];

/// A curve y^2 = x^3 - 3x + b over the integers modulo a prime.
pub(super) struct Curve {
    /// Length of a coordinate, bytes.
    len: usize,
    prime: &'static str,
    b: &'static str,
}

pub(super) const P256: Curve = Curve {
    len: 32,
    prime: "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",
    b: "5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b",
};

pub(super) const P384: Curve = Curve {
    len: 48,
    prime: "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff",
    b: "b3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef",
};

pub(super) const P521: Curve = Curve {
    len: 66,
    prime: "01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff\
            ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    b: "0051953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e1\
        56193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00",
};

impl Curve {
    /// Length of an uncompressed point, bytes.
    pub(super) fn point_len(&self) -> usize {
        1 + 2 * self.len
    }

    /// Whether these bytes are an uncompressed point of the curve (SEC 1 section 2.3.3). The point at infinity has
    /// no such form.
    pub(super) fn has(&self, point: &[u8]) -> bool {
        let Some((4, coordinates)) = point.split_first().map(|(form, rest)| (*form, rest)) else {
            return false;
        };
        if point.len() != self.point_len() {
            return false;
        }
        let (x, y) = coordinates.split_at(self.len);
        let (Some(prime), Some(b)) = (number(&unhex(self.prime)), number(&unhex(self.b))) else {
            return false;
        };
        let (Some(x), Some(y)) = (number(x), number(y)) else { return false };
        let field = Field::new(prime, self.len.div_ceil(8));
        if !less(&x, &prime) || !less(&y, &prime) {
            return false;
        }
        // Each product is divided by R, so both sides of the equation are brought to R^-2.
        let (one, three) = (small(1), small(3));
        let left = field.product(&field.product(&y, &y), &one);
        let slope = field.difference(&field.product(&x, &x), &field.product(&three, &one));
        let right = field.sum(&field.product(&slope, &x), &field.product(&field.product(&b, &one), &one));
        left == right
    }
}

fn unhex(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap_or_default()
}

fn small(n: u64) -> Number {
    let mut number = [0; LIMBS];
    if let Some(least) = number.first_mut() {
        *least = n;
    }
    number
}

/// Reads a big-endian number; `None` if it is too long.
fn number(bytes: &[u8]) -> Option<Number> {
    let mut number = [0; LIMBS];
    for (place, chunk) in bytes.rchunks(8).enumerate() {
        *number.get_mut(place)? = chunk.iter().fold(0, |limb, byte| limb << 8 | u64::from(*byte));
    }
    Some(number)
}

fn less(a: &Number, b: &Number) -> bool {
    a.iter().rev().lt(b.iter().rev())
}

/// Adds, modulo 2^576; and the carry.
fn add(a: &Number, b: &Number) -> (Number, bool) {
    let mut carry = false;
    let mut sum = *a;
    for (limb, other) in sum.iter_mut().zip(b) {
        let (first, over) = limb.overflowing_add(*other);
        let (second, more) = first.overflowing_add(u64::from(carry));
        (*limb, carry) = (second, over || more);
    }
    (sum, carry)
}

fn subtract(a: &Number, b: &Number) -> Number {
    let mut borrow = false;
    let mut rest = *a;
    for (limb, other) in rest.iter_mut().zip(b) {
        let (first, under) = limb.overflowing_sub(*other);
        let (second, more) = first.overflowing_sub(u64::from(borrow));
        (*limb, borrow) = (second, under || more);
    }
    rest
}

/// Integers modulo an odd prime of `limbs` limbs, below 2^576.
struct Field {
    prime: Number,
    limbs: usize,
    /// -1 / prime, modulo 2^64.
    inverse: u64,
}

impl Field {
    fn new(prime: Number, limbs: usize) -> Self {
        let [least, ..] = prime;
        // Newton's iteration doubles the bits that are right: 5 at first.
        let first = least.wrapping_mul(3) ^ 2;
        let inverse = (0..4).fold(first, |x, _| x.wrapping_mul(2_u64.wrapping_sub(least.wrapping_mul(x))));
        Self { prime, limbs, inverse: inverse.wrapping_neg() }
    }

    fn reduce(&self, n: Number) -> Number {
        if less(&n, &self.prime) { n } else { subtract(&n, &self.prime) }
    }

    fn sum(&self, a: &Number, b: &Number) -> Number {
        let (sum, carry) = add(a, b);
        if carry { subtract(&sum, &self.prime) } else { self.reduce(sum) }
    }

    fn difference(&self, a: &Number, b: &Number) -> Number {
        if less(a, b) { subtract(&add(a, &self.prime).0, b) } else { subtract(a, b) }
    }

    /// Returns a * b / R with R = 2^(64 * limbs): Montgomery's product.
    fn product(&self, a: &Number, b: &Number) -> Number {
        // One limb more than the numbers have, and one for what is carried out of it.
        let mut sum = [0_u64; LIMBS + 2];
        let accumulate = |sum: &mut [u64; LIMBS + 2], number: &Number, factor: u64| {
            let mut carry = 0_u128;
            let limbs = number.iter().take(self.limbs).chain([&0, &0]);
            for (limb, other) in sum.iter_mut().zip(limbs) {
                let wide = u128::from(*limb) + u128::from(*other) * u128::from(factor) + carry;
                (*limb, carry) = (wide as u64, wide >> 64);
            }
        };
        for digit in b.iter().take(self.limbs) {
            accumulate(&mut sum, a, *digit);
            let [least, ..] = sum;
            accumulate(&mut sum, &self.prime, least.wrapping_mul(self.inverse));
            // The least limb is zero now.
            sum.rotate_left(1);
        }
        let mut product = [0; LIMBS];
        product.iter_mut().zip(sum.iter().take(self.limbs)).for_each(|(to, limb)| *to = *limb);
        if sum.get(self.limbs).is_some_and(|over| *over > 0) {
            let mut rest = subtract(&product, &self.prime);
            // What is above was borrowed from the limb that is carried.
            rest.iter_mut().skip(self.limbs).for_each(|limb| *limb = 0);
            return rest;
        }
        self.reduce(product)
    }
}
