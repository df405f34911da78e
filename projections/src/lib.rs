//! Read models. A table's writer and its queries live in one file. Two kinds: rows written inline, in the append's own
//! transaction (`authority`), and rows that follow the log, each set with a checkpoint in the same transaction (the others).
//! Nothing here issues a command or calls a provider.

pub mod authority;
pub mod inline;

pub mod catalogue;
pub mod deployments;
pub mod timeline;
pub mod uploads;
pub mod whose;

pub mod contents;
pub mod drain_facts;
pub mod edges;
pub mod folded;
pub mod gate_facts;
pub mod history;
pub mod hosts_seen;
pub mod keyset;
pub mod live;
pub mod logs;
pub mod origins;
pub mod people;
pub mod projection;
pub mod readiness;
pub mod rebuild;
pub mod region_facts;
mod rows;
pub mod runner;
pub mod scale_facts;
pub mod schema;
pub mod sentence;
pub mod session;
