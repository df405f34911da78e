//! An app in the past: all streams that are its own, folded to one moment, and which of them differ between two. Whose a stream
//! is, the timeline knows from its first event. Trap: a digest that changes as the app lives on; what was not there yet at a
//! moment is no part of it.

use super::{HistoryError, MOST, Moment, moment};
use crate::{
    keyset::{Keyset, Towards},
    timeline::reached,
};
use rhone_domain::{digest::Digest, envelope::StreamId, history, ids::AppId};
use rhone_eventstore::{AsOf, Recorded};
use sqlx::{PgConnection, Postgres, QueryBuilder, Row as _};
use std::collections::BTreeMap;

/// An app at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppMoment {
    /// Each of its streams that was there by then, in the order of their names.
    pub streams: Vec<Moment>,
    /// The digest of all their states.
    pub states_hash: Digest,
}

/// These streams of an app, at a moment.
pub fn app_moment(
    app: AppId,
    streams: &BTreeMap<StreamId, Vec<Recorded>>,
    as_of: AsOf,
) -> Result<AppMoment, HistoryError> {
    let then = streams.iter().map(|(stream, events)| moment(stream, events, as_of));
    let streams = then.filter_map(Result::transpose).collect::<Result<Vec<Moment>, _>>()?;
    let states_hash = history::app_states_hash(app, streams.iter().map(|one| (&one.stream, one.state_hash)));
    Ok(AppMoment { streams, states_hash })
}

/// Which streams of an app, in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AppStreams {
    /// Of which app.
    pub app: AppId,
    /// Those only that had other events by one moment than by another.
    pub between: Option<(AsOf, AsOf)>,
    /// Which page of them.
    pub keyset: Keyset<StreamId>,
}

impl AppStreams {
    /// All of them, and one more than any answer may hold where there are too many.
    pub fn every(app: AppId) -> Self {
        Self { app, between: None, keyset: Keyset { from: None, towards: Towards::Newer, most: MOST + 1 } }
    }

    fn part(&self, query: &mut QueryBuilder<Postgres>, nth: usize) {
        let Self { app, between, keyset: Keyset { from, towards, most } } = self;
        query.push(format!("SELECT {nth}::bigint AS nth, stream FROM timeline.subjects WHERE app = ")).push_bind(app.0);
        if let Some((from, to)) = between {
            query.push(" AND stream IN (SELECT entries.stream FROM timeline.entries WHERE app = ").push_bind(app.0);
            reached(query.push(" AND ("), *from);
            reached(query.push(") <> ("), *to);
            query.push("))");
        }
        if let Some(from) = from {
            query.push(format!(" AND stream {} ", towards.operator())).push_bind(from.to_string());
        }
        query.push(format!(" ORDER BY stream {} LIMIT ", towards.order())).push_bind(*most);
    }
}

/// One page for each that is asked for, in one statement.
pub async fn streams_of_apps(
    connection: &mut PgConnection,
    asked: &[AppStreams],
) -> Result<Vec<Vec<StreamId>>, HistoryError> {
    let mut query = QueryBuilder::new("");
    for (nth, one) in asked.iter().enumerate() {
        query.push(if nth == 0 { "(" } else { " UNION ALL (" });
        one.part(&mut query, nth);
        query.push(")");
    }
    let mut pages: Vec<Vec<StreamId>> = asked.iter().map(|_| Vec::new()).collect();
    if asked.is_empty() {
        return Ok(pages);
    }
    for row in query.build().fetch_all(connection).await? {
        let (nth, name): (i64, String) = (row.try_get("nth")?, row.try_get("stream")?);
        let page = usize::try_from(nth).ok().and_then(|nth| pages.get_mut(nth)).ok_or(sqlx::Error::RowNotFound)?;
        page.push(name.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?);
    }
    // What a union answers has no order.
    for (page, one) in pages.iter_mut().zip(asked) {
        page.sort();
        if one.keyset.towards == Towards::Older {
            page.reverse();
        }
    }
    Ok(pages)
}
