//! The vault: values of variables and credentials under AES-256-GCM with a data key per app, which is wrapped under a
//! key-encryption key that never enters the database. Writer of schema `vault`: the API, and the administrator who rotates
//! keys. The trap avoided: a ciphertext moved to another tenant, app, environment, key or set; each is authenticated with all
//! of them that it has, for a credential of a source has no environment.

mod cipher;
mod every;
mod keyring;
mod rotation;

pub use keyring::{KeyFile, KeyRing, KeysError};

use crate::clock::random_bytes;
use cipher::{NONCE, decrypt, encrypt};
use hmac::{Hmac, Mac as _};
use rhone_domain::{
    canonical::CanonicalBytes,
    digest::Digest,
    hidden::Hidden,
    ids::{AppId, EnvironmentId, ValueId, WorkspaceId},
    numbers::EnvSet,
};
use sha2::Sha256;
use sqlx::{PgConnection, Row as _, postgres::PgRow};
use std::collections::HashMap;
use uuid::Uuid;
use zeroize::Zeroizing;

/// Where a value belongs; its ciphertext opens nowhere else.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The tenant.
    pub workspace: WorkspaceId,
    /// The app.
    pub app: AppId,
    /// The environment; none of what is the app's own.
    pub environment: Option<EnvironmentId>,
    /// The variable's key, or what a credential is for.
    pub name: String,
    /// The set it was first part of, or the generation of a credential.
    pub set: EnvSet,
}

/// Why a value was not sealed or opened. No variant holds a value.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// An app's key is wrapped under a key-encryption key that is not in the file.
    #[error("an app's key is wrapped under `{0}`, which is not at hand")]
    UnknownKek(String),
    /// The key-encryption keys cannot be read.
    #[error("the vault was reading its key-encryption keys")]
    Keys(#[from] KeysError),
    /// There is no such value.
    #[error("the vault holds no value of {name} for set {set}")]
    Missing {
        /// Which variable.
        name: String,
        /// In which set.
        set: EnvSet,
    },
    /// Another key, or the ciphertext was changed or moved.
    #[error("the sealed value of {0} is not authentic")]
    NotAuthentic(String),
    /// An app's key was changed or moved.
    #[error("the wrapped key of app {0} is not authentic")]
    KeyNotAuthentic(AppId),
    /// The vault cannot be reached.
    #[error("the vault is unavailable")]
    Unavailable(#[from] sqlx::Error),
}

/// What a ciphertext is bound to.
pub type Binding = fn(&Place) -> Vec<u8>;

/// Seals and opens values.
#[derive(Clone)]
pub struct Vault {
    keys: KeyRing,
    binding: Binding,
}

/// Tells equal values of one app, and nothing else, by an HMAC under a key of the app's own.
pub struct Digester(AppKey);

/// A key of an app, unwrapped.
struct AppKey {
    generation: i64,
    key: Zeroizing<[u8; 32]>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Data,
    Digest,
}

impl Purpose {
    fn word(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Digest => "digest",
        }
    }
}

impl Vault {
    /// With these key-encryption keys.
    pub fn new(keys: KeyRing) -> Self {
        Self { keys, binding: whole }
    }

    /// With another binding than the right one: for tests, which must notice it.
    #[doc(hidden)]
    pub fn bound_by(keys: KeyRing, binding: Binding) -> Self {
        Self { keys, binding }
    }

    /// What tells an app's values apart. Its key is made at the app's first variable and never changes: digests of an older
    /// set must stay comparable.
    pub async fn digester(
        &self,
        connection: &mut PgConnection,
        workspace: WorkspaceId,
        app: AppId,
    ) -> Result<Digester, VaultError> {
        Ok(Digester(self.newest(connection, workspace, app, Purpose::Digest).await?))
    }

    /// Keeps a value, encrypted.
    pub async fn seal(
        &self,
        connection: &mut PgConnection,
        value: ValueId,
        place: &Place,
        plaintext: &Hidden,
    ) -> Result<(), VaultError> {
        let key = self.newest(&mut *connection, place.workspace, place.app, Purpose::Data).await?;
        let nonce = random_bytes::<NONCE>();
        let ciphertext = encrypt(&key.key, nonce, plaintext.expose().as_bytes(), &(self.binding)(place));
        sqlx::query(
            "INSERT INTO vault.values (value, workspace, app, environment, name, env_set, generation, nonce, ciphertext)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(value.0)
        .bind(place.workspace.0)
        .bind(place.app.0)
        .bind(place.environment.map(|environment| environment.0))
        .bind(&place.name)
        .bind(number(place.set))
        .bind(key.generation)
        .bind(&nonce[..])
        .bind(ciphertext)
        .execute(connection)
        .await?;
        Ok(())
    }

    /// A value in clear, if it is the one that belongs here.
    pub async fn open(
        &self,
        connection: &mut PgConnection,
        value: ValueId,
        place: &Place,
    ) -> Result<Hidden, VaultError> {
        let mut opened = self.open_many(connection, &[(value, place)]).await?;
        opened.pop().ok_or_else(|| missing(place))
    }

    /// Values in clear, each if it is the one that belongs there: one statement for all of them.
    pub async fn open_many(
        &self,
        connection: &mut PgConnection,
        wanted: &[(ValueId, &Place)],
    ) -> Result<Vec<Hidden>, VaultError> {
        let rows = sqlx::query(
            "SELECT v.value, v.workspace, v.nonce, v.ciphertext, v.generation, k.kek, k.wrapped FROM vault.values v
             JOIN vault.app_keys k USING (workspace, app, purpose, generation) WHERE v.value = ANY($1)",
        )
        .bind(wanted.iter().map(|(value, _)| value.0).collect::<Vec<_>>())
        .fetch_all(connection)
        .await?;
        let mut kept = HashMap::<(Uuid, Uuid), &PgRow>::with_capacity(rows.len());
        for row in &rows {
            kept.insert((row.try_get("value")?, row.try_get("workspace")?), row);
        }
        let opened = wanted.iter().map(|(value, place)| {
            let row = kept.get(&(value.0, place.workspace.0)).ok_or_else(|| missing(place))?;
            self.decrypted(row, place)
        });
        opened.collect()
    }

    fn decrypted(&self, row: &PgRow, place: &Place) -> Result<Hidden, VaultError> {
        let (kek, wrapped): (String, Vec<u8>) = (row.try_get("kek")?, row.try_get("wrapped")?);
        let generation = row.try_get("generation")?;
        let wrapping = wrapping(&kek, (place.workspace, place.app), Purpose::Data, generation);
        let key = self.unwrap(place.app, &kek, &wrapped, &wrapping)?;
        let (nonce, ciphertext): (Vec<u8>, Vec<u8>) = (row.try_get("nonce")?, row.try_get("ciphertext")?);
        let forged = || VaultError::NotAuthentic(place.name.clone());
        let nonce = <[u8; NONCE]>::try_from(nonce).map_err(|_| forged())?;
        let plaintext = decrypt(&key, nonce, &ciphertext, &(self.binding)(place)).ok_or_else(forged)?;
        String::from_utf8(plaintext).map(Hidden::new).map_err(|_| forged())
    }

    /// The newest key of an app; made when there is none. A twin that was faster has made it.
    async fn newest(
        &self,
        connection: &mut PgConnection,
        workspace: WorkspaceId,
        app: AppId,
        purpose: Purpose,
    ) -> Result<AppKey, VaultError> {
        if let Some(key) = self.kept(&mut *connection, workspace, app, purpose).await? {
            return Ok(key);
        }
        self.make(&mut *connection, (workspace, app), purpose, 1).await?;
        let made = self.kept(connection, workspace, app, purpose).await?;
        made.ok_or_else(|| VaultError::Unavailable(sqlx::Error::RowNotFound))
    }

    async fn kept(
        &self,
        connection: &mut PgConnection,
        workspace: WorkspaceId,
        app: AppId,
        purpose: Purpose,
    ) -> Result<Option<AppKey>, VaultError> {
        let row = sqlx::query(
            "SELECT generation, kek, wrapped FROM vault.app_keys WHERE workspace = $1 AND app = $2 AND purpose = $3
             ORDER BY generation DESC LIMIT 1",
        )
        .bind(workspace.0)
        .bind(app.0)
        .bind(purpose.word())
        .fetch_optional(connection)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let (generation, kek): (i64, String) = (row.try_get("generation")?, row.try_get("kek")?);
        let wrapped: Vec<u8> = row.try_get("wrapped")?;
        let key = self.unwrap(app, &kek, &wrapped, &wrapping(&kek, (workspace, app), purpose, generation))?;
        Ok(Some(AppKey { generation, key }))
    }

    async fn make(
        &self,
        connection: &mut PgConnection,
        (workspace, app): (WorkspaceId, AppId),
        purpose: Purpose,
        generation: i64,
    ) -> Result<(), VaultError> {
        let key = Zeroizing::new(random_bytes::<32>());
        let (kek, wrapped) = self.wrap(&key, |kek| wrapping(kek, (workspace, app), purpose, generation))?;
        sqlx::query(
            "INSERT INTO vault.app_keys (workspace, app, purpose, generation, kek, wrapped)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
        )
        .bind(workspace.0)
        .bind(app.0)
        .bind(purpose.word())
        .bind(generation)
        .bind(kek)
        .bind(wrapped)
        .execute(connection)
        .await?;
        Ok(())
    }

    /// Under the key that is current now, whatever it was when this process began.
    fn wrap(&self, key: &[u8; 32], bound_to: impl Fn(&str) -> Vec<u8>) -> Result<(String, Vec<u8>), VaultError> {
        let (id, kek) = self.keys.current()?;
        let nonce = random_bytes::<NONCE>();
        let mut wrapped = nonce.to_vec();
        wrapped.extend(encrypt(&kek, nonce, key, &bound_to(&id)));
        Ok((id, wrapped))
    }

    fn unwrap(
        &self,
        app: AppId,
        kek: &str,
        wrapped: &[u8],
        bound_to: &[u8],
    ) -> Result<Zeroizing<[u8; 32]>, VaultError> {
        let key = self.keys.named(kek)?.ok_or_else(|| VaultError::UnknownKek(kek.to_owned()))?;
        let opened = wrapped
            .split_first_chunk::<NONCE>()
            .and_then(|(nonce, ciphertext)| decrypt(&key, *nonce, ciphertext, bound_to))
            .map(Zeroizing::new);
        let opened = opened.and_then(|key| <[u8; 32]>::try_from(key.as_slice()).ok());
        opened.map(Zeroizing::new).ok_or(VaultError::KeyNotAuthentic(app))
    }
}

impl Digester {
    /// The keyed digest of a value in its place; the set it is part of does not matter.
    pub fn of(&self, environment: impl Into<Option<EnvironmentId>>, name: &str, value: &Hidden) -> Digest {
        let environment = environment.into().map(|environment| environment.0.into_bytes());
        let message = CanonicalBytes::tagged("rhone.variable-digest.v1").optional(environment).field(name);
        let message = Zeroizing::new(message.field(value.expose()).into_bytes());
        let mut mac = <Hmac<Sha256> as hmac::Mac>::new_from_slice(&self.0.key[..]).expect("a key of any length");
        mac.update(&message);
        Digest(mac.finalize().into_bytes().into())
    }
}

fn missing(place: &Place) -> VaultError {
    VaultError::Missing { name: place.name.clone(), set: place.set }
}

/// The right binding.
fn whole(place: &Place) -> Vec<u8> {
    CanonicalBytes::tagged("rhone.variable.v1")
        .field(place.workspace.0.as_bytes())
        .field(place.app.0.as_bytes())
        .optional(place.environment.map(|environment| environment.0.into_bytes()))
        .field(&place.name)
        .field(place.set.0.to_be_bytes())
        .into_bytes()
}

fn wrapping(kek: &str, (workspace, app): (WorkspaceId, AppId), purpose: Purpose, generation: i64) -> Vec<u8> {
    CanonicalBytes::tagged("rhone.app-key.v1")
        .field(kek)
        .field(workspace.0.as_bytes())
        .field(app.0.as_bytes())
        .field(purpose.word())
        .field(generation.to_be_bytes())
        .into_bytes()
}

fn number(set: EnvSet) -> i64 {
    i64::try_from(set.0).expect("no environment has 2^63 sets")
}

#[cfg(test)]
mod tests;
