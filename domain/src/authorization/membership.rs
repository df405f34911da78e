//! What somebody is to a workspace: a role in all of it, and grants beside those of the role in single projects and environments.
//! Trap: a custom grant that reaches further than the place in which it was given.

use super::{Grant, Level, Scope, grants_of};
use crate::{
    ids::{EnvironmentId, ProjectId},
    workspace::{Reach, Role},
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Grants beside those of the role.
pub type Custom<Id> = BTreeMap<Id, BTreeSet<Grant>>;

/// What somebody is to a workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// The role, in all of it.
    pub role: Role,
    /// More, in single projects.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub projects: Custom<ProjectId>,
    /// More, in single environments.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environments: Custom<EnvironmentId>,
}

impl Membership {
    /// A role and nothing besides.
    pub const fn of(role: Role) -> Self {
        Self { role, projects: BTreeMap::new(), environments: BTreeMap::new() }
    }

    /// The custom grants in one place.
    pub fn within(&self, reach: Reach) -> Option<&BTreeSet<Grant>> {
        match reach {
            Reach::Project(id) => self.projects.get(&id),
            Reach::Environment(id) => self.environments.get(&id),
        }
    }

    /// From now on exactly these custom grants in one place.
    pub fn set(&mut self, reach: Reach, grants: BTreeSet<Grant>) {
        match (reach, grants.is_empty()) {
            (Reach::Project(id), true) => drop(self.projects.remove(&id)),
            (Reach::Project(id), false) => drop(self.projects.insert(id, grants)),
            (Reach::Environment(id), true) => drop(self.environments.remove(&id)),
            (Reach::Environment(id), false) => drop(self.environments.insert(id, grants)),
        }
    }

    /// Whether a grant is held as far as it must reach.
    pub fn holds(&self, grant: Grant, level: Level, scope: Scope) -> bool {
        let project = || scope.project.and_then(|id| self.projects.get(&id)).is_some_and(|more| more.contains(&grant));
        let environment = || {
            let more = scope.environment.and_then(|(id, _)| self.environments.get(&id));
            more.is_some_and(|more| more.contains(&grant))
        };
        grants_of(self.role).contains(&grant)
            || match level {
                Level::Workspace | Level::Platform => false,
                Level::Project => project(),
                Level::Environment => project() || environment(),
            }
    }
}
