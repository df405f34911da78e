//! What the signature of an entry, a snapshot and a heartbeat covers.

use super::*;
use uuid::Uuid;

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn place() -> (Incarnation, RegionId) {
    (Incarnation(Uuid::from_u128(1)), RegionId(Uuid::from_u128(2)))
}

fn content() -> String {
    Content::Allocation(Endpoint {
        allocation: AllocationId(Uuid::from_u128(3)),
        environment: EnvironmentId(Uuid::from_u128(4)),
        deployment: DeploymentId(Uuid::from_u128(5)),
        env_set: EnvSet(0),
        artifact: Digest::of(&[b"blue"]),
        generation: Generation(1),
        host: HostId(Uuid::from_u128(6)),
        address: "127.0.0.1:9".into(),
        state: EndpointState::Ready,
    })
    .to_text()
}

fn entry() -> Entry {
    Entry::signed(&key(), place(), (FeedSeq(1), Digest::ZERO), content())
}

#[test]
fn an_entry_as_signed_is_believed() {
    assert!(matches!(entry().verified(&key().verifying_key()), Ok(Content::Allocation(_))));
}

#[test]
fn an_entry_with_any_field_changed_is_not_believed() {
    let forged: Vec<Entry> = vec![
        Entry { incarnation: Incarnation(Uuid::from_u128(9)), ..entry() },
        Entry { region: RegionId(Uuid::from_u128(9)), ..entry() },
        Entry { seq: FeedSeq(2), ..entry() },
        Entry { prev: Digest::of(&[b"x"]), ..entry() },
        Entry { digest: Digest::of(&[b"x"]), ..entry() },
        Entry { content: content().replace("ready", "gone"), ..entry() },
        Entry { signature: String::new(), ..entry() },
    ];
    for entry in forged {
        assert!(entry.verified(&key().verifying_key()).is_err(), "{entry:?}");
    }
}

/// A rollout to several deployments is not built, and has its place. The sin: an edge that takes no entry which says more than it
/// knows, and so stands still at the first one.
#[test]
fn a_route_has_room_for_weights_that_nobody_writes() {
    let route = Content::Route(Route {
        environment: EnvironmentId(Uuid::from_u128(4)),
        workspace: WorkspaceId(Uuid::from_u128(7)),
        app: AppId(Uuid::from_u128(8)),
        region: place().1,
        cell: CellId(Uuid::from_u128(9)),
        epoch: Epoch(1),
        revision: Revision(0),
        hosts: vec!["shop.example.com".into()],
        owner: None,
        drain: None,
        posture: Posture::Serve,
    });
    let written: serde_json::Value = serde_json::from_str(&route.to_text()).expect("it is JSON");
    assert_eq!(written.get("weights"), None, "nobody writes it");
    let mut later = written.clone();
    later["weights"] = serde_json::json!([{ "deployment": Uuid::from_u128(5), "weight": 10 }]);
    assert_eq!(serde_json::from_value::<Content>(later.clone()).expect("it is taken"), route, "it goes by the owner");
    let known = |key: &String| written.get(key).is_some();
    let strict = |said: &serde_json::Value| said.as_object().is_some_and(|all| all.keys().all(known));
    assert!(strict(&written) && !strict(&later), "the sin stands still");
}

#[test]
fn an_entry_signed_by_another_key_is_not_believed() {
    let other = SigningKey::from_bytes(&[8; 32]);
    assert_eq!(entry().verified(&other.verifying_key()), Err(Untrusted::Signature));
}

#[test]
fn a_snapshot_with_a_content_removed_is_not_believed() {
    let whole = Snapshot::signed(&key(), place(), (FeedSeq(1), Digest::ZERO), vec![content(), content()]);
    assert_eq!(whole.verified(&key().verifying_key()).map(|all| all.len()), Ok(2));
    let less = Snapshot { contents: vec![content()], ..whole };
    assert_eq!(less.verified(&key().verifying_key()), Err(Untrusted::Signature));
}

#[test]
fn a_heartbeat_with_another_position_is_not_believed() {
    let at = DateTime::from_timestamp(1, 0).expect("a time");
    let heartbeat = Heartbeat::signed(&key(), place(), (FeedSeq(1), Digest::ZERO), at);
    assert_eq!(heartbeat.verified(&key().verifying_key()), Ok(()));
    let later = Heartbeat { seq: FeedSeq(2), ..heartbeat };
    assert_eq!(later.verified(&key().verifying_key()), Err(Untrusted::Signature));
}

#[test]
fn every_region_has_a_subject_of_its_own_below_the_one_of_this_version() {
    let (one, other) = (subject(place().1), subject(RegionId(Uuid::from_u128(3))));
    assert_eq!(one, format!("rhone.route.v1.{}", place().1));
    assert_ne!(one, other);
}
