//! GraphQL over HTTP, as any client speaks it. The trap avoided: an answer with errors taken for a good one; whoever expects
//! data says so and gets a panic with the whole answer otherwise.

use crate::{
    browser::SESSION,
    schema::Schema,
    wait::{PATIENCE, until},
};
use reqwest::{
    RequestBuilder,
    header::{COOKIE, ORIGIN},
};
use serde_json::{Value, json};
use std::{
    sync::{
        Once,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

/// What every mutation answers besides its object.
const PAYLOAD: &str = "replayed position operation { id } userErrors { code field message expected actual gates { kind state reason } } plannedEvents { type }";

/// Somebody at the API.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    token: String,
    shows: Shows,
}

/// What it shows of who it is.
#[derive(Clone, Copy, Debug)]
enum Shows {
    /// A token.
    Token,
    /// The cookie of a session, from a page of ours.
    Cookie,
}

impl Client {
    /// With this token.
    pub fn new(url: &str, token: &str) -> Self {
        Self { http: http(), url: url.to_owned(), token: token.to_owned(), shows: Shows::Token }
    }

    /// With the cookie of a session.
    pub fn of_session(url: &str, cookie: &str) -> Self {
        Self { shows: Shows::Cookie, ..Self::new(url, cookie) }
    }

    fn shown(&self, request: RequestBuilder) -> RequestBuilder {
        match self.shows {
            Shows::Token => request.bearer_auth(&self.token),
            Shows::Cookie => request.header(COOKIE, format!("{SESSION}={}", self.token)).header(ORIGIN, &self.url),
        }
    }

    /// Where the API answers.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// With which token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The answer, whatever it says; an error when there was none.
    pub async fn try_ask(&self, query: &str, variables: Value) -> Result<Value, reqwest::Error> {
        self.try_send(&json!({ "query": query, "variables": variables })).await
    }

    /// As it is.
    pub async fn try_send(&self, body: &Value) -> Result<Value, reqwest::Error> {
        self.shown(self.http.post(format!("{}/graphql", self.url)))
            .header("accept", "application/graphql-response+json")
            .json(body)
            .send()
            .await?
            .json()
            .await
    }

    /// The answer, whatever it says.
    pub async fn ask(&self, query: &str, variables: Value) -> Value {
        self.try_ask(query, variables).await.unwrap_or_else(|error| panic!("the API does not answer: {error:?}"))
    }

    /// The data of an answer without errors. Whoever is told that the read models have not come so far yet asks again.
    pub async fn data(&self, query: &str, variables: Value) -> Value {
        let look = async || {
            let answer = self.ask(query, variables.clone()).await;
            (answer["errors"][0]["extensions"]["rule"] != "NOT_REACHED").then_some(answer)
        };
        let answer = until("the read models have come so far", PATIENCE, look).await;
        assert!(answer.get("errors").is_none(), "{query}: {answer:#}");
        answer["data"].clone()
    }

    /// The answer of a mutation, whatever it says.
    pub async fn try_mutate(&self, name: &str, object: &str, input: &Value) -> Result<Value, reqwest::Error> {
        let argument = &Schema::checked_in().mutation(name).arguments[0];
        let variables = if argument.name == "input" { json!({ "input": input }) } else { input.clone() };
        self.try_ask(&mutation(name, object), variables).await
    }

    /// The payload of a mutation that may be refused; `object` selects what it made, such as `app { id }`.
    pub async fn mutate(&self, name: &str, object: &str, input: Value) -> Value {
        self.data(&mutation(name, object), json!({ "input": input })).await[name].clone()
    }

    /// The payload of a mutation that is not refused.
    pub async fn done(&self, name: &str, object: &str, input: Value) -> Value {
        let payload = self.mutate(name, object, input.clone()).await;
        assert_eq!(payload["userErrors"], json!([]), "{name} {input}");
        payload
    }

    /// The id of what a test needs before it begins. Read models may be late, and then the object is null: the same key asks for the
    /// same answer.
    pub async fn made(&self, name: &str, object: &str, mut input: Value) -> String {
        input["idempotencyKey"] = json!(unique("made"));
        let look = async || {
            let made = self.done(name, &format!("{object} {{ id }}"), input.clone()).await;
            made[object]["id"].as_str().map(str::to_owned)
        };
        until("what was made can be read", PATIENCE, look).await
    }

    /// The first refusal of a mutation.
    pub async fn refused(&self, name: &str, object: &str, input: Value) -> Value {
        let payload = self.mutate(name, object, input.clone()).await;
        assert!(payload["userErrors"][0].is_object(), "{name} {input} was not refused: {payload:#}");
        payload["userErrors"][0].clone()
    }

    /// Any path of the API: status and body.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let sent = self.shown(self.http.get(format!("{}{path}", self.url))).send().await;
        let answer = sent.unwrap_or_else(|error| panic!("the API does not answer: {error:?}"));
        (answer.status().as_u16(), answer.text().await.expect("a text"))
    }

    /// What comes of storing bytes under a digest.
    pub async fn try_upload(&self, digest: &str, bytes: Vec<u8>) -> reqwest::Response {
        self.shown(self.http.put(format!("{}/v1/artifacts/{digest}", self.url)))
            .timeout(Duration::from_mins(1))
            .body(bytes)
            .send()
            .await
            .expect("the API answers uploads")
    }

    /// Stores bytes under their digest.
    pub async fn upload(&self, digest: &str, bytes: Vec<u8>) {
        let sent = self.try_upload(digest, bytes).await;
        let status = sent.status();
        assert!(status.is_success(), "{status}: {}", sent.text().await.unwrap_or_default());
    }
}

/// The document of a mutation; its variables are its arguments.
pub fn mutation(name: &str, object: &str) -> String {
    let mutation = Schema::checked_in().mutation(name);
    let argument = &mutation.arguments[0];
    let (variable, kind) = (&argument.name, &argument.kind);
    let answer = match mutation.answer.as_str() {
        "SessionRevokePayload!" | "SessionRevokeOthersPayload!" => {
            "{ revoked userErrors { code field message } }".to_owned()
        }
        _ => format!("{{ {object} {PAYLOAD} }}"),
    };
    format!("mutation(${variable}: {kind}) {{ {name}({variable}: ${variable}) {answer} }}")
}

/// Longer than an edge holds a request to an app that wakes.
const ANSWER: Duration = Duration::from_secs(45);

/// A client of HTTP.
pub fn http() -> reqwest::Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    reqwest::Client::builder().no_proxy().timeout(ANSWER).build().expect("a provider of cryptography is installed")
}

/// A word that nobody used before, short enough for a slug.
pub fn unique(word: &str) -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let since = SystemTime::UNIX_EPOCH.elapsed().expect("the clock is after 1970");
    format!("{word}-{:x}-{:x}", since.as_millis(), NUMBER.fetch_add(1, Ordering::Relaxed))
}
