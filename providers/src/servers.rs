//! Private servers: a PostgreSQL and a NATS of our own, in a data folder of ours, on ports that nobody else asked for.
//! The trap avoided: talking to a server that happens to listen where ours used to.

mod binaries;
mod child;
mod error;
mod found;
mod identity;
mod nats;
mod os_user;
mod postgres;
mod postgres_files;

pub use binaries::postgres_client;
pub use error::ServerError;
pub use nats::Nats;
pub use postgres::Postgres;
