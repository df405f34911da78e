//! Edges as they report themselves: observation, not fact.

use async_graphql::{Enum, Object};
use chrono::{DateTime, Utc};
use rhone_domain::edge_status::{EdgeMode, EdgeStatus};

/// An edge that reported lately.
#[derive(Clone, Debug)]
pub(crate) struct Edge(pub(crate) EdgeStatus);

/// How an edge stands to the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "EdgeMode")]
pub(crate) enum Mode {
    Booting,
    Synced,
    Lagging,
    Stale,
    Gap,
    Rebuild,
}

#[Object]
impl Edge {
    /// Its lasting identity.
    async fn edge(&self) -> String {
        self.0.edge.to_string()
    }

    async fn mode(&self) -> Mode {
        self.0.mode.into()
    }

    /// How far it has applied the feed.
    async fn applied_seq(&self) -> u64 {
        self.0.applied.0
    }

    /// The feed's digest there.
    async fn digest(&self) -> String {
        self.0.digest.to_string()
    }

    /// Where it serves.
    async fn public_url(&self) -> &str {
        &self.0.public_url
    }

    /// Sockets lost with earlier processes of this edge.
    async fn lost_sessions(&self) -> u64 {
        self.0.lost_sessions
    }

    async fn reported_at(&self) -> DateTime<Utc> {
        self.0.at
    }
}
