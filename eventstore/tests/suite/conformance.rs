//! What every log promises, tried on both: Postgres and its twin in memory.

use crate::{
    database::{Database, until},
    story::{ACME, GLOBEX, append, clock, event, event_in, request, stream, write},
};
use rhone_domain::{
    envelope::StreamId,
    ids::{CellId, RegionId},
    numbers::{Fence, Version},
};
use rhone_eventstore::{
    Append, AppendError, Appended, FenceCheck, Log, MemoryLog, NewEvent, PgLog, Position, Recorded, StreamWrite,
    lease::Leases,
};
use serde_json::json;
use std::time::Duration;
use uuid::Uuid;

/// A log, and how leases are given out on it.
pub(crate) trait Twin {
    type L: Log;
    async fn fresh() -> Self;
    fn log(&self) -> &Self::L;
    async fn give_lease(&self, name: &str, fence: Fence);
}

pub(crate) struct Memory(MemoryLog);

impl Twin for Memory {
    type L = MemoryLog;

    async fn fresh() -> Self {
        Self(MemoryLog::new(clock()))
    }

    fn log(&self) -> &MemoryLog {
        &self.0
    }

    async fn give_lease(&self, name: &str, fence: Fence) {
        self.0.give_lease(name, fence);
    }
}

pub(crate) struct Real(PgLog, #[expect(dead_code, reason = "the database goes with it")] Database);

impl Twin for Real {
    type L = PgLog;

    async fn fresh() -> Self {
        let database = Database::new().await;
        Self(database.log().await, database)
    }

    fn log(&self) -> &PgLog {
        &self.0
    }

    async fn give_lease(&self, name: &str, fence: Fence) {
        let leases = Leases::new(self.0.pool().clone());
        let mut given = Fence(0);
        while given < fence {
            let span = Duration::from_mins(1);
            given = leases.claim(name, "holder", span).await.expect("claims").expect("it is free");
            if given < fence {
                assert!(leases.release(name, "holder", given).await.expect("releases"));
            }
        }
    }
}

macro_rules! both {
    ($($test:ident)*) => {
        mod in_memory {$(
            #[tokio::test]
            async fn $test() {
                super::$test(<super::Memory as super::Twin>::fresh().await).await;
            }
        )*}
        mod on_postgres {$(
            #[tokio::test]
            async fn $test() {
                super::$test(<super::Real as super::Twin>::fresh().await).await;
            }
        )*}
    };
}

both! {
    an_append_is_read_back_as_it_was_written
    a_stream_that_moved_on_is_a_conflict_and_nothing_is_written
    an_append_to_several_streams_is_all_or_nothing
    a_stream_that_was_only_judged_is_asserted
    a_twin_gets_the_first_answer_and_another_request_under_its_key_is_refused
    an_answer_without_events_is_kept_too
    a_failed_append_leaves_its_key_free
    an_older_fence_is_refused
    a_stream_keeps_its_tenant_but_a_claim_or_a_backend_may_pass_on
    of_several_that_do_not_hold_the_first_by_name_is_named
    a_stream_may_be_written_and_asserted_at_its_version
    what_does_not_follow_is_malformed
    a_batch_never_ends_within_an_append
    reading_goes_on_from_any_position
}

/// Everything, once it is at least so much: a commit is read only when no older transaction of the whole cluster is open,
/// and the tests beside this one have some.
pub(crate) async fn everything(log: &impl Log, at_least: usize) -> Vec<Recorded> {
    let mut events = Vec::new();
    until("the watermark passes the commits", async || {
        events = log.read_all(Position::START, 10_000).await.expect("reads");
        events.len() >= at_least
    })
    .await;
    events
}

fn id<T: From<Uuid>>(n: u128) -> T {
    T::from(Uuid::from_u128(n))
}

fn conflict(result: Result<Appended, AppendError>) -> (StreamId, Version, Version) {
    match result {
        Err(AppendError::Conflict { stream, expected, actual }) => (stream, expected, actual),
        other => panic!("not a conflict: {other:?}"),
    }
}

async fn an_append_is_read_back_as_it_was_written(twin: impl Twin) {
    let tally = stream();
    let plain = event(&tally, 1);
    let mut full = event(&tally, 2).envelope;
    full.region = Some(id::<RegionId>(1));
    full.cell = Some(id::<CellId>(2));
    full.actor.on_behalf_of = Some(id(3));
    full.causation = Some(plain.envelope.event_id);
    full.idempotency_key = Some("key".into());
    full.traceparent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into());
    let full = NewEvent::new(full, plain.payload.clone());
    let write = StreamWrite { stream: tally.clone(), expected: Version(0), events: vec![plain.clone(), full.clone()] };
    let done = twin.log().append(Append { writes: vec![write], ..Append::new(ACME) }).await.expect("appends");

    let stored = twin.log().read_stream(&tally, Version(0)).await.expect("reads");
    let position = stored.last().map(|event| event.position);
    assert_eq!(done, Appended::Done { position });
    let as_given = stored.into_iter().map(|event| (event.envelope, event.payload, event.hash)).collect::<Vec<_>>();
    assert_eq!(as_given, [plain, full].map(|event| (event.envelope, event.payload, event.hash)));
    assert_eq!(twin.log().read_stream(&tally, Version(1)).await.expect("reads").len(), 1);
    assert_eq!(twin.log().read_stream(&stream(), Version(0)).await.expect("reads"), []);
}

async fn a_stream_that_moved_on_is_a_conflict_and_nothing_is_written(twin: impl Twin) {
    let tally = stream();
    twin.log().append(append(&tally, 0, 2)).await.expect("appends");
    for expected in [0, 1, 3] {
        let refused = conflict(twin.log().append(append(&tally, expected, 1)).await);
        assert_eq!(refused, (tally.clone(), Version(expected), Version(2)));
    }
    assert_eq!(twin.log().read_stream(&tally, Version(0)).await.expect("reads").len(), 2);
    assert_eq!(everything(twin.log(), 2).await.len(), 2);
}

async fn an_append_to_several_streams_is_all_or_nothing(twin: impl Twin) {
    let (one, other) = (stream(), stream());
    twin.log().append(append(&other, 0, 1)).await.expect("appends");
    let both = |expected| Append { writes: vec![write(&other, expected, 2), write(&one, 0, 2)], ..Append::new(ACME) };
    assert_eq!(conflict(twin.log().append(both(0)).await), (other.clone(), Version(0), Version(1)));
    assert_eq!(twin.log().read_stream(&one, Version(0)).await.expect("reads"), []);
    twin.log().append(both(1)).await.expect("appends");
    let events = everything(twin.log(), 5).await;
    assert_eq!(events[1..].iter().map(|event| event.position.tx).collect::<std::collections::HashSet<_>>().len(), 1);
    let order = events[1..].iter().map(|event| &event.envelope.stream).collect::<Vec<_>>();
    assert_eq!(order, [&other, &other, &one, &one], "in the order given");
}

async fn a_stream_that_was_only_judged_is_asserted(twin: impl Twin) {
    let (judged, written, absent) = (stream(), stream(), stream());
    twin.log().append(append(&judged, 0, 3)).await.expect("appends");
    let asserting = |asserts: Vec<(StreamId, Version)>| Append { asserts, ..append(&written, 0, 1) };
    let refused = conflict(twin.log().append(asserting(vec![(judged.clone(), Version(2))])).await);
    assert_eq!(refused, (judged.clone(), Version(2), Version(3)));
    let refused = conflict(twin.log().append(asserting(vec![(judged.clone(), Version(0))])).await);
    assert_eq!(refused, (judged.clone(), Version(0), Version(3)));
    let refused = conflict(twin.log().append(asserting(vec![(absent.clone(), Version(1))])).await);
    assert_eq!(refused, (absent.clone(), Version(1), Version(0)));
    let holds = asserting(vec![(judged, Version(3)), (absent.clone(), Version(0))]);
    twin.log().append(holds).await.expect("appends");
    // To have been asserted as absent leaves no trace: any tenant may begin it.
    let begun =
        StreamWrite { stream: absent.clone(), expected: Version(0), events: vec![event_in(GLOBEX, &absent, 1)] };
    twin.log().append(Append { writes: vec![begun], ..Append::new(GLOBEX) }).await.expect("appends");
}

async fn a_twin_gets_the_first_answer_and_another_request_under_its_key_is_refused(twin: impl Twin) {
    let tally = stream();
    let asking = |asked, answer, expected| Append {
        idempotency: Some(request("key-1", asked, answer)),
        ..append(&tally, expected, 1)
    };
    let first = twin.log().append(asking("add", json!({"b": 1, "a": "Zoë"}), 0)).await.expect("appends");
    let Appended::Done { position } = first else { panic!("{first:?}") };
    for expected in [0, 1] {
        let again = twin.log().append(asking("add", json!("another"), expected)).await.expect("is answered");
        assert_eq!(again, Appended::Replayed { answer: json!({"b": 1, "a": "Zoë"}), position });
    }
    let other = twin.log().append(asking("subtract", json!(null), 1)).await;
    assert!(matches!(&other, Err(AppendError::KeyReused { key }) if key == "key-1"), "{other:?}");
    assert_eq!(everything(twin.log(), 1).await.len(), 1);
    // Another actor's key of the same name, and another tenant's, are other keys.
    let mut bobs = asking("subtract", json!(null), 1);
    bobs.idempotency.as_mut().expect("it has one").actor = id(7);
    assert!(matches!(twin.log().append(bobs).await, Ok(Appended::Done { .. })));
    let mut globex = asking("subtract", json!(null), 2);
    globex.idempotency.as_mut().expect("it has one").workspace = GLOBEX;
    assert!(matches!(twin.log().append(globex).await, Ok(Appended::Done { .. })));
}

async fn an_answer_without_events_is_kept_too(twin: impl Twin) {
    let refusal =
        || Append { idempotency: Some(request("key-2", "add", json!({"code": "TOO_MUCH"}))), ..Append::new(ACME) };
    let first = twin.log().append(refusal()).await.expect("appends");
    assert_eq!(first, Appended::Done { position: None });
    let again = twin.log().append(refusal()).await.expect("is answered");
    assert_eq!(again, Appended::Replayed { answer: json!({"code": "TOO_MUCH"}), position: None });
}

async fn a_failed_append_leaves_its_key_free(twin: impl Twin) {
    let tally = stream();
    let asking =
        |expected| Append { idempotency: Some(request("key-3", "add", json!(1))), ..append(&tally, expected, 1) };
    conflict(twin.log().append(asking(5)).await);
    assert!(matches!(twin.log().append(asking(0)).await, Ok(Appended::Done { .. })));
}

async fn an_older_fence_is_refused(twin: impl Twin) {
    let tally = stream();
    let under = |fence, expected| Append {
        fence: Some(FenceCheck { lease: "operation:1".into(), fence }),
        ..append(&tally, expected, 1)
    };
    let refused = |result: Result<Appended, AppendError>| {
        assert!(matches!(&result, Err(AppendError::StaleFence { lease, .. }) if lease == "operation:1"), "{result:?}");
    };
    refused(twin.log().append(under(Fence(1), 0)).await);
    twin.give_lease("operation:1", Fence(1)).await;
    twin.log().append(under(Fence(1), 0)).await.expect("appends");
    twin.give_lease("operation:2", Fence(9)).await;
    refused(twin.log().append(under(Fence(9), 1)).await);
    refused(twin.log().append(under(Fence(2), 1)).await);
    refused(twin.log().append(under(Fence(0), 1)).await);
    assert_eq!(everything(twin.log(), 1).await.len(), 1);
}

/// None, and one that holds: the heads are locked in one way without asserted streams, and in another with them.
async fn asserts(twin: &impl Twin) -> [Vec<(StreamId, Version)>; 2] {
    let judged = stream();
    twin.log().append(append(&judged, 0, 1)).await.expect("appends");
    [vec![], vec![(judged, Version(1))]]
}

/// Globex's, to streams of this version each.
fn of_globex(streams: &[(&StreamId, u64)], asserts: &[(StreamId, Version)]) -> Append {
    let written = streams.iter().map(|(stream, expected)| StreamWrite {
        stream: (*stream).clone(),
        expected: Version(*expected),
        events: vec![event_in(GLOBEX, stream, expected + 1)],
    });
    Append { writes: written.collect(), asserts: asserts.to_vec(), ..Append::new(GLOBEX) }
}

async fn a_stream_keeps_its_tenant_but_a_claim_or_a_backend_may_pass_on(twin: impl Twin) {
    for asserts in asserts(&twin).await {
        let tally = stream();
        twin.log().append(append(&tally, 0, 1)).await.expect("appends");
        let refused = twin.log().append(of_globex(&[(&tally, 1)], &asserts)).await;
        assert!(matches!(&refused, Err(AppendError::ForeignStream { stream }) if *stream == tally), "{refused:?}");
        for category in ["claim", "backend"] {
            let passed = StreamId::new(category, tally.id());
            twin.log().append(append(&passed, 0, 1)).await.expect("appends");
            twin.log().append(of_globex(&[(&passed, 1)], &asserts)).await.expect("passes on");
            let back = twin.log().append(append(&passed, 2, 1)).await;
            assert!(matches!(back, Ok(Appended::Done { .. })), "{category}: {back:?}");
        }
    }
}

async fn of_several_that_do_not_hold_the_first_by_name_is_named(twin: impl Twin) {
    let mut names = [stream(), stream()];
    names.sort();
    let [first, last] = names;
    for stream in [&first, &last] {
        twin.log().append(append(stream, 0, 1)).await.expect("appends");
    }
    for asserts in asserts(&twin).await {
        let old = Append {
            asserts: asserts.clone(),
            writes: vec![write(&last, 0, 1), write(&first, 0, 1)],
            ..Append::new(ACME)
        };
        assert_eq!(conflict(twin.log().append(old).await), (first.clone(), Version(0), Version(1)));
        let foreign = twin.log().append(of_globex(&[(&last, 0), (&first, 1)], &asserts)).await;
        assert!(matches!(&foreign, Err(AppendError::ForeignStream { stream }) if *stream == first), "{foreign:?}");
        // Of one stream its version comes first.
        let both = twin.log().append(of_globex(&[(&last, 1), (&first, 0)], &asserts)).await;
        assert_eq!(conflict(both), (first.clone(), Version(0), Version(1)));
    }
}

async fn a_stream_may_be_written_and_asserted_at_its_version(twin: impl Twin) {
    let tally = stream();
    let both = |expected, asserted| Append {
        asserts: vec![(tally.clone(), Version(asserted))],
        ..append(&tally, expected, 1)
    };
    assert_eq!(conflict(twin.log().append(both(0, 1)).await), (tally.clone(), Version(1), Version(0)));
    twin.log().append(both(0, 0)).await.expect("appends");
    assert_eq!(conflict(twin.log().append(both(1, 0)).await), (tally.clone(), Version(0), Version(1)));
    twin.log().append(both(1, 1)).await.expect("appends");
    assert_eq!(twin.log().read_stream(&tally, Version(0)).await.expect("reads").len(), 2);
}

async fn what_does_not_follow_is_malformed(twin: impl Twin) {
    let (tally, other) = (stream(), stream());
    let first = event(&tally, 1);
    let with = |writes: Vec<StreamWrite>| Append { writes, ..Append::new(ACME) };
    let events = |events: Vec<NewEvent>| StreamWrite { stream: tally.clone(), expected: Version(0), events };
    let cases = [
        ("a gap", with(vec![events(vec![first.clone(), event(&tally, 3)])])),
        ("not from the next", with(vec![events(vec![event(&tally, 2)])])),
        ("another stream's event", with(vec![events(vec![event(&other, 1)])])),
        ("another tenant's event", with(vec![events(vec![event_in(GLOBEX, &tally, 1)])])),
        ("a stream twice", with(vec![write(&tally, 0, 1), write(&tally, 0, 1)])),
        ("a write of nothing", with(vec![events(vec![])])),
        (
            "an event twice",
            with(vec![events(vec![first.clone(), {
                let mut second = event(&tally, 2).envelope;
                second.event_id = first.envelope.event_id;
                NewEvent::new(second, first.payload.clone())
            }])]),
        ),
    ];
    for (what, append) in cases {
        let refused = twin.log().append(append).await;
        assert!(matches!(refused, Err(AppendError::Malformed(_))), "{what}: {refused:?}");
    }
    assert_eq!(twin.log().read_stream(&tally, Version(0)).await.expect("reads"), []);
}

async fn a_batch_never_ends_within_an_append(twin: impl Twin) {
    for _ in 0..3 {
        twin.log().append(append(&stream(), 0, 4)).await.expect("appends");
    }
    everything(twin.log(), 12).await;
    for limit in 1..=13 {
        let batch = twin.log().read_all(Position::START, limit).await.expect("reads");
        let whole = (limit as usize).div_ceil(4).min(3) * 4;
        assert_eq!(batch.len(), whole, "limit {limit}");
    }
}

async fn reading_goes_on_from_any_position(twin: impl Twin) {
    for n in 1..=5 {
        twin.log().append(append(&stream(), 0, n)).await.expect("appends");
    }
    let everything = everything(twin.log(), 15).await;
    assert!(everything.is_sorted_by_key(|event| event.position));
    for (seen, event) in everything.iter().enumerate() {
        let rest = twin.log().read_all(event.position, 100).await.expect("reads");
        assert_eq!(rest, everything[seen + 1..], "after {}", event.position);
    }
}
