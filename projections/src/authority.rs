//! Rows written in the append's own transaction; see [`crate::inline`]. A list.

pub mod allocations;
pub mod feed;
pub mod hosts;
pub mod invitations;
pub mod lanes;
pub mod members;
pub mod operations;
pub mod route_owners;
pub mod tokens;

use rhone_domain::numbers::Version;
use sqlx::{Row as _, postgres::PgRow};

/// The version of the stream that a row was made from.
fn version(row: &PgRow) -> Result<Version, sqlx::Error> {
    let version: i64 = row.try_get("version")?;
    u64::try_from(version).map(Version).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}
