//! ADR 0001 on trial: what is awkward goes in, through the log, a dump and a restore, an upcast and an erasure; then it is
//! verified without any database.

use crate::{
    database::{Database, WORKER},
    restore::{dump, restore},
    story::{ACME, Command, Tally, TallyEvent, clock, context, event},
};
use rhone_domain::{canonical::Payload, envelope::StreamId, ids::SubjectId, numbers::Version};
use rhone_eventstore::{
    Append, Dispatcher, Loaded, Log as _, NewEvent, NoInline, Position, StreamWrite,
    subjects::{Kek, Subjects},
    verify::{Problem, export, import, verify},
};
use uuid::Uuid;

const EMAIL: &str = "zoë.o'hara+test@example.org";
/// Blanks, escapes, order and large numbers must come back as they went in.
const AWKWARD: &[&str] = &[
    r#"{ "by" :  9223372036854775807, "unit": "Zoë 🚀 \u00e9 ﬀ \"quoted\" \\ \/" }"#,
    r#"{"unit":"","by":-7,"z":null,"a":[],"Ä":{"b":true,"a":false}}"#,
    "{\"by\":18446744073709551615,\n\t\"unit\":\"e\u{301} is not é\"}",
];

#[tokio::test]
async fn what_is_awkward_survives_dump_restore_upcast_and_erasure_and_still_verifies() {
    let database = Database::new().await;
    let log = database.log().await;
    let subjects = Subjects::new(database.role(WORKER, 2).await, Kek::new("kek", [1; 32]));
    let alice = clock().new_id::<SubjectId>();
    let sealed = subjects.seal(ACME, alice, "tally.contact", EMAIL).await.expect("seals");
    for refused in [r#"{"by":1.0}"#, r#"{"by":1,"by":2}"#, "{\"unit\":\"\\u0000\"}", r#"{"by":1e2}"#, r#"{"by":-0}"#] {
        Payload::parse(refused).expect_err(refused);
    }

    let dispatcher = Dispatcher::new(log.clone(), clock(), NoInline);
    let id: Uuid = clock().new_id();
    let mut tally: Loaded<Tally> = dispatcher.load(id).await.expect("loads");
    let mut unit = dispatcher.unit(context());
    unit.decide(&mut tally, Command::Add(2)).expect("is allowed");
    unit.decide(&mut tally, Command::Note("Grüße an 株式会社".into(), Some(sealed.clone()))).expect("is allowed");
    dispatcher.commit(unit, None, None).await.expect("commits");
    let old_stream = append_awkward(&log).await;

    let copy = database.sibling("copy").await;
    restore(&dump(&database.url()), &copy.url());
    let copied = copy.log().await;
    let events = copied.read_all(Position::START, 100).await.expect("reads");
    assert_eq!(events.len(), 2 + AWKWARD.len() + 1);
    assert_eq!(events, log.read_all(Position::START, 100).await.expect("reads"), "the copy is the same to the byte");
    let payloads = events.iter().map(|event| event.payload.as_str()).collect::<Vec<_>>();
    assert_eq!(payloads[2..5], *AWKWARD);
    let last = events.last().expect("there are some");
    assert_eq!((&last.envelope.stream, last.envelope.schema_version), (&old_stream, 1));
    assert_eq!(last.decode::<TallyEvent>().expect("reads"), TallyEvent::Added { by: 5, unit: "each".into() });

    let of_copy = Subjects::new(copy.role(WORKER, 2).await, Kek::new("kek", [1; 32]));
    let folded: Loaded<Tally> = Dispatcher::new(copied, clock(), NoInline).load(id).await.expect("loads");
    let kept = folded.state.contact.expect("it was noted");
    assert_eq!(of_copy.open(&kept).await.expect("opens").as_deref(), Some(EMAIL));
    assert!(of_copy.destroy(alice).await.expect("destroys"));
    assert_eq!(of_copy.open(&kept).await.expect("is answered"), None);

    let mut file = Vec::new();
    export(&copy.log().await.read_all(Position::START, 100).await.expect("reads"), &mut file).expect("writes");
    assert!(!String::from_utf8_lossy(&file).contains("example.org"), "the address stands nowhere in clear");
    let report = verify(&import(file.as_slice()).expect("reads"));
    assert_eq!((report.events, report.streams, report.problems), (6, 2, vec![]));
}

/// Awkward payloads, and one of an older form, in a stream of their own.
async fn append_awkward(log: &rhone_eventstore::PgLog) -> StreamId {
    let stream = StreamId::new("tally", clock().new_id::<Uuid>());
    let mut events = Vec::new();
    for (version, text) in (1..).zip(AWKWARD) {
        let envelope = event(&stream, version).envelope;
        events.push(NewEvent::new(envelope, Payload::parse(*text).expect(text)));
    }
    let mut old = event(&stream, events.len() as u64 + 1).envelope;
    old.schema_version = 1;
    events.push(NewEvent::new(old, Payload::parse(r#"{"amount":5}"#).expect("a payload")));
    let write = StreamWrite { stream: stream.clone(), expected: Version(0), events };
    log.append(Append { writes: vec![write], ..Append::new(ACME) }).await.expect("appends");
    stream
}

#[tokio::test]
async fn whatever_is_changed_behind_the_log_is_found_by_verification() {
    let changes = [
        ("payload = '{\"by\":1, \"unit\":\"each\"}'", "a blank"),
        ("actor = gen_random_uuid()", "who"),
        ("occurred_at = occurred_at + interval '1 microsecond'", "when"),
        ("workspace = gen_random_uuid()", "whose"),
        ("hash = sha256('x')", "the hash"),
    ];
    let database = Database::new().await;
    database
        .log()
        .await
        .append(crate::story::append(&crate::story::stream(), 0, changes.len() as u64))
        .await
        .expect("appends");
    database.run("DROP TRIGGER events_are_append_only ON log.events").await;
    for (version, (change, _)) in (1..).zip(changes) {
        database.run(format!("UPDATE log.events SET {change} WHERE version = {version}")).await;
    }
    let log = database.log().await;
    let mut file = Vec::new();
    export(&crate::conformance::everything(&log, changes.len()).await, &mut file).expect("writes");
    let report = verify(&import(file.as_slice()).expect("reads"));
    for (version, (_, what)) in (1..).zip(changes) {
        let found = report
            .problems
            .iter()
            .any(|problem| matches!(problem, Problem::Altered { version: at, .. } if at.0 == version));
        assert!(found, "{what} was changed: {:?}", report.problems);
    }
}
