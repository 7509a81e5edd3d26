//! Mixing in place of hashing: fast, well spread, and no cryptography.

/// Odd, from the golden ratio.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

struct Mixer([u64; 4]);

impl Mixer {
    /// Reversible for a given input, so no two states fall together here.
    fn word(&mut self, word: u64) {
        let Self([a, b, c, d]) = *self;
        let x = (a ^ word).wrapping_mul(STEP);
        let x = x ^ (x >> 32);
        *self = Self([b ^ x, c.wrapping_add(x.rotate_left(17)), d ^ x.rotate_left(31), x]);
    }

    fn part(&mut self, part: &[u8]) {
        // The length first: where one part ends and the next begins matters.
        self.word(part.len() as u64);
        for chunk in part.chunks(8) {
            let mut word = [0; 8];
            word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
            self.word(u64::from_le_bytes(word));
        }
    }

    fn finish(mut self) -> [u64; 4] {
        for round in 1..=8 {
            self.word(round);
        }
        self.0.map(|lane| {
            let x = (lane ^ (lane >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            x ^ (x >> 31)
        })
    }
}

fn lanes(domain: &str, parts: &[&[u8]]) -> [u64; 4] {
    let mut mixer = Mixer([STEP, STEP.rotate_left(16), STEP.rotate_left(32), STEP.rotate_left(48)]);
    mixer.part(domain.as_bytes());
    for part in parts {
        mixer.part(part);
    }
    mixer.finish()
}

/// 32 bytes that depend on every byte of `parts`, and on `domain`, which keeps uses apart. Two inputs
/// fall together by bad luck only; by intent anybody can make them.
pub fn mix(domain: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut out = [0; 32];
    for (to, lane) in out.chunks_mut(8).zip(lanes(domain, parts)) {
        to.copy_from_slice(&lane.to_le_bytes());
    }
    out
}

/// The first eight bytes of [`mix`] as a number.
pub fn mix64(domain: &str, parts: &[&[u8]]) -> u64 {
    let [first, ..] = lanes(domain, parts);
    first
}
