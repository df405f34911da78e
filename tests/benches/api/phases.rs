//! The steady load, and the same with one of two API processes lost.

use crate::{
    load::{Again, End, Request, Sent, client, open_loop},
    mutations::{DOCUMENTS, MUTATIONS, input},
    queries::{QUERIES, variables},
    seeded::{Seeded, processor},
    stalls::watched,
    subjects::Subjects,
};
use rhone_tests::{
    database::administrator,
    figure::{Goal, Printer},
};
use std::time::{Duration, Instant};

/// Requests a second; one in ten is a mutation.
pub(crate) const RATE: f64 = 200.0;

/// How long at most a process that has just begun is warmed up: each of its connections prepares every statement once, and
/// PostgreSQL plans it anew at each of its first five uses.
const WARMING: Duration = Duration::from_mins(1);

/// As often is a commit alone timed.
const COMMITS: usize = 1_000;

/// The nth request of the mix.
pub(crate) fn mixed(subjects: &Subjects, nth: usize) -> Request {
    let (subject, turn) = (&subjects.0[nth % subjects.0.len()], nth / subjects.0.len());
    if nth % 10 == 9 {
        let kind = nth / 10 % MUTATIONS.len();
        return Request::new(QUERIES.len() + kind, &subject.token, &DOCUMENTS[kind], &input(kind, subject, turn));
    }
    query(subjects, nth)
}

/// The nth request of queries alone.
pub(crate) fn query(subjects: &Subjects, nth: usize) -> Request {
    let (subject, turn) = (&subjects.0[nth % subjects.0.len()], nth / subjects.0.len());
    let kind = (nth + turn) % QUERIES.len();
    Request::new(kind, &subject.token, QUERIES[kind].document, &variables(subject, turn))
}

/// 200 a second: each kind by itself, then queries and accepted mutations as a whole, beside what the machine allows.
pub(crate) async fn steady(seeded: &Seeded, subjects: &Subjects, length: Duration, print: &Printer) {
    let (client, urls) = (client(Duration::from_secs(10)), &seeded.urls[..1]);
    warm_up(seeded, subjects, &client, WARMING.min(length * 2), print).await;
    let (floor, commits) = (floor(&client, &urls[0], length / 4).await, commits(seeded).await);
    let (begun, processor) = (Instant::now(), seeded.processor());
    let requests = open_loop(&client, urls, RATE, length, Again::Never, |nth| mixed(subjects, nth + 20_000));
    let sent = watched(seeded, "at 200 requests/s", requests).await;
    let busy = seeded.processor().saturating_sub(processor).as_secs_f64();
    for (kind, query) in QUERIES.iter().enumerate() {
        print.distribution(&format!("query `{}`", query.name), of(&sent, |one| one.kind == kind), None);
    }
    for (kind, (name, _)) in MUTATIONS.iter().enumerate() {
        let accepted = of(&sent, |one| one.kind == QUERIES.len() + kind && one.end == End::Good);
        print.distribution(&format!("mutation {name}, accepted"), accepted, None);
    }
    let queries = of(&sent, |one| one.kind < QUERIES.len());
    let ratio = median(&queries) / median(&floor);
    let accepted = of(&sent, |one| one.kind >= QUERIES.len() && one.end == End::Good);
    let of_mutations = median(&accepted) / (median(&floor) + median(&commits));
    print.distribution("floor: /livez at the same rate", floor, None);
    print.distribution("floor: PostgreSQL's own commit, one after the other", commits, None);
    print.distribution("queries at 200 requests/s", queries, Some(Goal::Below(50.0)));
    print.distribution("accepted mutations at 200 requests/s", accepted, Some(Goal::Below(25.0)));
    print.figure("queries' p50 over the floor's", ratio, "x", sent.len(), None);
    print.figure("accepted mutations' p50 over both floors'", of_mutations, "x", sent.len(), None);
    // What fails is answered soon, and would make all of it look quicker.
    counted(print, "at 200 requests/s", &sent, Some(Goal::Below(1.0)));
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let each = busy * 1_000.0 / sent.len() as f64;
    print.figure("processor time of the API per request", each, "ms", sent.len(), None);
    print.figure(
        "requests a second as achieved",
        f64::from(u32::try_from(sent.len()).expect("few")) / begun.elapsed().as_secs_f64(),
        "requests/s",
        sent.len(),
        None,
    );
}

/// The same load before it is measured. What it takes then is printed, too: who starts a process meets it.
async fn warm_up(seeded: &Seeded, subjects: &Subjects, client: &reqwest::Client, length: Duration, print: &Printer) {
    let (urls, when) = (&seeded.urls[..1], "while connections are warmed up");
    let requests = open_loop(client, urls, RATE, length, Again::Never, |nth| mixed(subjects, nth));
    let sent = watched(seeded, when, requests).await;
    let queries = of(&sent, |one| one.kind < QUERIES.len());
    print.distribution(&format!("queries at 200 requests/s {when}"), queries, None);
    counted(print, when, &sent, None);
}

/// Half the time with two processes behind the edge, then one is killed: what fails even though it is tried once more.
pub(crate) async fn kill_one(seeded: &Seeded, subjects: &Subjects, length: Duration, print: &Printer) {
    let (served, when) = (&seeded.served, "over two API processes behind the edge, one killed half-way");
    let first = served.first(&seeded.platform);
    let kill = async {
        let before = processor(first);
        tokio::time::sleep(length / 2).await;
        let worked = processor(first).saturating_sub(before);
        served.kill_one(&seeded.platform);
        worked
    };
    let edge = [served.edge.clone(), served.edge.clone()];
    let queries = open_loop(&served.client, &edge, RATE, length, Again::Once, |nth| query(subjects, nth));
    let (sent, worked) = tokio::join!(watched(seeded, when, queries), kill);
    // One that had nothing to do would be missed by nobody.
    let share = 100.0 * worked.as_secs_f64() / (length / 2).as_secs_f64();
    print.figure(&format!("processor of the one that is killed until then {when}"), share, "% of a core", 1, None);
    let failed = sent.iter().filter(|one| one.end == End::Failed).count();
    let failed = f64::from(u32::try_from(failed).expect("few"));
    let none = Some(Goal::Below(1.0));
    print.figure(&format!("queries failed {when}, each tried once more"), failed, "queries", sent.len(), none);
    let again = f64::from(u32::try_from(sent.iter().filter(|one| one.again).count()).expect("few"));
    print.figure(&format!("queries tried once more {when}"), again, "queries", sent.len(), None);
    print.distribution(&format!("queries {when}"), of(&sent, |_| true), None);
}

/// How many failed, which is held to a goal where none may, and how many the rules refused.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub(crate) fn counted(print: &Printer, when: &str, sent: &[Sent], failed: Option<Goal>) {
    for (name, end, goal) in [("failed", End::Failed, failed), ("refused by rules", End::Refused, None)] {
        let many = sent.iter().filter(|one| one.end == end).count();
        print.figure(&format!("requests {name} {when}"), many as f64, "requests", sent.len(), goal);
    }
}

pub(crate) fn of(sent: &[Sent], which: impl Fn(&Sent) -> bool) -> Vec<Duration> {
    sent.iter().filter(|one| which(one)).map(|one| one.took).collect()
}

pub(crate) fn median(samples: &[Duration]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).map_or(f64::NAN, Duration::as_secs_f64)
}

/// The least that any answer takes here: HTTP without GraphQL and without the database.
async fn floor(client: &reqwest::Client, url: &str, length: Duration) -> Vec<Duration> {
    let begun = Instant::now();
    let mut tasks = Vec::new();
    for nth in 0_u32.. {
        let due = Duration::from_secs_f64(f64::from(nth) / RATE);
        if due >= length {
            break;
        }
        tokio::time::sleep_until((begun + due).into()).await;
        let asked = client.get(format!("{url}/livez")).send();
        tasks.push(tokio::spawn(async move { asked.await.is_ok().then(|| begun.elapsed().saturating_sub(due)) }));
    }
    futures_util::future::join_all(tasks).await.into_iter().filter_map(|took| took.ok().flatten()).collect()
}

/// The least that any mutation takes besides: a commit that is on the disk, and nothing else.
async fn commits(seeded: &Seeded) -> Vec<Duration> {
    let (mut database, mut took) = (administrator(&seeded.platform).await, Vec::new());
    for _ in 0..COMMITS {
        let begun = Instant::now();
        let message = sqlx::query("SELECT pg_logical_emit_message(true, 'bench', 'floor')");
        message.execute(&mut database).await.expect("the database answers");
        took.push(begun.elapsed());
    }
    took
}
