//! `manifest.json`: what a backup holds, each part with its sha256, and what the log came to. Written last, so that a backup
//! that did not end has none. The trap avoided: a part that was changed on the way and is noticed in the middle of a restore;
//! everything is compared before anything is touched, and what differs is named.

use super::{artifacts, database::Snapshot, facts::LogFacts};
use anyhow::{Context as _, Result, bail, ensure};
use chrono::{DateTime, Utc};
use rhone_domain::{digest::Digest, ids::EnvironmentId, numbers::Epoch};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

/// Its name in the folder.
const NAME: &str = "manifest.json";
/// PostgreSQL's own custom format.
pub(super) const DATABASE: &str = "database.dump";
/// The keys, sealed in age's format.
pub(super) const KEYS: &str = "keys.age";
/// Another one is not read.
const FORMAT: u32 = 1;

/// The manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    format: u32,
    /// The program that made it.
    pub(super) program: String,
    pub(super) made_at: DateTime<Utc>,
    /// The last migration of the database.
    pub(super) migration: i64,
    /// Who owned what no role of ours owns.
    pub(super) administrator: String,
    pub(super) log: LogFacts,
    /// What edges had been told at least.
    pub(super) epochs: BTreeMap<EnvironmentId, Epoch>,
    /// By their file's name.
    parts: BTreeMap<String, Part>,
    /// Sizes of the artifacts, below `artifacts/`.
    pub(super) artifacts: BTreeMap<Digest, u64>,
    /// Registered artifacts whose bytes the store did not have.
    pub(super) absent: BTreeSet<Digest>,
}

/// A file of the backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Part {
    sha256: Digest,
    size: u64,
}

impl Manifest {
    pub(super) fn new(
        made_at: DateTime<Utc>,
        snapshot: Snapshot,
        artifacts: BTreeMap<Digest, u64>,
        absent: BTreeSet<Digest>,
    ) -> Self {
        let Snapshot { migration, administrator, log, epochs, .. } = snapshot;
        let (format, program) = (FORMAT, env!("CARGO_PKG_VERSION").to_owned());
        Self {
            format,
            program,
            made_at,
            migration,
            administrator,
            log,
            epochs,
            parts: BTreeMap::new(),
            artifacts,
            absent,
        }
    }

    /// Names a file that is there.
    pub(super) fn add(&mut self, folder: &Path, name: &str) -> Result<()> {
        self.parts.insert(name.to_owned(), Part::of(&folder.join(name))?);
        Ok(())
    }

    /// All of it but the keys, which hold this: whoever changes it without them is noticed.
    pub(super) fn bound(&self) -> Digest {
        let mut rest = self.clone();
        rest.parts.remove(KEYS);
        let text = serde_json::to_vec(&rest).expect("a manifest is JSON");
        Digest::of(&[&text])
    }

    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(NAME);
        let write = || {
            let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path)?;
            file.write_all(&serde_json::to_vec_pretty(self)?)?;
            file.sync_all()?;
            // The names too must outlive the power.
            File::open(folder)?.sync_all()
        };
        write().with_context(|| format!("writing {}", path.display()))
    }

    /// As it was written; nothing is compared yet.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(NAME);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                bail!("{} is missing: this is no backup, or one that did not end", path.display())
            }
            read => read.with_context(|| format!("reading {}", path.display()))?,
        };
        let manifest: Self = serde_json::from_slice(&bytes).with_context(|| format!("reading {}", path.display()))?;
        ensure!(manifest.format == FORMAT, "{} has format {}; known is {FORMAT}", path.display(), manifest.format);
        let known = rhone_migrations::MIGRATOR.iter().map(|known| known.version).max().unwrap_or_default();
        let newer = manifest.migration > known;
        ensure!(!newer, "the backup was made by a newer program, {}: restore it with that one", manifest.program);
        Ok(manifest)
    }

    /// Compares every part and every artifact.
    pub(super) async fn compare(&self, folder: &Path) -> Result<()> {
        for name in [DATABASE, KEYS] {
            ensure!(self.parts.contains_key(name), "{NAME} names no {name}");
        }
        for (name, part) in &self.parts {
            ensure!([DATABASE, KEYS].contains(&name.as_str()), "{NAME} names {name}, which is no part of a backup");
            let found = Part::of(&folder.join(name))?;
            ensure!(found == *part, "{name} is damaged: it has {}, the manifest says {}", found.sha256, part.sha256);
        }
        artifacts::compare(&artifacts::below(folder)?, &self.artifacts).await
    }
}

impl Part {
    fn of(path: &Path) -> Result<Self> {
        let doing = || format!("reading {}", path.display());
        let mut file = File::open(path).with_context(doing)?;
        let mut hasher = Sha256::new();
        let size = io::copy(&mut file, &mut hasher).with_context(doing)?;
        Ok(Self { sha256: Digest(hasher.finalize().into()), size })
    }
}

#[cfg(test)]
mod tests;
