//! The client's words: a noun, a verb, and what every verb understands. The trap avoided: a token on the command line; it
//! comes from `RHONE_TOKEN`, from `rhone login`, or from the `rhone up` of the data folder.

mod binding;
mod credential;
mod daily;
mod env;
mod environment;
mod member;
mod migration;
mod places;
mod release;
mod support;
mod token;

use super::deploy::DeployArgs;
use super::history_args::{ExplainArgs, HistoryArgs, SupportBundleArgs, TimelineArgs};
use super::logs_args::LogsArgs;
use clap::{Args, Subcommand};
use std::{path::PathBuf, time::Duration};

pub use binding::{BindingVerb, Bound};
pub use credential::{CredentialVerb, OfHost};
pub use daily::{
    Daily, Ground, ImportArgs, LinkArgs, OpenArgs, OperationsArgs, PromoteArgs, RollbackArgs, RouteVerb, StatusArgs,
};
pub use env::EnvVerb;
pub(super) use environment::word_of;
pub use environment::{EnvironmentKind, EnvironmentVerb, Hostname, Reasoned};
pub use member::{InvitationVerb, MemberIs, MemberRole, MemberVerb};
pub use migration::MigrationVerb;
pub use places::{AppVerb, CellVerb, HostReasoned, HostVerb, Named, ProjectVerb, RegionVerb, WorkspaceVerb};
pub use release::{AllocationVerb, ArtifactVerb, DeploymentVerb, OperationVerb};
pub use support::SupportVerb;
pub use token::TokenVerb;

/// What every verb understands.
#[derive(Clone, Debug, Default, Args)]
pub struct How {
    /// Print JSON with the names of the API.
    #[arg(long, global = true)]
    pub json: bool,
    /// Follow the operation to its end.
    #[arg(long, global = true)]
    pub wait: bool,
    /// How many seconds to wait at most; when omitted, until the operation ends, which it does by its own deadline.
    #[arg(long, global = true)]
    pub timeout: Option<u64>,
    /// Show what would happen, and change nothing; refused where that cannot be shown.
    #[arg(long, global = true)]
    pub dry_run: bool,
    /// A key of your own, so that asking again does nothing twice.
    #[arg(long, global = true)]
    pub idempotency_key: Option<String>,
}

impl How {
    /// How long to wait, if that was said.
    pub fn patience(&self) -> Option<Duration> {
        self.timeout.map(Duration::from_secs)
    }

    /// In no manner but the form of what is printed.
    pub fn printing(json: bool) -> Self {
        Self { json, ..Self::default() }
    }
}

/// A noun with its verbs.
#[derive(Debug, Args)]
pub struct Verbs<V: Subcommand> {
    /// What is done.
    #[command(subcommand)]
    pub verb: V,
    /// In which manner.
    #[command(flatten)]
    pub how: How,
}

/// What is talked about.
#[derive(Debug, Subcommand)]
pub enum Noun {
    /// Regions of the platform.
    Region(Verbs<RegionVerb>),
    /// Cells of a region.
    Cell(Verbs<CellVerb>),
    /// Hosts of a cell.
    Host(Verbs<HostVerb>),
    /// Workspaces.
    Workspace(Verbs<WorkspaceVerb>),
    /// Members of a workspace, and who is invited to become one.
    Member(Verbs<MemberVerb>),
    /// Invitations that somebody gave you.
    Invitation(Verbs<InvitationVerb>),
    /// Projects of a workspace.
    Project(Verbs<ProjectVerb>),
    /// Apps of a project.
    App(Verbs<AppVerb>),
    /// Environments of an app, and who owns their traffic.
    Environment(Verbs<EnvironmentVerb>),
    /// Variables and secrets of an environment.
    Env(Verbs<EnvVerb>),
    /// What an environment is bound to: its database, and what its allocations share.
    Binding(Verbs<BindingVerb>),
    /// Migrations of an environment's database.
    Migration(Verbs<MigrationVerb>),
    /// With what an app's sources are read where not everybody may: private repositories and registries.
    Credential(Verbs<CredentialVerb>),
    /// The bytes of a release.
    Artifact(Verbs<ArtifactVerb>),
    /// Candidate releases.
    Deployment(Verbs<DeploymentVerb>),
    /// What runs.
    Allocation(Verbs<AllocationVerb>),
    /// Times in which support may look into a workspace.
    Support(Verbs<SupportVerb>),
    /// What is carried out step by step: deploys, promotions, rollbacks and all else.
    Operation(Verbs<OperationVerb>),
    /// Make a release of the commit at hand, or of an image, and show it.
    Deploy(DeployArgs),
    /// Which hostname leads where.
    Route(Verbs<RouteVerb>),
    /// Give an environment's traffic to a deployment, once its gates were shown.
    Promote(PromoteArgs),
    /// Give an environment's traffic back to an earlier owner, once its gates were shown.
    Rollback(RollbackArgs),
    /// Remember an app and an environment for this folder, so that other commands need not be told.
    Link(LinkArgs),
    /// Show who owns the traffic of each of an app's environments, and what is on its way.
    Status(StatusArgs),
    /// Print where an environment is reached, and open it in a browser.
    Open(OpenArgs),
    /// API tokens.
    Token(Verbs<TokenVerb>),
    /// Sign in: a person opens a page, or a token that you have is taken; it is kept in a file of yours.
    Login {
        /// The API; the one of `rhone up` or of the last login when omitted.
        #[arg(long, env = "RHONE_URL")]
        url: Option<String>,
        /// The file that holds a token that you were given, and no page is opened; `-` for standard input.
        #[arg(long)]
        token_file: Option<PathBuf>,
        /// In which manner.
        #[command(flatten)]
        how: How,
    },
    /// End the token that `rhone login` was given.
    Logout(How),
    /// Say who you are to the API, and where it is.
    Whoami(How),
    /// Every event, under filters: as text, JSON or CSV.
    Timeline(TimelineArgs),
    /// An operation: command, decision, gates, events, and what led to what.
    Explain(ExplainArgs),
    /// A thing as it is or was, step by step, or what differs between two moments.
    History(HistoryArgs),
    /// What builds and apps printed; with -f also what they print from now on.
    Logs(LogsArgs),
    /// What one cause brought about, redacted, for `rhone replay --from`.
    SupportBundle(SupportBundleArgs),
}
