//! The state taxonomy: every class of state with who owns and writes it, how durable it is, what may be lost, how soon it is
//! back, and what a deploy, a change of scale and a failure do to it. Owner: Rhone; code, not stored. Trap: saying "state" and
//! meaning five things. Whoever calls the API is shown it (`stateTaxonomy`); every command of the log is asked which class it
//! changes, and refused to whoever does not write that class, whatever the table of commands says (`authorization`); and the
//! tests hold the gates to it: a change of owner is judged by nothing but truth.

use crate::actor::{UnknownWord, Writer, words};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

words! {
    /// A class of state.
    Class {
        /// What a live session holds in its allocation's memory.
        VangoSession = "vango_session",
        /// What a session store keeps of it.
        PersistedSession = "persisted_session",
        /// The customer's own data.
        ProductData = "product_data",
        /// Who owns which traffic.
        RouteOwnership = "route_ownership",
        /// How an allocation fares.
        AllocationHealth = "allocation_health",
        /// What operations did and are doing.
        OperationState = "operation_state",
        /// What builders and apps printed.
        BuildLogs = "build_logs",
        /// Keys to what others run.
        ProviderCredentials = "provider_credentials",
        /// What tells the edges of a change.
        RouteEvents = "route_events",
    }
}

words! {
    /// What a class of state may be used for.
    Standing {
        /// Decisions rest on it, and nothing else may overwrite it.
        Truth = "truth",
        /// It chooses among what the truth allows.
        Selection = "selection",
        /// It says that there is something to fetch.
        Hint = "hint",
        /// People read it; no rule does.
        Diagnostic = "diagnostic",
        /// It belongs to the app; the platform never reads it.
        Customer = "customer",
    }
}

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Which class.
    pub class: Class,
    /// For people.
    pub name: &'static str,
    /// Whose it is.
    pub owner: &'static str,
    /// Who writes it.
    pub writer: &'static str,
    /// In which capacities events of it are written; none when it is not in the log.
    pub writers: &'static [Writer],
    /// What it may be used for.
    pub standing: Standing,
    /// What survives what.
    pub durability: &'static str,
    /// How much of it may be lost.
    pub rpo: &'static str,
    /// How soon it is back.
    pub rto: &'static str,
    /// What a deploy does to it.
    pub deploy_impact: &'static str,
    /// What more or fewer allocations do to it.
    pub scale_impact: &'static str,
    /// What a failure does to it.
    pub failure_behavior: &'static str,
}

/// Every class of state.
pub const TAXONOMY: &[Row] = &[
    Row {
        class: Class::VangoSession,
        name: "Vango session",
        owner: "Vango session",
        writer: "The session's own loop",
        writers: &[],
        standing: Standing::Customer,
        durability: "memory of one allocation, unless the app persists it explicitly",
        rpo: "all of it may be lost: a fresh session is acceptable",
        rto: "the next connection",
        deploy_impact: "warm while the persisted schema is compatible; cold when something was removed or is unknown",
        scale_impact: "stays with its allocation unless a durable store can resume it elsewhere",
        failure_behavior: "lost when the process ends, unless persisted",
    },
    Row {
        class: Class::PersistedSession,
        name: "Persisted Vango session state",
        owner: "The app, in its session store",
        writer: "The session's loop through the state API",
        writers: &[],
        standing: Standing::Customer,
        durability: "as durable as the bound session store",
        rpo: "as the plan of the store says; usually seconds",
        rto: "the time a reconnecting session needs to hydrate",
        deploy_impact: "the state schema's impact decides between warm and cold",
        scale_impact: "another allocation may hydrate it when the schema is compatible",
        failure_behavior: "hydrated, or a fresh session that says so",
    },
    Row {
        class: Class::ProductData,
        name: "Product data",
        owner: "The app's database",
        writer: "Actions and workers of the app",
        writers: &[],
        standing: Standing::Customer,
        durability: "the database's own, with point-in-time recovery where it has it",
        rpo: "as the customer's plan says",
        rto: "as the customer's plan says",
        deploy_impact: "the migration's impact governs deploy and rollback, apart from the state's",
        scale_impact: "shared by all allocations through the database",
        failure_behavior: "restored or repaired within the database's own RPO and RTO",
    },
    Row {
        class: Class::RouteOwnership,
        name: "Route ownership",
        owner: "Control plane",
        writer: "Promotion and rollback operations, by compare-and-swap",
        writers: &[Writer::Promotion, Writer::Rollback],
        standing: Standing::Truth,
        durability: "the log in PostgreSQL, and signed snapshots on every edge's disk",
        rpo: "nothing that was acknowledged",
        rto: "edges go on from their disks at once; changes resume with the database",
        deploy_impact: "changes only through an operation with an exact artifact",
        scale_impact: "edges take it in by rising epoch",
        failure_behavior: "fails closed; a gap is answered by fetching a snapshot",
    },
    Row {
        class: Class::AllocationHealth,
        name: "Allocation health",
        owner: "Regional data plane",
        writer: "Runner and scheduler",
        writers: &[Writer::Runner, Writer::Scheduler],
        standing: Standing::Selection,
        durability: "the log for what changed, the edge's memory for the moment",
        rpo: "seconds to minutes",
        rto: "the runner's next report",
        deploy_impact: "a deploy brings allocations of its own",
        scale_impact: "chooses among the owner's allocations, never who owns",
        failure_behavior: "the scheduler replaces; sessions drain or end",
    },
    Row {
        class: Class::OperationState,
        name: "Operation state",
        owner: "Control plane",
        writer: "API and worker stages",
        writers: &[
            Writer::Api,
            Writer::Pipeline,
            Writer::Promotion,
            Writer::Rollback,
            Writer::Scheduler,
            Writer::Provider,
            Writer::Platform,
            Writer::System,
        ],
        standing: Standing::Truth,
        durability: "the log in PostgreSQL",
        rpo: "nothing that was acknowledged",
        rto: "10 seconds: the lease of a dead worker",
        deploy_impact: "holds the evidence of promotions, deploys and migrations",
        scale_impact: "every client reads the same truth",
        failure_behavior: "any worker adopts it and goes on from its last stage",
    },
    Row {
        class: Class::BuildLogs,
        name: "Build logs",
        owner: "Pipeline and log store",
        writer: "Builder",
        writers: &[],
        standing: Standing::Diagnostic,
        durability: "files and object storage",
        rpo: "minutes",
        rto: "no promise: nothing waits for them",
        deploy_impact: "none: they explain, they decide nothing",
        scale_impact: "none",
        failure_behavior: "may be partial; the operation says what happened",
    },
    Row {
        class: Class::ProviderCredentials,
        name: "Provider credentials",
        owner: "Rhone's vault",
        writer: "Provider binding operation; the API, for what an app's sources are read with",
        writers: &[Writer::Api, Writer::Provider],
        standing: Standing::Truth,
        durability: "encrypted in PostgreSQL under keys kept apart from it",
        rpo: "nothing that production uses",
        rto: "that of the control database",
        deploy_impact: "a rotation may need allocations to start again",
        scale_impact: "a region without them takes no allocation that needs them",
        failure_behavior: "the binding is disabled or rotated; nothing is ever logged",
    },
    Row {
        class: Class::RouteEvents,
        name: "NATS route events",
        owner: "Event bus",
        writer: "The control plane's publisher",
        writers: &[],
        standing: Standing::Hint,
        durability: "retained by JetStream, and expendable",
        rpo: "all of it: the feed in PostgreSQL repairs",
        rto: "one long poll",
        deploy_impact: "carries route changes sooner",
        scale_impact: "lets edges converge without asking for every request",
        failure_behavior: "duplicates and stale ones are dropped, a gap is repaired from the feed",
    },
];

/// The class of state that a command of the log changes; none for what people arrange, and for what only says where or when.
pub fn changed_by(command: &str) -> Option<Class> {
    let (noun, verb) = command.split_once('.')?;
    match (noun, verb) {
        ("route_owner", "promote" | "roll_back" | "move") => Some(Class::RouteOwnership),
        ("allocation", report) if report.starts_with("report_") => Some(Class::AllocationHealth),
        ("operation", _) => Some(Class::OperationState),
        ("provider_binding" | "runtime_service_binding", _)
        | ("app", "set_source_credential" | "remove_source_credential") => Some(Class::ProviderCredentials),
        _ => None,
    }
}

/// Whether a command may be written in this capacity as far as the class is concerned that it changes.
pub fn admits(command: &str, writer: Writer) -> bool {
    changed_by(command).is_none_or(|class| writers_of(TAXONOMY, class).contains(&writer))
}

fn writers_of(taxonomy: &[Row], class: Class) -> &'static [Writer] {
    taxonomy.iter().find(|row| row.class == class).map_or(&[], |row| row.writers)
}

#[cfg(test)]
mod tests;
