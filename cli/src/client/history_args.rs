//! The client's words for the past: timeline, explain, history, support-bundle. None of them changes anything.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// How a timeline is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum TimelineFormat {
    /// A line for people each.
    #[default]
    Text,
    /// One array.
    Json,
    /// A table; what a spreadsheet would take for a formula has an apostrophe before it.
    Csv,
}

/// What kind of line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LineKind {
    /// Something happened.
    Event,
    /// Somebody did not get what they asked for.
    Refusal,
    /// A report that came too late to change anything.
    LateEvidence,
}

/// `rhone timeline`.
#[derive(Clone, Debug, Default, Args)]
pub struct TimelineArgs {
    /// Of this workspace; of each of yours when no place is named.
    #[arg(long)]
    pub workspace: Option<String>,
    /// Of this project.
    #[arg(long)]
    pub project: Option<String>,
    /// Of this app.
    #[arg(long)]
    pub app: Option<String>,
    /// Of this environment.
    #[arg(long)]
    pub environment: Option<String>,
    /// Of one thing, by its id or as `category:uuid`.
    #[arg(long)]
    pub object: Option<String>,
    /// Of this operation.
    #[arg(long)]
    pub operation: Option<String>,
    /// Of this cause, as lines show it.
    #[arg(long)]
    pub correlation: Option<String>,
    /// Of this actor, as lines show it.
    #[arg(long)]
    pub actor: Option<String>,
    /// Of this type, such as `route_owner.promoted` or `route_owner.*`; may be said again.
    #[arg(long = "type", value_name = "TYPE")]
    pub types: Vec<String>,
    /// Of this kind.
    #[arg(long, conflicts_with = "types")]
    pub kind: Option<LineKind>,
    /// What was received then or later, such as 2026-11-20T12:00:00Z.
    #[arg(long)]
    pub since: Option<String>,
    /// What was received before.
    #[arg(long)]
    pub until: Option<String>,
    /// How it is written.
    #[arg(long, value_enum, default_value_t)]
    pub format: TimelineFormat,
    /// Print JSON with the names of the API: the same as --format json.
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
}

/// `rhone explain`.
#[derive(Clone, Debug, Args)]
pub struct ExplainArgs {
    /// Which operation.
    pub operation: String,
    /// Print JSON with the names of the API.
    #[arg(long)]
    pub json: bool,
}

/// `rhone history`.
#[derive(Clone, Debug, Args)]
pub struct HistoryArgs {
    /// A thing by its id or as `category:uuid`; an app's id means the app with all that belongs to it.
    pub object: String,
    /// Event by event: what each changed, and what was refused in between; of an app, command by command.
    #[arg(long)]
    pub step: bool,
    /// A version (not of an app), a time (RFC 3339) or a position of the log; without one, now.
    #[arg(long)]
    pub at: Option<String>,
    /// Two versions, times or positions: print what changed in between.
    #[arg(long, num_args = 2, value_names = ["FROM", "TO"], conflicts_with_all = ["at", "step"])]
    pub diff: Option<Vec<String>>,
    /// Why this place in its state, a JSON pointer such as /owner/deployment, is what it is.
    #[arg(long, value_name = "POINTER", conflicts_with_all = ["diff", "step"])]
    pub why: Option<String>,
    /// Print JSON with the names of the API.
    #[arg(long)]
    pub json: bool,
}

/// `rhone support-bundle`.
#[derive(Clone, Debug, Args)]
pub struct SupportBundleArgs {
    /// An operation, or a cause as lines of a timeline show it.
    pub correlation: String,
    /// Where to; without one, standard output.
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Say in JSON where it is and what its digest is; the bundle itself is JSON in any case.
    #[arg(long)]
    pub json: bool,
}

/// What is asked of the past.
#[derive(Debug)]
pub enum Past {
    /// A timeline.
    Timeline(TimelineArgs),
    /// An operation, explained.
    Explain(ExplainArgs),
    /// A thing as it is or was.
    History(HistoryArgs),
    /// What one cause brought about.
    SupportBundle(SupportBundleArgs),
}
