//! Who may do what at a relay that asks for tokens.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use moq_mls::Command;
use moq_mls::tracks::{GroupTracks, SenderId};
use moq_mls_live::call::{Stage, agree, wait};
use moq_mls_live::counter::memory::Memory;
use moq_mls_live::mapping::COMMIT_TRACKS;
use moq_mls_live::relay_tokens::{Issuer, RelayToken};
use moq_mls_live::session::{self, Accepts, Closed, PublishError, Session};
use tokio::sync::mpsc;

const UNAUTHORIZED: u64 = 0x1;

async fn session(stage: &Stage, token: Option<Bytes>) -> Session {
    let address = stage.relay_address(stage.relay.address, None);
    let endpoint = session::endpoint(&address.roots).unwrap();
    let connection = session::dial(&endpoint, stage.relay.address, "localhost").await.unwrap();
    let (inbound, _) = mpsc::channel(1);
    let token = token.map(RelayToken::Bytes);
    Session::begin(connection, "localhost", token.as_ref(), Accepts::nothing(), inbound).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_track_of_another_member_cannot_be_taken_first() {
    let stage = Stage::set(Arc::new(Memory::default()), None).await.unwrap();
    let lasts = Duration::from_secs(3600);
    let (group, alice) = (stage.group(), stage.participant("alice").unwrap());
    let mallory = SenderId::new("3a110c7").unwrap();
    let squatter = session(&stage, Some(stage.tokens().issue(group, &mallory, lasts).unwrap())).await;
    let tracks = GroupTracks::new(group.clone(), COMMIT_TRACKS);
    for track in [tracks.key_package(&alice.sender), tracks.commit(&alice.sender)] {
        match squatter.publish(&track).await {
            Err(PublishError::Refused { code: UNAUTHORIZED, .. }) => {}
            other => panic!("{track}: {:?}", other.err()),
        }
    }
    squatter.publish(&tracks.key_package(&mallory)).await.map(|_| ()).unwrap();
    // Whose track it is has it.
    alice.command(Command::Join);
    wait(&alice, "to create the group", |view| view.epoch == Some(0)).await.unwrap();
    let bob = stage.participant("bob").unwrap();
    bob.command(Command::Join);
    agree(&[&alice, &bob], 1).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_of_its_issuer_a_relay_admits_nobody() {
    let stage = Stage::set(Arc::new(Memory::default()), None).await.unwrap();
    let sender = SenderId::new("3a110c7").unwrap();
    let other = Issuer::generate().unwrap().issue(stage.group(), &sender, Duration::from_secs(60)).unwrap();
    for token in [None, Some(other), Some(Bytes::from_static(b"no token"))] {
        let session = session(&stage, token).await;
        let closed = tokio::time::timeout(Duration::from_secs(10), session.closed()).await.unwrap();
        assert_eq!(closed, Closed::Unauthorized);
    }
}
