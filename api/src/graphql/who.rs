//! Who is behind something, and what they are called. A worker carries on what somebody asked for: the person is found up the
//! causes. Whoever may see an actor's id may see the name beside it, and nobody else gets here. Trap: a statement for each line;
//! the loaders gather those of one request.

use super::context::Ask as _;
use crate::fault::Fault;
use async_graphql::{Context, Object};
use rhone_domain::envelope::StreamId;
use rhone_projections::origins::{Beginning, Origin};
use uuid::Uuid;

/// Who asked for something: a person, or a program with a person's token.
#[derive(Clone, Debug)]
pub(crate) struct Requester(Origin);

#[Object]
impl Requester {
    /// As `viewer` says it to them.
    async fn actor(&self) -> String {
        self.0.actor.to_string()
    }

    /// user, token or support.
    async fn actor_kind(&self) -> &str {
        &self.0.kind
    }

    /// The login, or else what their token is called; null where neither is known.
    async fn actor_name(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<String>> {
        Ok(name(ctx, self.0.actor).await?)
    }

    /// For whom support acted.
    async fn on_behalf_of(&self) -> Option<String> {
        self.0.on_behalf_of.map(|id| id.to_string())
    }
}

/// What an actor is called, if that is known.
pub(crate) async fn name(ctx: &Context<'_>, actor: Uuid) -> Result<Option<String>, Fault> {
    ctx.loaders().names.load_one(actor).await.map_err(Fault::internal)
}

/// Who is behind an event; nobody where Rhone itself is.
pub(crate) async fn behind(ctx: &Context<'_>, event: Uuid) -> Result<Option<Requester>, Fault> {
    let found = ctx.loaders().origins.load_one(event).await.map_err(Fault::internal)?;
    Ok(found.map(Requester))
}

/// How a stream began.
pub(crate) async fn beginning(ctx: &Context<'_>, stream: StreamId) -> Result<Option<Beginning>, Fault> {
    ctx.loaders().origins.load_one(stream.to_string()).await.map_err(Fault::internal)
}

/// Who is behind the first event of a stream.
pub(crate) async fn behind_the_first(ctx: &Context<'_>, stream: StreamId) -> Result<Option<Requester>, Fault> {
    Ok(beginning(ctx, stream).await?.and_then(|beginning| beginning.origin).map(Requester))
}
