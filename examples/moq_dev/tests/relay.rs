//! The adapter against the real moq-relay: what comes, what is kept, and for how long.

mod support;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use moq_mls::tracks::{SenderId, TrackNamespace};
use moq_mls::{Failure, FetchTarget};
use moq_mls_moq_dev::publishing::OTHER_BYTES;
use moq_mls_moq_dev::relay::RelayAddress;
use moq_mls_moq_dev::server::{Certificate, Server, Settings, own_paths};
use moq_mls_tokio::{Relay, Scope};
use support::{PATIENCE, all, client, commit, figure, key_package, key_packages, relay, tracks};

/// As long as the relay of a test keeps a group that is not the newest.
const KEPT: Duration = Duration::from_secs(1);
/// After this it has none of those.
const EXPIRED: Duration = Duration::from_secs(4);
const GROUPS: u64 = 10;

#[tokio::test(flavor = "multi_thread")]
async fn newest_group_stays_and_older_ones_are_fetched_from_their_publisher() -> Result<()> {
    let (_server, address, _folder) = relay(Settings { kept: Some(KEPT), ..Settings::default() }).await?;
    let (publisher, sender) = client(&address, "a11ce").await?;
    let (watcher, _) = client(&address, "b0b").await?;
    let mut watched = watcher.subscribe(key_packages()).await?;
    for group_id in 0..GROUPS {
        publisher.publish(key_package(&sender, group_id, 0, &format!("package {group_id}"))).await?;
    }
    let sent: Vec<_> = (0..GROUPS).map(|id| key_package(&sender, id, 0, &format!("package {id}"))).collect();
    ensure!(all(&mut watched).await == sent, "the subscriber that was there has not all");

    tokio::time::sleep(EXPIRED).await;
    let (late, _) = client(&address, "ca401").await?;
    let kept = all(&mut late.subscribe(key_packages()).await?).await;
    figure("kept_after_expiry", kept.len(), "groups");
    ensure!(kept.last() == sent.last(), "the newest group is gone");

    let began = std::time::Instant::now();
    let fetched = late.fetch(request(FetchTarget::Track(tracks().key_package(&sender)), &[])).await?;
    figure("fetched_after_expiry", fetched.len(), "groups");
    figure("fetch_ten_groups_ms", format!("{:.0}", began.elapsed().as_secs_f64() * 1e3), "ms");
    ensure!(fetched == sent, "the publisher did not answer for all of them");

    publisher.close().await;
    drop(publisher);
    tokio::time::sleep(KEPT).await;
    let (last, _) = client(&address, "da7e").await?;
    let without = all(&mut last.subscribe(key_packages()).await?).await;
    figure("kept_without_publisher", without.len(), "groups");
    let gone = last.fetch(request(FetchTarget::Track(tracks().key_package(&sender)), &[])).await?;
    figure("fetched_without_publisher", gone.len(), "groups");
    ensure!(
        without.is_empty() && gone.is_empty(),
        "the relay outlives a publisher now: say so in the README"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn late_subscriber_gets_every_group_that_is_not_old() -> Result<()> {
    let (_server, address, _folder) = relay(Settings::default()).await?;
    let (publisher, sender) = client(&address, "a11ce").await?;
    for group_id in 0..100 {
        publisher.publish(key_package(&sender, group_id, 0, "package")).await?;
    }
    let (late, _) = client(&address, "b0b").await?;
    let found = all(&mut late.subscribe(key_packages()).await?).await;
    figure("late_of_100", found.len(), "groups");
    ensure!(found.len() == 100, "{} of 100", found.len());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_of_a_client_that_went_come_from_a_member_that_saw_them() -> Result<()> {
    let (_server, address, _folder) = relay(Settings { kept: Some(KEPT), ..Settings::default() }).await?;
    let (committer, sender) = client(&address, "a11ce").await?;
    let (member, seen_by) = client(&address, "b0b").await?;
    let mut commits = member.subscribe(Scope::Namespace(tracks().commit_namespace())).await?;
    let sent: Vec<_> = (0..GROUPS).map(|epoch| commit(&sender, epoch)).collect();
    for commit in &sent {
        committer.publish(commit.clone()).await?;
    }
    ensure!(all(&mut commits).await == sent, "the member has not all");
    committer.close().await;
    drop(committer);
    tokio::time::sleep(EXPIRED).await;

    let (newcomer, _) = client(&address, "ca401").await?;
    let commits = || FetchTarget::Namespace(tracks().commit_namespace());
    let mut found = newcomer.fetch(request(commits(), &[seen_by])).await?;
    found.sort_by_key(|commit| commit.location);
    figure("seen_commits_fetched", found.len(), "commits");
    ensure!(found == sent, "{found:?}");
    let nobody = newcomer.fetch(request(commits(), &[])).await;
    ensure!(nobody.as_ref().is_ok_and(Vec::is_empty), "the relay itself has none: {nobody:?}");
    // The look before a commit.
    let mut look = request(commits(), &[]);
    look.groups = 3..=3;
    ensure!(member.fetch(look).await? == [commit(&sender, 3)]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn second_copy_is_no_second_object() -> Result<()> {
    let (_server, address, _folder) = relay(Settings::default()).await?;
    let (publisher, sender) = client(&address, "a11ce").await?;
    let (watcher, _) = client(&address, "b0b").await?;
    let mut objects = watcher.subscribe(key_packages()).await?;
    let first = key_package(&sender, 0, 0, "package");
    for _ in 0..3 {
        publisher.publish(first.clone()).await?;
    }
    let other = publisher.publish(key_package(&sender, 0, 0, "another")).await;
    ensure!(other.is_err_and(|error| error.failure == Failure::Refused(OTHER_BYTES)));
    let second = key_package(&sender, 0, 1, "package");
    publisher.publish(second.clone()).await?;
    let found = all(&mut objects).await;
    ensure!(found == [first, second], "{found:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn own_objects_come_and_those_of_other_groups_do_not() -> Result<()> {
    let (_server, address, _folder) = relay(Settings::default()).await?;
    let (publisher, sender) = client(&address, "a11ce").await?;
    let mut objects = publisher.subscribe(key_packages()).await?;
    let mut own = publisher.subscribe(Scope::Track(tracks().welcome(&sender))).await?;
    let object = key_package(&sender, 0, 0, "package");
    let mut elsewhere = object.clone();
    elsewhere.track.namespace = TrackNamespace::new(vec!["hall".into(), "keypackages".into()])?;
    publisher.publish(elsewhere).await?;
    let began = std::time::Instant::now();
    publisher.publish(object.clone()).await?;
    let found = tokio::time::timeout(PATIENCE, objects.recv()).await.context("it does not come back")?;
    figure("own_object_back_ms", format!("{:.1}", began.elapsed().as_secs_f64() * 1e3), "ms");
    ensure!(found == Some(object));
    ensure!(all(&mut objects).await.is_empty() && all(&mut own).await.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn subscription_goes_on_after_a_restart_and_publishers_offer_again() -> Result<()> {
    let (server, address, folder) = relay(Settings::default()).await?;
    let (publisher, sender) = client(&address, "a11ce").await?;
    let (watcher, _) = client(&address, "b0b").await?;
    let mut objects = watcher.subscribe(key_packages()).await?;
    let before = key_package(&sender, 0, 0, "before");
    publisher.publish(before.clone()).await?;
    ensure!(tokio::time::timeout(PATIENCE, objects.recv()).await? == Some(before.clone()));
    let bind = server.address;
    drop(server);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let certificate = Certificate::in_folder(folder.path())?;
    let _server = Server::start(bind, &certificate, Settings::default()).await?;
    let began = std::time::Instant::now();
    // Its own publisher has it still, so it comes again, to those who are there and to those who are new.
    let again = tokio::time::timeout(PATIENCE, objects.recv()).await?;
    figure("subscription_back_ms", format!("{:.0}", began.elapsed().as_secs_f64() * 1e3), "ms");
    ensure!(again == Some(before), "{again:?}");
    let after = key_package(&sender, 0, 1, "after");
    publisher.publish(after.clone()).await?;
    ensure!(tokio::time::timeout(PATIENCE, objects.recv()).await? == Some(after));
    Ok(())
}

/// Here the query names the sender; a token that was verified would, in a service.
fn named(request: &moq_auth::Request) -> Option<moq_auth::Grant> {
    let sender = request.query.as_deref()?.strip_prefix("sender=")?;
    own_paths(&SenderId::new(sender.to_owned()).ok()?).ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn client_publishes_on_its_own_paths_only_where_the_relay_decides() -> Result<()> {
    let decide: moq_mls_moq_dev::server::Decide = Arc::new(named);
    let (_server, address, _folder) = relay(Settings { decide: Some(decide), ..Settings::default() }).await?;
    let at = |sender: &str| {
        let mut url = address.url.clone();
        url.set_query(Some(&format!("sender={sender}")));
        RelayAddress { url, root: address.root.clone() }
    };
    let (watcher, _) = client(&at("b0b"), "b0b").await?;
    let mut objects = watcher.subscribe(key_packages()).await?;
    let (honest, sender) = client(&at("a11ce"), "a11ce").await?;
    // It was admitted as itself, and publishes as another.
    let (squatter, _) = client(&at("e4e"), "a11ce").await?;
    squatter.publish(key_package(&sender, 0, 0, "made up")).await?;
    ensure!(all(&mut objects).await.is_empty(), "the relay announces what its grant forbids");
    let object = key_package(&sender, 0, 0, "package");
    honest.publish(object.clone()).await?;
    ensure!(all(&mut objects).await == [object]);
    // A client without a name is refused. What it publishes comes to nobody.
    let (nobody, sender) = client(&address, "da7e").await?;
    let answer = nobody.publish(key_package(&sender, 0, 0, "package")).await;
    ensure!(all(&mut objects).await.is_empty(), "admitted without a name");
    let after = nobody.publish(key_package(&sender, 0, 1, "package")).await;
    println!("without a name: {answer:?}, a second later {after:?}; with one: {:?}", honest.version());
    ensure!(after.is_err() && honest.version().is_some());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_publishers_of_one_path_the_relay_serves_one() -> Result<()> {
    let (_server, address, _folder) = relay(Settings::default()).await?;
    let (watcher, _) = client(&address, "b0b").await?;
    let mut objects = watcher.subscribe(key_packages()).await?;
    let (first, sender) = client(&address, "a11ce").await?;
    let (second, _) = client(&address, "a11ce").await?;
    first.publish(key_package(&sender, 0, 0, "of the first")).await?;
    let before = all(&mut objects).await;
    second.publish(key_package(&sender, 0, 0, "of the second")).await?;
    let taken_over = all(&mut objects).await;
    let (late, _) = client(&address, "ca401").await?;
    let found = all(&mut late.subscribe(key_packages()).await?).await;
    figure("publishers_served_of_two", found.len(), "publishers");
    println!("first: {before:?}\nthen: {taken_over:?}\na late subscriber: {found:?}");
    ensure!(before.len() == 1 && found.len() == 1);
    Ok(())
}

fn request(target: FetchTarget, members: &[SenderId]) -> moq_mls_tokio::FetchRequest {
    moq_mls_tokio::FetchRequest::new(target, 0..=GROUPS - 1, members.to_vec())
}
