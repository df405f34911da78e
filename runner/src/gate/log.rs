//! The app's output, in a file that is turned over at a size: `app.log`, and `app.log.1` before it. The trap: an app whose
//! output nobody reads stops at a full pipe, so reading goes on even when the disk is full.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};
use tokio::io::{AsyncRead, AsyncReadExt};

/// One log, shared by the app's two outputs.
#[derive(Clone)]
pub(super) struct Log(Arc<Mutex<Turning>>);

struct Turning {
    path: PathBuf,
    limit: u64,
    length: u64,
    file: File,
}

impl Log {
    pub(super) fn open(folder: &Path, limit: u64) -> io::Result<Self> {
        let path = folder.join("app.log");
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        let length = file.metadata()?.len();
        Ok(Self(Arc::new(Mutex::new(Turning { path, limit, length, file }))))
    }

    /// Writes all that comes, until its end.
    pub(super) async fn keep(self, mut output: impl AsyncRead + Unpin) {
        let mut buffer = vec![0; 8 << 10];
        while let Ok(length @ 1..) = output.read(&mut buffer).await {
            let mut turning = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if let Err(error) = turning.write(&buffer[..length]) {
                tracing::warn!(%error, "some of the app's output is lost");
            }
        }
    }
}

impl Turning {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.length >= self.limit {
            fs::rename(&self.path, self.path.with_extension("log.1"))?;
            self.file = OpenOptions::new().create(true).append(true).open(&self.path)?;
            self.length = 0;
        }
        self.file.write_all(bytes)?;
        self.length += bytes.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    //! The cap holds.
    use super::*;

    #[tokio::test]
    async fn a_log_is_turned_over_and_never_grows_beyond_two_parts() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = Log::open(folder.path(), 10_000).expect("a log");
        log.keep(&vec![b'x'; 100_000][..]).await;
        let size = |name| fs::metadata(folder.path().join(name)).expect("a part").len();
        assert!(size("app.log") < 20_000 && size("app.log.1") < 20_000);
        assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 2);
    }
}
