//! The timeline: every event in order, with who, what, why, its cause and a sentence. Written from the log, for people; a
//! personal field is shown as sealed. Which app and environment an event concerns is known from the streams' first events.

use crate::{
    keyset::Keyset,
    projection::{ApplyError, Projection},
    sentence,
};
use chrono::{DateTime, Utc};
use rhone_domain::{
    envelope::StreamId,
    ids::{AppId, EnvironmentId},
    numbers::Version,
};
use rhone_eventstore::{Position, Recorded};
use serde_json::{Value, json};
use sqlx::{PgConnection, Row as _, postgres::PgRow, types::Json};
use std::collections::BTreeMap;
use uuid::Uuid;

/// The projection.
pub struct Timeline;

/// One line of it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Where in the log.
    pub position: Position,
    /// Which event.
    pub event: Uuid,
    /// Of which stream.
    pub stream: String,
    /// The how manieth of it.
    pub version: i64,
    /// `noun.verbed`.
    pub event_type: String,
    /// Which form of the payload.
    pub schema_version: i16,
    /// Who.
    pub actor: Uuid,
    /// Of which kind.
    pub actor_kind: String,
    /// For whom.
    pub on_behalf_of: Option<Uuid>,
    /// In which capacity.
    pub writer: String,
    /// All that one cause brought about.
    pub correlation: Uuid,
    /// The event that led to it.
    pub causation: Option<Uuid>,
    /// The trace it belongs to.
    pub traceparent: Option<String>,
    /// Why, where somebody said so.
    pub reason: Option<String>,
    /// One sentence.
    pub summary: String,
    /// What it says, without personal fields.
    pub payload: Value,
    /// When, by the writer's clock.
    pub occurred_at: DateTime<Utc>,
    /// When the log received it.
    pub recorded_at: DateTime<Utc>,
}

impl Projection for Timeline {
    const NAME: &'static str = "timeline";
    const VERSION: i32 = 1;
    const TABLES: &'static str = "
        CREATE TABLE subjects (
            stream      text COLLATE \"C\" PRIMARY KEY,
            workspace   uuid NOT NULL,
            app         uuid,
            environment uuid
        );
        CREATE TABLE entries (
            era            int NOT NULL,
            tx             xid8 NOT NULL,
            pos            bigint NOT NULL,
            workspace      uuid NOT NULL,
            app            uuid,
            environment    uuid,
            event          uuid NOT NULL,
            stream         text COLLATE \"C\" NOT NULL,
            version        bigint NOT NULL,
            event_type     text NOT NULL,
            schema_version smallint NOT NULL,
            actor          uuid NOT NULL,
            actor_kind     text NOT NULL,
            on_behalf_of   uuid,
            writer         text NOT NULL,
            correlation    uuid NOT NULL,
            causation      uuid,
            traceparent    text,
            reason         text,
            summary        text NOT NULL,
            payload        json NOT NULL,
            occurred_at    timestamptz NOT NULL,
            recorded_at    timestamptz NOT NULL,
            PRIMARY KEY (era, tx, pos)
        );
        CREATE INDEX entries_of_app ON entries (app, era, tx, pos);
        CREATE INDEX entries_of_correlation ON entries (correlation, era, tx, pos);";

    async fn apply(connection: &mut PgConnection, events: &[Recorded]) -> Result<(), ApplyError> {
        let mut subjects = known_subjects(connection, events).await?;
        for event in events {
            let subject = subject(event, &subjects);
            if event.envelope.version == Version(1) {
                remember(connection, event, subject).await?;
                subjects.insert(event.envelope.stream.to_string(), subject);
            }
            write(connection, event, subject).await?;
        }
        Ok(())
    }
}

/// Which app and which environment.
type Subject = (Option<Uuid>, Option<Uuid>);

async fn known_subjects(
    connection: &mut PgConnection,
    events: &[Recorded],
) -> Result<BTreeMap<String, Subject>, sqlx::Error> {
    let streams = events.iter().map(|event| event.envelope.stream.to_string()).collect::<Vec<_>>();
    sqlx::query("SELECT stream, app, environment FROM subjects WHERE stream = ANY($1)")
        .bind(streams)
        .fetch_all(connection)
        .await?
        .iter()
        .map(|row| Ok((row.try_get("stream")?, (row.try_get("app")?, row.try_get("environment")?))))
        .collect()
}

fn subject(event: &Recorded, subjects: &BTreeMap<String, Subject>) -> Subject {
    let stream = &event.envelope.stream;
    if let Some(subject) = subjects.get(stream.as_str()).filter(|_| lasts(stream)) {
        return *subject;
    }
    concerns(stream, &event.payload.to_value())
}

/// Whether a stream concerns for ever what its first event says: one after another, many environments may have used a backend.
pub(crate) fn lasts(stream: &StreamId) -> bool {
    stream.category() != "backend"
}

/// Which app and which environment a stream concerns, by what its first event says.
pub(crate) fn concerns(stream: &StreamId, payload: &Value) -> Subject {
    let scope = payload.get("refused").unwrap_or(payload);
    let named = |field: &str| scope.get(field).and_then(Value::as_str).and_then(|text| Uuid::parse_str(text).ok());
    match stream.category() {
        "app" => (Some(stream.id()), None),
        "environment" => (named("app"), Some(stream.id())),
        _ => (named("app"), named("environment")),
    }
}

async fn remember(connection: &mut PgConnection, event: &Recorded, subject: Subject) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO subjects (stream, workspace, app, environment) VALUES ($1, $2, $3, $4)")
        .bind(event.envelope.stream.as_str())
        .bind(event.envelope.workspace.0)
        .bind(subject.0)
        .bind(subject.1)
        .execute(connection)
        .await?;
    Ok(())
}

async fn write(connection: &mut PgConnection, event: &Recorded, subject: Subject) -> Result<(), sqlx::Error> {
    let envelope = &event.envelope;
    let number = |number: u64| i64::try_from(number).map_err(|error| sqlx::Error::Encode(Box::new(error)));
    let payload = redacted(event.payload.to_value());
    sqlx::query(
        "INSERT INTO entries (era, tx, pos, workspace, app, environment, event, stream, version, event_type,
             schema_version, actor, actor_kind, on_behalf_of, writer, correlation, causation, traceparent, reason,
             summary, payload, occurred_at, recorded_at)
         VALUES ($1, $2::text::xid8, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
             $21, $22, $23)",
    )
    .bind(i32::try_from(event.position.era).map_err(|error| sqlx::Error::Encode(Box::new(error)))?)
    .bind(event.position.tx.to_string())
    .bind(number(event.position.pos)?)
    .bind(envelope.workspace.0)
    .bind(subject.0)
    .bind(subject.1)
    .bind(envelope.event_id.0)
    .bind(envelope.stream.as_str())
    .bind(number(envelope.version.0)?)
    .bind(&envelope.event_type)
    .bind(i16::try_from(envelope.schema_version).map_err(|error| sqlx::Error::Encode(Box::new(error)))?)
    .bind(envelope.actor.id.0)
    .bind(envelope.actor.kind.as_str())
    .bind(envelope.actor.on_behalf_of.map(|id| id.0))
    .bind(envelope.writer.as_str())
    .bind(envelope.correlation.0)
    .bind(envelope.causation.map(|id| id.0))
    .bind(&envelope.traceparent)
    .bind(sentence::reason(&payload))
    .bind(sentence::of(&envelope.event_type, &payload))
    .bind(Json(&payload))
    .bind(envelope.occurred_at)
    .bind(event.recorded_at)
    .execute(connection)
    .await?;
    Ok(())
}

/// The payload with every sealed personal field shown as just that.
pub fn redacted(payload: Value) -> Value {
    match payload {
        Value::Object(fields) if fields.contains_key("ciphertext") && fields.contains_key("nonce") => {
            json!({ "sealed": fields.get("field"), "subject": fields.get("subject") })
        }
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, redacted(value))).collect(),
        Value::Array(items) => items.into_iter().map(redacted).collect(),
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => plain,
    }
}

/// Which lines.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Those of one app.
    pub app: Option<AppId>,
    /// Those of one environment.
    pub environment: Option<EnvironmentId>,
    /// Those of one cause.
    pub correlation: Option<Uuid>,
}

/// Lines in the log's order.
pub async fn page(
    connection: &mut PgConnection,
    filter: &Filter,
    keyset: &Keyset<Position>,
) -> Result<Vec<Entry>, sqlx::Error> {
    let (operator, order) = (keyset.towards.operator(), keyset.towards.order());
    let query = format!(
        "SELECT era, tx::text AS tx, pos, event, stream, version, event_type, schema_version, actor, actor_kind,
             on_behalf_of, writer, correlation, causation, traceparent, reason, summary, payload, occurred_at, recorded_at
         FROM timeline.entries
         WHERE ($1::int IS NULL OR (era, tx, pos) {operator} ($1, $2::text::xid8, $3))
           AND ($4::uuid IS NULL OR app = $4) AND ($5::uuid IS NULL OR environment = $5)
           AND ($6::uuid IS NULL OR correlation = $6)
         ORDER BY entries.era {order}, entries.tx {order}, entries.pos {order} LIMIT $7"
    );
    let era = keyset.from.map(|from| i32::try_from(from.era)).transpose();
    let pos = keyset.from.map(|from| i64::try_from(from.pos)).transpose();
    sqlx::query(sqlx::AssertSqlSafe(query))
        .bind(era.map_err(|error| sqlx::Error::Encode(Box::new(error)))?)
        .bind(keyset.from.map(|from| from.tx.to_string()))
        .bind(pos.map_err(|error| sqlx::Error::Encode(Box::new(error)))?)
        .bind(filter.app.map(|id| id.0))
        .bind(filter.environment.map(|id| id.0))
        .bind(filter.correlation)
        .bind(keyset.most)
        .fetch_all(connection)
        .await?
        .iter()
        .map(read)
        .collect()
}

fn read(row: &PgRow) -> Result<Entry, sqlx::Error> {
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
