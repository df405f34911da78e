//! What people and their programs are called, for whoever may see that they did something. Personal and no event: whoever is
//! forgotten has no name here any more. The trap avoided: a question for each name.

use sqlx::PgConnection;
use std::collections::HashMap;
use uuid::Uuid;

/// The login of each of these actors, or else the name of the token that was made for it; who has neither is missing.
pub async fn names(connection: &mut PgConnection, actors: &[Uuid]) -> Result<HashMap<Uuid, String>, sqlx::Error> {
    let rows: Vec<(Uuid, String)> =
        sqlx::query_as("SELECT actor, name FROM identity.names($1)").bind(actors).fetch_all(connection).await?;
    Ok(rows.into_iter().collect())
}
