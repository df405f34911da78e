//! An app with all that belongs to it, folded from the database: as it is or was, or what differs between two moments. Written as
//! `rhone history` writes what the API says, so that the two can be compared. Trap: a stream that the timeline does not know yet;
//! whose a stream is, is asked of the timeline, and the streams themselves are read from the log.

use super::{as_of, show, shown};
use crate::{args::ReplayArgs, client::Failure, output::line};
use anyhow::{Result, bail};
use rhone_domain::{envelope::StreamId, history::changes, ids::AppId, numbers::Version};
use rhone_eventstore::{AsOf, Log as _, PgLog, Recorded};
use rhone_projections::history::{AppStreams, MOST, Moment, app_moment, moment, streams_of_apps};
use serde_json::{Value, json};
use sqlx::PgPool;
use std::collections::BTreeMap;

type Streams = BTreeMap<StreamId, Vec<Recorded>>;

/// `rhone replay app_...`.
pub(super) async fn run(pool: PgPool, app: AppId, asked: &ReplayArgs) -> Result<()> {
    let names = streams_of_apps(&mut *pool.acquire().await?, &[AppStreams::every(app)]).await?;
    let names: Vec<StreamId> = names.into_iter().flatten().collect();
    if i64::try_from(names.len()).is_ok_and(|streams| streams > MOST) {
        bail!("there are more than {MOST} streams");
    }
    let log = PgLog::new(pool);
    let (mut streams, ours) = (Streams::new(), log.incarnation().await?);
    for name in names {
        let events = log.read_stream(&name, Version(0)).await?;
        streams.insert(name, events);
    }
    if streams.is_empty() {
        bail!(Failure::absent("there is no such app"));
    }
    let at = |text: Option<&str>| match as_of(ours, text)? {
        AsOf::Version(_) => {
            bail!(Failure::usage("an app's streams have versions of their own: name a time or a position of the log"))
        }
        as_of @ (AsOf::Latest | AsOf::Time(_) | AsOf::Position(_)) => Ok(as_of),
    };
    match asked.diff.as_deref() {
        Some([from, to]) => differ(&streams, (at(Some(from))?, at(Some(to))?), asked.json),
        _ => tell(app, &streams, at(asked.at.as_deref())?, asked.json),
    }
}

fn tell(app: AppId, streams: &Streams, as_of: AsOf, json: bool) -> Result<()> {
    let then = app_moment(app, streams, as_of)?;
    for moment in &then.streams {
        show(moment, json)?;
    }
    let (app, hash) = (format!("app_{}", app.0.simple()), then.states_hash);
    if json {
        line(json!({ "app": app, "statesHash": hash }));
    } else {
        line(format_args!("{app}, states {hash}"));
    }
    Ok(())
}

fn differ(streams: &Streams, (from, to): (AsOf, AsOf), json: bool) -> Result<()> {
    for (stream, events) in streams {
        let (before, after) = (moment(stream, events, from)?, moment(stream, events, to)?);
        let version = |one: &Option<Moment>| one.as_ref().map_or(0, |one| one.version.0);
        let (was, is) = (version(&before), version(&after));
        if was == is {
            continue;
        }
        let state = |one: Option<Moment>| one.map_or(Value::Null, |one| one.state);
        let changes = changes(&state(before), &state(after));
        if json {
            line(json!({ "stream": stream, "before": was, "after": is, "changes": changes }));
            continue;
        }
        line(format_args!("{stream} from version {was} to {is}"));
        for change in &changes {
            let (before, after) = (shown(change.before.as_ref()), shown(change.after.as_ref()));
            line(format_args!("    {}: {before} -> {after}", change.path));
        }
    }
    Ok(())
}
