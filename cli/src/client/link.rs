//! `.rhone/link.json`: which app and environment a folder belongs to, so that commands in it need not be told. Written by `rhone
//! link`. The trap avoided: a folder that says which API is asked, and so to whom a token is shown; it names ids only.

use super::{
    failure::Failure,
    named::{Level, slugs},
};
use crate::{args::Args, output::line, private_file};
use clap::{Arg, Command, CommandFactory as _, Parser as _, error::ErrorKind};
use serde::{Deserialize, Serialize};
use std::{
    env,
    ffi::OsString,
    fs::{self, DirBuilder},
    io::{self, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    process,
};

/// What is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Link {
    pub(crate) app: String,
    pub(crate) environment: String,
}

/// What can be left out: an argument's name, how its ids begin, and how it is named.
const NAMES: [(&str, &str, Level); 2] = [("environment", "env_", Level::Environment), ("app", "app_", Level::App)];

impl Link {
    fn of(&self, name: &str) -> &str {
        if name == "app" { &self.app } else { &self.environment }
    }

    /// Keeps it for the folder we are in.
    pub(super) fn keep(&self) -> Result<PathBuf, Failure> {
        let doing = "keeping the link";
        let path = said().map_or_else(|| env::current_dir().map(|here| below(&here)), Ok);
        let path = path.map_err(|error| Failure::local(doing, error))?;
        if let Some(folder) = path.parent() {
            // The data folder of `rhone up` is in it, which PostgreSQL's own user must be able to enter.
            let made = DirBuilder::new().recursive(true).mode(0o711).create(folder);
            made.map_err(|error| Failure::local(doing, error))?;
        }
        private_file::write(&path, self).map_err(|error| Failure::local(doing, error))?;
        Ok(path)
    }

    /// Forgets the one that holds here; whether there was one.
    pub(super) fn forget() -> Result<bool, Failure> {
        let Some(path) = found() else { return Ok(false) };
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Failure::local(format!("removing {}", path.display()), error)),
        }
    }

    /// The one that holds here.
    pub(crate) fn read() -> Result<Option<Self>, Failure> {
        let Some(path) = found() else { return Ok(None) };
        private_file::read(&path).map_err(|error| Failure::local("reading what `rhone link` remembered", error))
    }
}

fn said() -> Option<PathBuf> {
    env::var_os("RHONE_LINK").filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn below(folder: &Path) -> PathBuf {
    folder.join(".rhone").join("link.json")
}

/// `RHONE_LINK`, or the file of the nearest folder that has one.
fn found() -> Option<PathBuf> {
    said().or_else(|| env::current_dir().ok()?.ancestors().map(below).find(|path| path.is_file()))
}

/// The words of the command line, with the ids that a link knows and that were left out.
pub fn completed(words: impl IntoIterator<Item = OsString>) -> Result<Vec<OsString>, Failure> {
    let words: Vec<OsString> = words.into_iter().collect();
    let missing = missing(&Args::command(), &words);
    if missing.is_empty() {
        return Ok(words);
    }
    let Some(link) = Link::read()? else { return Ok(words) };
    Ok(with(words, &missing, &link))
}

/// What the words mean; if they mean nothing, that is said, and the process ends.
pub fn parsed(words: &[OsString], as_json: bool) -> Args {
    Args::try_parse_from(words).unwrap_or_else(|error| {
        let text = error.to_string();
        if as_json && error.use_stderr() {
            // What is wrong stands before the first empty line; the usage is for people.
            let wrong = text.split("\n\n").next().unwrap_or_default();
            line(Failure::usage(wrong.trim_start_matches("error: ")).json());
        }
        let _ = error.print();
        let left_out = ["<ENVIRONMENT>", "--app <APP>"].iter().any(|name| text.contains(name));
        if error.kind() == ErrorKind::MissingRequiredArgument && left_out {
            let _ = writeln!(io::stderr(), "\nnext: name it, or `rhone link ENVIRONMENT` once in this folder");
        }
        process::exit(error.exit_code())
    })
}

/// A word that was left out: where it belongs, and how it is said.
#[derive(Debug, PartialEq, Eq)]
struct Missing {
    at: usize,
    name: &'static str,
    option: bool,
}

fn with(mut words: Vec<OsString>, missing: &[Missing], link: &Link) -> Vec<OsString> {
    for Missing { at, name, option } in missing.iter().rev() {
        words.insert(*at, link.of(name).into());
        if *option {
            words.insert(*at, format!("--{name}").into());
        }
    }
    words
}

/// What the command needs and was not told. It is clap that says what is needed.
fn missing(root: &Command, words: &[OsString]) -> Vec<Missing> {
    let (command, at) = meant(root, words);
    let rest: Vec<&str> = words[at..].iter().filter_map(|word| word.to_str()).collect();
    // Whoever asks for help is told what there is.
    if rest.iter().any(|word| ["--help", "-h"].contains(word)) {
        return Vec::new();
    }
    let said_as_option =
        |name: &str| rest.iter().any(|word| *word == format!("--{name}") || word.starts_with(&format!("--{name}=")));
    // Of several that stand for each other, one is needed; the first that a link knows is taken.
    let one_of = |name: &str| {
        let mut groups = command.get_groups().filter(|group| group.is_required_set());
        let group: Vec<_> = groups.find(|group| group.get_args().any(|id| id == name))?.get_args().collect();
        let first = NAMES.iter().find(|(known, ..)| group.iter().any(|id| *id == known))?.0;
        (first == name && !group.iter().any(|id| said_as_option(id.as_str()))).then_some(())
    };
    let left_out = |(name, beginning, level): (&'static str, &str, Level)| {
        let argument = command.get_arguments().find(|argument| argument.get_id() == name)?;
        if !argument.is_required_set() {
            one_of(name)?;
        }
        let option = !argument.is_positional();
        let is_one = |word: &str| word.starts_with(beginning) || matches!(slugs(level, word), Ok(Some(_)));
        let said = if option { said_as_option(name) } else { rest.iter().any(|word| is_one(word)) };
        (!said).then_some(Missing { at, name, option })
    };
    NAMES.into_iter().filter_map(left_out).collect()
}

/// The subcommand that is meant, and where its own words begin.
fn meant<'a>(root: &'a Command, words: &[OsString]) -> (&'a Command, usize) {
    let (mut command, mut at, mut index) = (root, words.len().min(1), 1);
    while let Some(word) = words.get(index).and_then(|word| word.to_str()) {
        index += 1;
        if let Some(long) = word.strip_prefix("--") {
            let takes = |argument: &&Arg| argument.get_long() == Some(long) && argument.get_action().takes_values();
            index += usize::from([root, command].iter().any(|known| known.get_arguments().any(|one| takes(&one))));
        } else if let Some(next) = command.find_subcommand(word) {
            (command, at) = (next, index);
        }
    }
    (command, at)
}

#[cfg(test)]
mod tests {
    //! What is left out is filled in, and nothing else.
    use super::*;

    fn filled(said: &str) -> String {
        let words: Vec<OsString> = said.split(' ').map(OsString::from).collect();
        let link = Link { app: "app_9".into(), environment: "env_9".into() };
        let missing = missing(&Args::command(), &words);
        let words: Vec<String> =
            with(words, &missing, &link).into_iter().map(|word| word.into_string().expect("text")).collect();
        words.join(" ")
    }

    #[test]
    fn ids_that_a_command_needs_may_be_left_out() {
        for (said, meant) in [
            ("rhone env list", "rhone env list env_9"),
            ("rhone env set A=b", "rhone env set env_9 A=b"),
            ("rhone env set --secret TOKEN", "rhone env set env_9 --secret TOKEN"),
            ("rhone env unset KEY", "rhone env unset env_9 KEY"),
            ("rhone credential set git.example.com", "rhone credential set --app app_9 git.example.com"),
            ("rhone app source-set /srv/shop", "rhone app source-set --app app_9 /srv/shop"),
            ("rhone credential list", "rhone credential list --app app_9"),
            ("rhone --data env environment show", "rhone --data env environment show env_9"),
            ("rhone promote dep_1", "rhone promote --environment env_9 dep_1"),
            ("rhone operation list --open", "rhone operation list --app app_9 --open"),
            ("rhone open", "rhone open env_9"),
            ("rhone logs", "rhone logs --environment env_9"),
            ("rhone logs -f --grep x", "rhone logs --environment env_9 -f --grep x"),
        ] {
            assert_eq!(filled(said), meant);
        }
    }

    #[test]
    fn what_is_said_is_left_as_it_is_said() {
        for line in [
            "rhone env list env_1",
            "rhone env set env_1 A=b",
            "rhone env set acme/web/counter/production A=b",
            "rhone app show acme/web/counter",
            "rhone open acme/web/counter/production",
            "rhone promote dep_1 --environment env_1",
            "rhone promote dep_1 --environment=env_1",
            "rhone timeline",
            "rhone logs --app app_1",
            "rhone logs --operation=op_1 -f",
            "rhone logs --environment env_1",
            "rhone deployment create --app app_1 --dir .",
            "rhone credential remove git.example.com --app app_1",
            "rhone env list --help",
            "rhone",
            "rhone up",
        ] {
            assert_eq!(filled(line), line);
        }
    }
}
