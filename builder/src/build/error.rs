//! Why nothing came of a build: a stable code, and words that say what to do next. The last lines are masked like the log.

use std::io;

/// Why nothing came of a build.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A step said that it failed.
    #[error("the step `{step}` ended with status {status}: its last lines say why")]
    Failed {
        /// Which.
        step: String,
        /// As a shell says it: 128 and more is a signal.
        status: i32,
        /// What it printed last.
        last: Vec<String>,
    },
    /// A step failed that had reached for the network.
    #[error(
        "the step `{step}` ended with status {status} after it had reached for the network, which is closed: write `network = \
         true` under `[build]` in rhone.toml, or keep in the repository what it fetches"
    )]
    NetworkRefused {
        /// Which.
        step: String,
        /// As a shell says it.
        status: i32,
        /// What it printed last.
        last: Vec<String>,
    },
    /// The plan asks for the network, and the installation gives none.
    #[error("rhone.toml asks for the network, and builds get none here: keep in the repository what the build fetches")]
    NetworkNotAllowed,
    /// Too long.
    #[error(
        "the build was stopped after {seconds} s, in the step `{step}`: make it faster, or ask the operator for more time"
    )]
    Timeout {
        /// Which.
        step: String,
        /// The limit.
        seconds: u64,
    },
    /// Too much memory.
    #[error("the step `{step}` needed more than {bytes} bytes of memory and was stopped: let it do less at a time")]
    OutOfMemory {
        /// Which.
        step: String,
        /// The limit.
        bytes: u64,
    },
    /// Too many processes.
    #[error(
        "the step `{step}` started {processes} processes and threads or more and was stopped: let it do less at a time"
    )]
    TooManyProcesses {
        /// Which.
        step: String,
        /// The limit.
        processes: u64,
    },
    /// Too much on the disk.
    #[error(
        "sources and build together have more than {bytes} bytes: name under `[build] output` only what the app needs, and clear what it does not"
    )]
    TooLarge {
        /// The limit.
        bytes: u64,
    },
    /// A Dockerfile, and no sandbox with users of its own: its steps would be root on the host.
    #[error(
        "a `Dockerfile` is built only in a sandbox with users of its own, and there is none here ({why}): build the \
         image elsewhere and deploy it by its digest, or have root start the worker where bubblewrap makes a sandbox"
    )]
    DockerfileNeedsSandbox {
        /// Why not.
        why: String,
    },
    /// What was made of a Dockerfile is no image that can be run.
    #[error("the image that was made of the `Dockerfile` cannot be used: {why}; correct the `Dockerfile`")]
    ImageUnusable {
        /// Why not.
        why: String,
    },
    /// A program that the machine does not have.
    #[error(
        "`{tool}` is not installed on the machine that builds, in any folder that builds see ({}): ask its operator \
         for it, or build an image elsewhere and deploy that",
        crate::sandbox::PATH
    )]
    ToolMissing {
        /// Which.
        tool: String,
    },
    /// The build left nothing where its output should be.
    #[error("the build left no folder `{output}` inside the sources: correct `[build] output` in rhone.toml")]
    OutputMissing {
        /// Where it should be.
        output: String,
    },
    /// Something stands where the artifact's folder should.
    #[error("{folder} is there already")]
    OutputExists {
        /// Where.
        folder: String,
    },
    /// The process ends.
    #[error("the builder was told to end")]
    Interrupted,
    /// A folder, a file or a program of the machine that builds.
    #[error("could not build on this machine")]
    Io(#[from] io::Error),
}

impl BuildError {
    /// Its stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Failed { .. } => "BUILD_FAILED",
            Self::NetworkRefused { .. } => "BUILD_NETWORK_REFUSED",
            Self::NetworkNotAllowed => "NETWORK_NOT_ALLOWED",
            Self::Timeout { .. } => "BUILD_TIMEOUT",
            Self::OutOfMemory { .. } => "BUILD_OUT_OF_MEMORY",
            Self::TooManyProcesses { .. } => "BUILD_TOO_MANY_PROCESSES",
            Self::TooLarge { .. } => "BUILD_TOO_LARGE",
            Self::DockerfileNeedsSandbox { .. } => "DOCKERFILE_NEEDS_SANDBOX",
            Self::ImageUnusable { .. } => "BUILD_IMAGE_UNUSABLE",
            Self::ToolMissing { .. } => "BUILD_TOOL_MISSING",
            Self::OutputMissing { .. } => "BUILD_OUTPUT_MISSING",
            Self::OutputExists { .. } => "FOLDER_NOT_EMPTY",
            Self::Interrupted => "BUILD_INTERRUPTED",
            Self::Io(_) => "BUILD_IO",
        }
    }

    /// Whether the same again may go well: only where the machine failed, and not the build.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Interrupted | Self::Io(_))
    }

    /// What the failed step printed last.
    pub fn last_lines(&self) -> &[String] {
        if let Self::Failed { last, .. } | Self::NetworkRefused { last, .. } = self { last } else { &[] }
    }
}
