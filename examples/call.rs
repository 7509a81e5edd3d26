//! A call from its first participant to its end, on an embedded relay and counter service.
//!
//! Everything is real but the network and the clock: MLS by mls-rs, the draft's messages as bytes of a
//! control stream, objects as bytes of their streams, the counter service over HTTP/1.1 bytes. The
//! participants know nothing of each other but what the relay brings them.
//!
//! How to read the timeline: virtual time, participant, its epoch, then `>` a request of its user, `^`
//! something published, `?` a question to the counter service, `!` news for its user.

#![allow(clippy::indexing_slicing)]

#[path = "output/mod.rs"]
mod output;

use std::process::ExitCode;
use std::time::Duration;

use moq_mls::notice::Notice;
use moq_mls::testing::log::What;
use moq_mls::testing::network::{Network, NetworkConfig};
use moq_mls::testing::seeded_crypto::{SeededEngine, seeded_engine};
use moq_mls::tracks::{FullTrackName, GroupName, TrackNamespace};
use moq_mls::{Command, Config, Phase};

use self::output::{complain, say};

const HELP: &str = "\
A call on an embedded relay and counter service.

Usage: cargo run --release --example call -- [options]

  --participants N   how many take part, 5 to 500 (default 8)
  --seed S           decides names, keys and latencies (default 1)
  --quiet            no timeline, only the table and the last line
  --help             this text";

/// The longest that any step of the call may take, in virtual time.
const PATIENCE: Duration = Duration::from_secs(120);

struct Options {
    participants: usize,
    seed: u64,
    quiet: bool,
}

fn options() -> Result<Option<Options>, String> {
    let mut options = Options { participants: 8, seed: 1, quiet: false };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut number = || {
            let value = args.next().ok_or_else(|| format!("{arg} needs a number"))?;
            value.parse::<u64>().map_err(|_| format!("{arg} needs a number, not {value:?}"))
        };
        match arg.as_str() {
            "--help" | "-h" => return Ok(None),
            "--quiet" | "-q" => options.quiet = true,
            "--seed" => options.seed = number()?,
            "--participants" => {
                options.participants = usize::try_from(number()?).map_err(|e| e.to_string())?;
            }
            other => return Err(format!("unknown option {other:?}")),
        }
    }
    if !(5..=500).contains(&options.participants) {
        return Err("--participants must be 5 to 500".to_owned());
    }
    Ok(Some(options))
}

fn main() -> ExitCode {
    match options().and_then(|options| options.map_or(Ok(None), |o| call(&o).map(Some))) {
        Ok(None) => say!("{HELP}"),
        Ok(Some(last_line)) => say!("{last_line}"),
        Err(error) => {
            complain!("call: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// The network, and how much of its log was printed.
struct Call {
    net: Network<SeededEngine>,
    group: GroupName,
    seed: u64,
    quiet: bool,
    printed: usize,
}

impl Call {
    fn say(&mut self, title: &str) {
        if !self.quiet {
            say!("\n-- {title}");
        }
    }

    fn print(&mut self) {
        let start = NetworkConfig::new(0).start;
        for entry in &self.net.log().entries()[self.printed..] {
            // What every member tells its user about every other fills pages and says little here.
            let dull = matches!(&entry.what, What::Notice(n) if n.starts_with("Member"));
            if !self.quiet && !dull {
                let ms = entry.at.since(start).as_millis();
                let line = entry.to_string();
                let text = line.split_once(' ').map_or("", |(_, rest)| rest);
                say!("{:>4}.{:03}  {}", ms / 1000, ms % 1000, shorten(text));
            }
        }
        self.printed = self.net.log().entries().len();
    }

    fn command(&mut self, who: usize, command: Command) -> Result<(), String> {
        self.net.command(who, command).map_err(|e| format!("p{who}: {e}"))
    }

    /// Runs until exactly these are members and agree.
    fn settle(&mut self, members: &[usize]) -> Result<u64, String> {
        let agreed = self.net.run_until(PATIENCE, |net| net.agreement(members).is_ok());
        self.print();
        if let Some((who, error)) = self.net.failures().first() {
            return Err(format!("p{who}: {error}"));
        }
        let agreement = self.net.agreement(members);
        if agreed {
            agreement.map(|a| a.epoch)
        } else {
            agreement.map(|a| a.epoch).and(Err("timeout".into()))
        }
    }
}

/// Fingerprints are 64 hex digits: six tell them apart.
fn shorten(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("SenderId(") {
        let (before, id) = rest.split_at(at + "SenderId(".len());
        let end = id.find(')').unwrap_or(id.len());
        out.push_str(before.trim_end_matches("SenderId("));
        out.push_str(&id[..end.min(6)]);
        rest = id.get(end + 1..).unwrap_or("");
    }
    out + rest
}

fn call(options: &Options) -> Result<String, String> {
    let group = GroupName::try_from("mls-grp1").map_err(|e| e.to_string())?;
    let net = Network::new(NetworkConfig::new(options.seed));
    let mut call = Call { net, group, seed: options.seed, quiet: options.quiet, printed: 0 };
    for i in 0..options.participants {
        let engine = seeded_engine(&format!("user-{i}"), options.seed);
        call.net.add(engine, Config::new(call.group.clone())).map_err(|e| e.to_string())?;
    }
    let last = options.participants - 1;

    call.say("the first participant finds no group and creates it");
    call.command(0, Command::Join)?;
    let mut members = vec![0];
    call.settle(&members)?;

    call.say("two join, one by one");
    for who in 1..3 {
        call.command(who, Command::Join)?;
        members.push(who);
        call.settle(&members)?;
    }

    call.say("the rest join in one burst");
    for who in 3..last {
        call.command(who, Command::Join)?;
        members.push(who);
    }
    call.settle(&members)?;

    call.say("p1 re-keys");
    call.command(1, Command::Update)?;
    let epoch = call.net.agreement(&members)?.epoch;
    call.net.run_until(PATIENCE, |net| net.agreement(&members).is_ok_and(|a| a.epoch > epoch));
    call.settle(&members)?;

    call.say("p2 leaves");
    call.command(2, Command::Leave)?;
    members.retain(|who| *who != 2);
    call.settle(&members)?;

    call.say("p0 removes p3, who keeps a copy of its state");
    let stolen = call.net.durable(3).ok_or("p3 has no durable state")?;
    let victim = call.net.peer(3).ok_or("p3 is gone")?.sender_id().clone();
    call.command(0, Command::Remove(victim))?;
    members.retain(|who| *who != 3);
    call.settle(&members)?;

    call.say("one more joins late");
    call.command(last, Command::Join)?;
    members.push(last);
    let epoch = call.settle(&members)?;

    call.say("p3 tries to follow from the state it kept");
    let engine = seeded_engine("user-3", call.seed);
    let ghost = call.net.add_restored(engine, Config::new(call.group.clone()), stolen);
    let ghost = ghost.map_err(|e| e.to_string())?;
    call.net.run_for(Duration::from_secs(30));
    call.print();
    let phase = call.net.peer(ghost).map(|p| (p.phase(), p.export_secret(b"any", b"", 32).is_err()));
    let told = call.net.notices(ghost).iter().any(|(_, n)| matches!(n, Notice::Removed { .. }));
    if phase != Some((Phase::Ended, true)) || !told {
        return Err(format!("the removed member was not stopped: {phase:?}"));
    }
    if !call.quiet {
        say!("p3 (as p{ghost}) reads every commit since, and ends removed, without a key");
    }

    table(&call, &members)?;
    let traffic = call.net.traffic();
    say!("figure call_participants {} members", options.participants);
    say!("figure call_commits {} commits", traffic.commits);
    say!("figure call_lock_requests {} requests", traffic.lock_requests);
    say!("figure call_bytes_published {} bytes", traffic.bytes_published);
    let agreement = call.net.agreement(&members)?;
    if agreement.epoch != epoch {
        return Err(format!("the group moved on to epoch {} by itself", agreement.epoch));
    }
    Ok(format!("call: {} members agree on epoch {}", agreement.members, agreement.epoch))
}

/// One line a member; an error if their authenticators or track keys differ.
fn table(call: &Call, members: &[usize]) -> Result<(), String> {
    let namespace = TrackNamespace::new(vec![call.group.as_bytes().clone(), "video".into()]);
    let track = FullTrackName { namespace: namespace.map_err(|e| e.to_string())?, name: "camera".into() };
    say!("\n{:<8} {:<8} {:>5}  {:<16} {:<16}", "member", "sender", "epoch", "authenticator", "track key");
    let mut seen = None;
    for who in members {
        let peer = call.net.peer(*who).ok_or("a member is gone")?;
        let authenticator = peer.epoch_authenticator().map_err(|e| e.to_string())?;
        let key = peer.track_base_key(&track).map_err(|e| e.to_string())?;
        let sender = peer.sender_id().to_string();
        let row = (authenticator, key);
        say!(
            "p{:<7} {:<8} {:>5}  {:<16} {:<16}",
            who,
            &sender[..6],
            row.1.key_id,
            hex::encode(&row.0[..8]),
            hex::encode(&row.1.key.as_bytes()[..8]),
        );
        if seen.get_or_insert_with(|| row.clone()) != &row {
            return Err(format!("p{who} holds other keys than p{}", members[0]));
        }
    }
    say!();
    Ok(())
}
