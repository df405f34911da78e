//! GitHub's OAuth endpoints. Who is signed in at GitHub is the cookie `user_session=<id>`; a person who will not allow the app
//! has `decision=deny` beside it. The trap avoided: a code that fits every verifier, every app and every way back.

use super::{CLIENT_ID, CLIENT_SECRET, Held, Shared, Trouble, held};
use axum::{
    Form, Json,
    body::Body,
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::stream;
use reqwest::Url;
use rhone_eventstore::clock::random_bytes;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::{collections::HashMap, convert::Infallible, future::pending};

/// A code that was given out.
#[derive(Debug)]
pub(crate) struct Code {
    account: u64,
    redirect_uri: String,
    challenge: Option<String>,
    scope: String,
    pub(super) expired: bool,
}

type Words = HashMap<String, String>;

/// `GET /login/oauth/authorize`.
pub(super) async fn authorize(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Query(asked): Query<Words>,
) -> Response {
    let mut held = held(&shared);
    if asked.get("client_id").map(String::as_str) != Some(CLIENT_ID) {
        return (StatusCode::NOT_FOUND, "Not Found").into_response();
    }
    let state = asked.get("state").map(String::as_str);
    let first = held.callbacks.first().expect("an app has a way back").clone();
    let redirect_uri = asked.get("redirect_uri").cloned().unwrap_or_else(|| first.clone());
    if !held.callbacks.iter().any(|callback| is_registered(callback, &redirect_uri)) {
        let description = "The redirect_uri MUST match the registered callback URL for this application.";
        return back(&first, state, &[("error", "redirect_uri_mismatch"), ("error_description", description)]);
    }
    if asked.get("code_challenge_method").is_some_and(|method| method != "S256") {
        return (StatusCode::BAD_REQUEST, "code_challenge_method must be S256").into_response();
    }
    let cookie = headers.get(header::COOKIE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let cookies: HashMap<_, _> = cookie.split("; ").filter_map(|pair| pair.split_once('=')).collect();
    let Some(account) = cookies.get("user_session").and_then(|id| id.parse().ok()) else {
        return to("https://github.com/login");
    };
    assert!(held.people.contains_key(&account), "GitHub has no account {account}");
    if cookies.get("decision") == Some(&"deny") {
        let description = "The user has denied your application access.";
        return back(&redirect_uri, state, &[("error", "access_denied"), ("error_description", description)]);
    }
    let code = hex::encode(random_bytes::<10>());
    let given = Code {
        account,
        redirect_uri: redirect_uri.clone(),
        challenge: asked.get("code_challenge").cloned(),
        scope: asked.get("scope").cloned().unwrap_or_default(),
        expired: false,
    };
    held.codes.insert(code.clone(), given);
    back(&redirect_uri, state, &[("code", &code)])
}

/// Host and port exactly, the path the registered one or below it.
fn is_registered(callback: &str, redirect_uri: &str) -> bool {
    let (Ok(registered), Ok(asked)) = (Url::parse(callback), Url::parse(redirect_uri)) else { return false };
    let below = asked.path().strip_prefix(registered.path().trim_end_matches('/'));
    registered.origin() == asked.origin() && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn back(redirect_uri: &str, state: Option<&str>, words: &[(&str, &str)]) -> Response {
    let mut url = Url::parse(redirect_uri).expect("it was checked");
    for (name, value) in words {
        url.query_pairs_mut().append_pair(name, value);
    }
    if let Some(state) = state {
        url.query_pairs_mut().append_pair("state", state);
    }
    to(url.as_str())
}

fn to(url: &str) -> Response {
    (StatusCode::FOUND, [(header::LOCATION, url.to_owned())]).into_response()
}

/// `POST /login/oauth/access_token`.
pub(super) async fn exchange(State(shared): State<Shared>, headers: HeaderMap, Form(asked): Form<Words>) -> Response {
    let trouble = {
        let held = held(&shared);
        let code = asked.get("code").and_then(|code| held.codes.get(code));
        code.and_then(|code| held.trouble.get(&code.account)).copied()
    };
    match trouble {
        Some(Trouble::Down) => return (StatusCode::BAD_GATEWAY, "<html>Unicorn!</html>").into_response(),
        Some(Trouble::Silent) => pending::<()>().await,
        Some(Trouble::Nonsense) => return "access_token=gho_in_a_form&token_type=bearer".into_response(),
        Some(Trouble::Endless) => {
            let chunk = || Ok::<_, Infallible>(vec![b' '; 16 * 1024]);
            return Body::from_stream(stream::repeat_with(chunk)).into_response();
        }
        Some(Trouble::SecretReplaced | Trouble::EmailUnverified | Trouble::IgnoresPkce) | None => {}
    }
    let mut held = held(&shared);
    held.exchanges.push(asked.clone());
    let answer = judged(&mut held, &asked, trouble);
    // GitHub answers a form unless JSON is asked for, and 200 whatever it says.
    let wants_json = headers.get(header::ACCEPT).is_some_and(|accept| accept == "application/json");
    if wants_json { Json(answer).into_response() } else { "error=this_double_speaks_json".into_response() }
}

fn judged(held: &mut Held, asked: &Words, trouble: Option<Trouble>) -> Value {
    let word = |name: &str| asked.get(name).map(String::as_str).unwrap_or_default();
    let known = word("client_id") == CLIENT_ID && word("client_secret") == CLIENT_SECRET;
    if !known || trouble == Some(Trouble::SecretReplaced) {
        return error("incorrect_client_credentials", "The client_id and/or client_secret passed are incorrect.");
    }
    if trouble == Some(Trouble::EmailUnverified) {
        return error("unverified_user_email", "The user must have a verified primary email.");
    }
    // Whatever comes of it, a code is used once.
    let Some(code) = held.codes.remove(word("code")).filter(|code| !code.expired) else { return bad_code() };
    if asked.get("redirect_uri").is_some_and(|uri| *uri != code.redirect_uri) {
        let description = "The redirect_uri MUST match the registered callback URL for this application.";
        return error("redirect_uri_mismatch", description);
    }
    let challenge = asked.get("code_verifier").map(|verifier| URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)));
    let long_enough = asked.get("code_verifier").is_none_or(|verifier| (43..=128).contains(&verifier.len()));
    let proven = challenge == code.challenge && long_enough;
    if !proven && trouble != Some(Trouble::IgnoresPkce) {
        return bad_code();
    }
    let token = format!("gho_{}", hex::encode(random_bytes::<18>()));
    held.tokens.insert(token.clone(), (code.account, code.scope.clone()));
    json!({ "access_token": token, "token_type": "bearer", "scope": code.scope.replace(' ', ",") })
}

fn bad_code() -> Value {
    error("bad_verification_code", "The code passed is incorrect or expired.")
}

fn error(code: &str, description: &str) -> Value {
    let about = "/apps/managing-oauth-apps/troubleshooting-oauth-app-access-token-request-errors/";
    json!({ "error": code, "error_description": description, "error_uri": format!("{about}#{}", code.replace('_', "-")) })
}
