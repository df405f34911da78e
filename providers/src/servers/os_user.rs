//! The user PostgreSQL runs as when we are root. The trap avoided: a data folder below a folder that user cannot enter,
//! which PostgreSQL reports as if the data were gone.

use super::error::{ServerError, during};
use std::{
    fs,
    os::unix::fs::{MetadataExt, chown},
    path::Path,
};

/// A user and its first group.
#[derive(Clone, Copy, Debug)]
pub(super) struct OsUser {
    /// User id.
    pub(super) uid: u32,
    /// Group id.
    pub(super) gid: u32,
}

/// The user `postgres` when we are root; none when we are an ordinary user and run it ourselves.
pub(super) fn for_postgres() -> Result<Option<OsUser>, ServerError> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let accounts = fs::read_to_string("/etc/passwd").map_err(during("read", "/etc/passwd"))?;
    accounts.lines().find_map(account_of_postgres).map(Some).ok_or(ServerError::NoOsUser)
}

fn account_of_postgres(line: &str) -> Option<OsUser> {
    let mut fields = line.strip_prefix("postgres:")?.split(':').skip(1);
    Some(OsUser { uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()? })
}

impl OsUser {
    /// Makes the file or folder this user's.
    pub(super) fn take(self, path: &Path) -> Result<(), ServerError> {
        chown(path, Some(self.uid), Some(self.gid)).map_err(during("change the owner of", path))
    }

    /// Checks that this user can reach the folder: every parent, the outermost first.
    pub(super) fn can_reach(self, folder: &Path) -> Result<(), ServerError> {
        let parents: Vec<&Path> = folder.ancestors().collect();
        for parent in parents.into_iter().rev() {
            let found = fs::metadata(parent).map_err(during("look at", parent))?;
            if !self.may_enter(found.uid(), found.gid(), found.mode()) {
                return Err(ServerError::Untraversable { folder: parent.to_owned() });
            }
        }
        Ok(())
    }

    fn may_enter(self, uid: u32, gid: u32, mode: u32) -> bool {
        let bit = if uid == self.uid {
            0o100
        } else if gid == self.gid {
            0o010
        } else {
            0o001
        };
        mode & bit != 0
    }
}

#[cfg(test)]
mod tests {
    //! Accounts and permissions as Debian writes them.
    use super::*;

    #[test]
    fn the_account_is_found_among_others() {
        let line = "postgres:x:101:104:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/bash";
        let user = account_of_postgres(line).expect("the line is an account");
        assert_eq!((user.uid, user.gid), (101, 104));
        assert!(account_of_postgres("postgres2:x:7:7::/:/bin/sh").is_none());
    }

    #[test]
    fn a_folder_that_is_closed_to_others_is_not_entered() {
        let user = OsUser { uid: 101, gid: 104 };
        assert!(user.may_enter(0, 0, 0o40711));
        assert!(!user.may_enter(0, 0, 0o40700));
        assert!(user.may_enter(101, 0, 0o40700));
        assert!(!user.may_enter(0, 104, 0o40701));
    }
}
