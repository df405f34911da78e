//! The folder that becomes a root, and the way of paths inside it: `/` is the folder, `..` at its top stays there, and a link
//! leads where it would lead if the folder were the root. Nobody else writes into it meanwhile.

use crate::ImageError;
use std::{
    collections::{BTreeSet, VecDeque},
    ffi::{OsStr, OsString},
    fs::{self, DirBuilder, Metadata, Permissions},
    io,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Component, Path, PathBuf},
};

/// No path leads through more links.
const LINKS: u32 = 40;

pub(super) struct Root {
    root: PathBuf,
}

impl Root {
    pub(super) fn of(folder: &Path) -> io::Result<Self> {
        Ok(Self { root: folder.canonicalize()? })
    }

    /// The folder of an entry, made where it is missing, and its name in it; none for the root itself.
    pub(super) fn place(&self, path: &Path) -> Result<Option<(PathBuf, OsString)>, ImageError> {
        let refused = |rule| ImageError::Entry { path: path.display().to_string(), rule };
        let mut names = Vec::new();
        for part in path.components() {
            match part {
                Component::Normal(name) => names.push(name),
                Component::CurDir | Component::RootDir => {}
                Component::ParentDir => return Err(refused("a path must not contain `..`")),
                Component::Prefix(_) => return Err(refused("a path must be one of Linux")),
            }
        }
        let Some(name) = names.pop() else { return Ok(None) };
        let folder = self.walk(&names.iter().collect::<PathBuf>())?;
        Ok(Some((folder.ok_or_else(|| refused("its folder is something else"))?, name.to_owned())))
    }

    /// The folder that a path leads to, made where there is nothing; none when something else is in the way.
    fn walk(&self, path: &Path) -> Result<Option<PathBuf>, ImageError> {
        let mut open: VecDeque<OsString> = parts(path);
        let (mut at, mut links) = (self.root.clone(), 0);
        while let Some(name) = open.pop_front() {
            if name == ".." {
                if at != self.root {
                    at.pop();
                }
                continue;
            }
            let next = at.join(&name);
            match look(&next)? {
                None => {
                    DirBuilder::new().mode(0o755).create(&next)?;
                    at = next;
                }
                Some(found) if found.is_symlink() => {
                    links += 1;
                    if links > LINKS {
                        let rule = "it leads through too many links";
                        return Err(ImageError::Entry { path: path.display().to_string(), rule });
                    }
                    let target = fs::read_link(&next)?;
                    if target.is_absolute() {
                        at.clone_from(&self.root);
                    }
                    for part in parts(&target).into_iter().rev() {
                        open.push_front(part);
                    }
                }
                Some(found) if found.is_dir() => at = next,
                Some(_) => return Ok(None),
            }
        }
        Ok(Some(at))
    }

    /// The file that a path leads to, through every link; none when there is none.
    pub(super) fn file(&self, path: &Path) -> Result<Option<PathBuf>, ImageError> {
        let mut path = path.to_owned();
        for _ in 0..LINKS {
            let Some((folder, name)) = self.place(&path)? else { return Ok(None) };
            let found = folder.join(name);
            match look(&found)? {
                Some(link) if link.is_symlink() => {
                    let inside = folder.strip_prefix(&self.root).unwrap_or(Path::new(""));
                    // An absolute target takes the place of the folder.
                    path = inside.join(fs::read_link(found)?);
                }
                Some(file) if file.is_file() => return Ok(Some(found)),
                Some(_) | None => return Ok(None),
            }
        }
        Ok(None)
    }

    /// A second name of a file that is there. Through links it is another name of what they lead to, and of nothing outside.
    pub(super) fn hard_link(&self, target: &Path, place: &Path) -> Result<(), ImageError> {
        let refused = || ImageError::Entry {
            path: place.strip_prefix(&self.root).unwrap_or(place).display().to_string(),
            rule: "a hard link must lead to a file of the image",
        };
        let (folder, name) = self.place(target)?.ok_or_else(refused)?;
        let target = folder.join(name);
        let found = look(&target)?.ok_or_else(refused)?;
        if target == place {
            return Ok(());
        }
        if found.is_dir() {
            return Err(refused());
        }
        remove(place)?;
        // The link itself is linked, and not what it leads to.
        Ok(fs::hard_link(target, place)?)
    }
}

#[cfg(test)]
impl Root {
    /// What the path would show if this were the root and its last name no link.
    pub(super) fn find(&self, path: &str) -> Option<PathBuf> {
        let (folder, name) = self.place(Path::new(path)).expect("it can be followed")?;
        Some(folder.join(name)).filter(|found| fs::symlink_metadata(found).is_ok())
    }
}

/// Makes a folder, or takes the one that a lower layer has; anything else there goes.
pub(super) fn folder(place: &Path, permissions: u32) -> io::Result<()> {
    if !look(place)?.is_some_and(|found| found.is_dir()) {
        remove(place)?;
        DirBuilder::new().mode(0o755).create(place)?;
    }
    fs::set_permissions(place, Permissions::from_mode(permissions | 0o700))
}

/// Something of a lower layer is gone.
pub(super) fn whiteout(folder: &Path, name: &str, path: &Path) -> Result<(), ImageError> {
    if name.is_empty() || name == "." || name == ".." || name.starts_with(super::WHITEOUT) {
        let rule = "a whiteout must name something in its folder";
        return Err(ImageError::Entry { path: path.display().to_string(), rule });
    }
    Ok(remove(&folder.join(OsStr::new(name)))?)
}

/// Everything in a folder that lower layers made is gone; what this layer made stays, whichever came first.
pub(super) fn clear(folder: &Path, made: &BTreeSet<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if !made.contains(&path) {
            remove(&path)?;
        } else if look(&path)?.is_some_and(|found| found.is_dir()) {
            clear(&path, made)?;
        }
    }
    Ok(())
}

fn parts(path: &Path) -> VecDeque<OsString> {
    let part = |part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::CurDir | Component::RootDir | Component::Prefix(_) => None,
    };
    path.components().filter_map(part).collect()
}

fn look(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removes whatever is there, also folders that nobody may write into; nothing is removed too.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match look(path)? {
        None => Ok(()),
        Some(found) if !found.is_dir() => fs::remove_file(path),
        Some(_) => {
            fs::set_permissions(path, Permissions::from_mode(0o700))?;
            for entry in fs::read_dir(path)? {
                remove(&entry?.path())?;
            }
            fs::remove_dir(path)
        }
    }
}
