//! The command line: words and options, nothing else. The trap avoided: a secret among the arguments, where every user of the
//! machine reads it; secrets come from files or the environment.

use crate::{
    backup_args::{BackupArgs, RestoreArgs},
    client::{args::Noun, named},
    demo::DemoArgs,
    exit,
    init::InitArgs,
    rebuild,
};
use clap::{Args as ClapArgs, Parser, Subcommand};
use std::{ffi::OsString, net::IpAddr, path::PathBuf};

/// Control plane of a hosting platform for stateful web apps.
#[derive(Debug, Parser)]
#[command(name = "rhone", version, about, after_help = format!("{}\n{}", named::HELP, exit::table()))]
pub struct Args {
    /// Where configuration, keys and everything private are kept.
    #[arg(long, env = "RHONE_DATA", global = true, default_value = ".rhone/data")]
    pub data: PathBuf,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run everything: private servers, API, worker, edge and runner, until Ctrl-C.
    Up(UpArgs),
    /// Bring a database up to date and let the programs' roles in.
    Migrate {
        /// The administrator's URL; better in the environment than here.
        #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
        database_url: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Run the API.
    Serve,
    /// Run a worker.
    Work,
    /// Run an edge.
    Edge {
        /// Which section of the configuration is its own.
        #[arg(long, default_value = "edge")]
        name: String,
    },
    /// Run the runner of this host.
    Runner {
        /// What an agent starts.
        #[command(subcommand)]
        command: Option<RunnerCommand>,
    },
    /// Say what is wrong, and what mends it.
    Doctor {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// How it is configured.
    Config {
        /// What.
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Print an aggregate as it is or was, or what changed between two moments.
    Replay(ReplayArgs),
    /// Judge every hash and version of the log, or of an export.
    Verify {
        /// An export; without one, the log itself.
        file: Option<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write the log as lines of JSON.
    Export {
        /// Where to; without one, standard output.
        file: Option<PathBuf>,
        /// Say in JSON what was written to the file; the log itself is JSON in any case.
        #[arg(long)]
        json: bool,
    },
    /// Build a projection anew beside the live one, compare both and swap them.
    Rebuild {
        /// Which.
        #[arg(value_parser = rebuild::NAMES)]
        projection: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Keep database, artifacts, keys and epochs together in a folder, while everything runs.
    Backup(BackupArgs),
    /// Put a backup back into an empty database and an empty data folder, or rehearse it.
    Restore(RestoreArgs),
    /// What only the administrator does.
    Admin {
        /// What.
        #[command(subcommand)]
        command: AdminCommand,
        /// Print JSON.
        #[arg(long, global = true)]
        json: bool,
    },
    /// Write a rhone.toml for an app by looking at its folder; over nothing.
    Init(InitArgs),
    /// Print what completes words in a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Write a manual page for each command.
    Man {
        /// Where to.
        folder: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Tell the story of an artifact that becomes traffic, on the real parts.
    Demo(DemoArgs),
    /// Ask the API.
    #[command(flatten)]
    Client(Noun),
}

/// What a runner's agent starts.
#[derive(Debug, Subcommand)]
pub enum RunnerCommand {
    /// Run the gate of one allocation.
    #[command(hide = true)]
    Gate {
        /// The file that describes it.
        spec: PathBuf,
    },
}

/// How it is configured.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print every setting: its key, variable, unit, default, who reads it, and what it means.
    Reference {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// What only the administrator does.
#[derive(Debug, Subcommand)]
pub enum AdminCommand {
    /// Open the platform: its own workspace, which the administrator owns, and a token for them, shown once. Asked again, another
    /// token.
    Open,
    /// Print the public half of `keys.feed`, by which an edge knows the feed.
    FeedKey,
    /// Open the next era of a log that was restored on another cluster.
    Reseal {
        /// Why; it is kept.
        #[arg(long)]
        reason: String,
    },
    /// Make another key-encryption key of the vault and wrap every app's key under it, while everything runs on. Values stay
    /// as they are.
    RotateKeys {
        /// Give every app another data key too, for what is set from now on.
        #[arg(long)]
        data_keys: bool,
        /// Drop the key-encryption keys under which nothing is wrapped any more; a backup from before needs them.
        #[arg(long)]
        forget_unused: bool,
    },
    /// After a restore: lift every route above the epochs that edges have served since the backup.
    RaiseEpochs {
        /// By how much; more than there were promotions since.
        #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
        by: u64,
        /// Why; it stands in every timeline.
        #[arg(long)]
        reason: String,
    },
}

/// How everything is run.
#[derive(Clone, Debug, ClapArgs)]
pub struct UpArgs {
    /// Where API and edges listen.
    #[arg(long, default_value = "127.0.0.1")]
    pub host: IpAddr,
    /// How many edges.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=16))]
    pub edges: u16,
    /// A port for the API; without one, one is chosen once and kept.
    #[arg(long)]
    pub api_port: Option<u16>,
    /// A port for the first edge; without one, one is chosen once and kept.
    #[arg(long)]
    pub edge_port: Option<u16>,
}

/// What is replayed.
#[derive(Clone, Debug, ClapArgs)]
pub struct ReplayArgs {
    /// `category:uuid`, or an app's id (`app_...`): the app with all that belongs to it.
    #[arg(required_unless_present = "from")]
    pub stream: Option<String>,
    /// A support bundle: fold it here, without any database, and compare the states with what was exported.
    #[arg(long, value_name = "BUNDLE", conflicts_with_all = ["stream", "at", "diff"])]
    pub from: Option<PathBuf>,
    /// A version (not of an app), a time (RFC 3339) or a position of the log; without one, now.
    #[arg(long, conflicts_with = "diff")]
    pub at: Option<String>,
    /// Two versions, times or positions: print what changed in between.
    #[arg(long, num_args = 2, value_names = ["FROM", "TO"])]
    pub diff: Option<Vec<String>>,
    /// Print JSON only.
    #[arg(long)]
    pub json: bool,
}

/// How much is logged unless `RHONE_LOG` says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verbosity {
    /// A part that runs for long.
    Part,
    /// A command for people.
    Quiet,
}

impl Command {
    /// How much it logs.
    pub fn verbosity(&self) -> Verbosity {
        match self {
            Self::Serve | Self::Work | Self::Edge { .. } | Self::Runner { .. } => Verbosity::Part,
            Self::Up(_)
            | Self::Migrate { .. }
            | Self::Doctor { .. }
            | Self::Config { .. }
            | Self::Replay(_)
            | Self::Verify { .. }
            | Self::Export { .. }
            | Self::Rebuild { .. }
            | Self::Backup(_)
            | Self::Restore(_)
            | Self::Admin { .. }
            | Self::Init(_)
            | Self::Completions { .. }
            | Self::Man { .. }
            | Self::Demo(_)
            | Self::Client(_) => Verbosity::Quiet,
        }
    }
}

/// Whether a script reads along, told before anything else is understood. What stands behind `--process` is the app's own, and
/// what stands behind `--` is no option.
pub fn asks_for_json(words: impl IntoIterator<Item = OsString>) -> bool {
    words.into_iter().take_while(|word| word != "--process" && word != "--").any(|word| word == "--json")
}

#[cfg(test)]
mod tests {
    //! The command line is one.
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_holds_together() {
        Args::command().debug_assert();
    }

    /// Arguments that are called as one above them, which is understood everywhere: clap takes the one for the other, and panics.
    fn clashes(command: &clap::Command, above: &[&str], words: &str, found: &mut Vec<String>) {
        let own = command.get_arguments().map(|argument| argument.get_id().as_str());
        found.extend(own.filter(|id| above.contains(id)).map(|id| format!("{words}: {id}")));
        let everywhere = command.get_arguments().filter(|argument| argument.is_global_set());
        let above: Vec<&str> =
            above.iter().copied().chain(everywhere.map(|argument| argument.get_id().as_str())).collect();
        for below in command.get_subcommands() {
            clashes(below, &above, &format!("{words} {}", below.get_name()), found);
        }
    }

    #[test]
    fn no_word_is_called_as_one_that_is_understood_everywhere() {
        let clashing = |command: &clap::Command| {
            let mut found = Vec::new();
            clashes(command, &[], "rhone", &mut found);
            found
        };
        assert_eq!(clashing(&Args::command()), Vec::<String>::new());
        let sin = clap::Command::new("admire").arg(clap::Arg::new("data").long("where"));
        assert_eq!(clashing(&Args::command().subcommand(sin)), ["rhone admire: data"]);
    }

    /// What has no answer to print, or never another than a program reads anyway.
    const WITHOUT_JSON: [(&str, &str); 8] = [
        ("up", "it runs until Ctrl-C; up.json says where everything is"),
        ("serve", "a part: it runs, and its log is JSON where RHONE_LOG_FORMAT says so"),
        ("work", "a part"),
        ("edge", "a part"),
        ("runner", "a part"),
        ("runner gate", "a part, which the agent starts"),
        ("completions", "a script of the shell's"),
        ("demo", "a story for people"),
    ];

    /// Every command that is carried out, by its words, and whether it takes `--json`.
    fn leaves(command: &clap::Command, words: &str, found: &mut Vec<(String, bool)>) {
        for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
            let words = format!("{words} {}", below.get_name()).trim().to_owned();
            if !below.is_subcommand_required_set() {
                let json = below.get_arguments().any(|argument| argument.get_long() == Some("json"));
                found.push((words.clone(), json));
            }
            leaves(below, &words, found);
        }
    }

    /// Those that answer and take no `--json`, and those that are said not to and do.
    fn wrong(command: &mut clap::Command) -> Vec<String> {
        command.build();
        let mut found = Vec::new();
        leaves(command, "", &mut found);
        assert!(found.len() > 60, "the tree is walked: {found:?}");
        for (name, _) in WITHOUT_JSON {
            assert!(found.iter().any(|(words, _)| words == name), "there is no `{name}` any more");
        }
        let exempt = |words: &str| WITHOUT_JSON.iter().any(|(name, _)| *name == words);
        found.into_iter().filter(|(words, json)| *json == exempt(words)).map(|(words, _)| words).collect()
    }

    #[test]
    fn every_command_that_answers_takes_json() {
        assert_eq!(wrong(&mut Args::command()), Vec::<String>::new());
        let sin = clap::Command::new("admire").arg(clap::Arg::new("format").long("format"));
        assert_eq!(wrong(&mut Args::command().subcommand(sin)), ["admire"], "another word for it is none");
    }

    #[test]
    fn a_gate_is_started_with_the_spec_as_last_word() {
        let args = Args::try_parse_from(["rhone", "runner", "gate", "/spec.json"]).expect("it is understood");
        let Command::Runner { command: Some(RunnerCommand::Gate { spec }) } = args.command else {
            panic!("{:?}", args.command)
        };
        assert_eq!(spec, PathBuf::from("/spec.json"));
    }
    /// The sin is to look for the word anywhere: the failure of an `init` whose app takes `--json` was JSON.
    #[test]
    fn what_is_told_in_json_is_what_was_asked_for_in_json() {
        for (line, json, process) in [
            ("rhone init --json --process ./server --port 80", true, vec!["./server", "--port", "80"]),
            ("rhone init --process=./server --json", true, vec!["./server"]),
            ("rhone init --process ./server --json", false, vec!["./server", "--json"]),
            ("rhone init", false, vec![]),
        ] {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let args = Args::try_parse_from(&words).expect("it is understood");
            let Command::Init(how) = args.command else { panic!("{line} is init") };
            assert_eq!((how.json, how.process.join(" ")), (json, process.join(" ")), "{line}");
            assert_eq!(asks_for_json(words), json, "{line}");
        }
    }
}
