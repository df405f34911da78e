//! Words of database migrations: what ran, and what a restore undid.

use super::daily::acknowledgement;
use clap::Subcommand;

/// Of migrations.
#[derive(Debug, Subcommand)]
pub enum MigrationVerb {
    /// Say that a migration that a deployment declares has run.
    Record {
        /// Its name, as declared.
        migration: String,
        /// On whose database.
        #[arg(long)]
        environment: String,
        /// The deployment whose artifact declares it.
        #[arg(long)]
        deployment: String,
        /// How it is known that it ran.
        #[arg(long)]
        evidence: String,
        /// A warning that is taken upon oneself.
        #[arg(long = "acknowledge", value_name = "GATE=REASON", value_parser = acknowledgement)]
        acknowledgements: Vec<(String, String)>,
    },
    /// Say that the data were restored to before a migration.
    Restore {
        /// The first migration that the restore undid, with all after it.
        migration: String,
        /// On whose database.
        #[arg(long)]
        environment: String,
        /// How it is known that the data were restored.
        #[arg(long)]
        evidence: String,
        /// Why; it is kept.
        #[arg(long)]
        reason: String,
    },
}
