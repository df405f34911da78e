//! Words of support: who of the platform may look into a workspace, why, and until when.

use clap::Subcommand;

/// Of times of support.
#[derive(Debug, Subcommand)]
pub enum SupportVerb {
    /// Let support look into a workspace in your name, for a while.
    Grant {
        /// Which workspace.
        #[arg(long)]
        workspace: String,
        /// Why; it is kept.
        #[arg(long)]
        reason: String,
        /// How many hours, seven days at most.
        #[arg(long)]
        hours: u32,
    },
    /// End it before its time.
    End {
        /// Which.
        access: String,
        /// Of which workspace.
        #[arg(long)]
        workspace: String,
    },
    /// Make a token to look with; for support. It is shown once.
    Token {
        /// Which.
        access: String,
        /// For people.
        #[arg(long)]
        name: String,
    },
}
