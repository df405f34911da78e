//! Every value of the vault opened once and forgotten: the proof that keys and database belong together. By the administrator,
//! after a restore. The trap avoided: keys that unwrap, and values under them that open no more.

use super::{Place, Vault, VaultError};
use rhone_domain::{
    ids::{AppId, EnvironmentId, WorkspaceId},
    numbers::EnvSet,
};
use sqlx::{PgConnection, Row as _, postgres::PgRow};
use uuid::Uuid;

/// So many are held at a time.
const PAGE: usize = 500;

impl Vault {
    /// Opens every value in the place that its row names; says how many there are. The first that does not open ends it.
    pub async fn open_every(&self, connection: &mut PgConnection) -> Result<u64, VaultError> {
        let (mut opened, mut after) = (0, Uuid::nil());
        loop {
            let rows = sqlx::query(
                "SELECT v.value, v.workspace, v.app, v.environment, v.name, v.env_set, v.nonce, v.ciphertext,
                        v.generation, k.kek, k.wrapped
                 FROM vault.values v JOIN vault.app_keys k USING (workspace, app, purpose, generation)
                 WHERE v.value > $1 ORDER BY v.value LIMIT $2",
            )
            .bind(after)
            .bind(i64::try_from(PAGE).expect("a page is small"))
            .fetch_all(&mut *connection)
            .await?;
            for row in &rows {
                self.decrypted(row, &place(row)?)?;
                after = row.try_get("value")?;
            }
            opened += rows.len() as u64;
            if rows.len() < PAGE {
                return Ok(opened);
            }
        }
    }
}

fn place(row: &PgRow) -> Result<Place, VaultError> {
    let set: i64 = row.try_get("env_set")?;
    Ok(Place {
        workspace: WorkspaceId(row.try_get("workspace")?),
        app: AppId(row.try_get("app")?),
        environment: row.try_get::<Option<Uuid>, _>("environment")?.map(EnvironmentId),
        name: row.try_get("name")?,
        set: EnvSet(u64::try_from(set).unwrap_or_default()),
    })
}
