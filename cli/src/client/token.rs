//! The life of API tokens from the command line. The trap avoided: asking twice for a new secret because the first answer was
//! lost; what shows a secret is never repeated.

use super::{
    args::TokenVerb,
    connection::{Again, Connection},
    documents,
    failure::Failure,
    list,
    run::not_found,
    show,
};
use serde_json::{Value, json};

/// One verb.
pub(super) async fn run(connection: &Connection, verb: TokenVerb, as_json: bool) -> Result<(), Failure> {
    match verb {
        TokenVerb::Create { name, workspace, grants, read_only, days } => {
            // No grants at all mean a token that only reads; none said mean all of them.
            let grants = (read_only || !grants.is_empty()).then_some(grants);
            let seconds = days.map(|days| u64::from(days) * 86_400);
            let input =
                json!({ "name": name, "workspaceId": workspace, "grants": grants, "expiresInSeconds": seconds });
            made(connection, (documents::TOKEN_CREATE, "tokenCreate"), input, as_json).await
        }
        TokenVerb::Edge { region, name } => {
            let input = json!({ "regionId": region, "name": name });
            made(connection, (documents::EDGE_TOKEN_CREATE, "edgeTokenCreate"), input, as_json).await
        }
        TokenVerb::Runner { host, name } => {
            let input = json!({ "hostId": host, "name": name });
            made(connection, (documents::RUNNER_TOKEN_CREATE, "runnerTokenCreate"), input, as_json).await
        }
        TokenVerb::List => list::run(connection, &list::TOKENS, None, as_json).await,
        TokenVerb::Rotate { token } => {
            let input = json!({ "input": { "tokenId": token } });
            let answer = connection.ask(documents::TOKEN_ROTATE, input, Again::MustNot).await?;
            show::data(&answer["tokenRotate"]["token"], as_json);
            found(&answer["tokenRotate"]["rotated"])
        }
        TokenVerb::Revoke { token } => {
            let input = json!({ "input": { "tokenId": token } });
            let answer = connection.query(documents::TOKEN_REVOKE, input).await?;
            show::data(&answer["tokenRevoke"], as_json);
            found(&answer["tokenRevoke"]["revoked"])
        }
    }
}

/// A token that was not there before.
async fn made(
    connection: &Connection,
    (document, field): (&str, &str),
    input: Value,
    as_json: bool,
) -> Result<(), Failure> {
    let answer = connection.ask(document, json!({ "input": input }), Again::MustNot).await?;
    show::data(&answer[field], as_json);
    Ok(())
}

fn found(done: &Value) -> Result<(), Failure> {
    if *done == true { Ok(()) } else { Err(not_found("token of yours, still valid")) }
}
