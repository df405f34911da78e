//! Why the runner could not go on. What concerns one allocation becomes a report instead and ends nobody else.

use std::{io, path::PathBuf};

/// A fault of the runner itself.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder of the runner could not be used.
    #[error("the runner was using {path}")]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file of the runner does not say what it should.
    #[error("the runner was reading {path}")]
    Malformed {
        /// Which one.
        path: PathBuf,
        /// Where it is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// The data folder belongs to another agent that is running.
    #[error("another agent is running on {path}")]
    AgentRunning {
        /// The data folder.
        path: PathBuf,
    },
    /// A gate has its lock, and neither ends nor says who it is.
    #[error("a gate goes on that nobody can end: {path}")]
    GateGoesOn {
        /// The folder of its allocation.
        path: PathBuf,
    },
    /// The control plane's address or the client could not be used.
    #[error("the runner was preparing its client of the control plane")]
    Client(#[source] reqwest::Error),
    /// An address could not be listened on.
    #[error("the runner was binding {address}")]
    Bind {
        /// Which one.
        address: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The system did not start a process or take a signal handler.
    #[error("the runner was {doing}")]
    System {
        /// What it was doing.
        doing: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The Docker Engine did not do what it was asked.
    #[error("the runner was asking the Docker Engine")]
    Engine(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// An allocation is no longer looked after.
    #[error("a keeper of the runner ended")]
    KeeperLost,
    /// The configuration cannot be worked with.
    #[error("the runner's configuration: {0}")]
    Config(&'static str),
}

impl Error {
    /// For `map_err`: the file that was being used.
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }

    /// For `map_err`: what was being done.
    pub(crate) fn system(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { doing, source }
    }
}
