//! A tenant that has lived: something of every kind that can be shown. The trap avoided: a field that everybody may see because
//! there is nothing to see.

use super::id_of;
use crate::{
    gates::{FIRST, migrating, ran, recorded},
    logs::{print, shows},
    roles::added,
};
use rhone_tests::{
    artifacts::Version,
    inputs::Owner,
    platform::Platform,
    repository::Repository,
    story::text,
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};

/// Somebody with a past.
pub(super) struct Lived {
    pub(super) owner: Owner,
    built: String,
    failed: String,
}

impl Lived {
    pub(super) async fn new(platform: &Platform) -> Self {
        let owner = Owner::new(platform).await;
        let lane = owner.tenant.preview.id.as_str();
        let long = json!({ "environmentId": lane, "drainSeconds": 3_600 });
        owner.tenant.client.done("environmentDrainPolicySet", "__typename", long).await;
        let asked = async || print(&owner.tenant, &owner.tenant.preview, "/print", "it lives").await;
        until("the app prints a line", PATIENCE, asked).await;
        shows(&owner.tenant, &owner.tenant.preview, "it lives").await;
        has_sources(&owner).await;
        let (built, failed) = built(&owner).await;
        went_back(&owner).await;
        let old = migrating(&owner.tenant, Version::Green, FIRST.to_owned()).await;
        recorded(&owner.tenant, ran(&owner.tenant, &old.id, "0001_orders", &[])).await;
        let variables = json!([{ "key": "GREETING", "value": "hello", "kind": "PLAIN" }]);
        let set = json!({ "environmentId": lane, "variables": variables });
        owner.tenant.client.done("environmentVariablesSet", "__typename", set).await;
        let custom = added(platform, &owner, "MEMBER").await;
        let give = json!({ "projectId": owner.tenant.project, "memberId": custom.actor, "grants": ["roll_back"] });
        owner.tenant.client.done("memberProjectGrantsSet", "__typename", give).await;
        was_refused(&owner).await;
        Self { owner, built, failed }
    }

    /// An id by the name that a question has for it.
    pub(super) fn id(&self, name: &str) -> String {
        match name {
            "builtId" => self.built.clone(),
            "failedId" => self.failed.clone(),
            _ => id_of(&self.owner, name),
        }
    }
}

async fn has_sources(owner: &Owner) {
    let (client, app) = (&owner.tenant.client, owner.tenant.app.as_str());
    let source = json!({ "appId": app, "repository": owner.good_value("repository"), "reference": "main" });
    client.done("appSourceSet", "__typename", source).await;
    let credential = json!({ "appId": app, "host": "git.example.com", "username": "bot", "secret": "a secret" });
    client.done("appSourceCredentialSet", "__typename", credential).await;
}

/// A build that came to traffic, and one of a commit that is nowhere.
async fn built(owner: &Owner) -> (String, String) {
    let repository = Repository::of_python();
    repository.commit_version("lived");
    let ask = async |reference: &str| {
        let input = json!({ "environmentId": owner.tenant.preview.id, "repository": repository.address(),
            "reference": reference });
        let made = owner.tenant.client.done("deploymentBuild", "__typename", input).await;
        text(&made["operation"]["id"])
    };
    let failed = ask("nowhere").await;
    assert_eq!(owner.tenant.ends(&failed).await["stage"], "FAILED");
    let built = ask("main").await;
    owner.tenant.succeeds(&built).await;
    let query = "query($id: ID!) { operation(id: $id) { deploy { promotion { id } } } }";
    let promotion = async || {
        let seen = owner.tenant.client.data(query, json!({ "id": built })).await;
        seen["operation"]["deploy"]["promotion"]["id"].as_str().map(str::to_owned)
    };
    owner.tenant.succeeds(&until("what was built is promoted", PATIENCE, promotion).await).await;
    (built, failed)
}

/// What was built drains, is quarantined, and what was before it is pinned.
async fn went_back(owner: &Owner) {
    let input = json!({ "environmentId": owner.tenant.preview.id, "deploymentId": owner.id("deploymentId"),
        "reason": "it was worse", "acknowledgements": [{ "gate": "vango_state", "reason": "of a test" }] });
    let made = owner.tenant.client.done("environmentRollBack", "__typename", input).await;
    owner.tenant.succeeds(&text(&made["operation"]["id"])).await;
}

async fn was_refused(owner: &Owner) {
    let input = json!({ "environmentId": owner.tenant.preview.id, "deploymentId": owner.id("deploymentId"),
        "expectedRouteEpoch": 9_000 });
    let refused = owner.tenant.client.refused("deploymentPromote", "__typename", input).await;
    assert!(refused["code"].is_string(), "{refused:#}");
    let query = "query($id: ID!) { app(id: $id) { timeline(first: 1, filter: { kind: REFUSAL }) { nodes { type } } } }";
    let told = async || {
        let seen = owner.tenant.client.data(query, json!({ "id": owner.tenant.app })).await;
        (seen["app"]["timeline"]["nodes"] != Value::Array(Vec::new())).then_some(())
    };
    until("the refusal is on record", PATIENCE, told).await;
}
