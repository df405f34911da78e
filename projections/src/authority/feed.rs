//! A region's feed, written inline and read by the publisher and the edges' endpoint. Entries are signed when they leave,
//! because only then may a key be near; the digest chain they are signed over is made in the append's transaction.

use chrono::{DateTime, Utc};
use ed25519_dalek::SigningKey;
use rhone_domain::{
    digest::Digest,
    feed::{Entry, Events, Heartbeat, Snapshot},
    ids::{Incarnation, RegionId},
    numbers::FeedSeq,
};
use rhone_eventstore::Transaction;
use sqlx::{PgConnection, PgPool, Row as _, postgres::PgRow};
use uuid::Uuid;

/// Where a feed stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Which life of the feed.
    pub incarnation: Incarnation,
    /// The last position.
    pub seq: FeedSeq,
    /// The digest there.
    pub digest: Digest,
}

/// Where a region's feed stands; none before its first entry.
pub async fn head(connection: &mut PgConnection, region: RegionId) -> Result<Option<Head>, sqlx::Error> {
    sqlx::query("SELECT incarnation, seq, digest FROM authority.feeds WHERE region = $1")
        .bind(region.0)
        .fetch_optional(connection)
        .await?
        .map(|row| read_head(&row))
        .transpose()
}

/// Every feed with its head.
pub async fn heads(pool: &PgPool) -> Result<Vec<(RegionId, Head)>, sqlx::Error> {
    sqlx::query("SELECT region, incarnation, seq, digest FROM authority.feeds ORDER BY region")
        .fetch_all(pool)
        .await?
        .iter()
        .map(|row| Ok((RegionId(row.try_get("region")?), read_head(row)?)))
        .collect()
}

/// Begins a region's feed, empty, unless it has begun.
pub async fn open(pool: &PgPool, region: RegionId) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT authority.open_feed($1)").bind(region.0).execute(pool).await?;
    Ok(())
}

/// What followed a position, without gaps, and where the feed stands; none when that position was trimmed or never was.
pub async fn events(
    pool: &PgPool,
    key: &SigningKey,
    region: RegionId,
    after: (Incarnation, FeedSeq),
    (limit, now): (i64, DateTime<Utc>),
) -> Result<Option<Events>, sqlx::Error> {
    let mut transaction = snapshot_of(pool).await?;
    let Some(head) = head(&mut transaction, region).await? else { return Ok(None) };
    if head.incarnation != after.0 || after.1 > head.seq {
        return Ok(None);
    }
    let entries = entries(&mut transaction, key, region, head.incarnation, after.1, limit).await?;
    let contiguous = entries.first().map_or(after.1 == head.seq, |first| first.seq == after.1.next());
    let heartbeat = Heartbeat::signed(key, (head.incarnation, region), (head.seq, head.digest), now);
    Ok(contiguous.then_some(Events { entries, heartbeat }))
}

/// All that is true in a region now; none before the feed's first entry.
pub async fn snapshot(pool: &PgPool, key: &SigningKey, region: RegionId) -> Result<Option<Snapshot>, sqlx::Error> {
    let mut transaction = snapshot_of(pool).await?;
    let Some(head) = head(&mut transaction, region).await? else { return Ok(None) };
    let contents: Vec<String> =
        sqlx::query_scalar("SELECT content FROM authority.feed_latest WHERE region = $1 ORDER BY key")
            .bind(region.0)
            .fetch_all(&mut *transaction)
            .await?;
    Ok(Some(Snapshot::signed(key, (head.incarnation, region), (head.seq, head.digest), contents)))
}

/// The signed entries after a position.
pub async fn entries(
    connection: &mut PgConnection,
    key: &SigningKey,
    region: RegionId,
    incarnation: Incarnation,
    after: FeedSeq,
    limit: i64,
) -> Result<Vec<Entry>, sqlx::Error> {
    sqlx::query("SELECT seq, prev, content FROM authority.feed WHERE region = $1 AND seq > $2 ORDER BY seq LIMIT $3")
        .bind(region.0)
        .bind(signed(after)?)
        .bind(limit)
        .fetch_all(connection)
        .await?
        .iter()
        .map(|row| {
            let position = (seq(row)?, digest(row, "prev")?);
            Ok(Entry::signed(key, (incarnation, region), position, row.try_get("content")?))
        })
        .collect()
}

/// Begins the feeds anew if the log has begun a new life; true if it did.
pub async fn settle(pool: &PgPool) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT authority.settle_feeds()").fetch_one(pool).await
}

/// Forgets old entries, keeping the newest; edges that are further behind take a snapshot.
pub async fn trim(pool: &PgPool, region: RegionId, keep: i64) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("SELECT authority.trim_feed($1, $2)").bind(region.0).bind(keep).fetch_one(pool).await
}

async fn snapshot_of(pool: &PgPool) -> Result<Transaction, sqlx::Error> {
    let mut transaction = Transaction::begin(pool).await?;
    sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY").execute(&mut *transaction).await?;
    Ok(transaction)
}

fn read_head(row: &PgRow) -> Result<Head, sqlx::Error> {
    let incarnation: Uuid = row.try_get("incarnation")?;
    Ok(Head { incarnation: Incarnation(incarnation), seq: seq(row)?, digest: digest(row, "digest")? })
}

fn seq(row: &PgRow) -> Result<FeedSeq, sqlx::Error> {
    let seq: i64 = row.try_get("seq")?;
    u64::try_from(seq).map(FeedSeq).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

fn signed(seq: FeedSeq) -> Result<i64, sqlx::Error> {
    i64::try_from(seq.0).map_err(|error| sqlx::Error::Encode(Box::new(error)))
}

fn digest(row: &PgRow, column: &str) -> Result<Digest, sqlx::Error> {
    let bytes: Vec<u8> = row.try_get(column)?;
    bytes.try_into().map(Digest).map_err(|_| sqlx::Error::Decode("a digest has 32 bytes".into()))
}
