//! The caller's tokens, for reading: what each may, until when, and when it was last shown. The trap: a secret; only its last
//! characters are known here. To a token of one workspace only those of that workspace exist.

use super::affordances::ApiTokenAffordances;
use crate::{
    fault::Fault,
    graphql::{
        connection::{Pages, Rows},
        context::Ask as _,
        id,
    },
    identity::{Held, Kept},
};
use async_graphql::{ComplexObject, Context, ID, SimpleObject};
use chrono::{DateTime, Utc};
use rhone_domain::{authorization::Narrowing, ids::TokenId, token::Described};
use rhone_eventstore::Position;
use uuid::Uuid;

/// A token of the caller, or one that was made for a machine.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub(crate) struct ApiToken {
    #[graphql(skip)]
    pub(super) id: Uuid,
    /// As the log would describe it; none where it has a name that the log would not take.
    #[graphql(skip)]
    pub(super) described: Option<Described>,
    /// To revoke or to rotate it by.
    token_id: String,
    /// For people.
    name: String,
    /// The last characters of its secret; null for a token that was made before they were kept.
    hint: Option<String>,
    /// The only workspace it may touch.
    workspace_id: Option<ID>,
    /// What it leaves of its holder's rights, as words of authorizationTable; null for all of them, and none for a token that
    /// only reads.
    grants: Option<Vec<&'static str>>,
    pub(super) created_at: DateTime<Utc>,
    /// Until when it is valid; null: until it is revoked.
    expires_at: Option<DateTime<Utc>>,
    /// When it was last shown, to the minute; null: never yet.
    last_used_at: Option<DateTime<Utc>>,
    /// When it got the secret that it has; null: the one it was made with.
    rotated_at: Option<DateTime<Utc>>,
    pub(super) revoked_at: Option<DateTime<Utc>>,
    /// Whether it is the one that was shown with this request.
    current: bool,
}

/// The words of a narrowing.
pub(crate) fn words(narrowing: &Narrowing) -> Option<Vec<&'static str>> {
    match narrowing {
        Narrowing::Whole => None,
        Narrowing::Only(grants) => Some(grants.iter().map(|grant| grant.as_str()).collect()),
    }
}

#[ComplexObject]
impl ApiToken {
    /// What the caller may do with it now, and why not if not.
    #[graphql(complexity = "20 + child_complexity")]
    async fn affordances(&self, ctx: &Context<'_>) -> async_graphql::Result<ApiTokenAffordances> {
        Ok(ApiTokenAffordances::of(ctx, self).await?)
    }
}

impl ApiToken {
    fn of(kept: Kept, shown: Uuid) -> Self {
        let (described, held) = (kept.described(), kept.held);
        Self {
            id: held.token,
            described,
            token_id: held.token.to_string(),
            name: held.name,
            hint: held.hint,
            workspace_id: held.limits.workspace.map(id::show),
            grants: words(&held.limits.narrowing),
            created_at: held.created_at,
            expires_at: held.limits.until,
            last_used_at: held.last_used_at,
            rotated_at: held.rotated_at,
            revoked_at: held.revoked_at,
            current: held.token == shown,
        }
    }
}

impl ApiToken {
    /// Written inline, so it needs no waiting.
    pub(crate) async fn find(ctx: &Context<'_>, id: TokenId, _: Option<Position>) -> Result<Option<Self>, Fault> {
        let principal = ctx.principal();
        let kept = ctx.platform().tokens.kept(id, principal).await.map_err(Fault::internal)?;
        Ok(kept.map(|kept| Self::of(kept, principal.token)))
    }
}

/// A page of the caller's tokens, in the order in which they were made.
pub(crate) async fn page(ctx: &Context<'_>, pages: Pages) -> Result<Rows<ApiToken>, Fault> {
    let (wanted, principal) = (pages.wanted::<Uuid>()?, ctx.principal());
    let held = ctx.platform().tokens.held(principal, &wanted.keyset).await;
    let rows = held.map_err(Fault::internal)?.into_iter();
    let of = |held: Held| (held.token.to_string(), ApiToken::of(Kept::of_a_person(held, principal), principal.token));
    Ok(wanted.connection(rows.map(of).collect()))
}
