//! Rotation, while everything reads and writes on: wrapping the apps' keys anew under the current key-encryption key touches no
//! value; another generation of data keys encrypts what is set from then on. By the administrator, for no program's role may
//! change a row. The trap avoided: replacing a wrapped key that somebody else replaced meanwhile.

use super::{Purpose, Vault, VaultError, wrapping};
use rhone_domain::ids::{AppId, WorkspaceId};
use sqlx::{PgConnection, Row as _, postgres::PgRow};
use uuid::Uuid;
use zeroize::Zeroizing;

/// A row of `vault.app_keys`.
struct Wrapped {
    whose: (WorkspaceId, AppId),
    purpose: Purpose,
    generation: i64,
    kek: String,
    bytes: Vec<u8>,
}

impl Wrapped {
    fn read(row: &PgRow) -> Result<Self, VaultError> {
        let (workspace, app): (Uuid, Uuid) = (row.try_get("workspace")?, row.try_get("app")?);
        let word: String = row.try_get("purpose")?;
        Ok(Self {
            whose: (WorkspaceId(workspace), AppId(app)),
            purpose: if word == Purpose::Data.word() { Purpose::Data } else { Purpose::Digest },
            generation: row.try_get("generation")?,
            kek: row.try_get("kek")?,
            bytes: row.try_get("wrapped")?,
        })
    }
}

impl Vault {
    /// Wraps every app's key under the current key-encryption key; says how many were wrapped anew.
    pub async fn rewrap(&self, connection: &mut PgConnection) -> Result<u64, VaultError> {
        let mut rewrapped = 0;
        loop {
            let (current, _) = self.keys.current()?;
            let rows = sqlx::query(
                "SELECT workspace, app, purpose, generation, kek, wrapped FROM vault.app_keys WHERE kek <> $1 LIMIT 100",
            )
            .bind(&current)
            .fetch_all(&mut *connection)
            .await?;
            if rows.is_empty() {
                return Ok(rewrapped);
            }
            for row in &rows {
                rewrapped += self.rewrap_one(&mut *connection, row).await?;
            }
        }
    }

    /// Unwraps every app's key and forgets it: the keys at hand are those of this database. Says how many there are.
    pub async fn unwrap_every(&self, connection: &mut PgConnection) -> Result<u64, VaultError> {
        let rows = sqlx::query("SELECT workspace, app, purpose, generation, kek, wrapped FROM vault.app_keys")
            .fetch_all(connection)
            .await?;
        for row in &rows {
            self.unwrap_row(&Wrapped::read(row)?)?;
        }
        Ok(rows.len() as u64)
    }

    fn unwrap_row(&self, row: &Wrapped) -> Result<Zeroizing<[u8; 32]>, VaultError> {
        let Wrapped { whose, purpose, generation, kek, bytes } = row;
        self.unwrap(whose.1, kek, bytes, &wrapping(kek, *whose, *purpose, *generation))
    }

    async fn rewrap_one(&self, connection: &mut PgConnection, row: &PgRow) -> Result<u64, VaultError> {
        let row = Wrapped::read(row)?;
        let key = self.unwrap_row(&row)?;
        let Wrapped { whose, purpose, generation, bytes, .. } = row;
        let (new_kek, new_wrapped) = self.wrap(&key, |kek| wrapping(kek, whose, purpose, generation))?;
        let done = sqlx::query(
            "UPDATE vault.app_keys SET kek = $5, wrapped = $6, wrapped_at = clock_timestamp()
             WHERE workspace = $1 AND app = $2 AND purpose = $3 AND generation = $4 AND wrapped = $7",
        )
        .bind(whose.0.0)
        .bind(whose.1.0)
        .bind(purpose.word())
        .bind(generation)
        .bind(new_kek)
        .bind(new_wrapped)
        .bind(bytes)
        .execute(connection)
        .await?;
        Ok(done.rows_affected())
    }

    /// Gives every app another data key, for what is set from now on; says how many apps there are.
    pub async fn rotate_data_keys(&self, connection: &mut PgConnection) -> Result<u64, VaultError> {
        let rows = sqlx::query(
            "SELECT workspace, app, max(generation) AS generation FROM vault.app_keys WHERE purpose = 'data'
             GROUP BY workspace, app",
        )
        .fetch_all(&mut *connection)
        .await?;
        for row in &rows {
            let whose = (WorkspaceId(row.try_get("workspace")?), AppId(row.try_get("app")?));
            let newest: i64 = row.try_get("generation")?;
            self.make(&mut *connection, whose, Purpose::Data, newest + 1).await?;
        }
        Ok(rows.len() as u64)
    }

    /// Under which key-encryption keys something is wrapped.
    pub async fn keks_in_use(connection: &mut PgConnection) -> Result<Vec<String>, VaultError> {
        Ok(sqlx::query_scalar("SELECT DISTINCT kek FROM vault.app_keys ORDER BY kek").fetch_all(connection).await?)
    }
}
