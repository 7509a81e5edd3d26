//! What the way through C costs: the events of one member of a group of 100, given to the core and to the functions of
//! the header, side by side in one run. `cargo bench -p moq-mls-c`.
//!
//! With the name of a file it is the native side of `web/bench/process.mjs`. It writes the log to that file, and prints a
//! line `before N`: how many lines of it are not measured. Then each line on standard input starts a round of the core,
//! whose line is the nanoseconds that the measured events took, the number of actions, and the epoch.

#![allow(
    unsafe_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a benchmark"
)]
#![allow(clippy::disallowed_methods, reason = "it measures time")]

use std::hint::black_box;
use std::io::stdin;
use std::time::{Duration, Instant};

use moq_mls::recording::Secrets;
use moq_mls::testing::replay::{event, header};
use moq_mls::testing::seeded_crypto::seeded_engine;
use moq_mls::testing::world::World;
use moq_mls::{Action, Command, Config, Event, Participant, Timestamp};
use moq_mls_boundary::Status;
use moq_mls_c::abi::{ActionBody, ActionKind, Bytes};
use moq_mls_c::{abi, moq_mls_free, moq_mls_participant_handle, moq_mls_participant_poll, testing};

const MEMBERS: usize = 100;
const COMMITS: usize = 30;
const ROUNDS: usize = 7;
const RECORDED: usize = 1;
const START: Timestamp = Timestamp::from_secs(1_700_000_000);

/// The log of one member: all join, and then another commits again and again. Says how many lines there are before.
fn log() -> (String, usize) {
    let mut world = World::at_once(START).quiet();
    let config = Config::new("room".try_into().expect("a name"));
    for who in 0..MEMBERS {
        world.add(seeded_engine(&format!("u{who}"), 1), config.clone()).expect("an engine");
    }
    world.record(RECORDED, &format!("seeded u{RECORDED} 1"), Secrets::Withheld);
    world.command(0, Command::Join).expect("a command");
    world.run_for(Duration::from_secs(2));
    for who in 1..MEMBERS {
        world.command(who, Command::Join).expect("a command");
    }
    let all: Vec<usize> = (0..MEMBERS).collect();
    assert!(world.run_until(Duration::from_secs(300), |world| world.agreement(&all).is_ok()), "all are in");
    let before = world.take_recording(RECORDED);
    for _ in 0..COMMITS {
        world.command(0, Command::Update).expect("a command");
        world.run_for(Duration::from_secs(2));
    }
    let after = world.take_recording(RECORDED);
    (format!("{before}{after}"), before.lines().count())
}

fn native(participant: &mut Participant<impl moq_mls::engine::Engine>, now: Timestamp, event: Event) -> u64 {
    participant.handle(now, event).expect("an event");
    let mut actions = 0;
    while let Some(action) = participant.poll_action() {
        // What a driver stores.
        if let Action::Persist(snapshot) = &action {
            black_box(snapshot.to_bytes());
        }
        _ = black_box(action);
        actions += 1;
    }
    actions
}

fn through_c(handle: u64, now: Timestamp, event: &abi::Event) -> u64 {
    let mut actions = 0;
    let size = u32::try_from(size_of::<abi::Action>()).expect("a small struct");
    let body = ActionBody { snapshot: Bytes::ABSENT };
    let mut action = abi::Action { size, kind: 0, request: 0, id: 0, body };
    // SAFETY: the event and what it points to are there, and there is room for an action.
    unsafe {
        assert_eq!(moq_mls_participant_handle(handle, now.as_millis(), event), Status::Ok);
        loop {
            assert_eq!(moq_mls_participant_poll(handle, &raw mut action), Status::Ok);
            match ActionKind::from_number(action.kind) {
                Some(ActionKind::None) | None => return actions,
                Some(ActionKind::Keys) => {}
                Some(_) => actions += 1,
            }
            black_box(&action);
        }
    }
}

/// The measured member's events of a log, each with its line and time.
struct Life {
    config: Config,
    events: Vec<(usize, Timestamp, Event)>,
}

impl Life {
    fn of(log: &str) -> Self {
        let lines: Vec<serde_json::Value> =
            log.lines().map(|line| serde_json::from_str(line).expect("a line")).collect();
        let events = lines.iter().enumerate().filter(|(_, line)| line.get("event").is_some());
        let timed = events.map(|(at, line)| {
            let now = Timestamp::from_millis(line["at"].as_u64().expect("a time"));
            (at, now, event(line).expect("an event"))
        });
        Self { config: header(&lines[0]).expect("a header").config, events: timed.collect() }
    }

    fn participant(&self) -> Participant<impl moq_mls::engine::Engine> {
        let engine = seeded_engine(&format!("u{RECORDED}"), 1);
        Participant::new(engine, self.config.clone(), START).expect("a participant")
    }
}

/// Runs rounds of the core as another program asks for them.
fn serve(path: &str) {
    let (log, before) = log();
    std::fs::write(path, &log).expect("a file");
    println!("before {before} {COMMITS}");
    let life = Life::of(&log);
    for _ in stdin().lines() {
        let mut participant = life.participant();
        let (mut took, mut actions) = (Duration::ZERO, 0);
        for (at, now, event) in life.events.iter().cloned() {
            let start = Instant::now();
            actions += native(&mut participant, now, event);
            if at >= before {
                took += start.elapsed();
            }
        }
        let epoch = participant.epoch().expect("a member");
        println!("round {} {actions} {epoch}", took.as_nanos());
    }
}

fn main() {
    if let Some(path) = std::env::args().skip(1).find(|argument| !argument.starts_with("--")) {
        return serve(&path);
    }
    let (log, before) = log();
    let life = Life::of(&log);
    let flat = moq_mls_boundary::Config::from(life.config.clone());
    let name = format!("u{RECORDED}");
    let (mut ratios, mut per_event) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let mut core = life.participant();
        let handle = testing::seeded((&name, 1), &flat, None, START.as_millis()).expect("a participant");
        let (mut there, mut here, mut events) = (Duration::ZERO, Duration::ZERO, 0_u32);
        for (at, now, event) in life.events.iter().cloned() {
            testing::with_event(event.clone().into(), |lent| {
                let mut by_core = || {
                    let event = event.clone();
                    let start = Instant::now();
                    (native(&mut core, now, event), start.elapsed())
                };
                let by_c = || {
                    let start = Instant::now();
                    (through_c(handle, now, lent), start.elapsed())
                };
                // Neither is always first.
                let (core_done, c_done) = if (at + round) % 2 == 0 {
                    let first = by_core();
                    (first, by_c())
                } else {
                    let first = by_c();
                    (by_core(), first)
                };
                assert_eq!(core_done.0, c_done.0, "the same actions");
                if at >= before {
                    (there, here, events) = (there + core_done.1, here + c_done.1, events + 1);
                }
            });
        }
        assert_eq!(moq_mls_free(handle), Status::Ok);
        ratios.push(here.as_secs_f64() / there.as_secs_f64());
        per_event.push((there / events, here / events, events));
    }
    ratios.sort_by(f64::total_cmp);
    per_event.sort();
    let (there, here, events) = per_event[ROUNDS / 2];
    println!("{events} events a round at {MEMBERS} members; core {there:?}, through C {here:?} for each");
    println!("figure c_overhead_process_100 {:.3} x", ratios[ROUNDS / 2]);
}
