//! A browser, as far as signing in goes: it keeps cookies by its own rules, says where a page is from, and follows nothing by
//! itself. The trap avoided: a client that sends what no browser would, or keeps what none would; a `__Host-` cookie without
//! what the prefix promises is a failed test.

use crate::{github::Account, graphql::http, wait::PATIENCE};
use reqwest::{
    Method, RequestBuilder, StatusCode, Url,
    header::{HeaderMap, LOCATION, SET_COOKIE},
    redirect::Policy,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

/// The session's cookie.
pub const SESSION: &str = "__Host-rhone_session";
/// The cookie of a sign-in under way.
pub const SIGN_IN: &str = "__Host-rhone_sign_in";

/// A browser with a page of ours open.
#[derive(Debug)]
pub struct Browser {
    http: reqwest::Client,
    api: String,
    cookies: Mutex<BTreeMap<String, String>>,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub text: String,
}

impl Reply {
    /// Where it leads.
    pub fn location(&self) -> String {
        let location = self.headers.get(LOCATION).unwrap_or_else(|| panic!("it leads nowhere: {self:?}"));
        location.to_str().expect("a URL is ASCII").to_owned()
    }

    /// As JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The code of a refusal, of GraphQL or of the sign-in; empty when it is none.
    pub fn code(&self) -> String {
        let body: Value = serde_json::from_str(&self.text).unwrap_or_default();
        let code = body["errors"][0]["extensions"]["code"].as_str().or_else(|| body["code"].as_str());
        code.or_else(|| body["error"].as_str()).unwrap_or_default().to_owned()
    }
}

impl Browser {
    /// One without a cookie.
    pub fn new(api: &str) -> Self {
        drop(http());
        let builder = reqwest::Client::builder().no_proxy().redirect(Policy::none()).timeout(PATIENCE);
        let http = builder.user_agent("Mozilla/5.0 (tests)").build().expect("a client");
        Self { http, api: api.to_owned(), cookies: Mutex::default() }
    }

    /// Where a path of the API is.
    pub fn address(&self, path: &str) -> String {
        format!("{}{path}", self.api)
    }

    /// A cookie that it has.
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Puts a cookie there, as whoever has the machine can.
    pub fn plant(&self, name: &str, value: &str) {
        self.cookies.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), value.to_owned());
    }

    /// Forgets a cookie.
    pub fn forget(&self, name: &str) {
        self.cookies.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// A request to the API with its cookies and nothing else.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.api));
        let cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        let line: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if line.is_empty() { request } else { request.header("cookie", line.join("; ")) }
    }

    /// Sends it and keeps the cookies that are set.
    pub async fn send(&self, request: RequestBuilder) -> Reply {
        let response = request.send().await.expect("the API answers");
        let (status, headers) = (response.status(), response.headers().clone());
        for line in headers.get_all(SET_COOKIE) {
            self.keep(line.to_str().expect("a cookie is ASCII"));
        }
        Reply { status, headers, text: response.text().await.expect("a body") }
    }

    /// As a browser keeps it (RFC 6265bis, section 4.1.3.2).
    fn keep(&self, line: &str) {
        let (pair, attributes) = line.split_once(';').expect("a cookie of ours has attributes");
        let (name, value) = pair.split_once('=').expect("a name and a value");
        let has = |word: &str| attributes.split(';').any(|attribute| attribute.trim().eq_ignore_ascii_case(word));
        assert!(name.starts_with("__Host-"), "{name}");
        for promised in ["Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
            assert!(has(promised), "{name} without {promised}: {attributes}");
        }
        assert!(!attributes.to_ascii_lowercase().contains("domain"), "{name} for other hosts: {attributes}");
        if has("Max-Age=0") { self.forget(name) } else { self.plant(name, value) }
    }

    /// Goes to an address of the API, as a click does.
    pub async fn get(&self, path: &str) -> Reply {
        let path = path.strip_prefix(&self.api).unwrap_or(path);
        self.send(self.request(Method::GET, path).header("accept", "application/json")).await
    }

    /// Begins a sign-in; where GitHub is to be found.
    pub async fn begin(&self, return_to: &str) -> String {
        let mut path = Url::parse(&self.api).expect("a URL");
        path.set_path("/auth/github/login");
        path.query_pairs_mut().append_pair("return_to", return_to);
        let reply = self.get(path.as_str()).await;
        assert_eq!(reply.status, 303, "{reply:?}");
        reply.location()
    }

    /// What the person does at GitHub; where GitHub sends the browser back to.
    pub async fn at_github(&self, authorize: &str, account: &Account, allows: bool) -> String {
        let decision = if allows { "" } else { "; decision=deny" };
        let asked = self.http.get(authorize).header("cookie", format!("user_session={}{decision}", account.id));
        let response = asked.send().await.expect("GitHub answers");
        assert_eq!(response.status(), 302, "{authorize}");
        response.headers()[LOCATION].to_str().expect("a URL is ASCII").to_owned()
    }

    /// Signs in; where the person ends up.
    pub async fn sign_in(&self, account: &Account, return_to: &str) -> String {
        let authorize = self.begin(return_to).await;
        let back = self.at_github(&authorize, account, true).await;
        let reply = self.get(&back).await;
        assert_eq!(reply.status, 303, "{reply:?}");
        reply.location()
    }

    /// GraphQL as the page does it, from our own origin.
    pub async fn graphql(&self, query: &str, variables: Value) -> Reply {
        self.graphql_from(Some(&self.api.clone()), query, variables).await
    }

    /// GraphQL from a page elsewhere, or from one that does not say where it is.
    pub async fn graphql_from(&self, origin: Option<&str>, query: &str, variables: Value) -> Reply {
        let request = self.request(Method::POST, "/graphql").json(&json!({ "query": query, "variables": variables }));
        let request = request.header("accept", "application/graphql-response+json");
        let request = origin.into_iter().fold(request, |request, origin| request.header("origin", origin));
        self.send(request).await
    }

    /// Who it is signed in as.
    pub async fn actor(&self) -> Option<String> {
        let reply = self.graphql("{ viewer { actor } }", json!({})).await;
        reply.json()["data"]["viewer"]["actor"].as_str().map(str::to_owned)
    }
}
