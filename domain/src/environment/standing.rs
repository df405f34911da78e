//! Where a region stands for an environment, and every way from one standing to another, as one table. Writers: up to eligible
//! the enabling operation, whose stages these are; disabled the environment's managers. What is not in the table is refused.
//! Trap: a region that vanishes when it is disabled, so that nobody sees that it was fit once, and why it is not to be used.

use super::{DataTopology, Enabled, Environment, Event, Rejection};
use crate::{
    actor::{UnknownWord, words},
    ids::{CellId, OperationId, RegionId},
    operation::{Operation, Stage, Work},
    region_enablement::Enablement,
    text::Reason,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, str::FromStr};

words! {
    /// Where a region stands for an environment.
    Standing {
        /// Somebody asks for it.
        Requested = "requested",
        /// A host of its cell is awaited.
        Provisioning = "provisioning",
        /// Its services are looked at.
        BindingServices = "binding_services",
        /// The owner's exact bytes are brought there.
        ReplicatingArtifacts = "replicating_artifacts",
        /// The traffic may be moved there.
        Eligible = "eligible",
        /// It was eligible, and is not to be used.
        Disabled = "disabled",
    }
}

use Standing::{BindingServices, Disabled, Eligible, Provisioning, ReplicatingArtifacts, Requested};

/// Every transition, each from and to; from nothing where nobody has asked for the region yet. An enablement that fails leaves the
/// region where it stood before.
pub const TRANSITIONS: &[(Option<Standing>, Standing)] = &[
    (None, Requested),
    (Some(Requested), Provisioning),
    (Some(Provisioning), BindingServices),
    (Some(BindingServices), ReplicatingArtifacts),
    (Some(ReplicatingArtifacts), Eligible),
    (Some(Eligible), Disabled),
    (Some(Disabled), Requested),
];

/// A region that was enabled, and is not to be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawn {
    /// As it was enabled.
    pub was: Enabled,
    /// Why it is not to be used.
    pub reason: Reason,
    /// Since when; not known of what was disabled before that was kept.
    pub since: Option<DateTime<Utc>>,
}

impl Standing {
    /// Whether `to` may follow; `from` nothing where nobody has asked yet.
    pub fn may_follow(from: Option<Self>, to: Self) -> bool {
        TRANSITIONS.contains(&(from, to))
    }

    /// What an enablement at this stage makes of its region; nothing where it has ended badly.
    pub fn of_stage(stage: Stage) -> Option<Self> {
        Self::ALL.iter().copied().find(|standing| standing.as_str() == stage.as_str())
    }
}

impl Environment {
    /// Where a region stands by what is on record; what is on its way stands with the operation that enables it.
    pub fn standing(&self, region: RegionId) -> Option<Standing> {
        let enabled = self.regions.contains_key(&region).then_some(Eligible);
        enabled.or_else(|| self.withdrawn.contains_key(&region).then_some(Disabled))
    }

    pub(super) fn enable_region(&self, enabled: Enabled) -> Result<Vec<Event>, Rejection> {
        if self.regions.get(&enabled.region) == Some(&enabled) {
            return Ok(vec![]);
        }
        self.may_enable(enabled.region)?;
        Ok(vec![Event::RegionEnabled(enabled)])
    }

    /// Whether a region could still be enabled, whatever is proven there.
    pub fn may_enable(&self, region: RegionId) -> Result<(), Rejection> {
        self.may_be_in(region)?;
        match self.home() {
            Some(home) if home == region => Err(Rejection::Home(region)),
            _ if Standing::may_follow(self.standing(region), Requested) => Ok(()),
            _ => Err(Rejection::AlreadyEnabled(region)),
        }
    }

    pub(super) fn disable_region(
        &self,
        region: RegionId,
        serving: Option<RegionId>,
        reason: Reason,
        at: DateTime<Utc>,
    ) -> Result<Vec<Event>, Rejection> {
        match Standing::may_follow(self.standing(region), Disabled) {
            _ if serving == Some(region) => Err(Rejection::TrafficThere(region)),
            _ if self.home() == Some(region) => Err(Rejection::Home(region)),
            false => Err(Rejection::NotEnabled(region)),
            true => Ok(vec![Event::RegionDisabled { region, reason, at: Some(at) }]),
        }
    }

    pub(super) fn enabled(&mut self, enabled: &Enabled) {
        self.withdrawn.remove(&enabled.region);
        self.regions.insert(enabled.region, *enabled);
    }

    pub(super) fn disabled(&mut self, region: RegionId, reason: &Reason, since: Option<DateTime<Utc>>) {
        if let Some(was) = self.regions.remove(&region) {
            self.withdrawn.insert(region, Withdrawn { was, reason: reason.clone(), since });
        }
    }
}

/// A region as it is shown: where it stands, and by what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Where in the region.
    pub cell: CellId,
    /// Where it stands.
    pub standing: Standing,
    /// The operation that enables it, or did.
    pub by: OperationId,
    /// Where its data is, if somebody said so.
    pub topology: Option<DataTopology>,
    /// Why and since when it is not to be used, if so.
    pub withdrawn: Option<Withdrawn>,
}

impl Seen {
    fn of(enabled: &Enabled, standing: Standing) -> Self {
        let Enabled { cell, by, topology, .. } = *enabled;
        Self { cell, standing, by, topology: Some(topology), withdrawn: None }
    }
}

impl Environment {
    /// Every region that was asked for, but for those whose enablement failed before they were fit for the first time: by what is
    /// on record and, of these operations that run, by the stage of each that enables one.
    pub fn standings<'a>(&self, running: impl IntoIterator<Item = &'a Operation>) -> BTreeMap<RegionId, Seen> {
        let withdrawn = self.withdrawn.iter().map(|(region, withdrawn)| {
            (*region, Seen { withdrawn: Some(withdrawn.clone()), ..Seen::of(&withdrawn.was, Disabled) })
        });
        let enabled = self.regions.iter().map(|(region, enabled)| (*region, Seen::of(enabled, Eligible)));
        withdrawn.chain(enabled).chain(running.into_iter().filter_map(|one| self.under_way(one))).collect()
    }

    fn under_way(&self, operation: &Operation) -> Option<(RegionId, Seen)> {
        let requested = operation.requested.as_ref()?;
        let Work::RegionEnablement(wanted) = requested.work else { return None };
        let standing = Standing::of_stage(operation.stage?)?;
        let here = self.created.as_ref().is_some_and(|created| created.id == wanted.environment);
        let Enablement { region, cell, topology, .. } = wanted;
        // One that was asked for beside another one changes nothing of what that has made fit.
        let counts = here && !self.regions.contains_key(&region);
        counts.then_some((region, Seen { cell, standing, by: requested.id, topology, withdrawn: None }))
    }
}

#[cfg(test)]
mod tests;
