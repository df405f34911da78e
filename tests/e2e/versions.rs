//! What a change was decided on, and things as they were. Every mutation of something that has a version takes it as
//! `expectedVersion` or stands here with a reason; every noun can be read as of a version, a time and a position. The trap
//! avoided: a field of the schema that nobody honours; each is tried.

mod brought_about;

pub(crate) use brought_about::is_held;

use brought_about::{BROUGHT_ABOUT, HELD_ELSEWHERE};
use rhone_tests::{
    inputs::Owner,
    platform::Platform,
    program,
    schema::{Mutation, Schema},
    story::text,
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};
use std::fs;

const CREATES: &str = "creates something, which has no version yet";
const NO_EVENT: &str = "changes a row and no aggregate: it is one's own, and done or not";

/// Mutations without `expectedVersion`, each with why.
const WITHOUT: &[(&str, &str)] = &[
    ("workspaceCreate", CREATES),
    ("projectCreate", CREATES),
    ("appCreate", CREATES),
    ("appImport", CREATES),
    ("environmentCreate", CREATES),
    ("regionCreate", CREATES),
    ("cellCreate", CREATES),
    ("hostCreate", CREATES),
    ("artifactRegister", CREATES),
    ("deploymentCreate", CREATES),
    ("deploymentBuild", CREATES),
    ("deploymentImport", CREATES),
    ("providerBindingCreate", CREATES),
    ("runtimeServiceBindingCreate", CREATES),
    ("environmentVariablesSet", "expectedSet is the version of the variables"),
    ("environmentVariableUnset", "expectedSet is the version of the variables"),
    ("invitationAccept", "whoever comes in cannot see the workspace yet"),
    ("tokenCreate", CREATES),
    ("tokenRevoke", "ends it, whatever it has become"),
    ("tokenRotate", "gives it another secret, whichever it has by now"),
    ("edgeTokenCreate", CREATES),
    ("runnerTokenCreate", CREATES),
    ("supportTokenCreate", CREATES),
    ("sessionRevoke", NO_EVENT),
    ("sessionRevokeOthers", NO_EVENT),
];

/// Nodes that have no stream of their own, each with the one that holds them.
const WITHIN: &[(&str, &str)] = &[
    ("Invitation", "workspace"),
    ("SupportAccess", "workspace"),
    ("ProviderBinding", "provider_binding"),
    ("RuntimeServiceBinding", "runtime_service_binding"),
];

fn takes_a_version(mutation: &Mutation) -> bool {
    Schema::checked_in().fields(mutation).iter().any(|field| field.name == "expectedVersion")
}

#[test]
fn every_mutation_takes_a_version_or_says_why_not() {
    let mutations = &Schema::checked_in().mutations;
    let reason = |name: &str| WITHOUT.iter().any(|(known, why)| *known == name && why.len() > 20);
    let wrong = mutations.iter().filter(|one| takes_a_version(one) == reason(&one.name));
    assert_eq!(wrong.map(|one| one.name.as_str()).collect::<Vec<_>>(), Vec::<&str>::new());
    let gone = WITHOUT.iter().filter(|(name, _)| !mutations.iter().any(|one| one.name == *name));
    assert_eq!(gone.collect::<Vec<_>>(), Vec::<&(&str, &str)>::new(), "listed and no mutation");
}

async fn errors(owner: &Owner, name: &str, input: &Value) -> Value {
    let answer = owner.tenant.client.try_mutate(name, "__typename", input).await.expect("the API answers");
    assert!(answer.get("errors").is_none(), "{name} {input}: {answer:#}");
    answer["data"][name]["userErrors"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_mutation_that_takes_a_version_refuses_another_one_and_names_both() {
    let platform = Platform::shared().await;
    let owner = Owner::new(platform).await;
    let (mut tried, mut refused) = (0, Vec::new());
    for mutation in Schema::checked_in().mutations.iter().filter(|one| takes_a_version(one)) {
        let mut input = owner.good_input(&Schema::checked_in().fields(mutation));
        input["dryRun"] = json!(true);
        if errors(&owner, &mutation.name, &input).await != json!([]) {
            refused.push(mutation.name.as_str());
            continue;
        }
        tried += 1;
        input["expectedVersion"] = json!(999_999);
        let stale = errors(&owner, &mutation.name, &input).await[0].clone();
        assert_eq!((&stale["code"], &stale["field"]), (&json!("STALE_VERSION"), &json!("expectedVersion")), "{stale}");
        assert_eq!(stale["expected"], json!("999999"), "{stale}");
        input["expectedVersion"] = json!(text(&stale["actual"]).parse::<u64>().expect("a version"));
        assert_eq!(errors(&owner, &mutation.name, &input).await, json!([]), "{} at its own version", mutation.name);
    }
    let elsewhere =
        |name: &str| HELD_ELSEWHERE.iter().any(|(known, _)| *known == name) || BROUGHT_ABOUT.contains(&name);
    let untried = refused.iter().filter(|name| !elsewhere(name)).collect::<Vec<_>>();
    assert!(untried.is_empty(), "the table of inputs does not do for {untried:?}, and nothing else brings them about");
    eprintln!("{tried} tried; refused as they are: {refused:?}");
    assert!(tried >= 8, "only {tried} were tried: {refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_has_passed_changes_nothing_and_is_put_on_record() {
    let platform = Platform::shared().await;
    let owner = Owner::new(platform).await;
    let (client, environment) = (&owner.tenant.client, owner.tenant.production.id.as_str());
    let version = async || {
        let query = "query($id: ID!) { environment(id: $id) { routeOwner { version frozen } } }";
        let read = async || {
            let read = client.data(query, json!({ "id": environment })).await["environment"]["routeOwner"].clone();
            read.is_object().then_some(read)
        };
        until("the environment can be read", PATIENCE, read).await
    };
    let before = version().await["version"].clone();
    let freeze = json!({ "environmentId": environment, "reason": "a release", "expectedVersion": before });
    let done = client.done("environmentFreeze", "routeOwner { version }", freeze.clone()).await;
    assert_eq!(done["routeOwner"]["version"].as_u64(), before.as_u64().map(|version| version + 1));
    let unfreeze = json!({ "environmentId": environment, "reason": "too late", "expectedVersion": before });
    let refused = client.refused("environmentUnfreeze", "__typename", unfreeze).await;
    assert_eq!((&refused["code"], &refused["expected"]), (&json!("STALE_VERSION"), &json!(before.to_string())));
    assert!(version().await["frozen"].is_string(), "it stays frozen");
    let told = async || {
        let lines = owner.tenant.timeline(None).await;
        lines.into_iter().find(|line| line["type"] == "refusal.recorded" && line.to_string().contains("STALE_VERSION"))
    };
    until("the refusal is on record", PATIENCE, told).await;
    // The same key with another version is another request.
    let keyed = |version: u64| json!({ "environmentId": environment, "reason": "again", "idempotencyKey": "the-same", "expectedVersion": version });
    let now = version().await["version"].as_u64().expect("a version");
    client.done("environmentUnfreeze", "__typename", keyed(now)).await;
    let another = client.refused("environmentUnfreeze", "__typename", keyed(now + 1)).await;
    assert_eq!(another["code"], "IDEMPOTENCY_KEY_REUSED", "{another}");
}

/// Every object of the schema with an id.
fn nodes() -> Vec<String> {
    let schema = fs::read_to_string(program::root().join("api/schema.graphql")).expect("the schema is checked in");
    let heads = schema.lines().filter(|line| line.starts_with("type ") && line.contains("implements Node"));
    heads.map(|line| line.split_whitespace().nth(1).expect("a type has a name").to_owned()).collect()
}

/// The stream of one of each.
async fn stream(owner: &Owner, node: &str) -> String {
    let own = |field: &str| text(&owner.good_value(field));
    let uuid = |id: &str| id.split_once('_').expect("an id has a prefix").1.to_owned();
    if let Some((_, category)) = WITHIN.iter().find(|(within, _)| *within == node) {
        return format!(
            "{category}:{}",
            uuid(&own(if *category == "workspace" { "workspaceId" } else { "environmentId" }))
        );
    }
    if node == "Artifact" {
        let query = "query($id: ID!) { deployment(id: $id) { artifact { id } } }";
        let read = async || {
            let read = owner.tenant.client.data(query, json!({ "id": own("deploymentId") })).await;
            read["deployment"]["artifact"]["id"].as_str().map(str::to_owned)
        };
        return until("the deployment can be read", PATIENCE, read).await;
    }
    own(&format!("{}{}Id", node[..1].to_lowercase(), &node[1..]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_can_be_read_as_of_a_version_a_time_and_a_position() {
    let platform = Platform::shared().await;
    let owner = Owner::new(platform).await;
    let nodes = nodes();
    assert!(nodes.len() >= 15, "{nodes:?}");
    let renamed = json!({ "workspaceId": owner.tenant.workspace, "reason": "a test", "seconds": 60 });
    let position = owner.tenant.client.done("supportAccessGrant", "position", renamed).await["position"].clone();
    let query =
        "query($stream: ID!, $at: MomentInput) { replay(stream: $stream, at: $at) { version state stateHash } }";
    for node in &nodes {
        let stream = stream(&owner, node).await;
        let at = async |moment: Value| {
            let answer = owner.tenant.client.ask(query, json!({ "stream": stream, "at": moment })).await;
            assert!(answer.get("errors").is_none(), "{node} {stream} {moment}: {answer:#}");
            answer["data"]["replay"].clone()
        };
        assert_eq!(at(json!({ "version": 1 })).await["version"], 1, "{node}");
        let now = at(Value::Null).await;
        assert!(now["state"].is_object() && now["version"].as_u64() >= Some(1), "{node}: {now}");
        for moment in [json!({ "time": "2999-01-01T00:00:00Z" }), json!({ "position": position })] {
            let then = at(moment.clone()).await;
            assert!(then["version"].as_u64() <= now["version"].as_u64(), "{node} {moment}: {then}");
        }
    }
    // What came after a position is not there.
    let workspace = |at: Value| json!({ "stream": owner.tenant.workspace, "at": at });
    let granted = owner.tenant.client.data(query, workspace(json!({ "position": position }))).await["replay"].clone();
    let input = json!({ "workspaceId": owner.tenant.workspace, "reason": "another", "seconds": 60 });
    owner.tenant.client.done("supportAccessGrant", "position", input).await;
    let again = owner.tenant.client.data(query, workspace(json!({ "position": position }))).await["replay"].clone();
    let after = owner.tenant.client.data(query, workspace(Value::Null)).await["replay"].clone();
    assert_eq!(again, granted, "the past stays as it was");
    assert_ne!(after["stateHash"], granted["stateHash"], "and the present is another");
}
