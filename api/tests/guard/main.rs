//! The guard's tests: the eight holes of the stock integration, each tried against a real server on a real socket. One
//! binary; a list without logic.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod audit;
mod bodies;
mod client;
mod documents;
mod faults;
mod origins;
mod pages;
mod probes;
mod schema;
mod server;
mod sets;
mod sign_in;
mod socket;
mod websocket;
