//! The repository that the story deploys from: a real one, with a commit for each version of the example. The trap avoided: the
//! person's own git configuration, which signs, or asks who they are.

use anyhow::{Context as _, Result, ensure};
use std::{fs, path::Path, process::Command};
use tempfile::TempDir;

/// A repository in a folder of its own, which goes with the story.
pub(super) struct Source(TempDir);

impl Source {
    pub(super) fn begin() -> Result<Self> {
        let source = Self(tempfile::tempdir().context("making a folder for the repository")?);
        source.git(&["init", "--quiet"])?;
        Ok(source)
    }

    /// As builders of this machine are told it.
    pub(super) fn address(&self) -> String {
        self.0.path().display().to_string()
    }

    /// Commits a laid-out version of the example; the commit's name.
    pub(super) fn commit(&self, example: &Path, version: &str) -> Result<String> {
        self.git(&["rm", "-r", "--quiet", "--ignore-unmatch", "."])?;
        let doing = || format!("copying {} (`./dev build` lays it out)", example.display());
        copy(example, self.0.path()).with_context(doing)?;
        self.git(&["add", "--all", "--force"])?;
        self.git(&["commit", "--quiet", "--allow-empty", "--message", version])?;
        self.git(&["rev-parse", "HEAD"])
    }

    fn git(&self, words: &[&str]) -> Result<String> {
        let output = Command::new("git")
            .current_dir(self.0.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_SYSTEM", "/dev/null")])
            .args(["-c", "user.name=Rhone", "-c", "user.email=demo@rhone.invalid"])
            .args(words)
            .output()
            .context("starting git; is it installed?")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "git {}: {said}", words.join(" "));
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

/// Everything but what says where the example was packed from: the commit says it better.
fn copy(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let entry = entry?;
        let (name, target) = (entry.file_name(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            fs::create_dir_all(&target)?;
            copy(&entry.path(), &target)?;
        } else if name != "rhone.source.json" {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
