//! The files of a folder that plans are read from: plain files, of a size, read through no link.

use super::PlanError;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// No such file is longer; a lock file is never read.
const MOST: u64 = 4 * 1024 * 1024;

pub(super) struct Files {
    root: PathBuf,
}

impl Files {
    pub(super) fn of(folder: &Path) -> Result<Self, PlanError> {
        fs::read_dir(folder)?;
        Ok(Self { root: folder.to_owned() })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        fs::symlink_metadata(self.root.join(name)).is_ok_and(|found| found.is_file())
    }

    pub(super) fn has_folder(&self, name: &str) -> bool {
        fs::symlink_metadata(self.root.join(name)).is_ok_and(|found| found.is_dir())
    }

    /// The file's text; none when there is no such file.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, PlanError> {
        let path = self.root.join(name);
        let found = match fs::symlink_metadata(&path) {
            Ok(found) => found,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if !found.is_file() {
            return Err(PlanError::file(name, "-", "must be a plain file"));
        }
        if found.len() > MOST {
            return Err(PlanError::file(name, "-", "must have at most 4 MiB"));
        }
        let bytes = fs::read(path)?;
        String::from_utf8(bytes).map(Some).map_err(|_| PlanError::file(name, "-", "must be UTF-8"))
    }

    /// Names in a folder of it, in order.
    pub(super) fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.root.join(folder)).into_iter().flatten().flatten();
        let mut names: Vec<_> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort_unstable();
        names
    }
}
