//! The one source of time, ids and random bytes; everywhere else they arrive as arguments. The trap avoided: a time finer
//! than the log keeps, which would hash one way before and another way after it was stored.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Duration, DurationRound as _, Utc};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use uuid::{Builder, ContextV7, Timestamp, Uuid};

/// Orders the ids of one millisecond among each other.
static SEQUENCE: LazyLock<Mutex<ContextV7>> = LazyLock::new(|| Mutex::new(ContextV7::new()));

/// Tells the time and makes ids.
#[derive(Clone, Debug, Default)]
pub struct Clock(Kind);

#[derive(Clone, Debug, Default)]
enum Kind {
    #[default]
    System,
    Manual(Arc<Mutex<Manual>>),
}

#[derive(Debug)]
struct Manual {
    now: DateTime<Utc>,
    ids: u64,
}

impl Clock {
    /// The machine's clock and random ids.
    pub fn system() -> Self {
        Self(Kind::System)
    }

    /// A clock that moves only when told, and whose ids count up: the same run gives the same ids.
    pub fn manual(now: DateTime<Utc>) -> Self {
        Self(Kind::Manual(Arc::new(Mutex::new(Manual { now, ids: 0 }))))
    }

    /// Now, in whole microseconds: what Postgres keeps.
    pub fn now(&self) -> DateTime<Utc> {
        let now = match &self.0 {
            Kind::System => system_now(),
            Kind::Manual(manual) => lock(manual).now,
        };
        now.duration_trunc(Duration::microseconds(1)).expect("a time of this age fits in 64 bits of nanoseconds")
    }

    /// Moves a manual clock.
    ///
    /// # Panics
    /// On the system's clock, which nobody moves.
    pub fn advance(&self, by: Duration) {
        match &self.0 {
            Kind::System => panic!("only a manual clock is moved"),
            Kind::Manual(manual) => lock(manual).now += by,
        }
    }

    /// A new UUIDv7 of whatever type is asked for.
    pub fn new_id<T: From<Uuid>>(&self) -> T {
        match &self.0 {
            Kind::System => T::from(system_id(self.now())),
            Kind::Manual(manual) => {
                let mut manual = lock(manual);
                manual.ids += 1;
                let mut tail = [0; 10];
                tail[2..].copy_from_slice(&manual.ids.to_be_bytes());
                let millis = u64::try_from(manual.now.timestamp_millis()).expect("a story starts after 1970");
                T::from(Builder::from_unix_timestamp_millis(millis, &tail).into_uuid())
            }
        }
    }
}

/// Random bytes of the operating system, for keys and nonces.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes once it runs");
    bytes
}

/// A secret of 256 bits as text for a header or a URL.
pub fn secret() -> String {
    URL_SAFE_NO_PAD.encode(random_bytes::<32>())
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
fn system_now() -> DateTime<Utc> {
    Utc::now()
}

fn system_id(now: DateTime<Utc>) -> Uuid {
    let seconds = u64::try_from(now.timestamp()).expect("the machine's clock stands after 1970");
    let sequence = SEQUENCE.lock().unwrap_or_else(PoisonError::into_inner);
    Uuid::new_v7(Timestamp::from_unix(&*sequence, seconds, now.timestamp_subsec_nanos()))
}

fn lock(manual: &Mutex<Manual>) -> MutexGuard<'_, Manual> {
    manual.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
