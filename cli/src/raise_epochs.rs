//! `rhone admin raise-epochs`: after a restore from a backup, lifts every route above the epochs that edges have served since
//! the backup was made; edges refuse to go back, and keep such a route quarantined until then. The trap avoided: an epoch
//! set by hand in a table; this goes through the dispatcher like every other decision, with a reason in each timeline.

use crate::{
    client::Failure,
    config::{Database, required, section},
    data::Data,
    platform::administrator,
};
use anyhow::{Context as _, Result};
use rhone_domain::{
    actor::{Actor, ActorKind, Writer},
    authorization::Authority,
    ids::CorrelationId,
    numbers::Epoch,
    route_owner::{Command, Opened, RouteOwner},
    text::Reason,
};
use rhone_eventstore::{AppendError, Clock, Context, Dispatcher, PgLog, postgres::connect};
use rhone_projections::{authority::route_owners, inline::AuthorityRows};

/// How often one route is tried when somebody else is faster.
const ATTEMPTS: usize = 5;

/// Raises every route that has an owner by so much; says how many there were.
pub(crate) async fn raise(data: &Data, by: u64, reason: &str) -> Result<usize> {
    let database: Database = section(data, "database")?;
    raise_at(required("database.worker_url", database.worker_url.as_ref())?, by, reason).await
}

/// The same, of the database at this URL.
pub(crate) async fn raise_at(url: &str, by: u64, reason: &str) -> Result<usize> {
    let reason = Reason::parse("reason", reason).map_err(Failure::usage)?;
    let pool = connect(url, "rhone admin", 2).await.context("connecting to the database")?;
    let mut connection = pool.acquire().await?;
    let lanes = route_owners::lanes(&mut connection).await.context("reading the routes")?;
    drop(connection);
    let door = Dispatcher::new(PgLog::new(pool), Clock::system(), AuthorityRows);
    let correlation = CorrelationId(door.clock().new_id());
    let owned = lanes.iter().filter(|(owner, _)| owner.owner.is_some());
    let mut raised = 0;
    for opened in owned.filter_map(|(owner, _)| owner.lane()) {
        raise_one(&door, &opened, by, &reason, correlation).await?;
        raised += 1;
    }
    Ok(raised)
}

async fn raise_one(
    door: &Dispatcher<PgLog, AuthorityRows>,
    opened: &Opened,
    by: u64,
    reason: &Reason,
    correlation: CorrelationId,
) -> Result<()> {
    for _ in 0..ATTEMPTS {
        let mut owner = door.load::<RouteOwner>(opened.environment).await?;
        let floor = Epoch(owner.state.epoch.0.saturating_add(by));
        let mut unit = door.unit(Context {
            actor: Actor { id: administrator(), kind: ActorKind::User, on_behalf_of: None },
            writer: Writer::Platform,
            authority: Authority::itself(),
            workspace: opened.workspace,
            correlation,
            causation: owner.last_event,
            idempotency_key: None,
            traceparent: None,
            region: Some(opened.region),
            cell: Some(opened.cell),
        });
        unit.decide(&mut owner, Command::RaiseEpoch { floor, reason: reason.clone() })?;
        match door.commit(unit, None, None).await {
            Ok(_) => return Ok(()),
            Err(AppendError::Conflict { .. }) => {}
            Err(error) => return Err(error).with_context(|| format!("raising {}", opened.environment)),
        }
    }
    let message = format!("others keep changing the route of {}; run this again", opened.environment);
    Err(Failure::Fault { code: "CONFLICT".into(), message }.into())
}
