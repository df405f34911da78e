//! Many aggregates of one kind, each folded from its stream as a session's actor may see it: one statement for all of them. The
//! trap avoided: a list whose every row reads a stream of its own.

use rhone_domain::{aggregate::Aggregate, envelope::StreamId};
use rhone_eventstore::{
    Loaded, ReadError, Recorded,
    dispatcher::fold,
    postgres::{EVENT_COLUMNS, event_from_row},
};
use sqlx::PgConnection;
use std::collections::HashMap;
use uuid::Uuid;

/// Those of these ids that have any event.
pub async fn many<A: Aggregate>(
    connection: &mut PgConnection,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, Loaded<A>>, ReadError> {
    let streams: Vec<_> = ids.iter().map(|id| StreamId::new(A::CATEGORY, *id).to_string()).collect();
    let query =
        format!("SELECT {EVENT_COLUMNS} FROM log.events WHERE stream = ANY($1) ORDER BY events.stream, events.version");
    let rows = sqlx::query(sqlx::AssertSqlSafe(query)).bind(streams).fetch_all(connection).await;
    let events = rows.map_err(ReadError::Unavailable)?.iter().map(event_from_row).collect::<Result<Vec<_>, _>>()?;
    let same = |one: &Recorded, other: &Recorded| one.envelope.stream == other.envelope.stream;
    let folded = events.chunk_by(same).map(|events| {
        let stream = events[0].envelope.stream.clone();
        Ok((stream.id(), fold(stream, events)?))
    });
    folded.collect()
}
