//! The client's words: a noun, a verb, and what every verb understands. The trap avoided: a token on the command line; it
//! comes from `RHONE_TOKEN`, from `rhone login`, or from the `rhone up` of the data folder.

use super::history_args::{ExplainArgs, HistoryArgs, SupportBundleArgs, TimelineArgs};
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// What every verb understands.
#[derive(Clone, Debug, Default, Args)]
pub struct How {
    /// Print JSON with the names of the API.
    #[arg(long, global = true)]
    pub json: bool,
    /// Follow the operation to its end.
    #[arg(long, global = true)]
    pub wait: bool,
    /// How many seconds to wait at most.
    #[arg(long, global = true, default_value_t = 180)]
    pub timeout: u64,
    /// Show what would happen, and change nothing.
    #[arg(long, global = true)]
    pub dry_run: bool,
    /// A key of your own, so that asking again does nothing twice.
    #[arg(long, global = true)]
    pub idempotency_key: Option<String>,
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
    /// The bytes of a release.
    Artifact(Verbs<ArtifactVerb>),
    /// Candidate releases.
    Deployment(Verbs<DeploymentVerb>),
    /// Promotions and rollbacks under way.
    Operation(Verbs<OperationVerb>),
    /// API tokens.
    Token(Verbs<TokenVerb>),
    /// Sign in: a person opens a page, and a token is kept in a file of yours.
    Login {
        /// The API; the one of `rhone up` or of the last login when omitted.
        #[arg(long, env = "RHONE_URL")]
        url: Option<String>,
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
    /// What one cause brought about, redacted, for `rhone replay --from`.
    SupportBundle(SupportBundleArgs),
}

/// Of regions.
#[derive(Debug, Subcommand)]
pub enum RegionVerb {
    /// Open a region.
    Create(Named),
}

/// A slug, and a name for people.
#[derive(Debug, Args)]
pub struct Named {
    /// 3 to 63 of a-z, 0-9 and -.
    #[arg(long)]
    pub slug: String,
    /// For people; the slug when omitted.
    #[arg(long)]
    pub name: Option<String>,
}

/// Of cells.
#[derive(Debug, Subcommand)]
pub enum CellVerb {
    /// Open a cell.
    Create {
        /// Its region.
        #[arg(long)]
        region: String,
        /// Unique in the region.
        #[arg(long)]
        slug: String,
    },
}

/// Of hosts.
#[derive(Debug, Subcommand)]
pub enum HostVerb {
    /// Register a host.
    Create {
        /// Its cell.
        #[arg(long)]
        cell: String,
        /// Unique in the cell.
        #[arg(long)]
        slug: String,
    },
}

/// Of workspaces.
#[derive(Debug, Subcommand)]
pub enum WorkspaceVerb {
    /// Create a workspace; you are its owner.
    Create {
        /// How it is called.
        #[command(flatten)]
        named: Named,
        /// Whom to write to; kept sealed, and erasable.
        #[arg(long)]
        contact_email: Option<String>,
    },
    /// List yours.
    List,
}

/// What a member is to all of a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MemberRole {
    /// Everything.
    Owner,
    /// Everything but the workspace itself.
    Admin,
    /// Deploys and previews.
    Member,
}

impl MemberRole {
    /// As the API calls it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Owner => "OWNER",
            Self::Admin => "ADMIN",
            Self::Member => "MEMBER",
        }
    }
}

/// Of members.
#[derive(Debug, Subcommand)]
pub enum MemberVerb {
    /// Make a secret that lets one person in; it is shown once.
    Invite {
        /// Into which workspace.
        #[arg(long)]
        workspace: String,
        /// As what.
        #[arg(long)]
        role: MemberRole,
        /// How many days it is open, 30 at most; 7 when omitted.
        #[arg(long)]
        days: Option<u32>,
    },
    /// List who belongs to it and who is invited; no secret is shown.
    List {
        /// Of which workspace.
        #[arg(long)]
        workspace: String,
    },
    /// Let nobody in with an invitation any more.
    Revoke {
        /// Its id.
        invitation: String,
        /// Of which workspace.
        #[arg(long)]
        workspace: String,
    },
}

/// Of invitations.
#[derive(Debug, Subcommand)]
pub enum InvitationVerb {
    /// Become a member.
    Accept {
        /// What `rhone member invite` showed. Read from standard input when omitted, where other users of the machine do not
        /// see it.
        secret: Option<String>,
    },
}

/// Of projects.
#[derive(Debug, Subcommand)]
pub enum ProjectVerb {
    /// Create a project.
    Create {
        /// Its workspace.
        #[arg(long)]
        workspace: String,
        /// How it is called.
        #[command(flatten)]
        named: Named,
    },
}

/// Of apps.
#[derive(Debug, Subcommand)]
pub enum AppVerb {
    /// Create an app.
    Create {
        /// Its project.
        #[arg(long)]
        project: String,
        /// How it is called.
        #[command(flatten)]
        named: Named,
    },
    /// Show it with its environments.
    Show {
        /// Which.
        app: String,
    },
    /// Every event of it, in order.
    Timeline {
        /// Which.
        app: String,
        /// Of this environment only.
        #[arg(long)]
        environment: Option<String>,
    },
}

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
    /// Show it with its owner and allocations.
    Show {
        /// Which.
        environment: String,
    },
    /// Let a hostname lead to it.
    HostAttach(Hostname),
    /// Let a hostname lead to it no longer.
    HostDetach(Hostname),
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

/// Of variables.
#[derive(Debug, Subcommand)]
pub enum EnvVerb {
    /// List keys, kinds and digests, and the values of plain variables.
    List {
        /// Which environment.
        environment: String,
    },
    /// Set plain variables, or one secret from standard input or a file.
    Set {
        /// Which environment.
        environment: String,
        /// Plain variables. A secret never stands here, where every user of the machine reads it.
        #[arg(value_name = "KEY=VALUE", value_parser = assignment, required_unless_present = "secret", conflicts_with = "secret")]
        plain: Vec<String>,
        /// The key of a secret; its value comes from standard input, without a last line feed.
        #[arg(long, value_name = "KEY")]
        secret: Option<String>,
        /// A file with the secret's value, in place of standard input.
        #[arg(long, requires = "secret")]
        file: Option<PathBuf>,
        /// The set this was decided on.
        #[arg(long)]
        expected_set: Option<u64>,
    },
    /// Remove a variable or a secret.
    Unset {
        /// Which environment.
        environment: String,
        /// Which key.
        key: String,
        /// The set this was decided on.
        #[arg(long)]
        expected_set: Option<u64>,
    },
}

/// A key without a value would silently be set to nothing. The words are not repeated: they may be a secret after all.
fn assignment(word: &str) -> Result<String, &'static str> {
    if word.contains('=') { Ok(word.to_owned()) } else { Err("must be KEY=VALUE; a secret is set with --secret KEY") }
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

/// Of operations.
#[derive(Debug, Subcommand)]
pub enum OperationVerb {
    /// Show it as it is.
    Show {
        /// Which.
        operation: String,
    },
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

/// Of tokens.
#[derive(Debug, Subcommand)]
pub enum TokenVerb {
    /// Make a token that acts as you; it is shown once.
    Create {
        /// For people.
        #[arg(long)]
        name: String,
        /// The only workspace it may touch.
        #[arg(long)]
        workspace: Option<String>,
        /// What it leaves of your rights, such as deploy; may be said several times. All of them when omitted.
        #[arg(long = "grant", conflicts_with = "read_only")]
        grants: Vec<String>,
        /// It reads and changes nothing.
        #[arg(long)]
        read_only: bool,
        /// How many days it is valid, 366 at most; 90 when omitted.
        #[arg(long)]
        days: Option<u32>,
    },
    /// List yours, the ended ones too; no secret is shown.
    List,
    /// Give a token another secret; it is shown once, and the former one is refused.
    Rotate {
        /// Its id.
        token: String,
    },
    /// End a token.
    Revoke {
        /// Its id.
        token: String,
    },
}
