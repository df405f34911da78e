//! Words for every day: link, open, route, promote, rollback, a list of operations, a file of variables. What they do is what
//! the nouns' verbs do, by the same code. The trap avoided: a shorter word that asks less; it shows the gates before it acts.

use super::How;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// What is asked for every day.
#[derive(Debug)]
pub enum Daily {
    /// Remember where this folder belongs.
    Link(LinkArgs),
    /// Where an environment is reached.
    Open(OpenArgs),
    /// How an app stands.
    Status(StatusArgs),
    /// Where a hostname leads.
    Route(String),
    /// An app's operations.
    Operations(OperationsArgs),
    /// A file of variables.
    Import(ImportArgs),
    /// A promotion, after a look at its gates.
    Promote(PromoteArgs),
    /// A rollback, after the same.
    Rollback(RollbackArgs),
}

/// `rhone link`.
#[derive(Clone, Debug, Args)]
pub struct LinkArgs {
    /// The environment; its app is remembered with it.
    #[arg(required_unless_present = "forget")]
    pub target: Option<String>,
    /// Forget what was remembered.
    #[arg(long, conflicts_with = "target")]
    pub forget: bool,
    /// In which manner.
    #[command(flatten)]
    pub how: How,
}

/// `rhone open`.
#[derive(Clone, Debug, Args)]
pub struct OpenArgs {
    /// Which environment.
    pub environment: String,
    /// Print it and open nothing.
    #[arg(long)]
    pub print: bool,
    /// In which manner.
    #[command(flatten)]
    pub how: How,
}

/// `rhone status`.
#[derive(Clone, Debug, Args)]
pub struct StatusArgs {
    /// Which app.
    #[arg(long)]
    pub app: String,
    /// In which manner.
    #[command(flatten)]
    pub how: How,
}

/// Of routes.
#[derive(Debug, Subcommand)]
pub enum RouteVerb {
    /// Show which environment a hostname leads to, who owns its traffic, and what runs for it.
    Show {
        /// The hostname.
        host: String,
    },
}

/// `rhone operation list`.
#[derive(Clone, Debug, Args)]
pub struct OperationsArgs {
    /// Of which app.
    #[arg(long)]
    pub app: String,
    /// Of this environment only.
    #[arg(long = "environment", value_name = "ENVIRONMENT")]
    pub only: Option<String>,
    /// Only those that have not ended.
    #[arg(long)]
    pub open: bool,
    /// How many at most.
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub first: u16,
}

/// `rhone env import`.
#[derive(Clone, Debug, Args)]
pub struct ImportArgs {
    /// Which environment.
    pub environment: String,
    /// The file.
    pub file: PathBuf,
    /// They are secrets: nobody reads them again.
    #[arg(long)]
    pub secrets: bool,
    /// The set this was decided on.
    #[arg(long)]
    pub expected_set: Option<u64>,
}

/// What a person takes upon themselves.
#[derive(Clone, Debug, Default, Args)]
pub struct Ground {
    /// A gate that warned, and why it is all right, such as `vango_state=nobody is signed in`; may be said several times.
    #[arg(long = "acknowledge", value_name = "GATE=REASON", value_parser = acknowledgement)]
    pub acknowledgements: Vec<(String, String)>,
    /// Do it without asking.
    #[arg(long, short)]
    pub yes: bool,
    /// Do not follow it to its end.
    #[arg(long)]
    pub detach: bool,
}

/// `rhone promote`.
#[derive(Clone, Debug, Args)]
pub struct PromoteArgs {
    /// Which deployment.
    pub deployment: String,
    /// Where.
    #[arg(long)]
    pub environment: String,
    /// Why.
    #[arg(long)]
    pub reason: Option<String>,
    /// On which ground.
    #[command(flatten)]
    pub ground: Ground,
    /// In which manner.
    #[command(flatten)]
    pub how: How,
}

/// `rhone rollback`.
#[derive(Clone, Debug, Args)]
pub struct RollbackArgs {
    /// To which earlier owner; the latest when omitted.
    pub deployment: Option<String>,
    /// Where.
    #[arg(long)]
    pub environment: String,
    /// Why; it is kept.
    #[arg(long)]
    pub reason: String,
    /// On which ground.
    #[command(flatten)]
    pub ground: Ground,
    /// In which manner.
    #[command(flatten)]
    pub how: How,
}

pub(super) fn acknowledgement(word: &str) -> Result<(String, String), &'static str> {
    let split = word.split_once('=').filter(|(gate, reason)| !gate.is_empty() && !reason.is_empty());
    split.map(|(gate, reason)| (gate.to_owned(), reason.to_owned())).ok_or("must be GATE=REASON")
}
