//! What an operation's stages brought to light: gates as judged, what answered through the edges, and why it failed.

use crate::{
    actor::{UnknownWord, words},
    allocation::{self, Allocation},
    deploy::{Built, Fetched},
    digest::Digest,
    ids::{AllocationId, EdgeId, HostId, OperationId},
    numbers::{Epoch, FeedSeq, Fence},
    session_fate::Fate,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What a stage brought to light.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The gates, as judged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<Gate>,
    /// The epoch the route was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Epoch>,
    /// The digest that runner and edges agree on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// What answered, edge by edge.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edges: Vec<EdgeProof>,
    /// What became of allocations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allocations: Vec<AllocationProof>,
    /// What sessions get that are still open at the drain deadline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<Fate>,
    /// What a deploy fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fetched: Option<Fetched>,
    /// What a deploy built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub built: Option<Built>,
    /// The promotion that follows a deploy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promotion: Option<OperationId>,
    /// By which attempt the stage was entered; none in what was written before that was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<Fence>,
    /// Until when a deploy may work, said when it has its turn; none in what had it before that was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
}

/// What became of one allocation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllocationProof {
    /// Which.
    pub allocation: AllocationId,
    /// On which host.
    pub host: HostId,
    /// Where it is in its life.
    pub state: allocation::State,
    /// How many sessions its runner ended at the drain deadline.
    #[serde(default)]
    pub sessions_ended: u64,
}

impl AllocationProof {
    /// As it stands; none before it was planned.
    pub fn of(one: &Allocation) -> Option<Self> {
        let (planned, state) = (one.planned.as_ref()?, one.state?);
        Some(Self { allocation: planned.id, host: planned.host, state, sessions_ended: one.sessions_ended })
    }
}

/// One gate, as judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    /// Which.
    pub kind: String,
    /// How it was judged.
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
    /// On what.
    pub evidence: String,
}

words! {
    /// A gate's judgement.
    Verdict {
        /// Open.
        Pass = "pass",
        /// Closed.
        Fail = "fail",
        /// Open, and not without harm.
        Warn = "warn",
        /// Open, and not fulfilled yet: the operation itself sees to it, and it is judged once more before anything changes.
        Awaited = "awaited",
        /// Closed until somebody takes it upon themselves.
        NeedsAcknowledgement = "needs_acknowledgement",
        /// Open, because somebody took it upon themselves.
        Acknowledged = "acknowledged",
    }
}

impl Verdict {
    /// Open on this condition.
    pub fn pass_if(condition: bool) -> Self {
        if condition { Self::Pass } else { Self::Fail }
    }
}

/// What answered through one edge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeProof {
    /// Which edge.
    pub edge: EdgeId,
    /// How far it had applied the feed.
    pub applied: FeedSeq,
    /// Which allocation answered.
    pub allocation: Option<AllocationId>,
    /// With which bytes.
    pub digest: Digest,
}

/// A bad end, explained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// A stable code.
    pub code: String,
    /// In words.
    pub message: String,
    /// What was expected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What was so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actual: Option<String>,
    /// Whether the route had changed by then.
    pub route_changed: bool,
}

impl Evidence {
    pub(super) fn merge(&mut self, newer: &Self) {
        if !newer.gates.is_empty() {
            self.gates.clone_from(&newer.gates);
        }
        if !newer.edges.is_empty() {
            self.edges.clone_from(&newer.edges);
        }
        if !newer.allocations.is_empty() {
            self.allocations.clone_from(&newer.allocations);
        }
        self.fetched = newer.fetched.clone().or(self.fetched.take());
        self.built = newer.built.clone().or(self.built.take());
        self.promotion = newer.promotion.or(self.promotion);
        self.attempt = newer.attempt.or(self.attempt);
        self.until = newer.until.or(self.until);
        self.sessions = newer.sessions.or(self.sessions);
        self.epoch = newer.epoch.or(self.epoch);
        self.digest = newer.digest.or(self.digest);
    }
}
