//! The log's promises, on a real Postgres: one server for all of them, a fresh database each. Where a promise could be
//! broken by a plausible shortcut, the shortcut stands beside it as a mutant which the same test must catch.

mod checkpoints;
mod conformance;
mod database;
mod deadlock;
mod dispatch;
mod envelope;
mod idempotency;
mod leases;
mod migrations;
mod order;
mod plans;
mod races;
mod restore;
mod roles;
mod story;
mod subjects;
mod tail;
mod tenancy;
mod transaction;
mod uses;
mod vault;
