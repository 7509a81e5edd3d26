//! A whole call in one process: relay, counter service and participants on loopback.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use moq_mls::Phase;
use moq_mls::tracks::GroupName;
use moq_mls_tokio::LocalCounter;

use crate::media;
use crate::output::say;
use crate::participant::{Participant, View};
use crate::server::{Certificate, Server, Settings};

/// The longest that any step may take.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How often each speaker sends in a small call.
const MEDIA_EVERY: Duration = Duration::from_millis(20);
/// Speakers times participants of a small call. In a larger one each speaker sends less often.
const SMALL: usize = 128;
/// How long media goes on in each part of the call.
const WHILE: Duration = Duration::from_secs(2);

/// What the call is asked to do.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many take part, at least 5.
    pub participants: usize,
    /// How many of them send media, to all. The first three do not count: one creates, one leaves, one is removed.
    pub speakers: usize,
}

/// What became of the media of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Opened by members.
    pub opened: u64,
    /// Missing at members, from the first object of each speaker that they opened.
    pub lost: u64,
    /// Opened by those who are out, though sealed after the switch bound.
    pub opened_outside: u64,
    /// Received by those who are out and not opened.
    pub closed: u64,
}

/// Waits until exactly these are the members, at this epoch or a later one, and agree; returns the epoch.
///
/// # Errors
/// If they do not agree in time.
pub async fn agree(members: &[&Participant], at_least: u64) -> Result<u64> {
    let began = Instant::now();
    loop {
        for who in members {
            let is_in =
                |view: &View| view.members == members.len() && view.epoch.is_some_and(|e| e >= at_least);
            who.wait("to be in", PATIENCE, is_in).await?;
        }
        let views: Vec<_> =
            members.iter().map(|who| who.view()).map(|v| (v.epoch, v.authenticator)).collect();
        if let (Some((Some(epoch), Some(_))), true) =
            (views.first(), views.windows(2).all(|two| two.first() == two.last()))
        {
            return Ok(*epoch);
        }
        ensure!(began.elapsed() < PATIENCE, "no agreement: {views:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Counts what the members received of the `speakers` among them, and what those `out` of the group did.
///
/// # Errors
/// If a speaker sent nothing, a member opened nothing of one, or nothing of one came to a participant that is out: the
/// counts would show nothing then.
pub fn tally(speakers: &[&Participant], members: &[&Participant], out: &[&Participant]) -> Result<Tally> {
    let bound = media::ring().switch_after_removal;
    let mut sum = Tally::default();
    for from in speakers {
        let sender = from.view();
        let sent = sender.last_sent.with_context(|| format!("{} sent nothing", from.name))?;
        for to in members.iter().filter(|to| to.sender != from.sender) {
            let received = to.view().received.remove(&from.sender).unwrap_or_default();
            ensure!(received.opened > 0, "{} opened nothing of {}", to.name, from.name);
            sum.opened += received.opened;
            sum.lost += received.lost(sent);
        }
        for to in out {
            let mut view = to.view();
            let received = view.received.remove(&from.sender).unwrap_or_default();
            let after = sender.went.get(&to.sender).map(|heard| heard.after(bound));
            let late = received.opened_outside.iter().filter(|at| after.is_none_or(|after| **at >= after));
            sum.opened_outside += late.count() as u64;
            let closed = received.unopenable + view.waiting as u64;
            ensure!(
                closed > 0,
                "nothing of {} came to {}, which is out: it shows nothing",
                from.name,
                to.name
            );
            sum.closed += closed;
        }
    }
    Ok(sum)
}

/// Runs the call and prints it. The last line says that all agree.
///
/// # Errors
/// If a step fails, members lost media, or those who are out opened any.
pub async fn run(options: Options) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let certificate = Certificate::in_folder(folder.path())?;
    let relay =
        Server::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), &certificate, Settings::default()).await?;
    let (address, counter) = (relay.client_address()?, LocalCounter::new());
    let group = GroupName::try_from("mls-grp1")?;
    let mut everyone = Vec::new();
    for i in 0..options.participants {
        everyone.push(Participant::start(&format!("p{i}"), &group, &address, counter.clone()).await?);
    }
    say!("moq-relay at {}; the counter service is in this process", relay.address);

    let mut joins = Vec::new();
    for who in &everyone {
        joins.push(who.join(PATIENCE).await?);
        say!("{} is in after {:.0} ms", who.name, joins.last().map_or(0.0, |d| d.as_secs_f64() * 1e3));
    }
    let mut members: Vec<&Participant> = everyone.iter().collect();
    let mut epoch = agree(&members, 0).await?;

    let speakers: Vec<&Participant> = everyone.iter().skip(3).take(options.speakers).collect();
    let ways = speakers.len() * everyone.len();
    let every = MEDIA_EVERY * u32::try_from(ways.div_ceil(SMALL)).unwrap_or(u32::MAX);
    speakers.iter().for_each(|who| who.speak(Some(every)));
    tokio::time::sleep(WHILE).await;

    let [founder, leaver, removed, ..] = &everyone[..] else {
        anyhow::bail!("fewer than three participants")
    };
    say!("{} re-keys", leaver.name);
    leaver.handle.update().await?;
    epoch = agree(&members, epoch + 1).await?;
    say!("{} leaves", leaver.name);
    leaver.handle.leave().await?;
    members.retain(|who| who.sender != leaver.sender);
    epoch = agree(&members, epoch + 1).await?;
    say!("{} removes {}", founder.name, removed.name);
    founder.handle.remove(removed.sender.clone()).await?;
    members.retain(|who| who.sender != removed.sender);
    epoch = agree(&members, epoch + 1).await?;
    for who in [leaver, removed] {
        who.wait("to be out", PATIENCE, |view| view.phase == Some(Phase::Ended)).await?;
    }

    // A while of media under the last keys, then silence, so that what is still missing is lost.
    tokio::time::sleep(WHILE).await;
    speakers.iter().for_each(|who| who.speak(None));
    tokio::time::sleep(WHILE).await;
    let tally = tally(&speakers, &members, &[leaver, removed])?;
    epoch = agree(&members, epoch).await?;

    joins.sort();
    let median = joins.get(joins.len() / 2).copied().unwrap_or_default();
    let most = joins.last().copied().unwrap_or_default();
    say!("figure moq_dev_members {} members", members.len());
    say!("figure moq_dev_join_median_ms {:.1} ms", median.as_secs_f64() * 1e3);
    say!("figure moq_dev_join_max_ms {:.1} ms", most.as_secs_f64() * 1e3);
    say!("figure moq_dev_speakers {} members", speakers.len());
    say!("figure moq_dev_media_every {} ms", every.as_millis());
    say!("figure moq_dev_media_opened {} objects", tally.opened);
    say!("figure moq_dev_media_lost {} objects", tally.lost);
    say!("figure moq_dev_media_opened_by_removed {} objects", tally.opened_outside);
    say!("figure moq_dev_media_closed_to_removed {} objects", tally.closed);
    ensure!(tally.lost == 0, "{} media objects are missing at members", tally.lost);
    ensure!(tally.opened_outside == 0, "those who are out opened {} media objects", tally.opened_outside);
    say!("call: {} members agree on epoch {epoch}", members.len());
    Ok(())
}
