//! The caller's own sessions: which browsers are signed in, how to end that, and how those ended that are not. Plain rows and no
//! events: they concern nobody but their owner. The trap avoided: a token of one workspace, or support, that looks at where a
//! person is signed in.

use super::{context::Ask, user_error::UserError};
use crate::{
    fault::{Code, Fault},
    identity::Principal,
    sign_in::{EndedSessionRow, SessionRow},
};
use async_graphql::{Context, Enum, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use uuid::Uuid;

/// A browser that is signed in.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct Session {
    /// To end it by.
    id: String,
    created_at: DateTime<Utc>,
    /// To the minute.
    last_used_at: DateTime<Utc>,
    /// When it ends unless it is used.
    expires_at: DateTime<Utc>,
    /// As the browser calls itself.
    user_agent: String,
    /// Where it was when it began.
    address: String,
    /// Whether it is the one that asks.
    current: bool,
}

/// A browser that was signed in.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct EndedSession {
    /// By which it was listed and ended.
    id: String,
    created_at: DateTime<Utc>,
    ended_at: DateTime<Utc>,
    /// How it ended; null where that was not kept.
    how: Option<SessionEnd>,
    /// The session or the token that ended it, as `viewer` names them; null where none did, or that was not kept.
    ended_by: Option<String>,
    /// As the browser called itself.
    user_agent: String,
    /// Where it was when it began.
    address: String,
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub(crate) enum SessionEnd {
    /// Its own browser signed out.
    SignedOut,
    /// From another one, or with a token.
    Revoked,
    /// By another sign-in: of the same browser, or of one more than fifty.
    Replaced,
    /// It was not used for a day, or two weeks old.
    Expired,
}

/// An account at the place where somebody signed in.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct Account {
    /// `github`.
    provider: String,
    /// As it was at the last sign-in; it may be another's by now.
    login: String,
    /// For people.
    name: Option<String>,
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct SessionRevokeInput {
    /// As `viewer` lists it.
    session_id: String,
    /// Only look whether there is such a one.
    #[graphql(default)]
    dry_run: bool,
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct SessionRevokeOthersInput {
    /// Only count them.
    #[graphql(default)]
    dry_run: bool,
}

/// The answer of sessionRevoke.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct SessionRevokePayload {
    /// Whether it ended; on a dry run, whether it would.
    revoked: bool,
    /// Why it was refused; empty when it was not.
    user_errors: Vec<UserError>,
}

/// The answer of sessionRevokeOthers.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct SessionRevokeOthersPayload {
    /// How many ended; on a dry run, how many would.
    revoked: i64,
    /// Why it was refused; it never is.
    user_errors: Vec<UserError>,
}

#[derive(Debug, Default)]
pub(crate) struct SessionMutation;

#[Object]
impl SessionMutation {
    /// Ends one of the caller's sessions; its open connections end within a second.
    async fn session_revoke(
        &self,
        ctx: &Context<'_>,
        input: SessionRevokeInput,
    ) -> async_graphql::Result<SessionRevokePayload> {
        let principal = person(ctx)?;
        let session =
            Uuid::parse_str(&input.session_id).map_err(|_| Fault::bad_input("sessionId", "must be a session's id"))?;
        let sessions = &ctx.platform().sessions;
        let revoked = if input.dry_run {
            let living = sessions.of(principal.actor).await.map_err(Fault::internal)?;
            living.iter().any(|row| row.session == session)
        } else {
            sessions.revoke(session, principal).await.map_err(Fault::internal)?
        };
        Ok(SessionRevokePayload { revoked, user_errors: if revoked { vec![] } else { vec![no_session()] } })
    }

    /// Ends every session of the caller but the one that asks; all of them when a token asks.
    async fn session_revoke_others(
        &self,
        ctx: &Context<'_>,
        input: SessionRevokeOthersInput,
    ) -> async_graphql::Result<SessionRevokeOthersPayload> {
        let principal = person(ctx)?;
        let sessions = &ctx.platform().sessions;
        let revoked = if input.dry_run {
            let living = sessions.of(principal.actor).await.map_err(Fault::internal)?;
            let others = living.iter().filter(|row| Some(row.session) != principal.session()).count();
            i64::try_from(others).expect("fifty at most")
        } else {
            sessions.revoke_others(principal).await.map_err(Fault::internal)?
        };
        Ok(SessionRevokeOthersPayload { revoked, user_errors: vec![] })
    }
}

fn no_session() -> UserError {
    UserError {
        code: "NO_SESSION".to_owned(),
        field: Some("sessionId".to_owned()),
        message: "sessionId is of no session of yours that still lasts".to_owned(),
        expected: None,
        actual: None,
        gates: Vec::new(),
    }
}

/// The caller's living sessions, newest first; the table of `domain` says that they are for the person alone.
pub(crate) async fn living(ctx: &Context<'_>) -> Result<Vec<Session>, Fault> {
    let principal = ctx.principal();
    let rows = ctx.platform().sessions.of(principal.actor).await.map_err(Fault::internal)?;
    Ok(rows.into_iter().map(|row| shown(row, principal)).collect())
}

/// The caller's sessions that are over, the one that ended last first; for the person alone, too.
pub(crate) async fn ended(ctx: &Context<'_>) -> Result<Vec<EndedSession>, Fault> {
    let rows = ctx.platform().sessions.ended(ctx.principal().actor).await.map_err(Fault::internal)?;
    Ok(rows.into_iter().map(over).collect())
}

/// The account of whoever asks.
pub(crate) async fn account(ctx: &Context<'_>) -> Result<Option<Account>, Fault> {
    let account = ctx.platform().sessions.account(ctx.principal().actor).await.map_err(Fault::internal)?;
    Ok(account.map(|(provider, login, name)| Account { provider, login, name }))
}

fn shown(row: SessionRow, principal: &Principal) -> Session {
    Session {
        id: row.session.to_string(),
        created_at: row.created_at,
        last_used_at: row.used_at,
        expires_at: row.expires_at,
        user_agent: row.agent,
        address: row.address,
        current: principal.session() == Some(row.session),
    }
}

fn over(row: EndedSessionRow) -> EndedSession {
    EndedSession {
        id: row.session.to_string(),
        created_at: row.created_at,
        ended_at: row.ended_at,
        how: row.how.as_deref().and_then(way_out),
        ended_by: row.by.map(|by| by.to_string()),
        user_agent: row.agent,
        address: row.address,
    }
}

/// As the table says it.
fn way_out(word: &str) -> Option<SessionEnd> {
    match word {
        "signed_out" => Some(SessionEnd::SignedOut),
        "revoked" => Some(SessionEnd::Revoked),
        "replaced" => Some(SessionEnd::Replaced),
        "expired" => Some(SessionEnd::Expired),
        _ => None,
    }
}

/// The caller, if it speaks for a person as a whole.
fn person<'a>(ctx: &'a Context<'_>) -> Result<&'a Principal, Fault> {
    let principal = ctx.principal();
    if principal.is_a_whole_person() {
        return Ok(principal);
    }
    Err(Fault::new(Code::Forbidden, "sessions are for their owner; a narrowed token, support and machines end none"))
}
