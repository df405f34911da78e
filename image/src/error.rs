//! Why an image cannot be read, written or unpacked: a stable code, and the document, field or path that is wrong.

use std::io;

/// Why an image cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A document that does not have its form.
    #[error("{document}: {problem}")]
    Document {
        /// Which.
        document: String,
        /// What is wrong.
        problem: String,
    },
    /// A blob that is not what names it.
    #[error("the blob {digest} is not what its descriptor says: {problem}")]
    Blob {
        /// As it is named.
        digest: String,
        /// What differs.
        problem: String,
    },
    /// Nothing for this machine.
    #[error("the image has nothing for linux/{architecture}: build it for that platform")]
    NoPlatform {
        /// In the words of images.
        architecture: &'static str,
    },
    /// A form that is not read.
    #[error("{0} is not supported: use plain, gzip or zstd layers of an OCI or Docker image")]
    Unsupported(String),
    /// An entry of a layer that leads out of the root, or is none that a root may have.
    #[error("`{path}`: {rule}")]
    Entry {
        /// As the layer writes it.
        path: String,
        /// Which rule it breaks.
        rule: &'static str,
    },
    /// More than the limits allow.
    #[error("the image has more than {limit} {what}, which is the limit here: make it smaller")]
    TooLarge {
        /// Bytes or files.
        what: &'static str,
        /// How many are allowed.
        limit: u64,
    },
    /// A user that the app cannot be.
    #[error("the image's user {named:?}: {problem}")]
    User {
        /// As the image names it.
        named: String,
        /// Why not.
        problem: String,
    },
    /// A file that cannot be read or written.
    #[error("could not read or write the image's files")]
    Io(#[from] io::Error),
}

impl ImageError {
    /// Its stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Document { .. } => "IMAGE_INVALID",
            Self::Blob { .. } => "IMAGE_BLOB_DIFFERS",
            Self::NoPlatform { .. } => "IMAGE_NO_PLATFORM",
            Self::Unsupported(_) => "IMAGE_UNSUPPORTED",
            Self::Entry { .. } => "IMAGE_ENTRY_REFUSED",
            Self::User { .. } => "IMAGE_USER_REFUSED",
            Self::TooLarge { .. } => "IMAGE_TOO_LARGE",
            Self::Io(_) => "IMAGE_IO",
        }
    }

    /// A document that does not have its form.
    pub fn document(document: &str, problem: impl std::fmt::Display) -> Self {
        Self::Document { document: document.to_owned(), problem: problem.to_string() }
    }
}
