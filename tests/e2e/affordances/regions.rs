//! What is told of a region that an environment's traffic may be moved to, where there is one. The trap avoided: the way back from
//! the region in which the traffic is, offered by what is on record of the region alone.

use super::{Told, offered, tried};
use rhone_tests::{database::person, graphql::Client, platform::Platform, story::Tenant};
use serde_json::{Value, json};

/// Whether its owner may disable the only region that was asked for, as the mutation says, and that a member may not.
pub(crate) async fn may_be_disabled(platform: &Platform, tenant: &Tenant, region: &str) -> Value {
    let production = &tenant.production.id;
    let told = Told::new(
        format!("environment(id: \"{production}\") {{ regionStandings {{ affordances {{ disable $ }} }} }}"),
        "environmentRegionDisable",
        json!({ "environmentId": production, "regionId": region, "reason": "because of a test" }),
    );
    let member = member(platform, tenant).await;
    let (said, is) = (offered(&member, &told).await, tried(&member, &told).await);
    assert_eq!((&said["code"], &said["missingGrant"]), (&json!("GRANT_MISSING"), &is["missingGrant"]), "{said}, {is}");
    assert_eq!(is["code"], "GRANT_MISSING", "{is}");
    let (said, is) = (offered(&tenant.client, &told).await, tried(&tenant.client, &told).await);
    assert_eq!((&said["allowed"], &said["code"]), (&is["allowed"], &is["code"]), "{said}, {is}");
    said
}

async fn member(platform: &Platform, tenant: &Tenant) -> Client {
    let new = person(platform).await;
    let input = json!({ "workspaceId": tenant.workspace, "memberId": new.actor, "role": "MEMBER" });
    tenant.client.done("memberAdd", "workspace { id }", input).await;
    new.client
}
