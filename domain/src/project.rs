//! Project: a grouping of apps, environments and settings. Owner: Rhone. Writer: project-scoped operations.
//! Durability: the log. Trap: treating project settings as generated build output; a build never writes here.

use crate::{
    aggregate::{self, Aggregate},
    created_once::created_once,
    ids::{ProjectId, WorkspaceId},
    text::{Name, Slug},
};
use serde::{Deserialize, Serialize};

/// What is known of it from its creation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Created {
    /// Which.
    pub id: ProjectId,
    /// The tenant.
    pub workspace: WorkspaceId,
    /// Unique in the workspace.
    pub slug: Slug,
    /// For people.
    pub name: Name,
}

created_once! {
    /// A project, as later decisions see it.
    Project, "project", "project.created", "project"
}

#[cfg(test)]
mod tests;
