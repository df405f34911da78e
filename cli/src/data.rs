//! The data folder and what lies where in it. The trap avoided: a folder that PostgreSQL's own user cannot enter, so it is
//! made enterable, and what is secret in it is closed file by file.

use anyhow::{Context as _, Result};
use std::{
    fs::{self, DirBuilder},
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

/// The data folder.
#[derive(Clone, Debug)]
pub struct Data(PathBuf);

impl Data {
    /// The folder at this path; it need not be there.
    pub fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Makes it if need be, and names it from the root.
    pub fn created(&self) -> Result<Self> {
        folder(&self.0)?;
        let path = self.0.canonicalize().with_context(|| format!("finding {}", self.0.display()))?;
        Ok(Self(path))
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// What every part is configured by.
    pub fn config(&self) -> PathBuf {
        self.0.join("rhone.json")
    }

    /// What runs at the moment; see [`crate::Report`].
    pub fn report(&self) -> PathBuf {
        self.0.join("up.json")
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.0.join("up.lock")
    }

    pub(crate) fn roles(&self) -> PathBuf {
        self.0.join("roles.json")
    }

    pub(crate) fn keys(&self) -> PathBuf {
        self.0.join("keys.json")
    }

    /// The vault's key-encryption keys.
    pub(crate) fn vault_keys(&self) -> PathBuf {
        self.0.join("vault-keys.json")
    }

    pub(crate) fn tokens(&self) -> PathBuf {
        self.0.join("tokens.json")
    }

    pub(crate) fn ports(&self) -> PathBuf {
        self.0.join("ports.json")
    }

    pub(crate) fn artifacts(&self) -> PathBuf {
        self.0.join("artifacts")
    }

    pub(crate) fn postgres(&self) -> PathBuf {
        self.0.join("postgres")
    }

    pub(crate) fn nats(&self) -> PathBuf {
        self.0.join("nats")
    }

    pub(crate) fn edge(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn runner(&self) -> PathBuf {
        self.0.join("runner")
    }

    pub(crate) fn log(&self, part: &str) -> Result<PathBuf> {
        let logs = self.0.join("logs");
        folder(&logs)?;
        Ok(logs.join(format!("{part}.log")))
    }
}

/// Closes to everybody else what only the parts themselves enter; makes it if need be.
pub(crate) fn close(folders: &[PathBuf]) -> Result<()> {
    for path in folders {
        folder(path)?;
        let closed = fs::set_permissions(path, fs::Permissions::from_mode(0o700));
        closed.with_context(|| format!("closing {} to others", path.display()))?;
    }
    Ok(())
}

fn folder(path: &Path) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o711).create(path);
    made.with_context(|| format!("making {}", path.display()))
}
