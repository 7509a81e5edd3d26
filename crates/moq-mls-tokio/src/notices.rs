//! What a participant reports, as a bounded queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use moq_mls::Notice;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

/// Some notices found no room in the queue, for they were not read fast enough. The newest are the ones that are lost.
/// [`Handle::status`](crate::Handle::status) says where the participant is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{missed} notices were not read in time")]
pub struct NoticesMissed {
    /// How many.
    pub missed: u64,
}

/// The notices of one participant, in order. Read them, or drop this if nobody wants them.
///
/// The queue is bounded ([`Options::notices`](crate::Options::notices)). [`Notice::PeerFault`] takes at most half of
/// it: what others send wrong must not put out what matters.
#[derive(Debug)]
pub struct Notices {
    queue: mpsc::Receiver<Notice>,
    missed: Arc<AtomicU64>,
}

impl Notices {
    /// Waits for the next notice; `None` when the driver has ended and all were read.
    ///
    /// # Errors
    /// [`NoticesMissed`], once each time that some were lost; the next call goes on.
    pub async fn recv(&mut self) -> Option<Result<Notice, NoticesMissed>> {
        match self.lost() {
            Some(missed) => Some(Err(missed)),
            None => self.queue.recv().await.map(Ok),
        }
    }

    /// Returns the next notice if there is one already.
    ///
    /// # Errors
    /// [`NoticesMissed`], as [`recv`](Self::recv).
    pub fn try_recv(&mut self) -> Option<Result<Notice, NoticesMissed>> {
        match self.lost() {
            Some(missed) => Some(Err(missed)),
            None => self.queue.try_recv().ok().map(Ok),
        }
    }

    fn lost(&self) -> Option<NoticesMissed> {
        let missed = self.missed.swap(0, Ordering::Relaxed);
        (missed > 0).then_some(NoticesMissed { missed })
    }
}

/// The driver's end of the queue.
#[derive(Debug)]
pub(crate) struct Reporter {
    queue: mpsc::Sender<Notice>,
    missed: Arc<AtomicU64>,
}

impl Reporter {
    pub(crate) fn with_room(notices: usize) -> (Self, Notices) {
        let (sender, queue) = mpsc::channel(notices.max(2));
        let missed = Arc::new(AtomicU64::new(0));
        (Self { queue: sender, missed: missed.clone() }, Notices { queue, missed })
    }

    pub(crate) fn report(&self, notice: Notice) {
        let crowded = self.queue.capacity() <= self.queue.max_capacity() / 2;
        if crowded && matches!(notice, Notice::PeerFault { .. }) {
            // It is counted in the participant's statistics.
            return;
        }
        if let Err(TrySendError::Full(_)) = self.queue.try_send(notice) {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use moq_mls::notice::{EpochCause, Fault};

    use super::*;

    #[tokio::test]
    async fn what_finds_no_room_is_counted_and_faults_take_half() {
        let (reporter, mut notices) = Reporter::with_room(4);
        let fault = Notice::PeerFault { from: None, fault: Fault::NotMls };
        (0..9).for_each(|_| reporter.report(fault.clone()));
        assert_eq!(reporter.queue.capacity(), 2);
        let entered = |epoch| Notice::Epoch { epoch, cause: EpochCause::Welcome };
        (0..3).for_each(|epoch| reporter.report(entered(epoch)));
        assert_eq!(notices.recv().await.unwrap(), Err(NoticesMissed { missed: 1 }));
        for expected in [fault.clone(), fault, entered(0), entered(1)] {
            assert_eq!(notices.recv().await.unwrap(), Ok(expected));
        }
        drop(reporter);
        assert_eq!(notices.recv().await, None);
    }
}
