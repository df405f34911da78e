//! The index of logs: a plain table, not an event. Writers: the API's runner endpoint (apps), workers (builds; rotation). The
//! lines themselves lie in the store, under the digest that stands here. The traps avoided: lines that are sent twice and kept
//! twice; and a follower that goes on from a chunk and misses one that was numbered before it (see the migration).

use crate::{keyset::Towards, session::Session};
use chrono::{DateTime, Utc};
use rhone_domain::{
    digest::Digest,
    ids::{AllocationId, AppId, DeploymentId, EnvironmentId, HostId, OperationId, WorkspaceId},
    logs::{LogOwner, LogSource},
};
use sqlx::{PgConnection, PgPool, Postgres, QueryBuilder, Row as _, postgres::PgRow};
use std::{fmt, str::FromStr};
use uuid::Uuid;

/// A chunk whose bytes are in the store.
#[derive(Clone, Copy, Debug)]
pub struct NewChunk {
    /// Who printed it.
    pub owner: LogOwner,
    /// The number of its first line.
    pub first_line: u64,
    /// How many lines.
    pub lines: usize,
    /// When the first was read.
    pub first_at: DateTime<Utc>,
    /// When the last was.
    pub last_at: DateTime<Utc>,
    /// How many bytes lie in the store.
    pub bytes: u64,
    /// Under which digest.
    pub digest: Digest,
}

/// What became of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is new.
    Now,
    /// These very bytes were kept before.
    Before,
    /// Its first line was kept before, in other bytes: those just stored are nobody's.
    Otherwise,
}

/// Puts a chunk into the index, once.
pub async fn keep(pool: &PgPool, chunk: &NewChunk) -> Result<Kept, sqlx::Error> {
    let LogOwner { workspace, app, environment, operation, deployment, allocation, host } = chunk.owner;
    let source = chunk.owner.key().map_or(LogSource::Runtime, |(source, _)| source);
    let (digest, now): (Vec<u8>, bool) = sqlx::query_as(
        "SELECT digest, is_new
         FROM diagnostics.keep_chunk($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    )
    .bind(workspace.0)
    .bind(app.0)
    .bind(environment.map(|id| id.0))
    .bind(operation.map(|id| id.0))
    .bind(deployment.map(|id| id.0))
    .bind(allocation.map(|id| id.0))
    .bind(host.map(|id| id.0))
    .bind(source.as_str())
    .bind(chunk.first_at)
    .bind(chunk.last_at)
    .bind(i64::try_from(chunk.first_line).unwrap_or(i64::MAX))
    .bind(i32::try_from(chunk.lines).unwrap_or(i32::MAX))
    .bind(i64::try_from(chunk.bytes).unwrap_or(i64::MAX))
    .bind(chunk.digest.0)
    .fetch_one(pool)
    .await?;
    Ok(match now {
        true => Kept::Now,
        false if digest == chunk.digest.0 => Kept::Before,
        false => Kept::Otherwise,
    })
}

/// The number of an owner's next line.
pub async fn next_line(pool: &PgPool, owner: Uuid) -> Result<u64, sqlx::Error> {
    let next: i64 = sqlx::query_scalar("SELECT diagnostics.next_line($1)").bind(owner).fetch_one(pool).await?;
    Ok(u64::try_from(next).unwrap_or(0))
}

/// Where the logs of these workspaces stand; those without any are left out.
pub async fn newest(connection: &mut PgConnection, workspaces: &[Uuid]) -> Result<Vec<(Uuid, i64)>, sqlx::Error> {
    let newest = sqlx::query_as("SELECT workspace, pos FROM diagnostics.newest_chunks($1)");
    newest.bind(workspaces).fetch_all(connection).await
}

/// A chunk that is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forgettable {
    /// Where it stands.
    pub pos: i64,
    /// Whose it is.
    pub owner: Uuid,
    /// Its bytes.
    pub digest: Digest,
}

/// Chunks older than `seconds`, and the oldest of owners with more than `bytes`; about `most` of them.
pub async fn to_forget(pool: &PgPool, seconds: f64, bytes: i64, most: i32) -> Result<Vec<Forgettable>, sqlx::Error> {
    let query =
        "SELECT pos, owner, digest FROM diagnostics.chunks_to_forget(make_interval(secs => $1), $2, $3) ORDER BY pos";
    let rows = sqlx::query(query).bind(seconds).bind(bytes).bind(most).fetch_all(pool).await?;
    let read =
        |row: &PgRow| Ok(Forgettable { pos: row.try_get("pos")?, owner: row.try_get("owner")?, digest: digest(row)? });
    rows.iter().map(read).collect()
}

/// Takes a chunk out of the index, once its bytes are gone.
pub async fn forget(pool: &PgPool, pos: i64) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT diagnostics.forget_chunk($1)").bind(pos).execute(pool).await?;
    Ok(())
}

/// Of these chunks, by owner and digest, those that no row names.
pub async fn orphans(pool: &PgPool, chunks: &[(Uuid, Digest)]) -> Result<Vec<(Uuid, Digest)>, sqlx::Error> {
    let (owners, digests): (Vec<Uuid>, Vec<Vec<u8>>) =
        chunks.iter().map(|(owner, digest)| (*owner, digest.0.to_vec())).unzip();
    let query = sqlx::query_scalar("SELECT place FROM diagnostics.orphans($1, $2) ORDER BY place");
    let places: Vec<i64> = query.bind(owners).bind(digests).fetch_all(pool).await?;
    // Places count from one.
    let named = |place: &i64| usize::try_from(*place - 1).ok().and_then(|at| chunks.get(at)).copied();
    Ok(places.iter().filter_map(named).collect())
}

/// A place among the lines: so many lines of this chunk, and all chunks before it, were seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinePosition {
    /// Which chunk.
    pub chunk: i64,
    /// How many of its lines.
    pub lines: u32,
}

impl LinePosition {
    /// Everything up to a chunk, the chunk with it.
    pub fn behind(chunk: i64) -> Self {
        Self { chunk: chunk + 1, lines: 0 }
    }
}

impl fmt::Display for LinePosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.chunk, self.lines)
    }
}

/// Why a text is no place among the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a place among lines is written `chunk-lines`")]
pub struct InvalidLinePosition;

impl FromStr for LinePosition {
    type Err = InvalidLinePosition;

    fn from_str(text: &str) -> Result<Self, InvalidLinePosition> {
        let (chunk, lines) = text.split_once('-').ok_or(InvalidLinePosition)?;
        let read = Self {
            chunk: chunk.parse().map_err(|_| InvalidLinePosition)?,
            lines: lines.parse().map_err(|_| InvalidLinePosition)?,
        };
        // One spelling each, and no chunk so far off that the next one has no number.
        let plain = read.to_string() == text && (0..i64::MAX).contains(&read.chunk);
        if plain { Ok(read) } else { Err(InvalidLinePosition) }
    }
}

/// Which chunks: those for which all of it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Of this workspace; the reader's own eyes decide besides.
    pub workspace: Option<WorkspaceId>,
    /// Of this app.
    pub app: Option<AppId>,
    /// Of this environment.
    pub environment: Option<EnvironmentId>,
    /// Of this deployment.
    pub deployment: Option<DeploymentId>,
    /// Of this operation.
    pub operation: Option<OperationId>,
    /// Of this allocation.
    pub allocation: Option<AllocationId>,
    /// Of builds, or of running apps.
    pub source: Option<LogSource>,
    /// With lines of then or later.
    pub since: Option<DateTime<Utc>>,
    /// With lines before.
    pub until: Option<DateTime<Utc>>,
}

/// A chunk as it stands in the index.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// Where it stands.
    pub pos: i64,
    /// Who printed it.
    pub owner: LogOwner,
    /// Whose name its bytes have.
    pub key: Uuid,
    /// What printed it.
    pub source: LogSource,
    /// The number of its first line.
    pub first_line: u64,
    /// Its bytes.
    pub digest: Digest,
}

const COLUMNS: &str = "c.pos, c.workspace, c.app, c.environment, c.operation, c.deployment, c.allocation, c.host, c.owner, \
    c.source, c.first_line, c.digest";

impl Filter {
    /// Only what is asked for stands in the statement, so that each question finds its index.
    fn narrow(&self, query: &mut QueryBuilder<Postgres>) {
        let places = [
            ("workspace", self.workspace.map(|id| id.0)),
            ("app", self.app.map(|id| id.0)),
            ("environment", self.environment.map(|id| id.0)),
            ("deployment", self.deployment.map(|id| id.0)),
            ("operation", self.operation.map(|id| id.0)),
            ("allocation", self.allocation.map(|id| id.0)),
            // An allocation owns its lines, and an operation those of its build.
            ("owner", self.allocation.map(|id| id.0)),
        ];
        for (column, id) in places {
            if let Some(id) = id {
                query.push(format!(" AND c.{column} = ")).push_bind(id);
            }
        }
        if let Some(source) = self.source {
            query.push(" AND c.source = ").push_bind(source.as_str());
        }
        if let Some(since) = self.since {
            query.push(" AND c.last_at >= ").push_bind(since);
        }
        if let Some(until) = self.until {
            query.push(" AND c.first_at < ").push_bind(until);
        }
    }
}

/// Chunks along the order in which they were kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChunksPage {
    /// Which.
    pub filter: Filter,
    /// From this one on, itself included.
    pub from: Option<i64>,
    /// Which way.
    pub towards: Towards,
    /// The most.
    pub most: u16,
}

/// One page for each that is asked for, in one statement: each part of it finds its own index.
pub async fn pages(connection: &mut PgConnection, asked: &[ChunksPage]) -> Result<Vec<Vec<Chunk>>, sqlx::Error> {
    let mut query = QueryBuilder::new("");
    for (nth, page) in asked.iter().enumerate() {
        let (operator, order) = (page.towards.operator(), page.towards.order());
        query.push(if nth == 0 { "(" } else { " UNION ALL (" });
        query.push(format!("SELECT {nth}::bigint AS nth, {COLUMNS} FROM diagnostics.log_chunks c WHERE true"));
        if let Some(from) = page.from {
            query.push(format!(" AND c.pos {operator}= ")).push_bind(from);
        }
        page.filter.narrow(&mut query);
        query.push(format!(" ORDER BY c.pos {order} LIMIT ")).push_bind(i64::from(page.most)).push(")");
    }
    let mut pages: Vec<Vec<Chunk>> = asked.iter().map(|_| Vec::new()).collect();
    if asked.is_empty() {
        return Ok(pages);
    }
    for row in query.build().fetch_all(connection).await? {
        let nth: i64 = row.try_get("nth")?;
        let page = usize::try_from(nth).ok().and_then(|nth| pages.get_mut(nth));
        page.ok_or(sqlx::Error::RowNotFound)?.push(chunk(&row)?);
    }
    // What a union answers has no order.
    for (page, asked) in pages.iter_mut().zip(asked) {
        page.sort_by_key(|chunk| chunk.pos);
        if asked.towards == Towards::Older {
            page.reverse();
        }
    }
    Ok(pages)
}

/// The newest chunk that these eyes see of each of these workspaces; those without any are left out.
pub async fn newest_of(
    connection: &mut PgConnection,
    workspaces: &[WorkspaceId],
) -> Result<Vec<(WorkspaceId, i64)>, sqlx::Error> {
    let rows: Vec<(Uuid, i64)> = sqlx::query_as(
        "SELECT asked.id, n.pos FROM unnest($1::uuid[]) AS asked (id) CROSS JOIN LATERAL (
             SELECT max(pos) AS pos FROM diagnostics.log_chunks WHERE workspace = asked.id
         ) n WHERE n.pos IS NOT NULL",
    )
    .bind(workspaces.iter().map(|id| id.0).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|(of, pos)| (WorkspaceId(of), pos)).collect())
}

/// What was heard in one look.
#[derive(Debug)]
pub struct Heard {
    /// Whether the reader belongs to the workspace; whoever does not hears nothing.
    pub member: bool,
    /// What matched, in the order in which it was kept.
    pub chunks: Vec<Chunk>,
    /// Everything up to here was looked at, once these chunks are read.
    pub upto: LinePosition,
    /// Whether nothing was left to look at.
    pub at_head: bool,
}

/// Hears at most `most` chunks of a workspace from a place on; without one, where "now" is. One statement, one snapshot: what is
/// there, up to where, and whether the reader may hear it.
pub async fn hear(
    session: &Session,
    workspace: WorkspaceId,
    filter: &Filter,
    from: Option<LinePosition>,
    most: u16,
) -> Result<Heard, sqlx::Error> {
    let most = if from.is_some() { most } else { 0 };
    let after = from.unwrap_or_default();
    let mut query = QueryBuilder::new("WITH mark AS MATERIALIZED (SELECT ");
    query.push_bind(workspace.0).push(
        " = ANY ((SELECT authority.workspaces())::uuid[]) AS member,
         (SELECT max(n.pos) FROM diagnostics.log_chunks n WHERE n.workspace = ",
    );
    query.push_bind(workspace.0).push(format!(
        ") AS newest) SELECT mark.member, coalesce(mark.newest, 0) AS newest, e.* FROM mark LEFT JOIN LATERAL (
         SELECT {COLUMNS} FROM diagnostics.log_chunks c WHERE mark.member AND c.workspace = "
    ));
    query.push_bind(workspace.0).push(" AND c.pos >= ").push_bind(after.chunk);
    filter.narrow(&mut query);
    query.push(" ORDER BY c.pos LIMIT ").push_bind(i64::from(most)).push(") e ON true ORDER BY e.pos");
    let mut transaction = session.begin().await?;
    let rows = query.build().fetch_all(&mut *transaction).await?;
    let mark = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    let (member, newest) = (mark.try_get("member")?, mark.try_get::<i64, _>("newest")?);
    let here = |row: &&PgRow| row.try_get::<Option<i64>, _>("pos").is_ok_and(|pos| pos.is_some());
    let chunks = rows.iter().filter(here).map(chunk).collect::<Result<Vec<_>, _>>()?;
    let full = most > 0 && chunks.len() == usize::from(most);
    let upto = match chunks.last().filter(|_| full) {
        Some(last) => LinePosition::behind(last.pos),
        // What was forgotten meanwhile does not lead back.
        None => LinePosition::behind(newest).max(after),
    };
    Ok(Heard { member, chunks, upto, at_head: !full })
}

fn chunk(row: &PgRow) -> Result<Chunk, sqlx::Error> {
    let id = |name: &str| row.try_get::<Option<Uuid>, _>(name);
    let owner = LogOwner {
        workspace: WorkspaceId(row.try_get("workspace")?),
        app: AppId(row.try_get("app")?),
        environment: id("environment")?.map(EnvironmentId),
        operation: id("operation")?.map(OperationId),
        deployment: id("deployment")?.map(DeploymentId),
        allocation: id("allocation")?.map(AllocationId),
        host: id("host")?.map(HostId),
    };
    let source: &str = row.try_get("source")?;
    Ok(Chunk {
        pos: row.try_get("pos")?,
        owner,
        key: row.try_get("owner")?,
        source: if source == LogSource::Build.as_str() { LogSource::Build } else { LogSource::Runtime },
        first_line: u64::try_from(row.try_get::<i64, _>("first_line")?).unwrap_or(0),
        digest: digest(row)?,
    })
}

fn digest(row: &PgRow) -> Result<Digest, sqlx::Error> {
    let bytes: Vec<u8> = row.try_get("digest")?;
    bytes.try_into().map(Digest).map_err(|_| sqlx::Error::Decode("a digest is 32 bytes".into()))
}

#[cfg(test)]
mod tests {
    //! A place is read as it is written.
    use super::*;

    #[test]
    fn a_place_among_lines_is_read_as_it_is_written_and_nothing_else_is() {
        let place = LinePosition { chunk: 71, lines: 3 };
        assert_eq!(place.to_string().parse(), Ok(place));
        for text in ["", "1", "-1-2", "1--2", "01-2", "1-02", "+1-2", "1-2-3", "9223372036854775807-0", "1-4294967296"]
        {
            assert_eq!(text.parse::<LinePosition>(), Err(InvalidLinePosition), "{text}");
        }
    }
}
