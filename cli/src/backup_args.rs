//! The words of `rhone backup` and `rhone restore`. The trap avoided: a passphrase among them; it stands in a file.

use clap::{Args, value_parser};
use std::path::PathBuf;

/// Under what the keys of a backup are sealed.
#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = false)]
pub struct LockArgs {
    /// A file with a passphrase, at least 12 characters, readable by its owner only.
    #[arg(long, value_name = "FILE")]
    pub passphrase: Option<PathBuf>,
    /// A file with age recipients (`age1...`), one a line: whoever has an identity of one of them opens it.
    #[arg(long, value_name = "FILE")]
    pub recipients: Option<PathBuf>,
}

/// What opens the keys of a backup.
#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = false)]
pub struct UnlockArgs {
    /// The file with the passphrase.
    #[arg(long, value_name = "FILE")]
    pub passphrase: Option<PathBuf>,
    /// A file with an age identity (`AGE-SECRET-KEY-1...`), readable by its owner only.
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,
}

/// `rhone backup`.
#[derive(Clone, Debug, Args)]
pub struct BackupArgs {
    /// Where to; a folder that is empty or not there.
    pub folder: PathBuf,
    /// Under what the keys are sealed.
    #[command(flatten)]
    pub lock: LockArgs,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `rhone restore`.
#[derive(Clone, Debug, Args)]
pub struct RestoreArgs {
    /// The backup.
    pub folder: PathBuf,
    /// What opens the keys.
    #[command(flatten)]
    pub unlock: UnlockArgs,
    /// An empty database of yours, by its administrator's URL; better in the environment than here. Without one, a private
    /// PostgreSQL in the data folder, as `rhone up` uses it.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, conflicts_with = "drill")]
    pub database_url: Option<String>,
    /// By how much every route is lifted; more than there were promotions since the backup.
    #[arg(long, default_value_t = 1_000, value_parser = value_parser!(u64).range(1..=1_000_000_000))]
    pub raise_epochs_by: u64,
    /// Rehearse it: on a PostgreSQL and in a folder that are thrown away. Say what was proven; leave nothing.
    #[arg(long)]
    pub drill: bool,
    /// Where a rehearsal takes place; it needs as much room as the database and the artifacts.
    #[arg(long, default_value = "/var/tmp", requires = "drill")]
    pub scratch: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}
