//! What came of the objects of one track.

use std::collections::BTreeSet;

use moq_mls::Timestamp;

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
    /// Those between that were not.
    missing: BTreeSet<u64>,
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
                self.missing.extend(last + 1..sequence);
                self.range = Some((first, sequence));
                true
            }
            Some((first, last)) if sequence < first => {
                self.missing.extend(sequence + 1..first);
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

    /// Objects missing between the first that was opened and `last`, the last that was sent.
    pub fn lost(&self, last: u64) -> u64 {
        self.range.map_or(0, |(_, newest)| self.missing.len() as u64 + last.saturating_sub(newest))
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

    #[test]
    fn a_second_copy_hides_no_loss() {
        let received = after(&[1, 2, 2, 2, 5]);
        assert_eq!((received.opened, received.lost(5)), (3, 2));
    }
}
