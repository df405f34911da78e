//! Words of API tokens.

use clap::Subcommand;

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
    /// Make a token for an edge of a region; it is shown once.
    Edge {
        /// The region's id.
        region: String,
        /// For people.
        #[arg(long)]
        name: String,
    },
    /// Make a token for the runner of a host; it is shown once.
    Runner {
        /// The host's id.
        host: String,
        /// For people.
        #[arg(long)]
        name: String,
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
