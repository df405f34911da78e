//! What hangs together by its causes: all that one cause brought about, what it set going under a correlation of its own, and
//! above it what led to it, up to the person. Trap: a tree that ends where a correlation does; an operation that another one
//! asks for, and an allocation whose runner reports, may have one of their own.

use super::{
    Entry,
    query::{COLUMNS, by_correlations, read},
};
use rhone_eventstore::Position;
use sqlx::PgConnection;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// What begins something whose id may be the correlation of what follows.
const BEGINNINGS: [&str; 2] = ["operation.requested", "allocation.planned"];

/// All that has this cause, the own lines of the operation of this id, what they set going, and what led to any of it: in the
/// log's order, some more than `most` lines where there are more. None where nothing has this cause.
pub async fn of_cause(
    connection: &mut PgConnection,
    correlation: Uuid,
    most: usize,
) -> Result<Vec<Entry>, sqlx::Error> {
    let limit = i64::try_from(most).unwrap_or(i64::MAX).saturating_add(1);
    let mut found = BTreeMap::<Position, Entry>::new();
    keep(&mut found, of_operation(connection, correlation, limit).await?);
    let (mut asked, mut next) = (BTreeSet::new(), vec![correlation]);
    while !next.is_empty() && found.len() <= most {
        keep(&mut found, by_correlations(connection, &next, limit).await?);
        asked.extend(std::mem::take(&mut next));
        let begun = found.values().filter(|entry| BEGINNINGS.contains(&entry.event_type.as_str())).filter_map(noun);
        next = begun.filter(|id| !asked.contains(id)).collect();
    }
    let known: BTreeSet<Uuid> = found.values().map(|entry| entry.event).collect();
    let causes: Vec<Uuid> =
        found.values().filter_map(|entry| entry.causation).filter(|cause| !known.contains(cause)).collect();
    keep(&mut found, above(connection, &causes).await?);
    Ok(found.into_values().collect())
}

fn keep(found: &mut BTreeMap<Position, Entry>, lines: Vec<Entry>) {
    found.extend(lines.into_iter().map(|entry| (entry.position, entry)));
}

/// Of which thing.
fn noun(entry: &Entry) -> Option<Uuid> {
    entry.stream.split_once(':').and_then(|(_, id)| Uuid::try_parse(id).ok())
}

/// An operation's own lines. The request of one that another asked for has the other's correlation.
async fn of_operation(connection: &mut PgConnection, id: Uuid, limit: i64) -> Result<Vec<Entry>, sqlx::Error> {
    let query = format!(
        "SELECT {COLUMNS} FROM timeline.entries WHERE stream = $1
         ORDER BY entries.era, entries.tx, entries.pos LIMIT $2"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(query)).bind(format!("operation:{id}")).bind(limit);
    rows.fetch_all(connection).await?.iter().map(read).collect()
}

/// No chain of causes is followed further.
pub const FURTHEST: i32 = 50;

/// These events, and what led to each of them.
pub async fn above(connection: &mut PgConnection, events: &[Uuid]) -> Result<Vec<Entry>, sqlx::Error> {
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let query = format!(
        "WITH RECURSIVE above (cause, depth) AS (
             SELECT unnest($1::uuid[]), 1
             UNION
             SELECT e.causation, above.depth + 1 FROM above JOIN timeline.entries e ON e.event = above.cause
             WHERE e.causation IS NOT NULL AND above.depth < $2
         )
         SELECT {COLUMNS} FROM timeline.entries WHERE event IN (SELECT cause FROM above)"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(query)).bind(events).bind(FURTHEST).fetch_all(connection).await?;
    rows.iter().map(read).collect()
}
