//! The variables of apps at rest on a host: AES-256-GCM under the host's own key, bound to allocation and set. Writer: the
//! agent. The gate opens them into memory and hands them to the app's environment. The trap avoided: a value in an argument, a
//! log line, or a file that a copy of the allocation's folder alone would open.

use crate::{clock::random_bytes, durable, error::Error};
use aes_gcm::{
    Aes256Gcm, Nonce,
    aead::{Aead as _, KeyInit as _, Payload},
};
use rhone_domain::{canonical::CanonicalBytes, hidden::Hidden, ids::AllocationId, numbers::EnvSet};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

const NONCE: usize = 12;
const KEY: usize = 32;

/// The host's key: a file that only its owner reads, made once.
#[derive(Debug)]
pub(crate) struct HostKey(PathBuf);

impl HostKey {
    /// The key of this data folder.
    pub(crate) fn of(data_dir: &Path) -> Result<Self, Error> {
        let path = data_dir.join("host-key");
        let made = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path);
        match made {
            Ok(mut file) => {
                let key = Zeroizing::new(random_bytes::<KEY>());
                let written = file.write_all(&key[..]).and_then(|()| file.sync_all());
                written.and_then(|()| durable::flush_folder(data_dir)).map_err(Error::file(&path))?;
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => drop(read_key(&path)?),
            Err(error) => return Err(Error::file(&path)(error)),
        }
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.clone()
    }
}

/// Where sealed variables lie, and which key opens them. It stands in the gate's spec; the variables do not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SealedFile {
    /// The sealed file.
    pub(crate) path: PathBuf,
    /// The host's key.
    pub(crate) key: PathBuf,
    /// Which set.
    pub(crate) env_set: EnvSet,
}

/// Variables in clear, in memory. No `Debug` shows them.
#[derive(Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Opened(BTreeMap<String, Hidden>);

impl Opened {
    /// As a process takes them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.expose()))
    }
}

impl SealedFile {
    /// Replaces the file in one step.
    pub(crate) fn write(&self, allocation: AllocationId, variables: &BTreeMap<String, Hidden>) -> Result<(), Error> {
        let key = read_key(&self.key)?;
        let malformed = |source| Error::Malformed { path: self.path.clone(), source };
        let plain = Zeroizing::new(serde_json::to_vec(variables).map_err(malformed)?);
        let nonce = random_bytes::<NONCE>();
        let aad = self.bound_to(allocation);
        let sealed = Aes256Gcm::new(&(*key).into())
            .encrypt(&Nonce::from(nonce), Payload { msg: &plain, aad: &aad })
            .expect("a set of variables is far below the cipher's 64 GiB");
        durable::replace(&self.path, &[&nonce[..], &sealed].concat()).map_err(Error::file(&self.path))
    }

    /// What was sealed for this allocation and set; an error when it is not there or another one's.
    pub(crate) fn open(&self, allocation: AllocationId) -> Result<Opened, Error> {
        let key = read_key(&self.key)?;
        let bytes = fs::read(&self.path).map_err(Error::file(&self.path))?;
        let aad = self.bound_to(allocation);
        let plain = bytes.split_first_chunk::<NONCE>().and_then(|(nonce, msg)| {
            Aes256Gcm::new(&(*key).into()).decrypt(&Nonce::from(*nonce), Payload { msg, aad: &aad }).ok()
        });
        let plain =
            Zeroizing::new(plain.ok_or(Error::Config("sealed variables are another allocation's, or changed"))?);
        // What serde says of a wrong text could quote it.
        serde_json::from_slice(&plain).map_err(|_| Error::Config("sealed variables are no variables"))
    }

    fn bound_to(&self, allocation: AllocationId) -> Vec<u8> {
        CanonicalBytes::tagged("rhone.host-variables.v1")
            .field(allocation.0.as_bytes())
            .field(self.env_set.0.to_be_bytes())
            .into_bytes()
    }
}

fn read_key(path: &Path) -> Result<Zeroizing<[u8; KEY]>, Error> {
    let bytes = Zeroizing::new(fs::read(path).map_err(Error::file(path))?);
    let key = <[u8; KEY]>::try_from(bytes.as_slice()).map_err(|_| Error::Config("host-key is not 32 bytes"))?;
    Ok(Zeroizing::new(key))
}

#[cfg(test)]
mod tests {
    //! What is sealed opens for its allocation and set only, and is nowhere in clear.
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;
    use uuid::Uuid;

    const MINE: AllocationId = AllocationId(Uuid::from_u128(1));
    const CANARY: &str = "canary-on-the-host";

    fn sealed() -> (tempfile::TempDir, SealedFile) {
        let folder = tempfile::tempdir().expect("a folder");
        let key = HostKey::of(folder.path()).expect("made").path();
        let file = SealedFile { path: folder.path().join("variables.sealed"), key, env_set: EnvSet(2) };
        file.write(MINE, &[("TOKEN".to_owned(), Hidden::new(CANARY.into()))].into()).expect("written");
        (folder, file)
    }

    #[test]
    fn variables_open_for_their_allocation_and_set_only() {
        let (_folder, file) = sealed();
        let opened = file.open(MINE).expect("opens");
        assert_eq!(opened.iter().collect::<Vec<_>>(), [("TOKEN", CANARY)]);
        assert!(file.open(AllocationId(Uuid::from_u128(2))).is_err());
        assert!(SealedFile { env_set: EnvSet(3), ..file.clone() }.open(MINE).is_err());
        let mut bytes = fs::read(&file.path).expect("there");
        bytes[20] ^= 1;
        fs::write(&file.path, bytes).expect("changed");
        assert!(file.open(MINE).is_err());
    }

    #[test]
    fn the_host_key_is_private_and_made_once_and_nothing_lies_in_clear() {
        let (folder, file) = sealed();
        let before = fs::read(&file.key).expect("there");
        assert_eq!(fs::metadata(&file.key).expect("there").permissions().mode() & 0o777, 0o600);
        HostKey::of(folder.path()).expect("kept");
        assert_eq!(fs::read(&file.key).expect("there"), before);
        for entry in fs::read_dir(folder.path()).expect("listed") {
            let bytes = fs::read(entry.expect("an entry").path()).expect("read");
            assert!(!bytes.windows(CANARY.len()).any(|part| part == CANARY.as_bytes()));
        }
    }
}
