//! Lines of logs as they are read: chunks by the index, through row-level security, and their bytes out of the store. The traps
//! avoided: a search that reads a tenant's whole past in one request; it stops after so many chunks and says how far it
//! looked; and lines that were rotated away while they were read: they are passed over.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use rhone_domain::{ids::WorkspaceId, logs::LogLine};
use rhone_projections::{
    keyset::{Keyset, Towards},
    logs::{Chunk, ChunksPage, Filter, LinePosition},
};
use rhone_providers::log_store::{LogStore, LogStoreError};

use crate::fault::Fault;

/// Chunks that one page reads at most.
const MOST_CHUNKS: usize = 64;
/// Chunks of the index read at a time.
const AT_ONCE: u16 = 16;

/// Which lines: those for which all of it holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    /// Whose.
    pub(crate) filter: Filter,
    /// With these words in them, in whatever case.
    pub(crate) contains: Option<String>,
}

/// A line and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    /// Up to it, itself included.
    pub(crate) position: LinePosition,
    /// The how manieth of its owner.
    pub(crate) number: u64,
    /// What was printed.
    pub(crate) line: LogLine,
    /// By whom.
    pub(crate) chunk: Arc<Chunk>,
}

/// A page of lines.
pub(crate) struct Found {
    /// In the direction that was asked for, at most as many as were.
    pub(crate) lines: Vec<Placed>,
    /// Going forward: everything from where the page began to here was looked at. Going back from the end: where that was.
    pub(crate) looked: LinePosition,
    /// Whether there may be more.
    pub(crate) more: bool,
}

impl Asked {
    fn admits(&self, line: &LogLine) -> bool {
        let in_time = within(line.at, self.filter.since, self.filter.until);
        let says = |words: &String| line.text.to_lowercase().contains(&words.to_lowercase());
        in_time && self.contains.as_ref().is_none_or(says)
    }
}

fn within(at: DateTime<Utc>, since: Option<DateTime<Utc>>, until: Option<DateTime<Utc>>) -> bool {
    since.is_none_or(|since| at >= since) && until.is_none_or(|until| at < until)
}

/// Those lines of a chunk that are asked for, in their order; none of one that was deleted.
pub(crate) async fn of_chunk(store: &LogStore, chunk: &Arc<Chunk>, asked: &Asked) -> Result<Vec<Placed>, Fault> {
    let lines = match store.get(chunk.key, chunk.digest).await {
        Ok(lines) => lines.unwrap_or_default(),
        Err(error @ LogStoreError::Spoilt { .. }) => {
            tracing::error!(error = &error as &dyn std::error::Error, "lines of a log are passed over");
            Vec::new()
        }
        Err(error @ (LogStoreError::Failed { .. } | LogStoreError::Unlisted { .. })) => {
            return Err(Fault::internal(error));
        }
    };
    let placed = |(index, line): (u32, LogLine)| Placed {
        position: LinePosition { chunk: chunk.pos, lines: index + 1 },
        number: chunk.first_line + u64::from(index),
        line,
        chunk: Arc::clone(chunk),
    };
    Ok((0..).zip(lines).filter(|(_, line)| asked.admits(line)).map(placed).collect())
}

/// Where chunks are looked up, by whoever asks.
pub(crate) trait Index {
    /// The newest chunk of a workspace.
    async fn newest(&self, workspace: WorkspaceId) -> Result<Option<i64>, Fault>;

    /// Some of them.
    async fn chunks(&self, page: ChunksPage) -> Result<Vec<Chunk>, Fault>;
}

/// A page of lines along the order in which they were kept.
pub(crate) async fn page(
    index: &impl Index,
    store: &LogStore,
    asked: &Asked,
    keyset: Keyset<LinePosition>,
) -> Result<Found, Fault> {
    // Before anything is read: what is kept meanwhile is behind it.
    let newest = match asked.filter.workspace {
        Some(workspace) => index.newest(workspace).await?,
        None => None,
    };
    let newest = newest.map_or(LinePosition::default(), LinePosition::behind);
    let most = usize::try_from(keyset.most).unwrap_or(0);
    let mut found = Found { lines: Vec::new(), looked: keyset.from.unwrap_or(newest), more: false };
    let backward = keyset.towards == Towards::Older;
    let mut from = keyset.from.or(backward.then_some(newest)).map(|at| at.chunk);
    for _ in 0..MOST_CHUNKS / usize::from(AT_ONCE) {
        let page = ChunksPage { filter: asked.filter, from, towards: keyset.towards, most: AT_ONCE };
        let chunks = index.chunks(page).await?;
        let last = chunks.len() < usize::from(AT_ONCE);
        for chunk in chunks.into_iter().map(Arc::new) {
            let lines = of_chunk(store, &chunk, asked).await?;
            from = Some(if backward { chunk.pos - 1 } else { chunk.pos + 1 });
            if found.take(lines, keyset, most) {
                return Ok(found);
            }
            if !backward {
                found.looked = LinePosition::behind(chunk.pos);
            }
        }
        if last {
            if !backward {
                found.looked = found.looked.max(newest);
            }
            return Ok(found);
        }
    }
    found.more = true;
    Ok(found)
}

impl Found {
    /// Whether there are enough.
    fn take(&mut self, mut lines: Vec<Placed>, keyset: Keyset<LinePosition>, most: usize) -> bool {
        match (keyset.towards, keyset.from) {
            (Towards::Newer, Some(from)) => lines.retain(|line| line.position > from),
            (Towards::Older, Some(from)) => lines.retain(|line| line.position < from),
            (Towards::Newer | Towards::Older, None) => {}
        }
        if keyset.towards == Towards::Older {
            lines.reverse();
        }
        let room = most - self.lines.len();
        let enough = lines.len() >= room;
        self.lines.extend(lines.into_iter().take(room));
        enough
    }
}

#[cfg(test)]
mod tests {
    //! Which lines are asked for.
    use super::*;
    use rhone_domain::logs::LogStream;

    #[test]
    fn words_are_sought_in_whatever_case_and_times_are_half_open() {
        let at = |second| DateTime::from_timestamp(second, 0).expect("a time");
        let line = LogLine { at: at(5), stream: LogStream::Stdout, text: "GET /health".into() };
        let asked = |since: i64, until: i64, words: &str| Asked {
            filter: Filter { since: Some(at(since)), until: Some(at(until)), ..Filter::default() },
            contains: Some(words.to_owned()),
        };
        assert!(asked(5, 6, "get /HEALTH").admits(&line));
        assert!(!asked(5, 6, "post").admits(&line));
        assert!(!asked(4, 5, "get").admits(&line));
        assert!(!asked(6, 7, "get").admits(&line));
    }
}
