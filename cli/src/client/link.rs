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
    let (way, at) = meant(root, words);
    let Some(command) = way.last() else { return Vec::new() };
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
    let own = own_words(&way, &rest);
    // Of fewer words than are needed it is this one that was left out, whatever the others look like.
    let needed = command.get_positionals().filter(|argument| argument.is_required_set()).count();
    let left_out = |(name, beginning, level): (&'static str, &str, Level)| {
        let argument = command.get_arguments().find(|argument| argument.get_id() == name)?;
        if !argument.is_required_set() {
            one_of(name)?;
        }
        let option = !argument.is_positional();
        let plain = |rest: &str| rest.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let is_one =
            |word: &str| word.strip_prefix(beginning).is_some_and(plain) || matches!(slugs(level, word), Ok(Some(_)));
        // Nothing else is called so.
        let is_id = |word: &str| word.strip_prefix(beginning).is_some_and(|rest| rest.len() == 32 && plain(rest));
        // It stands first among its command's words; a test holds that.
        let in_its_place = || own.first().is_some_and(|word| is_id(word) || (own.len() >= needed && is_one(word)));
        let said = if option { said_as_option(name) } else { in_its_place() };
        (!said).then_some(Missing { at, name, option })
    };
    NAMES.into_iter().filter_map(left_out).collect()
}

/// The way to the subcommand that is meant, and where its own words begin.
fn meant<'a>(root: &'a Command, words: &[OsString]) -> (Vec<&'a Command>, usize) {
    let (mut way, mut command, mut at, mut index) = (vec![root], root, words.len().min(1), 1);
    while let Some(word) = words.get(index).and_then(|word| word.to_str()) {
        index += 1;
        if takes_the_next(&way, word) {
            index += 1;
        } else if let Some(next) = command.find_subcommand(word) {
            way.push(next);
            (command, at) = (next, index);
        }
    }
    (way, at)
}

/// Whether it is an option whose value is the next word; an option belongs to its command or to one above.
fn takes_the_next(way: &[&Command], word: &str) -> bool {
    let called = |argument: &Arg| match word.strip_prefix("--") {
        Some(long) => argument.get_long() == Some(long),
        None => argument.get_short().is_some_and(|short| word == format!("-{short}")),
    };
    let takes = |argument: &Arg| argument.get_action().takes_values() && called(argument);
    way.iter().any(|command| command.get_arguments().any(takes))
}

/// The words that are neither options nor their values.
fn own_words<'a>(way: &[&Command], rest: &[&'a str]) -> Vec<&'a str> {
    let (mut own, mut rest) = (Vec::new(), rest.iter().copied());
    while let Some(word) = rest.next() {
        if word == "--" {
            own.extend(rest);
            break;
        }
        if takes_the_next(way, word) {
            rest.next();
        } else if !word.starts_with('-') {
            own.push(word);
        }
    }
    own
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
            ("rhone env set env_mode=on", "rhone env set env_9 env_mode=on"),
            ("rhone env import some/path/with/four", "rhone env import env_9 some/path/with/four"),
            ("rhone env import --secrets env_1", "rhone env import env_9 --secrets env_1"),
            ("rhone env set --secret A --file b/c", "rhone env set env_9 --secret A --file b/c"),
            ("rhone open --print", "rhone open env_9 --print"),
            ("rhone env list --idempotency-key env_1", "rhone env list env_9 --idempotency-key env_1"),
            ("rhone environment wake --reason env_1", "rhone environment wake env_9 --reason env_1"),
            ("rhone open --data abc/def/ghi/jkl", "rhone open env_9 --data abc/def/ghi/jkl"),
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
            "rhone env set --expected-set 3 env_1 A=b",
            "rhone env list -- env_1",
            // A word is missing, and not this one.
            "rhone env unset env_01a22390d8f272f4a191e3251698a8a3",
            "rhone env import acme/web/counter/production some/path/with/four",
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

    /// Commands whose first word is another one than the one that a link knows.
    fn misplaced(command: &Command, words: &str, found: &mut Vec<String>) {
        let known = |argument: &Arg| NAMES.iter().any(|(name, ..)| argument.get_id() == *name);
        found.extend(command.get_positionals().skip(1).filter(|argument| known(argument)).map(|_| words.to_owned()));
        for below in command.get_subcommands() {
            misplaced(below, &format!("{words} {}", below.get_name()), found);
        }
    }

    #[test]
    fn what_a_link_knows_stands_first_among_a_commands_words() {
        let misplaced = |command: &Command| {
            let mut found = Vec::new();
            misplaced(command, "rhone", &mut found);
            found
        };
        assert_eq!(misplaced(&Args::command()), Vec::<String>::new());
        let sin = Command::new("admire").args([Arg::new("key"), Arg::new("environment")]);
        assert_eq!(misplaced(&Args::command().subcommand(sin)), ["rhone admire"]);
    }
}
