//! The log on Postgres: append, read, tail, lease, seal, verify. It names no aggregate. One door for writes: the
//! dispatcher folds, decides and appends at the version it read.

pub mod boot;
pub mod checkpoint;
pub mod clock;
pub mod dispatcher;
pub mod lease;
pub mod log;
pub mod memory;
pub mod position;
pub mod postgres;
pub mod subjects;
pub mod tail;
pub mod transaction;
pub mod unit;
pub mod vault;
pub mod verify;

pub use clock::Clock;
pub use dispatcher::{AsOf, Committed, Dispatcher, Inline, Loads, NoInline, Wake};
pub use log::{
    Append, AppendError, Appended, FenceCheck, Idempotency, Log, NewEvent, ReadError, Recorded, StreamWrite,
};
pub use memory::MemoryLog;
pub use position::{Cursor, CursorError, LogIncarnation, Position};
pub use postgres::PgLog;
pub use tail::{Bell, Tail};
pub use transaction::Transaction;
pub use unit::{Context, Loaded, Unit};
