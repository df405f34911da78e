//! Scenario 2: an app sleeps and is woken by whoever visits it; a payment webhook that comes meanwhile is told to come back and
//! is never sent again by us, unless the app promised to recognise it. The traps avoided: "unsafe wake replay", so the app's
//! own count is asked; "wake stampede", so wakes are counted in the log; and a sleep that spills over to another environment.

use crate::versions::is_held;
use rhone_tests::{
    artifacts::{Version, push_with},
    database::{is_said_to_be_open, person, uuid},
    edge,
    graphql::{Client, unique},
    platform::Platform,
    sockets::Watched,
    story::{Deployed, Environment, Tenant, text},
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};

const CONTRACT: &str = "[wake]\nhold = [\"POST /api/incr\"]\n";
const WEBHOOK: &str = "/api/incr";
const CROWD: usize = 50;

/// A tenant whose production and preview both serve a version.
async fn serving(platform: &Platform) -> (Tenant, Deployed) {
    let tenant = Tenant::open_draining(platform, platform.developer(), 5).await;
    let blue = tenant.deploy(Version::Blue).await;
    tenant.succeeds(&tenant.promote(&blue).await).await;
    edge::serves(&tenant.edge, &tenant.production.host, "blue").await;
    (tenant, blue)
}

async fn lifecycle(tenant: &Tenant, environment: &Environment) -> String {
    let query = "query($id: ID!) { environment(id: $id) { lifecycle } }";
    text(&tenant.client.data(query, json!({ "id": environment.id })).await["environment"]["lifecycle"])
}

async fn becomes(tenant: &Tenant, environment: &Environment, wanted: &str) {
    let look = async || (lifecycle(tenant, environment).await == wanted).then_some(());
    until(&format!("it is {wanted}"), PATIENCE, look).await;
}

/// Puts production to sleep and waits until nothing of it runs and the edge knows it.
async fn asleep(tenant: &Tenant) {
    let input = json!({ "environmentId": tenant.production.id, "reason": "nobody is here at night" });
    may_sleep(tenant).await;
    let asked = tenant.client.done("environmentSleep", "routeOwner { epoch }", input).await;
    let operation = tenant.succeeds(&text(&asked["operation"]["id"])).await;
    assert_eq!((&operation["kind"], &operation["stage"]), (&json!("SLEEP"), &json!("COLD")), "{operation:#}");
    assert_eq!(lifecycle(tenant, &tenant.production).await, "SLEEPING");
    assert_eq!(alive(tenant, &tenant.production).await, Vec::<String>::new());
}

/// Waits until it is told that production may be put to sleep.
async fn may_sleep(tenant: &Tenant) {
    let may = async || (readiness(tenant, &tenant.client).await["allowed"] == true).then_some(());
    until("it is told that it may sleep", PATIENCE, may).await;
}

/// What a sleep of production would come to now, as this client is told.
async fn readiness(tenant: &Tenant, client: &Client) -> Value {
    let query = "query($id: ID!) { environment(id: $id) { sleepReadiness { allowed code missingGrant gates { kind state reason } } } }";
    client.data(query, json!({ "id": tenant.production.id })).await["environment"]["sleepReadiness"].clone()
}

/// What is told of a sleep, by the code of whatever stands in its way.
async fn told(tenant: &Tenant, client: &Client, code: &str, kind: &str) -> Value {
    let said = readiness(tenant, client).await;
    assert_eq!((&said["allowed"], &said["code"]), (&json!(false), &json!(code)), "{said:#}");
    let mut closed = said["gates"].as_array().expect("gates").iter().filter(|gate| gate["state"] == "fail");
    let first = closed.next().expect("a gate is closed");
    assert_eq!(first["kind"], kind, "{said:#}");
    first["reason"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_told_of_a_sleep_before_the_button_is_pressed_is_what_the_button_says() {
    let platform = Platform::shared().await;
    let (tenant, _) = serving(platform).await;
    let (id, client) = (tenant.production.id.as_str(), &tenant.client);
    let input = || json!({ "environmentId": id, "reason": "a test" });
    let member = person(platform).await;
    let add = json!({ "workspaceId": tenant.workspace, "memberId": member.actor, "role": "MEMBER" });
    client.done("memberAdd", "__typename", add).await;
    told(&tenant, &member.client, "GRANT_MISSING", "caller").await;
    assert_eq!(readiness(&tenant, &member.client).await["missingGrant"], "scale");
    assert_eq!(member.client.refused("environmentSleep", "__typename", input()).await["code"], "GRANT_MISSING");

    let socket = Watched::open(&tenant.edge, &tenant.production.host).await.expect("it opens");
    let [allocation] = &alive(&tenant, &tenant.production).await[..] else { panic!("one allocation serves") };
    is_said_to_be_open(platform, uuid(allocation)).await;
    let reason = told(&tenant, client, "IN_USE", "sessions").await;
    // The sin: it is accepted, and its operation fails at its first stage.
    let refusal = client.refused("environmentSleep", "__typename", input()).await;
    assert_eq!((&refusal["code"], &refusal["message"]), (&json!("IN_USE"), &reason), "{refusal:#}");
    drop(socket);

    // It is told when nothing stands in its way any more; and then nothing does.
    may_sleep(&tenant).await;
    is_held(&tenant.client, "environmentSleep", input()).await;
    asleep(&tenant).await;
    let query = "query($id: ID!) { environment(id: $id) { affordances { sleep { allowed code } } } }";
    let offered = client.data(query, json!({ "id": id })).await["environment"]["affordances"]["sleep"].clone();
    assert_eq!(offered, json!({ "allowed": false, "code": "ASLEEP" }));
    let reason = told(&tenant, client, "ASLEEP", "route_epoch").await;
    let refusal = client.refused("environmentSleep", "__typename", input()).await;
    assert_eq!((&refusal["code"], &refusal["message"]), (&json!("ASLEEP"), &reason), "{refusal:#}");
}

/// The allocations of an environment that have not ended.
async fn alive(tenant: &Tenant, environment: &Environment) -> Vec<String> {
    let all = tenant.allocations(environment).await;
    let lives = all.iter().filter(|one| !["STOPPED", "FAILED"].contains(&one["state"].as_str().unwrap_or_default()));
    lives.map(|one| text(&one["id"])).collect()
}

/// How often the app that serves now was told to count: the edge asks one process, which counts from zero.
async fn received(tenant: &Tenant) -> u64 {
    let seen = edge::get(&tenant.edge, &tenant.production.host, "/sessions").await.expect("the edge answers");
    seen.json()["increments"].as_u64().unwrap_or_else(|| panic!("the app counts: {seen:?}"))
}

async fn webhook(tenant: &Tenant, key: Option<&str>) -> edge::Reply {
    edge::post(&tenant.edge, &tenant.production.host, WEBHOOK, key).await.expect("the edge answers")
}

fn told_to_come_back(reply: &edge::Reply, reason: &str) {
    assert_eq!((reply.status, reply.reason.as_str()), (503, reason), "{reply:?}");
    assert!(reply.retry_after.is_some_and(|seconds| seconds > 0), "{reply:?}");
}

/// The operations of a kind on production, as the log tells of them.
async fn operations(tenant: &Tenant, kind: &str) -> Vec<Value> {
    let here = uuid(&tenant.production.id).to_string();
    let entries = tenant.timeline(None).await.into_iter();
    let of = |entry: &Value| {
        entry["type"] == "operation.requested"
            && entry["payload"]["kind"] == kind
            && entry["payload"]["environment"] == here.as_str()
    };
    entries.filter(of).collect()
}

async fn wakes_are(tenant: &Tenant, wanted: usize) {
    let look = async || (operations(tenant, "wake").await.len() >= wanted).then_some(());
    until("the timeline tells of the wakes", PATIENCE, look).await;
    assert_eq!(operations(tenant, "wake").await.len(), wanted, "one wake per sleep, however many ask");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sleeping_app_wakes_for_its_visitors_and_another_environment_sleeps_not() {
    let platform = Platform::shared().await;
    let (tenant, _) = serving(platform).await;
    let (preview, epoch) = (alive(&tenant, &tenant.preview).await, tenant.owner().await["epoch"].clone());

    asleep(&tenant).await;
    let page = edge::get(&tenant.edge, &tenant.production.host, "/").await.expect("the edge answers");
    assert_eq!(page.status, 200, "held, and served by the app: {page:?}");
    becomes(&tenant, &tenant.production, "HOT").await;
    wakes_are(&tenant, 1).await;

    asleep(&tenant).await;
    let socket = Watched::open(&tenant.edge, &tenant.production.host).await.expect("a handshake is held, and opens");
    assert_eq!(socket.greeting["version"], "blue");
    assert!(socket.answers().await);
    let [allocation] = &alive(&tenant, &tenant.production).await[..] else { panic!("one allocation serves") };
    is_said_to_be_open(platform, uuid(allocation)).await;
    let input = json!({ "environmentId": tenant.production.id, "reason": "somebody is here" });
    let refused = tenant.client.refused("environmentSleep", "__typename", input).await;
    assert_eq!(refused["code"], "IN_USE", "an open session is never ended for it: {refused:#}");
    assert!(socket.answers().await);
    drop(socket);
    wakes_are(&tenant, 2).await;

    assert_eq!(tenant.owner().await["epoch"], epoch, "a sleep is no change of owner");
    assert_eq!(alive(&tenant, &tenant.preview).await, preview, "the other environment is not touched");
    assert_eq!(lifecycle(&tenant, &tenant.preview).await, "HOT");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_to_a_sleeping_app_is_told_to_come_back_and_is_never_sent_again_by_us() {
    let platform = Platform::shared().await;
    let (tenant, _) = serving(platform).await;
    asleep(&tenant).await;
    // Both at once: the first one wakes it.
    let key = unique("evt");
    let (plain, keyed) = tokio::join!(webhook(&tenant, None), webhook(&tenant, Some(&key)));
    told_to_come_back(&plain, "asleep");
    told_to_come_back(&keyed, "asleep");
    // It was asked for, so that the sender's next attempt finds it awake.
    becomes(&tenant, &tenant.production, "HOT").await;
    edge::serves(&tenant.edge, &tenant.production.host, "blue").await;
    assert_eq!(received(&tenant).await, 0, "nothing was replayed");
    let again = webhook(&tenant, None).await;
    assert_eq!((again.status, &again.json()["count"]), (200, &json!(1)), "sent again by its sender: {again:?}");
    assert_eq!(received(&tenant).await, 1, "and that alone has arrived");
    wakes_are(&tenant, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_a_replay_contract_and_a_key_a_webhook_is_held_and_delivered_exactly_once() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open_draining(platform, platform.developer(), 5).await;
    let digest = push_with(&tenant.client, &tenant.workspace, Version::Blue, CONTRACT.to_owned(), &[]).await;
    let blue = tenant.deploy_bytes(digest, Version::Blue).await;
    tenant.succeeds(&tenant.promote(&blue).await).await;
    edge::serves(&tenant.edge, &tenant.production.host, "blue").await;

    asleep(&tenant).await;
    told_to_come_back(&webhook(&tenant, None).await, "asleep-without-key");
    let held = webhook(&tenant, Some(&unique("evt"))).await;
    assert_eq!((held.status, &held.json()["count"]), (200, &json!(1)), "held, and delivered: {held:?}");
    assert_eq!(received(&tenant).await, 1, "exactly once, and the one without a key never");
    wakes_are(&tenant, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wake_stampede_fifty_visitors_are_one_wake() {
    let platform = Platform::shared().await;
    let (tenant, _) = serving(platform).await;
    asleep(&tenant).await;
    let mut crowd = tokio::task::JoinSet::new();
    for _ in 0..CROWD {
        let (edge, host) = (tenant.edge.clone(), tenant.production.host.clone());
        crowd.spawn(async move { edge::get(&edge, &host, "/").await.map(|reply| reply.status) });
    }
    let answers = crowd.join_all().await;
    assert_eq!(answers, vec![Some(200); CROWD]);
    wakes_are(&tenant, 1).await;
    let [one] = &alive(&tenant, &tenant.production).await[..] else { panic!("one allocation serves them all") };
    let stream = format!("allocation:{}", uuid(one));
    let entries = tenant.timeline(None).await;
    assert!(entries.iter().any(|entry| entry["stream"] == stream.as_str()), "and the timeline tells of it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_environment_that_nobody_uses_falls_asleep_by_its_policy_and_wakes_for_a_visitor() {
    let platform = Platform::shared().await;
    let (tenant, _) = serving(platform).await;
    let policy = json!({ "environmentId": tenant.production.id, "sleepAfterSeconds": 2 });
    tenant.client.done("environmentSleepPolicySet", "environment { sleepAfterSeconds }", policy).await;
    becomes(&tenant, &tenant.production, "SLEEPING").await;
    let gone = async || alive(&tenant, &tenant.production).await.is_empty().then_some(());
    until("nothing of it runs", PATIENCE, gone).await;
    assert_eq!(lifecycle(&tenant, &tenant.preview).await, "HOT", "a policy is of one environment");
    edge::serves(&tenant.edge, &tenant.production.host, "blue").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_missing_contract_is_a_risk_that_is_shown_before_a_promotion_and_kept_with_it() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open_draining(platform, platform.developer(), 5).await;
    let blue = tenant.deploy(Version::Blue).await;
    let shown = wake_replay(&tenant, &blue).await;
    assert_eq!(shown["state"], "warn", "no policy, and a person may put it to sleep all the same: {shown:#}");
    assert_eq!(shown["evidence"], "asleep when a person puts it to sleep; nothing is held");
    let policy = json!({ "environmentId": tenant.production.id, "sleepAfterSeconds": 86_400 });
    tenant.client.done("environmentSleepPolicySet", "environment { sleepAfterSeconds }", policy).await;
    let shown = wake_replay(&tenant, &blue).await;
    assert_eq!(shown["state"], "warn", "{shown:#}");
    for words in ["POST", "503", WEBHOOK] {
        assert!(text(&shown["reason"]).contains(words), "{words}: {shown:#}");
    }
    let promoted = tenant.succeeds(&tenant.promote(&blue).await).await;
    let gates = promoted["gates"].as_array().expect("gates");
    assert!(gates.iter().any(|gate| gate["kind"] == "wake_replay" && gate["state"] == "warn"), "{promoted:#}");

    let digest = push_with(&tenant.client, &tenant.workspace, Version::Blue, CONTRACT.to_owned(), &[]).await;
    let promising = tenant.deploy_bytes(digest, Version::Blue).await;
    let shown = wake_replay(&tenant, &promising).await;
    assert_eq!(shown["state"], "pass", "{shown:#}");
    assert!(text(&shown["evidence"]).contains("POST /api/incr"), "{shown:#}");
}

/// The gate as it is shown before the button is pressed; it never stands in the way.
async fn wake_replay(tenant: &Tenant, deployed: &Deployed) -> Value {
    let query = "query($id: ID!, $deployment: ID!) { environment(id: $id) { promotion(deploymentId: $deployment) { allowed \
        gates { kind state reason evidence } } } }";
    let variables = json!({ "id": tenant.production.id, "deployment": deployed.id });
    let plan = tenant.client.data(query, variables).await["environment"]["promotion"].clone();
    assert_eq!(plan["allowed"], true, "{plan:#}");
    let gates = plan["gates"].as_array().expect("gates");
    gates.iter().find(|gate| gate["kind"] == "wake_replay").expect("the gate is asked").clone()
}
