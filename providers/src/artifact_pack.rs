//! Packs a folder into an artifact: one tar whose bytes depend on the files alone, never on who made them, when, or in which
//! order the folder lists them. The trap avoided: a link that leads out of the folder, harmless here and not on a host.

use rhone_domain::digest::Digest;
use sha2::{Digest as _, Sha256};
use std::{
    ffi::OsStr,
    fs::{self, File, Metadata},
    io::{self, Read, Write},
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::PermissionsExt,
    },
    path::{Component, Path, PathBuf},
};
use tar::{Builder, EntryType, Header};

/// What was packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packed {
    /// Of the tar's bytes.
    pub digest: Digest,
    /// Of the tar, in bytes.
    pub size: u64,
    /// Files and links; folders are not counted.
    pub files: u64,
}

/// Why a folder was not packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// Not a folder, or nothing in it.
    #[error("{} is no folder with files in it", folder.display())]
    Empty {
        /// What was given.
        folder: PathBuf,
    },
    /// A link that does not stay inside the folder.
    #[error("{}: the link to {} is refused: {rule}", path.display(), target.display())]
    Link {
        /// The link, relative to the folder.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
        /// Which rule it breaks.
        rule: &'static str,
    },
    /// A socket, pipe or device.
    #[error("{}: only files, folders and links can be packed", path.display())]
    Kind {
        /// What it is, relative to the folder.
        path: PathBuf,
    },
    /// A file that changed while it was read.
    #[error("{}: changed while it was being packed", path.display())]
    Changed {
        /// Which, relative to the folder.
        path: PathBuf,
    },
    /// A file that could not be read, or the tar that could not be written.
    #[error("could not pack {}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// Packs everything in the folder.
pub fn pack_directory(folder: &Path, out: impl Write) -> Result<Packed, PackError> {
    let root = folder.canonicalize().map_err(failed(folder))?;
    let mut paths = Vec::new();
    if root.is_dir() {
        list(&root, &mut PathBuf::new(), &mut paths)?;
    }
    if paths.is_empty() {
        return Err(PackError::Empty { folder: folder.to_owned() });
    }
    paths.sort_unstable_by(|a, b| a.as_os_str().as_bytes().cmp(b.as_os_str().as_bytes()));
    let mut packing = Packing { root, files: 0, tar: Builder::new(Counted::around(out)) };
    for path in &paths {
        packing.add(path)?;
    }
    let files = packing.files;
    let mut out = packing.tar.into_inner().map_err(failed(folder))?;
    out.flush().map_err(failed(folder))?;
    Ok(Packed { digest: Digest(out.hasher.finalize().into()), size: out.size, files })
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> PackError + use<> {
    let path = path.to_owned();
    move |source| PackError::Io { path, source }
}

/// Lists every path below the root, relative to it; links are listed and not followed.
fn list(root: &Path, below: &mut PathBuf, paths: &mut Vec<PathBuf>) -> Result<(), PackError> {
    let folder = root.join(&below);
    for entry in fs::read_dir(&folder).map_err(failed(&folder))? {
        let entry = entry.map_err(failed(&folder))?;
        below.push(entry.file_name());
        paths.push(below.clone());
        if entry.file_type().map_err(failed(below))?.is_dir() {
            list(root, below, paths)?;
        }
        below.pop();
    }
    Ok(())
}

struct Packing<W: Write> {
    root: PathBuf,
    files: u64,
    tar: Builder<Counted<W>>,
}

impl<W: Write> Packing<W> {
    fn add(&mut self, path: &Path) -> Result<(), PackError> {
        let full = self.root.join(path);
        let found = fs::symlink_metadata(&full).map_err(failed(path))?;
        if found.is_dir() {
            let mut header = header(EntryType::Directory, 0o755, 0);
            return self.tar.append_data(&mut header, path, io::empty()).map_err(failed(path));
        }
        self.files += 1;
        if found.is_symlink() {
            let target = self.target(path, &full)?;
            let mut header = header(EntryType::Symlink, 0o644, 0);
            return self.tar.append_link(&mut header, path, target).map_err(failed(path));
        }
        if !found.is_file() {
            return Err(PackError::Kind { path: path.to_owned() });
        }
        self.add_file(path, &full)
    }

    fn add_file(&mut self, path: &Path, full: &Path) -> Result<(), PackError> {
        let file = File::open(full).map_err(failed(path))?;
        let found = file.metadata().map_err(failed(path))?;
        let mut header = header(EntryType::Regular, mode(&found), found.len());
        let mut content = Exactly { file, left: found.len() };
        let appended = self.tar.append_data(&mut header, path, &mut content);
        match appended {
            Err(failure) if failure.kind() == io::ErrorKind::UnexpectedEof => {
                Err(PackError::Changed { path: path.to_owned() })
            }
            other => other.map_err(failed(path)),
        }
    }

    /// Where a link leads, when by its own text and by what is there it leads to something inside the folder.
    fn target(&self, path: &Path, full: &Path) -> Result<PathBuf, PackError> {
        let target = fs::read_link(full).map_err(failed(path))?;
        let refused = |rule| PackError::Link { path: path.to_owned(), target: target.clone(), rule };
        if target.is_absolute() {
            return Err(refused("it is absolute"));
        }
        let depth = path.components().count() - 1;
        if !stays_inside(depth, &target) {
            return Err(refused("it leads out of the folder"));
        }
        match full.canonicalize() {
            Ok(end) if end.starts_with(&self.root) => Ok(target),
            Ok(_) => Err(refused("it leads out of the folder")),
            Err(_) => Err(refused("it leads to nothing")),
        }
    }
}

fn stays_inside(depth: usize, target: &Path) -> bool {
    let mut depth = Some(depth);
    for part in target.components() {
        depth = match (depth, part) {
            (None, _) | (_, Component::RootDir | Component::Prefix(_)) => None,
            (Some(depth), Component::ParentDir) => depth.checked_sub(1),
            (Some(depth), Component::Normal(_)) => Some(depth + 1),
            (depth, Component::CurDir) => depth,
        };
    }
    depth.is_some()
}

fn mode(found: &Metadata) -> u32 {
    if found.permissions().mode() & 0o111 == 0 { 0o644 } else { 0o755 }
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

/// A file that must have exactly the length that its header says.
struct Exactly {
    file: File,
    left: u64,
}

impl Read for Exactly {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        let exact = u64::try_from(read).is_ok_and(|read| read <= self.left)
            && (read > 0 || self.left == 0 || buffer.is_empty());
        if !exact {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= read as u64;
        Ok(read)
    }
}

/// Digests and counts what passes.
struct Counted<W> {
    out: W,
    hasher: Sha256,
    size: u64,
}

impl<W> Counted<W> {
    fn around(out: W) -> Self {
        Self { out, hasher: Sha256::new(), size: 0 }
    }
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A path as a tar gives it, for comparison with names we know: without a leading `./`.
pub(crate) fn plain_name(bytes: &[u8]) -> PathBuf {
    let path = PathBuf::from(std::ffi::OsString::from_vec(bytes.to_vec()));
    path.strip_prefix(OsStr::new(".")).map(Path::to_owned).unwrap_or(path)
}

#[cfg(test)]
mod tests;
