//! The last step of every way in, and the way out: a session begins or ends. The trap avoided: a session that was there before
//! the person was known, which somebody else may have planted; it is never taken over, and ends.

use super::{
    SignIn,
    asker::Asker,
    cookie,
    refusal::Refusal,
    sessions::{LIFE, NewSession},
};
use crate::fault::Fault;
use axum::{
    extract::{Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use rhone_domain::ids::ActorId;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// A session of this browser begins, whatever it had before ends, and the person goes on.
pub(super) async fn entered(
    sign_in: &SignIn,
    actor: ActorId,
    asker: &Asker,
    headers: &HeaderMap,
    return_to: &str,
) -> Result<Response, Refusal> {
    let before = cookie::value(headers, cookie::SESSION);
    let new = NewSession { actor, agent: asker.agent.clone(), address: asker.address.clone() };
    let secret = sign_in.sessions.open(&new, before).await?;
    Ok(redirect(return_to, [cookie::set(cookie::SESSION, &secret, LIFE)]))
}

/// 303: whatever was asked, what comes next is got.
pub(super) fn redirect<const N: usize>(to: &str, cookies: [HeaderValue; N]) -> Response {
    let mut response = (StatusCode::SEE_OTHER, [(header::CACHE_CONTROL, "no-store")]).into_response();
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, HeaderValue::try_from(to).expect("a path that was checked, or a URL"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    for cookie in cookies {
        headers.append(header::SET_COOKIE, cookie);
    }
    response
}

/// What the query string asks for; a word that is there twice is refused.
pub(super) fn asked_for<T: DeserializeOwned>(uri: &Uri) -> Result<T, Fault> {
    let rule = "must be well formed, and no word may be there twice";
    Query::try_from_uri(uri).map(|Query(asked)| asked).map_err(|_| Fault::bad_input("query string", rule))
}

/// `POST /auth/logout`.
pub(super) async fn log_out(State(sign_in): State<Arc<SignIn>>, headers: HeaderMap) -> Response {
    let ended = async {
        sign_in.origins.require(&headers)?;
        if let Some(secret) = cookie::value(&headers, cookie::SESSION) {
            sign_in.sessions.end(secret).await?;
        }
        Ok::<_, Refusal>(())
    };
    match ended.await {
        Ok(()) => (StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie::unset(cookie::SESSION))]).into_response(),
        Err(refusal) => refusal.answer(&headers),
    }
}
