//! The wire to the API: one question, one answer, tried again while nobody answers. The trap avoided: a mutation done twice
//! because its answer was lost; its idempotency key is made once, before the first attempt, and goes with every one.

use super::{
    failure::Failure,
    login::Said,
    mutation::{Mutation, Payload},
};
use crate::data::Data;
use reqwest::{Client, RequestBuilder, StatusCode, header::CONTENT_TYPE};
use rhone_eventstore::Clock;
use serde_json::{Value, json};
use std::{fmt, time::Duration};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

/// How long nobody may answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// As a person sees it who lets it in.
const AGENT: &str = concat!("rhone/", env!("CARGO_PKG_VERSION"));

/// The API, and who asks it.
#[derive(Clone)]
pub struct Connection {
    url: String,
    token: String,
    http: Client,
    clock: Clock,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Whether a question may be asked again when it is unknown what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// It changes nothing, or has a key.
    May,
    /// It would do it twice.
    MustNot,
}

/// What became of one attempt.
enum Attempt {
    Answered(StatusCode, Vec<u8>),
    Lost(reqwest::Error),
}

impl Connection {
    /// To the API at this URL, with this token.
    pub fn new(url: &str, token: &str) -> Result<Self, Failure> {
        let builder = Client::builder()
            .user_agent(AGENT)
            .connect_timeout(Duration::from_secs(3))
            .read_timeout(Duration::from_secs(15));
        let is_here = ["http://127.", "http://localhost"].iter().any(|here| url.starts_with(here));
        // A proxy for the outside world has no business between us and this machine.
        let builder = if is_here { builder.no_proxy() } else { builder };
        let http = builder.build().map_err(|error| Failure::local("preparing to ask the API", error))?;
        let url = url.trim_end_matches('/').to_owned();
        Ok(Self { url, token: token.to_owned(), http, clock: Clock::system() })
    }

    /// As `RHONE_URL` and `RHONE_TOKEN` say; what they do not say is taken from the `rhone up` of this data folder and from
    /// what `rhone login` was given.
    pub(crate) fn configured(data: &Data) -> Result<Self, Failure> {
        let (url, token) = Said::read(data)?.chosen()?;
        Self::new(&url, &token)
    }

    pub(crate) fn http(&self) -> &Client {
        &self.http
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Where a path of the API is.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Asks what changes nothing; the answer is `data`.
    pub async fn query(&self, document: &str, variables: Value) -> Result<Value, Failure> {
        self.ask(document, variables, Again::May).await
    }

    /// Changes something. A key is made unless the input has one; a refusal is in the payload.
    pub async fn mutate(&self, mutation: &Mutation, mut input: Value) -> Result<Payload, Failure> {
        if input.get("idempotencyKey").is_none_or(Value::is_null) {
            let key: Uuid = self.clock.new_id();
            input["idempotencyKey"] = json!(key.to_string());
        }
        let mut data = self.ask(&mutation.document(), json!({ "input": input }), Again::May).await?;
        Ok(Payload::new(data[mutation.name].take(), mutation.object))
    }

    /// Asks, and asks again while nobody answers.
    pub(crate) async fn ask(&self, document: &str, variables: Value, again: Again) -> Result<Value, Failure> {
        let url = self.at("/graphql");
        let body = json!({ "query": document, "variables": variables });
        let until = Instant::now() + PATIENCE;
        let mut pause = Duration::from_millis(25);
        loop {
            let request = self.http.post(&url).bearer_auth(&self.token).json(&body);
            let failure = match attempt(request).await {
                Attempt::Answered(status, bytes) => match read(status, &bytes) {
                    Ok(data) => return Ok(data),
                    Err(failure) if !is_passing(status, &failure) => return Err(failure),
                    Err(failure) => failure,
                },
                Attempt::Lost(source) => {
                    let sent = !source.is_connect();
                    let failure = Failure::Unreachable { url: url.clone(), source };
                    if sent && again == Again::MustNot {
                        return Err(failure);
                    }
                    failure
                }
            };
            if again == Again::MustNot && !matches!(failure, Failure::Unreachable { .. }) || Instant::now() >= until {
                return Err(failure);
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }
}

async fn attempt(request: RequestBuilder) -> Attempt {
    let answer = async {
        let response = request.header(CONTENT_TYPE, "application/json").send().await?;
        let status = response.status();
        Ok((status, response.bytes().await?.to_vec()))
    };
    match answer.await {
        Ok((status, bytes)) => Attempt::Answered(status, bytes),
        Err(error) => Attempt::Lost(error),
    }
}

/// The `data` of an answer, or its first error.
fn read(status: StatusCode, bytes: &[u8]) -> Result<Value, Failure> {
    let Ok(mut answer) = serde_json::from_slice::<Value>(bytes) else {
        let code = if status == StatusCode::UNAUTHORIZED { "UNAUTHENTICATED" } else { "HTTP" };
        return Err(fault(code, format!("status {status}")));
    };
    let Some(error) = answer["errors"].get(0) else {
        let data = answer["data"].take();
        let nothing = || Failure::Unexpected(format!("status {status} without data"));
        return if data.is_null() { Err(nothing()) } else { Ok(data) };
    };
    let code = error["extensions"]["code"].as_str().unwrap_or("HTTP").to_owned();
    let mut message = error["message"].as_str().unwrap_or_default().to_owned();
    if let (true, Some(request)) = (code == "INTERNAL", error["extensions"]["requestId"].as_str()) {
        message = format!("{message} (request {request})");
    }
    Err(fault(&code, message))
}

fn fault(code: &str, message: String) -> Failure {
    match code {
        "UNAUTHENTICATED" => Failure::Unauthenticated(message),
        _ => Failure::Fault { code: code.to_owned(), message },
    }
}

/// Whether it may go by itself: a server that is being started again, a database that recovers.
fn is_passing(status: StatusCode, failure: &Failure) -> bool {
    status.is_server_error()
        || matches!(failure, Failure::Fault { code, .. } if ["INTERNAL", "RATE_LIMITED", "OVERLOADED"].contains(&code.as_str()))
}

#[cfg(test)]
mod tests {
    //! How answers are read.
    use super::*;

    fn answer(status: u16, body: &Value) -> Result<Value, Failure> {
        read(StatusCode::from_u16(status).expect("a status"), &serde_json::to_vec(body).expect("JSON"))
    }

    #[test]
    fn data_is_data_and_the_first_error_is_the_failure() {
        assert_eq!(answer(200, &json!({ "data": { "a": 1 } })).expect("data"), json!({ "a": 1 }));
        let error = json!({ "errors": [{ "message": "no such app", "extensions": { "code": "NOT_FOUND" } }] });
        assert_eq!(answer(200, &error).expect_err("an error").to_string(), "NOT_FOUND: no such app");
        let error = json!({ "errors": [{ "message": "no", "extensions": { "code": "UNAUTHENTICATED" } }] });
        assert_eq!(answer(401, &error).expect_err("an error").exit_code(), 3);
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let of = |code| Failure::Fault { code: String::from(code), message: String::new() };
        assert!(is_passing(StatusCode::OK, &of("INTERNAL")));
        assert!(is_passing(StatusCode::SERVICE_UNAVAILABLE, &of("HTTP")));
        assert!(!is_passing(StatusCode::OK, &of("NOT_FOUND")));
    }

    #[test]
    fn the_token_is_not_in_a_debug() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let connection = Connection::new("http://127.0.0.1:1/", "rhone_secret").expect("built");
        assert!(!format!("{connection:?}").contains("rhone_secret"));
        assert_eq!(connection.at("/graphql"), "http://127.0.0.1:1/graphql");
    }
}
