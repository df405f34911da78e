//! Typed ids. Every id is a UUID inside and a different type outside, so that an environment can never be passed where a
//! deployment is meant. Ids are made by the caller (UUIDv7) or derived from a name (UUIDv5); never here at random.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use uuid::Uuid;

/// The namespace of every derived (UUIDv5) id of Rhone. Changing it would move every claim and artifact: it is frozen.
const NAMESPACE: Uuid = Uuid::from_u128(0x6d1c_3f0e_5a7b_5c11_9b1e_7268_6f6e_6531);

/// Derives an id from what it stands for; the same words give the same id for ever.
pub fn derived(words: &[&str]) -> Uuid {
    Uuid::new_v5(&NAMESPACE, words.join("\u{1f}").as_bytes())
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }
    )*};
}

ids! {
    /// The tenant: billing, membership, policy. Written by API operations.
    WorkspaceId;
    /// A grouping of apps within a workspace.
    ProjectId;
    /// A hosted application, whatever runs it at the moment.
    AppId;
    /// A traffic and policy lane of an app; also the route key.
    EnvironmentId;
    /// A candidate release.
    DeploymentId;
    /// One artifact within one workspace: derived from both, so that no tenant can learn what another one stores.
    ArtifactId;
    /// One running instance of an artifact on a host.
    AllocationId;
    /// One durable mutation with stages.
    OperationId;
    /// A geographic boundary of placement and residency.
    RegionId;
    /// An isolation unit within a region.
    CellId;
    /// A machine that runs allocations; belongs to a cell.
    HostId;
    /// One edge process' lasting identity.
    EdgeId;
    /// One attachment of a resource or service to an environment.
    BindingId;
    /// One event.
    EventId;
    /// Whoever acts: a user, a token, a worker.
    ActorId;
    /// A person whose data is kept under a key of its own.
    SubjectId;
    /// One time in which support may act for a member.
    SupportId;
    /// All that one cause brought about; an operation's id where there is one.
    CorrelationId;
    /// One invitation into a workspace.
    InvitationId;
    /// One value of a variable, encrypted, in the vault.
    ValueId;
    /// One token that callers show.
    TokenId;
    /// One life of a feed; a new one means: rebuild from the authenticated endpoint.
    Incarnation;
}

impl ArtifactId {
    /// The id of the artifact with this digest in this workspace.
    pub fn of(workspace: WorkspaceId, digest: crate::digest::Digest) -> Self {
        Self(derived(&["artifact", &workspace.to_string(), &digest.to_string()]))
    }
}

impl From<OperationId> for CorrelationId {
    fn from(operation: OperationId) -> Self {
        Self(operation.0)
    }
}

/// The workspace that owns regions, cells and hosts.
pub const PLATFORM: WorkspaceId = WorkspaceId(Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0001));
