//! Which lanes have something new in them: an environment with what owns its traffic, its allocations, its settings and the
//! operations on it. Trap: asking for what is younger than the last answer, which loses what was written before and committed
//! after; what a snapshot sees that the last one did not see is asked for instead, which waits for no other transaction either.

use rhone_domain::{
    aggregate::Aggregate as _,
    allocation::Allocation,
    ids::{EnvironmentId, HostId},
    operation::Operation,
};
use sqlx::{PgConnection, Row as _, postgres::PgRow};
use uuid::Uuid;

/// What a look at the log could see, and in which of its lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    cluster: String,
    era: i32,
    snapshot: String,
}

impl Seen {
    /// Whether both are of one life of the log. Of another one, which a restore began, no event tells how far its rows went back.
    pub fn is_of_the_life_of(&self, other: &Self) -> bool {
        (&self.cluster, self.era) == (&other.cluster, other.era)
    }
}

/// What can be seen now.
pub async fn seen(connection: &mut PgConnection) -> Result<Seen, sqlx::Error> {
    let now = "SELECT i.system || '.' || i.timeline AS cluster, i.era, pg_current_snapshot()::text AS snapshot
               FROM log.incarnation() i";
    read(&sqlx::query(now).fetch_one(connection).await?)
}

/// The lanes with events of these categories that could not be seen before, and what can be seen now: of the same life of the
/// log, or else every lane is to be looked at.
pub async fn changed(
    connection: &mut PgConnection,
    before: &Seen,
    categories: &[&str],
) -> Result<(Vec<EnvironmentId>, Seen), sqlx::Error> {
    let row = sqlx::query(
        "WITH news AS MATERIALIZED (
             SELECT DISTINCT split_part(e.stream, ':', 1) AS category, split_part(e.stream, ':', 2)::uuid AS id
             FROM log.events e
             WHERE (e.era, e.tx) >= ($1, pg_snapshot_xmin($2::text::pg_snapshot))
               AND (e.era > $1 OR NOT pg_visible_in_snapshot(e.tx, $2::text::pg_snapshot))
               AND split_part(e.stream, ':', 1) = ANY($3)
         )
         SELECT i.system || '.' || i.timeline AS cluster, i.era, pg_current_snapshot()::text AS snapshot, ARRAY(
             SELECT n.id FROM news n WHERE n.category NOT IN ($4, $5)
             UNION SELECT a.environment FROM news n JOIN authority.allocations a ON a.allocation = n.id
                   WHERE n.category = $4
             UNION SELECT o.environment FROM news n JOIN authority.operations o ON o.operation = n.id
                   WHERE n.category = $5
         ) AS environments
         FROM log.incarnation() i",
    )
    .bind(before.era)
    .bind(&before.snapshot)
    .bind(categories)
    .bind(Allocation::CATEGORY)
    .bind(Operation::CATEGORY)
    .fetch_one(connection)
    .await?;
    let environments: Vec<Uuid> = row.try_get("environments")?;
    Ok((environments.into_iter().map(EnvironmentId).collect(), read(&row)?))
}

fn read(row: &PgRow) -> Result<Seen, sqlx::Error> {
    let (cluster, era, snapshot) = (row.try_get("cluster")?, row.try_get("era")?, row.try_get("snapshot")?);
    Ok(Seen { cluster, era, snapshot })
}

/// Every lane with allocations that have not ended, or with an owner; and whether, by its rows, it has just what is ready.
pub async fn all(connection: &mut PgConnection) -> Result<Vec<(EnvironmentId, bool)>, sqlx::Error> {
    let rows: Vec<(Uuid, bool)> = sqlx::query_as(
        "SELECT r.environment,
                coalesce(bool_and(a.state = 'ready' AND a.deployment = r.deployment), r.deployment IS NULL)
         FROM authority.route_owners r
         LEFT JOIN authority.allocations a ON a.environment = r.environment AND NOT a.ended
         GROUP BY r.environment
         HAVING r.deployment IS NOT NULL OR count(a.allocation) > 0",
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|(environment, whole)| (EnvironmentId(environment), whole)).collect())
}

/// The lanes with allocations on these hosts that have not ended.
pub async fn on_hosts(connection: &mut PgConnection, hosts: &[HostId]) -> Result<Vec<EnvironmentId>, sqlx::Error> {
    let lanes = "SELECT DISTINCT environment FROM authority.allocations WHERE host = ANY($1) AND NOT ended";
    let hosts = hosts.iter().map(|host| host.0).collect::<Vec<_>>();
    let lanes: Vec<Uuid> = sqlx::query_scalar(lanes).bind(hosts).fetch_all(connection).await?;
    Ok(lanes.into_iter().map(EnvironmentId).collect())
}
