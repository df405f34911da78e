//! Variables, secrets and what sources are read with: pinned per deployment, brought back by a rollback, delivered through the
//! runner, rotated while everything runs, and nowhere in clear. The trap avoided: a scan that would not find a leak; leaks are planted for it.

mod command_line;
mod values;

use rhone_domain::{
    hidden::Hidden,
    source_credential::{SignIn, SourceHost},
    text::Username,
};
use rhone_tests::{
    artifacts::{Version, push_with},
    database::{administrator, uuid},
    edge,
    graphql::{http, unique},
    platform::Platform,
    private_repositories::PrivateRepositories,
    repository::Repository,
    scan::{Needle, everywhere},
    story::{Deployed, Tenant, text},
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::{
    fs,
    io::Write as _,
    process::{Command, Stdio},
};

async fn set(tenant: &Tenant, environment: &str, variables: Value) -> Value {
    let input = json!({ "environmentId": environment, "variables": variables });
    tenant.client.done("environmentVariablesSet", "environment { variableSets { set } }", input).await
}

async fn set_token(tenant: &Tenant, value: &str) {
    for environment in [&tenant.preview.id, &tenant.production.id] {
        set(tenant, environment, json!([{ "key": "TOKEN", "value": value }])).await;
    }
}

/// What the app that owns production says of a variable: the digest of its value.
async fn seen(tenant: &Tenant, key: &str) -> Option<String> {
    let reply = edge::get(&tenant.edge, &tenant.production.host, &format!("/variables/{key}")).await?;
    (reply.status == 200).then_some(reply.text)
}

fn digest(value: &str) -> String {
    format!("{:x}", Sha256::digest(value))
}

async fn shows(tenant: &Tenant, what: &str, value: &str) {
    let wanted = digest(value);
    until(what, PATIENCE, async || seen(tenant, "TOKEN").await.filter(|shown| *shown == wanted)).await;
}

async fn difference(tenant: &Tenant, deployed: &Deployed) -> Value {
    let query = "query($id: ID!, $deployment: ID!) { environment(id: $id) { variableDifference(deploymentId: $deployment) { \
         currentSet deploymentSet added { key } removed { key currentDigest } \
         changed { key currentDigest deploymentDigest } } } }";
    let ids = json!({ "id": tenant.production.id, "deployment": deployed.id });
    tenant.client.data(query, ids).await["environment"]["variableDifference"].clone()
}

const LISTED: &str = "query($id: ID!) { environment(id: $id) { variables { key kind digest set updatedAt value } \
     variableSets { set createdAt keys current } } }";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_brings_its_own_secret_back_and_no_secret_is_anywhere_in_clear() {
    let platform = Platform::start().await;
    let tenant = Tenant::open(&platform, platform.developer()).await;
    let (first, second) = (unique("canary-first"), unique("canary-second"));

    set_token(&tenant, &first).await;
    let blue = tenant.deploy(Version::Blue).await;
    tenant.succeeds(&tenant.promote(&blue).await).await;
    shows(&tenant, "blue has the first secret", &first).await;

    set_token(&tenant, &second).await;
    set(&tenant, &tenant.production.id, json!([{ "key": "LATER", "value": "plain words", "kind": "PLAIN" }])).await;
    assert_eq!(seen(&tenant, "TOKEN").await, Some(digest(&first)), "what runs keeps its own set");
    let green = tenant.deploy(Version::Green).await;
    tenant.succeeds(&tenant.promote(&green).await).await;
    shows(&tenant, "green has the second secret", &second).await;
    assert_eq!(seen(&tenant, "LATER").await, Some(digest("plain words")));

    let told = difference(&tenant, &blue).await;
    assert_eq!((&told["currentSet"], &told["deploymentSet"]), (&json!(3), &json!(1)), "{told}");
    assert_eq!((&told["changed"][0]["key"], &told["removed"][0]["key"]), (&json!("TOKEN"), &json!("LATER")), "{told}");
    assert_ne!(told["changed"][0]["currentDigest"], told["changed"][0]["deploymentDigest"]);
    assert_eq!(difference(&tenant, &green).await["changed"], json!([]));

    tenant.succeeds(&tenant.roll_back(&blue, "the second secret is wrong").await).await;
    shows(&tenant, "the rollback brought the first secret back", &first).await;
    assert_eq!(seen(&tenant, "LATER").await, None);

    let (third, wrong) = (unique("canary-third"), unique("canary-wrong"));
    let private = read_with(&tenant, &third, &wrong).await;
    rotate(&platform).await;
    built(&tenant, &private.address(), "PREVIEW_READY").await;
    let mut answers = everything_said(&platform, &tenant, &first).await;
    answers.extend(all_said_of_a_credential(&platform, &tenant, &private, &third).await);
    let basic = SignIn {
        host: SourceHost::parse("host", &private.host()).expect("a host"),
        username: Username::parse("username", "alice").expect("a user"),
        secret: Hidden::new(third.clone()),
    };
    let shown = basic.forms().pop().expect("as a request shows it");
    for needle in [first.as_str(), &second, &third, &wrong, shown.expose()].map(Needle::new) {
        for answer in &answers {
            assert!(!needle.is_in(answer), "an answer repeats a secret: {answer:.300}");
        }
        let scan = everywhere(&platform, &needle);
        assert_eq!(scan.found, Vec::<String>::new(), "a secret lies in clear");
        assert!(scan.files > 50 && scan.dumped > 100_000 && scan.processes > 8, "{scan:?}");
        println!("{} files, {} bytes of tables, {} processes: nothing", scan.files, scan.dumped, scan.processes);
    }
    a_leak_is_found(&platform, &first).await;
}

/// Deploys of a private repository: with a credential that its host refuses, with the right one, and from where the host says
/// the secret back.
async fn read_with(tenant: &Tenant, secret: &str, wrong: &str) -> PrivateRepositories {
    let repository = Repository::of_python();
    repository.commit_version("private");
    let private = PrivateRepositories::start(repository, "alice", secret);
    for (secret, stage) in [(wrong, "FAILED"), (secret, "PREVIEW_READY")] {
        let input = json!({ "appId": tenant.app, "host": private.host(), "username": "alice", "secret": secret });
        tenant.client.done("appSourceCredentialSet", "app { id }", input).await;
        built(tenant, &private.address(), stage).await;
    }
    built(tenant, &private.telling(), "FAILED").await;
    private
}

async fn built(tenant: &Tenant, repository: &str, stage: &str) {
    let input = json!({ "environmentId": tenant.preview.id, "repository": repository, "reference": "main" });
    let made = tenant.client.done("deploymentBuild", "__typename", input).await;
    let ended = tenant.ends(&text(&made["operation"]["id"])).await;
    assert_eq!(ended["stage"], stage, "{ended:#}");
}

/// The same of a source credential.
async fn all_said_of_a_credential(
    platform: &Platform,
    tenant: &Tenant,
    private: &PrivateRepositories,
    secret: &str,
) -> Vec<String> {
    let mut answers = Vec::new();
    let good = json!({ "appId": tenant.app, "host": private.host(), "username": "alice", "secret": secret });
    for (field, value) in [
        ("host", json!(format!("a b/{secret}"))),
        ("username", json!(format!("{secret}:"))),
        ("secret", json!(format!("{secret}\n"))),
        ("secret", json!({ "a": secret })),
        ("secret", json!(secret.repeat(1_000))),
        ("expectedVersion", json!(0)),
        ("dryRun", json!(true)),
        ("idempotencyKey", json!(unique("k"))),
    ] {
        let mut input = good.clone();
        input[field] = value;
        let answer = tenant
            .client
            .try_mutate(
                "appSourceCredentialSet",
                "app { sourceCredentials { host username } } \
            plannedEvents { payload }",
                &input,
            )
            .await;
        answers.push(answer.expect("an answer").to_string());
    }
    let stream = format!("app:{}", uuid(&tenant.app));
    for words in
        [&["replay", &stream][..], &["credential", "list", "--app", &tenant.app], &["logs", "--app", &tenant.app]]
    {
        let output = platform.rhone(words).await;
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        answers.push(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned());
    }
    assert!(answers.iter().any(|said| said.contains("with the app's credential")), "a build's log says what was used");
    answers
}

/// Answers of all kinds, those to wrong questions too; each question holds the secret.
async fn everything_said(platform: &Platform, tenant: &Tenant, secret: &str) -> Vec<String> {
    let client = &tenant.client;
    let id = &tenant.production.id;
    let mut answers = vec![client.ask(LISTED, json!({ "id": id })).await.to_string()];
    let wrong = [
        json!([{ "key": "PORT", "value": secret }]),
        json!([{ "key": "lower", "value": secret }]),
        json!([{ "key": "TOKEN", "value": { "a": secret } }]),
        json!([{ "key": "TOKEN", "value": [secret] }]),
        json!([{ "key": "TOKEN", "value": format!("{secret}\u{0}") }]),
        json!([{ "key": "TOKEN", "value": secret.repeat(2_000) }]),
        json!([{ "key": "TOKEN", "value": secret, "kind": "OPEN" }]),
        json!([{ "key": "A", "value": secret }, { "key": "A", "value": secret }]),
    ];
    for variables in wrong {
        let input = json!({ "environmentId": id, "variables": variables });
        let answer = client.try_mutate("environmentVariablesSet", "__typename", &input).await.expect("an answer");
        let refused =
            answer["errors"][0].is_object() || answer["data"]["environmentVariablesSet"]["userErrors"][0].is_object();
        assert!(refused, "{answer}");
        answers.push(answer.to_string());
    }
    let dry = json!({ "environmentId": id, "variables": [{ "key": "DRY", "value": secret }], "dryRun": true });
    let keyed = json!({ "environmentId": id, "variables": [{ "key": "KEYED", "value": secret }], "idempotencyKey": unique("k") });
    for input in [dry, keyed.clone(), keyed] {
        answers
            .push(client.try_mutate("environmentVariablesSet", "__typename", &input).await.expect("one").to_string());
    }
    let inline = format!(
        "mutation {{ environmentVariablesSet(input: {{ environmentId: \"{id}\", \
         variables: [{{ key: \"INLINE\", value: \"{secret}\", kind: OPEN }}] }}) {{ position }} }}"
    );
    answers.push(client.ask(&inline, json!({})).await.to_string());
    answers.push(
        client
            .try_send(&json!({ "query": "{ viewer { actor } }", "variables": secret }))
            .await
            .expect("one")
            .to_string(),
    );
    answers.extend(tenant.timeline(None).await.iter().map(Value::to_string));
    let stream = format!("variables:{}", uuid(id));
    for words in [&["replay", &stream][..], &["export"], &["doctor"], &["env", "list", id]] {
        let output = platform.rhone(words).await;
        answers.push(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned());
    }
    for url in [&platform.report().urls.api, &platform.report().urls.work_admin, &platform.report().urls.runner_admin] {
        let metrics = http().get(format!("{url}/metrics")).send().await.expect("it answers");
        answers.push(metrics.text().await.expect("text"));
    }
    answers
}

/// New keys while everything runs: plain values are still read, and new ones set.
async fn rotate(platform: &Platform) {
    let output = platform.rhone(&["admin", "rotate-keys", "--data-keys", "--forget-unused"]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("wraps from now on") && said.contains("1 keys are kept"), "{said}");
}

/// The mutants: what a careless program would do, done here.
async fn a_leak_is_found(platform: &Platform, secret: &str) {
    let needle = Needle::new(secret);
    let log = platform.data().join("logs/serve.log");
    let mut file = fs::File::options().append(true).open(&log).expect("the log");
    writeln!(file, "setting TOKEN to {secret}").expect("written");
    let mut admin = administrator(platform).await;
    let leak = "INSERT INTO identity.tokens (token, hash, kind, actor, name)
                VALUES (gen_random_uuid(), sha256($1::bytea), 'user', gen_random_uuid(), $2)";
    sqlx::query(leak).bind(secret.as_bytes()).bind(secret).execute(&mut admin).await.expect("leaked");
    let mut argued = Command::new("sh").args(["-c", "read -r _", secret]).stdin(Stdio::piped()).spawn().expect("runs");
    let found = everywhere(platform, &needle).found;
    let _ = (argued.kill(), argued.wait());
    for what in ["serve.log", "a table", "arguments"] {
        assert!(found.iter().any(|place| place.contains(what)), "the leak in {what} was not found: {found:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_are_set_at_once_or_none_and_each_change_makes_a_set() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open(platform, platform.developer()).await;
    let id = &tenant.production.id;
    let both = json!([{ "key": "PLAIN", "value": "words", "kind": "PLAIN" }, { "key": "HIDDEN", "value": "words" }]);
    set(&tenant, id, both.clone()).await;
    let listed = tenant.client.data(LISTED, json!({ "id": id })).await["environment"].clone();
    assert_eq!(listed["variables"][0]["value"], Value::Null, "a secret is never shown: {listed}");
    assert_eq!(listed["variables"][1]["value"], "words", "a plain one is: {listed}");
    assert_ne!(listed["variables"][0]["digest"], listed["variables"][1]["digest"], "digests are of one key");
    set(&tenant, id, both).await;
    let sets = tenant.client.data(LISTED, json!({ "id": id })).await["environment"]["variableSets"].clone();
    assert_eq!(sets.as_array().map(Vec::len), Some(1), "what is so already makes no set: {sets}");

    let input = json!({ "environmentId": id, "key": "PLAIN", "expectedSet": 0 });
    let stale = tenant.client.refused("environmentVariableUnset", "__typename", input).await;
    assert_eq!(
        (&stale["code"], &stale["field"], &stale["actual"]),
        (&json!("STALE_SET"), &json!("expectedSet"), &json!("1"))
    );
    let input = json!({ "environmentId": id, "key": "PLAIN", "expectedSet": 1 });
    tenant.client.done("environmentVariableUnset", "environment { id }", input.clone()).await;
    let long = json!([{ "key": "FINE", "value": "x" }, { "key": "LONG", "value": "x".repeat(40_000) }]);
    let input = json!({ "environmentId": id, "variables": long });
    let refused = tenant.client.refused("environmentVariablesSet", "__typename", input).await;
    assert!(refused["message"].as_str().is_some_and(|said| said.starts_with("LONG: ")), "the key is named: {refused}");
    let listed = tenant.client.data(LISTED, json!({ "id": id })).await["environment"].clone();
    assert_eq!(listed["variables"].as_array().map(Vec::len), Some(1), "nothing of it was set: {listed}");
    assert_eq!(listed["variableSets"][0]["keys"], json!(["HIDDEN"]));
    assert_eq!(listed["variableSets"][1]["keys"], json!(["HIDDEN", "PLAIN"]), "the former set stays what it was");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_allocation_whose_secret_is_missing_fails_with_that_reason() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open(platform, platform.developer()).await;
    set_token(&tenant, "will be lost").await;
    let lost = "DELETE FROM vault.values WHERE environment = $1";
    let mut admin = administrator(platform).await;
    sqlx::query(lost).bind(uuid(&tenant.production.id)).execute(&mut admin).await.expect("deleted");
    let blue = tenant.deploy(Version::Blue).await;
    let operation = tenant.ends(&tenant.promote(&blue).await).await;
    assert_eq!(operation["stage"], "FAILED", "{operation:#}");
    let told = async || {
        let entries = tenant.timeline(None).await;
        entries.into_iter().find(|entry| entry["type"] == "allocation.failed")
    };
    let failed = until("the timeline tells of the allocation's failure", PATIENCE, told).await;
    let reason = text(&failed["payload"]["reason"]);
    assert!(reason.starts_with("SECRET_MISSING: ") && reason.contains("TOKEN"), "{reason}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promotion_waits_for_every_variable_that_the_artifact_requires() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open(platform, platform.developer()).await;
    set(&tenant, &tenant.preview.id, json!([{ "key": "TOKEN", "value": "for the preview" }])).await;
    let toml = "[env]\nrequired = [\"TOKEN\"]\n".to_owned();
    let digest = push_with(&tenant.client, &tenant.workspace, Version::Blue, toml, &[]).await;
    let blue = tenant.deploy_bytes(digest, Version::Blue).await;

    let query = "query($id: ID!, $deployment: ID!) { environment(id: $id) { promotion(deploymentId: $deployment) { \
         allowed gates { kind state evidence } } } }";
    let ids = json!({ "id": tenant.production.id, "deployment": blue.id });
    let shown = tenant.client.data(query, ids).await["environment"]["promotion"].clone();
    let closed = json!({ "kind": "variables", "state": "fail", "evidence": "TOKEN" });
    let gates = shown["gates"].as_array().expect("gates");
    assert!(shown["allowed"] == false && gates.contains(&closed), "{shown:#}");
    let input = json!({ "deploymentId": blue.id, "environmentId": tenant.production.id });
    let refused = tenant.client.refused("deploymentPromote", "__typename", input).await;
    assert_eq!((&refused["code"], &refused["field"]), (&json!("VARIABLES_MISSING"), &json!("environmentId")));

    set(&tenant, &tenant.production.id, json!([{ "key": "TOKEN", "value": "for everybody" }])).await;
    tenant.succeeds(&tenant.promote(&blue).await).await;
    shows(&tenant, "production has its own secret", "for everybody").await;
}

/// Of two promotions from one epoch one loses, and what it started stands by. Then a variable is set, and the loser is
/// promoted: with the new set, which what stands by does not have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promotion_after_a_variable_was_set_is_served_although_an_earlier_attempt_stands_by() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open_draining(platform, platform.developer(), 900).await;
    set_token(&tenant, "of the first attempt").await;
    let both = [tenant.deploy(Version::Blue).await, tenant.deploy(Version::Green).await];
    let (first, second) = tokio::join!(tenant.promote(&both[0]), tenant.promote(&both[1]));
    let ends = [tenant.ends(&first).await, tenant.ends(&second).await];
    let lost = ends.iter().position(|end| end["failure"]["code"] == "STALE_EPOCH");
    let lost = &both[lost.unwrap_or_else(|| panic!("one of them lost the race: {ends:#?}"))];
    let of_the_loser = async |state: &str| {
        let all = tenant.allocations_now(&tenant.production).await?;
        let mine = all.into_iter().filter(|one| one["artifactDigest"] == lost.digest.as_str());
        let mine = mine.filter(|one| one["state"] == state).map(|one| text(&one["id"])).collect::<Vec<_>>();
        (mine.len() == 1).then_some(mine)
    };
    let stale = until("what the loser started stands by", PATIENCE, async || of_the_loser("READY").await).await;

    set_token(&tenant, "of the second attempt").await;
    tenant.succeeds(&tenant.promote(lost).await).await;
    shows(&tenant, "it is served, with its own set", "of the second attempt").await;
    let gone = until("the other one is let go", PATIENCE, async || of_the_loser("STOPPED").await).await;
    assert_eq!(gone, stale, "long before its standby is over");
    assert_ne!(of_the_loser("READY").await.as_ref(), Some(&stale));
    let why = "it runs with other variables than the owner";
    let told = async || {
        let entries = tenant.timeline(None).await;
        entries.into_iter().find(|entry| entry["type"] == "allocation.draining" && entry["payload"]["reason"] == why)
    };
    until("the timeline says why", PATIENCE, told).await;
}
