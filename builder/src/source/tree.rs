//! What a commit holds, judged before it is written: how much, and where its links lead.

use super::{Limits, SourceError};
use std::{
    ffi::OsStr,
    fs, io,
    os::unix::ffi::OsStrExt as _,
    path::{Component, Path, PathBuf},
};

/// One entry of a commit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    kind: Kind,
    size: u64,
    path: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    File,
    Link,
    Submodule,
}

/// Reads what `git ls-tree -r -l -z` prints: mode, type, object, size, a tab, the path, NUL.
pub(super) fn read(listed: &[u8]) -> Result<Vec<Entry>, SourceError> {
    let malformed = || SourceError::Git { step: "ls-tree", said: "its output has another form".into() };
    let entry = |line: &[u8]| {
        let tab = line.iter().position(|byte| *byte == b'\t')?;
        let words: Vec<_> = str::from_utf8(&line[..tab]).ok()?.split_ascii_whitespace().collect();
        let [mode, _, _, size] = words[..] else { return None };
        let kind = match mode {
            "120000" => Kind::Link,
            "160000" => Kind::Submodule,
            _ => Kind::File,
        };
        let size = if kind == Kind::Submodule { 0 } else { size.parse().ok()? };
        Some(Entry { kind, size, path: PathBuf::from(OsStr::from_bytes(&line[tab + 1..])) })
    };
    let lines = listed.split(|byte| *byte == 0).filter(|line| !line.is_empty());
    lines.map(|line| entry(line).ok_or_else(malformed)).collect()
}

/// Bytes and files, when the limits allow them.
pub(super) fn weigh(entries: &[Entry], limits: &Limits) -> Result<(u64, u64), SourceError> {
    let (bytes, files) = (entries.iter().map(|entry| entry.size).sum::<u64>(), entries.len() as u64);
    if files > limits.files {
        return Err(SourceError::TooLarge { what: "files", limit: limits.files });
    }
    if bytes > limits.bytes {
        return Err(SourceError::TooLarge { what: "bytes", limit: limits.bytes });
    }
    Ok((bytes, files))
}

pub(super) fn submodules(entries: &[Entry]) -> impl Iterator<Item = String> {
    entries.iter().filter(|entry| entry.kind == Kind::Submodule).map(|entry| entry.path.display().to_string())
}

/// Every link must stay inside, by its own words and as the system follows it.
pub(super) fn check_links(root: &Path, entries: &[Entry]) -> Result<(), SourceError> {
    let root = root.canonicalize()?;
    for Entry { path, .. } in entries.iter().filter(|entry| entry.kind == Kind::Link) {
        let full = root.join(path);
        let target = match fs::read_link(&full) {
            Ok(target) => target,
            // Git writes a link as a file where the system has none; there it leads nowhere.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => continue,
            Err(error) => return Err(error.into()),
        };
        let followed = full.canonicalize().is_ok_and(|end| !end.starts_with(&root));
        if followed || !stays_inside(path, &target) {
            return Err(SourceError::LinkLeavesTree {
                path: path.display().to_string(),
                target: target.display().to_string(),
            });
        }
    }
    Ok(())
}

fn stays_inside(place: &Path, target: &Path) -> bool {
    let mut depth = place.components().count().saturating_sub(1);
    for part in target.components() {
        match part {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir if depth > 0 => depth -= 1,
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return false,
        }
    }
    true
}
