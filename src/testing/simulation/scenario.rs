//! All of a run, as a value, and as the JSON of `vectors/regressions`.

use std::fmt::Write as _;
use std::time::Duration;

use crate::config::SafetyMode;
use crate::testing::flaws::Flaw;
use crate::testing::network::{Faults, ServiceFlaw};
use crate::testing::simulation::adversary::Attacks;
use crate::testing::simulation::profiles::Profile;
use crate::tracks::CommitTrackPolicy;

/// One thing that happens; participants by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Op {
    /// Time passes, milliseconds.
    Wait(u64),
    /// A participant joins.
    Join(usize),
    /// A member wants fresh entropy.
    Update(usize),
    /// A member leaves.
    Leave(usize),
    /// A member removes another.
    Remove(usize, usize),
    /// A participant is killed; it is started again before everyone must agree.
    Crash(usize),
    /// A participant is killed after so many more of its actions.
    CrashAfter(usize, u64),
    /// A killed participant starts again, from what was durable.
    Restart(usize),
    /// A participant is killed for good, and its user comes back with nothing, as a new client.
    Abandon(usize),
    /// A participant is cut off, milliseconds.
    Partition(usize, u64),
    /// The relay forgets everything.
    Evict,
    /// The counter service forgets everything.
    ResetCounter,
    /// A participant's clock is so far ahead, milliseconds.
    Clock(usize, i64),
    /// A member publishes a commit without asking anybody.
    Rogue(usize),
    /// As Rogue, and nobody can process it.
    Corrupt(usize),
    /// Junk at the place of a member's next commit.
    Junk(usize),
    /// Something published before (by number) at another place.
    Replay(u64),
    /// The KeyPackage of an outsider on this participant's track.
    Impostor(usize),
    /// A member gives up its machine and attacks from now on.
    Turncoat(usize),
}

/// Everything that decides a run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Scenario {
    /// Decides what is not written down here.
    pub seed: u64,
    /// What kinds of fault it has.
    pub profile: Profile,
    /// Participants at the start.
    pub participants: usize,
    /// Of all participants.
    pub mode: SafetyMode,
    /// Of all participants.
    pub commit_tracks: CommitTrackPolicy,
    /// The service signs receipts.
    pub receipts: bool,
    /// The ratchet tree goes apart from the Welcomes.
    pub trees: bool,
    /// The service knows who asks.
    pub tokens: bool,
    /// The service's.
    pub lease: Duration,
    /// What goes wrong on the way.
    pub faults: Faults,
    /// The draws, if they were kept.
    pub choices: Option<Vec<u16>>,
    /// A deliberate bug of all participants.
    pub flaw: Option<Flaw>,
    /// Who attacks all the while.
    pub attacks: Attacks,
    /// A deliberate bug of the service.
    pub service_flaw: Option<ServiceFlaw>,
    /// What happens.
    pub steps: Vec<Op>,
}

impl Op {
    /// As a JSON array: a verb and numbers.
    pub fn to_json(self) -> String {
        match self {
            Self::Wait(ms) => format!("[\"wait\", {ms}]"),
            Self::Join(p) => format!("[\"join\", {p}]"),
            Self::Update(p) => format!("[\"update\", {p}]"),
            Self::Leave(p) => format!("[\"leave\", {p}]"),
            Self::Remove(p, q) => format!("[\"remove\", {p}, {q}]"),
            Self::Crash(p) => format!("[\"crash\", {p}]"),
            Self::CrashAfter(p, n) => format!("[\"crash after\", {p}, {n}]"),
            Self::Restart(p) => format!("[\"restart\", {p}]"),
            Self::Abandon(p) => format!("[\"abandon\", {p}]"),
            Self::Partition(p, ms) => format!("[\"partition\", {p}, {ms}]"),
            Self::Evict => "[\"evict\"]".into(),
            Self::ResetCounter => "[\"reset counter\"]".into(),
            Self::Clock(p, ms) => format!("[\"clock\", {p}, {ms}]"),
            Self::Rogue(p) => format!("[\"rogue\", {p}]"),
            Self::Corrupt(p) => format!("[\"corrupt\", {p}]"),
            Self::Junk(p) => format!("[\"junk\", {p}]"),
            Self::Replay(n) => format!("[\"replay\", {n}]"),
            Self::Impostor(p) => format!("[\"impostor\", {p}]"),
            Self::Turncoat(p) => format!("[\"turncoat\", {p}]"),
        }
    }

    /// Reads a verb and its numbers; `None` if there is no such step.
    pub fn from_parts(verb: &str, numbers: &[i64]) -> Option<Self> {
        let at = |i: usize| numbers.get(i).copied();
        let p = || usize::try_from(at(0)?).ok();
        let q = || usize::try_from(at(1)?).ok();
        let first = || u64::try_from(at(0)?).ok();
        let second = || u64::try_from(at(1)?).ok();
        Some(match verb {
            "wait" => Self::Wait(first()?),
            "join" => Self::Join(p()?),
            "update" => Self::Update(p()?),
            "leave" => Self::Leave(p()?),
            "remove" => Self::Remove(p()?, q()?),
            "crash" => Self::Crash(p()?),
            "crash after" => Self::CrashAfter(p()?, second()?),
            "restart" => Self::Restart(p()?),
            "abandon" => Self::Abandon(p()?),
            "partition" => Self::Partition(p()?, second()?),
            "evict" => Self::Evict,
            "reset counter" => Self::ResetCounter,
            "clock" => Self::Clock(p()?, at(1)?),
            "rogue" => Self::Rogue(p()?),
            "corrupt" => Self::Corrupt(p()?),
            "junk" => Self::Junk(p()?),
            "replay" => Self::Replay(first()?),
            "impostor" => Self::Impostor(p()?),
            "turncoat" => Self::Turncoat(p()?),
            _ => return None,
        })
    }
}

impl Scenario {
    /// The scenario as a failure capsule. `engine` says what it ran on, `what` what was wrong.
    pub fn to_json(&self, engine: &str, what: &str) -> String {
        let mode = self.mode.name();
        let tracks = self.commit_tracks.name().replace('_', " ");
        let f = &self.faults;
        let quoted: String = what.chars().map(|c| if matches!(c, '"' | '\\') { '\'' } else { c }).collect();
        let mut out = String::from("{\n");
        let mut field = |name: &str, value: String| {
            let _ = writeln!(out, "  \"{name}\": {value},");
        };
        field("world", "\"network\"".into());
        field("found", format!("\"simulate, profile {}, seed {}\"", self.profile, self.seed));
        field("what", format!("\"{quoted}\""));
        field("engine", format!("\"{engine}\""));
        field("seed", format!("\"{}\"", self.seed));
        field("profile", format!("\"{}\"", self.profile));
        field("participants", self.participants.to_string());
        field("mode", format!("\"{mode}\""));
        field("tracks", format!("\"{tracks}\""));
        field("receipts", self.receipts.to_string());
        field("trees", self.trees.to_string());
        field("tokens", self.tokens.to_string());
        field("lease_ms", self.lease.as_millis().to_string());
        let (least, most) = f.latency;
        field("latency_ms", format!("[{}, {}]", least.as_millis(), most.as_millis()));
        let permille = [
            f.lost_objects,
            f.repeated_objects,
            f.late_objects,
            f.refused_requests,
            f.lost_requests,
            f.lost_replies,
            f.last_words,
            f.forged_answers,
        ];
        field("faults_permille", format!("{permille:?}"));
        field("http_timeout_ms", f.http_timeout.as_millis().to_string());
        let Attacks { outsider, reachable, insider, every_ms } = self.attacks;
        if every_ms > 0 {
            field("attacks", format!("[{outsider}, {reachable}, {every_ms}]"));
            field("insider", insider.bits().to_string());
        }
        if let Some(choices) = &self.choices {
            field("choices", format!("{choices:?}"));
        }
        let steps: Vec<String> = self.steps.iter().map(|op| format!("    {}", op.to_json())).collect();
        let _ = writeln!(out, "  \"steps\": [\n{}\n  ]\n}}", steps.join(",\n"));
        out
    }
}
