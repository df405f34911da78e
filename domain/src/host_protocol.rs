//! What control plane and runner say to each other, and what an edge says to an allocation's gate. The control plane orders
//! by a desired set; the runner reports what it saw. The trap: a missing order is no order; only an explicit stop stops.

use crate::{
    allocation::Cause,
    digest::Digest,
    hidden::Hidden,
    ids::{AllocationId, AppId, CellId, DeploymentId, EnvironmentId, HostId, RegionId, WorkspaceId},
    numbers::{EnvSet, Epoch, Generation},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Answer of `GET /runner/v1/desired?etag=&wait_ms=`: the whole set of one host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredSet {
    /// Changes when the set does; sent back to wait for the next one.
    pub etag: String,
    /// Which host it is for.
    pub host: HostId,
    /// Every allocation not yet reported stopped or failed.
    pub allocations: Vec<Desired>,
}

/// One allocation as it shall be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    /// Which.
    pub allocation: AllocationId,
    /// Orders the orders; an older one is refused.
    pub generation: Generation,
    /// What is wanted.
    pub goal: Goal,
    /// The tenant.
    pub workspace: WorkspaceId,
    /// The app.
    pub app: AppId,
    /// The only environment it serves.
    pub environment: EnvironmentId,
    /// What it runs.
    pub deployment: DeploymentId,
    /// With which variables.
    pub env_set: EnvSet,
    /// Where.
    pub region: RegionId,
    /// Where in the region.
    pub cell: CellId,
    /// Exactly which bytes.
    pub artifact: Digest,
    /// The lowest epoch under which an edge may send it work.
    pub min_epoch: Epoch,
    /// The command, relative to the artifact's folder.
    pub command: Vec<String>,
    /// Where the app answers for its health.
    pub health_path: String,
    /// How long it may take from start to ready.
    pub ready_timeout_ms: u64,
    /// How long between SIGTERM and SIGKILL.
    pub drain_timeout_ms: u64,
    /// With an order to stop: until when open sessions may go on before SIGTERM; none means at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain_deadline: Option<DateTime<Utc>>,
}

/// What is wanted of an allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// Run, and be restarted after a crash.
    Run,
    /// Take no new work, let sessions go on until the drain deadline, SIGTERM, wait, SIGKILL; then report stopped.
    Stop,
}

/// Body of `POST /runner/v1/reports`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reports {
    /// Who reports.
    pub host: HostId,
    /// In the order they happened; repeated until acknowledged.
    pub reports: Vec<Report>,
}

/// One thing a runner saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Which allocation.
    pub allocation: AllocationId,
    /// Under which order.
    pub generation: Generation,
    /// What was seen.
    pub seen: Seen,
    /// When, by the host's clock.
    pub at: DateTime<Utc>,
}

/// What a runner saw of an allocation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Seen {
    /// Fetching the artifact.
    Pulling,
    /// The bytes have this digest; the process is being started.
    Starting {
        /// As computed by the runner over the bytes it unpacked.
        digest: Digest,
    },
    /// The process answers on its health path.
    Ready {
        /// As computed by the runner over the bytes it executes.
        digest: Digest,
        /// `ip:port` of the gate.
        address: String,
    },
    /// The process died and was started again; the address stands.
    Restarted {
        /// How often by now.
        restarts: u64,
        /// The exit as the system told it, such as `exit 1` or `signal 9`.
        exit: String,
    },
    /// Asked to stop; open work may finish.
    Draining,
    /// Gone, as ordered.
    Stopped {
        /// How many sessions were still open at the drain deadline, and ended by it.
        #[serde(default)]
        sessions_ended: u64,
    },
    /// Will not run.
    Failed {
        /// In one sentence.
        reason: String,
        /// In one word.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<Cause>,
    },
}

/// Answer of `GET /runner/v1/variables/{allocation}`: what the app of one allocation of the asking host is started with. The
/// trap: asking by environment, which would hand out the newest set instead of the allocation's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllocationVariables {
    /// For which allocation.
    pub allocation: AllocationId,
    /// Which set it is.
    pub env_set: EnvSet,
    /// By key. They are shown to nobody but the app.
    pub variables: BTreeMap<String, Hidden>,
    /// The keys whose values may stand in a log; every other one is a secret.
    #[serde(default)]
    pub plain: BTreeSet<String>,
}

/// The code by which an allocation fails whose set of variables is not there, or not whole: trying again cannot help.
pub const SECRET_MISSING: &str = "SECRET_MISSING";

/// The answer to a gate's `WHO`: one line of JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateIdentity {
    /// Which allocation stands behind the gate.
    pub allocation: AllocationId,
    /// For which environment.
    pub environment: EnvironmentId,
    /// What it runs.
    pub deployment: DeploymentId,
    /// The digest verified and executed.
    pub digest: Digest,
    /// The process, at this moment; none while it is being restarted.
    pub pid: Option<u32>,
}

/// The first line on every connection to a gate. After `CONNECT` the bytes of HTTP follow at once; a gate that is not meant
/// answers `421 Misdirected Request` with [`MISDIRECTED_HEADER`] and closes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Preamble {
    /// Pass what follows to the app.
    Connect {
        /// Who is meant.
        allocation: AllocationId,
        /// Under which epoch the edge chose it.
        epoch: Epoch,
    },
    /// Say who you are.
    Who {
        /// Who is meant.
        allocation: AllocationId,
    },
}

/// Marks a 421 that came from a gate and not from the app.
pub const MISDIRECTED_HEADER: &str = "rhone-misdirected";

/// No preamble is longer, line feed included.
pub const PREAMBLE_LIMIT: usize = 96;

impl Preamble {
    /// The line, with its line feed.
    pub fn to_line(&self) -> String {
        match self {
            Self::Connect { allocation, epoch } => format!("RHONE/1 CONNECT {allocation} {epoch}\n"),
            Self::Who { allocation } => format!("RHONE/1 WHO {allocation}\n"),
        }
    }

    /// Reads a line without its line feed; none when it is no preamble.
    pub fn read(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let preamble = match (words.next()?, words.next()?) {
            ("RHONE/1", "CONNECT") => {
                Self::Connect { allocation: words.next()?.parse().ok()?, epoch: Epoch(words.next()?.parse().ok()?) }
            }
            ("RHONE/1", "WHO") => Self::Who { allocation: words.next()?.parse().ok()? },
            _ => return None,
        };
        words.next().is_none().then_some(preamble)
    }
}

#[cfg(test)]
mod tests {
    //! The preamble is read as it is written, and nothing else is.
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_preamble_is_read_as_it_was_written() {
        let allocation = AllocationId(Uuid::from_u128(u128::MAX));
        for preamble in [Preamble::Connect { allocation, epoch: Epoch(u64::MAX) }, Preamble::Who { allocation }] {
            let line = preamble.to_line();
            assert!(line.len() <= PREAMBLE_LIMIT, "{} bytes", line.len());
            assert_eq!(Preamble::read(line.trim_end_matches('\n')), Some(preamble));
        }
    }

    #[test]
    fn other_lines_are_no_preamble() {
        for line in ["", "GET / HTTP/1.1", "RHONE/1 CONNECT x 1", "RHONE/1 WHO", "RHONE/2 WHO a"] {
            assert_eq!(Preamble::read(line), None, "{line}");
        }
    }
}
