//! A counter service that is broken on purpose.

use bytes::Bytes;

use crate::counter::http::{
    Call, HttpRequest, HttpResponse, Inbound, decode_request, encode_increment_reply,
};
use crate::counter::service::{Counter, CounterService, Slots};
use crate::counter::{IncrementReply, IncrementRequest, Pin};
use crate::testing::faults::{Receipts, ServiceFlaw};
use crate::time::Timestamp;

/// The answer of a service that is broken on purpose.
pub(super) fn respond_wrongly(
    flaw: ServiceFlaw,
    service: &mut CounterService<Receipts>,
    now: Timestamp,
    request: &HttpRequest,
    token: Bytes,
    newest: Option<Pin>,
) -> HttpResponse {
    let call = decode_request(request).map(|Inbound { call, .. }| call);
    match (flaw, call) {
        (ServiceFlaw::IgnoresPrev, Ok(Call::Increment(mut increment))) if increment.pin.is_some() => {
            // What opens the lock of the newest pin tells one lineage from another too.
            increment.prev = newest;
            if let IncrementReply::WrongKey(_) = service.increment(now, &increment) {
                fill(service, now, &increment);
            }
            encode_increment_reply(&service.increment(now, &increment))
        }
        (ServiceFlaw::IgnoresKeys, Ok(Call::Increment(increment))) => {
            if let IncrementReply::WrongKey(_) = service.increment(now, &increment) {
                fill(service, now, &increment);
            }
            encode_increment_reply(&service.increment(now, &increment))
        }
        _ => service.respond(now, request, token),
    }
}

/// Fills the next slot as an increment asks for it, whatever its key.
fn fill(service: &mut CounterService<Receipts>, now: Timestamp, increment: &IncrementRequest) {
    let id = &increment.counter;
    let (Some(counter), Some(pin)) = (service.get(id), increment.pin) else { return };
    let Slots::Pinned { mut kept, mut commits } = counter.slots().clone() else { return };
    kept.push_back(pin);
    commits.push_back(increment.commit.clone().unwrap_or_default());
    let next = counter.next().saturating_add(1);
    if let Some(counter) = Counter::restore(next, Slots::Pinned { kept, commits }, None) {
        service.insert(now, id, counter);
    }
}
