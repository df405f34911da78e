//! The object model: every noun with who owns it, who writes it, where it lasts, and the trap that its rules avoid. Owner:
//! Rhone; code, not stored. Trap: two nouns that quietly share an owner or a writer because nobody wrote down who has which.

use serde::Serialize;

/// A noun of the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Noun {
    /// Its name.
    pub name: &'static str,
    /// The category of its streams.
    pub category: &'static str,
    /// What it is.
    pub meaning: &'static str,
    /// Whose it is.
    pub owner: &'static str,
    /// Who writes it.
    pub written_by: &'static str,
    /// Where it lasts.
    pub durability: &'static str,
    /// The mistake that its rules make impossible.
    pub trap: &'static str,
}

const LOG: &str = "the log in the control database";

/// Every noun.
pub const NOUNS: &[Noun] = &[
    Noun {
        name: "Workspace",
        category: "workspace",
        meaning: "the boundary of membership, policy and access",
        owner: "Rhone",
        written_by: "people with the grant, each change on record",
        durability: LOG,
        trap: "an app's runtime identity that changes the tenancy",
    },
    Noun {
        name: "Project",
        category: "project",
        meaning: "a product or codebase with its apps and settings",
        owner: "Rhone",
        written_by: "operations within the project",
        durability: LOG,
        trap: "settings taken for generated build output",
    },
    Noun {
        name: "App",
        category: "app",
        meaning: "the hosted application, whatever is deployed of it",
        owner: "Rhone",
        written_by: "create and import operations",
        durability: LOG,
        trap: "an identity confused with one running process",
    },
    Noun {
        name: "Environment",
        category: "environment",
        meaning: "a lane of traffic and policy, and the key of a route",
        owner: "Rhone",
        written_by: "environment operations",
        durability: LOG,
        trap: "preview and production on the same mutable database by accident",
    },
    Noun {
        name: "Deployment",
        category: "deployment",
        meaning: "a candidate release with the evidence of its validation",
        owner: "Rhone",
        written_by: "the pipeline",
        durability: LOG,
        trap: "a build called successful before validation and policy evidence exist",
    },
    Noun {
        name: "Artifact",
        category: "artifact",
        meaning: "immutable bytes under their digest, with what they say of themselves",
        owner: "the build pipeline",
        written_by: "the build worker, through registration",
        durability: "the artifact store, and its facts in the log",
        trap: "source rebuilt at promotion instead of the validated bytes",
    },
    Noun {
        name: "Allocation",
        category: "allocation",
        meaning: "one running instance of an artifact on a host",
        owner: "the regional scheduler",
        written_by: "scheduler and runner",
        durability: LOG,
        trap: "health taken for the ownership of a route",
    },
    Noun {
        name: "RouteOwner",
        category: "route_owner",
        meaning: "who owns an environment's traffic, under a rising epoch",
        owner: "control plane",
        written_by: "promotion and rollback operations, by compare-and-swap",
        durability: "the log, the route table beside it, and every edge's disk",
        trap: "traffic sent to the latest healthy backend",
    },
    Noun {
        name: "Operation",
        category: "operation",
        meaning: "a durable change with stages, a deadline and a definite end",
        owner: "Rhone",
        written_by: "API and worker stages",
        durability: LOG,
        trap: "status told from logs",
    },
    Noun {
        name: "ProviderBinding",
        category: "provider_binding",
        meaning: "an external resource attached to an environment",
        owner: "Rhone",
        written_by: "provider operations",
        durability: "the log, and the vault for what is secret",
        trap: "an app's own configuration taken for proof that the resource is there",
    },
    Noun {
        name: "RuntimeServiceBinding",
        category: "runtime_service_binding",
        meaning: "a session store, broadcast, idempotency, cache, queue or object storage service",
        owner: "Rhone",
        written_by: "bind operations",
        durability: "the log, and the vault for what is secret",
        trap: "more allocations while a service they need is missing",
    },
    Noun {
        name: "Region",
        category: "region",
        meaning: "a boundary of placement, residency and failover",
        owner: "Rhone",
        written_by: "platform provisioning",
        durability: LOG,
        trap: "several regions taken for a matter of DNS",
    },
    Noun {
        name: "Cell",
        category: "cell",
        meaning: "an isolation unit of a region with hosts and service bindings",
        owner: "Rhone",
        written_by: "platform provisioning",
        durability: LOG,
        trap: "the first cell written into what the public sees as identity",
    },
    Noun {
        name: "Host",
        category: "host",
        meaning: "a machine of a cell with one runner",
        owner: "Rhone",
        written_by: "platform provisioning and host drains",
        durability: "the log; when it was last heard, a plain table",
        trap: "a heartbeat taken for a fact of the log",
    },
];

#[cfg(test)]
mod tests;
