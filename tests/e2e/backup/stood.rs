//! Where the log stood, which a backup tells. The trap avoided: an order of transactions by their text.

use rhone_eventstore::Position;
use rhone_tests::{database::administrator, platform::Platform, report};
use serde_json::Value;
use std::path::Path;

/// The last event's position.
pub(super) async fn last(platform: &Platform) -> Position {
    first(platform, "events.era DESC, events.tx DESC, events.pos DESC").await
}

/// A backup tells where the log stood, which was here or later, and in words how it is rehearsed.
pub(super) async fn is_told(platform: &Platform, backup: &Path, here: Position, said: &str) {
    assert!(said.contains(" --drill --passphrase "), "the next step is a whole command: {said}");
    let manifest: Value = report::read(&backup.join("manifest.json")).expect("there is a manifest");
    let told: Position = manifest["log"]["position"].as_str().expect("text").parse().expect("a position");
    assert!(told >= here, "{told} is before {here}");
    // The sin: `tx` alone is the text of the row, and 1000 comes before 999. A new cluster begins below.
    let (oldest, sin) = (first(platform, "pos").await, first(platform, "era DESC, tx DESC, pos DESC").await);
    assert!(oldest.tx >= 1_000 || sin < here, "{sin} is not before {here}");
}

/// The event that comes first in this order.
async fn first(platform: &Platform, order: &str) -> Position {
    let read = format!("SELECT era, tx::text AS tx, pos FROM log.events ORDER BY {order} LIMIT 1");
    let query = sqlx::query_as::<_, (i32, String, i64)>(sqlx::AssertSqlSafe(read));
    let (era, tx, pos) = query.fetch_one(&mut administrator(platform).await).await.expect("there are events");
    format!("{era}-{tx}-{pos}").parse().expect("a position")
}
