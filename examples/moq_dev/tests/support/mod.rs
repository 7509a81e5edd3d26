//! What the tests have in common.
#![allow(dead_code, unreachable_pub, reason = "each test uses some of it")]

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use moq_mls::Object;
use moq_mls::tracks::{CommitTrackPolicy, GroupName, GroupTracks, Location, SenderId};
use moq_mls_moq_dev::relay::{MoqRelay, RelayAddress};
use moq_mls_moq_dev::server::{Certificate, Server, Settings};
use moq_mls_tokio::{Relay, Scope};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::mpsc;

pub const ANYWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Nothing more comes after this.
pub const SILENT: Duration = Duration::from_secs(1);

pub fn group() -> GroupName {
    GroupName::try_from("room").unwrap_or_else(|_| unreachable!("a short name"))
}

pub fn tracks() -> GroupTracks {
    GroupTracks::new(group(), CommitTrackPolicy::PerSender)
}

pub fn figure(name: &str, value: impl std::fmt::Display, unit: &str) {
    println!("figure moq_dev_{name} {value} {unit}");
}

/// A relay in the process, and the folder that it needs.
pub async fn relay(settings: Settings) -> Result<(Server, RelayAddress, tempfile::TempDir)> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(ANYWHERE, &Certificate::in_folder(folder.path())?, settings).await?;
    let address = server.client_address()?;
    Ok((server, address, folder))
}

/// A client that has a session.
pub async fn client(address: &RelayAddress, name: &str) -> Result<(MoqRelay, SenderId)> {
    let me = SenderId::new(name.to_owned())?;
    let client = MoqRelay::connect(address, &me)?;
    tokio::time::timeout(PATIENCE, client.ready()).await.context("no session")?;
    Ok((client, me))
}

pub fn key_package(sender: &SenderId, group_id: u64, object_id: u64, payload: &str) -> Object {
    let location = Location { group_id, object_id };
    Object { track: tracks().key_package(sender), location, payload: payload.to_owned().into() }
}

pub fn commit(sender: &SenderId, epoch: u64) -> Object {
    let location = Location { group_id: epoch, object_id: 0 };
    Object { track: tracks().commit(sender), location, payload: format!("commit {epoch}").into() }
}

/// What comes until it has been silent for a while.
pub async fn all(objects: &mut mpsc::Receiver<Object>) -> Vec<Object> {
    let mut found = Vec::new();
    while let Ok(Some(object)) = tokio::time::timeout(SILENT, objects.recv()).await {
        found.push(object);
    }
    found.sort_by_key(|object| object.location);
    found
}

/// Everything under the KeyPackage namespace.
pub fn key_packages() -> Scope {
    Scope::Namespace(tracks().key_package_namespace())
}

/// A child process of this package, and its lines.
pub struct Process {
    pub child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    pub fn start(arguments: &[&str]) -> Result<Self> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_moq-dev"))
            .args(arguments)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let lines = BufReader::new(child.stdout.take().context("no output")?).lines();
        Ok(Self { child, lines })
    }

    /// Waits for a line that begins with that, and returns the rest of it.
    pub async fn line(&mut self, start: &str) -> Result<String> {
        let reading = async {
            while let Some(line) = self.lines.next_line().await? {
                if let Some(rest) = line.strip_prefix(start) {
                    return Ok(rest.to_owned());
                }
            }
            anyhow::bail!("it ended before it said {start:?}")
        };
        tokio::time::timeout(PATIENCE, reading).await.with_context(|| format!("no line {start:?}"))?
    }

    /// Sends SIGTERM.
    pub async fn terminate(&self) -> Result<()> {
        let id = self.child.id().context("it has ended")?;
        let done = Command::new("kill").arg(id.to_string()).status().await?;
        anyhow::ensure!(done.success(), "kill: {done}");
        Ok(())
    }
}
