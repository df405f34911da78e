//! What goes on, told as it happens: to GraphQL's subscriptions and to `/v1/events` alike. A list without logic.

pub(crate) mod events;
pub(crate) mod logs;
mod patience;
mod pulse;
pub(crate) mod stream;

pub use pulse::Pulse;
pub(crate) use pulse::Watching;
