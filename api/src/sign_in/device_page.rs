//! Where a person lets a program in, or turns it away: type the code, see who asks, decide. The traps avoided: a link that lets
//! somebody in by being followed (what is got changes nothing, not even a count), a form of a page elsewhere (it must come from
//! ours, with a word that only this session's pages know), and codes tried one after the other (five, then ten minutes of none).

use super::{SignIn, cookie, device::typed, entrance::redirect, page::page, refusal::Refusal};
use crate::{
    authenticate::AuthError,
    fault::{Code, Fault},
    identity::Principal,
};
use axum::{
    Form,
    extract::{
        Query, State,
        rejection::{FormRejection, QueryRejection},
    },
    http::{HeaderMap, StatusCode},
    response::Response,
};
use maud::{Markup, html};
use rhone_domain::digest::Digest;
use serde::Deserialize;
use sqlx::Row as _;
use std::sync::Arc;

/// What was asked for in the link.
#[derive(Deserialize)]
pub(super) struct Asked {
    user_code: Option<String>,
}

/// What a form of ours sends.
#[derive(Deserialize)]
pub(super) struct Filled {
    user_code: String,
    proof: String,
    verdict: Verdict,
}

/// What a person does with a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Look,
    Approve,
    Deny,
}

impl Verdict {
    /// As the database's function takes it.
    fn word(self) -> &'static str {
        match self {
            Self::Look => "looked",
            Self::Approve => "approved",
            Self::Deny => "denied",
        }
    }
}

/// `GET /auth/device?user_code=`.
pub(super) async fn show(
    State(sign_in): State<Arc<SignIn>>,
    headers: HeaderMap,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let code = asked.ok().and_then(|Query(asked)| asked.user_code).and_then(|text| typed(&text));
    match person(&sign_in, &headers).await {
        Ok((_, secret)) => entry(StatusCode::OK, code.as_deref(), &proof(secret), None),
        Err(Some(refusal)) => refusal.answer(&headers),
        Err(None) => to_sign_in(&sign_in, code.as_deref()).unwrap_or_else(|| Refusal::signed_out().answer(&headers)),
    }
}

/// `POST /auth/device`.
pub(super) async fn decide(
    State(sign_in): State<Arc<SignIn>>,
    headers: HeaderMap,
    filled: Result<Form<Filled>, FormRejection>,
) -> Response {
    decided(&sign_in, &headers, filled).await.unwrap_or_else(|refusal| refusal.answer(&headers))
}

async fn decided(
    sign_in: &SignIn,
    headers: &HeaderMap,
    filled: Result<Form<Filled>, FormRejection>,
) -> Result<Response, Refusal> {
    sign_in.origins.require(headers)?;
    let (principal, secret) = match person(sign_in, headers).await {
        Ok(person) => person,
        Err(refusal) => return Err(refusal.unwrap_or_else(Refusal::signed_out)),
    };
    let Ok(Form(filled)) = filled else {
        return Err(Fault::bad_input("verdict", "must be look, approve or deny, beside user_code and proof").into());
    };
    // Digests are compared, so that the time it takes says nothing.
    if Digest::of(&[filled.proof.as_bytes()]) != Digest::of(&[proof(secret).as_bytes()]) {
        return Err(Fault::new(Code::Forbidden, "this form is not one of this session: open the page again").into());
    }
    let unknown = "No program asks under this code. Look at it again, or begin again there.";
    let Some(code) = typed(&filled.user_code) else {
        return Ok(entry(StatusCode::BAD_REQUEST, None, &proof(secret), Some(unknown)));
    };
    let mut asking = sign_in.sessions.asking(principal.actor).await?;
    let row = sqlx::query("SELECT outcome, agent, address, created_at FROM identity.decide_device($1, $2, $3)")
        .bind(principal.token)
        .bind(&code)
        .bind(filled.verdict.word())
        .fetch_optional(&mut *asking)
        .await?
        .ok_or_else(Refusal::signed_out)?;
    asking.commit().await?;
    let outcome: String = row.try_get("outcome")?;
    match outcome.as_str() {
        "looked" => Ok(question(&code, &proof(secret), &Waiting::read(&row)?)),
        "approved" => Ok(end("Signed in", "The program is signed in as you. You may close this page.")),
        "denied" => Ok(end("Turned away", "The program was turned away. You may close this page.")),
        "limited" => {
            let message = "too many codes that were none; no code is taken for ten minutes";
            Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", message).after(600))
        }
        _ => Ok(entry(StatusCode::NOT_FOUND, None, &proof(secret), Some(unknown))),
    }
}

/// Who has this page open, and the cookie; nothing if nobody does.
async fn person<'a>(sign_in: &SignIn, headers: &'a HeaderMap) -> Result<(Principal, &'a str), Option<Refusal>> {
    let secret = cookie::value(headers, cookie::SESSION).ok_or(None)?;
    match sign_in.sessions.recognise(secret).await {
        Ok(principal) => Ok((principal, secret)),
        Err(AuthError::Refused) => Err(None),
        Err(AuthError::Unavailable(cause)) => Err(Some(Refusal::unavailable("asking who is signed in", &*cause))),
    }
}

/// A word that only pages of this session know.
fn proof(secret: &str) -> String {
    Digest::of(&[b"rhone.form.v1\n", secret.as_bytes()]).hex()
}

/// To the way in that there is, and back here.
fn to_sign_in(sign_in: &SignIn, code: Option<&str>) -> Option<Response> {
    let way = match (&sign_in.github, sign_in.settings.development_user) {
        (Some(_), _) => "/auth/github/login",
        (None, Some(_)) => "/auth/dev/login",
        (None, None) => return None,
    };
    // Eight letters need no escaping, and the question mark is escaped here.
    let back = code.map_or_else(|| "/auth/device".to_owned(), |code| format!("/auth/device%3Fuser_code={code}"));
    Some(redirect(&format!("{way}?return_to={back}"), []))
}

/// Who asks to be let in.
struct Waiting {
    agent: String,
    address: String,
    since: chrono::DateTime<chrono::Utc>,
}

impl Waiting {
    fn read(row: &sqlx::postgres::PgRow) -> Result<Self, sqlx::Error> {
        let (agent, address) = (row.try_get("agent")?, row.try_get("address")?);
        Ok(Self { agent, address, since: row.try_get("created_at")? })
    }
}

fn form(code: Option<&str>, proof: &str, inside: &Markup) -> Markup {
    html! {
        form method="post" action="/auth/device" {
            input type="hidden" name="proof" value=(proof);
            @if let Some(code) = code { input type="hidden" name="user_code" value=(code); }
            (inside)
        }
    }
}

fn entry(status: StatusCode, code: Option<&str>, proof: &str, trouble: Option<&str>) -> Response {
    let inside = html! {
        input name="user_code" value=[code] maxlength="16" size="12" autocomplete="off" autofocus required;
        " "
        button name="verdict" value="look" { "Go on" }
    };
    let body = html! {
        @if let Some(trouble) = trouble { p { strong { (trouble) } } }
        p { "Type the code that the program shows." }
        (form(None, proof, &inside))
    };
    page(status, "Sign in a program", &body)
}

fn question(code: &str, proof: &str, waiting: &Waiting) -> Response {
    let buttons = html! {
        button name="verdict" value="approve" { "Sign it in as me" }
        " "
        button name="verdict" value="deny" { "Turn it away" }
    };
    let body = html! {
        p { "A program wants to be signed in as you. Go on only if you began this yourself, and it shows this code:" }
        p { code { (&code[..4]) "-" (&code[4..]) } }
        dl {
            dt { "Program" } dd { (waiting.agent) }
            dt { "Address" } dd { (waiting.address) }
            dt { "Asked at" } dd { (waiting.since.format("%Y-%m-%d %H:%M:%S UTC")) }
        }
        (form(Some(code), proof, &buttons))
    };
    page(StatusCode::OK, "Sign in a program?", &body)
}

fn end(title: &str, text: &str) -> Response {
    page(StatusCode::OK, title, &html! { p { (text) } })
}
