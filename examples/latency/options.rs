//! What is asked for on the command line.

use std::time::Duration;

use moq_mls::SafetyMode;
use moq_mls::testing::network::Ways;
use moq_mls::tracks::CommitTrackPolicy;

pub(crate) const HELP: &str = "\
latency: how long creating, joining and removing take over ways of a fixed length

  --rtt MS        round trip between participants and relay, and counter; may be given several times
                  (default 20, 50, 100 and 200)
  --ways A,B,C,D  the four ways one by one, in ms: to the relay, from it, to the counter, from it
  --mode MODE     pinned, receipts (pinned with receipts), fenced or advisory; may be given several times
                  (default all)
  --per-sender    a Commit track for each sender
  --members N     members of the largest group (default 12)
  --seeds N       groups for each row (default 100)
  --trips         print each step of a join instead, with its time in round trips
  --idle          print what a quiet group of 1,000 asks of the counter, and nothing else
  --csv           print what docs/plot_latency.py draws
  -h, --help      this text";

/// Rules and tracks of a group.
#[derive(Clone, Copy)]
pub(crate) struct Setting {
    pub(crate) mode: SafetyMode,
    pub(crate) receipts: bool,
    pub(crate) tracks: CommitTrackPolicy,
}

impl Setting {
    pub(crate) const PINNED: Self =
        Self { mode: SafetyMode::Pinned, receipts: false, tracks: CommitTrackPolicy::Shared };
    pub(crate) const PINNED_WITH_RECEIPTS: Self = Self { receipts: true, ..Self::PINNED };

    pub(crate) fn name(&self) -> String {
        let receipts = if self.receipts { ", receipts" } else { "" };
        let tracks = if self.tracks == CommitTrackPolicy::PerSender { ", per sender" } else { "" };
        format!("{}{receipts}{tracks}", self.mode.name())
    }
}

pub(crate) struct Options {
    pub(crate) ways: Vec<Ways>,
    pub(crate) settings: Vec<Setting>,
    pub(crate) members: usize,
    pub(crate) seeds: u64,
    pub(crate) trips: bool,
    pub(crate) idle: bool,
    pub(crate) csv: bool,
}

impl Options {
    /// `None`: help is asked for.
    pub(crate) fn read(mut args: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let (mut ways, mut settings, mut tracks) = (Vec::new(), Vec::new(), CommitTrackPolicy::Shared);
        let (mut members, mut seeds, mut trips, mut idle, mut csv) = (12, 100, false, false, false);
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--rtt" => ways.push(Ways::even(millis(&value()?)?)),
                "--ways" => ways.push(four_ways(&value()?)?),
                "--mode" => settings.push(mode(&value()?)?),
                "--per-sender" => tracks = CommitTrackPolicy::PerSender,
                "--members" => members = number(&value()?)?.max(2),
                "--seeds" => seeds = number(&value()?)?.max(1) as u64,
                "--trips" => trips = true,
                "--idle" => idle = true,
                "--csv" => csv = true,
                "--help" | "-h" => return Ok(None),
                other => return Err(format!("no option {other}; --help names them")),
            }
        }
        if ways.is_empty() {
            ways = [20, 50, 100, 200].map(|ms| Ways::even(Duration::from_millis(ms))).to_vec();
        }
        if settings.is_empty() {
            settings =
                ["receipts", "pinned", "fenced", "advisory"].iter().flat_map(|name| mode(name)).collect();
        }
        settings.iter_mut().for_each(|setting| setting.tracks = tracks);
        Ok(Some(Self { ways, settings, members, seeds, trips, idle, csv }))
    }
}

fn mode(name: &str) -> Result<Setting, String> {
    if name == "receipts" {
        return Ok(Setting::PINNED_WITH_RECEIPTS);
    }
    let mode = SafetyMode::from_name(name).ok_or_else(|| format!("no mode {name}"))?;
    Ok(Setting { mode, ..Setting::PINNED })
}

fn number(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("{text} is no number"))
}

fn millis(text: &str) -> Result<Duration, String> {
    Ok(Duration::from_millis(number(text)? as u64))
}

fn four_ways(text: &str) -> Result<Ways, String> {
    let ways = text.split(',').map(millis).collect::<Result<Vec<_>, _>>()?;
    let [to_relay, from_relay, to_counter, from_counter] = ways[..] else {
        return Err(format!("{text} is no four ways"));
    };
    Ok(Ways { to_relay, from_relay, to_counter, from_counter })
}
