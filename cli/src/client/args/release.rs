//! Words of what is released, and of the operations that release it.

use super::OperationsArgs;
use clap::Subcommand;
use std::path::PathBuf;

/// Of artifacts.
#[derive(Debug, Subcommand)]
pub enum ArtifactVerb {
    /// Pack a folder or an OCI layout and say its digest; nothing is sent.
    Pack {
        /// The folder.
        folder: PathBuf,
        /// Where to put what was packed; nowhere when omitted.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Write a folder, or what was deployed, as an OCI image, in a layout of its own, and push it to a registry. Of a folder the
    /// API is not asked.
    Image {
        /// The folder; its rhone.toml says how it is started.
        #[arg(required_unless_present = "deployment", conflicts_with = "deployment")]
        folder: Option<PathBuf>,
        /// The deployment whose artifact is fetched instead.
        #[arg(long)]
        deployment: Option<String>,
        /// Where to put the layout.
        #[arg(long)]
        out: PathBuf,
        /// Push it to this name, such as registry.example.com/acme/shop; it is pulled by the digest that is said.
        #[arg(long)]
        push: Option<String>,
        /// As whom, where the registry asks.
        #[arg(long, requires_all = ["push", "password_file"])]
        username: Option<String>,
        /// The file that holds the password or token.
        #[arg(long, requires = "username")]
        password_file: Option<PathBuf>,
    },
    /// Pack, upload and register.
    Push {
        /// The folder.
        folder: PathBuf,
        /// Whose it is.
        #[arg(long)]
        workspace: String,
    },
}

/// Of deployments.
#[derive(Debug, Subcommand)]
pub enum DeploymentVerb {
    /// Make a candidate release, and show it in an environment first.
    Create {
        /// Of which app.
        #[arg(long)]
        app: String,
        /// Registered bytes.
        #[arg(long, conflicts_with = "dir", required_unless_present = "dir")]
        digest: Option<String>,
        /// A folder to be packed, uploaded and registered first.
        #[arg(long)]
        dir: Option<PathBuf>,
        /// The environment that shows it first.
        #[arg(long)]
        environment: Option<String>,
    },
    /// List an app's, the newest first.
    List {
        /// Of which app.
        #[arg(long)]
        app: String,
    },
    /// Show it as it is.
    Show {
        /// Which.
        deployment: String,
    },
    /// Approve its promotion, which by the environment's policy takes others than the one who asks for it.
    Approve {
        /// Which.
        deployment: String,
        /// Where.
        #[arg(long)]
        environment: String,
        /// Exactly which bytes: `rhone deployment show` says it.
        #[arg(long)]
        digest: String,
        /// The epoch of the route at which it counts: `rhone environment show` says it.
        #[arg(long)]
        expected_epoch: u64,
    },
    /// Give an environment's traffic to it.
    Promote {
        /// Which.
        deployment: String,
        /// Where.
        #[arg(long)]
        environment: String,
        /// The epoch this was decided on.
        #[arg(long)]
        expected_epoch: Option<u64>,
        /// Why.
        #[arg(long)]
        reason: Option<String>,
    },
}

/// Of allocations.
#[derive(Debug, Subcommand)]
pub enum AllocationVerb {
    /// Let its sessions end and another one take over.
    Drain {
        /// Which.
        allocation: String,
        /// How long its sessions may go on; as its environment says when omitted.
        #[arg(long)]
        drain_seconds: Option<u32>,
    },
}

/// Of operations.
#[derive(Debug, Subcommand)]
pub enum OperationVerb {
    /// Show it as it is.
    Show {
        /// Which.
        operation: String,
    },
    /// List an app's, the newest first.
    List(OperationsArgs),
    /// Follow it to its end.
    Watch {
        /// Which.
        operation: String,
    },
    /// Ask for an early end.
    Cancel {
        /// Which.
        operation: String,
        /// Why; it is kept.
        #[arg(long)]
        reason: String,
    },
}
