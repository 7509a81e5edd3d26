//! The Rust member of the mixed group: the boundary, without a language between. README.md has the protocol.

#![allow(clippy::disallowed_methods, reason = "a driver has threads")]

mod lines;

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead, Write, stdin, stdout};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, UNIX_EPOCH};

use moq_mls_boundary::values::TrackName;
use moq_mls_boundary::{Config, Event, Identity, ObjectPlace, Participant, counter_reply};
use serde_json::{Value, json};

use lines::{bytes, number, object, shown_request, text, track};

type Done<T> = Result<T, Box<dyn Error>>;

fn now_ms() -> u64 {
    UNIX_EPOCH.elapsed().map_or(0, |time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

fn write(line: &Value) -> Done<()> {
    let mut out = stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// The participant, and the numbers of its media tracks.
struct Member {
    participant: Participant,
    tracks: BTreeMap<TrackName, u32>,
}

impl Member {
    fn track(&mut self, line: &Value) -> Done<u32> {
        let name = track(line)?;
        if let Some(track) = self.tracks.get(&name) {
            return Ok(*track);
        }
        let track = self.participant.add_track(4, name.clone(), false)?;
        self.tracks.insert(name, track);
        Ok(track)
    }

    fn give(&mut self, event: Event) -> Done<()> {
        Ok(self.participant.handle(now_ms(), event)?)
    }

    /// Does what a line says. Returns whether to go on.
    fn take(&mut self, line: &Value) -> Done<bool> {
        match text(line, "type")? {
            "object" => self.give(Event::Object(object(line)?))?,
            "subscribed" => self.give(Event::Subscribed { id: number(line, "id")? })?,
            "published" => self.give(Event::Published { id: number(line, "id")? })?,
            "fetched" => {
                let objects = line.get("objects").and_then(Value::as_array).ok_or("no objects")?;
                let objects = objects.iter().map(object).collect::<Result<_, _>>()?;
                self.give(Event::Fetched { id: number(line, "id")?, objects })?;
            }
            "http" => {
                let (kind, id) = (lines::request(text(line, "request")?)?, number(line, "id")?);
                let reply =
                    counter_reply(kind, id, &bytes(line, "bytes")?, true)?.ok_or("half a response")?;
                reply.events.into_iter().try_for_each(|event| self.give(event))?;
            }
            "join" => self.give(Event::Join)?,
            "update" => self.give(Event::Update)?,
            "report" => write(&self.report(line)?)?,
            "seal" => {
                self.participant.switch_now(now_ms())?;
                let (track, payload) = (self.track(line)?, bytes(line, "payload")?);
                let (properties, object) = self.participant.seal(track, place(line)?, None, &payload, b"")?;
                let (properties, object) = (hex::encode(properties), hex::encode(object));
                write(&json!({"type": "sealed", "properties": properties, "object": object}))?;
            }
            "open" => {
                let (properties, object) = (bytes(line, "properties")?, bytes(line, "object")?);
                let (track, publisher) = (self.track(line)?, bytes(line, "publisher")?);
                let from = Some(publisher.as_ref());
                let opened =
                    self.participant.open(now_ms(), track, place(line)?, &properties, &object, from)?;
                write(&json!({"type": "opened", "payload": hex::encode(opened.payload)}))?;
            }
            "quit" => return Ok(false),
            other => return Err(format!("a line of an unknown type: {other}").into()),
        }
        Ok(true)
    }

    fn report(&self, line: &Value) -> Done<Value> {
        let Some(epoch) = self.participant.epoch() else {
            return Ok(
                json!({"type": "report", "epoch": null, "members": null, "authenticator": null, "track_key": null}),
            );
        };
        Ok(json!({
            "type": "report",
            "epoch": epoch.to_string(),
            "members": self.participant.members().len().to_string(),
            "authenticator": hex::encode(self.participant.epoch_authenticator()?),
            "track_key": hex::encode(self.participant.track_key(epoch, track(line)?)?.as_bytes()),
        }))
    }

    fn run(&mut self, input: &Receiver<String>) -> Done<()> {
        write(&json!({"type": "hello", "sender": hex::encode(self.participant.sender_id())}))?;
        loop {
            let due = self.participant.deadline().map(|at| at.saturating_sub(now_ms()));
            match input.recv_timeout(due.map_or(Duration::from_secs(3600), Duration::from_millis)) {
                Ok(line) => {
                    if !self.take(&serde_json::from_str(&line)?)? {
                        return Ok(());
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.give(Event::Timer)?,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            while let Some(action) = self.participant.poll()? {
                shown_request(action)?.iter().try_for_each(write)?;
            }
        }
    }
}

fn place(line: &Value) -> Done<ObjectPlace> {
    Ok(ObjectPlace {
        group_id: number(line, "group_id")?,
        object_id: number(line, "object_id")?,
        priority: 0,
    })
}

fn member() -> Done<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(name), Some(group)) = (arguments.next(), arguments.next()) else {
        return Err("moq-mls-mixed-member NAME GROUP".into());
    };
    let identity = Identity::generate(1, name.into_bytes())?;
    let participant = Participant::new(&identity, &Config::new(group.into_bytes())?, now_ms())?;
    let (lines, input) = channel();
    // It ends with the process: a read of standard input cannot be interrupted.
    std::thread::spawn(move || {
        stdin().lock().lines().map_while(Result::ok).try_for_each(|line| lines.send(line))
    });
    Member { participant, tracks: BTreeMap::new() }.run(&input)
}

fn main() -> ExitCode {
    let Err(failed) = member() else { return ExitCode::SUCCESS };
    // Without a hub that reads it, the exit code alone says so.
    _ = write(&json!({"type": "error", "message": failed.to_string()}));
    ExitCode::FAILURE
}
