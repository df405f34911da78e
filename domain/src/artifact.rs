//! Artifact: immutable build output, named by its digest. Owner: build pipeline. Writer: build worker.
//! Durability: artifact store plus this stream. Trap: rebuilding at promotion; there is no command that changes one.

use crate::{
    aggregate::{self, Aggregate},
    artifact_facts::ArtifactFacts,
    created_once::created_once,
    digest::Digest,
    ids::{ArtifactId, WorkspaceId},
};
use serde::{Deserialize, Serialize};

/// What is known of it from its creation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Created {
    /// Which, in this workspace.
    pub id: ArtifactId,
    /// The tenant.
    pub workspace: WorkspaceId,
    /// Exactly which bytes.
    pub digest: Digest,
    /// How many bytes.
    pub size: u64,
    /// What its files say.
    pub facts: ArtifactFacts,
}

created_once! {
    /// An artifact, as later decisions see it.
    Artifact, "artifact", "artifact.registered", "artifact", are_the_same_bytes
}

/// The same bytes say the same for ever: a later program that reads more in them does not make them another artifact.
fn are_the_same_bytes(known: &Created, again: &Created) -> bool {
    (known.id, known.workspace, known.digest) == (again.id, again.workspace, again.digest)
}

#[cfg(test)]
mod tests;
