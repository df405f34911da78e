//! From bytes to one GraphQL request: JSON only, one object, 256 KiB. The trap avoided: the library's extractor takes arrays,
//! forms and multipart, and reads past the server's body limit.

use std::time::Duration;

use async_graphql::{Request, Variables};
use axum::{
    body::Body,
    http::{HeaderMap, StatusCode, header},
};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::documents::{Asker, Documents};
use crate::fault::{Code, Fault};

/// The largest body, and the largest WebSocket message.
pub(crate) const MAX_BODY: usize = 256 * 1024;

/// A refusal whose status says more than its code.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) fault: Fault,
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self { status: fault.code.status(), fault }
    }
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, field: &'static str, rule: &'static str) -> Self {
        Self { status, fault: Fault::bad_input(field, rule) }
    }
}

/// `application/json`, with no charset or with UTF-8: a form post from a foreign page cannot say this without a preflight.
pub(crate) fn require_json(headers: &HeaderMap) -> Result<(), Refusal> {
    let text = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut parts = text.split(';').map(str::trim);
    let json = parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"));
    let utf8 = parts.filter_map(|part| part.split_once('=')).all(|(name, value)| {
        !name.trim().eq_ignore_ascii_case("charset") || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
    });
    if json && utf8 && !headers.contains_key(header::CONTENT_ENCODING) {
        return Ok(());
    }
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    Err(Refusal::new(status, "Content-Type", "must be application/json in UTF-8, without an encoding"))
}

/// Reads the whole body, or refuses it for its size or its slowness.
pub(crate) async fn read(body: Body, timeout: Duration) -> Result<Vec<u8>, Refusal> {
    let bytes = tokio::time::timeout(timeout, axum::body::to_bytes(body, MAX_BODY))
        .await
        .map_err(|_| Refusal::new(StatusCode::REQUEST_TIMEOUT, "body", "must arrive in time"))?;
    // The only failure `to_bytes` has besides a broken connection is the limit, and a broken one hears no answer.
    bytes
        .map(Vec::from)
        .map_err(|_| Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "body", "must be at most 262144 bytes"))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Parameters {
    query: Option<String>,
    operation_name: Option<String>,
    variables: Option<Map<String, Value>>,
    extensions: Option<Map<String, Value>>,
}

/// A request from a JSON text.
pub(crate) fn parse(bytes: &[u8], documents: &Documents, asker: Asker) -> Result<Request, Fault> {
    match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{') => {}
        Some(b'[') => return Err(Fault::bad_input("body", "must be one request: batches are not accepted")),
        _ => return Err(Fault::bad_input("body", "must be a JSON object")),
    }
    build(serde_json::from_slice(bytes).map_err(|error| malformed("body", &error))?, documents, asker)
}

/// A request from the payload of a WebSocket message.
pub(crate) fn parse_payload(payload: Value, documents: &Documents, asker: Asker) -> Result<Request, Fault> {
    if !payload.is_object() {
        return Err(Fault::bad_input("payload", "must be a JSON object"));
    }
    build(serde_json::from_value(payload).map_err(|error| malformed("payload", &error))?, documents, asker)
}

/// The parameters of a GET request; the three that are not text are JSON in text.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QueryString {
    query: Option<String>,
    operation_name: Option<String>,
    variables: Option<String>,
    extensions: Option<String>,
}

/// A request from a query string.
pub(crate) fn parse_query_string(raw: QueryString, documents: &Documents, asker: Asker) -> Result<Request, Fault> {
    if raw.query.as_ref().is_some_and(|query| query.len() > MAX_BODY) {
        return Err(Fault::bad_input("query", "is too long"));
    }
    let object = |field: &'static str, text: Option<String>| {
        let text = text.filter(|text| !text.is_empty());
        text.map_or(Ok(None), |text| serde_json::from_str(&text).map_err(|error| malformed(field, &error)))
    };
    let variables = object("variables", raw.variables)?;
    let extensions = object("extensions", raw.extensions)?;
    let parameters = Parameters { query: raw.query, operation_name: raw.operation_name, variables, extensions };
    build(parameters, documents, asker)
}

fn build(parameters: Parameters, documents: &Documents, asker: Asker) -> Result<Request, Fault> {
    let text = documents.resolve(asker, parameters.query, &parameters.extensions.unwrap_or_default())?;
    let variables = Variables::from_json(Value::Object(parameters.variables.unwrap_or_default()));
    let request = Request::new(text).variables(variables);
    Ok(match parameters.operation_name {
        Some(name) => request.operation_name(name),
        None => request,
    })
}

fn malformed(field: &'static str, error: &serde_json::Error) -> Fault {
    // The library's words may quote what was sent, and that may be a secret.
    let rule = format!("must be a well-formed request (line {}, column {})", error.line(), error.column());
    Fault { field: Some(field.into()), ..Fault::new(Code::BadUserInput, format!("{field}: {rule}")) }
}
