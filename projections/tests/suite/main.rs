//! What the tailing projections promise, on a real Postgres: one server for all, a fresh database each.

mod allocations;
mod capacity;
mod causes;
mod database;
mod deploys;
mod failover;
mod feed;
mod gate_facts;
mod hosts_seen;
mod lanes;
mod members;
mod order;
mod readiness;
mod rebuild;
mod versions;
mod world;
