//! Which project, app and environment an event concerns: what its stream's first event said, and what is known of the app or
//! environment that it names. Written with the timeline's rows. Trap: an event that names its environment only, and so is
//! missing in its app's timeline.

use rhone_domain::{envelope::StreamId, history::OF_AN_ENVIRONMENT};
use rhone_eventstore::Recorded;
use serde_json::{Value, json};
use sqlx::{PgConnection, Row as _};
use std::collections::BTreeMap;
use uuid::Uuid;

/// What an event concerns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) project: Option<Uuid>,
    pub(crate) app: Option<Uuid>,
    pub(crate) environment: Option<Uuid>,
}

/// What is known of streams.
#[derive(Debug)]
pub(super) struct Subjects(BTreeMap<String, Subject>);

impl Subjects {
    /// Those of the streams of these events, and of what they name.
    pub(super) async fn known(connection: &mut PgConnection, events: &[Recorded]) -> Result<Self, sqlx::Error> {
        let mut streams = Vec::new();
        for event in events {
            let named = named(event);
            streams.push(event.envelope.stream.to_string());
            streams.extend(named.app.map(|app| StreamId::new("app", app).to_string()));
            streams.extend(named.environment.map(|environment| StreamId::new("environment", environment).to_string()));
        }
        streams.sort_unstable();
        streams.dedup();
        let rows = sqlx::query("SELECT stream, project, app, environment FROM subjects WHERE stream = ANY($1)")
            .bind(streams)
            .fetch_all(connection)
            .await?;
        let one = |row: &sqlx::postgres::PgRow| {
            let (project, app, environment) =
                (row.try_get("project")?, row.try_get("app")?, row.try_get("environment")?);
            Ok((row.try_get("stream")?, Subject { project, app, environment }))
        };
        Ok(Self(rows.iter().map(one).collect::<Result<_, sqlx::Error>>()?))
    }

    /// What an event concerns.
    pub(super) fn of(&self, event: &Recorded) -> Subject {
        let stream = &event.envelope.stream;
        if let Some(subject) = self.0.get(stream.as_str()).filter(|_| lasts(stream)) {
            return *subject;
        }
        let Subject { project, app, environment } = named(event);
        let of = |category: &str, id: Option<Uuid>| {
            id.and_then(|id| self.0.get(StreamId::new(category, id).as_str())).copied().unwrap_or_default()
        };
        // Asked of what the event itself names, and never of what that names: which of those are known depends on the batch.
        let lane = of("environment", environment);
        Subject { project: project.or(lane.project).or(of("app", app).project), app: app.or(lane.app), environment }
    }

    /// Keeps what a stream's first event said; the row of it.
    pub(super) fn remember(&mut self, event: &Recorded, subject: Subject) -> Value {
        let stream = event.envelope.stream.to_string();
        let row = json!({
            "stream": stream,
            "workspace": event.envelope.workspace,
            "project": subject.project,
            "app": subject.app,
            "environment": subject.environment,
        });
        self.0.insert(stream, subject);
        row
    }
}

/// Whether a stream concerns for ever what its first event says: one after another, many environments may have used a backend.
pub(crate) fn lasts(stream: &StreamId) -> bool {
    stream.category() != "backend"
}

/// What an event itself names.
fn named(event: &Recorded) -> Subject {
    names(&event.envelope.stream, &event.payload.to_value())
}

/// What the payload of an event of this stream names.
pub(crate) fn names(stream: &StreamId, payload: &Value) -> Subject {
    let scope = payload.get("refused").or_else(|| payload.get("lane")).unwrap_or(payload);
    let named = |field: &str| scope.get(field).and_then(Value::as_str).and_then(|text| Uuid::parse_str(text).ok());
    let own = |category: &str| (stream.category() == category).then(|| stream.id());
    let lane = OF_AN_ENVIRONMENT.contains(&stream.category()).then(|| stream.id());
    Subject {
        project: own("project").or_else(|| named("project")),
        app: own("app").or_else(|| named("app")),
        environment: lane.or_else(|| named("environment")),
    }
}
