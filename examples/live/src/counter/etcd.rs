//! Counters in etcd, for several services as one: its JSON gateway, and a transaction per request.
//!
//! A counter's slots are at `<prefix>cnt/<id>`, its lock at `<prefix>lck/<id>` under an etcd lease of its own:
//! etcd takes the lock away, by its own clock, whatever becomes of the service that gave it. A step
//! reads both, runs, and writes what it changed in a transaction that holds only if neither changed
//! since; otherwise another service came first, and the step runs again.
//!
//! Commits are at `<prefix>cmt/<id><slot>`, each written in the transaction that fills its slot. etcd takes no
//! request over 1.5 MB unless it is configured to, so a commit over [`MAX_COMMIT`] is refused here. Base64 in
//! the gateway's JSON makes a commit a third longer on its way, which etcd does not count.
//!
//! A counter of which only slot 0 is filled is under an etcd lease, which every request about it renews. It is gone
//! [`IDLE`] after the last request, even if the store has room for more. The next slot takes it out of the lease, and
//! it is never dropped.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use moq_mls::Timestamp;
use moq_mls::counter::service::{Counter, Lock, Slots};
use moq_mls::tracks::GroupName;
use serde_json::{Value, json};

use super::store::{Change, IDLE, LEASE, MAX_COUNTERS, Record, Step, Store, StoreError};

/// Longest wait for etcd.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest commit that is stored, bytes: with the pins in the same transaction, within what etcd takes by default.
pub const MAX_COMMIT: usize = 1 << 20;
/// How often a step is run again before the store counts as failed.
const TRIES: usize = 64;

/// A client of one etcd cluster.
pub struct Etcd {
    agent: ureq::Agent,
    base: String,
    prefix: String,
    room: usize,
}

/// What is there of one counter.
struct Found {
    record: Record,
    /// The revisions of both keys; 0 for a key that is not there.
    slots_revision: i64,
    lock_revision: i64,
}

impl Etcd {
    /// A client of the etcd at `url`, `http://host:port`.
    pub fn new(url: &str) -> Self {
        Self::with_prefix(url, "moq-mls/")
    }

    /// As [`Etcd::new`], with other keys.
    pub fn with_prefix(url: &str, prefix: &str) -> Self {
        let config =
            ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).max_idle_connections_per_host(64);
        let base = url.trim_end_matches('/').to_owned();
        Self { agent: config.build().into(), base, prefix: prefix.to_owned(), room: MAX_COUNTERS }
    }

    /// With room for that many counters.
    #[must_use]
    pub fn with_room(self, room: usize) -> Self {
        Self { room, ..self }
    }

    /// One call of the gateway.
    pub fn call(&self, path: &str, body: &Value) -> Result<Value> {
        let sent = self.agent.post(format!("{}{path}", self.base)).send(serde_json::to_vec(body)?);
        let bytes =
            sent.and_then(|mut r| r.body_mut().read_to_vec()).with_context(|| format!("etcd {path}"))?;
        serde_json::from_slice(&bytes).with_context(|| format!("etcd {path}: no JSON"))
    }

    fn keys(&self, id: &GroupName) -> (String, String) {
        let key =
            |kind: &str| BASE64.encode([self.prefix.as_bytes(), kind.as_bytes(), id.as_bytes()].concat());
        (key("cnt/"), key("lck/"))
    }

    fn load(&self, id: &GroupName, now: Timestamp) -> Result<Found> {
        let (slots, lock) = self.keys(id);
        // An empty compare holds: two reads at one revision.
        let body =
            json!({ "success": [{"request_range": {"key": slots}}, {"request_range": {"key": lock}}] });
        let answer = self.call("/v3/kv/txn", &body)?;
        let row = |at: usize| answer["responses"][at]["response_range"]["kvs"][0].clone();
        let (slots, lock) = (row(0), row(1));
        let mut held = None;
        if !lock.is_null() {
            // Its deadline is etcd's to know; asking costs a round trip that only a Conflict needs.
            let id = lock["lease"].as_str().context("a lock without a lease")?.to_owned();
            let left = self.call("/v3/lease/timetolive", &json!({ "ID": id }))?;
            // Whole seconds, rounded down; below zero of a lease that is over, whose key is still there: the lock is free.
            if let Ok(left) = u64::try_from(number(&left["TTL"])) {
                let left = Duration::from_secs(left.saturating_add(1)).min(LEASE);
                held = Some(Lock { id: value(&lock)?.into(), until: now.after(left) });
            }
        }
        let record = match (slots.is_null(), held) {
            (false, held) => Record::decode_slots(&value(&slots)?, held)?,
            (true, held) => {
                let counter = Counter::restore(0, Slots::Unused, held).context("a damaged lock")?;
                Record { counter, ..Record::default() }
            }
        };
        // Under a lease there is slot 0 alone. One that has just ended is not renewed, and the row is gone.
        if let Some(lease) = slots["lease"].as_str().filter(|lease| *lease != "0") {
            self.call("/v3/lease/keepalive", &json!({ "ID": lease }))?;
        }
        let (slots_revision, lock_revision) = (number(&slots["mod_revision"]), number(&lock["mod_revision"]));
        Ok(Found { record, slots_revision, lock_revision })
    }

    fn lease(&self, lasts: Duration) -> Result<String> {
        let grant = self.call("/v3/lease/grant", &json!({ "TTL": lasts.as_secs().to_string() }))?;
        Ok(grant["ID"].as_str().context("no lease")?.to_owned())
    }

    fn commit_key(&self, id: &GroupName, slot: u64) -> String {
        BASE64.encode([self.prefix.as_bytes(), b"cmt/", id.as_bytes(), &slot.to_be_bytes()].concat())
    }

    /// Writes what the step changed; false if another service came first.
    fn save(&self, id: &GroupName, found: &Found, change: &Change) -> Result<bool> {
        let (slots, lock) = self.keys(id);
        let (before, after) = (&found.record, &change.record);
        let mut writes = Vec::new();
        let mut granted = Vec::new();
        if before.encode_slots() != after.encode_slots() {
            let value = BASE64.encode(after.encode_slots());
            let mut put = json!({ "key": slots, "value": value });
            if after.counter.next() == 1 {
                let lease = self.lease(IDLE)?;
                put["lease"] = json!(lease);
                granted.push(lease);
            }
            writes.push(json!({ "request_put": put }));
        }
        if let Some((slot, commit)) = &change.added {
            let (key, value) = (self.commit_key(id, *slot), BASE64.encode(commit));
            writes.push(json!({"request_put": {"key": key, "value": value}}));
        }
        for slot in &change.dropped {
            writes.push(json!({"request_delete_range": {"key": self.commit_key(id, *slot)}}));
        }
        if after.counter.lock_held() != before.counter.lock_held() {
            match after.counter.lock_held() {
                Some(held) => {
                    let lease = self.lease(LEASE)?;
                    let value = BASE64.encode(&held.id);
                    writes.push(json!({"request_put": {"key": lock, "value": value, "lease": lease}}));
                    granted.push(lease);
                }
                None => writes.push(json!({"request_delete_range": {"key": lock}})),
            }
        }
        let unchanged = |key: &str, revision: i64| json!({"key": key, "target": "MOD", "result": "EQUAL", "mod_revision": revision.to_string()});
        let compare = [unchanged(&slots, found.slots_revision), unchanged(&lock, found.lock_revision)];
        let answer = self.call("/v3/kv/txn", &json!({ "compare": compare, "success": writes }))?;
        let won = answer["succeeded"].as_bool().unwrap_or(false);
        // A lease that holds nothing would only wait for its end. That of a lock that is done with does:
        // ending it sooner costs a round trip.
        for lease in granted.iter().filter(|_| !won) {
            self.call("/v3/lease/revoke", &json!({ "ID": lease })).ok();
        }
        Ok(won)
    }

    fn is_full(&self) -> Result<bool> {
        let first = [self.prefix.as_bytes(), b"cnt/"].concat();
        let last = [self.prefix.as_bytes(), b"cnt0"].concat();
        let range =
            json!({ "key": BASE64.encode(first), "range_end": BASE64.encode(last), "count_only": true });
        Ok(number(&self.call("/v3/kv/range", &range)?["count"])
            >= i64::try_from(self.room).unwrap_or(i64::MAX))
    }
}

impl Store for Etcd {
    fn transact(&self, id: &GroupName, now: Timestamp, step: Step<'_>) -> Result<(), StoreError> {
        for _ in 0..TRIES {
            let found = self.load(id, now)?;
            let Some(change) = found.record.after(step) else { return Ok(()) };
            if found.slots_revision == 0 && change.record.counter.next() > 0 && self.is_full()? {
                return Err(StoreError::Full);
            }
            if self.save(id, &found, &change)? {
                return Ok(());
            }
        }
        Err(anyhow::anyhow!("others came first {TRIES} times").into())
    }

    fn read(&self, id: &GroupName, val: u64, now: Timestamp) -> Result<(Counter, Option<Bytes>), StoreError> {
        let record = self.load(id, now)?.record;
        let commit = match record.commit_len(val) {
            Some(0) => Some(Bytes::new()),
            Some(_) => {
                let row = self.call("/v3/kv/range", &json!({ "key": self.commit_key(id, val) }))?;
                let row = &row["kvs"][0];
                // Dropped between the two reads: not kept.
                if row.is_null() { None } else { Some(Bytes::from(value(row)?)) }
            }
            None => None,
        };
        Ok((record.counter, commit))
    }

    fn max_commit(&self) -> usize {
        MAX_COMMIT
    }

    fn claim(&self, name: &str, value: &[u8]) -> Result<Vec<u8>> {
        let key = BASE64.encode([self.prefix.as_bytes(), b"set/", name.as_bytes()].concat());
        let is_new = json!({ "key": key, "target": "CREATE", "result": "EQUAL", "create_revision": "0" });
        let put = json!({ "request_put": { "key": key, "value": BASE64.encode(value) } });
        let get = json!({ "request_range": { "key": key } });
        let body = json!({ "compare": [is_new], "success": [put], "failure": [get] });
        let answer = self.call("/v3/kv/txn", &body)?;
        match answer["succeeded"].as_bool() {
            Some(true) => Ok(value.to_vec()),
            _ => self::value(&answer["responses"][0]["response_range"]["kvs"][0]),
        }
    }

    fn check(&self) -> Result<()> {
        let health = self.call("/v3/maintenance/status", &json!({}))?;
        if health["leader"].as_str().is_none_or(|leader| leader == "0") {
            bail!("etcd has no leader");
        }
        Ok(())
    }
}

fn value(row: &Value) -> Result<Vec<u8>> {
    // An empty value is left out.
    Ok(BASE64.decode(row["value"].as_str().unwrap_or_default())?)
}

/// A 64-bit number, which the gateway writes as a string and leaves out when 0.
fn number(value: &Value) -> i64 {
    value.as_str().and_then(|s| s.parse().ok()).or_else(|| value.as_i64()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;

    use super::*;

    /// A gateway with one locked counter, whose lease has `ttl` seconds left. It answers two calls.
    fn gateway(ttl: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut stream = BufReader::new(stream);
            loop {
                let (mut path, mut length) = (String::new(), 0);
                loop {
                    let mut line = String::new();
                    if stream.read_line(&mut line).unwrap_or(0) == 0 {
                        return;
                    }
                    let line = line.to_ascii_lowercase();
                    if line.starts_with("post ") {
                        path = line.clone();
                    }
                    if let Some(value) = line.strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    if line.trim().is_empty() {
                        break;
                    }
                }
                stream.read_exact(&mut vec![0; length]).unwrap();
                let answer = if path.contains("timetolive") {
                    json!({ "ID": "7", "TTL": ttl })
                } else {
                    let held = json!({ "value": BASE64.encode("token"), "lease": "7", "mod_revision": "3" });
                    json!({ "responses": [
                        { "response_range": {} },
                        { "response_range": { "kvs": [held] } },
                    ] })
                };
                let body = answer.to_string();
                let length = body.len();
                write!(stream.get_mut(), "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}")
                    .unwrap();
            }
        });
        format!("http://{address}")
    }

    #[test]
    fn a_lock_lasts_as_long_as_its_lease_even_if_its_key_is_still_there() {
        let now = Timestamp::from_secs(1_700_000_000);
        let id = GroupName::try_from("g").unwrap();
        for (ttl, left) in [("-1", None), ("0", Some(1)), ("1", Some(2)), ("3600", Some(LEASE.as_secs()))] {
            let found = Etcd::new(&gateway(ttl)).load(&id, now).unwrap();
            let until = found.record.counter.lock_held().map(|lock| lock.until.since(now).as_secs());
            assert_eq!(until, left, "{ttl}");
        }
    }
}
