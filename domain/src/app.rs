//! App: the hosted application, independent of any deploy. Owner: Rhone. Writer: create and import operations.
//! Trap: confusing it with one running process; nothing that runs is mentioned here, and no region or cell either.

use crate::{
    aggregate::{self, Aggregate},
    created_once::created_once,
    ids::{AppId, ProjectId, WorkspaceId},
    text::{Name, Slug},
};
use serde::{Deserialize, Serialize};

/// What is known of it from its creation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Created {
    /// Which.
    pub id: AppId,
    /// The tenant.
    pub workspace: WorkspaceId,
    /// Its project.
    pub project: ProjectId,
    /// Unique in the project.
    pub slug: Slug,
    /// For people.
    pub name: Name,
}

created_once! {
    /// An app, as later decisions see it.
    App, "app", "app.created", "app"
}

#[cfg(test)]
mod tests;
