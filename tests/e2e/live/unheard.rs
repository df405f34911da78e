//! Those who may not hear: strangers, who are answered as if there were nothing, and those who were told until a moment ago.
//! Every subscription and every stream over HTTP is tried; one without a line here is red. The trap avoided: a channel that asks
//! when it is opened and never again.

use super::{EVENTS, ROUTE, added, opened_events, opened_subscription, write};
use futures_util::future::join_all;
use rhone_tests::{
    database::{Person, person},
    graphql::{Client, unique},
    inputs::unknown_id,
    live::{Events, Heard, Subscription},
    platform::Platform,
    repository::Repository,
    schema::Schema,
    story::{Tenant, text},
    wait::{PATIENCE, within_a_second},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::time::timeout;

const OPERATION: &str = "subscription($id: ID!) { operation(id: $id) { __typename } }";
const LINES: &str = "subscription($workspace: ID!) { logLines(workspaceId: $workspace) { __typename } }";

/// What is followed: a subscription and its variables, or a path.
enum Channel {
    Socket(&'static str, &'static str, Value),
    Http(&'static str, String),
}

/// All there are, about these.
fn channels(workspace: &str, environment: &str, operation: &str) -> Vec<(String, Channel)> {
    let sockets = [
        ("events", EVENTS, json!({ "workspace": workspace })),
        ("route", ROUTE, json!({ "environment": environment })),
        ("operation", OPERATION, json!({ "id": operation })),
        ("logLines", LINES, json!({ "workspace": workspace })),
    ];
    let known: BTreeSet<_> = Schema::checked_in().objects["Subscription"].iter().map(|one| one.name.as_str()).collect();
    assert_eq!(sockets.iter().map(|(field, ..)| *field).collect::<BTreeSet<_>>(), known, "every subscription is tried");
    let paths = ["/v1/events", "/v1/logs"];
    let sockets = sockets
        .into_iter()
        .map(|(field, query, variables)| (field.to_owned(), Channel::Socket(field, query, variables)));
    sockets.chain(paths.map(|path| (path.to_owned(), Channel::Http(path, workspace.to_owned())))).collect()
}

/// What somebody is told who may not hear it.
async fn refusal(client: &Client, channel: &Channel) -> Value {
    match channel {
        Channel::Socket(field, query, variables) => {
            let socket = Subscription::open(client, field, query, variables.clone()).await;
            match socket.expect("the API takes subscriptions").next().await {
                Heard::Refused(error) => json!([error["extensions"]["code"], error["message"]]),
                heard @ (Heard::Item(_) | Heard::Ended | Heard::Closed(_)) => json!(format!("{heard:?}")),
            }
        }
        Channel::Http(path, workspace) => {
            match Events::open_at(client, path, &[("workspaceId", workspace)], None).await {
                Ok(_) => json!("it opens"),
                Err((status, words)) => json!([words["code"], words["message"], status]),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_is_answered_as_if_there_were_nothing() {
    let platform = Platform::shared().await;
    let owner = Tenant::open(platform, person(platform).await.client).await;
    let (stranger, nobody) = (person(platform).await.client, platform.client("rhone_nobody"));
    let operation = Endless::begin(&owner).await;
    let real = channels(&owner.workspace, &owner.production.id, &operation.id);
    let unknown =
        channels(&unknown_id(&owner.workspace), &unknown_id(&owner.production.id), &unknown_id(&operation.id));
    let mut wrong = Vec::new();
    for ((name, real), (_, unknown)) in real.iter().zip(&unknown) {
        let answers = [refusal(&stranger, real).await, refusal(&stranger, unknown).await];
        let unauthenticated = refusal(&nobody, real).await;
        let expected = if name.starts_with('/') { json!("UNAUTHENTICATED") } else { Value::Null };
        let shut = unauthenticated[0] == expected || unauthenticated == "Closed(4403)";
        if answers[0] != answers[1] || answers[0][0] != "NOT_FOUND" || !shut {
            wrong.push(format!("{name}: {answers:?}, and without a token {unauthenticated}"));
        }
    }
    operation.cancel(&owner).await;
    let right = real.len() - wrong.len();
    eprintln!("S10: live, strangers: {right}/{} answered as if there were nothing", real.len());
    assert_eq!(wrong, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_removed_or_whose_token_is_revoked_hears_nothing_after_a_second() {
    let platform = Platform::shared().await;
    let owner = Tenant::open(platform, person(platform).await.client).await;
    let closed = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn(write(owner.client.clone(), owner.workspace.clone(), closed.clone()));
    let operation = Endless::begin(&owner).await;
    let channels = channels(&owner.workspace, &owner.preview.id, &operation.id);
    let (mut cases, mut slowest, all) = (0, Duration::ZERO, channels.len() * 2);
    for how in ["removed", "revoked"] {
        let member = added(platform, &owner.client, &owner.workspace).await;
        let mut followers = Vec::new();
        for (name, channel) in &channels {
            followers.push((name, tokio::spawn(followed(&member.client, channel).await)));
        }
        shut_out(&owner, &member, how).await;
        let done = Instant::now();
        let ask = async || drop(owner.client.data("{ viewer { actor } }", json!({})).await);
        let ends =
            join_all(followers.into_iter().map(async |(name, follower)| (name, follower.await.expect("it ends"))));
        // Who is not shut out hears on for as long as the writer writes.
        let end = within_a_second(ask, timeout(PATIENCE, ends)).await;
        for (name, (ended, at)) in end.came.expect("somebody hears on") {
            let late = at.saturating_duration_since(done);
            assert!(late < end.allowed, "{name}, {how}: ended {late:?} after, in place of {:?}", end.allowed);
            let expected = match how {
                "removed" => "FORBIDDEN",
                _ if name.starts_with('/') => "UNAUTHENTICATED",
                _ => "4403",
            };
            assert_eq!(ended, expected, "{name}, {how}");
            (cases, slowest) = (cases + 1, slowest.max(late));
        }
    }
    closed.store(true, Ordering::SeqCst);
    writer.await.expect("the writer ends");
    operation.cancel(&owner).await;
    eprintln!(
        "S10: live, removed or revoked: {cases}/{all} ended within {} ms, and nothing after",
        slowest.as_millis()
    );
    assert_eq!(cases, all);
}

async fn shut_out(owner: &Tenant, member: &Person, how: &str) {
    if how == "removed" {
        let input = json!({ "workspaceId": owner.workspace, "memberId": member.actor });
        owner.client.done("memberRemove", "workspace { id }", input).await;
    } else {
        let viewer = member.client.data("{ viewer { tokenId } }", json!({})).await;
        let input = json!({ "tokenId": viewer["viewer"]["tokenId"] });
        member.client.done("tokenRevoke", "token { revokedAt }", input).await;
    }
}

/// Opens a channel and hears that it is open, and of what is written if it tells that; then until it is over: how it ended, and
/// when.
async fn followed(client: &Client, channel: &Channel) -> impl Future<Output = (String, Instant)> + Send + use<> {
    let opened = match channel {
        Channel::Socket("events", _, variables) => {
            let mut socket = opened_subscription(client, variables["workspace"].as_str().expect("an id")).await;
            assert_eq!(socket.item().await["__typename"], "TimelineEntry", "the writer is heard");
            Opened::Socket(Box::new(socket))
        }
        Channel::Socket(field, query, variables) => {
            let open = Subscription::open(client, field, query, variables.clone()).await;
            let mut socket = open.expect("the API takes subscriptions");
            let first = socket.item().await;
            assert!(first["__typename"].is_string(), "{field}: {first}");
            Opened::Socket(Box::new(socket))
        }
        Channel::Http(path, workspace) => {
            let mut events = opened_events(client, path, workspace).await;
            if *path == "/v1/events" {
                assert_eq!(events.said().await.event, "event", "the writer is heard");
            }
            Opened::Http(events)
        }
    };
    async {
        match opened {
            Opened::Socket(socket) => end_of_subscription(*socket).await,
            Opened::Http(events) => end_of_events(events).await,
        }
    }
}

enum Opened {
    Socket(Box<Subscription>),
    Http(Events),
}

async fn end_of_subscription(mut subscription: Subscription) -> (String, Instant) {
    loop {
        match subscription.next().await {
            Heard::Item(_) => {}
            Heard::Refused(error) => return (text(&error["extensions"]["code"]), Instant::now()),
            Heard::Ended => return ("ended".to_owned(), Instant::now()),
            Heard::Closed(code) => return (code.to_string(), Instant::now()),
        }
    }
}

async fn end_of_events(mut events: Events) -> (String, Instant) {
    loop {
        match events.next().await.expect("it ends in order") {
            Some(sent) if sent.event == "end" => return (text(&sent.words()["code"]), Instant::now()),
            Some(_) => {}
            None => return ("ended".to_owned(), Instant::now()),
        }
    }
}

/// An operation that goes on for longer than anybody listens: its build sleeps.
pub(super) struct Endless {
    pub(super) id: String,
    /// There as long as it may be fetched.
    _repository: Repository,
}

impl Endless {
    pub(super) async fn begin(owner: &Tenant) -> Self {
        let repository = Repository::of_python();
        let name = unique("sleeps");
        repository.write(&format!("{name}.py"), "import time\ntime.sleep(600)\n");
        let settings = fs::read_to_string(repository.folder().join("rhone.toml")).expect("the example's");
        repository.write("rhone.toml", &settings.replace("build.py", &format!("{name}.py")));
        repository.commit("a build that sleeps");
        let input =
            json!({ "environmentId": owner.preview.id, "repository": repository.address(), "reference": "main" });
        let made = owner.client.done("deploymentBuild", "__typename", input).await;
        Self { id: text(&made["operation"]["id"]), _repository: repository }
    }

    pub(super) async fn cancel(self, owner: &Tenant) {
        let input = json!({ "operationId": self.id, "reason": "it was listened to" });
        owner.client.done("operationCancel", "__typename", input).await;
    }
}
