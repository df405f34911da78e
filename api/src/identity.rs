//! Who calls: bearer tokens, looked up by their hash. Writer of the tokens' table: the append of a token's events, and of the
//! first ones of a platform `Tokens::issue`; those from before ADR 0023 are rows alone, too. The trap: a token kept in clear;
//! only its SHA-256 is stored, and a `Debug` of a principal shows ids.

use crate::authenticate::{AuthError, Authenticator};
use rhone_domain::{
    actor::{Actor, ActorKind, UnknownWord},
    authorization::Narrowing,
    digest::Digest,
    ids::{ActorId, HostId, RegionId, WorkspaceId},
    token,
};
use rhone_eventstore::clock;
use sqlx::{PgPool, Row as _, postgres::PgRow};
use uuid::Uuid;

mod kept;
pub use kept::{Held, Kept};

/// What every token begins with, so that a leaked one is recognised.
pub const PREFIX: &str = "rhone_";

/// What the log says to a token that would speak for what is over: a support access that ended, a device's code that was used.
pub(crate) const OVER: &str = "RH008";

/// How much of a secret is kept for people to know it again.
const HINT: usize = 4;

/// An authenticated caller.
#[derive(Clone, Debug)]
pub struct Principal {
    /// Which token it showed, or which session.
    pub token: Uuid,
    /// Who it is.
    pub actor: ActorId,
    /// What it is.
    pub kind: PrincipalKind,
    /// The only workspace it may touch, if the token is narrowed.
    pub workspace: Option<WorkspaceId>,
    /// For whom, when support acts for a member.
    pub on_behalf_of: Option<ActorId>,
    /// What the token leaves of its holder's reach, and until when.
    pub limits: token::Limits,
    /// Whether a token or a browser's cookie was shown.
    pub shown: Shown,
    hash: Digest,
}

/// What a caller showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// A token.
    Token,
    /// The cookie of a session, whose id stands in the token's place.
    Session {
        /// Whether its cookie must be replaced.
        cookie: Cookie,
    },
}

/// Whether a session's cookie is still the right one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cookie {
    /// It is.
    Fresh,
    /// The caller may do something else than when it was made.
    Stale,
}

/// What a caller is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrincipalKind {
    /// A person or a program that uses the API.
    User(ActorKind),
    /// An edge of this region.
    Edge(RegionId),
    /// The runner of this host.
    Runner(HostId),
}

impl Principal {
    /// As events name it.
    pub fn as_actor(&self) -> Actor {
        let kind = match self.kind {
            PrincipalKind::User(kind) => kind,
            PrincipalKind::Edge(_) | PrincipalKind::Runner(_) => ActorKind::Runner,
        };
        Actor { id: self.actor, kind, on_behalf_of: self.on_behalf_of }
    }

    /// The caller behind a session's cookie.
    pub(crate) fn of_session(session: Uuid, actor: ActorId, cookie: Cookie, hash: Digest) -> Self {
        Self {
            token: session,
            actor,
            kind: PrincipalKind::User(ActorKind::User),
            workspace: None,
            on_behalf_of: None,
            limits: token::Limits::default(),
            shown: Shown::Session { cookie },
            hash,
        }
    }

    /// The session whose cookie was shown.
    pub fn session(&self) -> Option<Uuid> {
        matches!(self.shown, Shown::Session { .. }).then_some(self.token)
    }

    /// What was shown, as it is kept.
    pub(crate) fn hash(&self) -> Digest {
        self.hash
    }

    /// As what it asks about tokens.
    pub(crate) fn as_asker(&self) -> token::Asker {
        token::Asker { actor: self.actor, limits: self.limits.clone() }
    }

    /// Whether it speaks for a person as a whole: no machine, not support, and no token that is less than they are.
    pub(crate) fn is_a_whole_person(&self) -> bool {
        let whole = self.workspace.is_none() && self.on_behalf_of.is_none();
        whole && self.limits.narrowing == Narrowing::Whole && matches!(self.kind, PrincipalKind::User(_))
    }

    /// With whose eyes it sees and by whose rights it acts.
    pub fn eyes(&self) -> ActorId {
        self.on_behalf_of.unwrap_or(self.actor)
    }
}

/// A token to be.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Its id.
    pub id: Uuid,
    /// Who will show it.
    pub actor: ActorId,
    /// What that is.
    pub kind: PrincipalKind,
    /// The only workspace it may touch.
    pub workspace: Option<WorkspaceId>,
    /// For people.
    pub name: String,
}

/// The tokens' table.
#[derive(Clone, Debug)]
pub struct Tokens {
    pool: PgPool,
}

impl Tokens {
    /// Through a pool of role `rhone_api`; `issue`, and it alone, needs one of `rhone_worker`.
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// Makes a token valid before there is anybody who could ask for it: the first ones of a platform. The log takes it in when
    /// it is changed. `secret` is shown once and kept nowhere.
    pub async fn issue(&self, token: &NewToken, secret: &str) -> Result<(), sqlx::Error> {
        let (kind, region, host) = match token.kind {
            PrincipalKind::User(kind) => (kind.as_str(), None, None),
            PrincipalKind::Edge(region) => ("edge", Some(region.0), None),
            PrincipalKind::Runner(host) => ("runner", None, Some(host.0)),
        };
        sqlx::query("SELECT identity.issue($1, $2, $3, $4, $5, $6, $7, $8, NULL)")
            .bind(token.id)
            .bind(hash(secret).0)
            .bind(kind)
            .bind(token.actor.0)
            .bind(token.workspace.map(|id| id.0))
            .bind(region)
            .bind(host)
            .bind(&token.name)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Who it is, and whether the use is to be recorded.
    async fn look_up(&self, hash: Digest) -> Result<(Principal, bool), AuthError> {
        const AUTHENTICATE: &str =
            "SELECT token, kind, actor, workspace, region, host, on_behalf_of, grants, expires_at, use_is_due
             FROM identity.authenticate($1)";
        let row = sqlx::query(AUTHENTICATE)
            .bind(hash.0)
            .fetch_optional(&self.pool)
            .await
            .map_err(unavailable)?
            .ok_or(AuthError::Refused)?;
        let due = row.try_get("use_is_due").map_err(unavailable)?;
        Ok((read(&row, hash).map_err(unavailable)?, due))
    }
}

impl Authenticator for Tokens {
    type Actor = Principal;

    async fn authenticate(&self, bearer: &str) -> Result<Principal, AuthError> {
        if !bearer.starts_with(PREFIX) {
            return Err(AuthError::Refused);
        }
        let (principal, due) = self.look_up(hash(bearer)).await?;
        if due {
            self.used(&principal).await;
        }
        Ok(principal)
    }

    async fn still_valid(&self, actor: &Principal) -> Result<(), AuthError> {
        self.look_up(actor.hash).await.map(drop)
    }
}

/// What a new token is shown as.
pub(crate) fn new_secret() -> String {
    format!("{PREFIX}{}", clock::secret())
}

/// What the log keeps of a secret.
pub(crate) fn recorded(secret: &str) -> token::Secret {
    let hint = secret.len().checked_sub(HINT).and_then(|from| secret.get(from..)).unwrap_or_default();
    token::Secret { digest: hash(secret), hint: hint.to_owned() }
}

/// What is kept of a secret.
pub(crate) fn hash(secret: &str) -> Digest {
    Digest::of(&[secret.as_bytes()])
}

pub(crate) fn unavailable(error: sqlx::Error) -> AuthError {
    AuthError::Unavailable(Box::new(error))
}

fn read(row: &PgRow, hash: Digest) -> Result<Principal, sqlx::Error> {
    let (kind, region, host): (String, Option<Uuid>, Option<Uuid>) =
        (row.try_get("kind")?, row.try_get("region")?, row.try_get("host")?);
    let kind = match (kind.as_str(), region, host) {
        ("edge", Some(region), _) => PrincipalKind::Edge(RegionId(region)),
        ("runner", _, Some(host)) => PrincipalKind::Runner(HostId(host)),
        (kind, _, _) => {
            PrincipalKind::User(kind.parse().map_err(|error: UnknownWord| sqlx::Error::Decode(Box::new(error)))?)
        }
    };
    let limits = kept::limits(row)?;
    let on_behalf_of: Option<Uuid> = row.try_get("on_behalf_of")?;
    Ok(Principal {
        token: row.try_get("token")?,
        actor: ActorId(row.try_get("actor")?),
        kind,
        workspace: limits.workspace,
        on_behalf_of: on_behalf_of.map(ActorId),
        limits,
        shown: Shown::Token,
        hash,
    })
}

#[cfg(test)]
mod tests {
    //! Of a secret only its SHA-256 and its end are kept.
    use super::*;

    #[test]
    fn a_hint_is_the_last_four_characters_and_nothing_of_a_shorter_secret() {
        let hint = |secret: &str| recorded(secret).hint;
        assert_eq!(hint("rhone_abcdefgh"), "efgh");
        assert_eq!(hint("abc"), "");
        assert_eq!(hint("aé!"), "aé!", "four bytes");
        assert_eq!(hint("aaé!!!"), "", "not in the middle of a letter");
        let secret = new_secret();
        assert!(secret.starts_with(PREFIX) && secret.ends_with(&hint(&secret)));
        assert_ne!(recorded(&secret).digest, recorded(&new_secret()).digest);
    }
}
