//! Words of what is opened once: regions, cells, hosts, workspaces, projects, apps.

use clap::{Args, Subcommand};

/// Of regions.
#[derive(Debug, Subcommand)]
pub enum RegionVerb {
    /// Open a region.
    Create(Named),
    /// List them.
    List,
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
    /// List a region's.
    List {
        /// Of which region.
        #[arg(long)]
        region: String,
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
    /// Add no allocation to it; those that run stay.
    Cordon(HostReasoned),
    /// Let it take allocations again.
    Uncordon(HostReasoned),
    /// Say how many allocations it may hold.
    Capacity {
        /// Which host.
        host: String,
        /// 0 to 10000.
        #[arg(long)]
        allocations: u32,
    },
    /// Move away what runs on it, so that it can be worked on.
    Drain {
        /// Which host, and why.
        #[command(flatten)]
        reasoned: HostReasoned,
        /// How long it may take in all, the work on it included: 10 to 86400; 3600 when omitted.
        #[arg(long)]
        within_seconds: Option<u32>,
    },
    /// Say that what a drain waits for was done, and how it was checked.
    UpgradeDone {
        /// Which host.
        host: String,
        /// The drain that waits for it.
        #[arg(long)]
        operation: String,
        /// As the host says it.
        #[arg(long)]
        os_version: String,
        /// As its runner says it.
        #[arg(long)]
        runner_version: String,
        /// What was done, and how it was checked.
        #[arg(long)]
        note: String,
    },
    /// Give up a host that never comes back: what ran on it has failed, and its runner is refused.
    Retire(HostReasoned),
    /// List a cell's.
    List {
        /// Of which cell.
        #[arg(long)]
        cell: String,
    },
}

/// A host and a reason.
#[derive(Debug, Args)]
pub struct HostReasoned {
    /// Which host.
    pub host: String,
    /// Why; it is kept.
    #[arg(long)]
    pub reason: String,
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
    /// List a workspace's.
    List {
        /// Of which workspace.
        #[arg(long)]
        workspace: String,
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
    /// Create an app that comes from a git repository and knows it: a deploy need not say where its source is.
    Import {
        /// Where builders can reach it, such as https://git.example.com/acme/shop.git; without a password.
        url: String,
        /// Its project.
        #[arg(long)]
        project: String,
        /// 3 to 63 of a-z, 0-9 and -; made of the last part of the address when omitted.
        #[arg(long)]
        slug: Option<String>,
        /// For people; the last part of the address when omitted.
        #[arg(long)]
        name: Option<String>,
        /// What deploys mean that name no commit, branch or tag; the repository's default branch when omitted.
        #[arg(long)]
        reference: Option<String>,
    },
    /// Say where an app comes from, or where its repository has moved to.
    SourceSet {
        /// Where builders can reach it; without a password.
        url: String,
        /// Which app.
        #[arg(long)]
        app: String,
        /// What deploys mean that name no commit, branch or tag; what was meant before when omitted.
        #[arg(long)]
        reference: Option<String>,
        /// The app's version that this was decided on.
        #[arg(long)]
        expected_version: Option<u64>,
    },
    /// Say that an app comes from nowhere in particular.
    SourceRemove {
        /// Which app.
        #[arg(long)]
        app: String,
        /// The app's version that this was decided on.
        #[arg(long)]
        expected_version: Option<u64>,
    },
    /// List a project's.
    List {
        /// Of which project.
        #[arg(long)]
        project: String,
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
