//! How long a follower puts up with a database that does not answer: it blinks, and nobody notices; it stays away, and the
//! follower is sent off to come back with its position. The trap avoided: a subscription that hangs for ever in good faith.

use std::time::Duration;

use rhone_eventstore::ReadError;
use tokio::time::sleep;

use crate::fault::Fault;

/// Between two tries.
const RETRY: Duration = Duration::from_millis(250);
/// In a row; some ten seconds and what the tries themselves take.
const TRIES: u32 = 40;

/// What is left of it.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    tries: u32,
}

impl Patience {
    /// Waits a moment, or gives up.
    pub(crate) async fn bear(&mut self, error: ReadError) -> Result<(), Fault> {
        match error {
            ReadError::Unavailable(cause) if self.tries < TRIES => {
                tracing::debug!(error = &cause as &dyn std::error::Error, "a follower looks again");
                self.tries += 1;
                sleep(RETRY).await;
                Ok(())
            }
            error @ (ReadError::Unavailable(_) | ReadError::Corrupt { .. } | ReadError::Unreadable { .. }) => {
                Err(Fault::internal(error))
            }
        }
    }

    /// It answered.
    pub(crate) fn is_restored(&mut self) {
        self.tries = 0;
    }
}
