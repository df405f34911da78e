//! Tokens that may less than their holder, and that end: made, listed, given another secret, ended, and when they were last
//! shown. Writer of those columns of the tokens' table. The traps: a secret in a list, of which only the last characters are
//! kept; a token that ends or takes over a wider one; a write with every request.

use super::{NewToken, Principal, Tokens, hash};
use crate::rate::{Accountable, Accounts};
use chrono::{DateTime, Utc};
use rhone_domain::{
    actor::UnknownWord,
    authorization::{Grant, Narrowing},
    ids::{ActorId, WorkspaceId},
};
use rhone_projections::keyset::{Keyset, Towards};
use sqlx::{Row as _, postgres::PgRow};
use uuid::Uuid;

/// How much of a secret is kept for people to know it again.
const HINT: usize = 4;

/// What a token is less than its holder.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// What it leaves of the rights.
    pub narrowing: Narrowing,
    /// Until when it is valid; none: until it is revoked.
    pub until: Option<DateTime<Utc>>,
}

/// A token as its holder may see it.
#[derive(Clone, Debug)]
pub struct Held {
    /// Its id.
    pub token: Uuid,
    /// For people.
    pub name: String,
    /// The last characters of its secret; none for those that were made before these were kept.
    pub hint: Option<String>,
    /// The only workspace it may touch.
    pub workspace: Option<WorkspaceId>,
    /// What it leaves of its holder's rights.
    pub narrowing: Narrowing,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Until when it is valid.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was last shown, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// When it got another secret.
    pub rotated_at: Option<DateTime<Utc>>,
    /// When it was ended.
    pub revoked_at: Option<DateTime<Utc>>,
}

impl Limits {
    pub(super) fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self { narrowing: narrowing(row)?, until: row.try_get("expires_at")? })
    }

    /// The grants as the table has them.
    fn words(&self) -> Option<Vec<&'static str>> {
        match &self.narrowing {
            Narrowing::Whole => None,
            Narrowing::Only(grants) => Some(grants.iter().map(|grant| grant.as_str()).collect()),
        }
    }
}

impl Tokens {
    /// Makes a token of a person valid, within these limits; `secret` is shown once and kept nowhere.
    pub async fn issue_limited(&self, token: &NewToken, limits: &Limits, secret: &str) -> Result<(), sqlx::Error> {
        sqlx::query("SELECT identity.issue_token($1, $2, $3, $4, $5, $6, $7, $8)")
            .bind(token.id)
            .bind(hash(secret).0)
            .bind(hint(secret))
            .bind(token.actor.0)
            .bind(token.workspace.map(|id| id.0))
            .bind(limits.words())
            .bind(&token.name)
            .bind(limits.until)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Ends a token of whoever asks that is no wider than the one they show; false if there was none.
    pub async fn revoke(&self, token: Uuid, by: &Principal) -> Result<bool, sqlx::Error> {
        sqlx::query_scalar("SELECT identity.revoke($1, $2, $3, $4)")
            .bind(token)
            .bind(by.actor.0)
            .bind(by.workspace.map(|id| id.0))
            .bind(by.limits.words())
            .fetch_one(&self.pool)
            .await
    }

    /// Gives such a token another secret, and says until when it is valid; none if there was none.
    pub async fn rotate(
        &self,
        token: Uuid,
        by: &Principal,
        secret: &str,
    ) -> Result<Option<Option<DateTime<Utc>>>, sqlx::Error> {
        sqlx::query_scalar("SELECT expires_at FROM identity.rotate($1, $2, $3, $4, $5, $6)")
            .bind(token)
            .bind(hash(secret).0)
            .bind(hint(secret))
            .bind(by.actor.0)
            .bind(by.workspace.map(|id| id.0))
            .bind(by.limits.words())
            .fetch_optional(&self.pool)
            .await
    }

    /// A page of somebody's tokens, the ended ones too.
    pub async fn held(
        &self,
        actor: ActorId,
        workspace: Option<WorkspaceId>,
        keyset: &Keyset<Uuid>,
    ) -> Result<Vec<Held>, sqlx::Error> {
        let rows = sqlx::query("SELECT * FROM identity.tokens_of($1, $2, $3, $4, $5)")
            .bind(actor.0)
            .bind(workspace.map(|id| id.0))
            .bind(keyset.from)
            .bind(keyset.towards == Towards::Newer)
            .bind(keyset.most);
        rows.fetch_all(&self.pool).await?.iter().map(read).collect()
    }

    /// Records that a token was shown. What was shown is valid all the same when that cannot be written.
    pub(super) async fn used(&self, token: Uuid) {
        let written = sqlx::query("SELECT identity.used($1)").bind(token).execute(&self.pool).await;
        if let Err(error) = written {
            tracing::warn!(error = &error as &dyn std::error::Error, token.id = %token, "a token's use is not recorded");
        }
    }
}

impl Accountable for Principal {
    fn accounts(&self) -> Accounts {
        Accounts { token: self.token, user: self.actor.0, workspace: self.workspace.map(|id| id.0) }
    }
}

fn hint(secret: &str) -> &str {
    secret.len().checked_sub(HINT).and_then(|from| secret.get(from..)).unwrap_or_default()
}

fn narrowing(row: &PgRow) -> Result<Narrowing, sqlx::Error> {
    let Some(words) = row.try_get::<Option<Vec<String>>, _>("grants")? else { return Ok(Narrowing::Whole) };
    let grants = words.iter().map(|word| word.parse::<Grant>()).collect::<Result<_, UnknownWord>>();
    grants.map(Narrowing::Only).map_err(|unknown| sqlx::Error::Decode(Box::new(unknown)))
}

fn read(row: &PgRow) -> Result<Held, sqlx::Error> {
    Ok(Held {
        token: row.try_get("token")?,
        name: row.try_get("name")?,
        hint: row.try_get("hint")?,
        workspace: row.try_get::<Option<Uuid>, _>("workspace")?.map(WorkspaceId),
        narrowing: narrowing(row)?,
        created_at: row.try_get("created_at")?,
        expires_at: row.try_get("expires_at")?,
        last_used_at: row.try_get("last_used_at")?,
        rotated_at: row.try_get("rotated_at")?,
        revoked_at: row.try_get("revoked_at")?,
    })
}

#[cfg(test)]
mod tests {
    //! Of a secret only the end is kept.
    use super::hint;

    #[test]
    fn a_hint_is_the_last_four_characters_and_nothing_of_a_shorter_secret() {
        assert_eq!(hint("rhone_abcdefgh"), "efgh");
        assert_eq!(hint("abc"), "");
        assert_eq!(hint("aé!"), "aé!", "four bytes");
        assert_eq!(hint("aaé!!!"), "", "not in the middle of a letter");
    }
}
