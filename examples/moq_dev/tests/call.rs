//! Groups over the real moq-relay.

mod support;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use moq_mls::Phase;
use moq_mls::tracks::SenderId;
use moq_mls_moq_dev::call::{agree, tally};
use moq_mls_moq_dev::participant::{Participant, View};
use moq_mls_moq_dev::relay::RelayAddress;
use moq_mls_moq_dev::server::{Certificate, CounterServer, Settings};
use moq_mls_tokio::{HttpCounter, HttpOptions, LocalCounter};
use support::{ANYWHERE, PATIENCE, Process, figure, group, relay};

const MEDIA_EVERY: Duration = Duration::from_millis(20);

async fn join_all(
    names: &[&str],
    address: &RelayAddress,
    counter: &LocalCounter,
) -> Result<Vec<Participant>> {
    let mut members = Vec::new();
    for name in names {
        let who = Participant::start(name, &group(), address, counter.clone()).await?;
        who.join(PATIENCE).await?;
        members.push(who);
    }
    Ok(members)
}

#[tokio::test(flavor = "multi_thread")]
async fn newcomer_joins_after_many_epochs_and_follows() -> Result<()> {
    // Of the commits before it, the relay has the newest of each committer only.
    let (_server, address, _folder) =
        relay(Settings { kept: Some(Duration::from_secs(1)), ..Settings::default() }).await?;
    let counter = LocalCounter::new();
    let mut everyone = join_all(&["p0", "p1", "p2"], &address, &counter).await?;
    for round in 0..4 {
        let members: Vec<_> = everyone.iter().collect();
        let epoch = agree(&members, 0).await?;
        let who = members.get(round % 3).context("three members")?;
        who.handle.update().await?;
        agree(&members, epoch + 1).await?;
    }
    tokio::time::sleep(Duration::from_secs(4)).await;
    let late = Participant::start("late", &group(), &address, counter.clone()).await?;
    let took = late.join(PATIENCE).await?;
    figure("late_join_ms", format!("{:.0}", took.as_secs_f64() * 1e3), "ms");
    everyone.push(late);
    let members: Vec<_> = everyone.iter().collect();
    let epoch = agree(&members, 0).await?;
    let newcomer = members.last().context("it joined")?;
    newcomer.handle.update().await?;
    let after = agree(&members, epoch + 1).await?;
    ensure!(after > epoch);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_come_back_after_the_relay_was_killed_in_mid_call() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let certificate = Certificate::in_folder(folder.path())?;
    let tls = folder.path().to_str().context("a folder's name")?;
    let mut first = Process::start(&["relay", "--bind", "127.0.0.1:0", "--tls", tls])?;
    let bind: SocketAddr = first.line("relay at ").await?.split(',').next().context("an address")?.parse()?;
    let url = url::Url::parse(&format!("https://localhost:{}/", bind.port()))?;
    let address = RelayAddress { url, root: certificate.certificate.clone() };
    let counter = LocalCounter::new();
    let everyone = join_all(&["p0", "p1", "p2"], &address, &counter).await?;
    let members: Vec<_> = everyone.iter().collect();
    let epoch = agree(&members, 0).await?;
    members.iter().for_each(|who| who.speak(Some(MEDIA_EVERY)));
    tokio::time::sleep(Duration::from_secs(1)).await;

    first.child.kill().await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    // What is committed while there is no relay waits for the next.
    everyone.first().context("p0")?.handle.update().await?;
    let mut second = Process::start(&["relay", "--bind", &bind.to_string(), "--tls", tls])?;
    second.line("relay at ").await?;
    let began = Instant::now();
    agree(&members, epoch + 1).await?;
    figure("back_after_kill_ms", format!("{:.0}", began.elapsed().as_secs_f64() * 1e3), "ms");
    tokio::time::sleep(Duration::from_secs(2)).await;
    members.iter().for_each(|who| who.speak(None));
    tokio::time::sleep(Duration::from_secs(2)).await;
    let after = tally(&members, &members, &[])?;
    figure("media_opened_across_kill", after.opened, "objects");
    figure("media_lost_across_kill", after.lost, "objects");
    // Two seconds of media of three speakers come to two others each; what was sent meanwhile may be lost.
    ensure!(after.opened > 600, "{after:?}");

    let late = Participant::start("late", &group(), &address, counter).await?;
    late.join(PATIENCE).await?;
    agree(&[members, vec![&late]].concat(), epoch + 2).await?;
    Ok(())
}

/// How much each other member's media was opened: what a participant sends comes back to it, too.
fn opened_of_others<'a>(view: &'a View, me: &'a SenderId) -> impl Iterator<Item = u64> + 'a {
    view.received.iter().filter(move |(sender, _)| *sender != me).map(|(_, received)| received.opened)
}

#[tokio::test(flavor = "multi_thread")]
async fn participants_of_two_processes_share_a_group() -> Result<()> {
    let (_server, address, _folder) = relay(Settings::default()).await?;
    let local = LocalCounter::new();
    let counter = CounterServer::start(ANYWHERE, local.clone()).await?;
    let base = format!("http://{}", counter.address);
    let (url, root) = (address.url.to_string(), address.root.to_str().context("a path")?.to_owned());
    let child = |name| {
        let place = ["participant", "--relay", &url, "--root", &root, "--counter", &base, "--group", "room"];
        Process::start(&[&place[..], &["--name", name]].concat())
    };
    let here =
        Participant::start("here", &group(), &address, HttpCounter::new(&base, HttpOptions::default())?)
            .await?;
    here.join(PATIENCE).await?;
    here.speak(Some(MEDIA_EVERY));
    let (mut one, mut two) = (child("one")?, child("two")?);
    let ours = here.wait("three members", PATIENCE, |view| view.members == 3).await?;
    let expected = format!(
        "epoch {} members 3 authenticator {}",
        ours.epoch.context("a member")?,
        hex::encode(ours.authenticator.context("a member")?)
    );
    for process in [&mut one, &mut two] {
        process.line(&expected).await?;
    }
    let heard = here
        .wait("media of both", PATIENCE, |view| {
            opened_of_others(view, &here.sender).filter(|opened| *opened > 20).count() == 2
        })
        .await?;
    figure("media_of_other_processes", opened_of_others(&heard, &here.sender).sum::<u64>(), "objects");
    one.terminate().await?;
    let opened: u64 =
        one.line("figure moq_dev_participant_opened ").await?.trim_end_matches(" objects").parse()?;
    ensure!(opened > 20, "the other process opened {opened} objects");
    here.wait("it to leave", PATIENCE, |view| view.members == 2).await?;
    ensure!(one.child.wait().await?.success());
    here.handle.leave().await?;
    here.wait("to be out", PATIENCE, |view| view.phase == Some(Phase::Ended)).await?;
    Ok(())
}
