//! Why a command to an app, or a deploy of what is its own, was not allowed.

use crate::{
    aggregate,
    source_credential::{MOST, SourceHost},
};

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The id is taken by something else.
    #[error("this app exists already")]
    Exists,
    /// There is none.
    #[error("there is no such app")]
    NotFound,
    /// It comes from nowhere in particular already.
    #[error("the app has no source that could be removed")]
    NoSource,
    /// Nobody said what to deploy, and the app does not know.
    #[error(
        "the app has no source of its own: name a repository and a reference, or say once where it comes from (`rhone app source-set URL`)"
    )]
    SourceUnknown,
    /// Another repository than the app's own, and nothing of it.
    #[error("a repository that is named is read at a reference that is named: a commit, branch or tag")]
    ReferenceMissing,
    /// Nothing to remove.
    #[error("the app holds no credential for {host}")]
    NoCredential {
        /// Which host.
        host: SourceHost,
    },
    /// Too many hosts.
    #[error("the app would hold credentials for {count} hosts; at most {MOST} are allowed")]
    TooManyCredentials {
        /// So many.
        count: usize,
    },
}

impl aggregate::Rejection for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Self::Exists => "ALREADY_EXISTS",
            Self::NotFound | Self::NoSource | Self::NoCredential { .. } => "NOT_FOUND",
            Self::SourceUnknown => "SOURCE_UNKNOWN",
            Self::ReferenceMissing => "REFERENCE_MISSING",
            Self::TooManyCredentials { .. } => "TOO_MANY_CREDENTIALS",
        }
    }

    fn field(&self) -> Option<&'static str> {
        match self {
            Self::Exists | Self::NotFound | Self::NoSource => None,
            Self::SourceUnknown => Some("repository"),
            Self::ReferenceMissing => Some("reference"),
            Self::NoCredential { .. } | Self::TooManyCredentials { .. } => Some("host"),
        }
    }

    fn expected_and_actual(&self) -> Option<(String, String)> {
        match self {
            Self::TooManyCredentials { count } => Some((format!("at most {MOST}"), count.to_string())),
            Self::Exists
            | Self::NotFound
            | Self::NoSource
            | Self::SourceUnknown
            | Self::ReferenceMissing
            | Self::NoCredential { .. } => None,
        }
    }
}
