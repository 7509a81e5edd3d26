//! What came of the objects of one track.

use std::collections::BTreeSet;
use std::ops::Range;

use moq_mls::Timestamp;

/// A gap of more objects than this is counted, and not filled any more.
const UNLIKELY: u64 = 1 << 16;

/// Counts of one track at one receiver.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// Opened, each once.
    pub opened: u64,
    /// Opened, of these, after they waited for their key.
    pub late: u64,
    /// Never opened: no key, or not authentic.
    pub unopenable: u64,
    /// The newest key id under which one was opened.
    pub newest_key: u64,
    /// When each was sealed that was opened after the receiver was out of the group.
    pub opened_outside: Vec<Timestamp>,
    /// The first and the last sequence that was opened.
    range: Option<(u64, u64)>,
    /// Those between that were not, of gaps that are not [`UNLIKELY`].
    missing: BTreeSet<u64>,
    /// How many were not in longer gaps. The sender chooses the sequences.
    far: u64,
}

impl Received {
    /// Notes an opened object.
    pub(super) fn note(&mut self, sequence: u64, epoch: u64, sealed: Timestamp, waited: bool, member: bool) {
        let fresh = match self.range {
            None => {
                self.range = Some((sequence, sequence));
                true
            }
            Some((first, last)) if sequence > last => {
                self.miss(last + 1..sequence);
                self.range = Some((first, sequence));
                true
            }
            Some((first, last)) if sequence < first => {
                self.miss(sequence + 1..first);
                self.range = Some((sequence, last));
                true
            }
            // A second copy, after a reconnect, is no second object.
            Some(_) => self.missing.remove(&sequence),
        };
        if fresh {
            self.opened += 1;
            self.late += u64::from(waited);
            self.newest_key = self.newest_key.max(epoch);
            if !member {
                self.opened_outside.push(sealed);
            }
        }
    }

    fn miss(&mut self, gap: Range<u64>) {
        match gap.end - gap.start {
            length if length > UNLIKELY => self.far = self.far.saturating_add(length),
            _ => self.missing.extend(gap),
        }
    }

    /// Objects missing between the first that was opened and `last`, the last that was sent.
    pub fn lost(&self, last: u64) -> u64 {
        let after = |(_, newest): (u64, u64)| last.saturating_sub(newest).saturating_add(self.far);
        self.range.map(after).map_or(0, |more| more.saturating_add(self.missing.len() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(sequences: &[u64]) -> Received {
        let mut received = Received::default();
        sequences.iter().for_each(|s| received.note(*s, 1, Timestamp::from_millis(0), false, true));
        received
    }

    #[test]
    fn lost_is_what_is_missing_since_the_first() {
        assert_eq!(after(&[5, 6, 7]).lost(7), 0);
        assert_eq!(after(&[5, 7]).lost(7), 1);
        assert_eq!(after(&[5, 7, 6]).lost(7), 0);
        assert_eq!(after(&[6, 5]).lost(9), 3);
        assert_eq!(after(&[]).lost(9), 0);
    }

    /// A member that seals at a place far away must not fill the others' memory.
    #[test]
    fn a_long_gap_is_counted_and_not_kept() {
        let received = after(&[5, u64::MAX - 1, 7]);
        assert_eq!(received.lost(u64::MAX - 1), u64::MAX - 1 - 6);
        assert!(received.missing.is_empty());
    }

    #[test]
    fn a_second_copy_hides_no_loss() {
        let received = after(&[1, 2, 2, 2, 5]);
        assert_eq!((received.opened, received.lost(5)), (3, 2));
    }
}
