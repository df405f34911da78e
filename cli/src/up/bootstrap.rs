//! What must be there before anybody can ask for anything: the platform's workspace with the development user as its owner,
//! region `local`, its cell and host, and the tokens. Through the same door as everything else, and twice as good as once.
//! The trap avoided: random ids, which a second run would make again beside the first; these are derived from their names.

use super::{
    report::Ids,
    secrets::{RUNNER, Secrets, USER, edge},
};
use crate::{
    config::{Database, required},
    platform::{self, Door, claim, decide},
};
use anyhow::{Context as _, Result};
use rhone_api::identity::{NewToken, PrincipalKind, Tokens};
use rhone_domain::{
    actor::ActorKind,
    cell::{self, Cell},
    claim::Kind,
    host::{self, Host},
    ids::{ActorId, CellId, CorrelationId, HostId, PLATFORM, RegionId, derived},
    region::{self, Region},
    text::{Name, Slug},
};
use rhone_eventstore::{AppendError, Clock, Dispatcher, PgLog, Unit, postgres::connect};
use rhone_projections::inline::AuthorityRows;
use sqlx::PgPool;
use uuid::Uuid;

const REGION_SLUG: &str = "local";
const CELL_SLUG: &str = "cell-1";
const HOST_SLUG: &str = "host-1";

/// Makes what is missing.
pub(super) async fn bootstrap(database: &Database, secrets: &Secrets, edges: u16) -> Result<Ids> {
    let ids = ids();
    let worker_url = required("database.worker_url", database.worker_url.as_ref())?;
    let pool = connect(worker_url, "rhone up", 2).await.context("connecting as rhone_worker")?;
    let door = Dispatcher::new(PgLog::new(pool.clone()), Clock::system(), AuthorityRows);
    let mut attempts = 0;
    loop {
        match door.commit(first_records(&door, ids).await?, None, None).await {
            Ok(_) => break,
            // The programs of an earlier run may be at work on the same database.
            Err(AppendError::Conflict { .. }) if attempts < 5 => attempts += 1,
            Err(error) => return Err(error).context("recording region, cell and host"),
        }
    }
    issue(pool.clone(), secrets, edges, ids).await?;
    pool.close().await;
    Ok(ids)
}

fn ids() -> Ids {
    let id = |words: &[&str]| derived(&[&["up"], words].concat());
    Ids {
        platform: PLATFORM,
        user: ActorId(id(&["user"])),
        region: RegionId(id(&["region", REGION_SLUG])),
        cell: CellId(id(&["cell", REGION_SLUG, CELL_SLUG])),
        host: HostId(id(&["host", REGION_SLUG, CELL_SLUG, HOST_SLUG])),
    }
}

async fn first_records(door: &Door, ids: Ids) -> Result<Unit> {
    let correlation = CorrelationId(derived(&["up", "bootstrap"]));
    let mut unit = door.unit(platform::first_context(ids.user, correlation));
    platform::records(door, &mut unit, ids.user).await?;
    let global = Uuid::nil();
    let slug = Slug::parse("slug", REGION_SLUG)?;
    let created = region::Created { id: ids.region, slug, name: Name::parse("name", "This machine")? };
    decide::<Region>(door, &mut unit, ids.region.0, region::Command::Create(created)).await?;
    claim(door, &mut unit, (Kind::RegionSlug, global, REGION_SLUG), ids.region.0).await?;
    unit.place(Some(ids.region), None);
    let created = cell::Created { id: ids.cell, region: ids.region, slug: Slug::parse("slug", CELL_SLUG)? };
    decide::<Cell>(door, &mut unit, ids.cell.0, cell::Command::Create(created)).await?;
    claim(door, &mut unit, (Kind::CellSlug, ids.region.0, CELL_SLUG), ids.cell.0).await?;
    unit.place(Some(ids.region), Some(ids.cell));
    let slug = Slug::parse("slug", HOST_SLUG)?;
    let created = host::Created { id: ids.host, region: ids.region, cell: ids.cell, slug };
    decide::<Host>(door, &mut unit, ids.host.0, host::Command::Create(created)).await?;
    claim(door, &mut unit, (Kind::HostSlug, ids.cell.0, HOST_SLUG), ids.host.0).await?;
    Ok(unit)
}

async fn issue(pool: PgPool, secrets: &Secrets, edges: u16, ids: Ids) -> Result<()> {
    let (tokens, clock) = (Tokens::new(pool), Clock::system());
    let machine = |name: &str| ActorId(derived(&["up", "machine", name]));
    let mut wanted = vec![
        (USER.to_owned(), ids.user, PrincipalKind::User(ActorKind::User)),
        (RUNNER.to_owned(), machine(RUNNER), PrincipalKind::Runner(ids.host)),
    ];
    wanted.extend((1..=edges).map(edge).map(|name| (name.clone(), machine(&name), PrincipalKind::Edge(ids.region))));
    for (name, actor, kind) in wanted {
        let secret = secrets.token(&name)?;
        let token = NewToken { id: clock.new_id(), actor, kind, workspace: None, name };
        tokens.issue(&token, secret).await.context("issuing a token")?;
    }
    Ok(())
}
