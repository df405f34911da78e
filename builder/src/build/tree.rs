//! Copies of folders, and folders that go. A copy holds folders, files and links, with one of two modes each; what else there is
//! (sockets, pipes, owners, times) stays behind. The trap avoided: a file that is mostly holes and fills the disk when copied.

use super::BuildError;
use std::{
    fs::{self, File, FileTimes, Permissions},
    io,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};
use tempfile::TempDir;

/// A folder that goes with everything in it, also what a build made unwritable.
pub(crate) struct Scratch(Option<TempDir>);

impl Scratch {
    pub(crate) fn beside(folder: &Path) -> io::Result<Self> {
        let made = tempfile::Builder::new().prefix(".rhone-build-").tempdir_in(folder)?;
        // The build's programs may run as another user, who has to pass through.
        fs::set_permissions(made.path(), Permissions::from_mode(0o711))?;
        Ok(Self(Some(made)))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.as_ref().expect("it is taken only when it is dropped").path()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let Some(folder) = self.0.take() else { return };
        open_up(folder.path());
        if let Err(error) = folder.close() {
            tracing::warn!(%error, "a build's folder could not be removed");
        }
    }
}

/// Removes a folder with everything in it, also what a build made unwritable, such as Go's cache of modules.
pub fn remove(folder: &Path) -> io::Result<()> {
    if fs::symlink_metadata(folder)?.is_dir() {
        open_up(folder);
    }
    fs::remove_dir_all(folder)
}

fn open_up(folder: &Path) {
    let _ = fs::set_permissions(folder, Permissions::from_mode(0o700));
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open_up(&entry.path());
        }
    }
}

/// What was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Copied {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
}

/// How to copy.
pub(crate) struct Copy {
    /// So many bytes at most.
    pub(crate) most: u64,
    /// The time that every file and folder gets, in seconds since 1970.
    pub(crate) time: Option<i64>,
}

impl Copy {
    pub(crate) fn copy(&self, from: &Path, to: &Path) -> Result<Copied, BuildError> {
        let mut copied = Copied::default();
        if fs::symlink_metadata(from)?.is_dir() {
            fs::create_dir_all(to)?;
            self.folder(from, to, &mut copied)?;
        } else {
            fs::create_dir_all(to.parent().unwrap_or(to))?;
            self.entry(from, to, &mut copied)?;
        }
        Ok(copied)
    }

    fn folder(&self, from: &Path, to: &Path, copied: &mut Copied) -> Result<(), BuildError> {
        let mut entries = fs::read_dir(from)?.collect::<io::Result<Vec<_>>>()?;
        // In order, so that a folder's own order on the disk is the same each time as well.
        entries.sort_unstable_by_key(fs::DirEntry::file_name);
        for entry in entries {
            self.entry(&entry.path(), &to.join(entry.file_name()), copied)?;
        }
        fs::set_permissions(to, Permissions::from_mode(0o755))?;
        self.date(to)
    }

    fn entry(&self, from: &Path, to: &Path, copied: &mut Copied) -> Result<(), BuildError> {
        let found = fs::symlink_metadata(from)?;
        if found.is_dir() {
            fs::create_dir_all(to)?;
            return self.folder(from, to, copied);
        }
        if found.is_symlink() {
            copied.files += 1;
            return Ok(symlink(fs::read_link(from)?, to)?);
        }
        if !found.is_file() {
            return Ok(());
        }
        copied.files += 1;
        copied.bytes += found.len();
        if copied.bytes > self.most {
            return Err(BuildError::TooLarge { bytes: self.most });
        }
        io::copy(&mut File::open(from)?, &mut File::options().write(true).create_new(true).open(to)?)?;
        let executable = found.permissions().mode() & 0o111 != 0;
        fs::set_permissions(to, Permissions::from_mode(if executable { 0o755 } else { 0o644 }))?;
        self.date(to)
    }

    fn date(&self, path: &Path) -> Result<(), BuildError> {
        let Some(time) = self.time.and_then(|time| u64::try_from(time).ok()) else { return Ok(()) };
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(time);
        Ok(File::open(path)?.set_times(FileTimes::new().set_modified(time).set_accessed(time))?)
    }
}

/// Writes a file in place of whatever has its name.
pub(crate) fn replace(path: &PathBuf, content: &[u8]) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path)?,
        Ok(_) => fs::remove_file(path)?,
        Err(_) => {}
    }
    fs::write(path, content)
}

#[cfg(test)]
mod tests {
    //! What goes.
    use super::*;

    /// Root may remove anything; for anybody else this is the difference.
    #[test]
    fn a_folder_goes_with_what_a_build_made_unwritable() {
        let room = tempfile::tempdir().unwrap();
        let (attempt, outside) = (room.path().join("attempt"), room.path().join("outside"));
        fs::create_dir_all(attempt.join("go/pkg/mod")).unwrap();
        fs::write(attempt.join("go/pkg/mod/go.mod"), "module x").unwrap();
        fs::create_dir(&outside).unwrap();
        fs::set_permissions(&outside, Permissions::from_mode(0o755)).unwrap();
        symlink(&outside, attempt.join("link")).unwrap();
        for folder in ["go/pkg/mod", "go/pkg", "go"] {
            fs::set_permissions(attempt.join(folder), Permissions::from_mode(0o555)).unwrap();
        }
        if !rustix::process::geteuid().is_root() {
            assert!(fs::remove_dir_all(&attempt).is_err(), "nothing is in the way");
        }
        remove(&attempt).expect("removed");
        assert!(!attempt.exists());
        assert_eq!(fs::metadata(&outside).unwrap().permissions().mode() & 0o777, 0o755, "a link was followed");
        assert_eq!(remove(&attempt).expect_err("it is gone").kind(), io::ErrorKind::NotFound);
    }
}
