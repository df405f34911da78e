//! What exists: workspaces, projects, apps, environments, artifacts, regions, cells and hosts, each as it was created. One
//! table holds them all, because they are asked for alike: by id, or by what they belong to, in order of creation.

use crate::{
    keyset::Keyset,
    projection::{ApplyError, Projection},
    rows,
    session::Session,
};
use chrono::{DateTime, Utc};
use rhone_domain::{
    aggregate::{Aggregate, Event},
    app, artifact, cell,
    envelope::StreamId,
    environment, host,
    ids::{PLATFORM, WorkspaceId},
    numbers::Version,
    project, region, workspace,
};
use rhone_eventstore::{Log as _, ReadError, Recorded};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use sqlx::{PgConnection, Row as _, postgres::PgRow, types::Json};
use uuid::Uuid;

/// The projection.
pub struct Catalogue;

/// Something that exists.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its category, such as `app`.
    pub kind: String,
    /// Which.
    pub id: Uuid,
    /// Its stream's version.
    pub version: i64,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    body: Value,
}

impl Entry {
    /// What it was created as.
    pub fn created<T: DeserializeOwned>(&self) -> Result<T, sqlx::Error> {
        T::deserialize(&self.body).map_err(|error| sqlx::Error::Decode(Box::new(error)))
    }
}

impl Projection for Catalogue {
    const NAME: &'static str = "catalogue";
    const VERSION: i32 = 1;
    const TABLES: &'static str = "
        CREATE TABLE entries (
            id         uuid NOT NULL,
            kind       text NOT NULL,
            workspace  uuid,
            parent     uuid,
            version    bigint NOT NULL,
            body       json NOT NULL,
            created_at timestamptz NOT NULL,
            PRIMARY KEY (id, kind)
        ) WITH (fillfactor = 90);
        CREATE INDEX entries_of_parent ON entries (kind, parent, id);";

    async fn apply(connection: &mut PgConnection, events: &[Recorded]) -> Result<(), ApplyError> {
        let mut fresh = Vec::new();
        for event in events {
            if let Some(row) = row(event)? {
                fresh.push(row.of(event));
            }
        }
        Ok(rows::insert(connection, "entries", &fresh).await?)
    }
}

struct Row {
    workspace: Option<WorkspaceId>,
    parent: Option<Uuid>,
    body: Value,
}

impl Row {
    fn of(self, event: &Recorded) -> Value {
        json!({
            "id": event.envelope.stream.id(),
            "kind": event.envelope.stream.category(),
            "workspace": self.workspace,
            "parent": self.parent,
            "version": event.envelope.version,
            "body": self.body,
            "created_at": event.recorded_at,
        })
    }
}

fn row(event: &Recorded) -> Result<Option<Row>, ApplyError> {
    let workspace = Some(event.envelope.workspace);
    Ok(Some(match event.envelope.stream.category() {
        workspace::Workspace::CATEGORY => match decode(event)? {
            workspace::Event::Created { .. } => Row { workspace, parent: None, body: event.payload.to_value() },
            workspace::Event::MemberAdded { .. }
            | workspace::Event::MemberRoleChanged { .. }
            | workspace::Event::MemberRemoved { .. }
            | workspace::Event::GrantsSet { .. }
            | workspace::Event::SupportGranted { .. }
            | workspace::Event::SupportEnded { .. }
            | workspace::Event::MemberInvited { .. }
            | workspace::Event::InvitationRevoked { .. }
            | workspace::Event::InvitationAccepted { .. } => return Ok(None),
        },
        project::Project::CATEGORY => {
            let project::Event::Created(created) = decode(event)?;
            of(workspace, Some(created.workspace.0), &created)
        }
        app::App::CATEGORY => {
            // Where it comes from, and with what that is read, is asked of its stream.
            let (app::Event::Created(created) | app::Event::Imported(app::Imported { created, .. })) = decode(event)?
            else {
                return Ok(None);
            };
            of(workspace, Some(created.project.0), &created)
        }
        environment::Environment::CATEGORY => {
            // How many allocations it wants is asked of its stream.
            let environment::Event::Created(created) = decode(event)? else { return Ok(None) };
            of(workspace, Some(created.app.0), &created)
        }
        artifact::Artifact::CATEGORY => {
            let artifact::Event::Created(created) = decode(event)?;
            of(workspace, Some(created.workspace.0), &created)
        }
        region::Region::CATEGORY => {
            let region::Event::Created(created) = decode(event)?;
            of(None, None, &created)
        }
        cell::Cell::CATEGORY => {
            let cell::Event::Created(created) = decode(event)?;
            of(None, Some(created.region.0), &created)
        }
        host::Host::CATEGORY => match decode(event)? {
            host::Event::Created(created) => of(Some(PLATFORM), Some(created.cell.0), &created),
            host::Event::Cordoned { .. }
            | host::Event::Uncordoned { .. }
            | host::Event::CapacitySet { .. }
            | host::Event::DrainBegun { .. }
            | host::Event::UpgradeConfirmed(_)
            | host::Event::Retired { .. } => return Ok(None),
        },
        _ => return Ok(None),
    }))
}

fn decode<E: Event>(event: &Recorded) -> Result<E, ApplyError> {
    event.decode().map_err(ApplyError::poison(event))
}

fn of(workspace: Option<WorkspaceId>, parent: Option<Uuid>, created: &impl Serialize) -> Row {
    let body = serde_json::to_value(created).expect("what was read from JSON can be written as JSON");
    Row { workspace, parent, body }
}

/// The things of one kind with these ids, in no order.
pub async fn by_ids(connection: &mut PgConnection, kind: &str, ids: &[Uuid]) -> Result<Vec<Entry>, sqlx::Error> {
    sqlx::query("SELECT id, kind, version, body, created_at FROM catalogue.entries WHERE kind = $1 AND id = ANY($2)")
        .bind(kind)
        .bind(ids)
        .fetch_all(connection)
        .await?
        .iter()
        .map(read)
        .collect()
}

/// One thing as the log has it, whether or not the rows have it yet; none if it was never created.
pub async fn in_log(session: &Session, kind: &str, id: Uuid) -> Result<Option<Entry>, ReadError> {
    let events = session.log().read_stream(&StreamId::new(kind, id), Version(0)).await?;
    let Some(event) = events.first() else { return Ok(None) };
    let row = row(event).map_err(|error| ReadError::Unavailable(sqlx::Error::Decode(Box::new(error))))?;
    Ok(row.map(|row| Entry {
        kind: kind.to_owned(),
        id,
        version: i64::try_from(event.envelope.version.0).unwrap_or(i64::MAX),
        created_at: event.recorded_at,
        body: row.body,
    }))
}

/// Which of the things; nothing said is all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Whose name or slug holds this, whatever its case.
    pub named: Option<String>,
    /// Created for this: an environment's kind.
    pub purpose: Option<String>,
    /// Whose slug is this: one at most, of those that belong to the same.
    pub slug: Option<String>,
}

/// Whether a thing's name or slug holds this text.
fn named(parameter: &str) -> String {
    format!(
        "({parameter}::text IS NULL OR strpos(lower(body->>'name'), lower({parameter})) > 0
            OR strpos(body->>'slug', lower({parameter})) > 0)"
    )
}

/// The things of one kind that belong to nothing, in order of creation.
pub async fn page(
    connection: &mut PgConnection,
    kind: &str,
    filter: &Filter,
    keyset: &Keyset<Uuid>,
) -> Result<Vec<Entry>, sqlx::Error> {
    let (operator, order, named) = (keyset.towards.operator(), keyset.towards.order(), named("$4"));
    let query = format!(
        "SELECT id, kind, version, body, created_at FROM catalogue.entries
         WHERE kind = $1 AND parent IS NULL AND ($2::uuid IS NULL OR id {operator} $2) AND {named}
           AND ($5::text IS NULL OR body->>'slug' = $5)
         ORDER BY id {order} LIMIT $3"
    );
    sqlx::query(sqlx::AssertSqlSafe(query))
        .bind(kind)
        .bind(keyset.from)
        .bind(keyset.most)
        .bind(&filter.named)
        .bind(&filter.slug)
        .fetch_all(connection)
        .await?
        .iter()
        .map(read)
        .collect()
}

/// A page of the things of one kind for each of these parents, with the parent, in order of creation.
pub async fn pages(
    connection: &mut PgConnection,
    kind: &str,
    parents: &[Uuid],
    filter: &Filter,
    keyset: &Keyset<Uuid>,
) -> Result<Vec<(Uuid, Entry)>, sqlx::Error> {
    let (operator, order, named) = (keyset.towards.operator(), keyset.towards.order(), named("$5"));
    let query = format!(
        "SELECT of.parent, e.* FROM unnest($2::uuid[]) AS of(parent) CROSS JOIN LATERAL (
             SELECT id, kind, version, body, created_at FROM catalogue.entries
             WHERE kind = $1 AND parent = of.parent AND ($3::uuid IS NULL OR id {operator} $3)
               AND {named}
               AND ($6::text IS NULL OR body->>'kind' = $6)
               AND ($7::text IS NULL OR body->>'slug' = $7)
             ORDER BY id {order} LIMIT $4) e
         ORDER BY of.parent, e.id {order}"
    );
    sqlx::query(sqlx::AssertSqlSafe(query))
        .bind(kind)
        .bind(parents)
        .bind(keyset.from)
        .bind(keyset.most)
        .bind(&filter.named)
        .bind(&filter.purpose)
        .bind(&filter.slug)
        .fetch_all(connection)
        .await?
        .iter()
        .map(|row| Ok((row.try_get("parent")?, read(row)?)))
        .collect()
}

fn read(row: &PgRow) -> Result<Entry, sqlx::Error> {
    let Json(body) = row.try_get("body")?;
    Ok(Entry {
        kind: row.try_get("kind")?,
        id: row.try_get("id")?,
        version: row.try_get("version")?,
        created_at: row.try_get("created_at")?,
        body,
    })
}
