//! What a worker does by itself, on a real Postgres and a real NATS.

mod closed;
mod housekeeping;
mod logs;
mod publisher;
mod scheduler;
mod world;
