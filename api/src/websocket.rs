//! graphql-transport-ws: who may connect, what may run, and when a connection ends. The library's own loop is not used. The
//! trap avoided: it starts without a token, never times out, re-checks nothing, and runs mutations from foreign pages.

mod close;
mod connection;
mod handshake;
mod message;
mod operation;

pub(crate) use connection::serve;

/// The one protocol spoken.
pub(crate) const PROTOCOL: &str = "graphql-transport-ws";
