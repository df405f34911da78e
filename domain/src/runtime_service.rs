//! Runtime services: what an app may need beside its process, which backends can be one, and how far each backend reaches.
//! Owner: Rhone; these are words and a table, bindings are in `runtime_service_binding`. Trap: taking memory for a service;
//! what lives in one process is shared with nobody.

use crate::actor::{UnknownWord, words};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, str::FromStr};

words! {
    /// What an app may need beside its process.
    Service {
        /// Keeps persisted session state, so that another allocation may hydrate it.
        SessionStore = "session_store",
        /// Carries live updates from one allocation to the others.
        Broadcast = "broadcast",
        /// Remembers which requests were carried out.
        Idempotency = "idempotency",
        /// Keeps what can be computed again.
        Cache = "cache",
        /// Keeps jobs until they are done.
        Queue = "queue",
        /// Keeps files.
        ObjectStorage = "object_storage",
    }
}

words! {
    /// What a runtime service is made of.
    Backend {
        /// A PostgreSQL database.
        Postgres = "postgres",
        /// A server that speaks RESP.
        Redis = "redis",
        /// A NATS server.
        Nats = "nats",
        /// The process' own memory.
        Memory = "memory",
        /// A folder of the host.
        Fs = "fs",
        /// A bucket.
        S3 = "s3",
    }
}

/// How far what a backend holds can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Only within the allocation that wrote it.
    Allocation,
    /// By the allocations of one host.
    Host,
    /// By every allocation of the region.
    Region,
}

impl Backend {
    /// How far what it holds can be seen.
    pub fn reach(self) -> Reach {
        match self {
            Self::Memory => Reach::Allocation,
            Self::Fs => Reach::Host,
            Self::Postgres | Self::Redis | Self::Nats | Self::S3 => Reach::Region,
        }
    }
}

impl Service {
    /// What can be one. A broadcast backend is never a database: fan-out forgets, and truth must not.
    pub fn backends(self) -> &'static [Backend] {
        match self {
            Self::SessionStore | Self::Idempotency => &[Backend::Postgres, Backend::Redis, Backend::Memory],
            Self::Broadcast => &[Backend::Redis, Backend::Nats, Backend::Memory],
            Self::Cache => &[Backend::Redis, Backend::Memory],
            Self::Queue => &[Backend::Postgres, Backend::Redis, Backend::Nats, Backend::Memory],
            Self::ObjectStorage => &[Backend::Fs, Backend::S3],
        }
    }

    /// As people say it.
    pub fn spoken(self) -> &'static str {
        match self {
            Self::SessionStore => "session store",
            Self::Broadcast => "broadcast backend",
            Self::Idempotency => "idempotency store",
            Self::Cache => "cache",
            Self::Queue => "queue",
            Self::ObjectStorage => "object storage",
        }
    }
}

/// The services that an artifact says it needs: by service, the backend, or none for any.
pub type Needed = BTreeMap<Service, Option<Backend>>;

/// How a service stands in one environment and region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Bound, but no probe has proven it, or the last one failed.
    Unproven(Backend),
    /// Proven by a probe.
    Verified(Backend),
}

/// How the services stand; what is not in it is not bound.
pub type Standings = BTreeMap<Service, Standing>;
