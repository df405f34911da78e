//! What an artifact's tar may hold: files, folders and symlinks that stay inside. Everything else is refused by name before
//! anything is written; modes lose their write and set-id bits.

use std::{
    io::{self, Read},
    path::{Component, Path, PathBuf},
};
use tar::{Entry, EntryType};

/// Why a tar is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnpackError {
    /// The disk or the format.
    #[error("the artifact could not be unpacked: {0}")]
    Io(#[from] io::Error),
    /// A rule was broken.
    #[error("the artifact holds `{path}`, {rule}")]
    Refused {
        /// Which entry.
        path: String,
        /// In words.
        rule: &'static str,
    },
}

/// One thing of an artifact.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// With its mode.
    File(u32),
    /// A folder.
    Folder,
    /// With its target.
    Link(PathBuf),
    /// Says something about the archive, not about its content.
    Nothing,
}

/// The place, relative and plain, and the thing.
pub(crate) fn classify<R: Read>(entry: &Entry<'_, R>) -> Result<(PathBuf, Item), UnpackError> {
    let path = entry.path()?.into_owned();
    let refuse = |rule| UnpackError::Refused { path: path.display().to_string(), rule };
    let kind = entry.header().entry_type();
    if kind == EntryType::XGlobalHeader {
        return Ok((PathBuf::new(), Item::Nothing));
    }
    let place = plain(&path).ok_or_else(|| refuse("which lies outside of it"))?;
    let item = if kind.is_file() {
        Item::File(entry.header().mode()? & 0o555)
    } else if kind.is_dir() {
        Item::Folder
    } else if kind.is_symlink() {
        let target = entry.link_name()?.ok_or_else(|| refuse("a link without target"))?.into_owned();
        if !stays_inside(&place, &target) {
            return Err(refuse("a link that leads outside of it"));
        }
        Item::Link(target)
    } else {
        return Err(refuse("which is neither file, folder nor symlink"));
    };
    if place.as_os_str().is_empty() && item != Item::Folder {
        return Err(refuse("which has no name"));
    }
    Ok((place, item))
}

/// The path without `.`; none when it is absolute or has a `..`.
fn plain(path: &Path) -> Option<PathBuf> {
    let mut place = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => place.push(name),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(place)
}

/// Whether a link's target, read word by word, never leaves the root. What links of links do is checked on the disk.
fn stays_inside(place: &Path, target: &Path) -> bool {
    let mut depth = place.components().count().saturating_sub(1);
    for component in target.components() {
        match component {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir if depth > 0 => depth -= 1,
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return false,
        }
    }
    true
}
