//! Tokens as their table has them: listed, looked up by id, and when they were last shown. Writer of that last column alone. The
//! traps: a secret in a list, of which only the last characters are kept; a write with every request.

use super::{Principal, Tokens};
use crate::rate::{Accountable, Accounts};
use chrono::{DateTime, Utc};
use rhone_domain::{
    actor::UnknownWord,
    authorization::{Grant, Narrowing},
    ids::{ActorId, HostId, RegionId, SupportId, TokenId, WorkspaceId},
    text::Name,
    token::{Described, Holder, Limits},
};
use rhone_eventstore::Transaction;
use rhone_projections::{
    keyset::{Keyset, Towards},
    session::Session,
};
use sqlx::{Row as _, postgres::PgRow};
use uuid::Uuid;

/// A token as its holder may see it.
#[derive(Clone, Debug)]
pub struct Held {
    /// Its id.
    pub token: Uuid,
    /// For people.
    pub name: String,
    /// The last characters of its secret; none for those that were made before these were kept.
    pub hint: Option<String>,
    /// What it leaves of its holder's reach, and until when.
    pub limits: Limits,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last shown, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// When it got another secret.
    pub rotated_at: Option<DateTime<Utc>>,
    /// When it was ended.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// One token, with what it speaks for.
#[derive(Clone, Debug)]
pub struct Kept {
    /// As its holder may see it.
    pub held: Held,
    /// Who shows it.
    actor: ActorId,
    /// For what it speaks.
    holder: Holder,
}

impl Kept {
    /// One of the caller's own.
    pub fn of_a_person(held: Held, by: &Principal) -> Self {
        Self { held, actor: by.actor, holder: Holder::Person }
    }

    /// As the log describes it; none where it has a name that the log would not take.
    pub fn described(&self) -> Option<Described> {
        let Held { token, name, limits, .. } = &self.held;
        let name = Name::parse("name", name).ok()?;
        Some(Described { id: TokenId(*token), actor: self.actor, holder: self.holder, name, limits: limits.clone() })
    }
}

impl Tokens {
    /// A page of the tokens of whoever asks, the ended ones too.
    pub async fn held(&self, by: &Principal, keyset: &Keyset<Uuid>) -> Result<Vec<Held>, sqlx::Error> {
        let rows = sqlx::query("SELECT * FROM identity.tokens_of($1, $2, $3)")
            .bind(keyset.from)
            .bind(keyset.towards == Towards::Newer)
            .bind(keyset.most);
        rows.fetch_all(&mut *self.asking(by).await?).await?.iter().map(held).collect()
    }

    /// One of whoever asks, ended or not; for who runs the platform, also one of a machine or of support.
    pub async fn kept(&self, token: TokenId, by: &Principal) -> Result<Option<Kept>, sqlx::Error> {
        let row = sqlx::query("SELECT * FROM identity.token($1)").bind(token.0);
        row.fetch_optional(&mut *self.asking(by).await?).await?.as_ref().map(kept).transpose()
    }

    /// Until when support may act, for who runs the platform; none where it may not, or no longer.
    pub async fn supported_until(
        &self,
        access: SupportId,
        by: &Principal,
    ) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
        let until = sqlx::query_scalar("SELECT identity.supported_until($1)").bind(access.0);
        until.fetch_one(&mut *self.asking(by).await?).await
    }

    /// Records that a token was shown. What was shown is valid all the same when that cannot be written.
    pub(super) async fn used(&self, principal: &Principal) {
        let written = sqlx::query("SELECT identity.used($1)").bind(principal.hash.0).execute(&self.pool).await;
        if let Err(error) = written {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, token.id = %principal.token, "a token's use is not recorded");
        }
    }

    /// A transaction in which the database knows who asks, themselves and not whom they act for.
    async fn asking(&self, by: &Principal) -> Result<Transaction, sqlx::Error> {
        Session::new(self.pool.clone(), by.actor, by.workspace).begin().await
    }
}

impl Accountable for Principal {
    fn accounts(&self) -> Accounts {
        Accounts { token: self.token, user: self.actor.0, workspace: self.workspace.map(|id| id.0) }
    }
}

/// What a row leaves of its holder's reach.
pub(super) fn limits(row: &PgRow) -> Result<Limits, sqlx::Error> {
    let workspace: Option<Uuid> = row.try_get("workspace")?;
    Ok(Limits { workspace: workspace.map(WorkspaceId), narrowing: narrowing(row)?, until: row.try_get("expires_at")? })
}

fn narrowing(row: &PgRow) -> Result<Narrowing, sqlx::Error> {
    let Some(words) = row.try_get::<Option<Vec<String>>, _>("grants")? else { return Ok(Narrowing::Whole) };
    let grants = words.iter().map(|word| word.parse::<Grant>()).collect::<Result<_, UnknownWord>>();
    grants.map(Narrowing::Only).map_err(|unknown| sqlx::Error::Decode(Box::new(unknown)))
}

fn held(row: &PgRow) -> Result<Held, sqlx::Error> {
    Ok(Held {
        token: row.try_get("token")?,
        name: row.try_get("name")?,
        hint: row.try_get("hint")?,
        limits: limits(row)?,
        created_at: row.try_get("created_at")?,
        last_used_at: row.try_get("last_used_at")?,
        rotated_at: row.try_get("rotated_at")?,
        revoked_at: row.try_get("revoked_at")?,
    })
}

fn kept(row: &PgRow) -> Result<Kept, sqlx::Error> {
    let (region, host, access): (Option<Uuid>, Option<Uuid>, Option<Uuid>) =
        (row.try_get("region")?, row.try_get("host")?, row.try_get("access")?);
    let holder = match (region, host, access) {
        (Some(region), _, _) => Holder::Edge(RegionId(region)),
        (_, Some(host), _) => Holder::Runner(HostId(host)),
        (_, _, Some(access)) => Holder::Support(SupportId(access)),
        (None, None, None) => Holder::Person,
    };
    Ok(Kept { held: held(row)?, actor: ActorId(row.try_get("actor")?), holder })
}
