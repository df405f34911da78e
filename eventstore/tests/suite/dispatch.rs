//! The one door for writes: loads, judges, appends, asserts what it only judged, and gives the authority rows along.

use crate::{
    conformance::{Memory, Real, Twin},
    story::{Command, GLOBEX, Tally, TallyEvent, TooMuch, clock, context, request},
};
use chrono::Duration;
use rhone_domain::{
    actor::Writer,
    authorization::{Authority, Refused},
    canonical::Payload,
    envelope::StreamId,
    ids::{CellId, EventId, RegionId},
    numbers::Version,
};
use rhone_eventstore::{
    Append, AppendError, AsOf, Bell, Clock, Committed, Context, Dispatcher, Inline, Loaded, Log as _, MemoryLog,
    NewEvent, NoInline, StreamWrite,
};
use serde_json::{Value, json};
use std::{any::Any, sync::Arc};
use uuid::Uuid;

/// The authority rows of a tally: its total.
#[derive(Clone)]
struct Totals;

impl Inline for Totals {
    fn rows(&self, stream: &StreamId, state: &dyn Any, events: &[NewEvent]) -> Vec<Value> {
        let Some(tally) = state.downcast_ref::<Tally>() else {
            panic!("{stream} is no tally");
        };
        vec![json!({ "total": tally.total, "events": events.len() })]
    }
}

fn id() -> Uuid {
    clock().new_id()
}

#[tokio::test]
async fn what_was_decided_is_folded_again_on_postgres() {
    let twin = <Real as Twin>::fresh().await;
    let dispatcher = Dispatcher::new(twin.log().clone(), clock(), NoInline);
    story(dispatcher).await;
}

#[tokio::test]
async fn what_was_decided_is_folded_again_in_memory() {
    let dispatcher = Dispatcher::new(<Memory as Twin>::fresh().await.log().clone(), clock(), NoInline);
    story(dispatcher).await;
}

async fn story<L: rhone_eventstore::Log>(dispatcher: Dispatcher<L>) {
    let id = id();
    let mut tally: Loaded<Tally> = dispatcher.load(id).await.expect("loads");
    assert!(!tally.exists());
    let mut unit = dispatcher.unit(context());
    unit.decide(&mut tally, Command::Add(3)).expect("is allowed");
    unit.decide(&mut tally, Command::Add(4)).expect("is allowed");
    assert_eq!(unit.decide(&mut tally, Command::Add(1000)), Err(Refused::Rule(TooMuch)));
    let committed = dispatcher.commit(unit, None, None).await.expect("commits");
    assert!(committed.position.is_some());

    let again: Loaded<Tally> = dispatcher.load(id).await.expect("loads");
    assert_eq!((again.version, &again.state), (Version(2), &tally.state));
    assert_eq!((again.state.total, again.last_event), (7, tally.last_event));
    let before: Loaded<Tally> = dispatcher.load_at(id, AsOf::Version(Version(1))).await.expect("loads");
    assert_eq!((before.version, before.state.total), (Version(1), 3));
    let never = clock().now() - Duration::hours(1);
    let before: Loaded<Tally> = dispatcher.load_at(id, AsOf::Time(never)).await.expect("loads");
    assert!(!before.exists());
}

#[tokio::test]
async fn a_command_that_may_not_be_issued_is_refused_before_its_noun_is_asked_and_appends_nothing() {
    let dispatcher = Dispatcher::new(MemoryLog::new(clock()), clock(), NoInline);
    let id = id();
    let mut tally: Loaded<Tally> = dispatcher.load(id).await.expect("loads");
    for context in [
        Context { writer: Writer::AppRuntime, ..context() },
        Context { authority: Authority::itself().by(&[]), ..context() },
    ] {
        let mut unit = dispatcher.unit(context);
        for command in [Command::Add(1), Command::Add(0), Command::Add(1000)] {
            let refused = unit.decide(&mut tally, command);
            assert!(matches!(&refused, Err(Refused::Unauthorized(_))), "{refused:?}");
        }
        assert_eq!(unit.events().count(), 0);
        let committed = dispatcher.commit(unit, None, None).await.expect("there is nothing to append");
        assert_eq!(committed.position, None);
    }
    assert!(!dispatcher.load::<Tally>(id).await.expect("loads").exists());
}

#[tokio::test]
async fn who_judged_an_older_version_judges_again() {
    let dispatcher = Dispatcher::new(MemoryLog::new(clock()), clock(), NoInline);
    let id = id();
    let mut first: Loaded<Tally> = dispatcher.load(id).await.expect("loads");
    let mut second = first.clone();
    for (tally, wins) in [(&mut first, true), (&mut second, false)] {
        let mut unit = dispatcher.unit(context());
        unit.decide(tally, Command::Add(1)).expect("is allowed");
        let committed = dispatcher.commit(unit, None, None).await;
        assert_eq!(committed.is_ok(), wins);
        assert_eq!(matches!(committed, Err(AppendError::Conflict { .. })), !wins);
    }
}

#[tokio::test]
async fn a_decision_without_events_and_an_assertion_hold_the_version_that_was_read() {
    let dispatcher = Dispatcher::new(MemoryLog::new(clock()), clock(), NoInline);
    let (judged, written) = (id(), id());
    for asserting in [true, false] {
        let mut stale: Loaded<Tally> = dispatcher.load(judged).await.expect("loads");
        let mut moved = stale.clone();
        let mut unit = dispatcher.unit(context());
        unit.decide(&mut moved, Command::Add(1)).expect("is allowed");
        dispatcher.commit(unit, None, None).await.expect("commits");

        let mut tally: Loaded<Tally> = dispatcher.load(written).await.expect("loads");
        let mut unit = dispatcher.unit(context());
        if asserting {
            unit.assert(&stale);
        } else {
            assert_eq!(unit.decide(&mut stale, Command::Add(0)), Ok(vec![]));
        }
        unit.decide(&mut tally, Command::Add(1)).expect("is allowed");
        let refused = dispatcher.commit(unit, None, None).await;
        assert!(
            matches!(&refused, Err(AppendError::Conflict { stream, .. }) if *stream == stale.stream),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn two_loads_of_one_stream_that_disagree_are_a_conflict() {
    let dispatcher = Dispatcher::new(MemoryLog::new(clock()), clock(), NoInline);
    let mut one: Loaded<Tally> = dispatcher.load(id()).await.expect("loads");
    let mut other = one.clone();
    let mut unit = dispatcher.unit(context());
    unit.decide(&mut one, Command::Add(1)).expect("is allowed");
    unit.decide(&mut other, Command::Add(1)).expect("is allowed");
    let refused = dispatcher.commit(unit, None, None).await;
    assert!(matches!(refused, Err(AppendError::Conflict { .. })), "{refused:?}");
}

#[tokio::test]
async fn the_envelope_says_who_what_why_when_and_where() {
    let clock = Clock::manual("2026-01-02T03:04:05.123456789Z".parse().expect("a time"));
    let log = MemoryLog::new(clock.clone());
    let dispatcher = Dispatcher::new(log.clone(), clock.clone(), NoInline);
    let mut context = context();
    context.causation = Some(EventId(id()));
    context.idempotency_key = Some("key".into());
    let (region, cell) = (RegionId(id()), CellId(id()));
    let mut tally: Loaded<Tally> = dispatcher.load(id()).await.expect("loads");
    let mut unit = dispatcher.unit(context.clone());
    unit.decide(&mut tally, Command::Add(1)).expect("is allowed");
    unit.place(Some(region), Some(cell));
    unit.decide(&mut tally, Command::Add(2)).expect("is allowed");
    clock.advance(Duration::seconds(5));
    dispatcher.commit(unit, None, None).await.expect("commits");

    let events = log.read_stream(&tally.stream, Version(0)).await.expect("reads");
    for event in &events {
        let envelope = &event.envelope;
        assert_eq!(envelope.occurred_at.to_rfc3339(), "2026-01-02T03:04:05.123456+00:00", "to the microsecond");
        assert_eq!((envelope.actor, envelope.writer), (context.actor, context.writer));
        assert_eq!((envelope.correlation, envelope.causation), (context.correlation, context.causation));
        assert_eq!((envelope.workspace, &envelope.idempotency_key), (context.workspace, &context.idempotency_key));
        assert_eq!(event.hash, envelope.hash(&event.payload));
    }
    assert_eq!(events[0].envelope.region, None);
    assert_eq!((events[1].envelope.region, events[1].envelope.cell), (Some(region), Some(cell)));
}

#[tokio::test]
async fn authority_rows_are_asked_for_once_per_stream_and_readers_are_woken_after_the_commit() {
    let (log, bell) = (MemoryLog::new(clock()), Bell::default());
    let dispatcher = Dispatcher::new(log.clone(), clock(), Totals).waking(Arc::new(bell.clone()));
    let mut ears = bell.listen();
    let mut tally: Loaded<Tally> = dispatcher.load(id()).await.expect("loads");
    let mut unit = dispatcher.unit(context());
    unit.decide(&mut tally, Command::Add(1)).expect("is allowed");
    unit.decide(&mut tally, Command::Add(2)).expect("is allowed");
    assert!(!ears.has_changed().expect("the bell exists"));
    dispatcher.commit(unit, None, None).await.expect("commits");
    assert!(ears.has_changed().expect("the bell exists"));
    ears.borrow_and_update();
    assert_eq!(log.inline(), [json!({ "total": 3, "events": 2 })]);

    let mut unit = dispatcher.unit(context());
    unit.decide(&mut tally, Command::Add(0)).expect("is allowed");
    let quiet = dispatcher.commit(unit, None, None).await.expect("commits");
    assert_eq!(quiet, Committed { position: None, replayed: None });
    assert!(!ears.has_changed().expect("the bell exists"), "nothing to read");
}

#[tokio::test]
async fn the_second_of_twins_is_answered_like_the_first() {
    let dispatcher = Dispatcher::new(MemoryLog::new(clock()), clock(), NoInline);
    let id = id();
    for answer in ["first", "second"] {
        let mut tally: Loaded<Tally> = dispatcher.load(id).await.expect("loads");
        let mut unit = dispatcher.unit(context());
        unit.decide(&mut tally, Command::Add(1)).expect("is allowed");
        let committed = dispatcher.commit(unit, Some(request("key", "add 1", json!(answer))), None).await;
        let replayed = committed.expect("commits").replayed;
        assert_eq!(replayed, (answer == "second").then(|| json!("first")));
    }
    let tally: Loaded<Tally> = dispatcher.load(id).await.expect("loads");
    assert_eq!(tally.state.total, 1);
}

#[tokio::test]
async fn an_event_of_an_older_form_is_read_in_the_newest() {
    let twin = <Real as Twin>::fresh().await;
    let log = twin.log().clone();
    let id = id();
    let stream = StreamId::new("tally", id);
    let mut envelope = crate::story::event_in(GLOBEX, &stream, 1).envelope;
    envelope.schema_version = 1;
    let old = NewEvent::new(envelope, Payload::parse(r#"{"amount":5}"#).expect("a payload"));
    let write = StreamWrite { stream, expected: Version(0), events: vec![old.clone()] };
    log.append(Append { writes: vec![write], ..Append::new(GLOBEX) }).await.expect("appends");
    let dispatcher = Dispatcher::new(log.clone(), clock(), NoInline);
    let tally: Loaded<Tally> = dispatcher.load(id).await.expect("loads");
    assert_eq!((tally.state.total, tally.state.units), (5, vec!["each".to_owned()]));
    let stored = log.read_stream(&tally.stream, Version(0)).await.expect("reads");
    assert_eq!(stored[0].decode::<TallyEvent>().expect("reads"), TallyEvent::Added { by: 5, unit: "each".into() });
    assert_eq!(
        (stored[0].payload.as_str(), stored[0].hash),
        (r#"{"amount":5}"#, old.hash),
        "its bytes are as they were"
    );
}

#[tokio::test]
async fn an_authority_row_that_is_refused_takes_the_whole_append_with_it() {
    let twin = <Real as Twin>::fresh().await;
    let stream = crate::story::stream();
    let append = Append { inline: vec![json!({ "table": "nowhere" })], ..crate::story::append(&stream, 0, 1) };
    let refused = twin.log().append(append).await;
    assert!(matches!(&refused, Err(AppendError::Refused { code, .. }) if code == "RH021"), "{refused:?}");
    assert_eq!(twin.log().read_stream(&stream, Version(0)).await.expect("reads"), []);
}
