//! What people feel of key agreement: how long creating, joining and removing take over ways of a fixed length.
//!
//! ```sh
//! cargo run --release --example latency              # the table and the figures
//! cargo run --release --example latency -- --trips   # each round trip of a join, as it happened
//! cargo run --release --example latency -- --csv     # the plot's data, for docs/plot_latency.py
//! ```
//!
//! Everything crosses the real codecs in virtual time; the engine has no cryptography, so computing takes no
//! time here (`--example crowd` and `benches/overhead.rs` have that). Groups grow from 1 to 12 members, one
//! join at a time, with three quiet seconds before each; then one member removes another.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod idle;
mod measure;
mod options;
#[path = "../output/mod.rs"]
mod output;
mod trips;

use std::process::ExitCode;
use std::time::Duration;

use moq_mls::testing::network::Ways;

use self::measure::{Sample, crowd, media_start, sample};
use self::options::{Options, Setting};
use self::output::{complain, say};

/// The round trip of the figures on media and crowds; their names end in it, in milliseconds.
const RTT: Duration = Duration::from_millis(100);

/// The middle and the worst of some times, in milliseconds.
#[derive(Clone, Copy)]
struct Spread {
    median: f64,
    worst: f64,
}

fn spread(times: impl Iterator<Item = Duration>) -> Spread {
    let mut times: Vec<f64> = times.map(|t| t.as_secs_f64() * 1e3).collect();
    times.sort_by(f64::total_cmp);
    Spread { median: times[times.len() / 2], worst: times[times.len() - 1] }
}

/// What all seeds of one setting came to.
struct Row {
    rtt: Duration,
    create: Spread,
    join: Spread,
    remove: Spread,
}

impl Row {
    fn measure(options: &Options, setting: &Setting, ways: Ways) -> Self {
        let samples: Vec<Sample> =
            (0..options.seeds).map(|seed| sample(setting, ways, options.members, seed)).collect();
        Self {
            rtt: ways.to_counter + ways.from_counter,
            create: spread(samples.iter().map(|s| s.create)),
            join: spread(samples.iter().flat_map(|s| s.joins.iter().copied())),
            remove: spread(samples.iter().map(|s| s.remove)),
        }
    }

    fn in_rtt(&self, ms: f64) -> f64 {
        ms / (self.rtt.as_secs_f64() * 1e3)
    }

    fn print(&self, setting: &Setting) {
        let cell = |s: Spread| format!("{:>6.0} ms {:>5.1} RTT", s.median, self.in_rtt(s.median));
        say!(
            "{:<24} {:>4} ms | {} | {} | {}",
            setting.name(),
            self.rtt.as_millis(),
            cell(self.create),
            cell(self.join),
            cell(self.remove)
        );
    }
}

fn table(options: &Options) {
    say!("{:<24} {:>7} | {:<19} | {:<19} | removal, until all follow", "", "RTT", "create", "join");
    for setting in &options.settings {
        for ways in &options.ways {
            Row::measure(options, setting, *ways).print(setting);
        }
    }
}

fn csv(options: &Options) {
    say!("setting,rtt_ms,create_ms,join_ms,remove_ms");
    for setting in &options.settings {
        for ways in &options.ways {
            let row = Row::measure(options, setting, *ways);
            let (create, join, remove) = (row.create.median, row.join.median, row.remove.median);
            say!("\"{}\",{},{create:.0},{join:.0},{remove:.0}", setting.name(), row.rtt.as_millis());
        }
    }
}

/// The figures by name, whatever the options say of round trips and settings.
fn figures(options: &Options) {
    for (setting, name) in [(Setting::PINNED_WITH_RECEIPTS, ""), (Setting::PINNED, "_without_receipts")] {
        for rtt in [20, 100] {
            let row = Row::measure(options, &setting, Ways::even(Duration::from_millis(rtt)));
            for (what, spread) in
                [("create", row.create), ("join", row.join), ("remove_all_follow", row.remove)]
            {
                let (median, worst) = (spread.median, spread.worst);
                say!("figure {what}_rtt_{rtt}{name} {:.2} rtt", row.in_rtt(median));
                say!("figure {what}_rtt_{rtt}{name}_worst {:.2} rtt", row.in_rtt(worst));
                say!("figure {what}_ms_{rtt}{name} {median:.0} ms");
            }
        }
        let ways = Ways::even(RTT);
        let in_rtt = |time: Duration| time.as_secs_f64() / RTT.as_secs_f64();
        let starts: Vec<_> =
            (0..options.seeds.min(20)).map(|seed| media_start(&setting, ways, seed)).collect();
        let opened = spread(starts.iter().map(|s| s.opened));
        let heard = spread(starts.iter().map(|s| s.heard_by_all));
        say!("figure media_first_opened_ms_100{name} {:.0} ms", opened.median);
        say!("figure media_heard_by_all_ms_100{name} {:.0} ms", heard.median);
        for joiners in [10, 100, 300] {
            let crowd = crowd(&setting, ways, joiners);
            say!("figure crowd_of_{joiners}_in_rtt_100{name} {:.2} rtt", in_rtt(crowd.last_in));
            say!("figure crowd_of_{joiners}_commits_100{name} {} commits", crowd.commits);
        }
    }
}

/// What a thousand members ask of the counter.
fn idle_figures() {
    for (setting, name) in [(Setting::PINNED_WITH_RECEIPTS, ""), (Setting::PINNED, "_without_receipts")] {
        for (media, with) in [(false, ""), (true, "_with_media")] {
            let idle = idle::idle(&setting, media);
            say!("figure idle_requests_per_group_minute_1000{with}{name} {:.1} requests", idle.per_minute);
            say!("figure counter_requests_per_epoch_1000{with}{name} {} requests", idle.per_epoch);
        }
    }
}

fn main() -> ExitCode {
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            say!("{}", options::HELP);
            return ExitCode::SUCCESS;
        }
        Err(what) => {
            complain!("latency: {what}");
            return ExitCode::FAILURE;
        }
    };
    if options.idle {
        idle_figures();
    } else if options.trips {
        for setting in &options.settings {
            for ways in &options.ways {
                trips::print(setting, *ways);
            }
        }
    } else if options.csv {
        csv(&options);
    } else {
        table(&options);
        figures(&options);
        idle_figures();
    }
    ExitCode::SUCCESS
}
