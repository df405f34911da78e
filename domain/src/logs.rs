//! Lines that builds and running apps print. They are diagnostic: no rule reads one, no status follows from one, and deleting
//! all of them changes nothing (`state_taxonomy`). Writers: the runner for apps, the worker for builds. The trap avoided: a
//! secret that an app prints; lines are masked (`Mask`) before anything keeps or sends them.

mod line;
mod mask;
mod pace;

use crate::ids::{AllocationId, AppId, DeploymentId, EnvironmentId, HostId, OperationId, WorkspaceId};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use line::{Cutter, LONGEST_LINE};
pub use mask::{MASK, Mask, SHORTEST_SECRET};
pub use pace::Pace;

/// Bytes of lines, as JSON, after which a chunk is closed.
pub const CHUNK_BYTES: usize = 256 * 1024;
/// Lines after which a chunk is closed.
pub const CHUNK_LINES: usize = 4_096;

/// Which output a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// Rhone itself: what was dropped, or where a build stands.
    Rhone,
}

impl LogStream {
    /// As it stands in a chunk.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::Rhone => "rhone",
        }
    }
}

/// What printed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogSource {
    /// A build.
    Build,
    /// A running app.
    Runtime,
}

impl LogSource {
    /// As the database has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::Runtime => "runtime",
        }
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When it was read, by the clock of whoever read it.
    pub at: DateTime<Utc>,
    /// From where.
    pub stream: LogStream,
    /// Without its line feed, masked, and valid UTF-8.
    pub text: String,
}

/// Who printed lines: the chunks of one owner are numbered without gaps of their own making.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogOwner {
    /// The tenant.
    pub workspace: WorkspaceId,
    /// The app.
    pub app: AppId,
    /// Where it runs; a build may be for none.
    pub environment: Option<EnvironmentId>,
    /// The operation that builds.
    pub operation: Option<OperationId>,
    /// Of which deployment.
    pub deployment: Option<DeploymentId>,
    /// The allocation that runs.
    pub allocation: Option<AllocationId>,
    /// On which host.
    pub host: Option<HostId>,
}

impl LogOwner {
    /// Of a build: the operation owns its lines.
    pub fn build(workspace: WorkspaceId, app: AppId, operation: OperationId) -> Self {
        let operation = Some(operation);
        Self { workspace, app, environment: None, operation, deployment: None, allocation: None, host: None }
    }

    /// What printed it, and whose numbers count; none when it names neither an allocation nor an operation.
    pub fn key(&self) -> Option<(LogSource, uuid::Uuid)> {
        match (self.allocation, self.operation) {
            (Some(allocation), _) => Some((LogSource::Runtime, allocation.0)),
            (None, Some(operation)) => Some((LogSource::Build, operation.0)),
            (None, None) => None,
        }
    }
}

/// Lines of one allocation that follow one another. The same `first_line` is the same chunk, however often it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogChunk {
    /// Of which allocation.
    pub allocation: AllocationId,
    /// The number of the first of them, counted over the allocation's life.
    pub first_line: u64,
    /// In order.
    pub lines: Vec<LogLine>,
}

/// Body of `POST /runner/v1/logs`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogChunks {
    /// Who sends them.
    pub host: HostId,
    /// Those of one allocation in their order; repeated until they are taken.
    pub chunks: Vec<LogChunk>,
}

#[cfg(test)]
mod tests;
