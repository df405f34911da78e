//! What the caller may do with a token now, by its stream and its row, as the mutations find it. The trap avoided: a token that
//! ended with its holder's membership, of which its own stream says nothing.

use super::held::ApiToken;
use crate::{
    fault::Fault,
    graphql::{
        affordance::{Affordance, Caller},
        context::Ask as _,
        member::not_support,
    },
};
use async_graphql::{Context, SimpleObject};
use rhone_domain::{
    aggregate::Aggregate as _,
    authorization::Scope,
    digest::Digest,
    token::{Command, Event, Holder, Rejection, Secret, Token},
};

/// What the caller may do with a token now, each by the name of its mutation.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct ApiTokenAffordances {
    /// `tokenRotate`
    rotate: Affordance,
    /// `tokenRevoke`
    revoke: Affordance,
}

impl ApiTokenAffordances {
    pub(super) async fn of(ctx: &Context<'_>, shown: &ApiToken) -> Result<Self, Fault> {
        let (principal, at) = (ctx.principal(), ctx.platform().clock.now());
        let none = || Affordance::refused(&Rejection::NoToken);
        // Asked before anything else, as by the mutation.
        let forbidden = not_support(ctx).err().map(|fault| Affordance::faulted(&fault));
        let token = noun(ctx, shown).await?;
        let Some(described) = token.token.clone() else {
            return Ok(Self { rotate: forbidden.unwrap_or_else(none), revoke: none() });
        };
        let caller = Caller::within(ctx, described.tenant(), Scope::default()).await?;
        let (by, secret) = (principal.as_asker(), Secret { digest: Digest::ZERO, hint: String::new() });
        let rotate = Command::Rotate { secret, by: by.clone(), at };
        Ok(Self {
            rotate: forbidden.unwrap_or_else(|| caller.may_tell(&token, rotate)),
            revoke: match described.holder {
                Holder::Person => caller.may_tell(&token, Command::Revoke { by, at }),
                Holder::Runner(_) | Holder::Edge(_) | Holder::Support(_) => {
                    caller.may_run(&token, Command::Withdraw { at })
                }
            },
        })
    }
}

/// The token as a mutation finds it: in the log, or where it was made before the log could know of it.
async fn noun(ctx: &Context<'_>, shown: &ApiToken) -> Result<Token, Fault> {
    let mut token = ctx.loaders().folded::<Token>(shown.id).await?;
    if token.token.is_none()
        && let Some(described) = &shown.described
    {
        token.apply(&Event::Found { token: described.clone(), made: shown.created_at });
    }
    token.ended = token.ended.or(shown.revoked_at);
    Ok(token)
}
