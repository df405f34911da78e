//! Words of what an environment is bound to: providers, and services of its runtime. The trap avoided: a URL with a password in
//! it on the command line, where other users of the machine see it; it comes from standard input or a file.

use super::Reasoned;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// What a provider provides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Resource {
    /// Where product data lives.
    Database,
    /// What sends mail.
    Email,
    /// Any other service over HTTP.
    Api,
}

/// How a provider is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Vendor {
    /// As a `PostgreSQL` database.
    Postgres,
    /// Over HTTP.
    Http,
}

/// What several allocations share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Service {
    /// Where sessions are kept.
    SessionStore,
    /// What tells all of them something.
    Broadcast,
    /// What was done already.
    Idempotency,
    /// What may be forgotten.
    Cache,
    /// What is to be done.
    Queue,
    /// Files.
    ObjectStorage,
}

/// What a service is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Backend {
    /// A `PostgreSQL` database.
    Postgres,
    /// A server that speaks RESP.
    Redis,
    /// A NATS server.
    Nats,
    /// The process' own memory: the same allocation's only.
    Memory,
    /// The platform's own storage on its host.
    Fs,
    /// A bucket.
    S3,
}

/// Of both kinds of bindings.
#[derive(Debug, Subcommand)]
pub enum BindingVerb {
    /// Bind a provider.
    Provider {
        /// Which resource.
        #[arg(long)]
        resource: Resource,
        /// How it is reached.
        #[arg(long)]
        vendor: Vendor,
        /// Where and with what.
        #[command(flatten)]
        bound: Bound,
    },
    /// Bind a service of the runtime.
    Service {
        /// Which service.
        #[arg(long)]
        service: Service,
        /// What it is made of.
        #[arg(long)]
        backend: Backend,
        /// Where and with what.
        #[command(flatten)]
        bound: Bound,
    },
    /// Prove a binding again.
    Verify {
        /// `pb_...` or `rsb_...`.
        binding: String,
        /// Of which environment.
        #[arg(long)]
        environment: String,
    },
    /// Reach the same with another credential.
    Rotate {
        /// `pb_...` or `rsb_...`.
        binding: String,
        /// Of which environment.
        #[arg(long)]
        environment: String,
        /// The file that holds the URL; standard input when omitted.
        #[arg(long)]
        url_file: Option<PathBuf>,
    },
    /// Let it go.
    Disable {
        /// Which environment, and why.
        #[command(flatten)]
        reasoned: Reasoned,
        /// `pb_...` or `rsb_...`.
        #[arg(long)]
        binding: String,
    },
}

/// Where something is, and with what it is reached.
#[derive(Debug, Args)]
pub struct Bound {
    /// Which environment.
    pub environment: String,
    /// The file that holds the URL; standard input when omitted.
    #[arg(long)]
    pub url_file: Option<PathBuf>,
    /// It has none: memory, and the platform's own storage.
    #[arg(long, conflicts_with = "url_file")]
    pub without_url: bool,
    /// Where it is reached from; the environment's own region when omitted.
    #[arg(long)]
    pub region: Option<String>,
    /// Why it may be the same database as that of an environment of another kind.
    #[arg(long)]
    pub shared_because: Option<String>,
}
