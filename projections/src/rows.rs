//! Many rows in one statement: a batch of events costs a round trip per table and not one per event. The trap avoided: a
//! projection that keeps up with one tenant and not with all of them.

use serde::Serialize;
use sqlx::{AssertSqlSafe, PgConnection};

/// Inserts rows, each an object with a field for every column that is not null.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    table: &'static str,
    rows: &[impl Serialize + Sync],
) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let insert = format!("INSERT INTO {table} SELECT * FROM json_populate_recordset(NULL::{table}, $1::text::json)");
    let rows = serde_json::to_string(rows).map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    sqlx::query(AssertSqlSafe(insert)).bind(rows).execute(connection).await?;
    Ok(())
}
