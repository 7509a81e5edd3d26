//! Participants and relays as processes.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command as Process, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::Killed;

/// The lines of a process, as they come, of both its outputs.
pub fn lines_of(child: &mut Child) -> Arc<Mutex<Vec<String>>> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    for source in [Box::new(out) as Box<dyn Read + Send>, Box::new(err)] {
        let sink = lines.clone();
        std::thread::spawn(move || {
            let lines = BufReader::new(source).lines().map_while(Result::ok);
            lines.for_each(|line| sink.lock().unwrap().push(line));
        });
    }
    lines
}

/// A participant as a process, with its lines.
pub struct Terminal {
    pub process: Killed,
    pub lines: Arc<Mutex<Vec<String>>>,
}

impl Terminal {
    /// In the group `room`, with one counter service.
    pub fn open(folder: &Path, name: &str, relay: u16, counter: u16) -> Self {
        Self::with(folder, "room", name, relay, &["--counter", &format!("http://127.0.0.1:{counter}")])
    }

    /// With these options besides.
    pub fn with(folder: &Path, group: &str, name: &str, relay: u16, more: &[&str]) -> Self {
        let state = folder.join(name).display().to_string();
        let options = [&["--state-dir", &state], more].concat();
        Self::named(group, name, (folder, relay), &options)
    }

    /// With a folder for its state among the options.
    pub fn named(group: &str, name: &str, (folder, relay): (&Path, u16), options: &[&str]) -> Self {
        let mut child = Process::new(env!("CARGO_BIN_EXE_moq-mls-live"))
            .args(["participant", "--group", group, "--name", name])
            .args(["--relay", &format!("localhost:{relay}"), "--relay-cert"])
            .arg(folder.join("tls/cert.pem"))
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = lines_of(&mut child);
        Self { process: Killed(child), lines }
    }

    /// Types a line.
    pub fn type_in(&mut self, line: &str) {
        writeln!(self.process.0.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Asks for its media until that many members' came under `epoch`.
    pub fn hears_media(&mut self, members: usize, epoch: u64) {
        let began = Instant::now();
        let wanted = format!("the newest under epoch {epoch};");
        loop {
            let before = self.lines.lock().unwrap().len();
            self.type_in("media");
            std::thread::sleep(Duration::from_millis(300));
            let lines = self.lines.lock().unwrap()[before..].to_vec();
            if lines.iter().filter(|line| line.contains(&wanted)).count() >= members {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "no media: {lines:?}");
        }
    }

    /// Asks for its members until it is the only one, and returns the epoch.
    pub fn alone_since(&mut self) -> u64 {
        let began = Instant::now();
        loop {
            let before = self.lines.lock().unwrap().len();
            self.type_in("members");
            std::thread::sleep(Duration::from_millis(300));
            let lines = self.lines.lock().unwrap()[before..].to_vec();
            let members = lines.iter().filter(|line| line.starts_with("  ")).count();
            let epoch =
                lines.iter().find_map(|line| line.strip_prefix("epoch ")?.strip_suffix(':')?.parse().ok());
            if let (1, Some(epoch)) = (members, epoch) {
                return epoch;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "not alone: {lines:?}");
        }
    }

    /// Returns the SenderId that it says first.
    pub fn own_id(&self) -> String {
        let lines = self.lines.lock().unwrap();
        lines.iter().find_map(|line| line.split_once(" is ")).map(|(_, id)| id.to_owned()).unwrap()
    }

    /// Asks for its members, and returns what is shown of their SenderIds.
    pub fn members(&mut self) -> Vec<String> {
        let before = self.lines.lock().unwrap().len();
        self.type_in("members");
        std::thread::sleep(Duration::from_millis(500));
        let lines = self.lines.lock().unwrap()[before..].to_vec();
        let ids = lines.iter().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
        ids.map(str::to_owned).collect()
    }

    /// Waits for a line that contains `what`.
    pub fn says(&self, what: &str) {
        let began = Instant::now();
        while !self.lines.lock().unwrap().iter().any(|line| line.contains(what)) {
            let lines = self.lines.lock().unwrap().join("\n");
            assert!(began.elapsed() < Duration::from_secs(60), "not {what:?} but:\n{lines}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// The relay command as a process.
pub fn relay_process(folder: &Path, port: u16) -> Killed {
    let child = Process::new(env!("CARGO_BIN_EXE_moq-mls-live"))
        .args(["relay", "--bind", &format!("127.0.0.1:{port}"), "--tls"])
        .arg(folder.join("tls"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = Killed(child);
    let mut line = String::new();
    BufReader::new(child.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("relay at"), "{line}");
    child
}
