//! The same refusal within a minute is one event.

mod model;

use super::*;
use crate::aggregate::given;

fn refused(actual: &str) -> Refused {
    Refused {
        command: "deploymentPromote".into(),
        target: StreamId::new("route_owner", Uuid::from_u128(1)),
        app: None,
        environment: None,
        code: "STALE_EPOCH".into(),
        message: "the route has changed".into(),
        expected: Some("42".into()),
        actual: Some(actual.into()),
        actor: ActorId(Uuid::from_u128(2)),
    }
}

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(second, 0).expect("a time")
}

fn record(actual: &str, second: i64) -> Command {
    Command::Record { refused: refused(actual), at: at(second) }
}

fn recorded(actual: &str, second: i64) -> Event {
    Event::Recorded { refused: refused(actual), at: at(second) }
}

#[test]
fn a_refusal_is_recorded_and_its_repetition_within_a_minute_is_not() {
    given::<Refusals>([]).when(record("43", 0)).then([recorded("43", 0)]);
    given::<Refusals>([recorded("43", 0)]).when(record("43", 59)).then([]);
    given::<Refusals>([recorded("43", 0)]).when(record("43", 60)).then([recorded("43", 60)]);
}

#[test]
fn another_refusal_is_recorded_at_once() {
    given::<Refusals>([recorded("43", 0)]).when(record("44", 1)).then([recorded("44", 1)]);
}

#[test]
fn alternating_refusals_are_still_one_event_each_within_a_minute() {
    let both = [recorded("43", 0), recorded("44", 1)];
    given::<Refusals>(both.clone()).when(record("43", 2)).then([]);
    given::<Refusals>(both).when(record("44", 3)).then([]);
}

#[test]
fn a_target_has_at_most_thirty_refusals_a_minute() {
    let thirty = (0..30).map(|n| recorded(&n.to_string(), 0)).collect::<Vec<_>>();
    given::<Refusals>(thirty.clone()).when(record("99", 59)).then([]);
    given::<Refusals>(thirty).when(record("99", 60)).then([recorded("99", 60)]);
}

#[test]
fn the_refusals_of_one_target_are_apart_by_tenant() {
    let target = StreamId::new("claim", Uuid::from_u128(1));
    let of = |tenant| id(WorkspaceId(Uuid::from_u128(tenant)), &target);
    assert_ne!(of(1), of(2));
}
