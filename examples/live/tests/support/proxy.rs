//! A hostile network: a UDP proxy that delays, drops and goes dark, a TCP proxy that resets.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// What the network does, and did.
#[derive(Default)]
pub struct Weather {
    /// While set, nothing passes.
    pub dark: AtomicBool,
    /// Datagrams dropped.
    pub dropped: AtomicU64,
    /// TCP connections reset before what was sent arrived.
    pub reset: AtomicU64,
    /// TCP connections reset with an answer on its way back.
    pub lost_answers: AtomicU64,
    pieces: AtomicU64,
    state: AtomicU64,
}

impl Weather {
    /// The next of a fixed sequence (an LCG), below `n`.
    fn below(&self, n: u64) -> u64 {
        let step = |s: u64| Some(s.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407));
        let before = self.state.fetch_update(Ordering::SeqCst, Ordering::SeqCst, step).unwrap();
        (before >> 33) % n
    }

    /// How long a datagram takes; `None`: it is lost. One in twenty is, and each is up to 20 ms late.
    fn fate(&self) -> Option<Duration> {
        if self.dark.load(Ordering::SeqCst) || self.below(20) == 0 {
            self.dropped.fetch_add(1, Ordering::SeqCst);
            return None;
        }
        Some(Duration::from_millis(self.below(20)))
    }
}

fn pass(weather: &Weather, socket: &Arc<UdpSocket>, to: SocketAddr, bytes: &[u8]) {
    let Some(late) = weather.fate() else { return };
    let (socket, bytes) = (socket.clone(), bytes.to_vec());
    tokio::spawn(async move {
        tokio::time::sleep(late).await;
        socket.send_to(&bytes, to).await.ok();
    });
}

/// Passes datagrams on to `relay`.
pub async fn udp(relay: SocketAddr, weather: Arc<Weather>) -> SocketAddr {
    let front = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap());
    let address = front.local_addr().unwrap();
    tokio::spawn(async move {
        let mut clients: BTreeMap<SocketAddr, Arc<UdpSocket>> = BTreeMap::new();
        let mut buf = vec![0; 65_536];
        while let Ok((len, from)) = front.recv_from(&mut buf).await {
            let back = match clients.get(&from) {
                Some(back) => back.clone(),
                None => {
                    let back = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap());
                    back.connect(relay).await.unwrap();
                    let (front, weather, reads) = (front.clone(), weather.clone(), back.clone());
                    tokio::spawn(async move {
                        let mut buf = vec![0; 65_536];
                        while let Ok(len) = reads.recv(&mut buf).await {
                            pass(&weather, &front, from, &buf[..len]);
                        }
                    });
                    clients.insert(from, back.clone());
                    back
                }
            };
            let Some(late) = weather.fate() else { continue };
            let bytes = buf[..len].to_vec();
            tokio::spawn(async move {
                tokio::time::sleep(late).await;
                back.send(&bytes).await.ok();
            });
        }
    });
    address
}

/// Passes connections on to `service`, and resets them as requests cross: connections are kept alive, so that
/// only a fate drawn for what is sent on them, not for the connection, comes often enough.
pub async fn tcp(service: SocketAddr, weather: Arc<Weather>) -> SocketAddr {
    let front = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = front.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = front.accept().await {
            let weather = weather.clone();
            tokio::spawn(async move {
                if let Ok(server) = TcpStream::connect(service).await {
                    exchange(client, server, &weather).await;
                }
            });
        }
    });
    address
}

/// Until either side closes, or the weather resets it: every fifth piece that the client sends is lost, every
/// seventh arrives and its answer is lost. By count and not by draw, as a short run must meet both.
async fn exchange(mut client: TcpStream, mut server: TcpStream, weather: &Weather) {
    let (mut sent, mut answered) = (vec![0; 16_384], vec![0; 16_384]);
    let mut lose_answer = false;
    loop {
        tokio::select! {
            read = client.read(&mut sent) => {
                let Ok(len @ 1..) = read else { return };
                let piece = weather.pieces.fetch_add(1, Ordering::SeqCst);
                if weather.dark.load(Ordering::SeqCst) || piece % 5 == 4 {
                    weather.reset.fetch_add(1, Ordering::SeqCst);
                    return;
                }
                lose_answer = piece % 7 == 6;
                if server.write_all(&sent[..len]).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut answered) => {
                let Ok(len @ 1..) = read else { return };
                if lose_answer {
                    weather.lost_answers.fetch_add(1, Ordering::SeqCst);
                    return;
                }
                if client.write_all(&answered[..len]).await.is_err() {
                    return;
                }
            }
        }
    }
}
