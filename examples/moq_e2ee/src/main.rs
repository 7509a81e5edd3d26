//! A group of three by MLS; media of one of them through moq-e2ee's own code; one is removed, and reads no more.

#[path = "../../output/mod.rs"]
mod output;

use std::process::ExitCode;
use std::task::Poll;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use moq_e2ee::{Epoch, Generation};
use moq_mls::keys::EpochSecret;
use moq_mls::testing::network::{Network, NetworkConfig};
use moq_mls::testing::seeded_crypto::{SeededEngine, seeded_engine};
use moq_mls::tracks::{FullTrackName, GroupName, TrackNamespace};
use moq_mls::{Command, Config};
use moq_mls_moq_e2ee::credential;

use self::output::say;

const FRAME: &[u8] = b"a frame that the relay must not read";

const HELP: &str = "moq_e2ee: one member's media through moq-e2ee's own code; who is removed reads no more";

fn main() -> Result<ExitCode> {
    if let Some(done) = output::no_options("moq_e2ee", HELP) {
        return Ok(done);
    }
    for line in run()? {
        say!("{line}");
    }
    Ok(ExitCode::SUCCESS)
}

/// The whole story; the lines that tell it.
fn run() -> Result<Vec<String>> {
    let mut lines = Vec::new();
    let mut net: Network<SeededEngine> = Network::new(NetworkConfig::new(6));
    for name in ["alice", "bob", "carol"] {
        let who = net.add(seeded_engine(name, 6), Config::new(GroupName::try_from("room")?))?;
        net.command(who, Command::Join)?;
    }
    ensure!(net.run_until(Duration::from_secs(60), |net| members(net) == [3, 3, 3]), "the three never met");

    let broadcast = FullTrackName {
        namespace: TrackNamespace::new(vec!["example.com".into(), "meeting-123".into()])?,
        name: "alice.hang".into(),
    };
    let with_carol = secrets(&net)?;
    ensure!(with_carol[0].epoch() == with_carol[2].epoch(), "different epochs");
    let physical = Round::of(&with_carol[0], &broadcast)?.publish()?;
    for reader in &with_carol {
        ensure!(physical.read_by(reader, &broadcast)? == Some(FRAME.to_vec()), "a member could not read");
    }
    lines.push(format!("epoch {}: alice seals with moq-e2ee, all three open", with_carol[0].epoch()));

    let carol = net.peer(2).context("carol")?.sender_id().clone();
    net.command(0, Command::Remove(carol))?;
    ensure!(
        net.run_until(Duration::from_secs(60), |net| members(net)[..2] == [2, 2]),
        "carol was not removed"
    );
    let without_carol = secrets(&net)?;
    ensure!(without_carol[0].epoch() > with_carol[0].epoch(), "no new epoch");
    let physical = Round::of(&without_carol[0], &broadcast)?.publish()?;
    ensure!(physical.read_by(&without_carol[1], &broadcast)? == Some(FRAME.to_vec()), "bob could not read");
    ensure!(physical.read_by(&with_carol[2], &broadcast)?.is_none(), "carol reads on");
    lines.push(format!("epoch {}: bob opens, carol, who is out, does not", without_carol[0].epoch()));
    lines.push("moq_e2ee: ok".into());
    Ok(lines)
}

/// How many members each participant counts.
fn members(net: &Network<SeededEngine>) -> Vec<usize> {
    (0..net.len()).map(|who| net.peer(who).map_or(0, |p| p.members().count())).collect()
}

/// The current epoch's secret of everyone who is a member.
fn secrets(net: &Network<SeededEngine>) -> Result<Vec<EpochSecret>> {
    let inside = (0..net.len()).filter_map(|who| net.peer(who)).filter(|p| p.epoch().is_some());
    inside.map(|p| p.epoch_secrets().pop().context("a member without an epoch")).collect()
}

/// A publisher instance under one MLS epoch. The crate's own `Epoch` names the instance, not the group's.
struct Round {
    generation: Generation,
}

impl Round {
    fn of(secret: &EpochSecret, broadcast: &FullTrackName) -> Result<Self> {
        Ok(Self { generation: credential(secret, broadcast)?.generation(Epoch::mint()) })
    }

    fn publish(self) -> Result<Published> {
        let name = self.generation.name("video")?;
        let track = moq_net::broadcast::Info::new().produce().create_track(name.as_str(), None)?;
        let mut producer = self.generation.produce(track.clone())?;
        let mut group = producer.append_group()?;
        group.write_frame(moq_net::Timestamp::from_millis(1)?, FRAME)?;
        group.finish()?;
        Ok(Published { instance: self.generation.epoch().clone(), track, _producer: producer })
    }
}

/// What the relay holds: a track under an opaque name, with ciphertext in it.
struct Published {
    instance: Epoch,
    track: moq_net::track::Producer,
    _producer: moq_e2ee::track::Producer,
}

impl Published {
    /// The frame as `secret` opens it; `None` if it does not authenticate.
    fn read_by(&self, secret: &EpochSecret, broadcast: &FullTrackName) -> Result<Option<Vec<u8>>> {
        let generation = credential(secret, broadcast)?.generation(self.instance.clone());
        let everything = moq_net::track::Subscription::default().with_max_age(Duration::from_secs(60));
        let waiter = kio::Waiter::noop();
        let mut consumer = generation.consume(self.track.subscribe(everything))?;
        let Poll::Ready(Ok(Some(mut group))) = consumer.poll_recv_group(&waiter) else { bail!("no group") };
        match group.poll_read_frame(&waiter) {
            Poll::Ready(Ok(Some(frame))) => Ok(Some(frame.plaintext.to_vec())),
            Poll::Ready(Err(moq_e2ee::Error::Authentication)) => Ok(None),
            other => bail!("{other:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_share_the_credential_and_the_removed_do_not() {
        assert_eq!(run().unwrap().last().map(String::as_str), Some("moq_e2ee: ok"));
    }
}
