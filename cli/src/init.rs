//! `rhone init`: a `rhone.toml` by looking at the folder. It asks nothing and writes over nothing. The trap avoided: a file that
//! the platform refuses later; what is written is read by the reader of artifacts first.

use crate::{
    args,
    client::Failure,
    output::{aside, line},
};
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use clap::{Args, CommandFactory as _};
use rhone_builder::plan::{Plan, Programs, detect};
use rhone_providers::artifact_facts::check_rhone_toml;
use serde_json::json;
use std::{
    fmt::Write as _,
    fs::{self, OpenOptions},
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

/// `rhone init`.
#[derive(Clone, Debug, Args)]
pub struct InitArgs {
    /// The app's folder.
    #[arg(default_value = ".")]
    pub folder: PathBuf,
    /// What starts the app, word by word; looked for when omitted. Every word that follows is the app's, so it is said last.
    #[arg(long, num_args = 1.., value_name = "WORD", allow_hyphen_values = true)]
    pub process: Vec<String>,
    /// The path that answers 2xx when the app is well.
    #[arg(long, default_value = "/")]
    pub health: String,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// How the app is started, and what says so.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    process: Vec<String>,
    by: Vec<String>,
    network: Network,
}

/// Whether a build of it has something to fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Network {
    Closed,
    Open,
}

/// Writes `rhone.toml`, unless there is one.
pub(crate) fn run(how: &InitArgs) -> Result<()> {
    let path = how.folder.join("rhone.toml");
    let there = || anyhow!("{} is there already, and is left as it is", path.display());
    ensure!(!path.exists(), there());
    let found = if how.process.is_empty() {
        looked_at(&how.folder)?
    } else {
        Found { process: how.process.clone(), by: vec!["--process".to_owned()], network: Network::Closed }
    };
    let text = written(&found, &how.health);
    check_rhone_toml(text.as_bytes()).map_err(|error| {
        Failure::usage(format_args!("what would be written is refused: {:#}", anyhow::Error::from(error)))
    })?;
    let made = OpenOptions::new().create_new(true).write(true).open(&path);
    let mut file = match made {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => bail!(there()),
        made => made.with_context(|| format!("making {}", path.display()))?,
    };
    file.write_all(text.as_bytes()).with_context(|| format!("writing {}", path.display()))?;
    if how.json {
        line(json!({ "file": path, "process": found.process, "health": how.health, "foundBy": found.by.join("; ") }));
    } else {
        line(format_args!("{}: {} ({})", path.display(), found.process.join(" "), found.by.join("; ")));
    }
    if let Some(word) = like_ours(&how.process) {
        aside(format_args!("`{word}` behind --process is the app's; what is meant for rhone stands before it"));
    }
    Ok(())
}

/// A word of the app's that is called as an option of ours.
fn like_ours(process: &[String]) -> Option<&str> {
    let all = args::Args::command();
    let known = [Some(&all), all.find_subcommand("init")];
    let is_ours = |word: &&str| {
        let called = word.strip_prefix("--").and_then(|word| word.split('=').next());
        let mut options = known.iter().flatten().flat_map(|command| command.get_arguments());
        called.is_some() && options.any(|option| option.get_long() == called)
    };
    process.iter().map(String::as_str).find(is_ours)
}

fn written(Found { process, by, network }: &Found, health: &str) -> String {
    let mut text = "# How this app is run; change what is wrong. Found:\n".to_owned();
    for reason in by {
        let _ = writeln!(text, "#   {reason}");
    }
    let _ = writeln!(text, "process = {}", json!(process));
    let _ = writeln!(text, "health = {}", json!(health));
    text.push_str("\n# Paths of WebSockets, and how long open ones may go on after another deployment took over:\n");
    text.push_str("# sockets = [\"/ws\"]\n# drain_seconds = 30\n");
    if *network == Network::Open {
        text.push_str(
            "\n# A build has no network unless this says so; it is for the packages.\n[build]\nnetwork = true\n",
        );
    }
    text
}

/// As a build would find it, so that what is written starts what is built; or else the one program that lies there.
fn looked_at(folder: &Path) -> Result<Found> {
    match detect(folder, &Programs::of_this_machine()) {
        Ok(plan) if plan.start.is_empty() => bail!(
            "{}: an image says itself how it is started, and needs no rhone.toml; say it, such as rhone init --process ./server",
            plan.reasons.join("; ")
        ),
        Ok(plan) => Ok(of_plan(plan)),
        Err(why) => {
            program(folder).ok_or(why).context("looking at the folder; or say it: rhone init --process ./server")
        }
    }
}

fn of_plan(plan: Plan) -> Found {
    let installs = plan.steps.iter().any(|step| step.name == "install");
    // What is said of the health would be untrue of the file that is about to say it.
    let by = plan.reasons.into_iter().filter(|reason| !reason.starts_with("health")).collect();
    Found { process: plan.start, by, network: if installs { Network::Open } else { Network::Closed } }
}

/// The only program in the folder.
fn program(folder: &Path) -> Option<Found> {
    let runs = |entry: &fs::DirEntry| {
        entry.metadata().is_ok_and(|known| known.is_file() && known.permissions().mode() & 0o111 != 0)
    };
    let mut programs = fs::read_dir(folder).ok()?.flatten().filter(runs);
    let one = programs.next()?.file_name().into_string().ok()?;
    if programs.next().is_some() {
        return None;
    }
    Some(Found {
        process: vec![format!("./{one}")],
        by: vec![format!("{one} is the one program here")],
        network: Network::Closed,
    })
}

#[cfg(test)]
mod tests {
    //! Folders as people have them.
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            fs::write(folder.path().join(name), text).expect("written");
        }
        folder
    }

    /// The sin is a look of its own: it wrote another program than the one that is built.
    #[test]
    fn what_starts_an_app_is_what_a_build_of_it_leaves() {
        let folders: [&[(&str, &str)]; 7] = [
            &[("Procfile", "worker: x\nweb: ./shop serve --now\n")],
            &[("package.json", r#"{"scripts":{"start":"node web.js"}}"#)],
            &[("package.json", r#"{"main":"web.js"}"#), ("web.js", "")],
            &[("requirements.txt", "flask\n"), ("main.py", "")],
            &[("app.py", "")],
            &[("go.mod", "module example.com/acme/shop/v2\n\ngo 1.19\n"), ("main.go", "package main\n")],
            &[("Cargo.toml", "[package]\nname = \"shop\"\nversion = \"1.0.0\"\n")],
        ];
        for files in folders {
            let folder = folder(files);
            let before = detect(folder.path(), &Programs::of_this_machine()).expect("a plan");
            let (process, health) = (Vec::new(), "/".to_owned());
            run(&InitArgs { folder: folder.path().to_owned(), process, health, json: false }).expect("written");
            let after = detect(folder.path(), &Programs::of_this_machine()).expect("a plan with what was written");
            assert_eq!((&after.start, &after.steps), (&before.start, &before.steps), "{files:?}");
            assert_eq!(after.network, before.steps.iter().any(|step| step.name == "install"), "{files:?}");
        }
    }

    #[test]
    fn a_folder_that_says_nothing_is_refused_with_the_way_out() {
        let refused = looked_at(folder(&[("README", "")]).path()).expect_err("it says nothing");
        assert!(format!("{refused:#}").contains("--process"), "{refused:#}");
    }

    #[test]
    fn it_writes_once_and_over_nothing() {
        let folder = folder(&[("app.py", "")]);
        let how = InitArgs { folder: folder.path().to_owned(), process: Vec::new(), health: "/up".into(), json: false };
        run(&how).expect("written");
        let text = || fs::read_to_string(folder.path().join("rhone.toml")).expect("it is there");
        let first = text();
        assert!(first.contains(r#"process = ["python3","app.py"]"#) && first.contains(r#"health = "/up""#), "{first}");
        assert!(run(&how).expect_err("there is one").to_string().contains("left as it is"));
        assert_eq!(text(), first);
    }

    #[test]
    fn what_the_platform_would_refuse_is_not_written() {
        let folder = folder(&[("app.py", "")]);
        let how = InitArgs { folder: folder.path().to_owned(), process: Vec::new(), health: "up".into(), json: false };
        let refused = format!("{:#}", run(&how).expect_err("no path"));
        assert!(refused.contains("health"), "{refused}");
        assert!(!folder.path().join("rhone.toml").exists());
    }

    #[test]
    fn a_word_of_the_apps_that_is_called_as_one_of_ours_is_told() {
        for (process, told) in [
            ("./server --json", Some("--json")),
            ("./server --port 80 --health=/up", Some("--health=/up")),
            ("./server --data /srv", Some("--data")),
            ("./server --port 80 json -- x", None),
        ] {
            let words: Vec<String> = process.split(' ').map(str::to_owned).collect();
            assert_eq!(like_ours(&words), told, "{process}");
        }
    }
}
