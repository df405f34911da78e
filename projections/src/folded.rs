//! Many streams at once, as whoever's connection it is may see them: one statement for all of them, whatever is folded from each.
//! The API asks the log itself (`PgLog::read_streams`), which says who asks. The trap avoided: a stream read at a time.

use rhone_domain::envelope::StreamId;
use rhone_eventstore::{
    ReadError, Recorded,
    postgres::{EVENT_COLUMNS, event_from_row},
};
use sqlx::PgConnection;
use std::collections::HashMap;

/// The events of those of these streams that have any, each in its order.
pub async fn streams(
    connection: &mut PgConnection,
    streams: &[StreamId],
) -> Result<HashMap<StreamId, Vec<Recorded>>, ReadError> {
    let names: Vec<_> = streams.iter().map(ToString::to_string).collect();
    let query =
        format!("SELECT {EVENT_COLUMNS} FROM log.events WHERE stream = ANY($1) ORDER BY events.stream, events.version");
    let rows = sqlx::query(sqlx::AssertSqlSafe(query)).bind(names).fetch_all(connection).await;
    let mut found = HashMap::<StreamId, Vec<Recorded>>::with_capacity(streams.len());
    for row in rows.map_err(ReadError::Unavailable)? {
        let event = event_from_row(&row)?;
        found.entry(event.envelope.stream.clone()).or_default().push(event);
    }
    Ok(found)
}
