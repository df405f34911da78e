//! Follows the log: woken in process after a commit, and polling anyway, because a wake may be lost and a transaction open
//! elsewhere may hold an event back. It only reads; rows and checkpoint are the caller's one transaction. The trap avoided:
//! advancing before that transaction commits; the position moves only when told.

use crate::{
    dispatcher::Wake,
    log::{Log, ReadError, Recorded},
    position::Position,
};
use rhone_domain::envelope::StreamId;
use std::time::Duration;
use tokio::sync::watch;

/// The first wait after a ring that brought nothing: what it announced stands behind a transaction about to end.
const AFTER_RING: Duration = Duration::from_millis(2);
/// The first wait without a ring. Waits double up to [`SLOWEST`].
const UNRUNG: Duration = Duration::from_millis(50);
/// The longest wait between two reads.
const SLOWEST: Duration = Duration::from_millis(250);

/// Wakes the tails of this process. Clones ring together.
#[derive(Clone, Debug)]
pub struct Bell(watch::Sender<u64>);

impl Default for Bell {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Bell {
    /// Wakes every tail.
    pub fn ring(&self) {
        self.0.send_modify(|rings| *rings = rings.wrapping_add(1));
    }

    /// Hears every ring from now on; several rings between two looks count as one.
    pub fn listen(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }
}

impl Wake for Bell {
    fn appended(&self, _: Position, _: &[StreamId]) {
        self.ring();
    }
}

/// A reader of everything, from a position on.
pub struct Tail<L> {
    log: L,
    after: Position,
    limit: u32,
    bell: watch::Receiver<u64>,
    /// Kept so that a tail without a bell of its process waits instead of spinning.
    _ringer: Bell,
}

impl<L: Log> Tail<L> {
    /// Begins after a position, in batches of about `limit` events.
    pub fn new(log: L, after: Position, limit: u32, bell: &Bell) -> Self {
        Self { log, after, limit, bell: bell.listen(), _ringer: bell.clone() }
    }

    /// The last event that was done with.
    pub fn position(&self) -> Position {
        self.after
    }

    /// What comes next, waiting for it if need be. The same again until [`Tail::advance`]. Safe to cancel.
    pub async fn next(&mut self) -> Result<Vec<Recorded>, ReadError> {
        let mut wait = UNRUNG;
        loop {
            self.bell.borrow_and_update();
            let batch = self.poll().await?;
            if !batch.is_empty() {
                return Ok(batch);
            }
            if tokio::time::timeout(wait, self.bell.changed()).await.is_ok() {
                wait = AFTER_RING;
            } else {
                wait = SLOWEST.min(wait * 2);
            }
        }
    }

    /// What is there now, perhaps nothing.
    pub async fn poll(&self) -> Result<Vec<Recorded>, ReadError> {
        self.log.read_all(self.after, self.limit).await
    }

    /// Done with everything up to here.
    pub fn advance(&mut self, position: Position) {
        self.after = position;
    }
}
