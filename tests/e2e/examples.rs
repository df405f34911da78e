//! The examples of `docs/api.md`, word for word: each is sent as it stands there and answered as it stands there. The trap avoided:
//! an example that was true once.

use rhone_tests::{
    artifacts::{self, Version},
    graphql::Client,
    live::{Events, Subscription},
    platform::Platform,
    program,
    story::Tenant,
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};
use std::fs;

/// A block of the page: its language and its text.
type Block = (String, String);

fn blocks() -> Vec<Block> {
    let page = fs::read_to_string(program::root().join("docs/api.md")).expect("the reference is checked in");
    let (_, examples) = page.split_once("\n## By example\n").expect("it has examples");
    let (examples, _) = examples.split_once("\n## ").expect("something follows them");
    let fenced = examples.split("```").skip(1).step_by(2);
    fenced
        .map(|block| block.split_once('\n').expect("a language, and lines"))
        .map(|(kind, text)| (kind.into(), text.into()))
        .collect()
}

/// Whether an answer is as the page says: `"…"` is any value, and everything else is itself.
fn is_as(shown: &Value, said: &Value) -> bool {
    match (shown, said) {
        (Value::String(any), _) if any == "…" => !said.is_null(),
        (Value::Object(shown), Value::Object(said)) => {
            let both = |(name, value): (&String, &Value)| said.get(name).is_some_and(|said| is_as(value, said));
            shown.len() == said.len() && shown.iter().all(both)
        }
        (Value::Array(shown), Value::Array(said)) => {
            shown.len() == said.len() && shown.iter().zip(said).all(|(shown, said)| is_as(shown, said))
        }
        (shown, said) => shown == said,
    }
}

struct Reader {
    client: Client,
    variables: Value,
}

impl Reader {
    /// Those variables that a document declares.
    fn declared(&self, document: &str) -> Value {
        let mut variables = self.variables.clone();
        let known = variables.as_object_mut().expect("an object");
        known.retain(|name, _| document.contains(&format!("${name}:")));
        variables
    }

    async fn sends(&mut self, document: &str) -> Value {
        if document.starts_with("subscription ") {
            let opened = Subscription::open(&self.client, "route", document, self.declared(document)).await;
            return json!({ "data": { "route": opened.expect("it opens").item().await } });
        }
        let answer = self.client.ask(document, self.declared(document)).await;
        for (variable, path) in document.lines().filter_map(|line| line.strip_prefix("# ")?.split_once(": ")) {
            let found = answer["data"].pointer(&format!("/{}", path.replace('.', "/"))).cloned().unwrap_or_default();
            assert!(!found.is_null(), "nothing at {path}: {answer:#}");
            self.variables[variable] = found;
        }
        answer
    }

    /// The first event of a stream.
    async fn follows(&self, request: &str) -> Value {
        let line = request.trim().strip_prefix("GET /v1/events?").expect("a request for events");
        let mut line = line.to_owned();
        for (name, value) in self.variables.as_object().expect("an object") {
            line = line.replace(&format!("${name}"), value.as_str().unwrap_or_default());
        }
        let pairs: Vec<_> = line.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let mut events =
            Events::open(&self.client, &pairs, None).await.unwrap_or_else(|why| panic!("{request}: {why:?}"));
        let sent = events.said().await;
        let words = sent.words();
        let named = |name: &&str| Some(((*name).to_owned(), words.get(*name)?.clone()));
        let data: serde_json::Map<_, _> = ["specversion", "source", "type"].iter().filter_map(named).collect();
        json!({ "event": sent.event, "id": sent.id, "data": data })
    }
}

/// An app with two releases, and nothing on its way.
async fn reader(platform: &Platform) -> Reader {
    let tenant = Tenant::open(platform, platform.developer()).await;
    let digest = artifacts::push(&tenant.client, &tenant.workspace, Version::Blue).await;
    let mut position = Value::Null;
    for _ in 0..2 {
        let input = json!({ "appId": tenant.app, "artifactDigest": digest });
        let made = tenant.client.done("deploymentCreate", "__typename", input).await;
        if let Some(operation) = made["operation"]["id"].as_str() {
            tenant.ends(operation).await;
        }
        position = made["position"].clone();
    }
    let query =
        "query($id: ID!, $at: String) { app(id: $id, atLeastPosition: $at) { deployments { nodes { status } } } }";
    let judged = async || {
        let seen = tenant.client.ask(query, json!({ "id": tenant.app, "at": position })).await;
        let seen = seen["data"]["app"]["deployments"]["nodes"].as_array()?.clone();
        (seen.len() == 2 && seen.iter().all(|one| one["status"] == "VALIDATED")).then_some(())
    };
    until("both releases are validated, and can be read", PATIENCE, judged).await;
    let variables = json!({ "app": tenant.app, "environment": tenant.production.id, "workspace": tenant.workspace });
    Reader { client: tenant.client, variables }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_example_of_the_reference_is_answered_as_it_says() {
    let platform = Platform::shared().await;
    let mut reader = reader(platform).await;
    let (mut ran, mut said) = (0, Value::Null);
    for (kind, block) in blocks() {
        match kind.as_str() {
            "graphql" => said = reader.sends(&block).await,
            "http" => said = reader.follows(&block).await,
            "json" => {
                let shown: Value = serde_json::from_str(&block).unwrap_or_else(|error| panic!("{error}: {block}"));
                assert!(is_as(&shown, &said), "the page shows {shown:#}, and it is {said:#}");
                ran += 1;
            }
            other => panic!("a block of `{other}`, which nobody runs"),
        }
    }
    assert!(ran >= 14, "only {ran} examples");
}

#[test]
fn an_answer_that_is_not_as_the_page_says_is_found() {
    let shown = json!({ "data": { "id": "…", "list": [1, { "a": null }] } });
    let right = json!({ "data": { "id": "x", "list": [1, { "a": null }] } });
    assert!(is_as(&shown, &right));
    for (place, lie) in [
        ("/data/id", Value::Null),
        ("/data/list/0", json!(2)),
        ("/data/list/1", json!({})),
        ("/data/list/1/a", json!(1)),
    ] {
        let mut wrong = right.clone();
        *wrong.pointer_mut(place).expect("it is there") = lie;
        assert!(!is_as(&shown, &wrong), "{place}");
    }
    let mut more = right;
    more["errors"] = json!([]);
    assert!(!is_as(&shown, &more), "errors that the page does not show");
}
