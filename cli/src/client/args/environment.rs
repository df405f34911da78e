//! Words of environments and of who owns their traffic.

use super::daily::acknowledgement;
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

/// Where an app's database is, seen from a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DataTopology {
    /// A replica is there that can be written to, or made so.
    Replicated,
    /// The same database is reached from there.
    Shared,
    /// It has none.
    None,
}

/// What becomes of the sessions that are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SessionFate {
    /// They go on where they are until the drain's deadline.
    DrainInPlace,
    /// The new place takes them from their store.
    Hydrate,
    /// They begin anew.
    StartFresh,
}

/// The word of the API for a word of ours.
pub(crate) fn word_of(value: &impl ValueEnum) -> String {
    let named = value.to_possible_value().map(|value| value.get_name().replace('-', "_").to_uppercase());
    named.unwrap_or_default()
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
    /// Say how many allocations of its owner are wanted.
    Scale {
        /// Where.
        environment: String,
        /// 1 to 32.
        #[arg(long)]
        replicas: u32,
        /// The number this was decided on.
        #[arg(long)]
        expected_replicas: Option<u32>,
    },
    /// Let it sleep until a request comes.
    Sleep(Reasoned),
    /// Wake it.
    Wake(Reasoned),
    /// Say after how long without sessions and requests it sleeps.
    SleepPolicy {
        /// Where.
        environment: String,
        /// In seconds; 0 for never.
        #[arg(long)]
        after_seconds: u32,
    },
    /// Say how many others must approve a promotion.
    Policy {
        /// Where, and why.
        #[command(flatten)]
        reasoned: Reasoned,
        /// 0 to 10.
        #[arg(long)]
        approvals: u32,
    },
    /// Say in which regions its traffic and data may ever be.
    Residency {
        /// Where, and why.
        #[command(flatten)]
        reasoned: Reasoned,
        /// A region; said again for another one. None: anywhere.
        #[arg(long = "region")]
        regions: Vec<String>,
    },
    /// Make a region ready to serve it.
    RegionEnable {
        /// Which environment.
        environment: String,
        /// Which region.
        #[arg(long)]
        region: String,
        /// Where in the region.
        #[arg(long)]
        cell: String,
        /// Where its data is; without that nothing is enabled.
        #[arg(long)]
        data_topology: Option<DataTopology>,
    },
    /// Let a region serve it no longer.
    RegionDisable {
        /// Which environment, and why.
        #[command(flatten)]
        reasoned: Reasoned,
        /// Which region.
        #[arg(long)]
        region: String,
    },
    /// Move its traffic to another region.
    Failover {
        /// Which environment, and why.
        #[command(flatten)]
        reasoned: Reasoned,
        /// Which region serves it from then on.
        #[arg(long)]
        region: String,
        /// What its sessions get; refused if that is not so.
        #[arg(long)]
        sessions: SessionFate,
        /// A warning that is taken upon oneself: `sessions=REASON`.
        #[arg(long = "acknowledge", value_name = "GATE=REASON", value_parser = acknowledgement)]
        acknowledgements: Vec<(String, String)>,
        /// The epoch this was decided on.
        #[arg(long)]
        expected_epoch: Option<u64>,
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
