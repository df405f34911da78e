//! The variables of apps at rest on a host: AES-256-GCM under the host's own key, bound to allocation and set. Writer: the
//! agent. The gate opens them into memory and hands them to the app's environment. The trap avoided: a value in an argument, a
//! log line, or a file that a copy of the allocation's folder alone would open.

use crate::{clock::random_bytes, durable, error::Error};
use aes_gcm::{
    Aes256Gcm, Nonce,
    aead::{Aead as _, KeyInit as _, Payload},
};
use rhone_domain::{
    canonical::CanonicalBytes, hidden::Hidden, host_protocol::AllocationVariables, ids::AllocationId, logs::Mask,
    numbers::EnvSet,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
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
pub(crate) struct Opened {
    variables: BTreeMap<String, Hidden>,
    /// Those whose values may stand in a log.
    plain: BTreeSet<String>,
}

impl Opened {
    /// As a process takes them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(key, value)| (key.as_str(), value.expose()))
    }

    /// Hides their secrets.
    pub(crate) fn mask(&self) -> Mask {
        let secrets = self.variables.iter().filter(|(key, _)| !self.plain.contains(*key));
        Mask::of(secrets.map(|(_, value)| value))
    }

    /// As they lie sealed: of an earlier program they are the variables alone, and all of them secrets. No variable's key
    /// is in lower case.
    fn read(plain: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(plain)
            .or_else(|_| Ok(Self { variables: serde_json::from_slice(plain)?, plain: BTreeSet::new() }))
    }
}

impl SealedFile {
    /// Replaces the file in one step.
    pub(crate) fn write(&self, fetched: &AllocationVariables) -> Result<(), Error> {
        let key = read_key(&self.key)?;
        let malformed = |source| Error::Malformed { path: self.path.clone(), source };
        let opened = Opened { variables: fetched.variables.clone(), plain: fetched.plain.clone() };
        let plain = Zeroizing::new(serde_json::to_vec(&opened).map_err(malformed)?);
        let nonce = random_bytes::<NONCE>();
        let aad = self.bound_to(fetched.allocation);
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
        Opened::read(&plain).map_err(|_| Error::Config("sealed variables are no variables"))
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
        let variables =
            [("TOKEN", CANARY), ("LEVEL", "info")].map(|(key, value)| (key.to_owned(), Hidden::new(value.into())));
        let plain = ["LEVEL".to_owned()].into();
        let fetched = AllocationVariables { allocation: MINE, env_set: EnvSet(2), variables: variables.into(), plain };
        file.write(&fetched).expect("written");
        (folder, file)
    }

    #[test]
    fn variables_open_for_their_allocation_and_set_only() {
        let (_folder, file) = sealed();
        let opened = file.open(MINE).expect("opens");
        assert_eq!(opened.iter().collect::<Vec<_>>(), [("LEVEL", "info"), ("TOKEN", CANARY)]);
        assert_eq!(opened.mask().hide(&format!("info: {CANARY}")), "info: ***", "plain ones may be read");
        assert!(file.open(AllocationId(Uuid::from_u128(2))).is_err());
        assert!(SealedFile { env_set: EnvSet(3), ..file.clone() }.open(MINE).is_err());
        let mut bytes = fs::read(&file.path).expect("there");
        bytes[20] ^= 1;
        fs::write(&file.path, bytes).expect("changed");
        assert!(file.open(MINE).is_err());
    }

    #[test]
    fn what_an_earlier_program_sealed_is_secret_as_a_whole() {
        let opened = Opened::read(br#"{"TOKEN":"canary","LEVEL":"info"}"#).expect("variables");
        assert_eq!(opened.mask().hide("info: canary"), "***: ***");
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
