//! Lines of one allocation on disk, until the control plane took them: files named by the number of their first line. The gate
//! writes `.open` and closes it to `.chunk`; the agent takes a chunk over as `.sending` and removes it once it was taken; what
//! waits for too long the gate drops, the oldest first, and leaves a line in its place. Every step is one rename, so that each
//! of the two may die at any line. The traps avoided: numbers that begin anew after a crash, so that new lines would be taken
//! for old ones; and a disk that fills up while nobody takes anything.

use crate::error::Error;
use rhone_domain::logs::{CHUNK_BYTES, CHUNK_LINES, LogLine, LogStream};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

const OPEN: &str = "open";
const CHUNK: &str = "chunk";
const SENDING: &str = "sending";
const DROPPING: &str = "dropping";

/// The lines that are being written.
#[derive(Debug)]
pub(crate) struct Writing {
    folder: PathBuf,
    first: u64,
    lines: u64,
    bytes: u64,
    file: File,
}

impl Writing {
    /// Goes on where the gate before us was lost. Only one may write at a time: whoever holds the gate's lock.
    pub(crate) fn resume(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        // What was about to be dropped is still there.
        for (first, path) in numbered(folder, DROPPING)? {
            fs::rename(path, named(folder, first, CHUNK))?;
        }
        let mut open = numbered(folder, OPEN)?;
        let Some((first, last)) = open.pop() else {
            let next = next_after(folder)?;
            return Self::create(folder, next);
        };
        for (first, path) in open {
            close(folder, first, &path)?;
        }
        let text = fs::read(&last)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let file = OpenOptions::new().append(true).open(&last)?;
        // A line that was cut off by our predecessor's death is none.
        file.set_len(whole as u64)?;
        let lines = count(&text[..whole]);
        Ok(Self { folder: folder.to_owned(), first, lines, bytes: whole as u64, file })
    }

    fn create(folder: &Path, first: u64) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(named(folder, first, OPEN))?;
        Ok(Self { folder: folder.to_owned(), first, lines: 0, bytes: 0, file })
    }

    /// Whether nothing waits to be closed.
    pub(crate) fn is_empty(&self) -> bool {
        self.lines == 0
    }

    /// Writes lines, and closes every chunk that is full.
    pub(crate) fn write(&mut self, lines: &[LogLine]) -> io::Result<()> {
        let (mut text, mut some) = (Vec::new(), 0);
        for (index, line) in lines.iter().enumerate() {
            serde_json::to_writer(&mut text, line)?;
            text.push(b'\n');
            some += 1;
            let is_last = index + 1 == lines.len();
            let full = |bytes: u64, lines: u64| bytes >= CHUNK_BYTES as u64 || lines >= CHUNK_LINES as u64;
            let full = full(self.bytes + text.len() as u64, self.lines + some);
            if full || is_last {
                if let Err(error) = self.file.write_all(&text) {
                    // Half a line would take the next one with it.
                    let _ = self.file.set_len(self.bytes);
                    return Err(error);
                }
                self.lines += some;
                self.bytes += text.len() as u64;
                (text, some) = (Vec::new(), 0);
            }
            if full {
                self.close()?;
            }
        }
        Ok(())
    }

    /// Hands over what was written. The next file is there first: a number is never given twice.
    pub(crate) fn close(&mut self) -> io::Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        let next = Self::create(&self.folder, self.first + self.lines)?;
        close(&self.folder, self.first, &named(&self.folder, self.first, OPEN))?;
        *self = next;
        Ok(())
    }

    /// Drops the oldest chunks beyond so many bytes, and says so in their place.
    pub(crate) fn keep_within(&self, limit: u64) -> io::Result<()> {
        let size = |path: &Path| fs::metadata(path).map_or(0, |found| found.len());
        let waiting: Vec<_> =
            numbered(&self.folder, CHUNK)?.into_iter().map(|(n, path)| (n, size(&path), path)).collect();
        let mut bytes: u64 = waiting.iter().map(|(_, size, _)| size).sum();
        if bytes <= limit {
            return Ok(());
        }
        let (mut dropped, mut claimed, mut last) = (0, Vec::new(), None);
        for (first, size, path) in waiting {
            if bytes <= limit / 4 * 3 {
                break;
            }
            let claim = named(&self.folder, first, DROPPING);
            match fs::rename(&path, &claim) {
                Ok(()) => {}
                // The agent was faster.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            }
            bytes -= size;
            let lines = read(&claim)?;
            dropped += lines.iter().map(meant).sum::<u64>();
            last = lines.last().map(|line| line.at).or(last);
            claimed.push((first, claim));
        }
        let (Some((first, _)), Some(at)) = (claimed.first(), last) else { return Ok(()) };
        let text = format!("{dropped} lines were dropped here: the control plane did not take them in time");
        let line = LogLine { at, stream: LogStream::Rhone, text };
        let passing = self.folder.join("dropped.new");
        fs::write(&passing, format!("{}\n", serde_json::to_string(&line)?))?;
        fs::rename(&passing, named(&self.folder, *first, CHUNK))?;
        claimed.iter().try_for_each(|(_, claim)| fs::remove_file(claim))
    }
}

/// Closes what a gate left behind that will not be started again. The caller holds the gate's lock.
pub(crate) fn close_left(folder: &Path) -> io::Result<()> {
    if folder.exists() { Writing::resume(folder)?.close() } else { Ok(()) }
}

/// The oldest chunks that wait, taken over, each with the number of its first line.
pub(crate) fn take_over(folder: &Path, most: usize) -> Result<Vec<(u64, PathBuf)>, Error> {
    let list = |extension| numbered(folder, extension).map_err(Error::file(folder));
    // Those of an agent before us first: their numbers are lower.
    let mut taken = list(SENDING)?;
    taken.truncate(most);
    for (first, path) in list(CHUNK)?.into_iter().take(most - taken.len()) {
        let sending = named(folder, first, SENDING);
        match fs::rename(&path, &sending) {
            Ok(()) => taken.push((first, sending)),
            // The gate drops it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::file(&path)(error)),
        }
    }
    taken.sort_unstable();
    Ok(taken)
}

/// The lines of a file; one that says nothing is lost.
pub(crate) fn read(path: &Path) -> io::Result<Vec<LogLine>> {
    let text = fs::read(path)?;
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let readable = |line: &[u8]| match serde_json::from_slice(line) {
        Ok(line) => line,
        // The number of every line after it counts on it.
        Err(error) => LogLine {
            at: chrono::DateTime::UNIX_EPOCH,
            stream: LogStream::Rhone,
            text: format!("1 lines were dropped here: it cannot be read ({error})"),
        },
    };
    Ok(lines.map(readable).collect())
}

/// How many lines a line stands for: those that were dropped before, or itself.
fn meant(line: &LogLine) -> u64 {
    let dropped = || line.text.strip_suffix("in time")?.split_once(" lines were dropped here: ")?.0.parse().ok();
    if line.stream == LogStream::Rhone { dropped().unwrap_or(1) } else { 1 }
}

fn close(folder: &Path, first: u64, path: &Path) -> io::Result<()> {
    if fs::metadata(path)?.len() == 0 {
        return fs::remove_file(path);
    }
    fs::rename(path, named(folder, first, CHUNK))
}

/// Behind every line that is there, whoever has it.
fn next_after(folder: &Path) -> io::Result<u64> {
    let mut next = 0;
    for extension in [CHUNK, SENDING] {
        if let Some((first, path)) = numbered(folder, extension)?.last() {
            next = next.max(first + count(&fs::read(path)?));
        }
    }
    Ok(next)
}

fn count(text: &[u8]) -> u64 {
    (text.split(|byte| *byte == b'\n').count() - 1) as u64
}

fn named(folder: &Path, first: u64, extension: &str) -> PathBuf {
    folder.join(format!("{first:020}.{extension}"))
}

/// The files of one kind, in the order of their numbers; none when there is no folder.
fn numbered(folder: &Path, extension: &str) -> io::Result<Vec<(u64, PathBuf)>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
        if let Some(first) = stem.filter(|_| path.extension().is_some_and(|found| found == extension)) {
            found.push((first, path));
        }
    }
    found.sort_unstable();
    Ok(found)
}

#[cfg(test)]
mod tests;
