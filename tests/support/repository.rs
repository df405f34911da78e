//! Real git repositories of a small app, as people deploy from. The trap avoided: a person's own git configuration; commits
//! are made by nobody and at a fixed time, so that the same content is the same commit.

use crate::{artifacts::Version, program};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

/// A repository with the small Python app in it.
#[derive(Debug)]
pub struct Repository {
    folder: TempDir,
}

impl Repository {
    /// With nothing committed yet.
    pub fn of_python() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/python-counter"), folder.path());
        let repository = Self { folder };
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository
    }

    /// Of the example, with nothing committed yet.
    pub fn of_the_example() -> Self {
        let repository = Self { folder: tempfile::tempdir().expect("a folder") };
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository
    }

    /// Commits a version of the example as it was built here, in the place of the one before.
    pub fn commit_example(&self, version: Version) -> String {
        self.git(&["rm", "-r", "--quiet", "--ignore-unmatch", "."]);
        copy(&program::example(version.name()), self.folder.path());
        // The commit says better where it is from.
        fs::remove_file(self.folder.path().join("rhone.source.json")).expect("the example says where it is from");
        self.commit(version.name())
    }

    /// As builders of this machine are told it.
    pub fn address(&self) -> String {
        self.folder.path().canonicalize().expect("it is there").to_str().expect("UTF-8").to_owned()
    }

    /// Where its files are.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Writes a file without committing it.
    pub fn write(&self, name: &str, content: &str) {
        fs::write(self.folder.path().join(name), content).expect("a file");
    }

    /// Commits everything as it is; its full name.
    pub fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Commits a version of the app that shows itself under that name.
    pub fn commit_version(&self, version: &str) -> String {
        self.write("version.txt", &format!("{version}\n"));
        self.commit(version)
    }

    /// Names the last commit.
    pub fn tag(&self, name: &str) {
        self.git(&["tag", name]);
    }

    fn git(&self, words: &[&str]) -> String {
        let output = Command::new("git")
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_SYSTEM", "/dev/null")])
            .envs([("GIT_AUTHOR_NAME", "Nobody"), ("GIT_AUTHOR_EMAIL", "nobody@example.com")])
            .envs([("GIT_COMMITTER_NAME", "Nobody"), ("GIT_COMMITTER_EMAIL", "nobody@example.com")])
            .envs([("GIT_AUTHOR_DATE", "2026-11-27T12:00:00Z"), ("GIT_COMMITTER_DATE", "2026-11-27T12:00:00Z")])
            .args(words)
            .output()
            .expect("git is installed");
        assert!(output.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("the example is there") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a kind").is_dir() {
            fs::create_dir_all(&target).expect("a folder");
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).expect("a file");
        }
    }
}
