//! The hash is frozen, and every field of the envelope is in it.

use super::*;
use crate::{actor::ActorKind, ids::ActorId};

fn id<T: From<Uuid>>(n: u128) -> T {
    T::from(Uuid::from_u128(n))
}

fn envelope() -> Envelope {
    Envelope {
        event_id: id(1),
        stream: StreamId::new("app", Uuid::from_u128(2)),
        version: Version(3),
        event_type: "app.created".into(),
        schema_version: 1,
        workspace: id(4),
        region: Some(id(5)),
        cell: Some(id(6)),
        actor: Actor { id: id(7), kind: ActorKind::User, on_behalf_of: None },
        writer: Writer::Api,
        correlation: id(8),
        causation: Some(id(9)),
        idempotency_key: Some("key".into()),
        traceparent: None,
        occurred_at: DateTime::from_timestamp_micros(1_700_000_000_123_456).expect("a time"),
    }
}

fn payload() -> Payload {
    Payload::parse(r#"{"name":"Zoë"}"#).expect("a payload")
}

#[test]
fn canonical_bytes_version_1_never_change() {
    let frozen = "sha256:ee7df2d9ae94a5ba0d5a36707c995ef78e7d18ac24d9908cf0456a65a5f79bd8";
    assert_eq!(envelope().hash(&payload()).to_string(), frozen);
}

#[test]
fn every_field_is_covered_by_the_hash() {
    let actor = envelope().actor;
    let changed = [
        Envelope { event_id: id(99), ..envelope() },
        Envelope { stream: StreamId::new("app", Uuid::from_u128(99)), ..envelope() },
        Envelope { version: Version(99), ..envelope() },
        Envelope { event_type: "app.renamed".into(), ..envelope() },
        Envelope { schema_version: 2, ..envelope() },
        Envelope { workspace: id(99), ..envelope() },
        Envelope { region: None, ..envelope() },
        Envelope { cell: None, ..envelope() },
        Envelope { actor: Actor { id: ActorId(Uuid::from_u128(99)), ..actor }, ..envelope() },
        Envelope { actor: Actor { kind: ActorKind::Token, ..actor }, ..envelope() },
        Envelope { actor: Actor { on_behalf_of: Some(id(99)), ..actor }, ..envelope() },
        Envelope { writer: Writer::Pipeline, ..envelope() },
        Envelope { correlation: id(99), ..envelope() },
        Envelope { causation: None, ..envelope() },
        Envelope { idempotency_key: None, ..envelope() },
        Envelope { traceparent: Some("00-1-2-01".into()), ..envelope() },
        Envelope { occurred_at: DateTime::from_timestamp_micros(1).expect("a time"), ..envelope() },
    ];
    for other in changed {
        assert_ne!(other.hash(&payload()), envelope().hash(&payload()), "{other:?}");
    }
    let respelled = Payload::parse(r#"{"name": "Zoë"}"#).expect("a payload");
    assert_ne!(envelope().hash(&respelled), envelope().hash(&payload()));
}

#[test]
fn a_stream_is_read_as_it_is_written() {
    let stream = StreamId::new("route_owner", Uuid::from_u128(2));
    assert_eq!(stream.to_string().parse(), Ok(stream.clone()));
    assert_eq!((stream.category(), stream.id()), ("route_owner", Uuid::from_u128(2)));
    for text in ["app", "app:", ":00000000-0000-0000-0000-000000000002", "App:00000000-0000-0000-0000-000000000002"] {
        assert_eq!(text.parse::<StreamId>(), Err(InvalidStream), "{text}");
    }
}
