//! The steps of a join, one after the other, as they happened.

use std::collections::BTreeMap;

use moq_mls::testing::log::{Entry, What};
use moq_mls::testing::network::Ways;

use crate::measure::{QUIET, is_member, join, network, until};
use crate::options::Setting;
use crate::output::say;

/// What a line of the log is called here; `None` for what has no part in a join.
fn step(entry: &Entry) -> Option<String> {
    match &entry.what {
        What::Command(_) => Some("begins".into()),
        What::Published(what) => Some(what.split(' ').next().unwrap_or_default().into()),
        What::Asked(what) if what.starts_with("fetch") => Some(what.clone()),
        What::Asked(what) => {
            let (kind, slot) = what.split_once(' ').unwrap_or((what, "?"));
            let kind = match kind {
                "commit" => "read of",
                other => other,
            };
            Some(format!("{kind} slot {slot}"))
        }
        What::Notice(what) if what.starts_with("Joined") => Some("is in".into()),
        What::Notice(what) if what.starts_with("Epoch") => Some("enters".into()),
        _ => None,
    }
}

/// Prints what the newcomer and the committer do from the command to the end, by time.
pub(crate) fn print(setting: &Setting, ways: Ways) {
    let mut net = network(setting, ways, 1);
    for _ in 0..5 {
        let who = join(&mut net, setting, 1);
        until(&mut net, "a join", |net| is_member(net, who));
        net.run_for(QUIET);
    }
    let (from, begin) = (net.log().entries().len(), net.now());
    let who = join(&mut net, setting, 1);
    until(&mut net, "a join", |net| is_member(net, who));
    let lines = &net.log().entries()[from..];
    let commits = |entry: &&Entry| matches!(&entry.what, What::Published(what) if what.starts_with("Commit"));
    let committer = lines.iter().find(commits).map(|entry| entry.who);
    let mut steps: BTreeMap<(u64, bool), Vec<String>> = BTreeMap::new();
    for entry in lines.iter().filter(|e| e.who == who || Some(e.who) == committer) {
        if let Some(step) = step(entry) {
            let at = entry.at.since(begin).as_millis() as u64;
            let all = steps.entry((at, entry.who == who)).or_default();
            if !all.contains(&step) {
                all.push(step);
            }
        }
    }
    let rtt = (ways.to_counter + ways.from_counter).as_secs_f64() * 1e3;
    say!("join, {}, RTT {rtt:.0} ms", setting.name());
    for ((at, newcomer), what) in steps {
        let name = if newcomer { "newcomer" } else { "committer" };
        say!("  {:>5.2} RTT {at:>5} ms  {name:<9}  {}", at as f64 / rtt, what.join(", "));
    }
}
