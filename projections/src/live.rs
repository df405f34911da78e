//! A workspace's events as one reader may hear them: in the log's order, from a position on, through row-level security. It
//! writes nothing and keeps no table. The trap avoided: asking in one statement what is there and in another up to where
//! it is complete, or whether the reader may hear it; an event that commits, or a member who goes, between the two would be
//! missed. One statement, one snapshot, answers all three.

use crate::{
    session::Session,
    timeline::{self, Entry},
};
use rhone_domain::{
    aggregate::Aggregate,
    envelope::StreamId,
    environment::Environment,
    ids::{AppId, EnvironmentId, WorkspaceId},
};
use rhone_eventstore::{
    Position, ReadError, Recorded,
    postgres::{EVENT_COLUMNS, event_from_row},
};
use serde_json::Value;
use sqlx::{PgConnection, Row as _, postgres::PgRow};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Which events; nothing said is everything.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of one of these types.
    pub types: Vec<String>,
    /// By this actor.
    pub actor: Option<Uuid>,
    /// Of this cause, an operation say.
    pub correlation: Option<Uuid>,
    /// That concern this app.
    pub app: Option<AppId>,
    /// That concern this environment.
    pub environment: Option<EnvironmentId>,
    /// Of one of these streams.
    pub streams: Vec<StreamId>,
}

/// What was heard in one look.
#[derive(Debug)]
pub struct Heard {
    /// Whether the reader belongs to the workspace; whoever does not hears nothing.
    pub member: bool,
    /// What matched, in the log's order.
    pub entries: Vec<Entry>,
    /// Everything up to here was looked at: go on from it.
    pub upto: Position,
    /// Whether nothing was left to look at.
    pub at_head: bool,
}

/// From where on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// After this position.
    After(Position),
    /// From now on: nothing is heard yet but where "now" is.
    Now,
}

/// Hears at most `most` events that match.
pub async fn hear(
    session: &Session,
    workspace: WorkspaceId,
    filter: &Filter,
    since: Since,
    most: u16,
) -> Result<Heard, ReadError> {
    let mut transaction = session.begin().await.map_err(ReadError::Unavailable)?;
    let (after, most) = match since {
        Since::After(position) => (position, most),
        Since::Now => (Position::START, 0),
    };
    let rows = rows(&mut transaction, workspace, filter, after, most).await.map_err(ReadError::Unavailable)?;
    let mark = rows.first().ok_or_else(|| corrupt("the log's mark is missing"))?;
    let member = mark.try_get("member").map_err(ReadError::Unavailable)?;
    let events = rows.iter().filter(|row| has_event(row)).map(event_from_row).collect::<Result<Vec<_>, _>>()?;
    let full = most > 0 && events.len() == usize::from(most);
    let upto = match events.last().filter(|_| full) {
        Some(last) => last.position,
        // A mark that is behind the reader is from a snapshot in which the reader's last event was not complete.
        None => mark_of(mark)?.max(after),
    };
    let kept = concerning(&mut transaction, filter, events).await?;
    Ok(Heard { member, entries: kept.iter().map(Entry::of).collect(), upto, at_head: !full })
}

/// One row at least: where the log stands, and with it the events if there are any.
async fn rows(
    connection: &mut PgConnection,
    workspace: WorkspaceId,
    filter: &Filter,
    after: Position,
    most: u16,
) -> Result<Vec<PgRow>, sqlx::Error> {
    let query = format!(
        "WITH mark AS MATERIALIZED (
             SELECT (SELECT max(c.era) FROM log.eras c) AS era, pg_snapshot_xmin(pg_current_snapshot()) AS tx,
                    $1 = ANY ((SELECT authority.workspaces())::uuid[]) AS member)
         SELECT mark.era AS mark_era, mark.tx::text AS mark_tx, mark.member, e.*
         FROM mark LEFT JOIN LATERAL (
             SELECT {EVENT_COLUMNS} FROM log.events
             WHERE mark.member AND events.workspace = $1
               AND (events.era, events.tx, events.pos) > ($2, $3::text::xid8, $4)
               AND (events.era, events.tx) < (mark.era, mark.tx)
               AND ($5::text[] IS NULL OR events.event_type = ANY($5))
               AND ($6::uuid IS NULL OR events.actor = $6) AND ($7::uuid IS NULL OR events.correlation = $7)
               AND ($9::text[] IS NULL OR events.stream = ANY($9))
             ORDER BY events.era, events.tx, events.pos LIMIT $8) e ON true
         ORDER BY e.era, e.tx::xid8, e.pos"
    );
    let streams: Vec<String> = filter.streams.iter().map(|stream| stream.as_str().to_owned()).collect();
    sqlx::query(sqlx::AssertSqlSafe(query))
        .bind(workspace.0)
        .bind(i32::try_from(after.era).unwrap_or(i32::MAX))
        .bind(after.tx.to_string())
        .bind(i64::try_from(after.pos).unwrap_or(i64::MAX))
        .bind(Some(&filter.types).filter(|types| !types.is_empty()))
        .bind(filter.actor)
        .bind(filter.correlation)
        .bind(i64::from(most))
        .bind(Some(streams).filter(|streams| !streams.is_empty()))
        .fetch_all(connection)
        .await
}

fn has_event(row: &PgRow) -> bool {
    row.try_get::<Option<i32>, _>("era").is_ok_and(|era| era.is_some())
}

/// Before it everything is complete, and nothing at or after it was heard.
fn mark_of(row: &PgRow) -> Result<Position, ReadError> {
    let era: i32 = row.try_get("mark_era").map_err(ReadError::Unavailable)?;
    let tx: String = row.try_get("mark_tx").map_err(ReadError::Unavailable)?;
    format!("{era}-{tx}-0").parse().map_err(|_| corrupt("the log's mark is no position"))
}

fn corrupt(reason: &str) -> ReadError {
    ReadError::Corrupt { place: "the log's head".to_owned(), reason: reason.to_owned() }
}

/// Those that concern the app and the environment asked for, as the timeline would say: by the streams' first events.
async fn concerning(
    connection: &mut PgConnection,
    filter: &Filter,
    events: Vec<Recorded>,
) -> Result<Vec<Recorded>, ReadError> {
    if filter.app.is_none() && filter.environment.is_none() {
        return Ok(events);
    }
    let streams = events.iter().map(|event| event.envelope.stream.clone()).collect();
    let firsts = first_payloads(connection, streams).await.map_err(ReadError::Unavailable)?;
    let named = |event: &Recorded| {
        let stream = &event.envelope.stream;
        let first = firsts.get(stream.as_str()).filter(|_| timeline::lasts(stream));
        first.map_or_else(|| timeline::names(stream, &event.payload.to_value()), |first| timeline::names(stream, first))
    };
    // What names its environment only belongs to that environment's app.
    let lane = |environment: Uuid| StreamId::new(Environment::CATEGORY, environment);
    let lanes = events.iter().filter_map(|event| named(event).environment).map(lane).collect();
    let lanes = first_payloads(connection, lanes).await.map_err(ReadError::Unavailable)?;
    let concerns = |event: &Recorded| {
        let subject = named(event);
        let app = subject.app.or_else(|| {
            let stream = lane(subject.environment?);
            timeline::names(&stream, lanes.get(stream.as_str())?).app
        });
        filter.app.is_none_or(|wanted| app == Some(wanted.0))
            && filter.environment.is_none_or(|wanted| subject.environment == Some(wanted.0))
    };
    Ok(events.iter().filter(|event| concerns(event)).cloned().collect())
}

async fn first_payloads(
    connection: &mut PgConnection,
    streams: Vec<StreamId>,
) -> Result<BTreeMap<String, Value>, sqlx::Error> {
    let streams = streams.iter().map(StreamId::to_string).collect::<Vec<_>>();
    sqlx::query("SELECT stream, payload FROM log.events WHERE stream = ANY($1) AND version = 1")
        .bind(streams)
        .fetch_all(connection)
        .await?
        .iter()
        .map(|row| Ok((row.try_get("stream")?, row.try_get("payload")?)))
        .collect()
}

/// Where the log stands now, for whoever follows all of it.
pub async fn head(connection: &mut PgConnection) -> Result<Position, ReadError> {
    const HEAD: &str = "SELECT (SELECT max(c.era) FROM log.eras c) AS mark_era,
        pg_snapshot_xmin(pg_current_snapshot())::text AS mark_tx";
    mark_of(&sqlx::query(HEAD).fetch_one(connection).await.map_err(ReadError::Unavailable)?)
}

/// Of these readers, those who belong to their workspace no longer; asked as a role that sees every member.
pub async fn gone(connection: &mut PgConnection, readers: &[(Uuid, Uuid)]) -> Result<Vec<(Uuid, Uuid)>, sqlx::Error> {
    let (actors, workspaces): (Vec<Uuid>, Vec<Uuid>) = readers.iter().copied().unzip();
    sqlx::query_as(
        "SELECT r.actor, r.workspace FROM unnest($1::uuid[], $2::uuid[]) AS r(actor, workspace)
         WHERE NOT EXISTS (SELECT FROM authority.members m WHERE m.actor = r.actor AND m.workspace = r.workspace)",
    )
    .bind(actors)
    .bind(workspaces)
    .fetch_all(connection)
    .await
}
