//! What a projection's tables hold, summed up, so that two of them can be compared. The trap: a sum over the rows' order,
//! which differs between two tables that hold the same.

use sqlx::{AssertSqlSafe, PgConnection, Row as _};

/// One table's rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows {
    /// Which.
    pub table: String,
    /// How many.
    pub rows: i64,
    /// The sum of their digests; none without rows.
    pub sum: Option<String>,
}

/// Every table of a schema with its rows, by name.
pub async fn of(connection: &mut PgConnection, schema: &str) -> Result<Vec<Rows>, sqlx::Error> {
    let tables: Vec<String> =
        sqlx::query_scalar("SELECT tablename::text FROM pg_tables WHERE schemaname = $1 ORDER BY tablename")
            .bind(schema)
            .fetch_all(&mut *connection)
            .await?;
    let mut contents = Vec::with_capacity(tables.len());
    for table in tables {
        let sum = format!(
            "SELECT count(*) AS rows, sum(('x' || substr(md5(t::text), 1, 15))::bit(60)::bigint)::text AS sum
             FROM {schema}.{table} t"
        );
        let row = sqlx::query(AssertSqlSafe(sum)).fetch_one(&mut *connection).await?;
        contents.push(Rows { rows: row.try_get("rows")?, sum: row.try_get("sum")?, table });
    }
    Ok(contents)
}

/// In how many rows a table of one schema differs from that of another; a row that is changed is one, not one on each side.
pub async fn differing(connection: &mut PgConnection, schemas: [&str; 2], table: &str) -> Result<i64, sqlx::Error> {
    let [one, other] = schemas;
    let only_in = |this: &str, that: &str| {
        format!(
            "(SELECT count(*) FROM
                 (SELECT t::text FROM {this}.{table} t EXCEPT ALL SELECT t::text FROM {that}.{table} t) AS rows)"
        )
    };
    let count = format!("SELECT greatest({}, {})", only_in(one, other), only_in(other, one));
    sqlx::query_scalar(AssertSqlSafe(count)).fetch_one(connection).await
}
