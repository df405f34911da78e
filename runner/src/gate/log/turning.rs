//! `app.log`, turned over at a size, and `app.log.1` before it: lines as the app printed them, for whoever stands at the host.

use rhone_domain::logs::LogLine;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// The file.
pub(super) struct Turning {
    path: PathBuf,
    limit: u64,
    length: u64,
    file: File,
}

impl Turning {
    pub(super) fn open(path: &Path, limit: u64) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let length = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), limit, length, file })
    }

    pub(super) fn write(&mut self, lines: &[LogLine]) -> io::Result<()> {
        let mut text = Vec::new();
        for line in lines {
            text.extend_from_slice(line.text.as_bytes());
            text.push(b'\n');
        }
        if self.length >= self.limit {
            fs::rename(&self.path, self.path.with_extension("log.1"))?;
            self.file = OpenOptions::new().create(true).append(true).open(&self.path)?;
            self.length = 0;
        }
        self.file.write_all(&text)?;
        self.length += text.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    //! The cap holds.
    use super::*;
    use rhone_domain::logs::LogStream;

    #[test]
    fn a_log_is_turned_over_and_never_grows_beyond_two_parts() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut log = Turning::open(&folder.path().join("app.log"), 10_000).expect("a log");
        let line = LogLine { at: chrono::DateTime::UNIX_EPOCH, stream: LogStream::Stdout, text: "x".repeat(1_000) };
        for _ in 0..100 {
            log.write(std::slice::from_ref(&line)).expect("written");
        }
        let size = |name| fs::metadata(folder.path().join(name)).expect("a part").len();
        assert!(size("app.log") < 20_000 && size("app.log.1") < 20_000);
        assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 2);
    }
}
