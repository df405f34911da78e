//! Every mutation with everything that can be wrong with each of its fields. The table is the schema itself: a mutation or
//! a field that is new fails here until somebody says what is wrong with it. The trap avoided: an answer that refuses while
//! the thing was done; the events of the caller are counted before and after.

use rhone_tests::{
    database::{administrator, successes_of},
    inputs::{Owner, bad_values, unknown_id},
    platform::Platform,
    schema::{Field, Schema},
};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_input_of_every_mutation_breaks_no_rule_of_form_and_does_nothing_on_a_dry_run() {
    let platform = Platform::shared().await;
    let owner = Owner::new(platform).await;
    let schema = Schema::checked_in();
    assert!(schema.mutations.len() >= 20, "the schema was read: {:?}", schema.mutations);
    let mut database = administrator(platform).await;
    let before = successes_of(&mut database, owner.person.actor).await;
    let mut accepted = 0;
    for mutation in &schema.mutations {
        let fields = schema.fields(mutation);
        assert!(fields.iter().any(|field| field.name == "dryRun"), "{} cannot be tried", mutation.name);
        let mut input = owner.good_input(&fields);
        input["dryRun"] = json!(true);
        let answer = ask(&owner, &mutation.name, &input).await;
        assert!(answer.get("errors").is_none(), "{} {input}: {answer:#}", mutation.name);
        accepted += usize::from(answer["data"][&mutation.name]["userErrors"] == json!([]));
        let after = successes_of(&mut database, owner.person.actor).await;
        assert_eq!(after, before, "{} brought something about on a dry run: {answer:#}", mutation.name);
    }
    assert!(accepted > 10, "only {accepted} would have been accepted");
    // The same without `dryRun` is counted.
    let input = json!({ "environmentId": owner.tenant.preview.id, "reason": "for good" });
    owner.tenant.client.done("environmentFreeze", "__typename", input).await;
    assert!(successes_of(&mut database, owner.person.actor).await > before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_wrong_with_a_field_is_answered_with_field_and_rule_and_nothing_happens() {
    let platform = Platform::shared().await;
    let owner = Owner::new(platform).await;
    let schema = Schema::checked_in();
    let mut database = administrator(platform).await;
    let before = successes_of(&mut database, owner.person.actor).await;
    assert!(before > 10, "the owner's own things are counted: {before}");
    let (mut cases, mut wrong) = (0, Vec::new());
    for mutation in &schema.mutations {
        let fields = schema.fields(mutation);
        for field in &fields {
            for (what, input) in bad_inputs(&owner, &fields, field) {
                cases += 1;
                let answer = ask(&owner, &mutation.name, &input).await;
                let case = format!("{}.{} {what}", mutation.name, field.name);
                wrong.extend(complaint(&answer, &mutation.name, &field.name).map(|why| format!("{case}: {why}")));
                let after = successes_of(&mut database, owner.person.actor).await;
                assert_eq!(after, before, "{case} brought something about: {answer:#}");
            }
        }
    }
    assert!(cases > 400, "only {cases} cases");
    assert!(wrong.is_empty(), "{} of {cases} answers name no field or no rule:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_malformed_time_or_id_of_a_question_is_refused_by_the_name_of_its_field() {
    let platform = Platform::shared().await;
    let owner = Owner::new(platform).await;
    let environment = format!("environment(id: \"{}\")", owner.tenant.preview.id);
    let app = format!("app(id: \"{}\")", owner.tenant.app);
    let good = "2026-01-01T00:00:00Z";
    for (question, kind, field) in [
        (format!("{environment} {{ changes(from: $it, to: \"{good}\") {{ field }} }}"), "DateTime!", "from"),
        (format!("{environment} {{ changes(from: \"{good}\", to: $it) {{ field }} }}"), "DateTime!", "to"),
        (format!("{app} {{ replay(at: {{ time: $it }}) {{ statesHash }} }}"), "DateTime", "at.time"),
        (
            format!("{app} {{ timeline(first: 1, filter: {{ since: $it }}) {{ nodes {{ type }} }} }}"),
            "DateTime",
            "since",
        ),
        (
            format!("{app} {{ timeline(first: 1, filter: {{ until: $it }}) {{ nodes {{ type }} }} }}"),
            "DateTime",
            "until",
        ),
        (
            format!("{app} {{ deployments(first: 1, filter: {{ createdSince: $it }}) {{ nodes {{ id }} }} }}"),
            "DateTime",
            "createdSince",
        ),
        (
            format!("replay(stream: \"{}\", at: {{ time: $it }}) {{ version }}", owner.tenant.preview.id),
            "DateTime",
            "at.time",
        ),
        ("node(id: $it) { id }".to_owned(), "ID!", "id"),
        ("workspace(id: $it) { id }".to_owned(), "ID!", "id"),
    ] {
        let query = format!("query($it: {kind}) {{ {question} }}");
        for wrong in [json!("yesterday"), json!(""), json!(7), json!("2026-13-01T00:00:00Z")] {
            let answer = owner.tenant.client.ask(&query, json!({ "it": wrong })).await;
            let (code, named) =
                (&answer["errors"][0]["extensions"]["code"], &answer["errors"][0]["extensions"]["field"]);
            assert_eq!((code, named), (&json!("BAD_USER_INPUT"), &json!(field)), "{query} {wrong}: {answer:#}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_beyond_every_limit_is_refused_before_it_is_read() {
    let platform = Platform::shared().await;
    let developer = platform.developer();
    let input = json!({ "slug": "x".repeat(5_000_000), "name": "A name" });
    let answer = developer.try_mutate("workspaceCreate", "workspace { id }", &input).await;
    if let Ok(answer) = answer {
        let code = answer["errors"][0]["extensions"]["code"].as_str().unwrap_or_default();
        assert!(!["", "INTERNAL"].contains(&code), "{answer:#}");
    }
    assert!(developer.data("{ viewer { actor } }", json!({})).await["viewer"]["actor"].is_string());
}

/// The good input, wrong in this one field.
fn bad_inputs(owner: &Owner, fields: &[Field], field: &Field) -> Vec<(String, Value)> {
    let good = owner.good_input(fields);
    let mut inputs = Vec::new();
    let mut with = |what: String, value: Value| {
        let mut input = good.clone();
        input[&field.name] = value;
        inputs.push((what, input));
    };
    for (what, value) in bad_values(field) {
        with(format!("{what} {:.40}", value.to_string()), value);
    }
    if field.kind.starts_with("ID") {
        with("unknown".into(), json!(unknown_id(good[&field.name].as_str().unwrap_or_default())));
    }
    if field.name == "expectedRouteEpoch" {
        with("stale".into(), json!(999));
        with("the largest".into(), json!(u64::MAX));
    }
    if field.name == "artifactDigest" || field.name == "digest" {
        with("unknown".into(), json!(format!("sha256:{}", "ab".repeat(32))));
    }
    if !field.optional {
        let mut input = good.clone();
        input.as_object_mut().expect("an input is an object").remove(&field.name);
        inputs.push(("missing".into(), input));
    }
    inputs
}

async fn ask(owner: &Owner, name: &str, input: &Value) -> Value {
    owner.tenant.client.try_mutate(name, "__typename", input).await.unwrap_or_else(|error| panic!("{name}: {error:?}"))
}

/// What is missing in an answer that should name field and rule.
fn complaint(answer: &Value, mutation: &str, field: &str) -> Option<String> {
    let error = &answer["errors"][0];
    if error.is_object() {
        let (details, message) = (&error["extensions"], error["message"].as_str().unwrap_or_default());
        let code = details["code"].as_str().unwrap_or_default();
        if !["BAD_USER_INPUT", "NOT_FOUND"].contains(&code) {
            return Some(format!("code {code}: {message:.200}"));
        }
        let named = details["field"] == field || message.contains(field);
        return (!named || message.len() <= field.len() + 2).then(|| format!("unnamed: {error}"));
    }
    let payload = &answer["data"][mutation];
    // Neither revoking nor rotating what is not there is a success, and says no more to whom it does not belong.
    if payload == &json!({ "revoked": false }) || payload == &json!({ "rotated": false }) {
        return None;
    }
    let refusal = &payload["userErrors"][0];
    let typed = refusal["code"].is_string() && refusal["field"] == field && refusal["message"].is_string();
    (!typed).then(|| format!("not refused, or by another field: {payload}"))
}
