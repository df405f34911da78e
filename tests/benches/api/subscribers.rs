//! A thousand live subscribers on one process, and how long an event takes from the sending of its mutation to each of those
//! who follow its workspace: a few each, and then all of them one. The trap avoided: timing from the answer, which hides what the
//! append took.

use crate::{
    load::{End, Request, client, send},
    mutations::DOCUMENTS,
    mutations::MUTATIONS,
    seeded::Seeded,
    subjects::{Subject, Subjects},
};
use futures_util::future::join_all;
use rhone_tests::{
    figure::{Goal, Printer},
    graphql::Client,
    live::{Heard, Subscription},
};
use serde_json::json;
use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::{
    sync::{Barrier, Semaphore},
    time::timeout,
};

/// How many follow.
const SUBSCRIBERS: usize = 1_000;
/// What is changed, and who follows it.
struct Audience<'a> {
    name: &'static str,
    /// They take turns, and their workspaces are followed by as many each.
    changed: &'a [Subject],
    /// Whose policy is changed; nothing else changes it.
    environment: fn(&Subject) -> &str,
    /// How many mutations a second.
    rate: u32,
}

const EVENTS: &str = "subscription($ws: ID!) { events(workspaceId: $ws) { __typename
    ... on TimelineEntry { position type reason } ... on CaughtUp { position } ... on Resync { reason } } }";

pub(crate) async fn deliver(seeded: &Seeded, subjects: &Subjects, length: Duration, print: &Printer) {
    let (url, all) = (&seeded.urls[0], &subjects.0[..]);
    let spread = Audience { name: "live", changed: all, environment: |of| &of.apps[0].production, rate: 20 };
    measured(url, all, &spread, length, print).await;
    let (name, changed) = ("live, all in one workspace", &all[..1]);
    let_in(url, &changed[0], &all[1..]).await;
    let gathered = Audience { name, changed, environment: |of| &of.apps[0].preview, rate: 2 };
    measured(url, all, &gathered, length, print).await;
}

/// All of them belong to the first's workspace, too.
async fn let_in(url: &str, first: &Subject, others: &[Subject]) {
    let client = Client::new(url, &first.token);
    for other in others {
        let input = json!({ "workspaceId": first.workspace, "memberId": other.member, "role": "MEMBER" });
        client.done("memberAdd", "workspace { id }", input).await;
    }
}

async fn measured(url: &str, all: &[Subject], audience: &Audience<'_>, length: Duration, print: &Printer) {
    let sent: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let ready = Arc::new(Barrier::new(SUBSCRIBERS + 1));
    // They come one after another, as people do: what is measured is delivery, and not a thousand handshakes at once.
    let opening = Arc::new(Semaphore::new(16));
    let followers = (0..SUBSCRIBERS).map(|nth| {
        let client = Client::new(url, &all[nth % all.len()].token);
        let workspace = audience.changed[nth % audience.changed.len()].workspace.clone();
        tokio::spawn(follow(client, workspace, Arc::clone(&ready), Arc::clone(&opening), Arc::clone(&sent), length))
    });
    let followers = followers.collect::<Vec<_>>();
    ready.wait().await;
    let refused = change(url, audience, &sent, length).await;
    let heard = join_all(followers).await.into_iter().map(|one| one.expect("a follower does not panic"));
    let (mut delays, mut resyncs) = (Vec::new(), 0);
    for follower in heard {
        delays.extend(follower.delays);
        resyncs += follower.resyncs;
    }
    let each = SUBSCRIBERS / audience.changed.len();
    let owed = (sent.lock().expect("no holder panics").len() - refused) * each;
    told(print, audience.name, owed, delays, resyncs);
}

fn told(print: &Printer, name: &str, owed: usize, delays: Vec<Duration>, resyncs: u32) {
    let many = |events: usize| f64::from(u32::try_from(events).expect("few"));
    print.figure(&format!("{name}: events owed to subscribers"), many(owed), "events", 1, None);
    print.figure(&format!("{name}: events delivered"), many(delays.len()), "events", 1, None);
    // What never came has no delay, and would make all of it look quicker.
    let (wrong, none) = (many(owed.abs_diff(delays.len())), Some(Goal::Below(1.0)));
    print.figure(&format!("{name}: events that did not come, or came twice"), wrong, "events", 1, none);
    print.figure(&format!("{name}: resyncs"), f64::from(resyncs), "resyncs", 1, None);
    print.distribution(
        &format!("{name}: mutation sent to delivered, 1,000 subscribers on one process"),
        delays,
        Some(Goal::Below(250.0)),
    );
}

/// What one subscriber heard.
#[derive(Default)]
struct Follower {
    delays: Vec<Duration>,
    resyncs: u32,
}

async fn follow(
    client: Client,
    workspace: String,
    ready: Arc<Barrier>,
    opening: Arc<Semaphore>,
    sent: Arc<Mutex<Vec<Instant>>>,
    length: Duration,
) -> Follower {
    let turn = opening.acquire().await.expect("never closed");
    let opened = Subscription::open(&client, "events", EVENTS, json!({ "ws": workspace })).await;
    let mut subscription = opened.expect("the API takes subscribers");
    subscription.item().await;
    drop(turn);
    ready.wait().await;
    let (mut follower, end) = (Follower::default(), Instant::now() + length + Duration::from_secs(5));
    while let Ok(Heard::Item(item)) = timeout(end.saturating_duration_since(Instant::now()), subscription.next()).await
    {
        if item["__typename"] == "Resync" {
            follower.resyncs += 1;
        }
        let nth = item["reason"].as_str().and_then(|reason| reason.strip_prefix("live ")?.parse::<usize>().ok());
        if let Some(begun) = nth.and_then(|nth| sent.lock().expect("no holder panics").get(nth).copied()) {
            follower.delays.push(begun.elapsed());
        }
    }
    follower
}

/// Sends mutations whose reason is their number; how many were not accepted.
async fn change(url: &str, audience: &Audience<'_>, sent: &Mutex<Vec<Instant>>, length: Duration) -> usize {
    let client = client(Duration::from_secs(10));
    let policy = MUTATIONS.iter().position(|(name, _)| *name == "environmentPolicySet").expect("it is one of the ten");
    let (begun, mut tasks) = (Instant::now(), Vec::new());
    for nth in 0_u32.. {
        let due = Duration::from_secs(1) * nth / audience.rate;
        if due >= length {
            break;
        }
        tokio::time::sleep_until((begun + due).into()).await;
        let subject = &audience.changed[nth as usize % audience.changed.len()];
        let input = json!({ "input": {
            "environmentId": (audience.environment)(subject),
            "approvalsRequired": 1 + nth / u32::try_from(audience.changed.len()).expect("few") % 5,
            "reason": format!("live {nth}"),
        } });
        let request = Request::new(policy, &subject.token, &DOCUMENTS[policy], &input);
        sent.lock().expect("no holder panics").push(Instant::now());
        let (client, url) = (client.clone(), url.to_owned());
        tasks.push(tokio::spawn(async move { send(&client, &url, &request).await }));
    }
    join_all(tasks).await.into_iter().filter(|end| !matches!(end, Ok(End::Good))).count()
}
