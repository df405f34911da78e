//! A route and an operation, followed while the API is killed again and again: each item once, in the log's order, over every way
//! to follow them. The trap avoided: a cursor that is good only at the process that gave it.

use super::{
    ROUTE, Shared, book as book_after, follow_by_events, followers::all_go_on, heard, in_the_log, now, unheard::Endless,
};
use rhone_tests::{
    database::{administrator, person, uuid},
    graphql::{Client, unique},
    live::{Heard, Subscription},
    platform::Platform,
    story::{Tenant, text},
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};
use std::{
    future::ready,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

const OPERATION: &str = "subscription($id: ID!, $after: String) { operation(id: $id, after: $after) { __typename \
    ... on OperationProgress { cursor type ended } ... on Resync { reason } } }";
const FROZEN: &str = "route_owner.frozen";

/// What one follower heard: each item's type, with what to come back with after it.
#[derive(Default)]
struct Book {
    items: Vec<(String, String)>,
    after: Option<String>,
    /// The version of the route that it was told first.
    began: Option<u64>,
    has_ended: bool,
    openings: usize,
}

type Kept = Arc<Mutex<Book>>;

fn read<T>(kept: &Kept, look: impl FnOnce(&mut Book) -> T) -> T {
    look(&mut kept.lock().expect("nobody panicked"))
}

fn note(kept: &Kept, item: &Value) {
    let mark = |name: &str| text(&item[name]);
    read(kept, |book| match item["__typename"].as_str() {
        Some("RouteSnapshot") => {
            assert_eq!(book.after, None, "a snapshot for who says where they stood: {item}");
            book.began = item["routeOwner"]["version"].as_u64();
            book.after = Some(mark("position"));
        }
        Some("RouteChange") => {
            book.items.push((mark("type"), mark("position")));
            book.after = Some(mark("position"));
        }
        Some("OperationProgress") => {
            book.items.push((mark("type"), mark("cursor")));
            book.after = Some(mark("cursor"));
            book.has_ended = item["ended"] == true;
        }
        _ => panic!("nothing is to be read anew: {item}"),
    });
}

/// Follows until it is told that nothing follows, coming back each time with what it was told last.
async fn follow(client: Client, field: &'static str, query: &'static str, variables: Value, kept: Kept) {
    loop {
        let open = async || {
            let after = read(&kept, |book| {
                book.openings += 1;
                book.after.clone()
            });
            let mut variables = variables.clone();
            variables["after"] = json!(after);
            Subscription::open(&client, field, query, variables).await
        };
        let mut subscription = until("the API takes subscriptions", PATIENCE * 2, open).await;
        loop {
            match subscription.next().await {
                Heard::Item(item) => note(&kept, &item),
                Heard::Ended => return,
                Heard::Closed(_) | Heard::Refused(_) => break,
            }
        }
    }
}

/// Freezes a route and lets it go until it is closed; whatever gets no answer is asked again under the same key.
async fn hold_and_let_go(client: Client, environment: String, closed: Arc<AtomicBool>) {
    for mutation in ["environmentFreeze", "environmentUnfreeze"].into_iter().cycle() {
        let input = json!({ "environmentId": environment, "reason": "a test", "idempotencyKey": unique("hold") });
        let ask = async || {
            let answer = client.try_mutate(mutation, "__typename", &input).await.ok()?;
            answer["data"][mutation]["position"].as_str().map(drop)
        };
        until("a write is acknowledged", PATIENCE * 2, ask).await;
        if closed.load(Ordering::SeqCst) {
            return;
        }
    }
}

/// What the log says of a stream after a version: each event's type and version, and where it is.
async fn logged(platform: &Platform, stream: &str, after: u64) -> Vec<(String, String, String)> {
    sqlx::query_as(
        "SELECT event_type, version::text, era || '-' || tx || '-' || pos FROM log.events
         WHERE stream = $1 AND events.version > $2 ORDER BY events.version",
    )
    .bind(stream)
    .bind(i64::try_from(after).expect("a version"))
    .fetch_all(&mut administrator(platform).await)
    .await
    .expect("the log can be read")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_and_an_operation_are_told_exactly_once_across_restarts_of_the_api() {
    let platform = Platform::start().await;
    let tenant = Tenant::open(&platform, person(&platform).await.client).await;
    let (client, production) = (tenant.client.clone(), tenant.production.id.clone());
    let endless = Endless::begin(&tenant).await;
    let (operation, began) = (endless.id.clone(), now(&client, &tenant.workspace).await);
    let (route, built, frozen) = (Kept::default(), Kept::default(), book_after(&began));
    let closed = Arc::new(AtomicBool::new(false));
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(follow(client.clone(), "route", ROUTE, json!({ "environment": production }), route.clone()));
    tasks.spawn(follow(client.clone(), "operation", OPERATION, json!({ "id": operation }), built.clone()));
    tasks.spawn(follow_by_events(client.clone(), tenant.workspace.clone(), Some(FROZEN), frozen.clone()));
    let open = async || (read(&route, |book| book.began.is_some()) && opened_and_told(&built)).then_some(());
    until("both are followed", PATIENCE, open).await;
    let writer = tokio::spawn(hold_and_let_go(client.clone(), production.clone(), closed.clone()));

    for round in 1..=3 {
        let told = || {
            all_go_on(&mut tasks);
            ready((read(&route, |book| book.items.len()) > round * 20).then_some(()))
        };
        until("the follower hears of the changes", PATIENCE * 2, told).await;
        kill_and_wait(&platform).await;
    }
    closed.store(true, Ordering::SeqCst);
    writer.await.expect("the writer ends");
    endless.cancel(&tenant).await;
    // What comes of it is for the worker, whether there is an API or not.
    kill_and_wait(&platform).await;
    until("its end is told", PATIENCE, async || read(&built, |book| book.has_ended).then_some(())).await;

    of_the_route(&platform, &production, &route).await;
    of_the_operation(&platform, &client, &operation, &built).await;
    let log = in_the_log(&platform, &tenant.workspace, FROZEN, &began).await;
    until("every freeze is told by events", PATIENCE, async || (heard(&frozen) >= log.len()).then_some(())).await;
    assert_eq!(told(&frozen), log, "each freeze once, in the log's order");
    drop(tasks);
}

fn opened_and_told(kept: &Kept) -> bool {
    read(kept, |book| !book.items.is_empty())
}

fn told(book: &Shared) -> Vec<(String, String)> {
    book.lock().expect("nobody panicked").heard.clone()
}

async fn kill_and_wait(platform: &Platform) {
    let old = platform.kill("serve").await;
    platform.runs_again("serve", old).await;
}

async fn of_the_route(platform: &Platform, environment: &str, route: &Kept) {
    let began = read(route, |book| book.began).expect("a snapshot came first");
    let log = logged(platform, &format!("route_owner:{}", uuid(environment)), began).await;
    let all = async || (read(route, |book| book.items.len()) >= log.len()).then_some(());
    until("every change of the route is told", PATIENCE, all).await;
    let (items, openings) = read(route, |book| (book.items.clone(), book.openings));
    let at = |(kind, position): (String, String)| (kind, position.rsplit('~').next().map(str::to_owned));
    let items: Vec<_> = items.into_iter().map(at).collect();
    let log: Vec<_> = log.into_iter().map(|(kind, _, position)| (kind, Some(position))).collect();
    assert_eq!(items, log, "the log, change by change, in its order");
    assert!(openings > 3, "it was opened {openings} times only");
    eprintln!("route: {} changes, each once and in order, over 4 kills of the API", items.len());
}

async fn of_the_operation(platform: &Platform, client: &Client, operation: &str, built: &Kept) {
    let log = logged(platform, &format!("operation:{}", uuid(operation)), 0).await;
    let (items, openings) = read(built, |book| (book.items.clone(), book.openings));
    let log: Vec<_> = log.into_iter().map(|(kind, version, _)| (kind, version)).collect();
    assert_eq!(items, log, "the log, step by step, in its order");
    assert!(openings > 3, "it was opened {openings} times only");
    eprintln!("operation: {} steps, each once and in order, over 4 kills of the API", items.len());
    let variables = json!({ "id": operation, "after": items.last().map(|(_, cursor)| cursor) });
    let open = async || Subscription::open(client, "operation", OPERATION, variables.clone()).await;
    let mut again = until("the API takes subscriptions", PATIENCE * 2, open).await;
    assert_eq!(again.next().await, Heard::Ended, "who knows the end is told that nothing follows");
}
