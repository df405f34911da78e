//! What a log came to: how many events and streams, a digest of every stream's last version, and one of every event's hash in
//! the log's order. Two logs with the same facts are the same log. The trap avoided: counting rows and calling it a proof.

use anyhow::{Context as _, Result};
use futures_util::TryStreamExt as _;
use rhone_domain::digest::Digest;
use rhone_eventstore::Position;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use sqlx::{PgConnection, Row as _};

/// What a log came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogFacts {
    /// The last event's; none in an empty log.
    pub(super) position: Option<Position>,
    pub(super) events: u64,
    pub(super) streams: u64,
    /// Of every stream with its last version.
    pub(super) heads: Digest,
    /// Of every event's hash, in order.
    pub(super) hashes: Digest,
}

/// Reads them, in one snapshot if the connection is in one.
pub(super) async fn read(connection: &mut PgConnection) -> Result<LogFacts> {
    let reading = "reading the log";
    let (mut heads, mut streams) = (Sha256::new(), 0);
    let mut rows = sqlx::query("SELECT stream, version FROM log.heads ORDER BY stream").fetch(&mut *connection);
    while let Some(row) = rows.try_next().await.context(reading)? {
        let (stream, version): (String, i64) = (row.try_get("stream")?, row.try_get("version")?);
        heads.update(format!("{stream}@{version}\n"));
        streams += 1;
    }
    drop(rows);
    let (mut hashes, mut events, mut position) = (Sha256::new(), 0, None);
    // By the columns: `tx` alone would be the text of the row, where 1000 comes before 999.
    let all = "SELECT era, tx::text AS tx, pos, hash FROM log.events ORDER BY events.era, events.tx, events.pos";
    let mut rows = sqlx::query(all).fetch(connection);
    while let Some(row) = rows.try_next().await.context(reading)? {
        hashes.update(row.try_get::<Vec<u8>, _>("hash")?);
        events += 1;
        position = Some(Position {
            era: u32::try_from(row.try_get::<i32, _>("era")?)?,
            tx: row.try_get::<String, _>("tx")?.parse()?,
            pos: u64::try_from(row.try_get::<i64, _>("pos")?)?,
        });
    }
    let digest = |hasher: Sha256| Digest(hasher.finalize().into());
    Ok(LogFacts { position, events, streams, heads: digest(heads), hashes: digest(hashes) })
}
