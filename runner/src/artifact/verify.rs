//! Whether what is about to be executed is what was ordered: the kept tar has the digest, and the folder holds exactly what
//! the tar does. The trap: a sound archive beside a changed folder.

use super::entries::{Item, classify};
use rhone_domain::digest::Digest;
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeSet,
    fs::{self, File, Metadata},
    io::{self, BufReader, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// Compares tar, folder and digest; the error says in a sentence what differs.
pub(crate) fn verify(tar: &Path, folder: &Path, digest: Digest) -> Result<Digest, String> {
    let computed = digest_of(tar).map_err(|error| format!("the kept artifact cannot be read: {error}"))?;
    if computed != digest {
        return Err(format!("the kept artifact has digest {computed}, ordered was {digest}"));
    }
    compare(tar, folder)?;
    Ok(computed)
}

/// The digest of a file's bytes.
pub(crate) fn digest_of(path: &Path) -> io::Result<Digest> {
    let mut file = File::open(path)?;
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 1 << 18]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(Digest(hasher.finalize().into())),
            length => hasher.update(&buffer[..length]),
        }
    }
}

/// Whether the folder holds what the tar does, and nothing else.
pub(crate) fn compare(tar: &Path, folder: &Path) -> Result<(), String> {
    let unreadable = |error: io::Error| format!("the artifact cannot be compared: {error}");
    let mut expected = BTreeSet::new();
    let mut archive = tar::Archive::new(BufReader::with_capacity(1 << 18, File::open(tar).map_err(unreadable)?));
    for entry in archive.entries().map_err(unreadable)? {
        let mut entry = entry.map_err(unreadable)?;
        let (place, item) = classify(&entry).map_err(|refusal| refusal.to_string())?;
        let path = folder.join(&place);
        let same = fs::symlink_metadata(&path).is_ok_and(|found| match item {
            Item::Nothing => true,
            Item::Folder => found.is_dir(),
            Item::Link(target) => fs::read_link(&path).is_ok_and(|is| is == target),
            Item::File(mode) => {
                found.is_file() && mode_of(&found) == mode && same_bytes(&mut entry, &path, found.len())
            }
        });
        if !same {
            return Err(format!("`{}` is not what the artifact holds", place.display()));
        }
        expected.extend(place.ancestors().map(Path::to_owned));
    }
    nothing_else(folder, Path::new(""), &expected)
}

fn mode_of(found: &Metadata) -> u32 {
    found.permissions().mode() & 0o7777
}

fn same_bytes<R: Read>(entry: &mut tar::Entry<'_, R>, path: &Path, length: u64) -> bool {
    let Ok(mut file) = File::open(path) else { return false };
    if entry.size() != length {
        return false;
    }
    let (mut wanted, mut found) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let Ok(part) = entry.read(&mut wanted) else { return false };
        if part == 0 {
            return true;
        }
        if file.read_exact(&mut found[..part]).is_err() || wanted[..part] != found[..part] {
            return false;
        }
    }
}

fn nothing_else(root: &Path, at: &Path, expected: &BTreeSet<PathBuf>) -> Result<(), String> {
    let unreadable = |error: io::Error| format!("`{}` cannot be listed: {error}", at.display());
    for entry in fs::read_dir(root.join(at)).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let place = at.join(entry.file_name());
        if !expected.contains(&place) {
            return Err(format!("`{}` is no part of the artifact", place.display()));
        }
        if entry.file_type().map_err(unreadable)?.is_dir() {
            nothing_else(root, &place, expected)?;
        }
    }
    Ok(())
}
