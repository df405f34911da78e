//! What is told of the past is what the rules did; and nothing of a state is forgotten.

use super::*;
use crate::{
    aggregate::encode,
    canonical::Payload,
    ids::CorrelationId,
    personal::Sealed,
    route_owner,
    story::{ACME, ALICE, BLUE, GREEN_BYTES, PRODUCTION, at, because, host, name, opened, owner, slug},
    workspace,
};
use std::collections::BTreeSet;
use uuid::Uuid;

fn difference(before: &Value, after: &Value) -> Vec<String> {
    let shown = |value: Option<&Value>| value.map_or_else(|| "-".to_owned(), Value::to_string);
    let one = |c: Change| format!("{}: {} -> {}", c.path, shown(c.before.as_ref()), shown(c.after.as_ref()));
    changes(before, after).into_iter().map(one).collect()
}

#[test]
fn a_difference_names_every_leaf_that_changed_by_its_pointer() {
    let before = json!({ "epoch": 1, "owner": { "deployment": "blue" }, "pins": [], "frozen": null });
    let after = json!({ "epoch": 2, "owner": { "deployment": "blue", "since": 5 }, "pins": ["a"], "pin": null });
    let expected = ["/epoch: 1 -> 2", "/owner/since: - -> 5", "/pins: [] -> -", "/pins/0: - -> \"a\""];
    assert_eq!(difference(&before, &after), expected);
    assert_eq!(difference(&after, &after), Vec::<String>::new());
    let (bare, with) = (json!({ "hosts": {} }), json!({ "hosts": { "a": 1 } }));
    assert_eq!(difference(&bare, &with), ["/hosts: {} -> -", "/hosts/a: - -> 1"], "nothing in it is a leaf too");
}

#[test]
fn a_key_with_a_slash_is_one_key_in_a_pointer() {
    let (before, after) = (json!({ "a/b": { "~": 1 } }), json!({ "a/b": { "~": 2 } }));
    let [change] = &changes(&before, &after)[..] else { panic!("one change") };
    assert_eq!(change.path, "/a~1b/~0");
    assert_eq!(after.pointer(&change.path), Some(&json!(2)), "it is found by it");
}

#[test]
fn a_tree_tells_each_event_below_its_cause_and_in_order() {
    let id = Uuid::from_u128;
    let events = [
        (id(1), Some(id(99))),
        (id(2), Some(id(1))),
        (id(3), None),
        (id(4), Some(id(2))),
        (id(5), Some(id(1))),
        (id(6), Some(id(3))),
    ];
    let told: Vec<(u128, usize)> = tree(&events).iter().map(|l| (events[l.index].0.as_u128(), l.depth)).collect();
    assert_eq!(told, [(1, 0), (2, 1), (4, 2), (5, 1), (3, 0), (6, 1)], "a cause that is not told makes a root");
}

#[test]
fn causes_in_a_circle_are_told_once_each() {
    let id = Uuid::from_u128;
    let events = [(id(1), Some(id(2))), (id(2), Some(id(1))), (id(3), Some(id(3)))];
    let told: BTreeSet<usize> = tree(&events).iter().map(|line| line.index).collect();
    assert_eq!((told.len(), tree(&events).len()), (3, 3));
}

fn route() -> Vec<Encoded> {
    let by = crate::ids::OperationId(Uuid::from_u128(7));
    let (epoch, drain) = (crate::numbers::Epoch(1), None);
    [
        route_owner::Event::Opened(opened()),
        route_owner::Event::HostAttached { host: host("shop.example") },
        route_owner::Event::Promoted { by, epoch, owner: owner(BLUE), at: at(3), drain },
        route_owner::Event::Quarantined { digest: GREEN_BYTES, reason: because("it loses visitors") },
        route_owner::Event::HostDetached { host: host("shop.example") },
    ]
    .iter()
    .map(|event| encode(event).expect("a payload"))
    .collect()
}

#[test]
fn each_event_says_what_of_an_environment_it_changed() {
    let mut walk = Walk::of("route_owner").expect("a noun");
    let mut told = Vec::new();
    for event in route() {
        let before = walk.take(&event).expect("readable");
        let changes = watched_changes("route_owner", &before, walk.state());
        told.push(
            changes.into_iter().map(|c| (c.field, c.key, c.before.is_some(), c.after.is_some())).collect::<Vec<_>>(),
        );
    }
    let shop = Some(host("shop.example").to_string());
    assert_eq!(
        told,
        [
            vec![(WatchedField::RouteEpoch, None, false, true)],
            vec![(WatchedField::Hosts, shop.clone(), false, true)],
            vec![(WatchedField::RouteOwner, None, false, true), (WatchedField::RouteEpoch, None, true, true)],
            vec![(WatchedField::Quarantine, Some(GREEN_BYTES.to_string()), false, true)],
            vec![(WatchedField::Hosts, shop, true, false)],
        ]
    );
}

#[test]
fn of_a_life_the_last_entry_counts_though_ten_stands_before_nine() {
    let before = json!({ "history": { "KEY": { "9": "nine" } } });
    let after = json!({ "history": { "KEY": { "9": "nine", "10": "ten" }, "OTHER": { "1": null } } });
    let [change] = &watched_changes("variables", &before, &after)[..] else {
        panic!("a key that was unset is no news")
    };
    assert_eq!((&change.before, &change.after), (&Some(json!("nine")), &Some(json!("ten"))));
    assert_eq!(change.path, "/history/KEY");
}

#[test]
fn every_place_of_an_environments_states_is_watched_or_named_as_one_that_is_not() {
    let watched = WATCHED.iter().map(|one| (one.category, one.key));
    let listed: BTreeSet<(&str, &str)> = watched.chain(UNWATCHED.iter().copied()).collect();
    assert_eq!(listed.len(), WATCHED.len() + UNWATCHED.len(), "none is listed twice");
    let mut found = BTreeSet::new();
    for (category, state) in catalogue::tests::every_state() {
        let Some((category, _)) = listed.iter().find(|(name, _)| *name == category) else { continue };
        found.extend(state.as_object().expect("a state is an object").keys().map(|key| (*category, key.clone())));
    }
    let listed: BTreeSet<(&str, String)> = listed.into_iter().map(|(c, key)| (c, key.to_owned())).collect();
    assert_eq!(found, listed, "states on the left, WATCHED and UNWATCHED on the right");
}

#[test]
fn whatever_is_folded_by_its_category_is_what_its_own_type_folds_to() {
    let mut walk = Walk::of("route_owner").expect("a noun");
    let events: Vec<route_owner::Event> =
        route().iter().map(|event| aggregate::decode(event).expect("readable")).collect();
    for event in &route() {
        walk.take(event).expect("readable");
    }
    let own: route_owner::RouteOwner = aggregate::fold(&events);
    assert_eq!(walk.state(), &serde_json::to_value(own).expect("JSON"));
    assert!(Walk::of("nothing").is_none());
    let foreign =
        Encoded { event_type: "app.created".into(), schema_version: 1, payload: Payload::parse("{}").expect("JSON") };
    assert!(walk.take(&foreign).is_err());
}

#[test]
fn every_event_answers_a_command_that_there_is() {
    let commands = catalogue::commands();
    for (_, event_type, _) in catalogue::events() {
        let kinds = if event_type == "operation.requested" {
            crate::operation::Kind::ALL
        } else {
            &[crate::operation::Kind::Scale]
        };
        for kind in kinds {
            let command = command_of(event_type, &json!({ "kind": kind })).unwrap_or_default();
            assert!(
                commands.contains(&command.as_str()),
                "{event_type} answers `{command}`; its row is in commands.rs"
            );
        }
    }
    for (event_type, command) in
        [("route_owner.pinned", "route_owner.roll_back"), ("deployment.failed", "deployment.validate")]
    {
        assert_eq!(command_of(event_type, &json!({})).as_deref(), Some(command), "not by its own name");
    }
    let types: BTreeSet<_> = catalogue::events().into_iter().map(|(_, name, _)| name).collect();
    let rows: BTreeSet<_> = super::commands::COMMANDS.iter().map(|(name, _)| *name).collect();
    assert_eq!(rows.difference(&types).collect::<Vec<_>>(), Vec::<&&str>::new(), "rows of events that are none");
}

/// Nonce and ciphertext together are a sealed field; either alone is a word like any other.
#[test]
fn only_what_is_sealed_is_taken_out_of_what_is_told() {
    let sealed = json!({ "subject": "s", "field": "f", "nonce": "n", "ciphertext": "c" });
    let told = json!([{ "is": sealed, "of": [{ "nonce": 1 }, { "ciphertext": 2 }] }]);
    let shown = json!([{ "is": { "sealed": "f", "subject": "s" }, "of": [{ "nonce": 1 }, { "ciphertext": 2 }] }]);
    assert_eq!(redacted(told.clone()), shown);
    assert_eq!(redacted(shown.clone()), shown, "once more changes nothing");
    let form = json!({ "subject": "s", "field": "f", "nonce": "", "ciphertext": "" });
    assert_eq!(emptied(told), json!([{ "is": form, "of": [{ "nonce": 1 }, { "ciphertext": 2 }] }]));
}

fn told(stream: &StreamId, events: &[Encoded]) -> Vec<BundleEvent> {
    let one = |(index, event): (usize, &Encoded)| BundleEvent {
        position: format!("1-1-{index}"),
        event_id: Uuid::from_u128(index as u128),
        stream: stream.clone(),
        version: Version(index as u64 + 1),
        event_type: event.event_type.clone(),
        schema_version: event.schema_version,
        actor: ALICE.0,
        actor_kind: "user".into(),
        on_behalf_of: None,
        writer: "api".into(),
        correlation: Uuid::from_u128(1),
        causation: None,
        traceparent: None,
        summary: String::new(),
        payload: event.payload.to_value(),
        occurred_at: at(1),
        recorded_at: at(1),
    };
    events.iter().enumerate().map(one).collect()
}

fn bundle(streams: Vec<BundledStream>) -> Bundle {
    Bundle::new(CorrelationId(Uuid::from_u128(1)), streams, vec![]).expect("it folds")
}

#[test]
fn a_bundle_read_elsewhere_folds_to_the_same_state_and_a_changed_one_is_refused() {
    let stream = StreamId::new("route_owner", PRODUCTION.0);
    let made = bundle(vec![BundledStream::new(stream.clone(), told(&stream, &route())).expect("it folds")]);
    let text = serde_json::to_string(&made).expect("JSON");
    let read: Bundle = serde_json::from_str(&text).expect("it is one");
    assert_eq!(serde_json::to_string(&read).expect("JSON"), text);
    let [replayed] = &read.replay().expect("the same state")[..] else { panic!("one stream") };
    assert_eq!((replayed.version, replayed.state_hash), (Version(5), made.streams[0].state_hash));

    let mut changed = read.clone();
    changed.streams[0].events[3].payload["reason"] = json!("another");
    assert!(matches!(changed.replay(), Err(BundleRefused::Differs { .. })));
    let mut shorter = read.clone();
    shorter.streams[0].events.remove(1);
    assert!(matches!(shorter.replay(), Err(BundleRefused::Order { wanted: Version(2), found: Version(3), .. })));
    let mut newer = read.clone();
    newer.format = "rhone.support_bundle.v3".into();
    assert!(matches!(newer.replay(), Err(BundleRefused::Format(_))));
    assert!(made.edges.is_empty(), "no operation proves anything of an edge: {:?}", made.edges);
}

/// An operation that ended well through one edge, and something that was refused meanwhile.
fn proven_by_an_edge() -> Bundle {
    let id = Uuid::from_u128(7);
    let stream = StreamId::new("operation", id);
    let mut events = crate::catalogue::tests::samples_of("operation");
    events.retain(|event| ["operation.requested", "operation.stage_entered"].contains(&event.event_type.as_str()));
    let told = told(&stream, &events);
    let refused = told[..1].to_vec();
    let streams = vec![BundledStream::new(stream, told).expect("it folds")];
    Bundle::new(CorrelationId(id), streams, refused).expect("it folds")
}

#[test]
fn nothing_in_a_bundle_is_changed_unnoticed() {
    let made = proven_by_an_edge();
    assert!(!made.edges.is_empty() && made.replay().is_ok(), "{:?}", made.edges);
    let mut edges = made.clone();
    edges.edges[0]["digest"] = json!(crate::story::BLUE_BYTES);
    assert!(matches!(edges.replay(), Err(BundleRefused::Edges { .. })));
    let mut none = made.clone();
    none.edges.clear();
    assert!(matches!(none.replay(), Err(BundleRefused::Edges { .. })));
    let hands: [fn(&mut Bundle); 4] = [
        |bundle| bundle.refused[0].payload["reason"] = json!("another"),
        |bundle| bundle.refused.clear(),
        |bundle| bundle.streams[0].events[0].actor = Uuid::from_u128(9),
        |bundle| bundle.streams[0].events[1].summary = "another".into(),
    ];
    for touch in hands {
        let mut another = made.clone();
        touch(&mut another);
        assert!(matches!(another.replay(), Err(BundleRefused::Changed { .. })));
    }
    let bare = Bundle { digest: None, ..made.clone() };
    assert!(matches!(bare.replay(), Err(BundleRefused::DigestMissing)));
}

#[test]
fn a_bundle_of_the_first_form_is_still_read_and_its_edges_are_the_operations_own() {
    let mut first = Bundle { format: "rhone.support_bundle.v1".into(), digest: None, ..proven_by_an_edge() };
    assert!(first.replay().is_ok());
    first.edges[0]["digest"] = json!(crate::story::BLUE_BYTES);
    assert!(matches!(first.replay(), Err(BundleRefused::Edges { .. })));
}

#[test]
fn a_bundle_holds_no_sealed_field_and_still_folds() {
    let sealed = Sealed {
        subject: crate::ids::SubjectId(ACME.0),
        field: "workspace.contact_email".into(),
        nonce: "bm9uY2U=".into(),
        ciphertext: "c2VjcmV0".into(),
    };
    let event = workspace::Event::Created {
        id: ACME,
        slug: slug("acme"),
        name: name("Acme"),
        contact_email: Some(sealed),
        owner: ALICE,
    };
    let stream = StreamId::new("workspace", ACME.0);
    let encoded = encode(&event).expect("a payload");
    let made = BundledStream::new(stream.clone(), told(&stream, std::slice::from_ref(&encoded))).expect("it folds");
    let text = serde_json::to_string(&bundle(vec![made.clone()])).expect("JSON");
    assert!(!text.contains("c2VjcmV0") && !text.contains("bm9uY2U="), "{text}");
    let mut walk = Walk::of("workspace").expect("a noun");
    walk.take(&encoded).expect("readable");
    assert_eq!(state_hash(&stream, Version(1), walk.state()), made.state_hash, "as it is folded from the log itself");
}
