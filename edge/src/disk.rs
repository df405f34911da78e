//! The table on the edge's own disk: whole snapshots, and after each a journal of what was applied since. Written by one
//! thread that the applier feeds; read once, at boot. The trap: a half-written file taken for the truth, so a snapshot ends
//! with a checksum and is renamed into place, and a journal is believed only as far as its chain of digests reaches.

use crate::{
    apply::Position,
    book::{Book, Held, Key},
};
use rhone_domain::{
    digest::Digest,
    feed::{Content, Entry},
    ids::{EnvironmentId, RegionId},
    numbers::Epoch,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

/// The layout of the files; another one is not read.
const SCHEMA: u32 = 1;
/// After so many entries a journal gives way to a snapshot.
pub(crate) const JOURNAL_LIMIT: usize = 1_000;

/// The first line of a snapshot.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    schema: u32,
    region: RegionId,
    incarnation: rhone_domain::ids::Incarnation,
    seq: rhone_domain::numbers::FeedSeq,
    digest: Digest,
    count: usize,
    quarantined: BTreeMap<EnvironmentId, Epoch>,
    floors: BTreeMap<EnvironmentId, Epoch>,
}

/// What a snapshot is written from; cheap to take.
pub(crate) struct Image {
    position: Position,
    contents: Vec<Arc<str>>,
    quarantined: BTreeMap<EnvironmentId, Epoch>,
    floors: BTreeMap<EnvironmentId, Epoch>,
}

impl Image {
    /// The book as it stands; none before the first snapshot.
    pub(crate) fn of(book: &Book) -> Option<Self> {
        Some(Self {
            position: book.position?,
            contents: book.held.values().map(|held| Arc::clone(&held.text)).collect(),
            quarantined: book.quarantined.clone(),
            floors: book.floors.clone(),
        })
    }
}

/// The edge's folder of snapshots and journals.
pub(crate) struct Disk {
    folder: PathBuf,
    region: RegionId,
    number: u64,
    journal: Option<File>,
}

impl Disk {
    /// Opens the folder and reads what it holds: the newest snapshot that is whole, and the journals after it.
    pub(crate) fn open(folder: PathBuf, region: RegionId) -> io::Result<(Self, Option<Book>)> {
        fs::create_dir_all(&folder)?;
        let numbers = numbers(&folder)?;
        let newest = numbers.last().copied().unwrap_or(0);
        let mut found = None;
        for number in numbers.iter().rev().copied() {
            match read_snapshot(&snapshot_path(&folder, number), region) {
                Ok(book) => {
                    found = Some((number, book));
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    tracing::warn!(number, error = &error as &dyn std::error::Error, "a table on disk is not whole");
                }
            }
        }
        let book = found.map(|(number, mut book)| {
            for later in numbers.iter().copied().filter(|later| *later >= number) {
                replay(&journal_path(&folder, later), &mut book);
            }
            book
        });
        Ok((Self { folder, region, number: newest, journal: None }, book))
    }

    /// Appends an applied entry. Not synced: what a power cut takes is fetched again.
    pub(crate) fn append(&mut self, entry: &Entry) -> io::Result<()> {
        let Some(journal) = &mut self.journal else {
            return Ok(());
        };
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        journal.write_all(&line)
    }

    /// Writes a snapshot and begins a new journal; keeps the last two of each.
    pub(crate) fn rotate(&mut self, image: &Image) -> io::Result<()> {
        let number = self.number + 1;
        self.number = number;
        // The journal first: entries that come while the snapshot is written belong behind it.
        self.journal = Some(File::create(journal_path(&self.folder, number))?);
        write_snapshot(&self.folder, number, self.region, image)?;
        for old in numbers(&self.folder)?.into_iter().filter(|old| old + 1 < number) {
            for path in [snapshot_path(&self.folder, old), journal_path(&self.folder, old)] {
                match fs::remove_file(path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    Ok(()) | Err(_) => {}
                }
            }
        }
        Ok(())
    }

    /// Makes the journal survive a power cut.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.journal.as_ref().map_or(Ok(()), File::sync_all)
    }
}

/// Writes a file whole: aside, synced, renamed, and the folder synced.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let aside = path.with_extension("tmp");
    let mut file = File::create(&aside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&aside, path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

fn snapshot_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("table-{number:012}.snapshot"))
}

fn journal_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("table-{number:012}.journal"))
}

/// Every number that names a file, rising.
fn numbers(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for file in fs::read_dir(folder)? {
        let name = file?.file_name();
        let stem = name.to_str().and_then(|name| name.strip_prefix("table-")?.split_once('.'));
        if let Some((digits, "snapshot" | "journal")) = stem
            && let Ok(number) = digits.parse()
        {
            numbers.push(number);
        }
    }
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}

fn write_snapshot(folder: &Path, number: u64, region: RegionId, image: &Image) -> io::Result<()> {
    let header = Header {
        schema: SCHEMA,
        region,
        incarnation: image.position.incarnation,
        seq: image.position.seq,
        digest: image.position.digest,
        count: image.contents.len(),
        quarantined: image.quarantined.clone(),
        floors: image.floors.clone(),
    };
    let mut bytes = serde_json::to_vec(&header)?;
    bytes.push(b'\n');
    for content in &image.contents {
        bytes.extend_from_slice(content.len().to_string().as_bytes());
        bytes.push(b' ');
        bytes.extend_from_slice(content.as_bytes());
        bytes.push(b'\n');
    }
    let checksum = Digest::of(&[&bytes]);
    bytes.extend_from_slice(checksum.hex().as_bytes());
    write_whole(&snapshot_path(folder, number), &bytes)
}

fn read_snapshot(path: &Path, region: RegionId) -> io::Result<Book> {
    let broken = |why: &'static str| io::Error::new(io::ErrorKind::InvalidData, why);
    let text = fs::read_to_string(path)?;
    let (body, checksum) = text.split_at_checked(text.len().saturating_sub(64)).ok_or_else(|| broken("no checksum"))?;
    if Digest::of(&[body.as_bytes()]).hex() != checksum {
        return Err(broken("the checksum does not fit"));
    }
    let (header, mut rest) = body.split_once('\n').ok_or_else(|| broken("no header"))?;
    let header: Header = serde_json::from_str(header)?;
    if header.schema != SCHEMA || header.region != region {
        return Err(broken("another layout or another region"));
    }
    let mut texts = Vec::with_capacity(header.count);
    while let Some((length, after)) = rest.split_once(' ') {
        let length = length.parse::<usize>().map_err(|_| broken("no length"))?;
        let (content, after) = after.split_at_checked(length).ok_or_else(|| broken("a length beyond the end"))?;
        texts.push(content);
        rest = after.strip_prefix('\n').ok_or_else(|| broken("no line end"))?;
    }
    if texts.len() != header.count {
        return Err(broken("another count"));
    }
    Ok(Book {
        position: Some(Position { incarnation: header.incarnation, seq: header.seq, digest: header.digest }),
        held: parse(&texts)?,
        quarantined: header.quarantined,
        floors: header.floors,
    })
}

/// Reads the contents on every core there is: at boot nothing else is waiting for them.
fn parse(texts: &[&str]) -> io::Result<std::collections::HashMap<Key, Held>> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let share = texts.len().div_ceil(cores).max(1);
    let read = |texts: &[&str]| -> io::Result<Vec<(Key, Held)>> {
        let each = texts.iter().map(|text| {
            let content: Content = serde_json::from_str(text)?;
            Ok((Key::of(&content), Held { text: Arc::from(*text), content }))
        });
        each.collect()
    };
    let parts = std::thread::scope(|scope| {
        let running: Vec<_> = texts.chunks(share).map(|texts| scope.spawn(move || read(texts))).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
            thread.join().unwrap_or_else(|_| Err(io::Error::other("reading the table panicked")))
        };
        running.into_iter().map(join).collect::<io::Result<Vec<_>>>()
    })?;
    Ok(parts.into_iter().flatten().collect())
}

/// Applies a journal as far as it continues the book.
fn replay(path: &Path, book: &mut Book) {
    let Ok(text) = fs::read_to_string(path) else { return };
    for line in text.lines() {
        let Ok(entry) = serde_json::from_str::<Entry>(line) else { return };
        let Ok(content) = serde_json::from_str::<Content>(&entry.content) else { return };
        if rhone_domain::feed::chain(entry.prev, &entry.content) != entry.digest {
            return;
        }
        book.offer(&entry, &content);
    }
}

#[cfg(test)]
mod tests;
