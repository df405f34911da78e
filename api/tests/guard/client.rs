//! An HTTP client that sends exactly what a test says, headers and all.

use axum::{
    body::Body,
    http::{HeaderMap, Method, Request, StatusCode},
};
use http_body_util::BodyExt;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::{Value, json};

use crate::server::{Server, TOKEN};

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The code of the first error.
    pub(crate) fn code(&self) -> String {
        self.json()["errors"][0]["extensions"]["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// The headers of a well-behaved caller.
pub(crate) const GOOD: [(&str, &str); 3] = [
    ("content-type", "application/json"),
    ("accept", "application/graphql-response+json"),
    ("authorization", "Bearer alice-token"),
];

impl Server {
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Reply {
        let mut request = Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let client: Client<_, Body> = Client::builder(TokioExecutor::new()).build_http();
        let response = client.request(request.body(body.into()).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Reply { status: parts.status, headers: parts.headers, text: String::from_utf8_lossy(&bytes).into_owned() }
    }

    pub(crate) async fn post(&self, headers: &[(&str, &str)], body: impl Into<Body>) -> Reply {
        self.send(Method::POST, "/graphql", headers, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        let authorization = format!("Bearer {TOKEN}");
        self.send(Method::GET, path, &[("authorization", &authorization)], Body::empty()).await
    }

    /// A query by a well-behaved caller.
    pub(crate) async fn query(&self, query: &str) -> Reply {
        self.post(&GOOD, json!({ "query": query }).to_string()).await
    }

    pub(crate) async fn query_with(&self, query: &str, variables: Value) -> Reply {
        self.post(&GOOD, json!({ "query": query, "variables": variables }).to_string()).await
    }
}

/// The good headers with one of them replaced, added, or (empty) left out.
pub(crate) fn but<'a>(name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut headers: Vec<_> = GOOD.into_iter().filter(|(other, _)| *other != name).collect();
    if !value.is_empty() {
        headers.push((name, value));
    }
    headers
}
