//! What goes on, followed from outside: every event once, over both channels, whatever happens to the server; and nothing for
//! those who may not hear it any more. The trap avoided: the follower's own account of what it missed; the log itself is
//! asked, and compared in its order.

use rhone_tests::{
    artifacts::Version,
    database::{Person, administrator, person, uuid},
    graphql::{Client, unique},
    live::{self, Events, Heard, Sent, Subscription},
    platform::Platform,
    signals,
    story::{Tenant, text},
    wait::{PATIENCE, until},
};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};
use tokio::task::JoinSet;

use followers::{Followers, is_the_log};

pub(crate) mod followers;
mod restarted;
pub(crate) mod roles;
mod unheard;

const EVENTS: &str = "subscription($workspace: ID!, $after: String, $filter: EventFilterInput) { \
    events(workspaceId: $workspace, after: $after, filter: $filter) { __typename ... on TimelineEntry { position eventId type } \
    ... on CaughtUp { position } ... on Resync { position reason } } }";
const FOLLOWERS: usize = 60;
const ROUTE: &str = "subscription($environment: ID!, $after: String) { route(environmentId: $environment, after: $after) { \
    __typename ... on RouteSnapshot { position routeOwner { epoch revision version deployment { id } } } \
    ... on RouteChange { position type summary routeOwner { epoch revision version deployment { id } } } \
    ... on Resync { position reason } } }";

/// What one follower heard, in its order, and how often it had to come back.
#[derive(Default)]
struct Book {
    heard: Vec<(String, String)>,
    after: String,
    openings: usize,
}

type Shared = Arc<Mutex<Book>>;

fn book(after: &str) -> Shared {
    Arc::new(Mutex::new(Book { after: after.to_owned(), ..Book::default() }))
}

fn note(book: &Shared, item: &Value) {
    let mut book = book.lock().expect("nobody panicked");
    book.after = text(&item["position"]);
    if let Some(event) = item["eventId"].as_str() {
        let position = book.after.clone();
        book.heard.push((event.to_owned(), position));
    }
}

fn opened(book: &Shared) -> String {
    let mut book = book.lock().expect("nobody panicked");
    book.openings += 1;
    book.after.clone()
}

fn heard(book: &Shared) -> usize {
    book.lock().expect("nobody panicked").heard.len()
}

/// Follows over the WebSocket for ever, coming back each time with what it saw last.
async fn follow_by_socket(client: Client, workspace: String, book: Shared) {
    loop {
        let open = async || {
            let after = opened(&book);
            Subscription::open(&client, "events", EVENTS, json!({ "workspace": workspace, "after": after })).await
        };
        let mut subscription = until("the API takes subscriptions", PATIENCE * 2, open).await;
        while let Heard::Item(item) = subscription.next().await {
            assert_ne!(item["__typename"], "Resync", "{item}");
            note(&book, &item);
        }
    }
}

/// The same over server-sent events, as a browser does it: with the address it began with, and the last id. Of some types alone,
/// if they are said.
async fn follow_by_events(client: Client, workspace: String, types: Option<&'static str>, book: Shared) {
    let began = book.lock().expect("nobody panicked").after.clone();
    let mut query = vec![("workspaceId", workspace.as_str()), ("after", began.as_str())];
    query.extend(types.map(|types| ("types", types)));
    loop {
        let open = async || Events::open(&client, &query, Some(&opened(&book))).await.ok();
        let mut events = until("the API takes followers", PATIENCE * 2, open).await;
        while let Ok(Some(sent)) = events.next().await {
            if !sent.id.is_empty() {
                assert_ne!(sent.event, "resync", "{sent:?}");
                assert_eq!(sent.words()["position"], sent.id.as_str());
                note(&book, &sent.words());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_is_told_exactly_once_while_the_api_is_killed_again_and_again() {
    let platform = Platform::start().await;
    let client = platform.developer();
    let workspace = new_workspace(&client).await;
    let began = now(&client, &workspace).await;
    let (by_socket, by_events) = (book(&began), book(&began));
    let closed = Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();
    tasks.spawn(follow_by_socket(client.clone(), workspace.clone(), by_socket.clone()));
    tasks.spawn(follow_by_events(client.clone(), workspace.clone(), None, by_events.clone()));
    let books = [("graphql-transport-ws", by_socket), ("server-sent events", by_events)];
    let mut followers = Followers { platform: &platform, workspace: &workspace, began: &began, books, tasks };
    let writers = [(); 3].map(|()| tokio::spawn(write(client.clone(), workspace.clone(), closed.clone())));

    for round in 1..=3 {
        followers.have_heard(round * 40 + 1).await;
        let old = platform.kill("serve").await;
        platform.runs_again("serve", old).await;
    }
    closed.store(true, Ordering::SeqCst);
    for writer in writers {
        writer.await.expect("a writer ends");
    }
    let log = in_the_log(&platform, &workspace, "%", &began).await;
    followers.have_heard(log.len()).await;
    for (channel, book) in &followers.books {
        let book = book.lock().expect("nobody panicked");
        is_the_log(channel, &book.heard, &log);
        assert!(book.openings > 3, "{channel} was opened {} times only", book.openings);
        eprintln!("{channel}: {} events, each once and in order, over 3 kills of the API", book.heard.len());
    }
    drop(followers);
    a_server_that_ends_says_so(&platform, &client, &workspace).await;
}

/// In order, so that clients come back elsewhere. Many, for a server that does not wait for its sockets may be in time for one.
async fn a_server_that_ends_says_so(platform: &Platform, client: &Client, workspace: &str) {
    let mut events = opened_events(client, "/v1/events", workspace).await;
    let mut subscriptions = Vec::new();
    for _ in 0..FOLLOWERS {
        subscriptions.push(opened_subscription(client, workspace).await);
    }
    signals::send(platform.pid("serve"), Signal::TERM);
    let mut last = Sent::default();
    while let Some(sent) = events.next().await.expect("the stream ends in order") {
        last = sent;
    }
    assert_eq!((last.event.as_str(), last.retry), ("", Some(1000)), "{last:?}");
    let ends = futures_util::future::join_all(subscriptions.iter_mut().map(end_of)).await;
    assert_eq!(ends, vec![Heard::Closed(1012); FOLLOWERS]);
}

async fn end_of(subscription: &mut Subscription) -> Heard {
    loop {
        match subscription.next().await {
            Heard::Item(_) => {}
            end @ (Heard::Refused(_) | Heard::Ended | Heard::Closed(_)) => return end,
        }
    }
}

/// Makes projects until it is closed; whatever gets no answer is asked again under the same key.
async fn write(client: Client, workspace: String, closed: Arc<AtomicBool>) {
    while !closed.load(Ordering::SeqCst) {
        let input =
            json!({ "workspaceId": workspace, "slug": unique("p"), "name": "P", "idempotencyKey": unique("live") });
        let ask = async || {
            let answer = client.try_mutate("projectCreate", "__typename", &input).await.ok()?;
            answer["data"]["projectCreate"]["position"].as_str().map(drop)
        };
        until("a write is acknowledged", PATIENCE * 2, ask).await;
    }
}

/// Every event of these types of the workspace after a position: its id, and its position as clients see it.
async fn in_the_log(platform: &Platform, workspace: &str, types: &str, after: &str) -> Vec<(String, String)> {
    let (life, position) = after.split_once('~').expect("a position names the life of the log");
    let [era, tx, pos] = position.split('-').collect::<Vec<_>>()[..] else { panic!("{position}") };
    sqlx::query_as(
        "SELECT event_id::text, $5 || '~' || era || '-' || tx || '-' || pos FROM log.events
         WHERE workspace = $1 AND event_type LIKE $6 AND (events.era, events.tx, events.pos) > ($2::text::int, $3::text::xid8, $4::text::bigint)
         ORDER BY events.era, events.tx, events.pos",
    )
    .bind(uuid(workspace))
    .bind(era)
    .bind(tx)
    .bind(pos)
    .bind(life)
    .bind(types)
    .fetch_all(&mut administrator(platform).await)
    .await
    .expect("the log can be read")
}

async fn new_workspace(client: &Client) -> String {
    let input = json!({ "slug": unique("live"), "name": "Live" });
    text(&client.done("workspaceCreate", "workspace { id }", input).await["workspace"]["id"])
}

async fn opened_subscription(client: &Client, workspace: &str) -> Subscription {
    let open = Subscription::open(client, "events", EVENTS, json!({ "workspace": workspace })).await;
    let mut subscription = open.expect("the API takes subscriptions");
    let first = subscription.item().await;
    assert_eq!(first["__typename"], "CaughtUp", "without a position the first item says from where");
    subscription
}

async fn opened_events(client: &Client, path: &str, workspace: &str) -> Events {
    let open = Events::open_at(client, path, &[("workspaceId", workspace)], None).await;
    let mut events = open.unwrap_or_else(|refusal| panic!("{refusal:?}"));
    let greeting = events.next().await.expect("it holds").expect("it goes on");
    assert_eq!((greeting.retry, greeting.data.as_str()), (Some(1000), ""));
    assert_eq!(events.said().await.event, "caught_up");
    events
}

/// Where the log stands, as a follower is told.
async fn now(client: &Client, workspace: &str) -> String {
    live::now(client, "/v1/events", workspace).await
}

async fn added(platform: &Platform, client: &Client, workspace: &str) -> Person {
    let new = person(platform).await;
    let input = json!({ "workspaceId": workspace, "memberId": new.actor, "role": "MEMBER" });
    client.done("memberAdd", "workspace { id }", input).await;
    new
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_is_told_as_it_stands_and_then_change_by_change() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open(platform, person(platform).await.client).await;
    let variables = json!({ "environment": tenant.production.id });
    let open = async |after: Option<&str>| {
        let mut variables = variables.clone();
        variables["after"] = json!(after);
        Subscription::open(&tenant.client, "route", ROUTE, variables).await.expect("the API takes subscriptions")
    };
    let mut route = open(None).await;
    let snapshot = route.item().await;
    assert_eq!((&snapshot["__typename"], &snapshot["routeOwner"]["epoch"]), (&json!("RouteSnapshot"), &json!(0)));
    let blue = tenant.deploy(Version::Blue).await;
    tenant.succeeds(&tenant.promote(&blue).await).await;
    let input = json!({ "environmentId": tenant.production.id, "reason": "a test" });
    tenant.client.done("environmentFreeze", "__typename", input.clone()).await;
    tenant.client.done("environmentUnfreeze", "__typename", input).await;

    let mut changes = Vec::new();
    while changes.last().is_none_or(|change: &Value| change["type"] != "route_owner.unfrozen") {
        changes.push(route.item().await);
    }
    let types: Vec<_> = changes.iter().map(|change| text(&change["type"])).collect();
    assert_eq!(types, ["route_owner.promoted", "route_owner.frozen", "route_owner.unfrozen"], "{changes:#?}");
    assert_eq!(changes[0]["routeOwner"]["deployment"]["id"], blue.id.as_str());
    assert_eq!(changes[0]["routeOwner"]["epoch"], 1);
    let versions: Vec<_> = changes.iter().map(|change| change["routeOwner"]["version"].as_u64()).collect();
    assert!(versions.windows(2).all(|pair| pair[1] == pair[0].map(|version| version + 1)), "{versions:?}");

    let mut again = open(changes[0]["position"].as_str()).await;
    assert_eq!((again.item().await, again.item().await), (changes[1].clone(), changes[2].clone()), "from there on");
    let mut fresh = open(None).await;
    let snapshot = fresh.item().await;
    assert_eq!(snapshot["routeOwner"], changes[2]["routeOwner"], "the snapshot is what the changes led to");
    assert_eq!(snapshot["position"], changes[2]["position"]);
    let mut foreign = open(Some("1.1.1~1-1-1")).await;
    assert_eq!(foreign.item().await["__typename"], "Resync", "from another life of the log");
    assert_eq!(foreign.item().await["routeOwner"], snapshot["routeOwner"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filter_lets_through_what_it_says_and_nothing_else() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open(platform, person(platform).await.client).await;
    let all = told_of(&tenant, json!({})).await;
    let of = |noun: &str| all.iter().filter(|(kind, _)| kind.starts_with(noun)).cloned().collect::<Vec<_>>();
    assert!(all.len() > 8, "{all:?}");
    assert_eq!(told_of(&tenant, json!({ "types": ["project.created"] })).await, of("project.created"));
    let concerning = told_of(&tenant, json!({ "environmentId": tenant.preview.id })).await;
    let host = (of("route_owner.").len() / 2, of("environment.").len() / 2);
    let count = |noun: &str| concerning.iter().filter(|(kind, _)| kind.starts_with(noun)).count();
    assert_eq!((count("route_owner."), count("environment.")), host, "half of them: {concerning:?}");
    assert!(concerning.iter().all(|(kind, _)| !kind.starts_with("project.")), "{concerning:?}");
    let of_app = told_of(&tenant, json!({ "appId": tenant.app })).await;
    assert_eq!(of_app.iter().filter(|(kind, _)| kind.starts_with("environment.")).count(), of("environment.").len());
    assert_eq!(told_of(&tenant, json!({ "actor": "00000000-0000-7000-8000-00000000000b" })).await, []);
}

/// Type and position of every event from the beginning that passes a filter, by both channels.
async fn told_of(tenant: &Tenant, filter: Value) -> Vec<(String, String)> {
    let life = now(&tenant.client, &tenant.workspace).await;
    let start = format!("{}~0-0-0", life.split_once('~').expect("a position names the life of the log").0);
    let variables = json!({ "workspace": tenant.workspace, "after": start, "filter": filter });
    let open = Subscription::open(&tenant.client, "events", EVENTS, variables).await;
    let (mut subscription, mut by_socket) = (open.expect("the API takes subscriptions"), Vec::new());
    loop {
        let item = subscription.item().await;
        if item["__typename"] == "CaughtUp" {
            break;
        }
        by_socket.push((text(&item["type"]), text(&item["position"])));
    }
    let mut query = vec![("workspaceId", tenant.workspace.clone()), ("after", start)];
    for name in ["appId", "environmentId", "actor"] {
        query.extend(filter[name].as_str().map(|value| (name, value.to_owned())));
    }
    query.extend(filter["types"][0].as_str().map(|value| ("types", value.to_owned())));
    let pairs: Vec<_> = query.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut events = Events::open(&tenant.client, &pairs, None).await.unwrap_or_else(|refusal| panic!("{refusal:?}"));
    let mut by_events = Vec::new();
    loop {
        let sent = events.said().await;
        if sent.event == "caught_up" {
            break;
        }
        by_events.push((text(&sent.words()["type"]), sent.id));
    }
    assert_eq!(by_socket, by_events, "both channels say the same");
    by_socket
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_position_of_another_life_is_a_resync_and_a_malformed_one_is_named() {
    let platform = Platform::shared().await;
    let client = person(platform).await.client;
    let workspace = new_workspace(&client).await;
    let foreign = "1.1.1~1-1-1";
    let query = [("workspaceId", workspace.as_str())];
    let mut events = Events::open(&client, &query, Some(foreign)).await.unwrap_or_else(|refusal| panic!("{refusal:?}"));
    let resync = events.said().await;
    assert_eq!((resync.event.as_str(), resync.words()["position"].as_str()), ("resync", Some(resync.id.as_str())));
    let input = json!({ "workspaceId": workspace, "slug": unique("p"), "name": "P" });
    client.done("projectCreate", "__typename", input).await;
    let mut said = events.said().await;
    while said.event == "caught_up" {
        said = events.said().await;
    }
    assert_eq!(said.event, "event", "what follows goes on from the position that the resync gave");
    let variables = json!({ "workspace": workspace, "after": foreign });
    let mut subscription = Subscription::open(&client, "events", EVENTS, variables).await.expect("it opens");
    assert_eq!(subscription.item().await["__typename"], "Resync");
    for after in ["nonsense", "1-2-3", "1.1.1~1-1", "1.1.1~1-1-1-1"] {
        let (status, words) = Events::open(&client, &query, Some(after)).await.err().expect("refused");
        assert_eq!((status, &words["code"]), (400, &json!("BAD_USER_INPUT")), "{after}: {words}");
        assert!(words["message"].as_str().is_some_and(|message| message.starts_with("after: ")), "{words}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_query_string_is_named() {
    let platform = Platform::shared().await;
    let client = person(platform).await.client;
    let workspace = new_workspace(&client).await;
    for wrong in [("workspace", "x"), ("types", "Nonsense"), ("appId", "nonsense"), ("actor", "nonsense")] {
        let query = [("workspaceId", workspace.as_str()), wrong];
        let (status, words) = Events::open(&client, &query, None).await.err().expect("refused");
        assert_eq!((status, &words["code"]), (400, &json!("BAD_USER_INPUT")), "{wrong:?}: {words}");
        assert!(words["message"].to_string().contains(wrong.0), "{wrong:?} is named: {words}");
    }
}
