//! Why a folder has no plan: a stable code, and what to write where.

use crate::build::BuildError;
use std::io;

/// Why a folder has no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// None of the files by which a plan is found.
    #[error(
        "nothing says how this is built or started: write a `rhone.toml` with `process` and `health`, or a `Procfile` with a \
         line `web:`; looked for rhone.toml, railpack-plan.json, Procfile, package.json, go.mod, requirements.txt, \
         pyproject.toml, main.py, app.py, Cargo.toml, Dockerfile"
    )]
    NoPlan,
    /// It is known how it is built, and not how it is started.
    #[error(
        "{reasons}; nothing says how it is started: write `process` into `rhone.toml`, or a `Procfile` with a line `web:`"
    )]
    NoStart {
        /// What was found.
        reasons: String,
    },
    /// A file that does not have its form.
    #[error("{file}: {field}: {rule}")]
    File {
        /// Which.
        file: String,
        /// Which of its fields; `-` for the whole file.
        field: String,
        /// Which rule it breaks.
        rule: String,
    },
    /// A plan of Railpack that asks for more than there is here.
    #[error("railpack-plan.json: step {step}: {what} cannot be had here: build an image of it and deploy that")]
    RailpackUnsupported {
        /// Which step.
        step: String,
        /// What it asks for.
        what: String,
    },
    /// A Dockerfile, and nothing that builds it.
    #[error(
        "a `Dockerfile` is built by `buildah`, which this machine does not have: install Debian's package `buildah` on the \
         machine that builds, or build the image elsewhere and deploy it by its digest, or write a `rhone.toml` that says how \
         to build and start without it"
    )]
    DockerfileNeedsBuildah,
    /// `rhone.toml` names a Dockerfile that is not there.
    #[error("rhone.toml: build.detect: there is no `Dockerfile`: commit one beside it, or remove the line")]
    DockerfileMissing,
    /// `rhone.toml` asks for Railpack, and it is not there.
    #[error(
        "rhone.toml asks for a plan of `railpack`, which this machine does not have: install it where the worker's PATH leads, \
         or keep the `railpack-plan.json` that `railpack prepare . --plan-out railpack-plan.json` writes in the repository"
    )]
    RailpackMissing,
    /// Railpack made no plan.
    #[error("railpack made no plan: {0}")]
    Railpack(#[source] Box<BuildError>),
    /// The folder cannot be read.
    #[error("could not read the sources")]
    Io(#[from] io::Error),
}

impl PlanError {
    /// Its stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoPlan => "NO_PLAN",
            Self::NoStart { .. } => "NO_START_COMMAND",
            Self::File { .. } => "PLAN_FILE_INVALID",
            Self::RailpackUnsupported { .. } => "RAILPACK_UNSUPPORTED",
            Self::DockerfileNeedsBuildah => "DOCKERFILE_NEEDS_BUILDAH",
            Self::DockerfileMissing => "DOCKERFILE_MISSING",
            Self::RailpackMissing => "RAILPACK_MISSING",
            // What became of its run has a code of its own.
            Self::Railpack(failure) => failure.code(),
            Self::Io(_) => "PLAN_IO",
        }
    }

    pub(super) fn file(file: &str, field: &str, rule: impl Into<String>) -> Self {
        Self::File { file: file.to_owned(), field: field.to_owned(), rule: rule.into() }
    }
}
