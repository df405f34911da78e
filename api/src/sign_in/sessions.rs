//! Sessions of browsers: begun, recognised, replaced, listed, ended. Writer of `identity.sessions`, through its functions. The
//! traps avoided: a cookie kept in clear (its SHA-256 is), a session for ever (it ends after a day without use and after two
//! weeks in any case), and a cookie that outlives what its owner was allowed (it is replaced when that changes).

use super::cookie;
use crate::{
    authenticate::{AuthError, Authenticator},
    identity::{Cookie, PREFIX, Principal, Shown, Tokens, hash, unavailable},
};
use axum::http::HeaderValue;
use chrono::{DateTime, Utc};
use rhone_domain::ids::ActorId;
use rhone_eventstore::{Clock, Transaction, clock::secret};
use rhone_projections::session::Session;
use sqlx::{PgPool, Row as _};
use std::time::Duration;
use uuid::Uuid;

/// Without use, a session ends after this time.
const IDLE: Duration = Duration::from_hours(24);
/// However much it is used, a session ends after this time.
pub(super) const LIFE: Duration = Duration::from_hours(14 * 24);

/// A session to be.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Whose.
    pub actor: ActorId,
    /// As the browser calls itself.
    pub agent: String,
    /// Where it is.
    pub address: String,
}

/// A session as its owner sees it.
#[derive(Clone, Debug)]
pub struct SessionRow {
    /// Which.
    pub session: Uuid,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it was used last, to the minute.
    pub used_at: DateTime<Utc>,
    /// When it ends unless it is used.
    pub expires_at: DateTime<Utc>,
    /// As the browser called itself.
    pub agent: String,
    /// Where it was.
    pub address: String,
}

/// A session that is over, as its owner sees it.
#[derive(Clone, Debug)]
pub struct EndedSessionRow {
    /// Which.
    pub session: Uuid,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// How: `signed_out`, `revoked`, `replaced` or `expired`; none where that was not kept.
    pub how: Option<String>,
    /// The session or token that ended it, where one did.
    pub by: Option<Uuid>,
    /// As the browser called itself.
    pub agent: String,
    /// Where it was.
    pub address: String,
}

/// The sessions' table.
#[derive(Clone, Debug)]
pub struct Sessions {
    pool: PgPool,
    clock: Clock,
}

impl Sessions {
    /// Through a pool of role `rhone_api`.
    pub fn new(pool: PgPool, clock: Clock) -> Self {
        Self { pool, clock }
    }

    /// Begins one and ends the one that the same browser had before. The answer is the cookie's value, told once.
    pub async fn open(&self, new: &NewSession, before: Option<&str>) -> Result<String, sqlx::Error> {
        let (id, value): (Uuid, _) = (self.clock.new_id(), cookie_value());
        let mut asking = self.asking(new.actor).await?;
        sqlx::query("SELECT identity.open_session($1, $2, $3, $4, $5, $6, $7)")
            .bind(id)
            .bind(hash(&value).0)
            .bind(&new.agent)
            .bind(&new.address)
            .bind(seconds(IDLE))
            .bind(seconds(LIFE))
            .bind(before.map(|before| hash(before).0))
            .execute(&mut *asking)
            .await?;
        asking.commit().await?;
        Ok(value)
    }

    /// Whose cookie this is.
    pub async fn recognise(&self, value: &str) -> Result<Principal, AuthError> {
        let hash = hash(value);
        let row = sqlx::query("SELECT session, actor, stale FROM identity.session($1)")
            .bind(hash.0)
            .fetch_optional(&self.pool)
            .await
            .map_err(unavailable)?
            .ok_or(AuthError::Refused)?;
        let column = || Ok((row.try_get("session")?, row.try_get("actor")?, row.try_get("stale")?));
        let (session, actor, stale) = column().map_err(unavailable)?;
        let cookie = if stale { Cookie::Stale } else { Cookie::Fresh };
        Ok(Principal::of_session(session, ActorId(actor), cookie, hash))
    }

    /// The living ones of an actor, newest first.
    pub async fn of(&self, actor: ActorId) -> Result<Vec<SessionRow>, sqlx::Error> {
        const OF: &str = "SELECT session, created_at, used_at, expires_at, agent, address FROM identity.sessions_of()";
        let rows = sqlx::query(OF).fetch_all(&mut *self.asking(actor).await?).await?;
        rows.iter()
            .map(|row| {
                Ok(SessionRow {
                    session: row.try_get("session")?,
                    created_at: row.try_get("created_at")?,
                    used_at: row.try_get("used_at")?,
                    expires_at: row.try_get("expires_at")?,
                    agent: row.try_get("agent")?,
                    address: row.try_get("address")?,
                })
            })
            .collect()
    }

    /// Those of an actor that are over, the one that ended last first.
    pub async fn ended(&self, actor: ActorId) -> Result<Vec<EndedSessionRow>, sqlx::Error> {
        const ENDED: &str =
            "SELECT session, created_at, ended_at, ended, ended_by, agent, address FROM identity.ended_sessions()";
        let rows = sqlx::query(ENDED).fetch_all(&mut *self.asking(actor).await?).await?;
        rows.iter()
            .map(|row| {
                Ok(EndedSessionRow {
                    session: row.try_get("session")?,
                    created_at: row.try_get("created_at")?,
                    ended_at: row.try_get("ended_at")?,
                    how: row.try_get("ended")?,
                    by: row.try_get("ended_by")?,
                    agent: row.try_get("agent")?,
                    address: row.try_get("address")?,
                })
            })
            .collect()
    }

    /// Ends the session of this cookie, if there is one.
    pub async fn end(&self, value: &str) -> Result<(), sqlx::Error> {
        sqlx::query("SELECT identity.end_session($1)").bind(hash(value).0).execute(&self.pool).await?;
        Ok(())
    }

    /// Ends a session of who asks; false if there was none.
    pub async fn revoke(&self, session: Uuid, by: &Principal) -> Result<bool, sqlx::Error> {
        let mut asking = self.asking(by.actor).await?;
        let revoke = sqlx::query_scalar("SELECT identity.revoke_session($1, $2)").bind(session).bind(by.token);
        let revoked = revoke.fetch_one(&mut *asking).await?;
        asking.commit().await?;
        Ok(revoked)
    }

    /// Ends all sessions of who asks but the one that asks; how many they were.
    pub async fn revoke_others(&self, by: &Principal) -> Result<i64, sqlx::Error> {
        let mut asking = self.asking(by.actor).await?;
        let revoke = sqlx::query_scalar("SELECT identity.revoke_other_sessions($1, $2)");
        let revoke = revoke.bind(by.session()).bind(by.token);
        let revoked = revoke.fetch_one(&mut *asking).await?;
        asking.commit().await?;
        Ok(revoked)
    }

    /// Provider, login and name of an actor who signed in.
    pub async fn account(&self, actor: ActorId) -> Result<Option<(String, String, Option<String>)>, sqlx::Error> {
        let account = sqlx::query_as("SELECT provider, login, name FROM identity.person()");
        account.fetch_optional(&mut *self.asking(actor).await?).await
    }

    /// A transaction in which the database knows who asks: what is a person's own, it tells and changes for them alone.
    pub(super) async fn asking(&self, actor: ActorId) -> Result<Transaction, sqlx::Error> {
        Session::new(self.pool.clone(), actor, None).begin().await
    }

    /// Asked twice a second by each connection, so it is one statement, which says first who asks.
    async fn stands(&self, session: Uuid, actor: ActorId) -> Result<(), AuthError> {
        const STANDS: &str =
            "SELECT CASE WHEN set_config('rhone.actor', $2, true) = $2 THEN identity.session_stands($1) ELSE false END";
        let stands = sqlx::query_scalar(STANDS).bind(session).bind(actor.to_string()).fetch_one(&self.pool);
        if stands.await.map_err(unavailable)? { Ok(()) } else { Err(AuthError::Refused) }
    }

    /// Another cookie for the same session; none if another request was given one at the same moment.
    async fn rotate(&self, principal: &Principal) -> Result<Option<String>, sqlx::Error> {
        let value = cookie_value();
        let done: bool = sqlx::query_scalar("SELECT identity.rotate_session($1, $2, $3)")
            .bind(principal.token)
            .bind(principal.hash().0)
            .bind(hash(&value).0)
            .fetch_one(&self.pool)
            .await?;
        Ok(done.then_some(value))
    }
}

/// Recognisable, like a token, should one ever leak.
fn cookie_value() -> String {
    format!("{PREFIX}s_{}", secret())
}

/// As the database's functions take it.
pub(super) fn seconds(time: Duration) -> i32 {
    i32::try_from(time.as_secs()).expect("a constant of some days")
}

/// Everybody who may call: by a token or by a session's cookie.
#[derive(Clone, Debug)]
pub struct Callers {
    /// Those with a token.
    pub tokens: Tokens,
    /// Those with a cookie.
    pub sessions: Sessions,
}

impl Authenticator for Callers {
    type Actor = Principal;

    async fn authenticate(&self, bearer: &str) -> Result<Principal, AuthError> {
        self.tokens.authenticate(bearer).await
    }

    async fn session(&self, cookie: &str) -> Result<Principal, AuthError> {
        self.sessions.recognise(cookie).await
    }

    async fn still_valid(&self, actor: &Principal) -> Result<(), AuthError> {
        match actor.session() {
            Some(session) => self.sessions.stands(session, actor.actor).await,
            None => self.tokens.still_valid(actor).await,
        }
    }

    async fn renewed(&self, actor: &Principal) -> Option<HeaderValue> {
        if actor.shown != (Shown::Session { cookie: Cookie::Stale }) {
            return None;
        }
        match self.sessions.rotate(actor).await {
            Ok(value) => value.map(|value| cookie::set(cookie::SESSION, &value, LIFE)),
            Err(error) => {
                // The next request tries again.
                tracing::warn!(error = &error as &dyn std::error::Error, "a session's cookie was not replaced");
                None
            }
        }
    }
}
