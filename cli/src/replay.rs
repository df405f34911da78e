//! `rhone replay`: any aggregate by its stream's name, as it is or was, folded by the same code that decides; the difference
//! of two moments; an app with all that belongs to it; and a support bundle, folded without any database. Reads only.

mod app;

use crate::{
    args::ReplayArgs,
    client::Failure,
    config::{Database, required, section},
    data::Data,
    output::line,
};
use anyhow::{Context as _, Result};
use chrono::{DateTime, Utc};
use rhone_domain::{
    envelope::StreamId,
    history::{Bundle, Change, changes},
    ids::AppId,
    numbers::Version,
};
use rhone_eventstore::{AsOf, Cursor, Log as _, LogIncarnation, PgLog, Recorded, postgres::connect};
use rhone_projections::history::{Moment, moment};
use serde_json::{Value, json};
use std::{fs, path::Path};
use uuid::Uuid;

/// `rhone replay`.
pub(crate) async fn run(data: &Data, asked: &ReplayArgs) -> Result<()> {
    if let Some(bundle) = &asked.from {
        return replayed(bundle, asked.json);
    }
    let named = asked.stream.as_deref().ok_or_else(|| Failure::usage("a stream is needed, or --from a bundle"))?;
    let named = Named::read(named)?;
    let database: Database = section(data, "database")?;
    let url = required("database.worker_url", database.worker_url.as_ref())?;
    let pool = connect(url, "rhone replay", 1).await.context("connecting to the database")?;
    let stream = match named {
        Named::App(app) => return app::run(pool, app, asked).await,
        Named::Stream(stream) => stream,
    };
    let log = PgLog::new(pool);
    let (events, ours) = (log.read_stream(&stream, Version(0)).await?, log.incarnation().await?);
    let at = |text: Option<&str>| at(&stream, &events, as_of(ours, text)?);
    match asked.diff.as_deref() {
        Some([from, to]) => differ(&at(Some(from))?, &at(Some(to))?, asked.json),
        _ => show(&at(asked.at.as_deref())?, asked.json)?,
    }
    Ok(())
}

/// What is to be replayed.
#[derive(Debug, PartialEq, Eq)]
enum Named {
    App(AppId),
    Stream(StreamId),
}

impl Named {
    /// Before anything is asked: a wrong word needs no database.
    fn read(text: &str) -> Result<Self, Failure> {
        let Some(app) = text.strip_prefix("app_") else {
            let read = text.parse().map(Self::Stream);
            return read
                .map_err(|_| Failure::usage(format_args!("`{text}` is neither `category:uuid` nor an app's id")));
        };
        let wrong = |_| Failure::usage("an app's id is `app_` and 32 digits");
        Uuid::try_parse(app).map(|app| Self::App(AppId(app))).map_err(wrong)
    }
}

fn show(moment: &Moment, json: bool) -> Result<()> {
    if json {
        line(serde_json::to_string(moment)?);
        return Ok(());
    }
    line(format_args!("{} at version {}, state {}", moment.stream, moment.version, moment.state_hash));
    line(serde_json::to_string_pretty(&moment.state)?);
    Ok(())
}

fn differ(from: &Moment, to: &Moment, json: bool) {
    let stream = &from.stream;
    let changes = changes(&from.state, &to.state);
    if json {
        line(json!({ "stream": stream, "from": from.version, "to": to.version, "changes": changes }));
        return;
    }
    line(format_args!("{stream} from version {} to {}", from.version, to.version));
    for Change { path, before, after } in &changes {
        line(format_args!("{path}: {} -> {}", shown(before.as_ref()), shown(after.as_ref())));
    }
}

/// Folds a bundle here: a line for each of its streams, or the first one that does not fold to what was exported.
fn replayed(bundle: &Path, json: bool) -> Result<()> {
    let text = fs::read(bundle).with_context(|| format!("reading {}", bundle.display()))?;
    let bundle: Bundle = serde_json::from_slice(&text).context("this is no support bundle")?;
    for replayed in bundle.replay()? {
        if json {
            line(serde_json::to_string(&replayed)?);
        } else {
            line(format_args!("{} at version {}, state {}", replayed.stream, replayed.version, replayed.state_hash));
        }
    }
    Ok(())
}

/// What was meant; a position is of this log and of its present life, or refused.
fn as_of(ours: LogIncarnation, text: Option<&str>) -> Result<AsOf> {
    let Some(text) = text else { return Ok(AsOf::Latest) };
    if let Ok(version) = text.parse() {
        return Ok(AsOf::Version(Version(version)));
    }
    if let Ok(cursor) = text.parse::<Cursor>() {
        let position = cursor.continue_in(ours);
        return Ok(AsOf::Position(
            position.map_err(|error| Failure::usage(format_args!("the position {text}: {error}")))?,
        ));
    }
    let time = DateTime::parse_from_rfc3339(text).map_err(|_| {
        Failure::usage(format_args!(
            "`{text}` is neither a version, nor a time such as 2026-11-20T12:00:00Z, nor a position as `rhone timeline` shows it"
        ))
    })?;
    Ok(AsOf::Time(time.with_timezone(&Utc)))
}

fn at(stream: &StreamId, events: &[Recorded], as_of: AsOf) -> Result<Moment> {
    let absent = || Failure::absent(format_args!("{stream} has no event by then")).into();
    moment(stream, events, as_of)?.ok_or_else(absent)
}

fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "(absent)".to_owned(), Value::to_string)
}

#[cfg(test)]
mod tests {
    //! Moments.
    use super::*;
    use rhone_eventstore::Position;

    #[test]
    fn a_moment_is_a_version_a_time_or_a_position_of_this_log() {
        let ours = LogIncarnation { system: 7, timeline: 1, era: 2 };
        let said = |text: &str| as_of(ours, Some(text));
        assert_eq!(said("7").expect("a version"), AsOf::Version(Version(7)));
        assert!(matches!(said("2026-11-20T12:00:00+01:00"), Ok(AsOf::Time(_))));
        assert_eq!(as_of(ours, None).expect("now"), AsOf::Latest);
        let position = Position { era: 2, tx: 40, pos: 3 };
        let cursor = |incarnation| Cursor { incarnation, position }.to_string();
        assert_eq!(said(&cursor(ours)).expect("a position"), AsOf::Position(position));
        let another = said(&cursor(LogIncarnation { system: 8, ..ours })).expect_err("another cluster's");
        assert!(another.to_string().contains("the position "), "{another}");
        for wrong in [another, said("yesterday").expect_err("no moment")] {
            assert_eq!(Failure::from(wrong).exit_code(), 2);
        }
    }

    #[test]
    fn what_names_nothing_is_a_wrong_word() {
        let id = Uuid::nil();
        assert_eq!(Named::read(&format!("app_{}", id.simple())).expect("an app"), Named::App(AppId(id)));
        assert!(matches!(Named::read(&format!("route_owner:{id}")), Ok(Named::Stream(_))));
        for wrong in ["app_1", "nonsense", "route_owner:7", ""] {
            assert_eq!(Named::read(wrong).expect_err(wrong).exit_code(), 2, "{wrong}");
        }
    }
}
