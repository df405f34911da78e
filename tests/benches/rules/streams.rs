//! A route owner's stream of 10,000 events: folded in memory, and read and folded from a log in memory as it is stored.

use super::change;
use rhone_domain::{
    actor::{Actor, ActorKind, Writer},
    aggregate::{Aggregate, fold},
    authorization::{Authority, Level, Need, Row},
    envelope::StreamId,
    ids::{ActorId, CorrelationId},
    numbers::Version,
    route_owner::{self, RouteOwner},
};
use rhone_eventstore::{Clock, Context, Dispatcher, Loaded, MemoryLog, NoInline};
use rhone_tests::{
    figure::Printer,
    rules::{ACME, at, opened},
};
use std::{hint::black_box, time::Instant};
use uuid::Uuid;

/// One writer for all of it: what is measured is the fold.
const ANYBODY: &[Row] = &[
    Row { command: "route_owner.open", writers: &[Writer::Promotion], need: Need::Nobody, level: Level::Platform },
    Row { command: "route_owner.promote", writers: &[Writer::Promotion], need: Need::Nobody, level: Level::Platform },
];

/// How long the stream is.
const EVENTS: u64 = 10_000;

/// How often it is folded.
const FOLDS: u32 = 20;

pub(super) fn folds(print: &Printer) {
    let events = events();
    let ms = average(|| fold::<RouteOwner>(&events));
    print.figure("fold of a 10,000-event stream, in memory", ms, "ms", FOLDS as usize, None);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    let (door, stream) = runtime.block_on(stored());
    let ms = average(|| runtime.block_on(door.load::<RouteOwner>(stream.id())).expect("a stream that can be read"));
    print.figure("fold of a 10,000-event stream, read and decoded", ms, "ms", FOLDS as usize, None);
}

fn average<T>(call: impl Fn() -> T) -> f64 {
    let begun = Instant::now();
    for _ in 0..FOLDS {
        black_box(call());
    }
    begun.elapsed().as_secs_f64() * 1e3 / f64::from(FOLDS)
}

/// Opened, and then promoted again and again.
fn commands() -> impl Iterator<Item = route_owner::Command> {
    let promote =
        |n: u64| route_owner::Command::Promote(change(u128::from(n) + 1, n, usize::try_from(n % 3).unwrap_or(0)));
    std::iter::once(route_owner::Command::Open(opened(0))).chain((0..EVENTS - 1).map(promote))
}

fn events() -> Vec<route_owner::Event> {
    let mut route = RouteOwner::default();
    let mut all = Vec::new();
    for command in commands() {
        let events = route.decide(command).expect("a story that is allowed");
        for event in &events {
            route.apply(event);
        }
        all.extend(events);
    }
    assert_eq!(all.len() as u64, EVENTS);
    all
}

async fn stored() -> (Dispatcher<MemoryLog, NoInline>, StreamId) {
    let clock = Clock::manual(at(0));
    let door = Dispatcher::new(MemoryLog::new(clock.clone()), clock, NoInline);
    let stream = StreamId::new(RouteOwner::CATEGORY, Uuid::from_u128(1));
    let actor = Actor { id: ActorId(Uuid::from_u128(2)), kind: ActorKind::Worker, on_behalf_of: None };
    let correlation = CorrelationId(Uuid::from_u128(3));
    let mut unit = door.unit(Context {
        actor,
        writer: Writer::Promotion,
        authority: Authority::itself().by(ANYBODY),
        workspace: ACME,
        correlation,
        causation: None,
        idempotency_key: None,
        traceparent: None,
        region: None,
        cell: None,
    });
    let mut loaded =
        Loaded { stream: stream.clone(), version: Version(0), state: RouteOwner::default(), last_event: None };
    for command in commands() {
        unit.decide(&mut loaded, command).expect("a story that is allowed");
    }
    door.commit(unit, None, None).await.expect("a log in memory takes it");
    (door, stream)
}
