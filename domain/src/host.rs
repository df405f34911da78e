//! Host: a machine with one runner; belongs to a cell. Owner: Rhone. Writer: platform provisioning.
//! Trap: taking its heartbeat for a fact of the log; when it was last seen stands in a plain table.

use crate::{
    aggregate::{self, Aggregate},
    created_once::created_once,
    ids::{CellId, HostId, RegionId},
    text::Slug,
};
use serde::{Deserialize, Serialize};

/// What is known of it from its creation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Created {
    /// Which.
    pub id: HostId,
    /// Its region.
    pub region: RegionId,
    /// Its cell.
    pub cell: CellId,
    /// Unique in the cell.
    pub slug: Slug,
}

created_once! {
    /// A host, as later decisions see it.
    Host, "host", "host.registered", "host"
}

#[cfg(test)]
mod tests;
