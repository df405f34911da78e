//! Deployments as the console lists them. Where each one owns traffic is told by the route owners, not here.

use crate::{
    keyset::Keyset,
    projection::{ApplyError, Projection},
    rows,
    whose::{Whose, apps_of},
};
use chrono::{DateTime, Utc};
use rhone_domain::{
    aggregate::Aggregate,
    deployment::{Created, Deployment, Event, Validated},
    ids::{AppId, DeploymentId, WorkspaceId},
    numbers::Version,
};
use rhone_eventstore::Recorded;
use serde::Serialize;
use sqlx::{PgConnection, Row as _, postgres::PgRow, types::Json};
use std::collections::BTreeMap;
use uuid::Uuid;

/// The projection.
pub struct Deployments;

/// A row.
#[derive(Clone, Debug)]
pub struct DeploymentRow {
    /// Which.
    pub id: DeploymentId,
    /// Its app.
    pub app: AppId,
    /// Its stream's version.
    pub version: i64,
    /// What it is known to be.
    pub state: Deployment,
    /// When it was created.
    pub created_at: DateTime<Utc>,
}

impl Projection for Deployments {
    const NAME: &'static str = "deployments";
    const VERSION: i32 = 1;
    const TABLES: &'static str = "
        CREATE TABLE deployments (
            id         uuid PRIMARY KEY,
            workspace  uuid NOT NULL,
            app        uuid NOT NULL,
            version    bigint NOT NULL,
            created    json NOT NULL,
            validated  json,
            failed     text,
            created_at timestamptz NOT NULL
        ) WITH (fillfactor = 80);
        CREATE INDEX deployments_of_app ON deployments (app, id);";

    async fn apply(connection: &mut PgConnection, events: &[Recorded]) -> Result<(), ApplyError> {
        // What is created and judged in one batch, as most are, is one row of one statement.
        let mut fresh = BTreeMap::new();
        for event in events.iter().filter(|event| event.envelope.stream.category() == Deployment::CATEGORY) {
            let decoded = event.decode::<Event>().map_err(ApplyError::poison(event))?;
            match fresh.get_mut(&event.envelope.stream.id()) {
                Some(row) => Fresh::judge(row, event, decoded),
                None => match decoded {
                    Event::Created(created) => drop(fresh.insert(created.id.0, Fresh::of(event, created))),
                    Event::Validated(_) | Event::Failed { .. } => update(connection, event, &decoded).await?,
                },
            }
        }
        Ok(rows::insert(connection, "deployments", &fresh.into_values().collect::<Vec<_>>()).await?)
    }
}

/// A row that is not written yet, its documents in the order of their types' fields.
#[derive(Serialize)]
struct Fresh {
    id: DeploymentId,
    workspace: WorkspaceId,
    app: AppId,
    version: Version,
    created: Created,
    validated: Option<Validated>,
    failed: Option<String>,
    created_at: DateTime<Utc>,
}

impl Fresh {
    fn of(event: &Recorded, created: Created) -> Self {
        let (id, workspace, app) = (created.id, created.workspace, created.app);
        let (version, created_at) = (event.envelope.version, event.recorded_at);
        Self { id, workspace, app, version, created, validated: None, failed: None, created_at }
    }

    /// What became of it.
    fn judge(&mut self, event: &Recorded, decoded: Event) {
        self.version = event.envelope.version;
        match decoded {
            Event::Created(_) => {}
            Event::Validated(validated) => self.validated = Some(validated),
            Event::Failed { reason } => self.failed = Some(reason),
        }
    }
}

async fn update(connection: &mut PgConnection, event: &Recorded, decoded: &Event) -> Result<(), sqlx::Error> {
    let envelope = &event.envelope;
    let version = i64::try_from(envelope.version.0).map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    let query = match decoded {
        Event::Created(_) => return Ok(()),
        // As text, for a document that passes through jsonb is written otherwise than one that was created and judged in a batch.
        Event::Validated(validated) => {
            sqlx::query("UPDATE deployments SET validated = $3::json, version = $2 WHERE id = $1")
                .bind(envelope.stream.id())
                .bind(version)
                .bind(serde_json::to_string(validated).map_err(|error| sqlx::Error::Encode(Box::new(error)))?)
        }
        Event::Failed { reason } => sqlx::query("UPDATE deployments SET failed = $3, version = $2 WHERE id = $1")
            .bind(envelope.stream.id())
            .bind(version)
            .bind(reason.clone()),
    };
    query.execute(connection).await?;
    Ok(())
}

const COLUMNS: &str = "id, app, version, created, validated, failed, created_at";

/// The deployments with these ids, in no order.
pub async fn by_ids(connection: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<DeploymentRow>, sqlx::Error> {
    let query = format!("SELECT {COLUMNS} FROM deployments.deployments WHERE id = ANY($1)");
    sqlx::query(sqlx::AssertSqlSafe(query)).bind(ids).fetch_all(connection).await?.iter().map(read).collect()
}

/// Which deployments; nothing said is all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// `created`, `validated` or `failed`.
    pub status: Option<&'static str>,
    /// Of exactly these bytes.
    pub digest: Option<String>,
    /// Created at this time or later.
    pub since: Option<DateTime<Utc>>,
    /// Created before this time.
    pub before: Option<DateTime<Utc>>,
}

/// A page of the deployments of each of these places, with the place, in order of creation; an environment's are those that
/// an operation there was about.
pub async fn pages(
    connection: &mut PgConnection,
    (whose, places): (Whose, &[Uuid]),
    filter: &Filter,
    keyset: &Keyset<Uuid>,
) -> Result<Vec<(Uuid, DeploymentRow)>, sqlx::Error> {
    let (operator, order) = (keyset.towards.operator(), keyset.towards.order());
    let page = |of: &str| {
        format!(
            "SELECT {COLUMNS} FROM deployments.deployments
             WHERE {of} AND ($2::uuid IS NULL OR id {operator} $2)
               AND ($4::text IS NULL OR $4 = CASE WHEN failed IS NOT NULL THEN 'failed'
                   WHEN validated IS NOT NULL THEN 'validated' ELSE 'created' END)
               AND ($5::text IS NULL OR created->>'digest' = $5)
               AND ($6::timestamptz IS NULL OR created_at >= $6) AND ($7::timestamptz IS NULL OR created_at < $7)
             ORDER BY id {order} LIMIT $3"
        )
    };
    let page = match (whose, apps_of(whose)) {
        (_, Some(apps)) => format!(
            "SELECT one.* FROM {apps} CROSS JOIN LATERAL ({}) one ORDER BY one.id {order} LIMIT $3",
            page("app = a.id")
        ),
        (Whose::Environments, None) => {
            page("id IN (SELECT deployment FROM authority.operations WHERE environment = of.id)")
        }
        (_, None) => page("app = of.id"),
    };
    let query = format!(
        "SELECT of.id AS place, d.* FROM unnest($1::uuid[]) AS of (id) CROSS JOIN LATERAL ({page}) d
         ORDER BY of.id, d.id {order}"
    );
    sqlx::query(sqlx::AssertSqlSafe(query))
        .bind(places)
        .bind(keyset.from)
        .bind(keyset.most)
        .bind(filter.status)
        .bind(&filter.digest)
        .bind(filter.since)
        .bind(filter.before)
        .fetch_all(connection)
        .await?
        .iter()
        .map(|row| Ok((row.try_get("place")?, read(row)?)))
        .collect()
}

fn read(row: &PgRow) -> Result<DeploymentRow, sqlx::Error> {
    let Json(created) = row.try_get("created")?;
    let validated: Option<Json<_>> = row.try_get("validated")?;
    Ok(DeploymentRow {
        id: DeploymentId(row.try_get("id")?),
        app: AppId(row.try_get("app")?),
        version: row.try_get("version")?,
        state: Deployment {
            created: Some(created),
            validated: validated.map(|Json(validated)| validated),
            failed: row.try_get("failed")?,
        },
        created_at: row.try_get("created_at")?,
    })
}
