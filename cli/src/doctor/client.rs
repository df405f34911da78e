//! What `rhone doctor` asks where no part of the platform runs: whether the API answers, whether it knows who asks, what this
//! folder is linked to, and git. The trap avoided: telling a person with a laptop to copy the vault's keys there.

use super::{Finding, PATIENCE, Verdict, host};
use crate::{
    client::{
        Connection, Failure, documents,
        link::Link,
        named::{self, Level},
    },
    data::Data,
};
use anyhow::{Result, bail};
use serde_json::json;
use tokio::time::timeout;

const SIGN_IN: &str = "rhone login --url URL, or set RHONE_URL and RHONE_TOKEN";

/// Everything about a client.
pub(super) async fn examined(data: &Data) -> Vec<Finding> {
    let mut findings = Vec::new();
    match Connection::configured(data) {
        Ok(connection) => {
            findings.push(Finding::new("API", answers(&connection).await));
            let mends = "rhone link ENVIRONMENT, or rhone link --forget";
            findings.push(super::within("link", mends, linked(&connection)).await);
        }
        Err(failure) => findings.push(Finding::new("API", Err((failure.to_string(), SIGN_IN)))),
    }
    findings.push(host::git(None).await);
    findings
}

/// Whether it answers, and knows who asks.
async fn answers(connection: &Connection) -> Verdict {
    const AWAY: &str = "see whether it runs (rhone doctor on its host), and whether RHONE_URL names it";
    let url = connection.at("");
    match timeout(PATIENCE, connection.query(documents::VIEWER, json!({}))).await {
        Ok(Ok(data)) => Ok(format!("{url} knows you as {}", data["viewer"]["actor"].as_str().unwrap_or("nobody"))),
        Ok(Err(failure @ (Failure::Unauthenticated(_) | Failure::NoToken))) => {
            Err((format!("{url}: {failure}"), SIGN_IN))
        }
        Ok(Err(failure)) => Err((format!("{url}: {failure}"), AWAY)),
        Err(_) => Err((format!("{url}: no answer within {} s", PATIENCE.as_secs()), AWAY)),
    }
}

async fn linked(connection: &Connection) -> Result<String> {
    let Some(link) = Link::read()? else { return Ok("this folder is linked to nothing".to_owned()) };
    let environment = named::id_of(connection, Level::Environment, &link.environment).await?;
    let found = connection.query(documents::PLACE, json!({ "id": environment })).await?;
    if found["environment"].is_null() {
        bail!("{} is not there any more, or not yours", link.environment);
    }
    Ok(format!("this folder is linked to {}", link.environment))
}
