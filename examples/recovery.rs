//! How long the honest members of a group take to agree again after an insider or the service stranded them.
//!
//! ```text
//! cargo run --release --example recovery -- [--seeds 200] [--members 5] [--delay 100]
//! ```
//!
//! For each kind of stranding, over so many seeds: the worst time, in simulated milliseconds, from the fault until all
//! honest members are in one epoch with the same keys. Every message takes up to `--delay` milliseconds. Without
//! cryptography, so that many runs cost little; each is watched for broken invariants.

#[path = "output/mod.rs"]
mod output;

use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use moq_mls::counter::service::Counter;
use moq_mls::counter::{IncrementReply, IncrementRequest, Pin};
use moq_mls::testing::faults::Receipts;
use moq_mls::testing::symbolic::{SymbolicEngine, SymbolicReceipts};
use moq_mls::testing::world::{ByValue, World};
use moq_mls::testing::{rogue, sha256};
use moq_mls::tracks::GroupName;
use moq_mls::{Command, Config, Object, Timestamp};

use self::output::{complain, say};

type Room = World<SymbolicEngine, ByValue>;
type Failed = Box<dyn std::error::Error>;

const HELP: &str = "\
recovery: how long members take to agree again after an insider or the service stranded them

  --seeds N    groups for each kind of stranding (default 200)
  --members N  honest members of each (default 5, at least 2)
  --delay MS   longest time that a message takes (default 100)
  -h, --help   this text";

const KEY: &[u8] = b"the service's key";
/// Longer than all turns, Welcomes and retries together.
const PATIENCE: Duration = Duration::from_secs(3600);

/// How members are stranded.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// A commit is pinned, and both the relay and the service lose it for 90 seconds.
    Withheld,
    /// A true commit is pinned with a lock that its keys do not make.
    WrongLock,
    /// Bytes are pinned that are no commit.
    FaultyCommit,
    /// The service is put back, and stays there.
    ServiceRegressed,
    /// The service is put back, and a former member then fills the slots after it.
    ServiceReplaced,
}

impl Kind {
    const ALL: [Self; 5] =
        [Self::Withheld, Self::WrongLock, Self::FaultyCommit, Self::ServiceRegressed, Self::ServiceReplaced];

    fn name(self) -> &'static str {
        match self {
            Self::Withheld => "withheld_commit",
            Self::WrongLock => "wrong_lock",
            Self::FaultyCommit => "faulty_commit",
            Self::ServiceRegressed => "service_regressed",
            Self::ServiceReplaced => "service_replaced",
        }
    }
}

#[derive(Clone, Copy)]
struct Options {
    seeds: u64,
    members: usize,
    delay_ms: u64,
}

/// `None`: help is asked for.
fn options() -> Result<Option<Options>, String> {
    let mut options = Options { seeds: 200, members: 5, delay_ms: 100 };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut number = || {
            let value = args.next().ok_or_else(|| format!("{arg} needs a number"))?;
            value.parse::<u64>().map_err(|_| format!("{value} is no number"))
        };
        match arg.as_str() {
            "--seeds" => options.seeds = number()?,
            "--members" => options.members = usize::try_from(number()?.max(2)).map_err(|e| e.to_string())?,
            "--delay" => options.delay_ms = number()?,
            "--help" | "-h" => return Ok(None),
            other => return Err(format!("no option {other}; --help names them")),
        }
    }
    Ok(Some(options))
}

/// Members who agree. The last is the insider.
fn meeting(options: Options, seed: u64) -> Result<(Room, GroupName), Failed> {
    let start = Timestamp::from_secs(1_700_000_000);
    let mut room = Room::delayed(start, (Duration::ZERO, Duration::from_millis(options.delay_ms)), seed);
    let group = GroupName::try_from("room")?;
    let mut config = Config::new(group.clone());
    config.params.service_key = Some(Bytes::from_static(KEY));
    room.set_receipts(Receipts::by(SymbolicReceipts(Bytes::from_static(KEY))));
    room.watch();
    for who in 0..=options.members {
        room.add(SymbolicEngine::new(&format!("m{who}"))?, config.clone())?;
        room.command(who, Command::Join)?;
        room.run_for(Duration::from_secs(2));
    }
    let everyone: Vec<usize> = (0..=options.members).collect();
    // So that whose turn it is differs from seed to seed.
    for _ in 0..seed % 7 {
        room.command(0, Command::Update)?;
        room.run_for(Duration::from_secs(2));
    }
    let agree = |room: &Room| room.agreement(&everyone).is_ok();
    if !room.run_until(PATIENCE, agree) {
        return Err("they never agreed in the first place".into());
    }
    Ok((room, group))
}

/// The insider fills the next slot, and is gone.
fn pin(room: &mut Room, group: &GroupName, insider: usize, commit: &Bytes, pin: Pin) -> Result<(), Failed> {
    let machine = room.peer(insider).ok_or("the insider is down")?;
    let mut request = IncrementRequest::draft(group.clone());
    request.val = Some(machine.epoch().ok_or("the insider is out")?.saturating_add(1));
    request.pin = Some(pin);
    (request.prev, request.key) = (machine.pin().copied(), machine.slot_key());
    request.commit = Some(commit.clone());
    fill(room, &request)?;
    room.crash(insider);
    Ok(())
}

/// Fills a slot at the service.
fn fill(room: &mut Room, request: &IncrementRequest) -> Result<(), Failed> {
    let now = room.now();
    match room.counter_mut().increment(now, request) {
        IncrementReply::Ok(_) => Ok(()),
        refused => Err(format!("{refused:?}").into()),
    }
}

/// A commit that the insider makes behind its machine's back, and where it goes.
fn commit(room: &Room, insider: usize) -> Result<Object, Failed> {
    let machine = room.peer(insider).ok_or("the insider is down")?;
    let engine = SymbolicEngine::new(&format!("m{insider}"))?.incarnation(99);
    let (location, payload) = rogue::commit(machine, &engine, room.now()).ok_or("no commit")?;
    Ok(Object { track: machine.tracks().commit(machine.sender_id()), location, payload })
}

/// The insider pins a commit that everybody could follow; the relay and the service have it only 90 seconds later.
fn withhold(room: &mut Room, group: &GroupName, insider: usize) -> Result<(), Failed> {
    let object = commit(room, insider)?;
    let judge = room.peer(0).ok_or("p0 is down")?;
    let good = rogue::pin(judge, &object.payload, room.now()).ok_or("no pin")?;
    pin(room, group, insider, &object.payload, good)?;
    let mut counter: Counter = room.counter().get(group).ok_or("no counter")?.clone();
    while counter.drop_commit().is_some() {}
    let now = room.now();
    room.counter_mut().insert(now, group, counter);
    room.run_for(Duration::from_secs(90));
    room.publish(&object);
    Ok(())
}

/// The service is put back by a slot, and the insider is gone. With `replaced`, that slot is filled in another way.
/// Returns the epoch that all were in when it happened, and the time.
fn put_back(
    room: &mut Room,
    group: &GroupName,
    insider: usize,
    replaced: bool,
) -> Result<(u64, Timestamp), Failed> {
    let everyone: Vec<usize> = (0..=insider).collect();
    let before = room.agreement(&everyone)?.epoch;
    let old = room.counter().get(group).ok_or("no counter")?.clone();
    let machine = room.peer(insider).ok_or("the insider is down")?;
    let (key, newest) = (machine.slot_key().ok_or("no key")?, machine.pin().copied());
    room.command(0, Command::Update)?;
    let on = |room: &Room| room.agreement(&everyone).is_ok_and(|a| a.epoch > before);
    if !room.run_until(PATIENCE, on) {
        return Err("no update".into());
    }
    let fault = (room.agreement(&everyone)?.epoch, room.now());
    room.reset_counter();
    room.counter_mut().insert(fault.1, group, old);
    room.crash(insider);
    if replaced {
        let commit = Bytes::from_static(b"another way");
        let mut request = IncrementRequest::draft(group.clone());
        request.val = Some(before.saturating_add(1));
        request.pin = Some(Pin::new(sha256(&commit), [1; 32], [2; 32]));
        (request.prev, request.key, request.commit) = (newest, Some(key), Some(commit));
        fill(room, &request).map_err(|refused| format!("the other lineage was refused: {refused}"))?;
    }
    Ok(fault)
}

/// One run: milliseconds from the fault until the others agree again.
fn run(kind: Kind, options: Options, seed: u64) -> Result<u64, Failed> {
    let (mut room, group) = meeting(options, seed)?;
    let insider = options.members;
    let honest: Vec<usize> = (0..insider).collect();
    let mut before = room.agreement(&(0..=insider).collect::<Vec<_>>())?.epoch;
    let mut began = room.now();
    match kind {
        Kind::Withheld => withhold(&mut room, &group, insider)?,
        Kind::WrongLock => {
            let object = commit(&room, insider)?;
            pin(&mut room, &group, insider, &object.payload, made_up(&object.payload))?;
        }
        Kind::FaultyCommit => {
            let garbage = Bytes::from_static(b"no commit");
            pin(&mut room, &group, insider, &garbage, made_up(&garbage))?;
        }
        Kind::ServiceRegressed | Kind::ServiceReplaced => {
            let replaced = matches!(kind, Kind::ServiceReplaced);
            (before, began) = put_back(&mut room, &group, insider, replaced)?;
        }
    }
    let again = |room: &Room| room.agreement(&honest).is_ok_and(|a| a.epoch > before);
    // The insider's leaf stays in a group that goes on: its own members say that it is gone.
    let met = |room: &Room| again(room) || with_the_insider(room, &honest, before);
    if !room.run_until(PATIENCE, met) {
        return Err(format!("{kind:?} {seed}: {:?}", room.agreement(&honest)).into());
    }
    if let Some(broken) = room.violations().first() {
        return Err(format!("{kind:?} {seed}: {broken}").into());
    }
    if let Some((who, why)) = room.failures().first() {
        return Err(format!("{kind:?} {seed}: p{who}: {why}").into());
    }
    Ok(room.now().since(began).as_millis().try_into()?)
}

/// All honest members are in one later epoch with the same keys, and the insider's leaf is there still.
fn with_the_insider(room: &Room, honest: &[usize], before: u64) -> bool {
    let state = |who: &usize| {
        let machine = room.peer(*who)?;
        Some((machine.epoch().filter(|epoch| *epoch > before)?, machine.epoch_authenticator().ok()?))
    };
    let first = honest.first().and_then(state);
    first.is_some() && honest.iter().all(|who| state(who) == first)
}

/// A pin of these bytes with a lock that no keys make.
fn made_up(commit: &Bytes) -> Pin {
    Pin::new(sha256(commit), [1; 32], [9; 32])
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(Some(options)) => options,
        Ok(None) => {
            say!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            complain!("recovery: {error}");
            return ExitCode::from(2);
        }
    };
    for kind in Kind::ALL {
        let mut worst = 0;
        for seed in 0..options.seeds {
            match run(kind, options, seed) {
                Ok(ms) => worst = worst.max(ms),
                Err(error) => {
                    complain!("recovery: {error}");
                    return ExitCode::FAILURE;
                }
            }
        }
        say!("figure recovery_{}_ms {worst} ms", kind.name());
    }
    ExitCode::SUCCESS
}
