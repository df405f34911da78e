//! Unpacks a verified tar into a folder that appears all at once, read-only. The traps: a link made by one entry and written
//! through by the next, and a chain of links that leads outside only when the system follows it.

pub(crate) use super::entries::UnpackError;
use super::entries::{Item, classify};
use crate::durable;
use std::{
    collections::BTreeSet,
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
};

/// Unpacks `tar` as `folder`, which is not there yet.
pub(crate) fn unpack(tar: &Path, folder: &Path) -> Result<(), UnpackError> {
    let root = folder.parent().ok_or(io::ErrorKind::InvalidInput).map_err(io::Error::from)?;
    let passing = root.join(durable::passing_name("unpack"));
    let made = fill(tar, &passing).and_then(|()| Ok(fs::rename(&passing, folder)?));
    if made.is_err() {
        remove_tree(&passing)?;
    }
    made?;
    Ok(durable::flush_folder(root)?)
}

fn fill(tar: &Path, root: &Path) -> Result<(), UnpackError> {
    make_folder(root)?;
    let mut folders = BTreeSet::from([PathBuf::new()]);
    let mut links = Vec::new();
    for entry in tar::Archive::new(File::open(tar)?).entries()? {
        let mut entry = entry?;
        let (place, item) = classify(&entry)?;
        if item == Item::Nothing {
            continue;
        }
        make_parents(root, &place, &mut folders)?;
        match item {
            Item::Nothing => {}
            Item::Folder if folders.contains(&place) => {}
            Item::Folder => {
                make_folder(&root.join(&place))?;
                folders.insert(place);
            }
            Item::File(mode) => {
                let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(root.join(&place))?;
                io::copy(&mut entry, &mut file)?;
                file.set_permissions(Permissions::from_mode(mode))?;
                file.sync_all()?;
            }
            Item::Link(target) => {
                symlink(target, root.join(&place))?;
                links.push(place);
            }
        }
    }
    follow(root, &links)?;
    for place in folders.iter().rev() {
        let folder = root.join(place);
        durable::flush_folder(&folder)?;
        fs::set_permissions(folder, Permissions::from_mode(0o555))?;
    }
    Ok(())
}

/// Only folders that we made are gone through; a link in the way is refused.
fn make_parents(root: &Path, place: &Path, folders: &mut BTreeSet<PathBuf>) -> Result<(), UnpackError> {
    let mut parents: Vec<_> = place.ancestors().skip(1).collect();
    parents.reverse();
    for parent in parents {
        if !folders.contains(parent) {
            make_folder(&root.join(parent))?;
            folders.insert(parent.to_owned());
        }
    }
    Ok(())
}

fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o755).create(path)
}

/// Every link must lead to something inside, as the system follows it.
fn follow(root: &Path, links: &[PathBuf]) -> Result<(), UnpackError> {
    let inside = root.canonicalize()?;
    for place in links {
        match root.join(place).canonicalize() {
            Ok(end) if end.starts_with(&inside) => {}
            _ => {
                let rule = "a link that does not end inside of it";
                return Err(UnpackError::Refused { path: place.display().to_string(), rule });
            }
        }
    }
    Ok(())
}

/// Removes a tree of read-only folders; one that is not there is removed.
pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    let kind = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !kind.is_dir() {
        return fs::remove_file(path);
    }
    fs::set_permissions(path, Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(path)? {
        remove_tree(&entry?.path())?;
    }
    fs::remove_dir(path)
}
