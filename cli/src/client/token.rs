//! The life of API tokens from the command line. A secret is shown once, by what makes it.

use super::{
    args::TokenVerb,
    failure::Failure,
    list,
    mutation::{EDGE_TOKEN_CREATE, RUNNER_TOKEN_CREATE, TOKEN_CREATE, TOKEN_REVOKE, TOKEN_ROTATE},
    run::Asking,
};
use serde_json::json;

/// One verb.
pub(super) async fn run(asking: &Asking<'_>, verb: TokenVerb) -> Result<(), Failure> {
    match verb {
        TokenVerb::Create { name, workspace, grants, read_only, days } => {
            // No grants at all mean a token that only reads; none said mean all of them.
            let grants = (read_only || !grants.is_empty()).then_some(grants);
            let seconds = days.map(|days| u64::from(days) * 86_400);
            let input =
                json!({ "name": name, "workspaceId": workspace, "grants": grants, "expiresInSeconds": seconds });
            asking.change_once(&TOKEN_CREATE, input).await
        }
        TokenVerb::Edge { region, name } => {
            asking.change_once(&EDGE_TOKEN_CREATE, json!({ "regionId": region, "name": name })).await
        }
        TokenVerb::Runner { host, name } => {
            asking.change_once(&RUNNER_TOKEN_CREATE, json!({ "hostId": host, "name": name })).await
        }
        TokenVerb::List => list::run(&asking.connection, &list::TOKENS, None, asking.how.json).await,
        TokenVerb::Rotate { token } => asking.change_once(&TOKEN_ROTATE, json!({ "tokenId": token })).await,
        TokenVerb::Revoke { token } => asking.change(&TOKEN_REVOKE, json!({ "tokenId": token })).await,
    }
}
