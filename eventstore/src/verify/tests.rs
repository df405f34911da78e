//! An untouched export is sound; whatever is changed, left out, doubled or reordered is named.

use super::*;
use crate::{Append, Clock, Log as _, MemoryLog, NewEvent, StreamWrite};
use rhone_domain::{actor::ActorKind, ids::ActorId};
use uuid::Uuid;

async fn exported() -> Vec<ExportedEvent> {
    let clock = Clock::manual("2026-01-02T03:04:05.000006Z".parse().expect("a time"));
    let log = MemoryLog::new(clock.clone());
    for events in [3, 2] {
        let stream = StreamId::new("app", clock.new_id::<Uuid>());
        let event = |version| {
            let envelope = Envelope {
                event_id: clock.new_id(),
                stream: stream.clone(),
                version: Version(version),
                event_type: "app.created".into(),
                schema_version: 1,
                workspace: WorkspaceId(Uuid::nil()),
                region: None,
                cell: None,
                actor: Actor { id: ActorId(Uuid::nil()), kind: ActorKind::User, on_behalf_of: None },
                writer: Writer::Api,
                correlation: CorrelationId(Uuid::nil()),
                causation: None,
                idempotency_key: None,
                traceparent: None,
                occurred_at: clock.now(),
            };
            NewEvent::new(envelope, Payload::parse(r#"{ "name": "Zoë" }"#).expect("a payload"))
        };
        let write =
            StreamWrite { stream: stream.clone(), expected: Version(0), events: (1..=events).map(event).collect() };
        let append = Append { writes: vec![write], ..Append::new(WorkspaceId(Uuid::nil())) };
        log.append(append).await.expect("appends");
    }
    let recorded = log.read_all(Position::START, 100).await.expect("reads");
    let mut file = Vec::new();
    export(&recorded, &mut file).expect("writes");
    import(file.as_slice()).expect("reads")
}

#[tokio::test]
async fn an_untouched_export_is_sound() {
    let report = verify(&exported().await);
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.events, report.streams), (5, 2));
}

#[tokio::test]
async fn a_changed_event_is_named() {
    let mut events = exported().await;
    events[1].payload = r#"{ "name": "Zoe" }"#.into();
    events[3].payload = "no JSON".into();
    let altered =
        [&events[1], &events[3]].map(|event| Problem::Altered { stream: event.stream.clone(), version: event.version });
    assert_eq!(verify(&events).problems, altered);
}

#[tokio::test]
async fn a_missing_event_is_named_unless_it_was_the_last_of_its_stream() {
    let mut events = exported().await;
    let gone = events.remove(1);
    let gap = Problem::NotContiguous { stream: gone.stream, expected: Version(2), found: Version(3) };
    assert_eq!(verify(&events).problems, [gap]);
}

#[tokio::test]
async fn a_doubled_and_a_reordered_event_are_named() {
    let mut events = exported().await;
    events.insert(1, events[0].clone());
    let problems = verify(&events).problems;
    let repeated = Problem::Repeated { stream: events[0].stream.clone(), event_id: events[0].event_id };
    assert!(problems.contains(&repeated), "{problems:?}");
    let mut events = exported().await;
    events.swap(2, 3);
    assert_eq!(verify(&events).problems, [Problem::OutOfOrder { position: events[3].position }]);
}

#[test]
fn a_line_that_is_not_an_event_is_refused() {
    for line in ["{}", "[]", "{", r#"{"unknown":1}"#] {
        assert!(import(line.as_bytes()).is_err(), "{line}");
    }
}
