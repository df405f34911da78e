//! The user that an image names: by number, or by a name that its own `/etc/passwd` and `/etc/group` know. The trap avoided: a
//! name looked up on the host, where it is somebody else.

use crate::{ImageError, unpack::read};
use std::path::Path;

/// Who an app is, inside its root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    /// Its number.
    pub uid: u32,
    /// That of its group.
    pub gid: u32,
}

/// Finds the user of an unpacked image: `uid`, `name`, `uid:gid`, `name:group`.
pub fn find(root: &Path, named: &str) -> Result<User, ImageError> {
    let refused = |problem: &str| ImageError::User { named: named.to_owned(), problem: problem.to_owned() };
    let (name, group) = named.split_once(':').map_or((named, None), |(name, group)| (name, Some(group)));
    let entry = entry(root, "etc/passwd", name)?;
    let number = |entry: &Vec<String>, at: usize| entry.get(at).and_then(|number| number.parse().ok());
    let uid = match (&entry, name.parse()) {
        (_, Ok(uid)) => uid,
        (Some(entry), Err(_)) => number(entry, 2).ok_or_else(|| refused("its line in /etc/passwd has no number"))?,
        (None, Err(_)) => return Err(refused("/etc/passwd of the image does not know it")),
    };
    let gid = match group.map(|group| (group, group.parse())) {
        None => entry.as_ref().and_then(|entry| number(entry, 3)).unwrap_or(0),
        Some((_, Ok(gid))) => gid,
        Some((group, Err(_))) => self::entry(root, "etc/group", group)?
            .and_then(|entry| number(&entry, 2))
            .ok_or_else(|| refused("/etc/group of the image does not know its group"))?,
    };
    Ok(User { uid, gid })
}

/// The line of a name, or of a number, in one of the two files.
fn entry(root: &Path, file: &str, named: &str) -> Result<Option<Vec<String>>, ImageError> {
    let text = read(root, Path::new(file))?.unwrap_or_default();
    let mut lines = text.lines().map(|line| line.split(':').map(str::to_owned).collect::<Vec<_>>());
    Ok(lines
        .find(|fields| fields.first().is_some_and(|name| name == named) || fields.get(2).is_some_and(|id| id == named)))
}

#[cfg(test)]
mod tests {
    //! Names as images write them.
    use super::*;
    use std::{fs, os::unix::fs::symlink};

    #[test]
    fn a_user_is_found_by_number_and_by_the_images_own_names() {
        let root = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(root.path().join("etc")).expect("made");
        fs::create_dir_all(root.path().join("store")).expect("made");
        fs::write(root.path().join("store/passwd"), "root:x:0:0::/:/bin/sh\napp:x:777:778::/srv:\nodd:x:y:1::/:\n")
            .expect("written");
        symlink("/store/passwd", root.path().join("etc/passwd")).expect("linked");
        fs::write(root.path().join("etc/group"), "web:x:99:\n").expect("written");
        for (named, uid, gid) in [
            ("0", 0, 0),
            ("root", 0, 0),
            ("app", 777, 778),
            ("777", 777, 778),
            ("1234", 1234, 0),
            ("1234:4321", 1234, 4321),
            ("app:web", 777, 99),
            ("app:7", 777, 7),
        ] {
            assert_eq!(find(root.path(), named).expect(named), User { uid, gid }, "{named}");
        }
        for named in ["daemon", "odd", "app:daemon", "-1", "4294967296", "app:", ":7"] {
            assert_eq!(find(root.path(), named).err().map(|error| error.code()), Some("IMAGE_USER_REFUSED"), "{named}");
        }
        fs::remove_file(root.path().join("etc/passwd")).expect("removed");
        assert_eq!(find(root.path(), "7").expect("a number needs no names"), User { uid: 7, gid: 0 });
        symlink("/etc/passwd", root.path().join("etc/passwd")).expect("linked");
        assert!(find(root.path(), "app").is_err(), "a link to itself, and not the host's file");
    }
}
