//! A support bundle: what one cause brought about, redacted, in a form that folds to the same states elsewhere. The same
//! cause at the same point of the log gives the same bytes.

use super::{absent, fault};
use crate::{
    fault::Fault,
    graphql::{
        context::{self, begin},
        timeline::uuid,
    },
};
use async_graphql::{Context, Json, SimpleObject};
use rhone_domain::digest::Digest;
use rhone_projections::history;
use serde_json::Value;

/// What one cause brought about, to be handed on.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct SupportBundle {
    /// All of it has this one; an operation's id where there is one.
    correlation: String,
    /// Whole: `rhone replay --from` takes it.
    bundle: Json<Value>,
    /// SHA-256 of the bundle as JSON without blanks and with the keys of each object in order.
    digest: String,
}

/// The bundle of a cause.
pub(crate) async fn support_bundle(
    ctx: &Context<'_>,
    correlation: &str,
    at_least: Option<&str>,
) -> Result<SupportBundle, Fault> {
    let id = uuid("correlation", correlation)?;
    context::at_least(ctx, at_least).await?;
    let mut transaction = begin(ctx).await?;
    let bundle = history::bundle(&mut transaction, id).await.map_err(fault)?.ok_or_else(|| absent("correlation"))?;
    let bundle = serde_json::to_value(bundle).map_err(Fault::internal)?;
    let digest = Digest::of(&[bundle.to_string().as_bytes()]).to_string();
    Ok(SupportBundle { correlation: id.to_string(), bundle: Json(bundle), digest })
}
