//! Words of variables and secrets. The trap avoided: a secret among them, where every user of the machine reads it.

use super::ImportArgs;
use clap::Subcommand;
use std::path::PathBuf;

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
    /// Set every variable of a file, all at once: lines of KEY=VALUE, as `.env` files have them. Nothing is substituted.
    Import(ImportArgs),
}

/// A key without a value would silently be set to nothing. The words are not repeated: they may be a secret after all.
fn assignment(word: &str) -> Result<String, &'static str> {
    if word.contains('=') { Ok(word.to_owned()) } else { Err("must be KEY=VALUE; a secret is set with --secret KEY") }
}
