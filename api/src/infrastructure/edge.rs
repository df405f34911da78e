//! What edges ask and say: the snapshot, what followed, their status. Writer of `status.edges`. The trap avoided: waking every
//! worker at every heartbeat of every edge; only a status that says something new does.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Json,
    body::Body,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode},
};
use rhone_domain::{
    edge_status::{EdgeStatus, Observation},
    feed::{Events, Snapshot},
    ids::{EdgeId, Incarnation},
    numbers::FeedSeq,
};
use rhone_projections::{authority::feed, edges};
use serde::Deserialize;

use super::{
    Infrastructure,
    caller::{self, within},
    refusal::Refusal,
    waiting::Waiting,
};

const STATUS_BYTES: usize = 4 * 1024 * 1024;
/// How many entries one answer holds at most.
const MOST: i64 = 1_000;

/// `?incarnation=&after=&wait_ms=&limit=` of the events.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    incarnation: Incarnation,
    after: FeedSeq,
    #[serde(default)]
    wait_ms: u64,
    limit: Option<i64>,
}

/// All that is true in the caller's region. Its feed begins when the first edge asks, so that an edge which has nothing to
/// serve yet knows so by a signature, and hears of the first route as of any other.
pub(super) async fn snapshot(
    State(infrastructure): State<Arc<Infrastructure>>,
    headers: HeaderMap,
) -> Result<Json<Snapshot>, Refusal> {
    let region = caller::edge(&infrastructure, &headers).await?;
    let reading = async {
        let (pool, key) = (&infrastructure.pool, &infrastructure.feed_key);
        if let Some(snapshot) = feed::snapshot(pool, key, region).await? {
            return Ok(snapshot);
        }
        feed::open(pool, region).await?;
        feed::snapshot(pool, key, region).await?.ok_or_else(|| Refusal::not_found("this region has no feed"))
    };
    let snapshot = within(reading).await?;
    metrics::counter!("rhone_edge_snapshots_total").increment(1);
    Ok(Json(snapshot))
}

/// What followed a position, waiting for it if asked to.
pub(super) async fn events(
    State(infrastructure): State<Arc<Infrastructure>>,
    headers: HeaderMap,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Events>, Refusal> {
    let region = caller::edge(&infrastructure, &headers).await?;
    let Query(asked) = query.map_err(|rejection| bad_query(&rejection))?;
    let limit = asked.limit.unwrap_or(MOST).clamp(1, MOST);
    let mut waiting = Waiting::of(&infrastructure, asked.wait_ms);
    loop {
        waiting.look();
        let (position, now) = ((asked.incarnation, asked.after), infrastructure.clock.now());
        let reading = async {
            Ok(feed::events(&infrastructure.pool, &infrastructure.feed_key, region, position, (limit, now)).await?)
        };
        let Some(events) = within(reading).await? else {
            metrics::counter!("rhone_edge_resyncs_total").increment(1);
            let message = "the feed does not go on from there; take a snapshot";
            return Err(Refusal::new(StatusCode::GONE, "RESYNC", message));
        };
        if !events.entries.is_empty() || !waiting.again().await {
            metrics::counter!("rhone_edge_entries_total").increment(events.entries.len() as u64);
            return Ok(Json(events));
        }
    }
}

/// Takes a status in.
pub(super) async fn status(
    State(infrastructure): State<Arc<Infrastructure>>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Refusal> {
    let region = caller::edge(&infrastructure, &headers).await?;
    let status: EdgeStatus = caller::json_of(body, STATUS_BYTES).await?;
    if status.region != region {
        return Err(Refusal::forbidden("region: the token is for another region"));
    }
    within(async { Ok(edges::record(&infrastructure.pool, &status).await?) }).await?;
    metrics::counter!("rhone_edge_statuses_total").increment(1);
    if infrastructure.seen.is_news(status) {
        infrastructure.nudge();
    }
    Ok(StatusCode::NO_CONTENT)
}

fn bad_query(rejection: &QueryRejection) -> Refusal {
    Refusal::bad_input(format!("query: {}", rejection.body_text()))
}

/// What each edge said last to this process.
#[derive(Default)]
pub struct Seen(Mutex<HashMap<EdgeId, Said>>);

type Said = (Option<Incarnation>, FeedSeq, Vec<Observation>);

/// More edges than any region has; beyond, the memory begins anew.
const EDGES: usize = 10_000;

impl Seen {
    /// Whether an operation may go on because of this.
    fn is_news(&self, status: EdgeStatus) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= EDGES {
            seen.clear();
        }
        let said = (status.incarnation, status.applied, status.observations);
        let before = seen.insert(status.edge, said);
        before.as_ref() != seen.get(&status.edge)
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seen")
    }
}

#[cfg(test)]
mod tests {
    //! Queries are read, and only news is news.
    use super::*;
    use axum::http::Uri;
    use chrono::DateTime;
    use rhone_domain::{digest::Digest, edge_status::EdgeMode, ids::RegionId};
    use uuid::Uuid;

    fn asked(query: &str) -> Result<Asked, QueryRejection> {
        let uri: Uri = format!("/edge/v1/events?{query}").parse().expect("a path");
        Query::try_from_uri(&uri).map(|Query(asked)| asked)
    }

    fn status(applied: u64) -> EdgeStatus {
        EdgeStatus {
            activity: vec![],
            activity_since: None,
            closed: vec![],
            edge: EdgeId(Uuid::from_u128(1)),
            boot: Uuid::from_u128(2),
            region: RegionId(Uuid::from_u128(3)),
            incarnation: None,
            applied: FeedSeq(applied),
            digest: Digest::ZERO,
            mode: EdgeMode::Synced,
            public_url: "http://127.0.0.1:1".into(),
            sessions: vec![],
            lost_sessions: 0,
            quarantined: vec![],
            observations: vec![],
            at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_query_for_events_is_read() {
        let asked = asked("incarnation=00000000-0000-0000-0000-000000000007&after=12&wait_ms=5").expect("it is one");
        assert_eq!((asked.incarnation, asked.after), (Incarnation(Uuid::from_u128(7)), FeedSeq(12)));
        assert_eq!((asked.wait_ms, asked.limit), (5, None));
    }

    #[test]
    fn a_query_without_a_position_is_refused() {
        for query in
            ["", "after=1", "incarnation=x&after=1", "incarnation=00000000-0000-0000-0000-000000000007&after=-1"]
        {
            assert!(asked(query).is_err(), "{query}");
        }
    }

    #[test]
    fn only_a_status_that_says_something_new_is_news() {
        let seen = Seen::default();
        assert!(seen.is_news(status(1)));
        assert!(!seen.is_news(status(1)), "a heartbeat");
        assert!(seen.is_news(status(2)), "it applied more");
        assert!(!seen.is_news(EdgeStatus { lost_sessions: 4, ..status(2) }), "nothing an operation waits for");
    }
}
