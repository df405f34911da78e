//! Cell: isolation unit of a region, with its runners and service bindings. Owner: Rhone. Writer: platform provisioning.
//! Durability: the log. Trap: hard-coding the first cell into what users see; a cell is never part of an app's identity.

use crate::{
    aggregate::{self, Aggregate},
    created_once::created_once,
    ids::{CellId, RegionId},
    text::Slug,
};
use serde::{Deserialize, Serialize};

/// What is known of it from its creation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Created {
    /// Which.
    pub id: CellId,
    /// Its region.
    pub region: RegionId,
    /// Unique in the region.
    pub slug: Slug,
}

created_once! {
    /// A cell, as later decisions see it.
    Cell, "cell", "cell.created", "cell"
}

#[cfg(test)]
mod tests;
