//! What an edge says of itself: `POST /edge/v1/status`. It is observation, kept in a plain table, never an event; only what
//! convinced an operation becomes evidence in that operation's event, and what was closed at a drain deadline in its allocation's.

use crate::{
    digest::Digest,
    ids::{AllocationId, DeploymentId, EdgeId, EnvironmentId, Incarnation, RegionId},
    numbers::{Epoch, FeedSeq},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One report of an edge; the newest of its boot replaces the one before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeStatus {
    /// Lasting identity, from the edge's own disk.
    pub edge: EdgeId,
    /// New at every start.
    pub boot: Uuid,
    /// The region it serves.
    pub region: RegionId,
    /// Which life of the feed it applied; none before the first snapshot.
    pub incarnation: Option<Incarnation>,
    /// How far.
    pub applied: FeedSeq,
    /// The digest there.
    pub digest: Digest,
    /// How it stands to the feed.
    pub mode: EdgeMode,
    /// Where it serves, `http://ip:port`.
    pub public_url: String,
    /// Open sockets per allocation.
    pub sessions: Vec<Sessions>,
    /// Sockets lost since the last start of the machine's edge, as counted on its disk.
    pub lost_sessions: u64,
    /// Keys it refuses to serve because two contents claim the same epoch, or a lower one was offered.
    pub quarantined: Vec<EnvironmentId>,
    /// What the owner answered through this edge's own path, once per (environment, epoch) it applied.
    pub observations: Vec<Observation>,
    /// When it was written, by the edge's clock.
    pub at: DateTime<Utc>,
    /// When each allocation was last used, the latest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub activity: Vec<Activity>,
    /// Since when `activity` is complete: what it does not name was not used since. None: nothing is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activity_since: Option<DateTime<Utc>>,
    /// What this run and those before it closed at drain deadlines a while ago, per allocation, deadline and run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closed: Vec<Closed>,
}

/// Sockets that were closed because their time was over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// Of which allocation.
    pub allocation: AllocationId,
    /// Until when they might stay.
    pub deadline: DateTime<Utc>,
    /// How many.
    pub sockets: u64,
    /// When the last was.
    pub at: DateTime<Utc>,
    /// In which run of the edge. None: in the one that says so, which is an older program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<Uuid>,
}

/// The use of one allocation through one edge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// Which.
    pub allocation: AllocationId,
    /// Sockets and requests open now.
    pub open: u64,
    /// When the last one began or ended.
    pub used_at: DateTime<Utc>,
}

/// How an edge stands to the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EdgeMode {
    /// Nothing to serve yet.
    Booting,
    /// At the head, and it knows.
    Synced,
    /// Behind, without a gap.
    Lagging,
    /// No word from the authority; serves what it verified last.
    Stale,
    /// Proven to miss something; repairing.
    Gap,
    /// Another life of the feed began; fetching it.
    Rebuild,
}

/// Open sockets of one allocation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sessions {
    /// Which.
    pub allocation: AllocationId,
    /// How many.
    pub open: u64,
}

/// What answered when the edge asked the owner of an environment, on the path that traffic takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// The route key.
    pub environment: EnvironmentId,
    /// Under which epoch.
    pub epoch: Epoch,
    /// Which deployment the edge routed to.
    pub deployment: DeploymentId,
    /// Which allocation answered.
    pub allocation: Option<AllocationId>,
    /// The digest that the allocation's gate says it verified and executed.
    pub digest: Option<Digest>,
    /// The health path's HTTP status; none when nothing answered.
    pub status: Option<u16>,
    /// The region that serves it now, when that is not this edge's: the edge answers 421 for it, and asks nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elsewhere: Option<RegionId>,
    /// When.
    pub at: DateTime<Utc>,
}

impl Observation {
    /// Whether the edge knows, under this epoch or a later one, that it serves the environment no longer.
    pub fn gave_up(&self, epoch: Epoch) -> bool {
        self.epoch >= epoch && self.elsewhere.is_some()
    }

    /// Whether the expected bytes answered in good health.
    pub fn proves(&self, epoch: Epoch, digest: Digest) -> bool {
        self.elsewhere.is_none()
            && self.epoch == epoch
            && self.digest == Some(digest)
            && self.status.is_some_and(|s| (200..300).contains(&s))
    }
}
