//! Probes: whether a resource that an environment wants to be attached to is really there, really works, and which one it
//! really is. One trait, one file a vendor, one time limit for all. The trap avoided: believing an address; what counts is
//! what answered, and an address that leads inward is not even tried for a tenant.

mod fs;
mod http;
mod memory;
mod nats;
mod postgres;
mod reach;
mod redis;
mod s3;
mod target;

pub use reach::Reach;
pub use target::{InvalidTarget, Target};

use futures_util::future::BoxFuture;
use rhone_domain::{binding::Probed, provider::Vendor, runtime_service::Backend};
pub use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// No probe takes longer.
const LIMIT: Duration = Duration::from_secs(5);

/// What is probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A PostgreSQL database.
    Postgres,
    /// Something that answers over HTTP.
    Http,
    /// A server that speaks RESP.
    Redis,
    /// A NATS server.
    Nats,
    /// The app's own memory.
    Memory,
    /// A folder of the platform.
    Fs,
    /// A bucket.
    S3,
}

impl From<Vendor> for Kind {
    fn from(vendor: Vendor) -> Self {
        match vendor {
            Vendor::Postgres => Self::Postgres,
            Vendor::Http => Self::Http,
        }
    }
}

impl From<Backend> for Kind {
    fn from(backend: Backend) -> Self {
        match backend {
            Backend::Postgres => Self::Postgres,
            Backend::Redis => Self::Redis,
            Backend::Nats => Self::Nats,
            Backend::Memory => Self::Memory,
            Backend::Fs => Self::Fs,
            Backend::S3 => Self::S3,
        }
    }
}

/// What a probe works with.
#[derive(Clone, Debug, Default)]
pub struct Ground {
    /// Where it may reach.
    pub reach: Reach,
    /// The folder of the platform's own object storage; none: there is none.
    pub objects: Option<PathBuf>,
    /// Who may sign a server's certificate, besides the authorities that the machine trusts.
    pub authorities: Vec<CertificateDer<'static>>,
}

/// Why no authority could be read from a file.
#[derive(Debug, thiserror::Error)]
pub enum AuthoritiesError {
    /// It is no PEM file.
    #[error("the file cannot be read as PEM")]
    Unreadable(#[from] rustls::pki_types::pem::Error),
    /// There is nothing in it.
    #[error("the file holds no certificate")]
    None,
}

/// The certificates in a PEM file.
pub fn authorities(file: &Path) -> Result<Vec<CertificateDer<'static>>, AuthoritiesError> {
    let found = CertificateDer::pem_file_iter(file)?.collect::<Result<Vec<_>, _>>()?;
    if found.is_empty() { Err(AuthoritiesError::None) } else { Ok(found) }
}

/// It is there, and works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// What it really is; none for what has no identity.
    pub identity: Option<String>,
    /// What was tried and answered.
    pub evidence: Vec<String>,
}

/// Why a probe proved nothing. The words hold no credentials.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// Trying again can help.
    #[error("{message}")]
    Retry {
        /// A stable code.
        code: &'static str,
        /// In words.
        message: String,
    },
    /// Trying again cannot help.
    #[error("{message}")]
    Fatal {
        /// A stable code.
        code: &'static str,
        /// In words.
        message: String,
    },
}

impl ProbeError {
    fn retry(code: &'static str, message: impl Into<String>) -> Self {
        Self::Retry { code, message: message.into() }
    }

    fn fatal(code: &'static str, message: impl Into<String>) -> Self {
        Self::Fatal { code, message: message.into() }
    }

    fn unreachable(target: &Target) -> Self {
        Self::retry("UNREACHABLE", format!("nothing answers at {}", target.endpoint()))
    }
}

/// One vendor's probe. It leaves nothing behind, and may be repeated.
trait Probe: Send + Sync {
    fn probe<'a>(&'a self, target: &'a Target, ground: &'a Ground) -> BoxFuture<'a, Result<Proven, ProbeError>>;
}

fn probe_of(kind: Kind) -> &'static dyn Probe {
    match kind {
        Kind::Postgres => &postgres::Postgres,
        Kind::Http => &http::Http,
        Kind::Redis => &redis::Redis,
        Kind::Nats => &nats::Nats,
        Kind::Memory => &memory::Memory,
        Kind::Fs => &fs::Fs,
        Kind::S3 => &s3::S3,
    }
}

/// Probes, within the time limit.
pub async fn probe(target: &Target, ground: &Ground) -> Probed {
    let limited = tokio::time::timeout(LIMIT, probe_of(target.kind()).probe(target, ground)).await;
    let overdue = || ProbeError::retry("TIMED_OUT", format!("{} took longer than five seconds", target.endpoint()));
    match limited.unwrap_or_else(|_| Err(overdue())) {
        Ok(Proven { identity, evidence }) => Probed::Proven { identity, evidence },
        Err(ProbeError::Retry { code, message }) => Probed::Retry { code, message },
        Err(ProbeError::Fatal { code, message }) => Probed::Fatal { code, message },
    }
}

#[cfg(test)]
mod tests;
