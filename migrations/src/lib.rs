//! The database's shape, as numbered files that are applied in order and never edited once released. Who runs it: the
//! administrator, by `rhone migrate`; the programs' own roles cannot. The trap avoided: rights that a dump does not carry
//! (those on the database itself); they are given again by every run.

use sqlx::{
    Connection as _, PgConnection,
    migrate::{MigrateError, Migrator},
};

/// Every migration. The path is relative to this crate's folder, hence the way out and back in.
pub static MIGRATOR: Migrator = sqlx::migrate!("../migrations");

/// Makes the roles of the cluster; the first migration does the same. Alone it prepares a cluster for a restore.
pub const ROLES: &str = include_str!("../20261120000001_roles.sql");

const CLOSE: &str = "
DO $close$
BEGIN
    -- Two at once would change the same row of the catalogue, and one of them would fail.
    PERFORM pg_advisory_xact_lock(hashtext('rhone: close the database'));
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO rhone_api, rhone_worker, rhone_projector', current_database());
END
$close$";

const SET_PASSWORD: &str = "
SELECT format('ALTER ROLE %I LOGIN PASSWORD %L', rolname, $2) FROM pg_catalog.pg_roles
WHERE rolname = $1 AND rolname IN ('rhone_api', 'rhone_worker', 'rhone_projector')";

/// Brings a database up to date, as its administrator; two runs at once wait for each other.
pub async fn migrate(admin_url: &str) -> Result<(), MigrateError> {
    let mut admin = PgConnection::connect(admin_url).await?;
    // Not `run`: its future cannot be moved between threads.
    MIGRATOR.run_direct(None, &mut admin, false).await?;
    close_database(&mut admin).await?;
    admin.close().await?;
    Ok(())
}

/// Lets only the programs' roles connect, and nobody make temporary tables.
pub async fn close_database(admin: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(CLOSE).execute(admin).await?;
    Ok(())
}

/// Lets one of the programs' roles log in with this password. `RowNotFound`: there is no such role.
pub async fn set_role_password(admin: &mut PgConnection, role: &str, password: &str) -> Result<(), sqlx::Error> {
    let quoted: String = sqlx::query_scalar(SET_PASSWORD).bind(role).bind(password).fetch_one(&mut *admin).await?;
    // The statement was quoted by the server itself, which takes no parameters in it.
    sqlx::raw_sql(sqlx::AssertSqlSafe(quoted)).execute(admin).await?;
    Ok(())
}
