//! Base64 of secret bytes (RFC 4648 section 4), without an access or a branch that depends on them.

/// The padded encoding.
pub(super) fn encode(bytes: &[u8]) -> Vec<u8> {
    // Made at its final size: a buffer that grows leaves copies behind.
    let mut out = Vec::with_capacity(bytes.len().div_ceil(3).saturating_mul(4));
    for chunk in bytes.chunks(3) {
        let byte = |i| chunk.get(i).copied().unwrap_or_default();
        let word = u32::from_be_bytes([0, byte(0), byte(1), byte(2)]);
        for (i, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            // n bytes make n + 1 digits.
            out.push(if i <= chunk.len() { digit(word >> shift & 0x3f) } else { b'=' });
        }
    }
    out
}

/// The digit for 0 to 63: the offsets between the five runs of the alphabet are added where `value` is
/// over the last of each run.
fn digit(value: u32) -> u8 {
    let over = |last: u32| last.wrapping_sub(value) >> 31;
    let digit = value + 65 + 6 * over(25) - 75 * over(51) - 15 * over(61) + 3 * over(62);
    digit as u8
}

#[cfg(test)]
mod tests {
    use super::encode;

    #[test]
    fn every_digit_and_every_padding() {
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut bytes = Vec::new();
        for group in (0_u32..64).collect::<Vec<_>>().chunks(4) {
            let word = group.iter().fold(0, |word, digit| word << 6 | digit);
            bytes.extend_from_slice(&word.to_be_bytes()[1..]);
        }
        assert_eq!(encode(&bytes), alphabet.as_bytes());
        // RFC 4648 section 10.
        for (plain, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            assert_eq!(encode(plain.as_bytes()), coded.as_bytes());
        }
    }
}
