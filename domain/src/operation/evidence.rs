//! What an operation's stages brought to light: gates as judged, what answered through the edges, and why it failed.

use crate::{
    actor::{UnknownWord, words},
    digest::Digest,
    ids::{AllocationId, EdgeId},
    numbers::{Epoch, FeedSeq},
};
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
        self.epoch = newer.epoch.or(self.epoch);
        self.digest = newer.digest.or(self.digest);
    }
}
