//! `rhone init`: a `rhone.toml` by looking at the folder. It asks nothing and writes over nothing. The trap avoided: a file that
//! the platform refuses later; what is written is read by the reader of artifacts first.

use crate::output::line;
use anyhow::{Context as _, Result, bail};
use clap::Args;
use rhone_providers::artifact_facts::check_rhone_toml;
use serde_json::{Value, json};
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
    /// What starts the app, word by word; looked for when omitted.
    #[arg(long, num_args = 1.., value_name = "WORD", allow_hyphen_values = true)]
    pub process: Vec<String>,
    /// The path that answers 2xx when the app is well.
    #[arg(long, default_value = "/")]
    pub health: String,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// What was found, and where.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    process: Vec<String>,
    by: String,
}

/// Writes `rhone.toml`, unless there is one.
pub(crate) fn run(how: &InitArgs) -> Result<()> {
    let path = how.folder.join("rhone.toml");
    let found = if how.process.is_empty() {
        looked_at(&how.folder)?
    } else {
        Found { process: how.process.clone(), by: "--process".to_owned() }
    };
    let text = written(&found, &how.health);
    check_rhone_toml(text.as_bytes()).context("what would be written is refused")?;
    let made = OpenOptions::new().create_new(true).write(true).open(&path);
    let mut file = match made {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            bail!("{} is there already, and is left as it is", path.display())
        }
        made => made.with_context(|| format!("making {}", path.display()))?,
    };
    file.write_all(text.as_bytes()).with_context(|| format!("writing {}", path.display()))?;
    if how.json {
        line(json!({ "file": path, "process": found.process, "health": how.health, "foundBy": found.by }));
    } else {
        line(format_args!("{}: {} ({})", path.display(), found.process.join(" "), found.by));
    }
    Ok(())
}

fn written(Found { process, by }: &Found, health: &str) -> String {
    let mut text = format!("# How this app is run. Found by looking at {by}; change what is wrong.\n");
    let _ = writeln!(text, "process = {}", json!(process));
    let _ = writeln!(text, "health = {}", json!(health));
    text.push_str("\n# Paths of WebSockets, and how long open ones may go on after another deployment took over:\n");
    text.push_str("# sockets = [\"/ws\"]\n# drain_seconds = 30\n");
    text
}

/// The first of these that says how the app is started.
fn looked_at(folder: &Path) -> Result<Found> {
    let looks = [procfile, node, python, go, cargo, program];
    let found = looks.into_iter().find_map(|look| look(folder));
    found.with_context(|| {
        format!(
            "nothing in {} says how the app is started (looked for Procfile, package.json, app.py, go.mod, Cargo.toml, one \
             program): say it, such as rhone init --process ./server",
            folder.display()
        )
    })
}

fn found(by: &str, process: &[&str]) -> Found {
    Found { process: process.iter().map(|word| (*word).to_owned()).collect(), by: by.to_owned() }
}

fn text(folder: &Path, name: &str) -> Option<String> {
    fs::read_to_string(folder.join(name)).ok()
}

/// A line `web: command`. A shell reads what only a shell understands.
fn procfile(folder: &Path) -> Option<Found> {
    let file = text(folder, "Procfile")?;
    let command = file.lines().find_map(|line| line.strip_prefix("web:"))?.trim();
    if command.is_empty() {
        return None;
    }
    if command.contains(['$', '&', '|', ';', '>', '<', '"', '\'', '`', '*', '\\', '(']) {
        return Some(found("Procfile", &["sh", "-c", &format!("exec {command}")]));
    }
    Some(found("Procfile", &command.split_whitespace().collect::<Vec<_>>()))
}

fn node(folder: &Path) -> Option<Found> {
    let file: Value = serde_json::from_str(&text(folder, "package.json")?).ok()?;
    if file["scripts"]["start"].is_string() {
        return Some(found("package.json", &["npm", "start"]));
    }
    let usual = || ["server.js", "index.js"].into_iter().find(|name| folder.join(name).is_file());
    Some(found("package.json", &["node", file["main"].as_str().or_else(usual)?]))
}

fn python(folder: &Path) -> Option<Found> {
    let one = ["app.py", "main.py", "server.py"].into_iter().find(|name| folder.join(name).is_file())?;
    Some(found(one, &["python3", one]))
}

/// The program has the name of its module's last word, as `go build` gives it.
fn go(folder: &Path) -> Option<Found> {
    let file = text(folder, "go.mod")?;
    let module = file.lines().find_map(|line| line.strip_prefix("module "))?.trim();
    let mut words = module.rsplit('/');
    let last = words.next()?;
    // A last word such as v2 is a version.
    let version =
        last.strip_prefix('v').is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()));
    Some(found("go.mod", &[&format!("./{}", if version { words.next()? } else { last })]))
}

fn cargo(folder: &Path) -> Option<Found> {
    let file = text(folder, "Cargo.toml")?;
    let package = file.split("[package]").nth(1)?.split("\n[").next()?.to_owned();
    let name = package.lines().find_map(|line| line.trim().strip_prefix("name")?.trim().strip_prefix('='))?;
    Some(found("Cargo.toml", &[&format!("./{}", name.trim().trim_matches('"'))]))
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
    Some(found(&one, &[&format!("./{one}")]))
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

    fn process(files: &[(&str, &str)]) -> String {
        looked_at(folder(files).path()).expect("it is found").process.join(" ")
    }

    #[test]
    fn what_starts_an_app_is_found_by_looking() {
        assert_eq!(process(&[("Procfile", "worker: x\nweb: ./shop serve --now\n")]), "./shop serve --now");
        assert_eq!(process(&[("Procfile", "web: ./shop -p $PORT\n")]), "sh -c exec ./shop -p $PORT");
        assert_eq!(process(&[("package.json", r#"{"scripts":{"start":"next"}}"#)]), "npm start");
        assert_eq!(process(&[("package.json", r#"{"main":"lib/web.js"}"#)]), "node lib/web.js");
        assert_eq!(process(&[("requirements.txt", "flask"), ("main.py", "")]), "python3 main.py");
        assert_eq!(process(&[("go.mod", "module example.com/acme/shop/v2\n\ngo 1.25\n")]), "./shop");
        assert_eq!(process(&[("Cargo.toml", "[package]\nname = \"shop\"\nversion = \"1\"\n")]), "./shop");
    }

    #[test]
    fn a_folder_that_says_nothing_is_refused_with_the_way_out() {
        let refused = looked_at(folder(&[("README", "")]).path()).expect_err("it says nothing");
        assert!(refused.to_string().contains("--process"), "{refused}");
    }

    #[test]
    fn it_writes_once_and_over_nothing() {
        let folder = folder(&[("app.py", "")]);
        let how = InitArgs { folder: folder.path().to_owned(), process: Vec::new(), health: "/up".into(), json: false };
        run(&how).expect("written");
        let first = text(folder.path(), "rhone.toml").expect("it is there");
        assert!(first.contains(r#"process = ["python3","app.py"]"#) && first.contains(r#"health = "/up""#), "{first}");
        assert!(run(&how).expect_err("there is one").to_string().contains("left as it is"));
        assert_eq!(text(folder.path(), "rhone.toml").as_ref(), Some(&first));
    }

    #[test]
    fn what_the_platform_would_refuse_is_not_written() {
        let folder = folder(&[("app.py", "")]);
        let how = InitArgs { folder: folder.path().to_owned(), process: Vec::new(), health: "up".into(), json: false };
        let refused = format!("{:#}", run(&how).expect_err("no path"));
        assert!(refused.contains("health"), "{refused}");
        assert!(!folder.path().join("rhone.toml").exists());
    }
}
