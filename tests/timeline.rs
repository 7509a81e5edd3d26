//! Pages of recorded runs, as the example `replay` draws them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "../examples/timeline/mod.rs"]
mod example;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::commands::{binary, run_unread};
use example::page;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/replay")
}

/// Every scenario's logs, with the names of their files.
fn scenarios() -> BTreeMap<String, Vec<(String, String)>> {
    let mut all: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        let (scenario, _) = file.rsplit_once('-').unwrap();
        let log = std::fs::read_to_string(&path).unwrap();
        all.entry(scenario.to_owned()).or_default().push((file, log));
    }
    all.values_mut().for_each(|logs| logs.sort());
    all
}

fn scenario(name: &str) -> Vec<(String, String)> {
    scenarios().remove(name).unwrap()
}

/// The tags of a page, without what stands in `<style>` and `<script>`.
fn tags(page: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        let mut quoted = false;
        let end = rest[start..].find(|sign| {
            quoted ^= sign == '"';
            sign == '>' && !quoted
        });
        let end = start + end.expect("a tag that ends");
        let tag = &rest[start + 1..end];
        found.push(tag);
        rest = &rest[end + 1..];
        if let Some(raw @ ("style" | "script")) = tag.split(' ').next() {
            rest = &rest[rest.find(&format!("</{raw}>")).expect("an end of it")..];
        }
    }
    found
}

/// Panics unless each element that is opened is closed, in order, and no id is there twice.
fn check_form(page: &str) {
    let mut open = Vec::new();
    let mut ids = BTreeSet::new();
    for tag in tags(page) {
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name));
        } else if !tag.starts_with('!') && !tag.ends_with('/') {
            open.push(tag.split(' ').next().unwrap());
        }
        if let Some((_, id)) = tag.split_once(" id=\"") {
            let id = id.split('"').next().unwrap();
            assert!(ids.insert(id.to_owned()), "{id} is there twice");
        }
    }
    assert!(open.is_empty(), "{open:?}");
    assert!(page.chars().all(|sign| sign == '\n' || !sign.is_control()));
}

/// Panics if the page would load anything.
fn check_alone(page: &str) {
    for loads in ["://", " src=", "@import", "url(", "<link", "<iframe", "fetch("] {
        assert!(!page.contains(loads), "{loads}");
    }
}

#[test]
fn every_step_of_every_recorded_run_is_in_its_page() {
    for (name, logs) in scenarios() {
        let page = page(&logs).unwrap();
        check_form(&page);
        check_alone(&page);
        let mut steps = 0;
        for (number, (_, log)) in logs.iter().enumerate() {
            let lines = log.lines().enumerate();
            let begins = |line: &str| line.contains("\"event\":") || line.contains("\"start\":");
            for (at, (line, _)) in lines.filter(|(_, line)| begins(line)).enumerate() {
                let text =
                    page.split_once(&format!("<li id=\"s{number}-{at}\">")).expect("the step in text").1;
                assert!(
                    text.lines().next().unwrap().contains(&format!("line {}<", line + 1)),
                    "{name} {number} {at}"
                );
                assert!(page.contains(&format!("<a id=\"m{number}-{at}\"")), "{name} {number} {at}");
                steps += 1;
            }
        }
        assert!(page.contains(&format!("{steps} steps")), "{name}");
    }
}

#[test]
fn each_log_alone_gives_a_page() {
    for logs in scenarios().into_values() {
        for log in logs {
            check_form(&page(&[log]).unwrap());
        }
    }
}

#[test]
fn equal_logs_give_an_equal_page_in_any_folder() {
    let logs = scenario("faults");
    let moved: Vec<_> = logs.iter().map(|(file, log)| (format!("elsewhere/{file}"), log.clone())).collect();
    assert_eq!(page(&logs), page(&logs));
    assert_eq!(page(&logs), page(&moved));
}

/// The ends of the lines of objects: where they come from, and where they arrive.
fn ways(page: &str) -> Vec<(f64, f64)> {
    let lines =
        tags(page).into_iter().filter(|tag| tag.starts_with("line class=\"o-") && tag.contains("data-f"));
    let objects = lines.filter(|tag| !tag.contains("o-increment"));
    let number = |tag: &str, name: &str| {
        let value = tag.split_once(&format!(" {name}=\"")).unwrap().1.split('"').next().unwrap();
        value.parse::<f64>().unwrap()
    };
    objects.map(|tag| (number(tag, "x1"), number(tag, "x2"))).collect()
}

#[test]
fn objects_go_from_left_to_right() {
    for (name, logs) in scenarios() {
        let ways = ways(&page(&logs).unwrap());
        assert!(ways.len() > 20, "{name}: {}", ways.len());
        assert!(ways.iter().all(|(from, to)| from < to), "{name}");
    }
}

/// Puts every time of a log forward, or back.
fn with_clock_off(log: &str, by: i64) -> String {
    let moved =
        log.lines().map(|line| match line.strip_prefix("{\"at\":").and_then(|rest| rest.split_once(',')) {
            Some((at, rest)) => format!("{{\"at\":{},{rest}\n", at.parse::<i64>().unwrap() + by),
            None => format!("{line}\n"),
        });
    moved.collect()
}

#[test]
fn a_clock_that_is_off_is_corrected_by_objects() {
    let mut logs = scenario("pinned");
    assert!(!page(&logs).unwrap().contains("class=\"clocks\""));
    logs[1].1 = with_clock_off(&logs[1].1, -60_000);
    let page = page(&logs).unwrap();
    let (_, stated) = page.split_once("class=\"clocks\">").unwrap();
    let (_, by) = stated.split_once(" by ").unwrap();
    let by: u64 = by.split(' ').next().unwrap().parse().unwrap();
    // By objects alone it is known to within their time on the way.
    assert!((59_500..=60_500).contains(&by), "{by}");
    assert!(ways(&page).iter().all(|(from, to)| from < to));
}

/// A log in which the group, a member, a participant of another log, and an error are named by `name`.
fn log_with_names(name: &str) -> (String, String) {
    let quoted = |text: &str| serde_json::to_string(text).unwrap();
    let (hex, id) = (hex::encode(name), "ab".repeat(32));
    let detail = format!(
        "MemberJoined {{ sender: SenderId({id}), leaf_index: 1, credential: Credential(1, {name}) }}"
    );
    let lines = [
        format!(
            "{{\"log\":\"moq-mls participant\",\"version\":3,\"engine\":\"x\",\"group\":\"{hex}\",\"mode\":{},\
             \"answers\":true,\"sender\":\"{}\"}}",
            quoted(name),
            hex::encode(&id)
        ),
        "{\"at\":5,\"start\":\"new\"}".to_owned(),
        format!("{{\"state\":{}}}", quoted(name)),
        format!("{{\"at\":6,\"event\":{0},{0}:{0}}}", quoted(name)),
        format!(
            "{{\"answer\":\"roster\",\"members\":[{{\"sender\":\"{}\",\"identity\":\"{hex}\"}}]}}",
            hex::encode("cd")
        ),
        format!("{{\"error\":{}}}", quoted(name)),
        format!("{{\"action\":{0},\"namespace\":[\"{hex}\"],\"track\":\"{hex}\",\"id\":1}}", quoted(name)),
        format!(
            "{{\"action\":\"publish\",\"namespace\":[\"{hex}\",\"{hex}\"],\"track\":\"{}\",\"group\":0,\"object\":1,\"payload\":{}}}",
            hex::encode("cd"),
            quoted(name)
        ),
        format!("{{\"notify\":{{\"notice\":{},\"detail\":{}}}}}", quoted(name), quoted(&detail)),
    ];
    (format!("{name}.jsonl"), lines.join("\n") + "\n")
}

#[test]
fn no_name_gets_out_of_its_text() {
    for name in
        ["<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "' onload='alert(1)", "</style><b>"]
    {
        let page = page(&[log_with_names(name)]).unwrap();
        check_form(&page);
        let plain = page.replace(&name.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"), "");
        assert_eq!(plain.matches("<script").count(), 1, "{name}");
        assert!(!page.contains(name), "{name}");
        assert!(!tags(&page).iter().any(|tag| tag.starts_with("img")), "{name}");
    }
    assert!(page(&[log_with_names("<script>")]).unwrap().contains("<bdi>&lt;script&gt;"));
    // Signs that turn the direction of what follows, or end a line of a terminal.
    let page = page(&[log_with_names("evil\u{202e}txt\u{1b}[2J\u{0}")]).unwrap();
    assert!(page.contains("evil\u{fffd}txt\u{fffd}[2J\u{fffd}"));
    check_form(&page);
}

#[test]
fn faults_refusals_and_failed_requests_are_marked() {
    let (file, log) = scenario("pinned").remove(0);
    let header = log.lines().next().unwrap();
    let notice =
        |name: &str| format!("{{\"notify\":{{\"notice\":\"{name}\",\"detail\":\"{name} {{ .. }}\"}}}}");
    for (lines, mark) in [
        (vec![notice("PeerFault")], "fault"),
        (vec![notice("JoinStalled"), notice("ServiceFault"), notice("Refused")], "fault"),
        (vec!["{\"error\":\"not a member\"}".to_owned()], "refusal"),
        (vec![notice("TreeMissing")], "trouble"),
    ] {
        let lines = [&[header.to_owned(), "{\"at\":1,\"event\":\"timer\"}".to_owned()], &lines[..]].concat();
        let page = page(&[(file.clone(), lines.join("\n") + "\n")]).unwrap();
        let (_, mark_of_step) = page.split_once("<a id=\"m0-0\"").unwrap();
        let mark_of_step = mark_of_step.split("</a>").next().unwrap();
        assert!(mark_of_step.contains(&format!("class=\"badge {mark}\"")), "{mark_of_step}");
        assert!(page.contains(&format!("<li class=\"{mark}\">")), "{mark}");
    }
    let failed =
        format!("{header}\n{{\"at\":1,\"event\":\"lock_reply\",\"id\":1,\"failed\":\"not_sent\"}}\n");
    assert!(page(&[(file, failed)]).unwrap().contains("class=\"badge trouble\" transform"));
}

fn complaint(log: &str) -> String {
    page(&[("run.jsonl".to_owned(), log.to_owned())]).unwrap_err().to_string()
}

#[test]
fn what_is_no_log_is_refused_with_its_line() {
    let (_, good) = scenario("pinned").remove(0);
    for (log, why) in [
        ("", "run.jsonl: line 1: no log of a participant"),
        ("hello\n", "run.jsonl: line 1: no log of a participant"),
        ("{}\n", "run.jsonl: line 1: no log of a participant"),
        ("[1]\n", "run.jsonl: line 1: no log of a participant"),
    ] {
        assert_eq!(complaint(log), why);
    }
    let other = good.replacen("\"version\":3", "\"version\":2", 1);
    assert_eq!(complaint(&other), "run.jsonl: line 1: a log of another version than 3");
    let header = good.lines().next().unwrap();
    assert_eq!(
        complaint(&format!("{header}\n{{\"state\":\"new\"}}\n")),
        "run.jsonl: line 2: nothing was started"
    );
    assert_eq!(
        complaint(&format!("{header}\n{{\"start\":\"new\"}}\n")),
        "run.jsonl: line 2: a step without a time"
    );
    assert_eq!(complaint(&format!("{header}\n[]\n")), "run.jsonl: line 2: no line of a log");
    assert!(complaint(&format!("{good}{{\"at\":\n{{}}\n")).starts_with("run.jsonl: line 100: "));
    assert_eq!(page(&[]).unwrap_err().to_string(), "there is no log to draw");
    // Whatever is changed in a log, it is drawn or refused.
    for at in (0..good.len()).step_by(397) {
        let changed = format!("{}{}", &good[..at], &good[at + 1..]);
        if let Ok(page) = page(&[("run.jsonl".to_owned(), changed)]) {
            check_form(&page);
        }
    }
}

#[test]
fn a_log_that_was_cut_is_drawn_up_to_its_last_whole_line() {
    let (file, log) = scenario("pinned").remove(0);
    let cut = log.lines().take(50).map(|line| format!("{line}\n")).collect::<String>();
    let torn = format!("{cut}{{\"action\":\"pub");
    assert_eq!(page(&[(file.clone(), torn)]), page(&[(file, cut)]));
}

#[test]
fn logs_of_other_groups_and_copies_are_refused() {
    let mut logs = scenario("pinned");
    logs.push(("copy.jsonl".to_owned(), logs[1].1.clone()));
    assert_eq!(page(&logs).unwrap_err().to_string(), "pinned-p1.jsonl and copy.jsonl are the same log");
    let (file, log) = logs.pop().unwrap();
    let in_group = |name: &str| log.replacen(&hex::encode("room-1"), &hex::encode(name), 1);
    logs.push((file.clone(), in_group("lobby")));
    let refused = page(&logs).unwrap_err().to_string();
    assert_eq!(
        refused,
        "pinned-p0.jsonl is of the group \"room-1\", and copy.jsonl of \"lobby\": a page shows one group"
    );
    logs.pop();
    logs.push((file, in_group("room-1~2")));
    check_form(&page(&logs).unwrap());
}

fn run(args: &[&str]) -> Output {
    Command::new(binary("replay")).current_dir(folder()).args(args).output().unwrap()
}

fn is_refused_in_one_line(args: &[&str], why: &str) {
    let output = run(args);
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{args:?}");
    assert!(complaint.contains(why), "{args:?}: {complaint}");
    assert_eq!(complaint.lines().count(), 1, "{args:?}: {complaint}");
}

fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("timeline-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder.join(name)
}

#[test]
fn the_example_draws_what_it_replays() {
    let out = scratch("pinned.html");
    let files = ["pinned-p0.jsonl", "pinned-p1.jsonl", "pinned-p2.jsonl", "pinned-p3.jsonl"];
    let args: Vec<&str> = files.into_iter().chain(["--html", out.to_str().unwrap()]).collect();
    let output = run(&args);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    assert_eq!(said.matches("every line as it was").count(), 4, "{said}");
    assert_eq!(std::fs::read_to_string(&out).unwrap(), page(&scenario("pinned")).unwrap());
}

#[test]
fn the_example_says_in_one_line_what_is_wrong() {
    let broken = scratch("broken.jsonl");
    std::fs::write(&broken, "no log\n").unwrap();
    let (broken, out) = (broken.to_str().unwrap(), scratch("never.html"));
    let out = out.to_str().unwrap();
    is_refused_in_one_line(&[broken, "--html", out], "broken.jsonl: line 1: no log of a participant");
    is_refused_in_one_line(&[broken], "broken.jsonl");
    is_refused_in_one_line(&["absent.jsonl", "--html", out], "absent.jsonl: ");
    is_refused_in_one_line(&["--html", "pinned-p0.jsonl"], "the name must end in .html");
    is_refused_in_one_line(&["--html"], "--html needs the name of a file");
    is_refused_in_one_line(&["pinned-p0.jsonl", "--loud"], "there is no option --loud");
    is_refused_in_one_line(&["pinned-p0.jsonl", "--html", "absent/out.html"], "absent/out.html: ");
    assert!(!Path::new(out).exists());
}

#[test]
fn the_example_says_what_it_can_do() {
    let output = run(&["--help"]);
    assert!(output.status.success());
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(["FILE...", "--quiet", "--html OUT.html"].iter().all(|option| said.contains(option)), "{said}");
}

#[test]
fn the_example_survives_a_pipe_that_is_closed() {
    let out = scratch("piped.html");
    let _ = std::fs::remove_file(&out);
    let log = folder().join("pinned-p0.jsonl");
    let log = log.to_str().unwrap();
    // Many lines, of which the reader takes one.
    let mut child = Command::new(binary("replay")).arg(log).stdout(Stdio::piped()).spawn().unwrap();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    reader.read_line(&mut String::new()).unwrap();
    drop(reader);
    assert!(child.wait().unwrap().success());
    let args = [log, "--html", out.to_str().unwrap()];
    assert_eq!(run_unread(&binary("replay"), &args, false), (Some(0), String::new()));
    check_form(&std::fs::read_to_string(out).unwrap());
}
