//! What is asked of the timeline: a page of lines under a filter, what causes brought about, one event. Only what is asked for
//! stands in the statement, so that each question finds its index. Row-level security says whose lines there are.

use super::Entry;
use crate::keyset::{Keyset, Towards};
use chrono::{DateTime, Utc};
use rhone_domain::{
    envelope::StreamId,
    ids::{AppId, EnvironmentId, ProjectId, WorkspaceId},
};
use rhone_eventstore::{AsOf, Position};
use sqlx::{PgConnection, Postgres, QueryBuilder, Row as _, postgres::PgRow, types::Json};
use uuid::Uuid;

/// The columns that [`read`] reads.
pub(super) const COLUMNS: &str = "era, tx::text AS tx, pos, event, stream, version, event_type, schema_version, actor, actor_kind, \
    on_behalf_of, writer, correlation, causation, traceparent, reason, summary, payload, occurred_at, recorded_at";

/// Which lines: those for which all of it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Those of one workspace.
    pub workspace: Option<WorkspaceId>,
    /// Those of one project.
    pub project: Option<ProjectId>,
    /// Those of one app.
    pub app: Option<AppId>,
    /// Those of one environment.
    pub environment: Option<EnvironmentId>,
    /// Those of one cause; an operation's id where there is one.
    pub correlation: Option<Uuid>,
    /// Those of one actor.
    pub actor: Option<Uuid>,
    /// Those of these streams; none: of any.
    pub streams: Vec<StreamId>,
    /// Those of these types, or with `noun.` of this noun; none: of any.
    pub types: Vec<String>,
    /// Those that the log received then or later.
    pub since: Option<DateTime<Utc>>,
    /// Those that it received before.
    pub until: Option<DateTime<Utc>>,
    /// Those up to and with this moment, as a stream is folded to it.
    pub as_of: AsOf,
}

impl Filter {
    fn narrow(&self, query: &mut QueryBuilder<Postgres>) {
        let places = [
            ("workspace", self.workspace.map(|id| id.0)),
            ("project", self.project.map(|id| id.0)),
            ("app", self.app.map(|id| id.0)),
            ("environment", self.environment.map(|id| id.0)),
            ("correlation", self.correlation),
            ("actor", self.actor),
        ];
        for (column, id) in places {
            if let Some(id) = id {
                query.push(format!(" AND {column} = ")).push_bind(id);
            }
        }
        if !self.streams.is_empty() {
            let streams: Vec<String> = self.streams.iter().map(ToString::to_string).collect();
            query.push(" AND stream = ANY(").push_bind(streams).push(")");
        }
        if !self.types.is_empty() {
            let (nouns, types): (Vec<_>, Vec<_>) = self.types.iter().cloned().partition(|one| one.ends_with('.'));
            query.push(" AND (event_type = ANY(").push_bind(types).push(")");
            if !nouns.is_empty() {
                query.push(" OR split_part(event_type, '.', 1) || '.' = ANY(").push_bind(nouns).push(")");
            }
            query.push(")");
        }
        if let Some(since) = self.since {
            query.push(" AND recorded_at >= ").push_bind(since);
        }
        if let Some(until) = self.until {
            query.push(" AND recorded_at < ").push_bind(until);
        }
        if self.as_of != AsOf::Latest {
            reached(query.push(" AND "), self.as_of);
        }
    }
}

/// Whether a line stands in the log by then; as `AsOf::reaches` says it of an event.
pub(crate) fn reached(query: &mut QueryBuilder<Postgres>, as_of: AsOf) {
    match as_of {
        AsOf::Latest => query.push("true"),
        AsOf::Version(version) => query.push("version <= ").push_bind(i64::try_from(version.0).unwrap_or(i64::MAX)),
        AsOf::Time(time) => query.push("recorded_at <= ").push_bind(time),
        AsOf::Position(position) => place(query.push("(era, tx, pos) <= "), position),
    };
}

/// A place in the log, as a row; what no column holds is beyond all that one does.
fn place(query: &mut QueryBuilder<Postgres>, at: Position) -> &mut QueryBuilder<Postgres> {
    query.push("(").push_bind(i32::try_from(at.era).unwrap_or(i32::MAX)).push(", ").push_bind(at.tx.to_string());
    query.push("::text::xid8, ").push_bind(i64::try_from(at.pos).unwrap_or(i64::MAX)).push(")")
}

/// Lines in the log's order.
pub async fn page(
    connection: &mut PgConnection,
    filter: &Filter,
    keyset: &Keyset<Position>,
) -> Result<Vec<Entry>, sqlx::Error> {
    let mut pages = pages(connection, &[(filter, *keyset)]).await?;
    Ok(pages.pop().unwrap_or_default())
}

/// One page for each that is asked for, in one statement: each part of it finds its own index.
pub async fn pages(
    connection: &mut PgConnection,
    asked: &[(&Filter, Keyset<Position>)],
) -> Result<Vec<Vec<Entry>>, sqlx::Error> {
    let mut query = QueryBuilder::new("");
    for (nth, (filter, keyset)) in asked.iter().enumerate() {
        query.push(if nth == 0 { "(" } else { " UNION ALL (" });
        part(&mut query, nth, filter, keyset);
        query.push(")");
    }
    let mut pages: Vec<Vec<Entry>> = asked.iter().map(|_| Vec::new()).collect();
    if asked.is_empty() {
        return Ok(pages);
    }
    for row in query.build().fetch_all(connection).await? {
        let nth: i64 = row.try_get("nth")?;
        let page = usize::try_from(nth).ok().and_then(|nth| pages.get_mut(nth));
        page.ok_or(sqlx::Error::RowNotFound)?.push(read(&row)?);
    }
    // What a union answers has no order.
    for (page, (_, keyset)) in pages.iter_mut().zip(asked) {
        page.sort_by_key(|entry| entry.position);
        if keyset.towards == Towards::Older {
            page.reverse();
        }
    }
    Ok(pages)
}

fn part(query: &mut QueryBuilder<Postgres>, nth: usize, filter: &Filter, keyset: &Keyset<Position>) {
    let (operator, order) = (keyset.towards.operator(), keyset.towards.order());
    query.push(format!("SELECT {nth}::bigint AS nth, {COLUMNS} FROM timeline.entries WHERE true"));
    if let Some(from) = keyset.from {
        place(query.push(format!(" AND (era, tx, pos) {operator} ")), from);
    }
    filter.narrow(query);
    query.push(format!(" ORDER BY entries.era {order}, entries.tx {order}, entries.pos {order} LIMIT "));
    query.push_bind(keyset.most);
}

/// The first lines of each of these causes, in the log's order, at most so many of each.
pub async fn by_correlations(
    connection: &mut PgConnection,
    correlations: &[Uuid],
    most: i64,
) -> Result<Vec<Entry>, sqlx::Error> {
    let query = format!(
        "SELECT e.* FROM unnest($1::uuid[]) AS asked (id) CROSS JOIN LATERAL (
             SELECT {COLUMNS}, tx AS place FROM timeline.entries WHERE correlation = asked.id
             ORDER BY entries.era, entries.tx, entries.pos LIMIT $2
         ) e ORDER BY e.era, e.place, e.pos"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(query)).bind(correlations).bind(most).fetch_all(connection).await?;
    rows.iter().map(read).collect()
}

/// One line by its event.
pub async fn of_event(connection: &mut PgConnection, event: Uuid) -> Result<Option<Entry>, sqlx::Error> {
    let query = format!("SELECT {COLUMNS} FROM timeline.entries WHERE event = $1");
    let row = sqlx::query(sqlx::AssertSqlSafe(query)).bind(event).fetch_optional(connection).await?;
    row.as_ref().map(read).transpose()
}

pub(super) fn read(row: &PgRow) -> Result<Entry, sqlx::Error> {
    let Json(payload) = row.try_get("payload")?;
    let tx: String = row.try_get("tx")?;
    let (era, pos): (i32, i64) = (row.try_get("era")?, row.try_get("pos")?);
    let position = format!("{era}-{tx}-{pos}").parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
    Ok(Entry {
        position,
        event: row.try_get("event")?,
        stream: row.try_get("stream")?,
        version: row.try_get("version")?,
        event_type: row.try_get("event_type")?,
        schema_version: row.try_get("schema_version")?,
        actor: row.try_get("actor")?,
        actor_kind: row.try_get("actor_kind")?,
        on_behalf_of: row.try_get("on_behalf_of")?,
        writer: row.try_get("writer")?,
        correlation: row.try_get("correlation")?,
        causation: row.try_get("causation")?,
        traceparent: row.try_get("traceparent")?,
        reason: row.try_get("reason")?,
        summary: row.try_get("summary")?,
        payload,
        occurred_at: row.try_get("occurred_at")?,
        recorded_at: row.try_get("recorded_at")?,
    })
}
