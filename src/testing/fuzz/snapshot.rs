//! Snapshots.

use std::sync::OnceLock;
use std::time::Duration;

use super::participant::{config, symbolic};
use crate::event::{Command, Event};
use crate::participant::Participant;
use crate::snapshot::{CHECKSUM_LEN, Snapshot, checksum};
use crate::testing::network::{Network, NetworkConfig};
use crate::testing::symbolic::SymbolicEngine;
use crate::time::Timestamp;

/// Snapshots of a member and of one who waits, to begin from.
fn good() -> &'static [Snapshot] {
    static GOOD: OnceLock<Vec<Snapshot>> = OnceLock::new();
    GOOD.get_or_init(|| {
        let mut net = Network::new(NetworkConfig::new(1));
        for name in ["p0", "p1", "p2"] {
            net.add(symbolic(name, 0), config()).expect("an engine");
        }
        net.command(0, Command::Join).expect("it is new");
        net.run_for(Duration::from_secs(5));
        let founded = net.durable(0);
        net.command(1, Command::Join).expect("it is new");
        net.run_for(Duration::from_secs(5));
        net.command(0, Command::Update).expect("a member");
        founded.into_iter().chain(net.durable(0)).chain(net.durable(1)).collect()
    })
}

/// A snapshot that was made, with bytes changed and the checksum put right; or any bytes.
///
/// - `restore` fails or gives a participant, and does not panic;
/// - what it gives can be given events and polled.
pub(super) fn snapshot(data: &[u8]) {
    let Some((&which, changes)) = data.split_first() else { return };
    let now = Timestamp::from_secs(1_700_000_100);
    let engine = |name| -> SymbolicEngine { symbolic(name, 9) };
    let good = good();
    let (bytes, name) = match good.get(usize::from(which)) {
        None => (changes.to_vec(), "p0"),
        Some(good) => {
            let mut bytes = good.to_bytes().to_vec();
            bytes.truncate(bytes.len().saturating_sub(CHECKSUM_LEN));
            for change in changes.chunks_exact(3) {
                let at = usize::from(u16::from_be_bytes([change[0], change[1]]));
                match bytes.get_mut(at) {
                    Some(byte) => *byte = change[2],
                    None => bytes.truncate(bytes.len().saturating_sub(usize::from(change[2]))),
                }
            }
            (bytes, if which == 2 { "p1" } else { "p0" })
        }
    };
    let sealed = Snapshot::from_bytes([&bytes[..], &checksum([&bytes[..]])].concat());
    let Ok(mut participant) = Participant::restore(engine(name), config(), &sealed, now) else {
        assert!(!changes.is_empty() || usize::from(which) >= good.len(), "one's own snapshot");
        return;
    };
    for step in 0..4 {
        while participant.poll_action().is_some() {}
        // What is inside may be senseless: an error is right, a panic is not.
        let _ = participant.handle(now.after(Duration::from_secs(step * 10)), Event::Timer);
    }
}
