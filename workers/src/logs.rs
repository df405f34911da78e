//! Lines of a build on their way into the store: gathered by size and time, numbered on from whatever was kept of the operation
//! before. Whoever builds opens a `Writer` and tells it lines, which the builder's log has masked and cut. The traps avoided: a build that fails because its log
//! could not be kept; what cannot be kept is dropped, and said to be; one that prints without end; and a worker that goes on
//! where another one died and takes its numbers.

mod bound;

use bound::{Bound, size};
use chrono::{DateTime, Utc};
use rhone_domain::logs::{CHUNK_BYTES, CHUNK_LINES, LogLine, LogOwner, LogStream, Pace};
use rhone_projections::logs::{self, Kept, NewChunk};
use rhone_providers::log_store::{LogStore, LogStoreError};
use sqlx::PgPool;
use std::time::Duration;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep, sleep_until},
};

/// Lines under way to the task that keeps them; more, and the build waits a moment.
const UNDER_WAY: usize = 1_024;
/// How often a chunk is tried before it is dropped, and the pause before each further try.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);

/// Why lines were not kept.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The index did not take them.
    #[error("keeping lines of a log in the index")]
    Index(#[from] sqlx::Error),
    /// The store did not take them.
    #[error("keeping lines of a log")]
    Store(#[from] LogStoreError),
    /// Somebody else writes the same log all the time.
    #[error("the numbers of the lines are always taken")]
    Contended,
    /// The owner names neither an operation nor an allocation.
    #[error("nobody owns these lines")]
    Unowned,
    /// The task that keeps them has ended.
    #[error("the log was closed")]
    Closed,
}

/// Takes lines of one owner. What is still held is kept after the last clone was dropped; `flush` waits until it is.
#[derive(Clone, Debug)]
pub struct Writer {
    told: mpsc::Sender<Told>,
}

enum Told {
    Line(LogLine),
    Flush(oneshot::Sender<Result<(), LogError>>),
}

impl Writer {
    /// Goes on with the log of this owner, by so many bytes at most. It needs a tokio runtime, on which the lines are kept.
    pub fn new(store: LogStore, pool: PgPool, owner: LogOwner, most: u64) -> Self {
        let (told, hears) = mpsc::channel(UNDER_WAY);
        let keeper = Keeper {
            store,
            pool,
            owner,
            bound: Bound::new(most),
            held: Vec::new(),
            bytes: 0,
            pace: Pace::default(),
            due: None,
            closed: Instant::now(),
            next: None,
            dropped: 0,
        };
        tokio::spawn(keeper.keep(hears));
        Self { told }
    }

    /// One line. It fails never: a log is diagnostic.
    pub async fn line(&self, at: DateTime<Utc>, stream: LogStream, text: String) {
        // The task ends only after the last writer; were it gone, there would be nobody to tell.
        let _ = self.told.send(Told::Line(LogLine { at, stream, text })).await;
    }

    /// Waits until everything that was told is kept, the last lines of what was too much among it, or was dropped after several
    /// tries: then the last reason.
    pub async fn flush(&self) -> Result<(), LogError> {
        let (done, kept) = oneshot::channel();
        self.told.send(Told::Flush(done)).await.map_err(|_| LogError::Closed)?;
        kept.await.map_err(|_| LogError::Closed)?
    }
}

/// Holds lines until they make a chunk.
struct Keeper {
    store: LogStore,
    pool: PgPool,
    owner: LogOwner,
    bound: Bound,
    held: Vec<LogLine>,
    bytes: usize,
    pace: Pace,
    /// Until when what is held waits for more.
    due: Option<Instant>,
    /// When it last let go of lines.
    closed: Instant,
    next: Option<u64>,
    dropped: u64,
}

impl Keeper {
    async fn keep(mut self, mut hears: mpsc::Receiver<Told>) {
        loop {
            let due = self.due.unwrap_or_else(Instant::now);
            let told = tokio::select! {
                told = hears.recv() => told,
                () = sleep_until(due), if self.due.is_some() => {
                    let _ = self.close().await;
                    continue;
                }
            };
            match told {
                Some(Told::Line(line)) => {
                    if let Some(line) = self.bound.take(line) {
                        self.take(line).await;
                    }
                }
                Some(Told::Flush(done)) => {
                    let kept = self.end().await;
                    // Whoever asked may have gone.
                    let _ = done.send(kept);
                }
                None => {
                    let _ = self.end().await;
                    return;
                }
            }
        }
    }

    /// Keeps what is held, and what the bound has left for an end.
    async fn end(&mut self) -> Result<(), LogError> {
        for line in self.bound.end() {
            self.take(line).await;
        }
        self.close().await
    }

    async fn take(&mut self, line: LogLine) {
        if self.dropped > 0 {
            let text = format!("{} lines were dropped here: they could not be kept", self.dropped);
            self.hold(LogLine { at: line.at, stream: LogStream::Rhone, text });
            self.dropped = 0;
        }
        self.hold(line);
        if self.bytes >= CHUNK_BYTES || self.held.len() >= CHUNK_LINES {
            let _ = self.close().await;
        }
    }

    fn hold(&mut self, line: LogLine) {
        if self.due.is_none() {
            self.due = Some(Instant::now() + self.pace.gather(self.closed.elapsed()));
        }
        self.bytes += size(&line);
        self.held.push(line);
    }

    /// Keeps what is held, or drops it after several tries.
    async fn close(&mut self) -> Result<(), LogError> {
        let lines = std::mem::take(&mut self.held);
        (self.bytes, self.due, self.closed) = (0, None, Instant::now());
        let (Some(first), Some(last)) = (lines.first(), lines.last()) else { return Ok(()) };
        let span = (first.at, last.at);
        let mut pause = PAUSE;
        for _ in 1..TRIES {
            match self.store(&lines, span).await {
                Ok(()) => return Ok(()),
                Err(error) => {
                    tracing::debug!(error = &error as &dyn std::error::Error, "lines of a log are tried again");
                }
            }
            sleep(pause).await;
            pause *= 2;
        }
        let kept = self.store(&lines, span).await;
        if let Err(error) = &kept {
            tracing::warn!(error = error as &dyn std::error::Error, lines = lines.len(), "lines of a log are dropped");
            self.dropped += lines.len() as u64;
        }
        kept
    }

    async fn store(
        &mut self,
        lines: &[LogLine],
        (first_at, last_at): (DateTime<Utc>, DateTime<Utc>),
    ) -> Result<(), LogError> {
        let (_, key) = self.owner.key().ok_or(LogError::Unowned)?;
        let first_line = match self.next {
            Some(next) => next,
            None => *self.next.insert(logs::next_line(&self.pool, key).await?),
        };
        let kept = self.store.put(key, lines).await?;
        let chunk = NewChunk {
            owner: self.owner,
            first_line,
            lines: lines.len(),
            first_at: first_at.min(last_at),
            last_at: last_at.max(first_at),
            bytes: kept.bytes,
            digest: kept.digest,
        };
        match logs::keep(&self.pool, &chunk).await? {
            Kept::Now | Kept::Before => {
                self.next = Some(first_line + lines.len() as u64);
                Ok(())
            }
            // Whoever worked before us has said more than we knew of; those bytes become a chunk under another number.
            Kept::Otherwise => {
                self.next = None;
                Err(LogError::Contended)
            }
        }
    }
}
