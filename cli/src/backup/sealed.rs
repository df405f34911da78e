//! The keys of a backup, sealed in age's format (age-encryption.org/v1) under a passphrase or for recipients, so that `age -d`
//! opens them too: the feed's key, the key of persons' data, the vault's keys, and the digest of the manifest that they belong
//! to. The trap avoided: a secret in an error or among arguments; errors name the file and the rule, never a content.

use crate::{
    backup_args::{LockArgs, UnlockArgs},
    config::Keys,
    private_file,
};
use age::{Decryptor, Encryptor, Identity, Recipient, scrypt, secrecy::SecretString, x25519};
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use rhone_domain::digest::Digest;
use rhone_eventstore::vault::KeyFile;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, OpenOptions},
    io::{Read as _, Write as _},
    iter,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};
use zeroize::Zeroizing;

/// A shorter passphrase is guessed, however slow each guess is.
const SHORTEST: usize = 12;
/// 2^20 takes some seconds and 1 GiB; what asks for more was made to hurt.
const MOST_WORK: u8 = 20;

/// What is sealed.
#[derive(Serialize, Deserialize)]
pub(super) struct Contents {
    /// [`super::manifest::Manifest::bound`].
    pub(super) bound: Digest,
    pub(super) keys: Keys,
    pub(super) vault: KeyFile,
}

impl Contents {
    pub(super) fn new(bound: Digest, keys: Keys, vault: KeyFile) -> Self {
        Self { bound, keys, vault }
    }
}

/// Under what it is sealed.
pub(super) enum Lock {
    Passphrase(SecretString),
    Recipients(Vec<x25519::Recipient>),
}

impl Lock {
    /// As the words say.
    pub(super) fn read(words: &LockArgs) -> Result<Self> {
        match words {
            LockArgs { passphrase: Some(path), .. } => passphrase(path).map(Self::Passphrase),
            LockArgs { recipients: Some(path), .. } => recipients(path).map(Self::Recipients),
            LockArgs { .. } => bail!("name a file with --passphrase or --recipients"),
        }
    }
}

/// What opens it.
pub(super) struct Unlock(Vec<Box<dyn Identity>>);

impl Unlock {
    /// As the words say.
    pub(super) fn read(words: &UnlockArgs) -> Result<Self> {
        match words {
            UnlockArgs { passphrase: Some(path), .. } => {
                let mut identity = scrypt::Identity::new(passphrase(path)?);
                identity.set_max_work_factor(MOST_WORK);
                Ok(Self(vec![Box::new(identity)]))
            }
            UnlockArgs { identity: Some(path), .. } => identities(path).map(Self),
            UnlockArgs { .. } => bail!("name a file with --passphrase or --identity"),
        }
    }
}

/// The text of a file that only its owner reads.
fn secret(path: &Path) -> Result<Zeroizing<String>> {
    let doing = || format!("reading {}", path.display());
    let open = private_file::is_open_to_others(path).with_context(doing)?;
    ensure!(!open, "{} can be read by others: chmod 600 it", path.display());
    fs::read_to_string(path).map(Zeroizing::new).with_context(doing)
}

fn passphrase(path: &Path) -> Result<SecretString> {
    let text = secret(path)?;
    let text = text.trim_end_matches(['\r', '\n']);
    let long_enough = text.chars().count() >= SHORTEST;
    ensure!(long_enough, "the passphrase in {} must have at least {SHORTEST} characters", path.display());
    Ok(SecretString::from(text.to_owned()))
}

/// The lines that say something.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn recipients(path: &Path) -> Result<Vec<x25519::Recipient>> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let rule = || anyhow!("every line of {} must be an age recipient (`age1...`)", path.display());
    let read: Vec<x25519::Recipient> =
        lines(&text).map(|line| line.parse().map_err(|_| rule())).collect::<Result<_>>()?;
    ensure!(!read.is_empty(), "{} names no recipient", path.display());
    Ok(read)
}

fn identities(path: &Path) -> Result<Vec<Box<dyn Identity>>> {
    let text = secret(path)?;
    let rule = || anyhow!("every line of {} must be an age identity (`AGE-SECRET-KEY-1...`)", path.display());
    let read = |line: &str| -> Result<Box<dyn Identity>> {
        Ok(Box::new(line.parse::<x25519::Identity>().map_err(|_| rule())?))
    };
    let read = lines(&text).map(read).collect::<Result<Vec<_>>>()?;
    ensure!(!read.is_empty(), "{} holds no identity", path.display());
    Ok(read)
}

/// Writes the keys, for their owner only.
pub(super) fn write(path: &Path, contents: &Contents, lock: &Lock) -> Result<()> {
    let doing = || format!("writing {}", path.display());
    let plain = Zeroizing::new(serde_json::to_vec(contents).context("keys are JSON")?);
    let encryptor = match lock {
        Lock::Passphrase(passphrase) => {
            let recipient = scrypt::Recipient::new(passphrase.clone());
            Encryptor::with_recipients(iter::once(&recipient as &dyn Recipient))
        }
        Lock::Recipients(all) => Encryptor::with_recipients(all.iter().map(|one| one as &dyn Recipient)),
    };
    let file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path).with_context(doing)?;
    let mut writer = encryptor.context("sealing the keys")?.wrap_output(file).with_context(doing)?;
    writer.write_all(&plain).with_context(doing)?;
    writer.finish().and_then(|file| file.sync_all()).with_context(doing)
}

/// Opens the keys.
pub(super) fn read(path: &Path, unlock: &Unlock) -> Result<Contents> {
    let sealed = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let closed = || format!("{} is not opened by that passphrase or identity", path.display());
    let decryptor = Decryptor::new(&sealed[..]).with_context(|| format!("{} is no age file", path.display()))?;
    let mut reader = decryptor.decrypt(unlock.0.iter().map(AsRef::as_ref)).with_context(closed)?;
    let mut plain = Zeroizing::new(Vec::new());
    reader.read_to_end(&mut plain).with_context(closed)?;
    // The parser's error might quote a key.
    serde_json::from_slice(&plain).map_err(|_| anyhow!("{} holds no keys of Rhone", path.display()))
}

#[cfg(test)]
mod tests;
