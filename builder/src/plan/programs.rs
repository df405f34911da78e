//! What of this machine's programs decides a plan. The trap avoided: a plan that differs because of a program that happens to be
//! there; both are asked for by the repository, and are refused by name where they are missing.

use std::{
    env,
    ffi::OsString,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

/// Where programs are looked for.
#[derive(Clone, Debug)]
pub struct Programs {
    /// Inside the sandbox.
    builds: OsString,
    /// Outside: the worker's own.
    own: OsString,
}

impl Programs {
    /// Where builds look, and where this process does.
    pub fn of_this_machine() -> Self {
        Self { builds: crate::sandbox::PATH.into(), own: env::var_os("PATH").unwrap_or_default() }
    }

    /// In these folders, which are written like a `PATH`, and nowhere else.
    pub fn on(path: impl Into<OsString>) -> Self {
        let own = path.into();
        Self { builds: own.clone(), own }
    }

    pub(super) fn has_buildah(&self) -> bool {
        find(&self.builds, "buildah").is_some()
    }

    /// A single file, which may lie in somebody's home and is brought into the sandbox.
    pub(super) fn railpack(&self) -> Option<PathBuf> {
        find(&self.own, "railpack")
    }
}

fn find(path: &OsString, name: &str) -> Option<PathBuf> {
    let runs = |place: &Path| place.metadata().is_ok_and(|at| at.is_file() && at.permissions().mode() & 0o111 != 0);
    let folders = env::split_paths(path).filter(|folder| folder.is_absolute());
    folders.map(|folder| folder.join(name)).find(|place| runs(place))?.canonicalize().ok()
}
