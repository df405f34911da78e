//! Files that hold secrets or say who runs: readable by their owner only, replaced in one step. The trap avoided: half a file
//! after a crash, or two secrets for one thing; what is there is taken, and made only when it is not.

use anyhow::{Context as _, Result};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

/// Replaces the file by this value as JSON.
pub(crate) fn write(path: &Path, value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_vec_pretty(value).context("a private file is JSON")?;
    let next = path.with_extension("next");
    let write = || {
        if let Err(error) = fs::remove_file(&next)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&next)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&next, path)
    };
    write().with_context(|| format!("writing {}", path.display()))
}

/// The file's value; none when there is no file.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
    };
    serde_json::from_slice(&bytes).map(Some).with_context(|| format!("reading {}", path.display()))
}

/// Whether somebody else than its owner may read or change it.
pub(crate) fn is_open_to_others(path: &Path) -> io::Result<bool> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o077 != 0)
}

/// The file's value, made the first time.
pub(crate) fn kept<T: Serialize + DeserializeOwned>(path: &Path, make: impl FnOnce() -> T) -> Result<T> {
    if let Some(value) = read(path)? {
        return Ok(value);
    }
    let value = make();
    write(path, &value)?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    //! A private file is private, and made once.
    use super::*;

    #[test]
    fn a_secret_is_made_once_and_readable_by_its_owner_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secret.json");
        assert_eq!(kept(&path, || "first".to_owned()).expect("written"), "first");
        assert_eq!(kept(&path, || "second".to_owned()).expect("read"), "first");
        let mode = fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!is_open_to_others(&path).expect("it is there"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("ours");
        assert!(is_open_to_others(&path).expect("it is there"));
    }

    #[test]
    fn a_broken_file_is_not_taken_for_a_missing_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secret.json");
        fs::write(&path, "{").expect("written");
        assert!(kept(&path, || "another".to_owned()).is_err());
    }
}
