//! Words of source credentials. The trap avoided: a secret among them, where every user of the machine reads it.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Of source credentials.
#[derive(Debug, Subcommand)]
pub enum CredentialVerb {
    /// Read the app's sources of a host with a credential; one that is there is replaced. Its secret, a password or a token,
    /// comes from standard input, without a last line feed.
    Set {
        /// Whose it is.
        #[command(flatten)]
        of: OfHost,
        /// As whom; many hosts take any name beside a token.
        #[arg(long, default_value = "git")]
        username: String,
        /// A file with the secret, in place of standard input.
        #[arg(long)]
        file: Option<PathBuf>,
    },
    /// List hosts, users and generations, never the secrets.
    List {
        /// Whose.
        #[arg(long)]
        app: String,
    },
    /// Read the app's sources of a host as nobody in particular again.
    Remove(OfHost),
}

/// Whose credential, and for which host.
#[derive(Debug, Args)]
pub struct OfHost {
    /// A repository's host or a registry, such as git.example.com or registry.example.com:5000.
    pub host: String,
    /// Whose.
    #[arg(long)]
    pub app: String,
    /// The app's version that this was decided on.
    #[arg(long)]
    pub expected_version: Option<u64>,
}
