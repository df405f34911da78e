//! GitHub's web flow: an authorization code with PKCE (RFC 7636, S256), and a state that is bound to the browser by a cookie.
//! The traps avoided: a code that somebody else's browser brings (the state is nobody's without its cookie), a code that is
//! brought twice (a sign-in is taken once), a session that was there before (it ends, and its cookie is replaced). PKCE's
//! verifier is made from cookie and state together, and kept nowhere.

use super::{
    SignIn,
    asker::Asker,
    cookie,
    entrance::{asked_for, entered, redirect},
    refusal::Refusal,
    return_to::ReturnTo,
    sessions,
};
use crate::identity::hash;
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header},
    response::Response,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rhone_domain::{digest::Digest, ids::ActorId};
use rhone_eventstore::clock::secret;
use rhone_providers::github::{Account, GitHubError};
use serde::Deserialize;
use std::{sync::Arc, time::Duration};
use uuid::Uuid;

/// How long a person may take at GitHub.
const PATIENCE: Duration = Duration::from_mins(10);

#[derive(Deserialize)]
pub(super) struct Asked {
    return_to: Option<String>,
}

/// What GitHub sends a browser back with.
#[derive(Deserialize)]
pub(super) struct Brought {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
}

/// `GET /auth/github/login?return_to=`.
pub(super) async fn log_in(State(sign_in): State<Arc<SignIn>>, headers: HeaderMap, uri: Uri) -> Response {
    begun(&sign_in, &uri).await.unwrap_or_else(|refusal| refusal.answer(&headers))
}

async fn begun(sign_in: &SignIn, uri: &Uri) -> Result<Response, Refusal> {
    let provider = sign_in.github.as_ref().ok_or_else(Refusal::signed_out)?;
    let asked: Asked = asked_for(uri)?;
    let return_to = ReturnTo::parse(asked.return_to.as_deref())?;
    let (state, browser) = (secret(), secret());
    sqlx::query("SELECT identity.begin_sign_in($1, $2, $3, $4)")
        .bind(hash(&state).0)
        .bind(hash(&browser).0)
        .bind(return_to.as_str())
        .bind(sessions::seconds(PATIENCE))
        .execute(&sign_in.pool)
        .await?;
    let challenge = URL_SAFE_NO_PAD.encode(hash(&verifier(&browser, &state)).0);
    let to = provider.authorize(&state, &challenge);
    Ok(redirect(&to, [cookie::set(cookie::SIGN_IN, &browser, PATIENCE)]))
}

/// 43 characters, as RFC 7636 wants at least; whoever has the state alone, or the cookie alone, cannot make it.
fn verifier(browser: &str, state: &str) -> String {
    URL_SAFE_NO_PAD.encode(Digest::of(&[b"rhone.pkce.v1\n", browser.as_bytes(), b"\n", state.as_bytes()]).0)
}

/// `GET /auth/github/callback`.
pub(super) async fn call_back(
    State(sign_in): State<Arc<SignIn>>,
    asker: Asker,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let mut answer = match came_back(&sign_in, &asker, &headers, &uri).await {
        Ok(response) => response,
        Err(refusal) => refusal.answer(&headers),
    };
    answer.headers_mut().append(header::SET_COOKIE, cookie::unset(cookie::SIGN_IN));
    answer
}

async fn came_back(sign_in: &SignIn, asker: &Asker, headers: &HeaderMap, uri: &Uri) -> Result<Response, Refusal> {
    let brought: Brought = asked_for(uri)?;
    let provider = sign_in.github.as_ref().ok_or_else(Refusal::signed_out)?;
    let browser = cookie::value(headers, cookie::SIGN_IN).ok_or_else(Refusal::stale_sign_in)?;
    let state = brought.state.as_deref().ok_or_else(Refusal::stale_sign_in)?;
    let taken: Option<String> = sqlx::query_scalar("SELECT identity.take_sign_in($1, $2)")
        .bind(hash(state).0)
        .bind(hash(browser).0)
        .fetch_one(&sign_in.pool)
        .await?;
    // It was checked when it was kept, and is checked again, should the rule have become narrower.
    let return_to = ReturnTo::parse(Some(&taken.ok_or_else(Refusal::stale_sign_in)?))?;
    let code = match (brought.error.as_deref(), brought.code.as_deref()) {
        (Some("access_denied"), _) => {
            let message = "you did not allow it at GitHub";
            return Err(Refusal::new(StatusCode::FORBIDDEN, "ACCESS_DENIED", message));
        }
        (Some(_), _) => {
            let message = "GitHub refused this sign-in; whoever runs this platform can find out why";
            return Err(Refusal::new(StatusCode::BAD_GATEWAY, "PROVIDER_REFUSED", message));
        }
        (None, Some(code)) if !code.is_empty() => code,
        (None, _) => return Err(Refusal::new(StatusCode::BAD_REQUEST, "CODE_MISSING", "GitHub sent no code")),
    };
    let account = provider.account(code, &verifier(browser, state)).await;
    let account = account.map_err(|trouble| refusal(&trouble))?;
    let actor = recognised(sign_in, state, &account).await?.ok_or_else(Refusal::stale_sign_in)?;
    entered(sign_in, actor, asker, headers, return_to.as_str()).await
}

/// The actor of an account: the same for ever. None where this sign-in was not the one that was taken.
async fn recognised(sign_in: &SignIn, state: &str, account: &Account) -> Result<Option<ActorId>, sqlx::Error> {
    let fresh: ActorId = sign_in.clock.new_id();
    let actor: Option<Uuid> = sqlx::query_scalar("SELECT identity.signed_in($1, $2, 'github', $3, $4, $5, $6)")
        .bind(hash(state).0)
        .bind(fresh.0)
        .bind(account.id.to_string())
        .bind(&account.login)
        .bind(&account.name)
        .bind(&account.email)
        .fetch_one(&sign_in.pool)
        .await?;
    Ok(actor.map(ActorId))
}

/// What a person is told.
fn refusal(trouble: &GitHubError) -> Refusal {
    let error: &dyn std::error::Error = trouble;
    match trouble {
        GitHubError::CodeRefused => {
            let message = "GitHub did not take the code; it was used, or took too long: begin again";
            Refusal::new(StatusCode::BAD_REQUEST, "CODE_REFUSED", message)
        }
        GitHubError::EmailUnverified => {
            let message = "verify your first address at GitHub, and begin again";
            Refusal::new(StatusCode::FORBIDDEN, "EMAIL_UNVERIFIED", message)
        }
        GitHubError::Http(_) if trouble.is_timeout() => {
            tracing::warn!(error, "GitHub is slow");
            Refusal::new(StatusCode::GATEWAY_TIMEOUT, "PROVIDER_SLOW", "GitHub takes too long; try again").after(5)
        }
        GitHubError::AppRefused(_) => {
            tracing::error!(error, "nobody can sign in by GitHub");
            let message = "GitHub refuses this platform; whoever runs it can find out why";
            Refusal::new(StatusCode::BAD_GATEWAY, "PROVIDER_REFUSED", message)
        }
        GitHubError::Status(_) | GitHubError::Odd(_) | GitHubError::Http(_) => {
            tracing::warn!(error, "GitHub does not say who somebody is");
            let message = "GitHub does not answer as it should; try again";
            Refusal::new(StatusCode::BAD_GATEWAY, "PROVIDER_UNAVAILABLE", message).after(5)
        }
    }
}

#[cfg(test)]
mod tests {
    //! The challenge is what RFC 7636 says.
    use super::*;

    #[test]
    fn the_challenge_of_the_rfcs_example_is_the_rfcs() {
        let challenge = URL_SAFE_NO_PAD.encode(hash("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk").0);
        assert_eq!(challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn a_verifier_needs_cookie_and_state() {
        let verifier = verifier("browser", "state");
        assert!(verifier.len() >= 43, "{verifier}");
        assert_ne!(verifier, super::verifier("browser", "other"));
        assert_ne!(verifier, super::verifier("other", "state"));
    }
}
