//! The timeline: every event in order, with who, what, why, its cause and a sentence. Written from the log, for people; a
//! personal field is shown as sealed. Which project, app and environment an event concerns is known from the streams' first
//! events (`subject`); what a console asks of it stands in `query`, and each question has its index here.

mod causes;
mod query;
mod subject;

pub use causes::{FURTHEST, above, of_cause};
pub(crate) use query::reached;
pub use query::{Filter, by_correlations, of_event, page, pages};
pub use rhone_domain::history::redacted;
pub(crate) use subject::{lasts, names};

use crate::{
    projection::{ApplyError, Projection},
    rows, sentence,
};
use chrono::{DateTime, Utc};
use rhone_domain::numbers::Version;
use rhone_eventstore::{Position, Recorded};
use serde_json::{Value, json};
use sqlx::PgConnection;
use subject::{Subject, Subjects};
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
    const VERSION: i32 = 2;
    const TABLES: &'static str = "
        CREATE TABLE subjects (
            stream      text COLLATE \"C\" PRIMARY KEY,
            workspace   uuid NOT NULL,
            project     uuid,
            app         uuid,
            environment uuid
        );
        CREATE INDEX subjects_of_app ON subjects (app, stream);
        CREATE TABLE entries (
            era            int NOT NULL,
            tx             xid8 NOT NULL,
            pos            bigint NOT NULL,
            workspace      uuid NOT NULL,
            project        uuid,
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
        CREATE INDEX entries_of_workspace ON entries (workspace, era, tx, pos);
        CREATE INDEX entries_of_project ON entries (project, era, tx, pos);
        CREATE INDEX entries_of_app ON entries (app, era, tx, pos);
        CREATE INDEX entries_of_environment ON entries (environment, era, tx, pos);
        CREATE INDEX entries_of_correlation ON entries (correlation, era, tx, pos);
        CREATE INDEX entries_of_stream ON entries (stream, era, tx, pos);
        CREATE INDEX entries_of_actor ON entries (actor, era, tx, pos);
        CREATE INDEX entries_of_type ON entries (workspace, event_type, era, tx, pos);
        CREATE INDEX entries_of_time ON entries (workspace, recorded_at);
        CREATE INDEX entries_of_event ON entries (event);";

    async fn apply(connection: &mut PgConnection, events: &[Recorded]) -> Result<(), ApplyError> {
        let mut subjects = Subjects::known(connection, events).await?;
        let (mut rows, mut first) = (Vec::with_capacity(events.len()), Vec::new());
        for event in events {
            let subject = subjects.of(event);
            if event.envelope.version == Version(1) {
                first.push(subjects.remember(event, subject));
            }
            rows.push(row(event, subject));
        }
        rows::insert(connection, "subjects", &first).await?;
        rows::insert(connection, "entries", &rows).await?;
        Ok(())
    }
}

impl Entry {
    /// An event as it is told.
    pub fn of(event: &Recorded) -> Self {
        let envelope = &event.envelope;
        let payload = redacted(event.payload.to_value());
        Self {
            position: event.position,
            event: envelope.event_id.0,
            stream: envelope.stream.to_string(),
            version: i64::try_from(envelope.version.0).unwrap_or(i64::MAX),
            event_type: envelope.event_type.clone(),
            schema_version: i16::try_from(envelope.schema_version).unwrap_or(i16::MAX),
            actor: envelope.actor.id.0,
            actor_kind: envelope.actor.kind.as_str().to_owned(),
            on_behalf_of: envelope.actor.on_behalf_of.map(|id| id.0),
            writer: envelope.writer.as_str().to_owned(),
            correlation: envelope.correlation.0,
            causation: envelope.causation.map(|id| id.0),
            traceparent: envelope.traceparent.clone(),
            reason: sentence::reason(&payload),
            summary: sentence::of(&envelope.event_type, &payload),
            payload,
            occurred_at: envelope.occurred_at,
            recorded_at: event.recorded_at,
        }
    }
}

fn row(event: &Recorded, subject: Subject) -> Value {
    let entry = Entry::of(event);
    json!({
        "era": entry.position.era,
        "tx": entry.position.tx.to_string(),
        "pos": entry.position.pos,
        "workspace": event.envelope.workspace,
        "project": subject.project,
        "app": subject.app,
        "environment": subject.environment,
        "event": entry.event,
        "stream": entry.stream,
        "version": entry.version,
        "event_type": entry.event_type,
        "schema_version": entry.schema_version,
        "actor": entry.actor,
        "actor_kind": entry.actor_kind,
        "on_behalf_of": entry.on_behalf_of,
        "writer": entry.writer,
        "correlation": entry.correlation,
        "causation": entry.causation,
        "traceparent": entry.traceparent,
        "reason": entry.reason,
        "summary": entry.summary,
        "payload": entry.payload,
        "occurred_at": entry.occurred_at,
        "recorded_at": entry.recorded_at,
    })
}
