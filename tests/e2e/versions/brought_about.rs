//! Mutations that need something to have happened first (a freeze to be lifted, a pin to be released) and what they were
//! decided on: brought about here, or where a whole scenario brings it about (`HELD_ELSEWHERE`), and tried with another version
//! and with its own. Nothing is changed by trying: each is a dry run.

use crate::affordances::waiting;
use rhone_tests::{
    artifacts::Version,
    database::person,
    graphql::{Client, unique},
    inputs::Owner,
    platform::Platform,
    program,
    story::text,
};
use serde_json::{Value, json};
use std::fs;

/// Those that are brought about here.
pub(crate) const BROUGHT_ABOUT: &[&str] = &[
    "allocationDrain",
    "appSourceCredentialRemove",
    "appSourceRemove",
    "environmentHostDetach",
    "environmentPinRelease",
    "environmentQuarantineLift",
    "environmentRollBack",
    "environmentUnfreeze",
    "environmentWake",
    "hostRetire",
    "hostUncordon",
    "memberEnvironmentGrantsSet",
    "memberProjectGrantsSet",
    "memberRemove",
    "memberRoleSet",
    "operationCancel",
];

/// Those that a whole scenario brings about (two regions, two hosts, an artifact that declares migrations), each with where it is held to its version.
pub(crate) const HELD_ELSEWHERE: &[(&str, &str)] = &[
    ("environmentFailover", "failover.rs"),
    ("environmentRegionEnable", "failover.rs"),
    ("environmentRegionDisable", "regions.rs"),
    ("environmentSleep", "sleep.rs"),
    ("hostDrain", "host_drain.rs"),
    ("hostUpgradeDone", "host_drain.rs"),
    ("migrationRecord", "gates.rs"),
    ("migrationRestore", "gates.rs"),
];

/// A mutation that would be accepted now: with another version it is refused, and both are named; with its own it is not.
pub(crate) async fn is_held(client: &Client, mutation: &str, mut input: Value) {
    input["dryRun"] = json!(true);
    let errors = async |input: &Value| {
        let answer = client.try_mutate(mutation, "__typename", input).await.expect("the API answers");
        assert!(answer.get("errors").is_none(), "{mutation} {input}: {answer:#}");
        answer["data"][mutation]["userErrors"].clone()
    };
    assert_eq!(errors(&input).await, json!([]), "{mutation} {input} as it is");
    input["expectedVersion"] = json!(999_999);
    let stale = errors(&input).await[0].clone();
    assert_eq!(
        (&stale["code"], &stale["expected"]),
        (&json!("STALE_VERSION"), &json!("999999")),
        "{mutation}: {stale}"
    );
    input["expectedVersion"] = json!(text(&stale["actual"]).parse::<u64>().expect("a version"));
    assert_eq!(errors(&input).await, json!([]), "{mutation} at its own version");
}

#[test]
fn what_a_scenario_brings_about_is_held_to_its_version_there() {
    for (mutation, file) in HELD_ELSEWHERE {
        let source = fs::read_to_string(program::root().join("tests/e2e").join(file)).expect("it is there");
        let held = source.split("is_held(&").skip(1).any(|call| {
            let call = call.split(';').next().unwrap_or_default();
            call.contains(&format!("\"{mutation}\""))
        });
        assert!(held, "{file} does not hold {mutation}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_must_be_brought_about_first_is_held_to_its_version_too() {
    let platform = Platform::shared().await;
    let owner = Owner::new(platform).await;
    let mut tried = Vec::new();
    of_an_app(&owner, &mut tried).await;
    of_people(platform, &owner, &mut tried).await;
    of_a_route(&owner, &mut tried).await;
    of_what_runs(&owner, &mut tried).await;
    of_a_host(&owner, &mut tried).await;
    tried.sort_unstable();
    assert_eq!(tried, BROUGHT_ABOUT);
}

type Tried = Vec<&'static str>;

async fn hold(owner: &Owner, tried: &mut Tried, mutation: &'static str, input: Value) {
    is_held(&owner.tenant.client, mutation, input).await;
    tried.push(mutation);
}

async fn of_an_app(owner: &Owner, tried: &mut Tried) {
    let (client, app) = (&owner.tenant.client, owner.tenant.app.as_str());
    let source = json!({ "appId": app, "repository": "https://git.example.com/acme/shop" });
    client.done("appSourceSet", "__typename", source).await;
    hold(owner, tried, "appSourceRemove", json!({ "appId": app })).await;
    let host = "git.example.com";
    let credential = json!({ "appId": app, "host": host, "username": "bot", "secret": "a secret of the tests" });
    client.done("appSourceCredentialSet", "__typename", credential).await;
    hold(owner, tried, "appSourceCredentialRemove", json!({ "appId": app, "host": host })).await;
}

async fn of_people(platform: &Platform, owner: &Owner, tried: &mut Tried) {
    let (tenant, member) = (&owner.tenant, person(platform).await.actor.to_string());
    let of = json!({ "workspaceId": tenant.workspace, "memberId": member });
    let with = |mut input: Value, more: Value| {
        input.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
        input
    };
    tenant.client.done("memberAdd", "__typename", with(of.clone(), json!({ "role": "MEMBER" }))).await;
    hold(owner, tried, "memberRoleSet", with(of.clone(), json!({ "role": "ADMIN" }))).await;
    hold(owner, tried, "memberRemove", of).await;
    let grants = json!({ "memberId": member, "grants": ["roll_back"] });
    let here = json!({ "projectId": tenant.project });
    hold(owner, tried, "memberProjectGrantsSet", with(here, grants.clone())).await;
    let here = json!({ "environmentId": tenant.production.id });
    hold(owner, tried, "memberEnvironmentGrantsSet", with(here, grants)).await;
}

async fn of_a_route(owner: &Owner, tried: &mut Tried) {
    let (tenant, client) = (&owner.tenant, &owner.tenant.client);
    let production = json!({ "environmentId": tenant.production.id, "reason": "a test" });
    let host = json!({ "environmentId": tenant.production.id, "host": tenant.production.host });
    hold(owner, tried, "environmentHostDetach", host).await;
    client.done("environmentFreeze", "__typename", production.clone()).await;
    hold(owner, tried, "environmentUnfreeze", production.clone()).await;
    client.done("environmentUnfreeze", "__typename", production.clone()).await;
    let (blue, green) = (tenant.deploy(Version::Blue).await, tenant.deploy(Version::Green).await);
    for one in [&blue, &green] {
        tenant.succeeds(&tenant.promote(one).await).await;
    }
    let mut back = production.clone();
    back["deploymentId"] = json!(blue.id);
    hold(owner, tried, "environmentRollBack", back).await;
    tenant.succeeds(&tenant.roll_back(&blue, "a test").await).await;
    hold(owner, tried, "environmentPinRelease", production.clone()).await;
    let mut lift = production.clone();
    lift["digest"] = json!(green.digest);
    hold(owner, tried, "environmentQuarantineLift", lift).await;
}

async fn of_what_runs(owner: &Owner, tried: &mut Tried) {
    let (tenant, client) = (&owner.tenant, &owner.tenant.client);
    let operation = waiting(owner).await;
    hold(owner, tried, "operationCancel", json!({ "operationId": operation, "reason": "a test" })).await;
    let running = tenant.allocations(&tenant.production).await;
    let ready = running.iter().find(|one| one["state"] == "READY").expect("one serves");
    hold(owner, tried, "allocationDrain", json!({ "allocationId": ready["id"] })).await;
    let production = json!({ "environmentId": tenant.production.id, "reason": "a test" });
    let asked = client.done("environmentSleep", "__typename", production.clone()).await;
    tenant.succeeds(&text(&asked["operation"]["id"])).await;
    hold(owner, tried, "environmentWake", production).await;
}

async fn of_a_host(owner: &Owner, tried: &mut Tried) {
    let client = &owner.tenant.client;
    let input = json!({ "cellId": owner.good_value("cellId"), "slug": unique("idle") });
    let host = text(&client.done("hostCreate", "host { id }", input).await["host"]["id"]);
    let because = json!({ "hostId": host, "reason": "a test" });
    client.done("hostCordon", "__typename", because.clone()).await;
    hold(owner, tried, "hostUncordon", because.clone()).await;
    hold(owner, tried, "hostRetire", because.clone()).await;
    // Other tests shall not find a host that nobody runs.
    client.done("hostRetire", "__typename", because).await;
}
