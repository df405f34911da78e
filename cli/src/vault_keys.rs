//! The vault's key-encryption keys of a data folder, in a file that only its owner reads: several, one current. Writer: `rhone
//! up`, the first time, and `rhone admin rotate-keys`. The trap avoided: a key dropped while something is wrapped under it;
//! keys are only added, unless the administrator asks to forget those that are in no use.

use crate::{
    config::{Database, required, section},
    data::Data,
    private_file,
};
use anyhow::{Context as _, Result, anyhow};
use rhone_eventstore::{
    Clock,
    clock::random_bytes,
    vault::{KeyFile, KeyRing, Vault},
};
use serde::Serialize;
use sqlx::{Connection as _, PgConnection};
use std::fmt;

/// Makes the first key, if there is none.
pub(crate) fn made(data: &Data) -> Result<()> {
    private_file::kept(&data.vault_keys(), || KeyFile::first(&fresh_name(), random_bytes())).map(drop)
}

/// The keys as a process uses them: it looks into the file again when they may be others.
pub(crate) fn ring(data: &Data) -> Result<KeyRing> {
    let path = data.vault_keys();
    let load = move || {
        let file = private_file::read::<KeyFile>(&path)?;
        Ok(file.ok_or_else(|| {
            anyhow!("{} is missing: copy it here, or make it with `rhone admin rotate-keys`", path.display())
        })?)
    };
    KeyRing::open(load).context("opening the vault's keys")
}

/// What else is rotated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rotation {
    pub(crate) data_keys: bool,
    pub(crate) forget_unused: bool,
}

/// What was rotated.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Rotated {
    /// The key that wraps from now on.
    current: String,
    rewrapped: u64,
    /// Apps with another data key.
    data_keys: Option<u64>,
    /// Keys that are kept.
    kept: Option<usize>,
}

impl fmt::Display for Rotated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} wraps from now on; {} keys were wrapped anew", self.current, self.rewrapped)?;
        if let Some(apps) = self.data_keys {
            write!(f, "; {apps} apps have another data key")?;
        }
        if let Some(kept) = self.kept {
            write!(f, "; {kept} keys are kept")?;
        }
        Ok(())
    }
}

/// Another key-encryption key, and every app's key under it; says what was done.
pub(crate) async fn rotate(data: &Data, rotation: Rotation) -> Result<Rotated> {
    let path = data.vault_keys();
    let name = fresh_name();
    let next = match private_file::read::<KeyFile>(&path)? {
        Some(file) => file.with(&name, random_bytes()),
        None => KeyFile::first(&name, random_bytes()),
    };
    // In the file before anything is wrapped under it: whoever meets its name looks here.
    private_file::write(&path, &next)?;
    let database: Database = section(data, "database")?;
    let url = required("database.admin_url", database.admin_url.as_ref())?;
    let mut admin = PgConnection::connect(url).await.context("connecting to the database")?;
    let vault = Vault::new(ring(data)?);
    let rewrapped = vault.rewrap(&mut admin).await.context("wrapping the apps' keys anew")?;
    let mut rotated = Rotated { current: name.clone(), rewrapped, data_keys: None, kept: None };
    if rotation.data_keys {
        rotated.data_keys = Some(vault.rotate_data_keys(&mut admin).await.context("making data keys")?);
    }
    if rotation.forget_unused {
        let used = Vault::keks_in_use(&mut admin).await.context("looking which keys are in use")?;
        let mut file = next;
        file.keys.retain(|kept, _| *kept == name || used.contains(kept));
        private_file::write(&path, &file)?;
        rotated.kept = Some(file.keys.len());
    }
    admin.close().await?;
    Ok(rotated)
}

/// A name that no key had before, and that tells when it was made.
fn fresh_name() -> String {
    let clock = Clock::system();
    let id: uuid::Uuid = clock.new_id();
    format!("kek-{}-{}", clock.now().format("%Y%m%d%H%M%S"), &id.simple().to_string()[24..])
}
