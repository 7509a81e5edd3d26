//! Every kind of event, action and notice crosses to C and to the core and comes back as it was.

#![allow(unsafe_code, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use std::mem::discriminant;

use bytes::Bytes;
use moq_mls_boundary::action::{Action, KeysNotice};
use moq_mls_boundary::codes::*;
use moq_mls_boundary::notice::{GroupParams, Notice};
use moq_mls_boundary::values::{CounterState, Credential, Object, SecretBytes, TrackName};
use moq_mls_boundary::{Event, Status};
use moq_mls_c::{abi, testing};

fn id(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

fn credential() -> Credential {
    Credential { kind: 2, data: id("chain") }
}

fn object() -> Object {
    let track = TrackName { namespace: vec![id("room"), id("welcome")], name: id("sender") };
    Object { track, group_id: 1, object_id: u64::MAX, payload: id("payload") }
}

fn state() -> CounterState {
    let pin = Some(Bytes::from(vec![3; 96]));
    CounterState { current: 4, pin, receipt: Some(id("receipt")), pin_forgotten: true }
}

fn notices() -> Vec<Notice> {
    let (sender, committer, peer) = (id("sender"), id("committer"), id("peer"));
    let (old, new, group) = (id("old"), id("new"), id("group"));
    let params = GroupParams {
        mode: SafetyMode::Fenced,
        commit_tracks: CommitTracks::PerSender,
        tree_objects: true,
        service_key_hash: Some([5; 32]),
        epoch_base: 6,
    };
    let asks = |hold, other_credential, other_member| Notice::JoinRequested {
        sender: id("sender"),
        credential: credential(),
        key_package_ref: Some(id("ref")),
        hold,
        other_credential,
        other_member,
    };
    let fault = |fault, current, reason| Notice::ServiceFault { fault, current, reason };
    let step = |step, group, founder| Notice::Recovery { step, group, founder };
    let mut all = vec![
        Notice::Epoch { epoch: 1, cause: EpochCause::Created, committer: None },
        Notice::Epoch { epoch: 2, cause: EpochCause::Commit, committer: Some(committer.clone()) },
        Notice::AgainstPolicy { epoch: 3, committer, breach: Breach::RosterFull },
        Notice::MemberJoined { sender: sender.clone(), leaf_index: 7, credential: credential() },
        Notice::MemberLeft { sender: sender.clone() },
        Notice::MemberReplaced {
            old: old.clone(),
            new: new.clone(),
            leaf_index: 8,
            credential: credential(),
        },
        Notice::MemberChanged { leaf_index: 9, old, new, credential: credential() },
        asks(Hold::Policy, None, None),
        asks(Hold::OtherCredential, Some(credential()), None),
        asks(Hold::OtherCredential, None, None),
        asks(Hold::SameIdentity, None, Some(id("member"))),
        Notice::InvalidLeafKey { sender: sender.clone() },
        Notice::CredentialExpired { sender: sender.clone() },
        Notice::Removed { epoch: 10 },
        Notice::Left,
        Notice::LeaveUnheard,
        Notice::JoinStalled { counter: Some(0), waits_for: WaitsFor::Confirmation, epoch: Some(11) },
        Notice::JoinStalled { counter: None, waits_for: WaitsFor::Tree, epoch: None },
        Notice::NotReadBack { epoch: 12 },
        Notice::TreeMissing { epoch: 13 },
        Notice::Resumed { epoch: 14 },
        Notice::StateErased { epoch: 15 },
        step(RecoveryStep::Looking, None, None),
        step(RecoveryStep::Founding, Some(group.clone()), None),
        step(RecoveryStep::Following, Some(group.clone()), Some(peer.clone())),
        step(RecoveryStep::GivenUp, None, Some(peer.clone())),
        Notice::Succeeded { group: group.clone() },
        Notice::SuccessorOffered { group: group.clone(), credentials: vec![credential(), credential()] },
        Notice::SuccessorOffered { group, credentials: Vec::new() },
        Notice::ForkDetected { epoch: 16, peer: peer.clone() },
        Notice::DeadSlot { epoch: 17 },
        Notice::FaultyCommit { epoch: 18, commit_hash: [9; 32] },
        fault(ServiceFault::Regressed, Some(19), None),
        fault(ServiceFault::Refused, None, Some(Reason::RateLimited)),
        fault(ServiceFault::NoAnswer, None, None),
        Notice::ParamsMismatch { group: Some(params) },
        Notice::ParamsMismatch { group: None },
        Notice::Refused { sender, reason: Refusal::Full },
        Notice::UnderAttack { fault: Fault::TooMany, total: 20 },
        Notice::ClockSkew { error: ClockError::Ahead, by_ms: 21, witness: ClockWitness::Peers },
        Notice::Doubled { times: 22, wait_ms: 23 },
        Notice::PeerFault { from: Some(peer), fault: Fault::Invalid },
        Notice::PeerFault { from: None, fault: Fault::ForeignTrack },
    ];
    all.extend(RejoinReason::ALL.iter().map(|reason| Notice::Rejoining { reason: *reason }));
    all
}

fn actions() -> Vec<Action> {
    let TrackName { namespace, name } = object().track;
    let fetch = |name| Action::Fetch {
        id: 5,
        namespace: object().track.namespace,
        name,
        first_group: 6,
        last_group: u64::MAX,
    };
    let mut all = vec![
        Action::Persist { snapshot: SecretBytes(id("snapshot")) },
        Action::Announce { namespace: namespace.clone() },
        Action::SubscribeNamespace { id: 1, namespace },
        Action::Subscribe { id: 2, track: object().track },
        Action::Unsubscribe { id: 3 },
        fetch(Some(name)),
        fetch(None),
        Action::Publish { id: 7, object: object() },
        Action::Lock { id: 8, counter: id("room"), val: 9 },
        Action::Increment {
            id: 10,
            counter: id("room"),
            val: Some(0),
            lock_id: Some(id("token")),
            prev: None,
            pin: Some(vec![1; 96].into()),
            key: Some(SecretBytes(id("key"))),
            commit: Some(Bytes::new()),
        },
        Action::Increment {
            id: 11,
            counter: id("room"),
            val: None,
            lock_id: None,
            prev: Some(vec![2; 96].into()),
            pin: None,
            key: None,
            commit: None,
        },
        Action::GetCommit { id: 12, counter: id("room"), val: 13 },
    ];
    all.extend(notices().into_iter().map(Action::Notify));
    all
}

fn keys() -> [Action; 4] {
    [
        KeysNotice::EpochReady { epoch: 1 },
        KeysNotice::SendWith { epoch: 2, reason: SwitchReason::Quorum },
        KeysNotice::Silent { reason: Silence::Behind },
        KeysNotice::Forgotten { epoch: 3, reason: ForgetReason::Fork },
    ]
    .map(Action::Keys)
}

fn events() -> Vec<Event> {
    let (sender, peer) = (id("sender"), id("peer"));
    let admit = |key_package_ref, replacing| Event::Admit {
        sender: id("sender"),
        credential: credential(),
        key_package_ref,
        replacing,
    };
    let reason = Reason::NotYourTurn;
    let mut all = vec![
        Event::Join,
        admit(None, None),
        admit(Some(id("ref")), Some(id("old"))),
        Event::Refuse { sender: sender.clone() },
        Event::Add { key_package: id("KeyPackage") },
        Event::Remove { sender: sender.clone() },
        Event::Gone { sender },
        Event::Update,
        Event::Follow { group: id("room") },
        Event::Leave,
        Event::Object(object()),
        Event::Subscribed { id: 1 },
        Event::Published { id: 2 },
        Event::Fetched { id: 3, objects: vec![object(), object()] },
        Event::Fetched { id: 4, objects: Vec::new() },
        Event::LockGranted { id: 5, lock_id: Some(id("token")), expires_in_ms: 6 },
        Event::LockGranted { id: 7, lock_id: None, expires_in_ms: 0 },
        Event::LockConflict { id: 8, retry_later_ms: 9 },
        Event::LockCounterError { id: 10, state: state() },
        Event::LockRefused { id: 11, reason },
        Event::Incremented { id: 12, state: CounterState::default() },
        Event::IncrementCounterError { id: 13, state: state() },
        Event::IncrementWrongKey { id: 14, state: state() },
        Event::IncrementRefused { id: 15, reason },
        Event::CommitFound { id: 16, state: state(), commit: id("commit") },
        Event::CommitCounterError { id: 17, state: state() },
        Event::CommitRefused { id: 18, reason },
        Event::PeerAuthenticator { peer: peer.clone(), epoch: 19, authenticator: id("authenticator") },
        Event::MediaOpened { peer, epoch: 20 },
        Event::MediaAhead { epoch: 21 },
        Event::ServiceTime { time_ms: 22 },
        Event::RetryAfter { wait_ms: 23 },
        Event::Timer,
    ];
    for request in RequestKind::ALL {
        let failed = |failure, code| Event::Failed { request: *request, id: 24, failure, code };
        all.extend([failed(Failure::NotSent, 0), failed(Failure::Unknown, 0), failed(Failure::Refused, 25)]);
    }
    all
}

fn kinds<T>(all: &[T]) -> usize {
    let is_first = |at: usize| all[..at].iter().all(|before| discriminant(before) != discriminant(&all[at]));
    (0..all.len()).filter(|at| is_first(*at)).count()
}

#[test]
fn every_event_comes_back_from_c_and_from_the_core() {
    assert_eq!(kinds(&events()), abi::EventKind::ALL.len());
    for event in events() {
        // SAFETY: what the event points to is there.
        let back = testing::with_event(event.clone(), |event| unsafe { testing::event(event) });
        assert_eq!(back, Ok(event.clone()));
        let core = moq_mls::Event::try_from(event.clone()).expect("an event of the core");
        assert_eq!(Event::from(core), event);
    }
}

#[test]
fn every_action_comes_back_from_c_and_from_the_core() {
    // All but the kinds of nothing to do and of the media keys.
    assert_eq!(kinds(&actions()), abi::ActionKind::ALL.len() - 2);
    // The header is what the code makes: a notice that is missing here is in it.
    let header = include_str!("../include/moq_mls.h");
    assert_eq!(kinds(&notices()), header.matches("\n    MOQ_MLS_NOTICE_").count());
    for action in actions().into_iter().chain(keys()) {
        // SAFETY: what the action points to is there.
        let back = testing::with_action(action.clone(), |action| unsafe { testing::action(action) });
        assert_eq!(back, Ok(Some(action.clone())));
        if !matches!(action, Action::Keys(_)) {
            let core = moq_mls::Action::try_from(action.clone()).expect("an action of the core");
            assert_eq!(Action::from(core), action);
        }
    }
}

#[test]
fn numbers_that_name_nothing_are_refused() {
    for number in [0, 1000, u32::MAX] {
        assert_eq!(Fault::try_from(number).map_err(|error| error.status()), Err(Status::UnknownCode));
    }
}
