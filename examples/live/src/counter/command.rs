//! The command `counter`: the options of a service, and its run.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use moq_mls::counter::http::WebPolicy;

use super::etcd::Etcd;
use super::http::Server;
use super::keys::key_in_file;
use super::memory::Memory;
use super::rate::Rate;
use super::redb::Redb;
use super::sharded::Sharded;
use super::store::{MAX_COUNTERS, Store};
use super::tokens::Tokens;
use super::{START_AGAIN, Service};
use crate::metrics::{self, Endpoint};
use crate::output::say;
use crate::tls;

/// Requests a second of each client, where there are tokens and no `--rate`.
const RATE: u32 = 100;

/// What a store has recorded that holds all counters.
const ALONE: &[u8] = b"this one";

/// The options of `counter`.
#[derive(clap::Args)]
pub struct Options {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:8080")]
    bind: SocketAddr,
    /// memory, redb:PATH or etcd:URL; again for more, over which the groups are spread by their names. All services need the
    /// same list, and it cannot be changed later
    #[arg(long, default_value = "redb:live-state/counter.redb")]
    store: Vec<StoreName>,
    /// Most groups that a store holds
    #[arg(long, default_value_t = MAX_COUNTERS)]
    groups: usize,
    /// The key that signs receipts (PKCS #8); made if there is none. The same for all services of a store, or the service
    /// does not start
    #[arg(long, default_value = "live-state/receipts.key")]
    key: PathBuf,
    /// A file of who may ask about what, in lines of TOKEN GROUP SENDER_ID [SCOPES] [rate=N] [groups=N]. SCOPES are some of
    /// read, lock, increment and create, with commas between; without them, lock,increment. rate= and groups= stand for
    /// --rate and --starts. In GROUP, a space is %20 and a percent sign %25. Read again when it changes, whole or not at all
    #[arg(long, required_unless_present = "open", conflicts_with = "open")]
    tokens: Option<PathBuf>,
    /// Everyone who can reach it may ask, and found groups: for one machine, or a network of friends
    #[arg(long)]
    open: bool,
    /// Most requests a second of each client, twice as many at once: a SenderId where there are tokens, otherwise an
    /// address (of IPv6, its /64). Default: 100 with --tokens, no limit with --open
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Most groups that each client may found at once; one more after each minute
    #[arg(long, default_value_t = 256)]
    starts: u32,
    /// A web page's origin (https://app.example) that may ask, and read the answers; again for more
    #[arg(long, visible_alias = "allow-origin")]
    origin: Vec<String>,
    /// A name (host:port, as clients write it) that the service is asked by; again for more. Without it, any
    #[arg(long)]
    host: Vec<String>,
    /// A certificate chain (PEM), for HTTPS
    #[arg(long, requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(long, requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Where to answer GET /metrics for Prometheus: an address of its own, which asks for no token
    #[arg(long)]
    metrics: Option<SocketAddr>,
}

/// Runs a service until `stopped` is ready.
pub async fn run(options: Options, stopped: impl Future<Output = ()>) -> Result<()> {
    let Options { bind, store, groups, key, tokens, open: _, rate, starts, origin, host, .. } = options;
    if let Some(folder) = key.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    for secret in [tokens.as_deref(), Some(key.as_path()), options.tls_key.as_deref()].into_iter().flatten() {
        warn_if_others_can_read(secret);
    }
    let tokens = tokens.map(|path| Tokens::load(&path)).transpose()?;
    let rate = rate.or(tokens.is_some().then_some(RATE)).map_or_else(Rate::unlimited, Rate::new);
    let mut web = WebPolicy::default();
    (web.origins, web.hosts) = (origin, host);
    let store = StoreName::open_all(&store, groups)?;
    let service = Service::new(store.clone(), key_in_file(&key)?, tokens)
        .with_web(web)
        .with_rate(rate)
        .with_starts(Rate::with(starts, START_AGAIN));
    let public = service.public_key();
    let recorded = store.claim("receipt key", &public)?;
    ensure!(
        recorded == public,
        "the services of this store sign with the key {}, which {} is not: copy their key file to it",
        hex::encode(recorded),
        key.display()
    );
    let mut registry = metrics::registry();
    service.metrics().register(&mut registry);
    let tls = options.tls_cert.zip(options.tls_key);
    let tls = tls.map(|(certificate, key)| tls::Files { certificate, key });
    let scheme = if tls.is_some() { "https" } else { "http" };
    let tls = tls.map(|files| files.server_config()).transpose()?;
    let server = Server::start(bind, Arc::new(service), tls).await?;
    say!("counter at {scheme}://{}", server.address);
    say!("receipt key {}", hex::encode(public));
    let _metrics = match options.metrics {
        Some(bind) => {
            let endpoint = Endpoint::start(bind, registry).await?;
            say!("metrics at http://{}/metrics", endpoint.address);
            Some(endpoint)
        }
        None => None,
    };
    stopped.await;
    tracing::info!("stopping");
    server.stop().await;
    Ok(())
}

/// A file with secrets is for its owner only.
pub fn warn_if_others_can_read(path: &Path) {
    #[cfg(unix)]
    if let Ok(data) = std::fs::metadata(path) {
        let mode = std::os::unix::fs::PermissionsExt::mode(&data.permissions()) & 0o777;
        if mode & 0o077 != 0 {
            let (path, mode) = (path.display(), format!("{mode:o}"));
            tracing::warn!(%path, mode, "other users can read this file with secrets: chmod 600");
        }
    }
}

/// Which store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreName {
    /// In memory.
    Memory,
    /// A redb file.
    Redb(PathBuf),
    /// An etcd cluster.
    Etcd(String),
}

impl FromStr for StoreName {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "memory" => Ok(Self::Memory),
            Some(("redb", path)) if !path.is_empty() => Ok(Self::Redb(path.into())),
            Some(("etcd", url)) if url.starts_with("http") => Ok(Self::Etcd(url.to_owned())),
            _ => Err("memory, redb:PATH or etcd:URL (http://host:2379)".to_owned()),
        }
    }
}

impl std::fmt::Display for StoreName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            Self::Redb(path) => write!(f, "redb:{}", path.display()),
            Self::Etcd(url) => write!(f, "etcd:{url}"),
        }
    }
}

impl StoreName {
    /// Returns what kind of store it is.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Redb(_) => "redb",
            Self::Etcd(_) => "etcd",
        }
    }

    /// Opens the store, with room for that many counters.
    pub fn open(&self, room: usize) -> Result<Arc<dyn Store>> {
        Ok(match self {
            Self::Memory => Arc::new(Memory::with_room(room)),
            Self::Redb(path) => {
                if let Some(folder) = path.parent() {
                    std::fs::create_dir_all(folder)
                        .with_context(|| format!("cannot make {}", folder.display()))?;
                }
                Arc::new(Redb::open(path)?.with_room(room))
            }
            Self::Etcd(url) => Arc::new(Etcd::new(url).with_room(room)),
        })
    }

    /// Opens one store, or several as one.
    fn open_all(names: &[Self], room: usize) -> Result<Arc<dyn Store>> {
        match names {
            [name] => {
                let store = name.open(room)?;
                let recorded = store.claim("stores", ALONE)?;
                ensure!(
                    recorded == ALONE,
                    "{name} holds a part of the counters of {}: name all of them, each by --store",
                    String::from_utf8_lossy(&recorded).replace('\n', " ")
                );
                Ok(store)
            }
            names => {
                let opened = names.iter().map(|name| Ok((name.to_string(), name.open(room)?)));
                Ok(Arc::new(Sharded::new(opened.collect::<Result<_>>()?)?))
            }
        }
    }
}
