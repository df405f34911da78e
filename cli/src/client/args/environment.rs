//! Words of environments and of who owns their traffic.

use clap::{Args, Subcommand, ValueEnum};

/// What an environment is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EnvironmentKind {
    /// To look at.
    Preview,
    /// To rehearse.
    Staging,
    /// For everybody.
    Production,
}

/// Of environments.
#[derive(Debug, Subcommand)]
pub enum EnvironmentVerb {
    /// Open an environment and its route.
    Create {
        /// Its app.
        #[arg(long)]
        app: String,
        /// Unique in the app.
        #[arg(long)]
        slug: String,
        /// What it is for.
        #[arg(long)]
        kind: EnvironmentKind,
        /// Where it runs; the region of `rhone up` when omitted.
        #[arg(long)]
        region: Option<String>,
        /// Where in the region; the cell of `rhone up` when omitted.
        #[arg(long)]
        cell: Option<String>,
        /// How long open sockets of a former owner live on.
        #[arg(long)]
        drain_seconds: Option<u64>,
        /// How long a former owner's allocations are kept.
        #[arg(long)]
        standby_seconds: Option<u64>,
    },
    /// List an app's, with the deployment that owns the traffic of each.
    List {
        /// Of which app.
        #[arg(long)]
        app: String,
    },
    /// Show it with its owner and allocations.
    Show {
        /// Which.
        environment: String,
    },
    /// Let a hostname lead to it.
    HostAttach(Hostname),
    /// Let a hostname lead to it no longer.
    HostDetach(Hostname),
    /// Say how sessions of former owners end, from the next change of owner on.
    DrainPolicy {
        /// Where.
        environment: String,
        /// How long open sockets of a former owner live on; as it is when omitted.
        #[arg(long, required_unless_present = "standby_seconds")]
        drain_seconds: Option<u64>,
        /// How long a former owner's allocations are kept for a rollback; as it is when omitted.
        #[arg(long)]
        standby_seconds: Option<u64>,
    },
    /// Hold promotions back.
    Freeze(Reasoned),
    /// Hold them back no longer.
    Unfreeze(Reasoned),
    /// Let go of a rollback's hold.
    PinRelease(Reasoned),
    /// Let quarantined bytes come back.
    QuarantineLift {
        /// Where, and why.
        #[command(flatten)]
        reasoned: Reasoned,
        /// Which bytes.
        #[arg(long)]
        digest: String,
    },
    /// Give the traffic back to an earlier owner.
    Rollback {
        /// Where, and why.
        #[command(flatten)]
        reasoned: Reasoned,
        /// The earlier owner.
        #[arg(long)]
        deployment: String,
        /// The epoch this was decided on.
        #[arg(long)]
        expected_epoch: Option<u64>,
    },
}

/// A hostname of an environment.
#[derive(Debug, Args)]
pub struct Hostname {
    /// Which environment.
    pub environment: String,
    /// A DNS name.
    pub host: String,
}

/// An environment and a reason.
#[derive(Debug, Args)]
pub struct Reasoned {
    /// Which environment.
    pub environment: String,
    /// Why; it is kept.
    #[arg(long)]
    pub reason: String,
}
