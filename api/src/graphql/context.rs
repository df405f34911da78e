//! What resolvers work with: the platform's parts, which all requests share, and the caller's eyes, which none do.

use super::loaders::Loaders;
use crate::{
    fault::{Code, Fault},
    identity::{Principal, PrincipalKind, Tokens},
    live::Pulse,
    rate::Rates,
    request::RequestInfo,
    sign_in::Sessions,
};
use async_graphql::{Context, Data};
use rhone_domain::{
    authorization::{Authority, Grant, Level, Membership, Scope},
    digest::Digest,
    ids::{PLATFORM, WorkspaceId},
};
use rhone_eventstore::{
    Bell, Clock, Cursor, CursorError, Dispatcher, LogIncarnation, PgLog, Position, Transaction, Wake, checkpoint::Key,
    subjects::Subjects, vault::Vault,
};
use rhone_projections::{
    authority::members, catalogue::Catalogue, deployments::Deployments, inline::AuthorityRows, projection,
    session::Session, timeline::Timeline,
};
use rhone_providers::artifact_store::ArtifactStore;
use sqlx::PgPool;
use std::{sync::Arc, time::Duration};

/// The one door for writes, as the API uses it.
pub(crate) type Door = Dispatcher<PgLog, AuthorityRows>;

/// What all requests share.
#[derive(Clone)]
pub struct Platform {
    /// As role `rhone_api`.
    pub pool: PgPool,
    /// Time and ids.
    pub clock: Clock,
    /// Rung when something was appended.
    pub bell: Bell,
    /// Told after every append.
    pub wake: Arc<dyn Wake>,
    /// Artifacts.
    pub artifacts: ArtifactStore,
    /// Personal fields.
    pub subjects: Subjects,
    /// Values of variables.
    pub vault: Vault,
    /// Tokens.
    pub tokens: Tokens,
    /// Sessions of browsers.
    pub sessions: Sessions,
    /// Which life of the log positions belong to.
    pub incarnation: LogIncarnation,
    /// Tells those who follow when to look.
    pub pulse: Pulse,
}

impl std::fmt::Debug for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Platform")
    }
}

/// The caller's eyes.
pub(crate) fn session(platform: &Platform, principal: &Principal) -> Session {
    Session::new(platform.pool.clone(), principal.eyes(), principal.workspace)
}

/// Fills one request's context.
pub fn request_context(platform: &Arc<Platform>, principal: &Principal, _: &RequestInfo, data: &mut Data) {
    let session = session(platform, principal);
    data.insert(Loaders::new(&session, platform));
    data.insert(session);
    data.insert(platform.clone());
}

/// Shorthands for what stands in a request's context.
pub(crate) trait Ask {
    fn platform(&self) -> &Arc<Platform>;
    fn principal(&self) -> &Principal;
    fn session(&self) -> &Session;
    fn loaders(&self) -> &Loaders;
    fn info(&self) -> &RequestInfo;
    fn rates(&self) -> &Arc<Rates>;
}

impl Ask for Context<'_> {
    fn platform(&self) -> &Arc<Platform> {
        self.data_unchecked()
    }

    fn principal(&self) -> &Principal {
        self.data_unchecked()
    }

    fn session(&self) -> &Session {
        self.data_unchecked()
    }

    fn loaders(&self) -> &Loaders {
        self.data_unchecked()
    }

    fn info(&self) -> &RequestInfo {
        self.data_unchecked()
    }

    fn rates(&self) -> &Arc<Rates> {
        self.data_unchecked()
    }
}

/// A transaction with the caller's eyes.
pub(crate) async fn begin(ctx: &Context<'_>) -> Result<Transaction, Fault> {
    ctx.session().begin().await.map_err(Fault::internal)
}

/// The door, with the caller's eyes.
pub(crate) fn door(platform: &Platform, principal: &Principal) -> Door {
    let log = PgLog::acting(platform.pool.clone(), principal.eyes());
    door_on(platform, principal, log)
}

/// The door for a caller who shows a secret: only what that opens is seen.
pub(crate) fn door_showing(platform: &Platform, principal: &Principal, secret: Digest) -> Door {
    let log = PgLog::acting(platform.pool.clone(), principal.eyes()).showing(secret);
    door_on(platform, principal, log)
}

fn door_on(platform: &Platform, principal: &Principal, log: PgLog) -> Door {
    let log = match principal.workspace {
        Some(workspace) => log.within(workspace),
        None => log,
    };
    Dispatcher::new(log, platform.clock.clone(), AuthorityRows)
        .waking(Arc::new(platform.bell.clone()))
        .waking(platform.wake.clone())
}

/// Whether the caller belongs to those who run the platform. To read is no grant, so a token that leaves none reads as its holder.
pub(crate) async fn is_of_the_platform(session: &Session, principal: &Principal) -> Result<bool, Fault> {
    Ok(runs(&held_by(principal, PLATFORM, platform_membership(session).await?)))
}

/// Whether the caller may run the platform.
async fn runs_the_platform(ctx: &Context<'_>) -> Result<bool, Fault> {
    let membership = platform_membership(ctx.session()).await?;
    Ok(runs(&authority_of(ctx.principal(), PLATFORM, membership)))
}

async fn platform_membership(session: &Session) -> Result<Option<Membership>, Fault> {
    let memberships = members::own(session).await.map_err(Fault::internal)?;
    Ok(memberships.get(&PLATFORM).map(|member| member.membership.clone()))
}

fn runs(authority: &Authority) -> bool {
    authority.holds(Grant::PlatformManage, Level::Platform, Scope::default())
}

/// By what right a caller acts in a workspace: the member's, less what the token does not leave of it.
pub(crate) fn authority_of(principal: &Principal, of: WorkspaceId, membership: Option<Membership>) -> Authority {
    held_by(principal, of, membership).narrowed(principal.limits.narrowing.clone())
}

/// The member's right, whatever the token leaves of it.
fn held_by(principal: &Principal, of: WorkspaceId, membership: Option<Membership>) -> Authority {
    match principal.on_behalf_of {
        Some(_) => Authority::support(of, membership),
        None => Authority::caller(of, membership),
    }
}

/// Whether the caller belongs to a workspace. Who does not must not learn that there is one: the caller answers NOT_FOUND.
pub(crate) async fn belongs_to(ctx: &Context<'_>, workspace: WorkspaceId) -> Result<bool, Fault> {
    if !matches!(ctx.principal().kind, PrincipalKind::User(_)) {
        return Ok(false);
    }
    let own = members::own(ctx.session()).await.map_err(Fault::internal)?;
    Ok(own.contains_key(&workspace))
}

/// Only those who run the platform may do this.
pub(crate) async fn platform_only(ctx: &Context<'_>) -> Result<(), Fault> {
    if belongs_to(ctx, PLATFORM).await? && runs_the_platform(ctx).await? {
        Ok(())
    } else {
        Err(Fault::new(Code::Forbidden, "only those who run the platform may do this"))
    }
}

/// How long a question waits for the read models.
const PATIENCE: Duration = Duration::from_secs(2);

/// Waits, for a short bounded time, until a read model has taken in a position; false if it is late.
pub(crate) async fn wait_for(
    ctx: &Context<'_>,
    projection: Key<'_>,
    position: Option<Position>,
) -> Result<bool, Fault> {
    let Some(position) = position else { return Ok(true) };
    projection::reached(&ctx.platform().pool, &[projection], position, PATIENCE).await.map_err(Fault::internal)
}

/// Waits, for a short bounded time, until everything that a question can lead to has taken in the position that it names. What
/// has not come so far by then is not shown as if it had.
pub(crate) async fn at_least(ctx: &Context<'_>, text: Option<&str>) -> Result<(), Fault> {
    match position(ctx, "atLeastPosition", text)? {
        Some(position) => reached(&ctx.platform().pool, position).await,
        None => Ok(()),
    }
}

/// The same of a position that was read.
pub(crate) async fn reached(pool: &PgPool, position: Position) -> Result<(), Fault> {
    let keys = [projection::key::<Catalogue>(), projection::key::<Deployments>(), projection::key::<Timeline>()];
    if projection::reached(pool, &keys, position, PATIENCE).await.map_err(Fault::internal)? {
        return Ok(());
    }
    let seconds = PATIENCE.as_secs();
    let message = format!("atLeastPosition: not reached within {seconds} seconds; ask again, or without it");
    let mut fault = Fault::new(Code::Conflict, message);
    (fault.field, fault.rule) = (Some("atLeastPosition".into()), Some("NOT_REACHED".into()));
    Err(fault)
}

/// A position a client hands in; one from another life of the log is answered with a resync.
pub(crate) fn position(ctx: &Context<'_>, field: &'static str, text: Option<&str>) -> Result<Option<Position>, Fault> {
    let Some(text) = text else { return Ok(None) };
    let position = text.parse::<Cursor>().and_then(|cursor| cursor.continue_in(ctx.platform().incarnation));
    position.map(Some).map_err(|error| match error {
        CursorError::Malformed => Fault::bad_input(field, "must be a position as an earlier answer gave it"),
        CursorError::Resync { .. } => {
            let mut fault = Fault::new(Code::Conflict, format!("{field}: {error}"));
            (fault.field, fault.rule) = (Some(field.into()), Some("RESYNC".into()));
            fault
        }
    })
}

/// A position as clients keep it.
pub(crate) fn shown(ctx: &Context<'_>, position: Position) -> String {
    Cursor { incarnation: ctx.platform().incarnation, position }.to_string()
}
