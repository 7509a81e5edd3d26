//! Several counter services as one: the next is asked when one has no answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use moq_mls::counter::{
    CommitReply, CommitRequest, IncrementReply, IncrementRequest, LockReply, LockRequest,
};

use super::{Answer, CounterClient, CounterError};

/// A client of several counter services, of which it asks one at a time.
///
/// It stays with the service that answered last. Where that has no answer, because it cannot be reached, answers 5xx or is
/// no counter service, the same request goes to the next, until each was asked once. The first answer wins. A refusal
/// is an answer: what one service refuses, for example by 429, is not asked of another. If no service answers, the
/// request may have had its effect unless none of them got it.
///
/// This is safe where the services have one store, as several over one etcd have. A request that an earlier service
/// did without an answer is then answered again: a slot keeps its first pin. Services without a common store are
/// separate counters. The participant finds that out by the pins, and reports it
/// ([`ServiceFault`](moq_mls::notice::ServiceFault)). With
/// [`GroupParams::service_key`](moq_mls::GroupParams::service_key), all services must sign with that key.
///
/// An increment without a value, which only [`SafetyMode::Advisory`](moq_mls::SafetyMode::Advisory) sends, counts each time.
/// It goes to the next service only if it certainly was not sent.
#[derive(Debug)]
pub struct Failover<C> {
    services: Arc<[C]>,
    current: Arc<AtomicUsize>,
}

impl<C> Clone for Failover<C> {
    fn clone(&self) -> Self {
        Self { services: self.services.clone(), current: self.current.clone() }
    }
}

/// Whether a request may be sent again that may have had its effect.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Repeat {
    Always,
    UnlessSent,
}

impl<C> Failover<C> {
    /// Makes a client that asks `first`, and `others` in their order when one has no answer.
    pub fn new(first: C, others: impl IntoIterator<Item = C>) -> Self {
        let services = std::iter::once(first).chain(others).collect();
        Self { services, current: Arc::default() }
    }

    /// Returns how many services there are.
    pub fn services(&self) -> usize {
        self.services.len()
    }

    async fn ask<'a, T, F>(&'a self, repeat: Repeat, mut call: impl FnMut(&'a C) -> F) -> Answer<T>
    where
        F: Future<Output = Answer<T>>,
    {
        let count = self.services.len();
        let first = self.current.load(Ordering::Relaxed);
        let mut failed = Failed::default();
        for service in self.services.iter().cycle().skip(first).take(count) {
            let answer = call(service).await;
            let error = match &answer.reply {
                Ok(_) => return answer,
                Err(error) => error.clone(),
            };
            let is_last = failed.note(error.clone(), answer.retry_after) == count;
            let next = (first + failed.asked) % count;
            // Another call may have found the same meanwhile.
            let before = (first + failed.asked - 1) % count;
            let moved = self.current.compare_exchange(before, next, Ordering::Relaxed, Ordering::Relaxed);
            if is_last || (repeat == Repeat::UnlessSent && !matches!(error, CounterError::NotSent(_))) {
                break;
            }
            if moved.is_ok() {
                tracing::warn!(%error, service = next, "asking the next counter service");
            }
        }
        failed.into_answer()
    }
}

/// What the services came to that had no answer.
#[derive(Default)]
struct Failed {
    asked: usize,
    error: Option<CounterError>,
    retry_after: Option<Duration>,
}

impl Failed {
    /// Returns how many were asked.
    fn note(&mut self, error: CounterError, retry_after: Option<Duration>) -> usize {
        self.asked += 1;
        // One that may have had the request outweighs all that certainly had not.
        if self.error.as_ref().is_none_or(|before| matches!(before, CounterError::NotSent(_))) {
            self.error = Some(error);
        }
        self.retry_after = match (self.retry_after, retry_after) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        self.asked
    }

    fn into_answer<T>(self) -> Answer<T> {
        let error = self.error.unwrap_or_else(|| CounterError::NotSent("no service".to_owned()));
        Answer { reply: Err(error), service_time: None, retry_after: self.retry_after }
    }
}

impl<C: CounterClient> CounterClient for Failover<C> {
    async fn lock(&self, request: LockRequest) -> Answer<LockReply> {
        self.ask(Repeat::Always, |service| service.lock(request.clone())).await
    }

    async fn increment(&self, request: IncrementRequest) -> Answer<IncrementReply> {
        let repeat = if request.val.is_some() { Repeat::Always } else { Repeat::UnlessSent };
        self.ask(repeat, |service| service.increment(request.clone())).await
    }

    async fn commit(&self, request: CommitRequest) -> Answer<CommitReply> {
        self.ask(Repeat::Always, |service| service.commit(request.clone())).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use moq_mls::tracks::GroupName;

    use super::*;

    /// Answers with what is set, and counts what it is asked.
    struct Scripted {
        error: Mutex<Option<CounterError>>,
        asked: AtomicUsize,
    }

    impl Scripted {
        fn new(error: Option<CounterError>) -> Arc<Self> {
            Arc::new(Self { error: Mutex::new(error), asked: AtomicUsize::new(0) })
        }

        fn answer<T>(&self, reply: T) -> Answer<T> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let error = self.error.lock().unwrap().clone();
            let retry_after = error.as_ref().map(|_| Duration::from_secs(self.asked() as u64));
            Answer { reply: error.map_or(Ok(reply), Err), service_time: None, retry_after }
        }

        fn asked(&self) -> usize {
            self.asked.load(Ordering::Relaxed)
        }
    }

    impl CounterClient for Arc<Scripted> {
        async fn lock(&self, _: LockRequest) -> Answer<LockReply> {
            self.answer(LockReply::Conflict { retry_later: Duration::ZERO })
        }
        async fn increment(&self, _: IncrementRequest) -> Answer<IncrementReply> {
            self.answer(IncrementReply::Error(moq_mls::counter::Reason::RateLimited))
        }
        async fn commit(&self, _: CommitRequest) -> Answer<CommitReply> {
            self.answer(CommitReply::Error(moq_mls::counter::Reason::Forbidden))
        }
    }

    fn group() -> GroupName {
        GroupName::try_from("room").unwrap()
    }

    fn lock() -> LockRequest {
        LockRequest { counter: group(), val: 0 }
    }

    fn not_sent() -> CounterError {
        CounterError::NotSent("refused".to_owned())
    }

    fn no_answer() -> CounterError {
        CounterError::NoAnswer("503".to_owned())
    }

    fn asked(services: &[&Arc<Scripted>]) -> Vec<usize> {
        services.iter().map(|service| service.asked()).collect()
    }

    #[tokio::test]
    async fn the_next_is_asked_and_then_stayed_with() {
        let page = CounterError::NotCounterService { address: "x".to_owned(), what: "404".to_owned() };
        for dead in [not_sent(), no_answer(), page] {
            let (one, two) = (Scripted::new(Some(dead)), Scripted::new(None));
            let both = Failover::new(one.clone(), [two.clone()]);
            for _ in 0..3 {
                assert!(both.lock(lock()).await.reply.is_ok());
            }
            assert_eq!(asked(&[&one, &two]), [1, 3]);
            // When that one ends, the first is asked again.
            *two.error.lock().unwrap() = Some(no_answer());
            *one.error.lock().unwrap() = None;
            assert!(both.clone().lock(lock()).await.reply.is_ok());
            assert_eq!(asked(&[&one, &two]), [2, 4]);
        }
    }

    #[tokio::test]
    async fn a_refusal_is_an_answer() {
        let (one, two) = (Scripted::new(None), Scripted::new(None));
        let both = Failover::new(one.clone(), [two.clone()]);
        let request = IncrementRequest { val: Some(0), ..IncrementRequest::draft(group()) };
        assert!(both.increment(request).await.reply.is_ok());
        assert!(both.commit(CommitRequest { counter: group(), val: 0 }).await.reply.is_ok());
        assert_eq!(asked(&[&one, &two]), [2, 0]);
    }

    #[tokio::test]
    async fn without_any_answer_the_request_may_have_had_its_effect() {
        for (errors, expected) in [
            ([no_answer(), not_sent()], no_answer()),
            ([not_sent(), no_answer()], no_answer()),
            ([not_sent(), not_sent()], not_sent()),
        ] {
            let [one, two] = errors.map(|error| Scripted::new(Some(error)));
            two.asked.store(4, Ordering::Relaxed);
            let answer = Failover::new(one, [two]).lock(lock()).await;
            assert_eq!(answer.reply, Err(expected));
            // The soonest time that a service states.
            assert_eq!(answer.retry_after, Some(Duration::from_secs(1)));
        }
    }

    #[tokio::test]
    async fn an_increment_without_a_value_is_not_sent_twice() {
        for (error, expected) in [(no_answer(), [1, 0]), (not_sent(), [1, 1])] {
            let (one, two) = (Scripted::new(Some(error)), Scripted::new(None));
            let both = Failover::new(one.clone(), [two.clone()]);
            both.increment(IncrementRequest::draft(group())).await.reply.ok();
            assert_eq!(asked(&[&one, &two]), expected);
        }
    }
}
