//! One `up` for each data folder, and an end to what a killed one left. The trap avoided: two of them that restart each
//! other's children; a lock on a file, held as long as the process lives, allows one.

use crate::{data::Data, processes};
use anyhow::{Context as _, Result};
use std::{
    fs::{self, File, TryLockError},
    io,
};

/// The data folder is ours until the file is dropped; none when it is somebody else's.
pub(super) fn lock(data: &Data) -> Result<Option<File>> {
    let path = data.lock();
    let opened = File::options().create(true).truncate(false).write(true).open(&path);
    let file = opened.with_context(|| format!("opening {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("locking {}", path.display())),
    }
}

/// Ends the parts that an `up` left when it was killed. Its servers are ended when ours are started on the same folders.
pub(super) async fn end_leftovers(data: &Data) {
    let ended = processes::end_leftovers(data.path()).await;
    if ended > 0 {
        tracing::warn!(ended, "an earlier `up` was killed; its parts were ended, its apps go on");
    }
    match fs::remove_file(data.report()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, path = %data.report().display(), "an old report stays");
        }
        _ => {}
    }
}
