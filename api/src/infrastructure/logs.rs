//! Lines that runners send: into the store, then into the index. The traps avoided: a chunk that was sent again because its answer
//! was lost, and is kept twice; and lines of an allocation that is not the caller's. Lines of one that has ended are taken:
//! its last words are on their way.

use std::{collections::HashMap, sync::Arc};

use axum::{
    Json,
    body::Body,
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use rhone_domain::{
    ids::{AllocationId, HostId},
    logs::{CHUNK_LINES, LONGEST_LINE, LogChunk, LogChunks, LogOwner},
};
use rhone_projections::{
    authority::allocations,
    logs::{self, Kept, NewChunk},
};

use super::{
    Infrastructure,
    caller::{self, within},
    refusal::Refusal,
    runner::{NOT_FOUND, Outcome, Outcomes, status_of},
};

/// Bytes of one request.
const BODY: usize = 4 * 1024 * 1024;
/// Chunks of one request.
const CHUNKS: usize = 64;
/// A line is cut before its broken bytes and its secrets are replaced, each by three.
const TEXT: usize = 4 * LONGEST_LINE;
/// No allocation prints so much.
const MOST_LINES: u64 = 1 << 53;

/// Takes chunks in, in their order; answers what became of each.
pub(super) async fn take(
    State(infrastructure): State<Arc<Infrastructure>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let (host, _) = caller::runner(&infrastructure, &headers).await?;
    let sent: LogChunks = caller::json_of(body, BODY).await?;
    if sent.host != host {
        return Err(Refusal::forbidden("host: the token is for another host"));
    }
    check(&sent.chunks)?;
    let mut owners = HashMap::new();
    let mut outcomes = Vec::with_capacity(sent.chunks.len());
    for chunk in sent.chunks {
        let allocation = chunk.allocation;
        let owner = match owners.get(&allocation) {
            Some(owner) => *owner,
            None => *owners.entry(allocation).or_insert(within(owner_of(&infrastructure, host, allocation)).await?),
        };
        outcomes.push(match owner {
            Some(owner) => {
                within(keep(&infrastructure, owner, chunk)).await?;
                Outcome::Accepted { allocation }
            }
            None => Outcome::Refused { allocation, code: NOT_FOUND.to_owned() },
        });
    }
    Ok((status_of(&outcomes), Json(Outcomes { outcomes })).into_response())
}

/// By field and rule.
fn check(chunks: &[LogChunk]) -> Result<(), Refusal> {
    if chunks.len() > CHUNKS {
        return Err(Refusal::bad_input(format!("chunks: at most {CHUNKS} at a time")));
    }
    for chunk in chunks {
        if !(1..=CHUNK_LINES).contains(&chunk.lines.len()) {
            return Err(Refusal::bad_input(format!("lines: 1 to {CHUNK_LINES} in a chunk")));
        }
        if chunk.first_line > MOST_LINES {
            return Err(Refusal::bad_input(format!("first_line: at most {MOST_LINES}")));
        }
        if chunk.lines.iter().any(|line| line.text.len() > TEXT) {
            return Err(Refusal::bad_input(format!("text: at most {TEXT} bytes in a line")));
        }
    }
    Ok(())
}

/// Whose lines they are; nobody's when the allocation is not this host's.
async fn owner_of(
    infrastructure: &Infrastructure,
    host: HostId,
    allocation: AllocationId,
) -> Result<Option<LogOwner>, Refusal> {
    let mut connection = infrastructure.pool.acquire().await?;
    let found = allocations::by_id(&mut connection, allocation).await?;
    let planned = found.and_then(|(found, _)| found.planned).filter(|planned| planned.host == host);
    Ok(planned.map(|planned| LogOwner {
        workspace: planned.workspace,
        app: planned.app,
        environment: Some(planned.environment),
        operation: None,
        deployment: Some(planned.deployment),
        allocation: Some(planned.id),
        host: Some(planned.host),
    }))
}

async fn keep(infrastructure: &Infrastructure, owner: LogOwner, chunk: LogChunk) -> Result<(), Refusal> {
    let (store, key) = (infrastructure.artifacts.logs(), chunk.allocation.0);
    let times = || chunk.lines.iter().map(|line| line.at);
    let (Some(first_at), Some(last_at)) = (times().min(), times().max()) else { return Ok(()) };
    let unkept = |error: &(dyn std::error::Error + 'static)| Refusal::unavailable("keeping lines of a log", error);
    let stored = store.put(key, &chunk.lines).await.map_err(|error| unkept(&error))?;
    let (first_line, lines) = (chunk.first_line, chunk.lines.len());
    let new = NewChunk { owner, first_line, lines, first_at, last_at, bytes: stored.bytes, digest: stored.digest };
    match logs::keep(&infrastructure.pool, &new).await? {
        Kept::Now => metrics::counter!("rhone_log_lines_total").increment(lines as u64),
        Kept::Before => {}
        // The same lines, packed by another program: no row will ever name these bytes.
        Kept::Otherwise => store.delete(key, stored.digest).await.map_err(|error| unkept(&error))?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    //! What is refused by form, and by which name.
    use super::*;
    use chrono::DateTime;
    use rhone_domain::logs::{LogLine, LogStream};
    use uuid::Uuid;

    fn chunk(first_line: u64, lines: usize, text: usize) -> LogChunk {
        let line = LogLine { at: DateTime::UNIX_EPOCH, stream: LogStream::Stdout, text: "x".repeat(text) };
        LogChunk { allocation: AllocationId(Uuid::from_u128(1)), first_line, lines: vec![line; lines] }
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(check(&[chunk(0, 1, 10), chunk(1, CHUNK_LINES, 10)]).is_ok());
        for (wrong, field) in [
            (vec![chunk(0, 1, 1); CHUNKS + 1], "chunks"),
            (vec![chunk(0, 0, 1)], "lines"),
            (vec![chunk(0, CHUNK_LINES + 1, 1)], "lines"),
            (vec![chunk(MOST_LINES + 1, 1, 1)], "first_line"),
            (vec![chunk(0, 1, TEXT + 1)], "text"),
        ] {
            let refusal = check(&wrong).expect_err(field);
            assert_eq!(refusal.code, "BAD_USER_INPUT");
            assert!(refusal.message.starts_with(&format!("{field}: ")), "{}", refusal.message);
        }
    }
}
