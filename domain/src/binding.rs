//! Bindings: what provider bindings and runtime service bindings have in common, and the pure process manager of the
//! operations that attach, prove, re-key and detach them. Owner: Rhone. Writer: provider operations. Trap: assuming that
//! what an app declares is ready where it is hosted; a binding counts only when a probe has proven it.

mod lane;
mod manager;

pub(crate) use lane::lane_of_bindings;
pub use manager::{Act, Probed, Seen, World, gates, next};

use crate::{
    actor::{UnknownWord, words},
    environment,
    ids::{AppId, BindingId, EnvironmentId, OperationId, RegionId, ValueId, WorkspaceId},
    numbers::EnvSet,
    operation::Stage,
    text::{Reason, Slug},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

words! {
    /// Where a binding stands.
    State {
        /// Asked for; nothing is proven.
        Requested = "requested",
        /// A probe has proven it.
        Verified = "verified",
        /// The last probe did not.
        Failed = "failed",
        /// It is attached no longer.
        Disabled = "disabled",
    }
}

words! {
    /// What an operation does to a binding.
    Change {
        /// Attaches and proves it.
        Bind = "bind",
        /// Proves it again.
        Verify = "verify",
        /// Proves it with another credential, and uses that from then on.
        Rotate = "rotate",
        /// Detaches it.
        Unbind = "unbind",
    }
}

impl Change {
    /// Whether a binding in this state is unproven once the operation has ended badly or early. A new credential that proves
    /// nothing says nothing about the one in use; what was only asked for must not stay open.
    pub fn leaves_unproven(self, state: State, end: Stage) -> bool {
        match self {
            Self::Bind => state != State::Disabled,
            Self::Verify => state != State::Disabled && end == Stage::Failed,
            Self::Rotate | Self::Unbind => false,
        }
    }
}

/// What an operation on a binding needs to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindingWork {
    /// The app.
    pub app: AppId,
    /// The environment.
    pub environment: EnvironmentId,
    /// Which binding.
    pub binding: BindingId,
    /// What is to be done.
    pub change: Change,
    /// The credential to change to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<Credential>,
}

/// Where the vault keeps a credential; the credential itself is in no event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// Which value.
    pub value: ValueId,
    /// The how manieth of its binding; the ciphertext is bound to it.
    pub generation: EnvSet,
}

/// A binding as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declared<W> {
    /// Which.
    pub id: BindingId,
    /// The tenant.
    pub workspace: WorkspaceId,
    /// The app.
    pub app: AppId,
    /// The environment; also the stream's id.
    pub environment: EnvironmentId,
    /// Its short name.
    pub slug: Slug,
    /// What the environment is for.
    pub kind: environment::Kind,
    /// Where it is to be reached from.
    pub region: RegionId,
    /// What is attached.
    #[serde(flatten)]
    pub what: W,
    /// Where it is, without credentials; for people.
    pub endpoint: String,
    /// With what it is reached; none when nothing is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<Credential>,
    /// Why it may be the same as that of an environment of another kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<Reason>,
}

/// What a probe has proven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// By which operation.
    pub by: OperationId,
    /// What the resource really is, whatever it is called; none for what has no identity, such as memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// What was tried and answered.
    pub evidence: Vec<String>,
    /// When.
    pub at: DateTime<Utc>,
}

/// Why a binding could not be proven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unproven {
    /// By which operation.
    pub by: OperationId,
    /// A stable code.
    pub code: String,
    /// In words, without credentials.
    pub message: String,
}

/// A binding, as later decisions see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bound<W> {
    /// As it was asked for.
    pub declared: Declared<W>,
    /// Where it stands.
    pub state: State,
    /// With what it is reached now.
    pub credential: Option<Credential>,
    /// The last proof.
    pub proof: Option<Proof>,
    /// Why the last probe proved nothing.
    pub unproven: Option<Unproven>,
}

impl<W> Bound<W> {
    /// The generation of a credential to come.
    pub fn next_generation(&self) -> EnvSet {
        self.credential.map_or(EnvSet(1), |credential| credential.generation.next())
    }
}

/// The name under which the vault keeps a binding's credential.
pub fn vault_name(binding: BindingId) -> String {
    format!("binding:{binding}")
}

#[cfg(test)]
pub(crate) mod tests;
