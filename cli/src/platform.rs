//! The platform's own workspace, in which regions, cells, hosts and the tokens of edges and runners are made. Writers: `rhone
//! up` for its development user, `rhone admin open` for the administrator of an installation. The trap avoided: a platform that
//! nobody owns, where nobody can let anybody in.

use crate::{
    client::Failure,
    config::{Database, required, section},
    data::Data,
};
use anyhow::{Context as _, Result, bail};
use rhone_api::identity::{NewToken, PREFIX, PrincipalKind, Tokens};
use rhone_domain::{
    actor::{Actor, ActorKind, Writer},
    aggregate::Aggregate,
    authorization::Authority,
    claim::{self, Claim, Kind},
    ids::{ActorId, CorrelationId, PLATFORM, derived},
    text::{Name, Slug},
    workspace::{self, Role, Workspace},
};
use rhone_eventstore::{AppendError, Clock, Context, Dispatcher, PgLog, Unit, clock::secret, postgres::connect};
use rhone_projections::inline::AuthorityRows;
use uuid::Uuid;

const SLUG: &str = "platform";

pub(crate) type Door = Dispatcher<PgLog, AuthorityRows>;

/// Who acts where nobody signs in: whoever has the databases' URLs.
pub(crate) fn administrator() -> ActorId {
    ActorId(derived(&["administrator"]))
}

/// Opens the platform for its administrator, and makes a token for them.
pub(crate) async fn open(data: &Data) -> Result<String> {
    let database: Database = section(data, "database")?;
    let worker_url = required("database.worker_url", database.worker_url.as_ref())?;
    let pool = connect(worker_url, "rhone admin", 2).await.context("connecting as rhone_worker")?;
    let door = Dispatcher::new(PgLog::new(pool.clone()), Clock::system(), AuthorityRows);
    opened(&door).await?;
    let (actor, kind) = (administrator(), PrincipalKind::User(ActorKind::User));
    let token = NewToken { id: door.clock().new_id(), actor, kind, workspace: None, name: "administrator".into() };
    let secret = format!("{PREFIX}{}", secret());
    Tokens::new(pool).issue(&token, &secret).await.context("issuing a token")?;
    Ok(secret)
}

async fn opened(door: &Door) -> Result<()> {
    let context = first_context(administrator(), CorrelationId(door.clock().new_id()));
    let mut unit = door.unit(context);
    records(door, &mut unit, administrator()).await?;
    match door.commit(unit, None, None).await {
        // Somebody else was as fast; who owns it is seen below.
        Ok(_) | Err(AppendError::Conflict { .. }) => {}
        Err(error) => return Err(error).context("recording the platform's workspace"),
    }
    let platform = door.load::<Workspace>(PLATFORM).await?;
    let member = platform.state.members.get(&administrator());
    if member.is_none_or(|member| member.role != Role::Owner) {
        let message =
            "the platform has other owners, and the administrator is none of them: let one of them make what you need";
        bail!(Failure::Fault { code: "FORBIDDEN".into(), message: message.into() });
    }
    Ok(())
}

/// As whoever is the first acts.
pub(crate) fn first_context(owner: ActorId, correlation: CorrelationId) -> Context {
    Context {
        actor: Actor { id: owner, kind: ActorKind::User, on_behalf_of: None },
        writer: Writer::Platform,
        authority: Authority::itself(),
        workspace: PLATFORM,
        correlation,
        causation: None,
        idempotency_key: None,
        traceparent: None,
        region: None,
        cell: None,
    }
}

/// The workspace and its name, unless they are there.
pub(crate) async fn records(door: &Door, unit: &mut Unit, owner: ActorId) -> Result<()> {
    let mut loaded = door.load::<Workspace>(PLATFORM).await?;
    if !loaded.exists() {
        let (slug, name) = (Slug::parse("slug", SLUG)?, Name::parse("name", "Platform")?);
        unit.decide(&mut loaded, workspace::Command::Create { id: PLATFORM, slug, name, contact_email: None, owner })?;
    }
    claim(door, unit, (Kind::WorkspaceSlug, Uuid::nil(), SLUG), PLATFORM.0).await
}

/// Takes a name; the same holder may take it again.
pub(crate) async fn claim(door: &Door, unit: &mut Unit, name: (Kind, Uuid, &str), holder: Uuid) -> Result<()> {
    let (kind, scope, value) = name;
    let command = claim::Command::Claim { kind, value: value.to_owned(), holder };
    let outcome = decide::<Claim>(door, unit, claim::id(kind, scope, value), command).await;
    outcome.with_context(|| format!("taking the name `{value}`"))
}

/// One decision of the first records.
pub(crate) async fn decide<A: Aggregate>(door: &Door, unit: &mut Unit, id: Uuid, command: A::Command) -> Result<()>
where
    A::Rejection: std::error::Error + 'static,
{
    let mut loaded = door.load::<A>(id).await?;
    unit.decide(&mut loaded, command)?;
    Ok(())
}
