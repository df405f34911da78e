//! Whether the caller is among those who may see a field, asked of the table in `domain` for every field that is resolved,
//! whatever way led to it: nested, followed or by `node`. Which things of a tenant are the caller's is for the ways to them and
//! for row-level security. The trap avoided: a new way to an old object, by somebody who forgot its guard.

use super::context::is_of_the_platform;
use crate::{
    fault::{Code, Fault},
    identity::{Principal, PrincipalKind},
};
use async_graphql::{
    PathSegment, QueryPathNode, QueryPathSegment, ServerError, ServerResult, Value,
    async_trait::async_trait,
    extensions::{Extension, ExtensionContext, ExtensionFactory, NextResolve, ResolveInfo},
};
use rhone_domain::authorization::{Audience, audience};
use rhone_projections::session::Session;
use std::sync::Arc;
use tokio::sync::OnceCell;

/// Asks for every field.
pub(crate) struct Audiences;

impl ExtensionFactory for Audiences {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Asked::default())
    }
}

/// What was found out for one request.
#[derive(Default)]
struct Asked {
    of_the_platform: OnceCell<bool>,
}

#[async_trait]
impl Extension for Asked {
    async fn resolve(
        &self,
        ctx: &ExtensionContext<'_>,
        info: ResolveInfo<'_>,
        next: NextResolve<'_>,
    ) -> ServerResult<Option<Value>> {
        // What the schema says of itself; `Exposure` decides whether it does. And each item of a list, whose field was asked.
        let of_the_schema = info.is_for_introspection || info.name.starts_with("__");
        let item_of_a_list = info.parent_type.starts_with('[');
        if !of_the_schema && !item_of_a_list {
            let admitted = self.admits(ctx, audience(served(info.parent_type), info.name)).await;
            admitted.map_err(|fault| {
                let error = async_graphql::Error::from(fault).into_server_error(info.field.name.pos);
                ServerError { path: path(info.path_node), ..error }
            })?;
        }
        next.run(ctx, info).await
    }
}

impl Asked {
    async fn admits(&self, ctx: &ExtensionContext<'_>, audience: Option<Audience>) -> Result<(), Fault> {
        let (Some(audience), Some(principal)) = (audience, ctx.data_opt::<Principal>()) else {
            return Err(Fault::new(Code::Forbidden, "nobody may see this"));
        };
        let admitted = match audience {
            // Of a mutation the commands' own table says who may.
            Audience::Everybody | Audience::Issuer => true,
            Audience::Tenants => matches!(principal.kind, PrincipalKind::User(_)),
            Audience::Person => principal.is_a_whole_person(),
            Audience::Platform => self.is_of_the_platform(ctx, principal).await?,
        };
        if admitted { Ok(()) } else { Err(Fault::new(Code::Forbidden, said(audience))) }
    }

    /// Asked once; who reads with nobody's eyes runs nothing.
    async fn is_of_the_platform(&self, ctx: &ExtensionContext<'_>, principal: &Principal) -> Result<bool, Fault> {
        let Some(session) = ctx.data_opt::<Session>() else { return Ok(false) };
        self.of_the_platform.get_or_try_init(|| is_of_the_platform(session, principal)).await.copied()
    }
}

/// Where in the answer, as a resolver's own error says it.
fn path(at: &QueryPathNode<'_>) -> Vec<PathSegment> {
    let segment = |node: &QueryPathNode<'_>| match node.segment {
        QueryPathSegment::Name(name) => PathSegment::Field(name.to_owned()),
        QueryPathSegment::Index(index) => PathSegment::Index(index),
    };
    let mut path = vec![segment(at)];
    path.extend(at.parents().map(segment));
    path.reverse();
    path
}

/// An object by its name in the schema: what is followed is resolved by the parts that are merged there.
fn served(parent: &str) -> &str {
    if parent.ends_with("Subscription") { "Subscription" } else { parent }
}

fn said(audience: Audience) -> &'static str {
    match audience {
        Audience::Person => "this is for its owner; a narrowed token, support and machines see none",
        Audience::Platform => "this is for those who run the platform",
        Audience::Tenants => "this is for people and programs of a workspace",
        Audience::Everybody | Audience::Issuer => "this is for callers",
    }
}

#[cfg(test)]
mod tests;
