//! Files that survive a power cut: written beside, flushed, renamed, and the folder flushed. A reader sees the old content or
//! the new one, never a half; a name alone is not durable before its folder is.

use crate::error::Error;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

static NEXT: AtomicU64 = AtomicU64::new(0);

/// A name that nobody else uses at this moment, for a file beside the real one.
pub(crate) fn passing_name(stem: &str) -> String {
    format!(".{stem}.{}.{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Replaces `path` by the JSON of `content`.
pub(crate) fn write<T: Serialize>(path: &Path, content: &T) -> Result<(), Error> {
    let bytes =
        serde_json::to_vec_pretty(content).map_err(|source| Error::Malformed { path: path.to_owned(), source })?;
    replace(path, &bytes).map_err(Error::file(path))
}

/// Reads JSON; none when there is no such file.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|source| Error::Malformed { path: path.to_owned(), source }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::file(path)(error)),
    }
}

/// Flushes the names in a folder.
pub(crate) fn flush_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let stem = path.file_name().and_then(|name| name.to_str()).ok_or(io::ErrorKind::InvalidInput)?;
    let passing = folder.join(passing_name(stem));
    let mut file = File::create(&passing)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&passing, path));
    if let Err(error) = written {
        let _ = fs::remove_file(&passing);
        return Err(error);
    }
    flush_folder(folder)
}
