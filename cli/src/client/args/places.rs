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
    /// Give up a host that never comes back: what ran on it has failed, and its runner is refused.
    Retire {
        /// Which host.
        host: String,
        /// Why.
        #[arg(long)]
        reason: String,
    },
    /// List a cell's.
    List {
        /// Of which cell.
        #[arg(long)]
        cell: String,
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
