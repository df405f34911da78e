//! The story that most tests begin with: a tenant with an app, a preview and a production environment, and hostnames for
//! both. Names are new each time, so that tests share a platform and never meet.

use crate::{
    artifacts::{self, Version},
    edge,
    graphql::{Client, unique},
    platform::Platform,
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};
use std::time::Duration;

/// A tenant with an app.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// Its owner at the API.
    pub client: Client,
    /// The edge that serves it.
    pub edge: String,
    /// Its workspace.
    pub workspace: String,
    /// Its project.
    pub project: String,
    /// Its app.
    pub app: String,
    /// Shown first.
    pub preview: Environment,
    /// The real thing.
    pub production: Environment,
}

/// An environment and where it is reached.
#[derive(Clone, Debug)]
pub struct Environment {
    /// Its id.
    pub id: String,
    /// Its hostname.
    pub host: String,
}

/// A deployment and its bytes.
#[derive(Clone, Debug)]
pub struct Deployed {
    /// Its id.
    pub id: String,
    /// Which bytes.
    pub digest: String,
    /// The promotion of the preview.
    pub operation: String,
}

const OPERATION: &str = "id kind stage ended expectedRouteEpoch epoch healthyDigest reason cancelReason \
    edges { edge appliedSeq digest } gates { kind state reason evidence } failure { code message expected actual routeChanged }";

impl Tenant {
    /// Opens everything that a deployment needs, owned by whom this client is.
    pub async fn open(platform: &Platform, client: Client) -> Self {
        Self::open_draining(platform, client, 30).await
    }

    /// The same; a former owner's sockets and allocations are kept for so many seconds.
    pub async fn open_draining(platform: &Platform, client: Client, seconds: u32) -> Self {
        let report = platform.report();
        let name = unique("t");
        let workspace = client.made("workspaceCreate", "workspace", json!({ "slug": name, "name": "Tenant" })).await;
        let input = json!({ "workspaceId": workspace, "slug": "shop", "name": "Shop" });
        let project = client.made("projectCreate", "project", input).await;
        let input = json!({ "projectId": project, "slug": "counter", "name": "Counter" });
        let app = client.made("appCreate", "app", input).await;
        let (preview, production) = lanes(platform, &client, (&app, &name), seconds).await;
        Self { client, edge: report.urls.edges[0].clone(), workspace, project, app, preview, production }
    }

    /// The same tenant with another app of theirs, in environments of its own.
    pub async fn with_app(&self, platform: &Platform, app: String) -> Self {
        let (preview, production) = lanes(platform, &self.client, (&app, &unique("t")), 30).await;
        let (client, edge) = (self.client.clone(), self.edge.clone());
        let (workspace, project) = (self.workspace.clone(), self.project.clone());
        Self { client, edge, workspace, project, app, preview, production }
    }

    /// Uploads a version, deploys it, and waits until the preview shows it.
    pub async fn deploy(&self, version: Version) -> Deployed {
        let digest = artifacts::push(&self.client, &self.workspace, version).await;
        self.deploy_bytes(digest, version).await
    }

    /// Deploys registered bytes of a version, and waits until the preview shows them.
    pub async fn deploy_bytes(&self, digest: String, version: Version) -> Deployed {
        let input = json!({ "appId": self.app, "artifactDigest": digest, "environmentId": self.preview.id,
            "idempotencyKey": unique("deploy") });
        // Read models may be late, and then the object is null: the same key asks for the same answer.
        let look = async || {
            let made = self.client.done("deploymentCreate", "deployment { id status }", input.clone()).await;
            made["deployment"]["id"].is_string().then_some(made)
        };
        let made = until("the deployment can be read", PATIENCE, look).await;
        let operation = text(&made["operation"]["id"]);
        self.succeeds(&operation).await;
        edge::serves(&self.edge, &self.preview.host, version.name()).await;
        Deployed { id: text(&made["deployment"]["id"]), digest, operation }
    }

    /// Asks for a promotion to production: its operation.
    pub async fn promote(&self, deployed: &Deployed) -> String {
        // From green to blue is cold: blue keeps one thing less. `tests/e2e/gates.rs` asks what happens without this.
        let taken = json!([{ "gate": "vango_state", "reason": "the tests go back and forth" }]);
        let input =
            json!({ "deploymentId": deployed.id, "environmentId": self.production.id, "acknowledgements": taken });
        text(&self.client.done("deploymentPromote", "__typename", input).await["operation"]["id"])
    }

    /// Asks for a rollback of production: its operation.
    pub async fn roll_back(&self, deployed: &Deployed, reason: &str) -> String {
        let input = json!({ "deploymentId": deployed.id, "environmentId": self.production.id, "reason": reason });
        text(&self.client.done("environmentRollBack", "__typename", input).await["operation"]["id"])
    }

    /// Releases the pin, so that production can be promoted again.
    pub async fn release_pin(&self) {
        let input = json!({ "environmentId": self.production.id, "reason": "the incident is over" });
        self.client.done("environmentPinRelease", "routeOwner { epoch }", input).await;
    }

    /// Lets quarantined bytes come back.
    pub async fn lift_quarantine(&self, digest: &str) {
        let input = json!({ "environmentId": self.production.id, "digest": digest, "reason": "it was harmless" });
        self.client.done("environmentQuarantineLift", "routeOwner { epoch }", input).await;
    }

    /// An operation as it is; none while the API does not answer.
    pub async fn operation(&self, id: &str) -> Option<Value> {
        let query = format!("query($id: ID!) {{ operation(id: $id) {{ {OPERATION} }} }}");
        let answer = self.client.try_ask(&query, json!({ "id": id })).await.ok()?;
        Some(answer["data"]["operation"].clone()).filter(Value::is_object)
    }

    /// Waits for the end of an operation, whichever it is.
    pub async fn ends(&self, id: &str) -> Value {
        self.ends_within(id, PATIENCE * 2).await
    }

    async fn ends_within(&self, id: &str, most: Duration) -> Value {
        let look = async || self.operation(id).await.filter(|operation| operation["ended"] == true);
        until(&format!("operation {id} has ended"), most, look).await
    }

    /// Waits for the good end of an operation.
    pub async fn succeeds(&self, id: &str) -> Value {
        let operation = self.ends(id).await;
        let good = ["HEALTHY", "ROLLED_BACK", "PREVIEW_READY", "VERIFIED", "COLD", "HOT", "UNCORDONED", "ELIGIBLE"]
            .contains(&operation["stage"].as_str().unwrap_or_default());
        assert!(good, "operation {id} did not end well: {operation:#}");
        operation
    }

    /// Who owns production.
    pub async fn owner(&self) -> Value {
        let query = "query($id: ID!) { environment(id: $id) { routeOwner { epoch revision deploymentId artifactDigest operationId \
            frozen hosts pin { deploymentId operationId reason } quarantined { digest reason } formerDeploymentIds } } }";
        self.client.data(query, json!({ "id": self.production.id })).await["environment"]["routeOwner"].clone()
    }

    /// Every event that concerns the app so far, in order.
    pub async fn timeline(&self, position: Option<&str>) -> Vec<Value> {
        let query = "query($id: ID!, $after: String, $at: String) { app(id: $id, atLeastPosition: $at) { timeline(first: 100, after: $after, atLeastPosition: $at) { \
            pageInfo { hasNextPage endCursor } nodes { position eventId stream version type actor actorKind correlation causation \
            reason summary payload occurredAt recordedAt } } } }";
        let (mut entries, mut after) = (Vec::new(), Value::Null);
        loop {
            let variables = json!({ "id": self.app, "after": after, "at": position });
            let page = self.client.data(query, variables).await["app"]["timeline"].clone();
            entries.extend(page["nodes"].as_array().cloned().unwrap_or_default());
            after = page["pageInfo"]["endCursor"].clone();
            if page["pageInfo"]["hasNextPage"] != true {
                return entries;
            }
        }
    }

    /// The allocations of an environment, ended ones included.
    pub async fn allocations(&self, environment: &Environment) -> Vec<Value> {
        self.allocations_now(environment).await.expect("the API answers")
    }

    /// The same; none while the API does not answer.
    pub async fn allocations_now(&self, environment: &Environment) -> Option<Vec<Value>> {
        let query = "query($id: ID!) { environment(id: $id) { allocations(ended: true) { id state failureCause artifactDigest verifiedDigest \
            restarts hostId regionId cellId sessionsEnded drainDeadline } } }";
        let answer = self.client.try_ask(query, json!({ "id": environment.id })).await.ok()?;
        answer["data"]["environment"]["allocations"].as_array().cloned()
    }
}

/// An app's preview and production, in the place of `rhone up`.
async fn lanes(
    platform: &Platform,
    client: &Client,
    (app, name): (&str, &str),
    seconds: u32,
) -> (Environment, Environment) {
    let ids = platform.report().ids;
    let input = json!({ "appId": app, "regionId": format!("reg_{}", ids.region.simple()),
        "cellId": format!("cell_{}", ids.cell.simple()), "drainSeconds": seconds, "standbySeconds": seconds });
    let preview = environment(client, input.clone(), ("preview", "PREVIEW"), name).await;
    (preview, environment(client, input, ("production", "PRODUCTION"), name).await)
}

async fn environment(client: &Client, mut input: Value, (slug, kind): (&str, &str), name: &str) -> Environment {
    (input["slug"], input["kind"]) = (json!(slug), json!(kind));
    let (id, host) = (client.made("environmentCreate", "environment", input).await, format!("{slug}.{name}.test"));
    let input = json!({ "environmentId": id, "host": host, "idempotencyKey": unique("host") });
    client.done("environmentHostAttach", "routeOwner { hosts }", input).await;
    Environment { id, host }
}

/// A text of an answer.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}
