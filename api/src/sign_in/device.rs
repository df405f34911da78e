//! The device flow for programs without a browser (RFC 8628): two endpoints for the program; what the person does is in
//! `device_page`. The traps avoided: a device code that lets two in (it is redeemed by the append that makes its token),
//! a program that asks without a pause, and a page elsewhere that asks in its reader's name.

use super::{SignIn, asker::Asker, sessions::seconds};
use crate::identity::{OVER, hash, new_secret, recorded};
use axum::{
    Form, Json,
    extract::{State, rejection::FormRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use rhone_domain::{
    actor::{Actor, ActorKind, Writer},
    authorization::Authority,
    ids::{ActorId, CorrelationId, TokenId},
    text::Name,
    token::{self, Command, Limits, Token, own},
};
use rhone_eventstore::{
    AppendError, Context, Dispatcher, PgLog,
    clock::{random_bytes, secret},
};
use rhone_projections::inline::AuthorityRows;
use serde_json::json;
use sqlx::Row as _;
use std::{collections::HashMap, sync::Arc, time::Duration};
use uuid::Uuid;

/// The one program that asks.
const CLIENT: &str = "rhone-cli";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// How long a person may take.
const PATIENCE: Duration = Duration::from_mins(10);
/// Between two questions of a program.
const EVERY: Duration = Duration::from_secs(5);
/// How long the token lives.
const LIFE: Duration = Duration::from_hours(90 * 24);

/// Letters that are no vowels, so that no code is a word, and that nobody confuses (RFC 8628, section 6.1).
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

/// Why a program got nothing, in the RFC's words.
struct No(StatusCode, &'static str, &'static str);

impl No {
    const UNAVAILABLE: Self = Self(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "not at the moment");

    const USED: Self = Self::of("invalid_grant", "there is no such code, or it was used");

    const fn of(error: &'static str, why: &'static str) -> Self {
        Self(StatusCode::BAD_REQUEST, error, why)
    }
}

impl From<sqlx::Error> for No {
    fn from(error: sqlx::Error) -> Self {
        unserved(&error)
    }
}

fn unserved(error: &(dyn std::error::Error + 'static)) -> No {
    tracing::warn!(error, "a device was not served");
    No::UNAVAILABLE
}

impl IntoResponse for No {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.1, "error_description": self.2 });
        (self.0, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
    }
}

type Words = HashMap<String, String>;
/// What came as a form, or did not.
type Sent = Result<Form<Vec<(String, String)>>, FormRejection>;

/// The words of a form that a program of ours sends.
fn words(sign_in: &SignIn, headers: &HeaderMap, sent: Sent) -> Result<Words, No> {
    let foreign = No(StatusCode::FORBIDDEN, "unauthorized_client", "this page may not ask");
    sign_in.origins.admit(headers).map_err(|_| foreign)?;
    let Ok(Form(pairs)) = sent else { return Err(No::of("invalid_request", "must be a form")) };
    let count = pairs.len();
    let words: Words = pairs.into_iter().collect();
    if words.len() < count {
        return Err(No::of("invalid_request", "no word may be there twice"));
    }
    match words.get("client_id").map(String::as_str) {
        Some(CLIENT) => Ok(words),
        Some(_) => Err(No(StatusCode::UNAUTHORIZED, "invalid_client", "client_id: must be rhone-cli")),
        None => Err(No::of("invalid_request", "client_id: must be there")),
    }
}

/// `POST /auth/device/code`.
pub(super) async fn begin(
    State(sign_in): State<Arc<SignIn>>,
    asker: Asker,
    headers: HeaderMap,
    sent: Sent,
) -> Response {
    match words(&sign_in, &headers, sent) {
        Ok(_) => begun(&sign_in, &asker).await.unwrap_or_else(IntoResponse::into_response),
        Err(no) => no.into_response(),
    }
}

async fn begun(sign_in: &SignIn, asker: &Asker) -> Result<Response, No> {
    let device_code = secret();
    let mut user_code = code();
    while !kept(sign_in, asker, &device_code, &user_code).await? {
        user_code = code();
    }
    let page = format!("{}/auth/device", sign_in.settings.public_url.as_deref().unwrap_or_default());
    let shown = format!("{}-{}", &user_code[..4], &user_code[4..]);
    let body = json!({
        "device_code": device_code,
        "user_code": shown,
        "verification_uri": page,
        "verification_uri_complete": format!("{page}?user_code={shown}"),
        "expires_in": PATIENCE.as_secs(),
        "interval": EVERY.as_secs(),
    });
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response())
}

/// False: the user code is another device's at the moment.
async fn kept(sign_in: &SignIn, asker: &Asker, device_code: &str, user_code: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT identity.begin_device($1, $2, $3, $4, $5, $6)")
        .bind(hash(device_code).0)
        .bind(user_code)
        .bind(&asker.agent)
        .bind(&asker.address)
        .bind(seconds(PATIENCE))
        .bind(seconds(EVERY))
        .fetch_one(&sign_in.pool)
        .await
}

/// Eight letters, each as likely as any other.
fn code() -> String {
    let mut letters = String::with_capacity(8);
    while letters.len() < 8 {
        let fair = random_bytes::<16>().into_iter().filter(|byte| *byte < 240);
        letters.extend(fair.map(|byte| char::from(LETTERS[usize::from(byte) % LETTERS.len()])).take(8 - letters.len()));
    }
    letters
}

/// A user code as somebody typed it; none if it cannot be one.
pub(super) fn typed(text: &str) -> Option<String> {
    let letters: String = text.chars().filter(|c| !" -".contains(*c)).map(|c| c.to_ascii_uppercase()).take(9).collect();
    let sound = letters.len() == 8 && letters.bytes().all(|byte| LETTERS.contains(&byte));
    sound.then_some(letters)
}

/// `POST /auth/device/token`.
pub(super) async fn poll(State(sign_in): State<Arc<SignIn>>, headers: HeaderMap, sent: Sent) -> Response {
    let polled = async {
        let words = words(&sign_in, &headers, sent)?;
        if words.get("grant_type").map(String::as_str) != Some(GRANT) {
            return Err(No::of("unsupported_grant_type", "grant_type: must be that of RFC 8628"));
        }
        let device_code = words.get("device_code").ok_or(No::of("invalid_request", "device_code: must be there"))?;
        redeemed(&sign_in, device_code).await
    };
    polled.await.unwrap_or_else(IntoResponse::into_response)
}

async fn redeemed(sign_in: &SignIn, device_code: &str) -> Result<Response, No> {
    let row = sqlx::query("SELECT outcome, actor, token FROM identity.poll_device($1, $2)")
        .bind(hash(device_code).0)
        .bind(sign_in.clock.new_id::<Uuid>())
        .fetch_one(&sign_in.pool)
        .await?;
    let (outcome, actor, token): (String, Option<Uuid>, Option<Uuid>) =
        (row.try_get("outcome")?, row.try_get("actor")?, row.try_get("token")?);
    match (outcome.as_str(), actor, token) {
        ("granted", Some(actor), Some(token)) => {
            let secret = new_secret();
            made(sign_in, ActorId(actor), TokenId(token), &secret).await?;
            let body = json!({ "access_token": secret, "token_type": "bearer", "expires_in": LIFE.as_secs() });
            Ok(([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response())
        }
        ("pending", ..) => Err(No::of("authorization_pending", "nobody has answered yet")),
        ("slow_down", ..) => Err(No::of("slow_down", "wait five seconds longer from now on")),
        ("denied", ..) => Err(No::of("access_denied", "the person said no")),
        ("expired", ..) => Err(No::of("expired_token", "it took too long: begin again")),
        _ => Err(No::USED),
    }
}

/// The token in the log; the same append redeems the code. Who comes second finds a token of that id.
async fn made(sign_in: &SignIn, actor: ActorId, id: TokenId, secret: &str) -> Result<(), No> {
    let log = PgLog::acting(sign_in.pool.clone(), actor);
    let door = Dispatcher::new(log, sign_in.clock.clone(), AuthorityRows);
    let door = sign_in.wakes.iter().cloned().fold(door, Dispatcher::waking);
    let mut loaded = door.load::<Token>(id).await.map_err(|error| unserved(&error))?;
    let mut unit = door.unit(Context {
        actor: Actor { id: actor, kind: ActorKind::User, on_behalf_of: None },
        writer: Writer::Api,
        authority: Authority::caller(own(actor), None),
        workspace: own(actor),
        correlation: CorrelationId(id.0),
        causation: None,
        idempotency_key: None,
        traceparent: None,
        region: None,
        cell: None,
    });
    let (at, by) = (unit.now(), token::Asker { actor, limits: Limits::default() });
    let name = Name::parse("name", "rhone login").expect("it is a name");
    let limits = Limits { until: Some(at + LIFE), ..Limits::default() };
    let create = Command::Create { id, name, limits, secret: recorded(secret), by, at };
    unit.decide(&mut loaded, create).map_err(|_| No::USED)?;
    match door.commit(unit, None, None).await {
        Ok(_) => Ok(()),
        Err(AppendError::Conflict { .. }) => Err(No::USED),
        Err(AppendError::Refused { code, .. }) if code == OVER => Err(No::USED),
        Err(error) => Err(unserved(&error)),
    }
}

#[cfg(test)]
mod tests {
    //! Codes are what people can type.
    use super::*;

    #[test]
    fn a_code_is_eight_letters_however_it_is_typed() {
        let code = code();
        assert_eq!(typed(&code).as_deref(), Some(code.as_str()));
        let shown = format!(" {}-{} ", &code[..4].to_lowercase(), &code[4..]);
        assert_eq!(typed(&shown).as_deref(), Some(code.as_str()));
        for wrong in ["", "BCDF", "BCDF-GHJA", "BCDFGHJKL", "BCDF GHJ1", "' OR 1=1", &"B".repeat(10_000)] {
            assert_eq!(typed(wrong), None, "{wrong:.20}");
        }
    }

    #[test]
    fn codes_differ_and_use_every_letter() {
        let codes: std::collections::BTreeSet<String> = (0..500).map(|_| code()).collect();
        assert_eq!(codes.len(), 500);
        let used: std::collections::BTreeSet<char> = codes.iter().flat_map(|code| code.chars()).collect();
        assert_eq!(used.len(), LETTERS.len(), "{used:?}");
    }
}
