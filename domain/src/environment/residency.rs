//! Where an environment may be besides its home region, and where it may never be. Writers: the environment's managers for
//! residency, region enablement for an enabled region; where a region stands is `standing.rs`. Trap: thinking that several regions are only a matter of
//! DNS; a region counts once its services, its data and the exact bytes were proven there, and never beyond the residency.

use super::{Environment, Event, Rejection};
use crate::{
    actor::{UnknownWord, words},
    ids::{CellId, OperationId, RegionId},
    text::Reason,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, fmt, str::FromStr};

/// The regions in which an environment's traffic and data may ever be; none named: anywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Residency(pub BTreeSet<RegionId>);

words! {
    /// Where a database is, seen from a region that an environment is enabled in.
    DataTopology {
        /// A replica is there that can be written to, or made so.
        Replicated = "replicated",
        /// The same store, which needs no region to be alive, is reached from both.
        Shared = "shared",
        /// The app has no database.
        Nothing = "none",
    }
}

/// A region that an environment may be moved to, with what it was proven by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enabled {
    /// Which.
    pub region: RegionId,
    /// Where in the region.
    pub cell: CellId,
    /// The operation that proved it.
    pub by: OperationId,
    /// Where its data is.
    pub topology: DataTopology,
}

impl Residency {
    /// Whether anything of the environment may be there.
    pub fn allows(&self, region: RegionId) -> bool {
        self.0.is_empty() || self.0.contains(&region)
    }
}

impl fmt::Display for Residency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str("anywhere") } else { f.write_str(&listed(self.0.iter().copied())) }
    }
}

/// Their ids.
pub(super) fn listed(regions: impl IntoIterator<Item = RegionId>) -> String {
    regions.into_iter().map(|region| region.to_string()).collect::<Vec<_>>().join(", ")
}

impl Environment {
    /// The region in which it began.
    pub fn home(&self) -> Option<RegionId> {
        self.created.as_ref().map(|created| created.region)
    }

    pub(super) fn set_residency(&self, residency: Residency, reason: Reason) -> Result<Vec<Event>, Rejection> {
        let present = self.home().into_iter().chain(self.regions.keys().copied());
        let left_out: BTreeSet<RegionId> = present.filter(|region| !residency.allows(*region)).collect();
        if residency == self.residency {
            return Ok(vec![]);
        }
        if !left_out.is_empty() {
            return Err(Rejection::LeavesOut { residency, left_out });
        }
        Ok(vec![Event::ResidencySet { residency, reason }])
    }

    /// Whether its traffic and data may ever be in this region.
    pub fn may_be_in(&self, region: RegionId) -> Result<(), Rejection> {
        if self.residency.allows(region) {
            return Ok(());
        }
        Err(Rejection::OutsideResidency { residency: self.residency.clone(), region })
    }
}
