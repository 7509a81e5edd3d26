//! Participants.

use std::time::Duration;

use arbitrary::{Result, Unstructured};
use bytes::Bytes;

use crate::action::{Action, FetchId, IncrementRequestId, LockRequestId, PublishId, SubscribeId};
use crate::config::{Admission, Config};
use crate::counter::{IncrementReply, LockReply};
use crate::engine::{Credential, Engine};
use crate::error::Error;
use crate::event::{Command, Event, Failure, Object};
use crate::join_request::JoinRequest;
use crate::participant::{Participant, Phase};
use crate::testing::network::{Network, NetworkConfig, Receipts};
use crate::testing::seeded_crypto::seeded_engine;
use crate::testing::symbolic::SymbolicEngine;
use crate::time::Timestamp;
use crate::tracks::{GroupName, GroupTracks, Location, SenderId};

pub(super) fn config() -> Config {
    Config::new(GroupName::try_from("room").expect("a name"))
}

pub(super) fn symbolic(name: &str, life: u64) -> SymbolicEngine {
    SymbolicEngine::new(name).expect("a name").incarnation(life)
}

fn failure(u: &mut Unstructured<'_>) -> Result<Failure> {
    Ok(*u.choose(&[Failure::NotSent, Failure::Unknown, Failure::Refused(4)])?)
}

fn reply<T>(
    u: &mut Unstructured<'_>,
    ok: impl FnOnce(&mut Unstructured<'_>) -> Result<T>,
) -> Result<std::result::Result<T, Failure>> {
    if u.ratio(3, 4)? { ok(u).map(Ok) } else { failure(u).map(Err) }
}

fn object(u: &mut Unstructured<'_>, tracks: &GroupTracks, seen: &[Bytes]) -> Result<Object> {
    let names = ["me", "other"].map(|n| SenderId::new(n.as_bytes()).expect("a name"));
    let who = u.choose(&names)?;
    let track = match u.int_in_range(0..=2)? {
        0 => tracks.key_package(who),
        1 => tracks.welcome(who),
        _ => tracks.commit(who),
    };
    let mut payload = match seen.is_empty() || u.ratio(1, 4)? {
        true => u.arbitrary::<Vec<u8>>()?,
        false => u.choose(seen)?.to_vec(),
    };
    if u.ratio(1, 4)? && !payload.is_empty() {
        let at = u.choose_index(payload.len())?;
        payload[at] ^= u.arbitrary::<u8>()?;
    }
    let location = Location { group_id: u.int_in_range(0..=4)?, object_id: u.int_in_range(0..=4)? };
    Ok(Object { track, location, payload: payload.into() })
}

fn event(u: &mut Unstructured<'_>, tracks: &GroupTracks, seen: &[Bytes]) -> Result<Event> {
    let id = u.int_in_range(0..=12_u64)?;
    let sender = |u: &mut Unstructured<'_>| {
        Ok(SenderId::new(u.choose(&["me", "other", "third"])?.as_bytes()).expect("a name"))
    };
    Ok(match u.int_in_range(0..=14_u8)? {
        0 => Command::Join.into(),
        1 => match u.int_in_range(0..=6)? {
            0 => Command::Update.into(),
            1 => Command::Leave.into(),
            2 => Command::Remove(sender(u)?).into(),
            3 => Command::Gone(sender(u)?).into(),
            4 => Command::Refuse(sender(u)?).into(),
            5 => {
                let (sender, of) = (sender(u)?, sender(u)?);
                let request = JoinRequest::expected(sender, Credential::basic(of.as_bytes().to_vec()));
                Command::Admit { request, replacing: None }.into()
            }
            _ => Command::Add(u.arbitrary::<Vec<u8>>()?.into()).into(),
        },
        2..=5 => Event::Object(object(u, tracks, seen)?),
        6 => Event::SubscribeReply { id: SubscribeId(id), reply: reply(u, |_| Ok(()))? },
        7 => Event::PublishReply { id: PublishId(id), reply: reply(u, |_| Ok(()))? },
        8 => {
            let objects = |u: &mut Unstructured<'_>| Ok(vec![object(u, tracks, seen)?]);
            Event::FetchReply { id: FetchId(id), reply: reply(u, objects)? }
        }
        9 => Event::LockReply { id: LockRequestId(id), reply: reply(u, |u| u.arbitrary::<LockReply>())? },
        10 => {
            let answer = |u: &mut Unstructured<'_>| u.arbitrary::<IncrementReply>();
            Event::IncrementReply { id: IncrementRequestId(id), reply: reply(u, answer)? }
        }
        11 => Event::PeerAuthenticator {
            peer: sender(u)?,
            epoch: u.int_in_range(0..=4)?,
            authenticator: u.arbitrary::<Vec<u8>>()?.into(),
        },
        12 => Event::MediaOpened { peer: sender(u)?, epoch: u.int_in_range(0..=4)? },
        13 => Event::MediaAhead { epoch: u.arbitrary()? },
        _ => Event::Timer,
    })
}

/// One participant over the symbolic engine: any events at all are given to it, and its own messages are
/// given back altered.
///
/// - `handle` fails with misuse, or because it has ended, and with nothing else;
/// - after it, unless it failed, the timeout is in the future;
/// - the actions of one event are few;
/// - every snapshot can be restored, into a participant of the same kind.
pub(super) fn raw(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let mut config = config();
    if u.arbitrary().unwrap_or(false) {
        config.admission = Admission::Ask;
    }
    let mut now = Timestamp::from_secs(1_700_000_000);
    let mut participant = Participant::new(symbolic("me", 0), config.clone(), now).expect("an engine");
    let tracks = participant.tracks().clone();
    let mut other = symbolic("other", 0);
    let key = other.generate_key_package(now, &config.group, 0).expect("a KeyPackage");
    let mut seen = vec![key.message];
    let mut service = crate::counter::service::CounterService::new(Default::default(), Receipts::default());
    for _ in 0..64 {
        let Ok(event) = event(&mut u, &tracks, &seen) else { return };
        let wait = u.int_in_range(0..=30_000_u64).unwrap_or(0);
        now = now.after(Duration::from_millis(wait));
        told(&mut participant, now, event);
        let mut answers = Vec::new();
        let mut count = 0;
        while let Some(action) = participant.poll_action() {
            count += 1;
            assert!(count < 1000, "a storm of actions");
            match action {
                Action::Persist(snapshot) => {
                    let again = Participant::restore(symbolic("me", 1), config.clone(), &snapshot, now);
                    let again = again.expect("one's own snapshot");
                    assert_eq!(again.epoch().is_some(), again.phase() == Phase::Member);
                }
                Action::Publish { id, object } => {
                    seen.push(object.payload.clone());
                    answers.push(Event::PublishReply { id, reply: Ok(()) });
                    answers.push(Event::Object(object));
                }
                // An honest service now and then, or nothing gets far.
                Action::Lock { id, request } => {
                    let token = Bytes::copy_from_slice(&id.0.to_be_bytes());
                    answers.push(Event::LockReply { id, reply: Ok(service.lock(now, &request, token)) });
                }
                Action::Increment { id, request } => {
                    answers.push(Event::IncrementReply { id, reply: Ok(service.increment(now, &request)) });
                }
                Action::GetCommit { id, request } => {
                    answers.push(Event::CommitReply { id, reply: Ok(service.commit(&request)) });
                }
                _ => {}
            }
        }
        if u.ratio(3, 4).unwrap_or(false) {
            answers.into_iter().for_each(|answer| told(&mut participant, now, answer));
        }
    }
}

fn told<E: Engine>(participant: &mut Participant<E>, now: Timestamp, event: Event) {
    match participant.handle(now, event) {
        Ok(()) => {}
        // Misuse leaves the participant, its deadlines included, as it was.
        Err(Error::Misuse(_) | Error::Ended) => return,
        Err(error) => panic!("{error}"),
    }
    if let Some((at, timer)) = participant.poll_timeout() {
        assert!(at > now, "{timer:?} at {at}, and it is {now}");
    }
}

/// Up to five participants over the symbolic engine on a network with faults, crashes and partitions.
///
/// - no `handle` fails;
/// - no two members ever differ on an epoch (`SafetyMode::Pinned`);
/// - once faults stop and time has passed, every member agrees with every other; and nobody whom the embedder
///   admits waits to join a group that has members.
pub(super) fn moves(data: &[u8]) {
    play(data, 5, 96, |who, life| symbolic(&format!("p{who}"), life));
}

/// As [`moves`], with three participants over real MLS.
pub(super) fn seeded(data: &[u8]) {
    play(data, 3, 24, |who, life| seeded_engine(&format!("p{who}"), life / 1000));
}

fn play<E: Engine>(data: &[u8], participants: usize, most: usize, engine: impl Fn(usize, u64) -> E) {
    let mut u = Unstructured::new(data);
    let seed = u.arbitrary::<u8>().unwrap_or(0);
    let mut net: Network<E> = Network::new(NetworkConfig::new(u64::from(seed)));
    let (mut lives, mut up) = (0_u64, vec![true; participants]);
    for who in 0..participants {
        net.add(engine(who, 0), config()).expect("an engine");
    }
    net.command(0, Command::Join).expect("it is new");
    net.run_for(Duration::from_secs(5));
    for _ in 0..most {
        let Ok([what, by]) = u.arbitrary::<[u8; 2]>() else { break };
        let who = usize::from(what >> 4) % participants;
        let phase = net.peer(who).map(Participant::phase);
        let member = phase == Some(Phase::Member);
        match what & 15 {
            0 | 1 if phase == Some(Phase::New) => net.command(who, Command::Join).expect("it is new"),
            2 if member => net.command(who, Command::Update).expect("a member"),
            3 if member && who > 0 => net.command(who, Command::Leave).expect("a member"),
            4 if member => {
                let target = usize::from(by) % participants;
                let gone = net.peer(target).map(|p| p.sender_id().clone());
                if let Some(gone) = gone.filter(|_| target > 0 && target != who) {
                    net.command(who, Command::Gone(gone)).expect("a member");
                }
            }
            5 if up[who] => {
                up[who] = false;
                net.crash(who);
            }
            6 if up[who] => {
                let left = u64::from(by & 15) + 1;
                net.crash_after(who, left);
            }
            7 => net.partition(who, Duration::from_millis(u64::from(by) * 50)),
            8 => net.faults_mut().lost_objects = u16::from(by),
            9 => net.faults_mut().lost_replies = u16::from(by),
            10 => net.faults_mut().late_objects = u16::from(by),
            11 => net.faults_mut().repeated_objects = u16::from(by),
            _ => net.run_for(Duration::from_millis(u64::from(by) * 20)),
        }
        lives = restart(&mut net, &mut up, lives, by & 1 == 1, &engine);
        check(&net);
    }
    let faults = net.faults_mut();
    (faults.lost_objects, faults.lost_replies, faults.late_objects, faults.repeated_objects) = (0, 0, 0, 0);
    // None is left to die later.
    for who in 0..participants {
        net.crash_after(who, u64::MAX);
    }
    restart(&mut net, &mut up, lives, true, &engine);
    net.run_for(Duration::from_secs(300));
    check(&net);
    // Whom the group put out, perhaps before it heard that it was in, is barred until the embedder says
    // otherwise; here it does.
    for waiting in in_phase(&net, &WAITING) {
        let Some(sender) = net.peer(waiting).map(|p| p.sender_id().clone()) else { continue };
        for member in in_phase(&net, &[Phase::Member]) {
            let request = JoinRequest::expected(sender.clone(), Credential::basic(format!("p{waiting}")));
            let admit = Command::Admit { request, replacing: None };
            net.command(member, admit).expect("a member");
        }
    }
    net.run_for(Duration::from_secs(120));
    check(&net);
    let members = in_phase(&net, &[Phase::Member]);
    if !members.is_empty() {
        // Not the roster against who is up: one whose leave nobody heard has ended, and is in it yet.
        let state = |who: usize| net.peer(who).map(|p| (p.epoch(), p.context_hash()));
        let agreed = members.iter().all(|who| state(*who) == state(members[0]));
        assert!(agreed, "{members:?} differ\n{}", net.log().to_text());
        let waiting = in_phase(&net, &WAITING);
        assert!(waiting.is_empty(), "{waiting:?} wait\n{}", net.log().to_text());
    }
}

const WAITING: [Phase; 2] = [Phase::Joining, Phase::Bootstrapping];

fn in_phase<E: Engine>(net: &Network<E>, phases: &[Phase]) -> Vec<usize> {
    let phase = |who: usize| net.peer(who).map(Participant::phase);
    (0..net.len()).filter(|who| phase(*who).is_some_and(|p| phases.contains(&p))).collect()
}

/// Starts again what is down, or only takes note of it; returns the number of runs so far.
fn restart<E: Engine>(
    net: &mut Network<E>,
    up: &mut [bool],
    mut lives: u64,
    again: bool,
    engine: &impl Fn(usize, u64) -> E,
) -> u64 {
    for (who, up) in up.iter_mut().enumerate() {
        *up = net.peer(who).is_some();
        if !*up && again {
            lives += 1;
            net.restart(who, engine(who, lives)).expect("a durable snapshot");
            *up = true;
        }
    }
    lives
}

fn check<E: Engine>(net: &Network<E>) {
    assert!(net.failures().is_empty(), "{:?}\n{}", net.failures(), net.log().to_text());
    let state = |who| {
        let peer: &Participant<E> = net.peer(who)?;
        Some((peer.epoch()?, peer.context_hash()))
    };
    let states: Vec<_> = (0..net.len()).filter_map(state).collect();
    for (epoch, context) in &states {
        let fork = states.iter().any(|(e, c)| e == epoch && c != context);
        assert!(!fork, "a fork in epoch {epoch}\n{}", net.log().to_text());
    }
}
