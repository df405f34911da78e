//! The key-encryption keys: several at a time, one current, in a file that only its owner reads. A process looks into the file
//! again whenever it wraps a key or meets a name it does not know, so that a rotation needs no restart. The trap avoided: a
//! key dropped while something is still wrapped under it.

use rhone_domain::hidden::Hidden;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    error::Error,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};
use zeroize::Zeroizing;

/// The file's content: which key wraps, and all of them, 64 hex digits each.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeyFile {
    /// The name of the key that wraps from now on.
    pub current: String,
    /// Every key by its name.
    pub keys: BTreeMap<String, Hidden>,
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file cannot be read.
    #[error("the file of key-encryption keys cannot be read")]
    Unreadable(#[source] Box<dyn Error + Send + Sync>),
    /// A key is no key.
    #[error("the key-encryption key `{0}` is not there or not 64 hex digits")]
    Malformed(String),
}

type Load = dyn Fn() -> Result<KeyFile, Box<dyn Error + Send + Sync>> + Send + Sync;
type Key = Zeroizing<[u8; 32]>;

/// The keys as one process knows them.
#[derive(Clone)]
pub struct KeyRing(Arc<Parts>);

struct Parts {
    load: Box<Load>,
    known: RwLock<BTreeMap<String, Key>>,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyRing(..)")
    }
}

impl KeyRing {
    /// Keys that are read by `load`, now and whenever they may be others.
    pub fn open(
        load: impl Fn() -> Result<KeyFile, Box<dyn Error + Send + Sync>> + Send + Sync + 'static,
    ) -> Result<Self, KeysError> {
        let ring = Self(Arc::new(Parts { load: Box::new(load), known: RwLock::default() }));
        ring.current()?;
        Ok(ring)
    }

    /// The key that wraps now.
    pub(super) fn current(&self) -> Result<(String, Key), KeysError> {
        let name = self.read_again()?;
        let key = self.known(&name).ok_or_else(|| KeysError::Malformed(name.clone()))?;
        Ok((name, key))
    }

    /// The key of this name; none when there is none, even on a second look.
    pub(super) fn named(&self, name: &str) -> Result<Option<Key>, KeysError> {
        if let Some(key) = self.known(name) {
            return Ok(Some(key));
        }
        self.read_again()?;
        Ok(self.known(name))
    }

    fn known(&self, name: &str) -> Option<Key> {
        self.0.known.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    fn read_again(&self) -> Result<String, KeysError> {
        let file = (self.0.load)().map_err(KeysError::Unreadable)?;
        let mut read = BTreeMap::new();
        for (name, digits) in &file.keys {
            read.insert(name.clone(), parse(name, digits)?);
        }
        *self.0.known.write().unwrap_or_else(PoisonError::into_inner) = read;
        Ok(file.current)
    }
}

fn parse(name: &str, digits: &Hidden) -> Result<Key, KeysError> {
    let mut key = Zeroizing::new([0; 32]);
    // The decoder's error would quote a part of the key.
    hex::decode_to_slice(digits.expose(), &mut key[..]).map_err(|_| KeysError::Malformed(name.to_owned()))?;
    Ok(key)
}

impl KeyFile {
    /// A file with this one key.
    pub fn first(name: &str, key: [u8; 32]) -> Self {
        Self { current: name.to_owned(), keys: [(name.to_owned(), hidden(key))].into() }
    }

    /// The same with another key, which wraps from now on.
    #[must_use]
    pub fn with(mut self, name: &str, key: [u8; 32]) -> Self {
        name.clone_into(&mut self.current);
        self.keys.insert(name.to_owned(), hidden(key));
        self
    }
}

fn hidden(key: [u8; 32]) -> Hidden {
    Hidden::new(hex::encode(Zeroizing::new(key)))
}
