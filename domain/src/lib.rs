//! The rules of Rhone: pure and synchronous. Nothing here performs I/O, reads a clock or draws a random number; ids and
//! times arrive in the command. One noun, one file; its tests stand beside it.

// The kernel: what every noun is made of.
pub mod actor;
pub mod aggregate;
pub mod authorization;
pub mod canonical;
mod created_once;
pub mod digest;
pub mod envelope;
pub mod hidden;
pub mod ids;
pub mod numbers;
pub mod personal;
pub mod text;

// What crosses to the edges and the runners.
pub mod edge_status;
pub mod feed;
pub mod host_protocol;
pub mod logs;
// The nouns.
pub mod allocation;
pub mod app;
pub mod artifact;
pub mod artifact_facts;
pub mod backend;
pub mod cell;
pub mod claim;
pub mod deployment;
pub mod environment;
pub mod host;
pub mod migrations;
pub mod operation;
pub mod project;
pub mod provider;
pub mod provider_binding;
pub mod refusal;
pub mod region;
pub mod region_enablement;
pub mod region_failover;
pub mod region_readiness;
pub mod route_owner;
pub mod runtime_service;
pub mod runtime_service_binding;
pub mod token;
pub mod variables;
pub mod workspace;

// What a change of owner is judged by.
pub mod database_impact;
pub mod deploy;
pub mod deploy_impact;
pub mod gate;
pub mod generated;
pub mod vango_state;

// What reacts: pure process managers.
pub mod app_source;
pub mod binding;
pub mod drain;
pub mod host_drain;
pub mod migration;
pub mod process;
pub mod promotion;
pub mod scale;
pub mod scale_readiness;
pub mod scheduling;
pub mod session_fate;
pub mod sleep;
pub mod source_address;
pub mod source_credential;
pub mod wake;

// What is known of all of them.
pub mod object_model;
pub mod state_taxonomy;

// What is generated from all of them.
pub mod catalogue;
pub mod history;

// What the tests of all of them tell, and how they compare.
#[cfg(test)]
mod model;
#[cfg(test)]
mod runs;
#[cfg(test)]
mod story;
