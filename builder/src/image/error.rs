//! Why an image was not pulled or pushed: a stable code, and words that say what to do next.

use rhone_domain::{digest::Digest, source_address::AddressRefused};
use rhone_image::ImageError;
use std::io;

/// Why an image was not pulled or pushed.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// No name of an image.
    #[error("image: must be a registry's host and a path, such as registry.example.com:5000/acme/shop, without a tag")]
    Name,
    /// A registry that is not let in.
    #[error("image: its registry {}", .0.rule())]
    Address(AddressRefused),
    /// A registry that does not answer.
    #[error("the registry {host} cannot be reached from the machine that builds (is its address right?)")]
    Unreachable {
        /// Which.
        host: String,
        /// Why not.
        #[source]
        source: reqwest::Error,
    },
    /// An image that only some may pull.
    #[error(
        "the registry {host} asks for a sign-in, and the app holds none for it: `rhone credential set {host}` keeps one"
    )]
    SignInNeeded {
        /// Which.
        host: String,
    },
    /// A credential that the registry does not take.
    #[error(
        "the registry {host} refuses the app's credential for {username}: `rhone credential set {host}` replaces it; may it read this image?"
    )]
    SignInRefused {
        /// Which.
        host: String,
        /// As whom.
        username: String,
    },
    /// A server of tokens that would be shown the credential in clear.
    #[error(
        "the registry {host} sends whoever signs in to another host without TLS, where no credential is shown: its operator can mend that"
    )]
    Realm {
        /// Which.
        host: String,
    },
    /// No such image.
    #[error("the registry has no {name}@{digest}: was it pushed there, under that digest of its manifest?")]
    NotFound {
        /// The image.
        name: String,
        /// What was asked for.
        digest: Digest,
    },
    /// An answer that no registry gives.
    #[error("the registry {host} answered {status} to `{asked}`: its operator or its log can say why")]
    Answer {
        /// Which.
        host: String,
        /// As HTTP says it.
        status: u16,
        /// What was asked of it.
        asked: &'static str,
    },
    /// More than the limits allow.
    #[error("the image has more than {limit} bytes, which is the limit here: make it smaller")]
    TooLarge {
        /// How many are allowed.
        limit: u64,
    },
    /// It took too long.
    #[error("the image was not fetched within {seconds} s: try again, or make it smaller")]
    Timeout {
        /// The limit.
        seconds: u64,
    },
    /// The image itself.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A file of the machine that builds.
    #[error("could not write the image on the machine that builds")]
    Io(#[from] io::Error),
}

impl RegistryError {
    /// Its stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Name => "IMAGE_NAME_INVALID",
            Self::Address(refused) => refused.code(),
            Self::Unreachable { .. } => "REGISTRY_UNREACHABLE",
            Self::SignInNeeded { .. } => "SIGN_IN_NEEDED",
            Self::SignInRefused { .. } => "SIGN_IN_REFUSED",
            Self::Realm { .. } => "SIGN_IN_WITHHELD",
            Self::NotFound { .. } => "IMAGE_NOT_FOUND",
            Self::Answer { .. } => "REGISTRY_ANSWER",
            Self::TooLarge { .. } => "IMAGE_TOO_LARGE",
            Self::Timeout { .. } => "IMAGE_TIMEOUT",
            Self::Image(refused) => refused.code(),
            Self::Io(_) => "IMAGE_IO",
        }
    }

    /// Whether the same again may go well.
    pub fn may_pass(&self) -> bool {
        let broken = matches!(self, Self::Answer { status, .. } if *status >= 500 || *status == 429);
        broken || matches!(self, Self::Unreachable { .. } | Self::Timeout { .. } | Self::Io(_))
    }
}
