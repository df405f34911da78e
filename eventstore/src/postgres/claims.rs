//! Claims, as an actor of the API may know them: whether a name is taken, and by whom where that is its own affair. The trap
//! avoided: folding a claim's stream with a tenant's eyes; what another tenant wrote there is not seen, and the name looks free.

use super::Acting;
use crate::{log::ReadError, unit::Loaded};
use rhone_domain::{aggregate::Aggregate as _, claim::Claim, envelope::StreamId, numbers::Version};
use sqlx::{PgPool, Row as _, postgres::PgRow};
use uuid::Uuid;

const CLAIM: &str = "SELECT version, taken, holder FROM log.read_claim($1, $2, $3)";

pub(super) async fn claim(pool: &PgPool, acting: Acting, id: Uuid) -> Result<Loaded<Claim>, ReadError> {
    let row = sqlx::query(CLAIM)
        .bind(acting.actor.map(|actor| actor.0))
        .bind(acting.scope.map(|workspace| workspace.0))
        .bind(id)
        .fetch_optional(pool)
        .await
        .map_err(ReadError::Unavailable)?;
    let stream = StreamId::new(Claim::CATEGORY, id);
    let (version, state) = match row {
        Some(row) => known(&row).map_err(ReadError::Unavailable)?,
        None => (Version(0), Claim::default()),
    };
    Ok(Loaded { stream, version, state, last_event: None })
}

fn known(row: &PgRow) -> Result<(Version, Claim), sqlx::Error> {
    let version: i64 = row.try_get("version")?;
    let version = u64::try_from(version).map_err(|error| sqlx::Error::Decode(error.into()))?;
    let claim = match (row.try_get("taken")?, row.try_get("holder")?) {
        (true, Some(holder)) => Claim { holder: Some(holder) },
        (true, None) => Claim::of_somebody_else(),
        (false, _) => Claim::default(),
    };
    Ok((Version(version), claim))
}
