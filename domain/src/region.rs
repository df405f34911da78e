//! Region: geographic boundary of placement, residency and failover. Owner: Rhone. Writer: platform provisioning.
//! Durability: the log. Trap: thinking that several regions are only a matter of DNS; every record that has a place names it.

use crate::{
    aggregate::{self, Aggregate},
    created_once::created_once,
    ids::RegionId,
    text::{Name, Slug},
};
use serde::{Deserialize, Serialize};

/// What is known of it from its creation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Created {
    /// Which.
    pub id: RegionId,
    /// Unique on the platform.
    pub slug: Slug,
    /// For people.
    pub name: Name,
}

created_once! {
    /// A region, as later decisions see it.
    Region, "region", "region.created", "region"
}

#[cfg(test)]
mod tests;
