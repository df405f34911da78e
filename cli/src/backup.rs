//! `rhone backup`: database, artifacts, keys and the epochs that routes had, together in a folder, with a manifest that is
//! written last. The trap avoided: parts of different moments; the database is dumped from the snapshot that was counted,
//! artifacts are copied after it, and keys are read before and after, so that whatever the dump refers to is there.

pub(crate) mod restore;

mod artifacts;
mod database;
mod drill;
mod facts;
mod manifest;
mod read_back;
mod sealed;

use crate::{
    backup_args::BackupArgs,
    client::Failure,
    config::{Database, Keys, Serve, required, section},
    data::Data,
    output::line,
    private_file,
};
use anyhow::{Context as _, Result, bail};
use manifest::{DATABASE, KEYS, Manifest};
use rhone_eventstore::{Clock, vault::KeyFile};
use rhone_providers::artifact_store::ArtifactStore;
use sealed::{Contents, Lock};
use serde_json::json;
use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

/// `rhone backup`.
pub(crate) async fn run(data: &Data, how: &BackupArgs) -> Result<()> {
    let lock = Lock::read(&how.lock)?;
    let sections: Database = section(data, "database")?;
    let admin_url = required("database.admin_url", sections.admin_url.as_ref())?;
    let keys: Keys = section(data, "keys")?;
    let before = vault_keys(data)?;
    empty_folder(&how.folder)?;
    let dump = how.folder.join(DATABASE);
    let snapshot = database::dump(admin_url, &dump).await?;
    let from = ArtifactStore::local(&artifacts_of(data)).context("opening the artifact store")?;
    let kept = artifacts::copy_all(&from, &artifacts::below(&how.folder)?).await?;
    let absent = snapshot.registered.iter().filter(|digest| !kept.contains_key(digest)).copied().collect();
    let mut manifest = Manifest::new(Clock::system().now(), snapshot, kept, absent);
    manifest.add(&how.folder, DATABASE)?;
    let contents = Contents::new(manifest.bound(), keys, merged(before, vault_keys(data)?));
    sealed::write(&how.folder.join(KEYS), &contents, &lock)?;
    manifest.add(&how.folder, KEYS)?;
    manifest.write(&how.folder)?;
    say(how, &manifest);
    Ok(())
}

fn vault_keys(data: &Data) -> Result<KeyFile> {
    let path = data.vault_keys();
    let file = private_file::read(&path)?;
    file.with_context(|| format!("{} is missing: copy it here from a host that runs `rhone serve`", path.display()))
}

/// All that either knows: a key that is added or dropped meanwhile may be the one that the dump needs.
fn merged(before: KeyFile, mut after: KeyFile) -> KeyFile {
    for (name, key) in before.keys {
        after.keys.entry(name).or_insert(key);
    }
    after
}

/// Where artifacts are on this host; what `rhone up` uses where nothing is said.
fn artifacts_of(data: &Data) -> PathBuf {
    section::<Serve>(data, "serve").map_or_else(|_| data.artifacts(), |serve| serve.artifacts)
}

/// Makes the folder, which only its owner enters, unless something is in it.
fn empty_folder(path: &Path) -> Result<()> {
    if holds_something(path)? {
        bail!(Failure::usage(format_args!(
            "{} is not empty: name a folder that is empty or not there",
            path.display()
        )));
    }
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.with_context(|| format!("making {}", path.display()))
}

fn holds_something(path: &Path) -> Result<bool> {
    match fs::read_dir(path) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("looking into {}", path.display())),
    }
}

fn say(how: &BackupArgs, manifest: &Manifest) {
    let folder = &how.folder;
    if how.json {
        line(json!({ "folder": folder, "manifest": manifest }));
        return;
    }
    let Manifest { log, epochs, artifacts, absent, .. } = manifest;
    line(format_args!("{} is a backup as of {}", folder.display(), manifest.made_at.to_rfc3339()));
    let position = log.position.map(|position| position.to_string()).unwrap_or_default();
    line(format_args!("  {} events of {} streams, up to {position}", log.events, log.streams));
    line(format_args!("  {} routes with their epochs, {} artifacts, the sealed keys", epochs.len(), artifacts.len()));
    if !absent.is_empty() {
        line(format_args!(
            "  {} registered artifacts have no bytes in the store; the manifest names them",
            absent.len()
        ));
    }
    let opens = match &how.lock.passphrase {
        Some(file) => format!("--passphrase {}", file.display()),
        None => "--identity FILE".to_owned(),
    };
    line(format_args!("rehearse it: rhone restore {} --drill {opens}", folder.display()));
}

#[cfg(test)]
mod tests {
    //! Keys of two moments.
    use super::*;

    #[test]
    fn a_key_that_was_dropped_meanwhile_is_kept_and_the_current_one_is_the_later() {
        let before = KeyFile::first("old", [1; 32]);
        let merged = merged(before, KeyFile::first("new", [2; 32]));
        assert_eq!(merged.current, "new");
        assert_eq!(merged.keys.keys().collect::<Vec<_>>(), ["new", "old"]);
    }

    #[test]
    fn a_folder_that_holds_something_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(empty_folder(folder.path()).is_ok());
        assert!(empty_folder(&folder.path().join("new/one")).is_ok());
        let refused = empty_folder(folder.path()).expect_err("there is `new` in it");
        assert!(refused.to_string().contains("not empty"), "{refused}");
    }
}
