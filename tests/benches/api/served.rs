//! The API as an app of the platform: two processes of it, on two allocations behind the edge, for an installation that serves
//! itself. They run on whatever becomes of worker and runner, which are stopped when the measuring begins.

use reqwest::header::{HOST, HeaderMap, HeaderValue};
use rhone_tests::{
    artifacts, database, edge,
    graphql::unique,
    platform::Platform,
    program, report, services, signals,
    story::{Deployed, Tenant, text},
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};
use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};
use uuid::Uuid;

/// See the module.
pub(crate) struct Served {
    /// Where the edge listens.
    pub(crate) edge: String,
    /// It asks the edge for the API's hostname.
    pub(crate) client: reqwest::Client,
    tenant: Tenant,
    /// The allocation that will be killed.
    first: String,
}

impl Served {
    /// Deploys it, and waits until both processes are ready.
    pub(crate) async fn start(platform: &Platform) -> Self {
        let tenant = Tenant::open(platform, platform.developer()).await;
        let folder = tempfile::tempdir().expect("a folder");
        lay_out(platform, folder.path());
        let digest = artifacts::push_folder(&tenant.client, &tenant.workspace, folder.path().to_owned()).await;
        let input = json!({ "appId": tenant.app, "artifactDigest": digest, "environmentId": tenant.preview.id,
            "idempotencyKey": unique("api") });
        let look = async || {
            let made = tenant.client.done("deploymentCreate", "deployment { id }", input.clone()).await;
            made["deployment"]["id"].is_string().then_some(made)
        };
        let made = until("the deployment can be read", PATIENCE, look).await;
        let (operation, id) = (text(&made["operation"]["id"]), text(&made["deployment"]["id"]));
        tenant.succeeds(&operation).await;
        let deployed = Deployed { id, digest, operation };
        tenant.succeeds(&tenant.promote(&deployed).await).await;
        services::bind(platform, &tenant, &format!("reg_{}", platform.report().ids.region.simple())).await;
        scale(&tenant, 2).await;
        let first = text(&tenant.allocations(&tenant.production).await[0]["id"]);
        let client = client(&tenant.production.host);
        let served = Self { edge: tenant.edge.clone(), client, tenant, first };
        served.answers().await;
        served
    }

    async fn answers(&self) {
        let host = &self.tenant.production.host;
        let look = async || edge::get(&self.edge, host, "/readyz").await.filter(|reply| reply.status == 200);
        until("the API answers behind the edge", PATIENCE, look).await;
    }

    /// Whose the API is here; nothing of it is measured.
    pub(crate) fn workspace(&self) -> Uuid {
        database::uuid(&self.tenant.workspace)
    }

    /// Asks for so many of it, until they are ready.
    pub(crate) async fn scale(&self, replicas: u8) {
        scale(&self.tenant, replicas).await;
    }

    /// Ends one of the two, its gate and all, as a machine that fails does.
    pub(crate) fn kill_one(&self, platform: &Platform) {
        for process in ["gate", "app"] {
            signals::kill(self.pid(platform, process));
        }
    }

    /// The API's process that will be killed.
    pub(crate) fn first(&self, platform: &Platform) -> u32 {
        self.pid(platform, "app")
    }

    fn pid(&self, platform: &Platform, process: &str) -> u32 {
        let id = database::uuid(&self.first);
        let file = platform.data().join(format!("runner/allocations/{id}/gate.json"));
        let status: Value = report::read(&file).expect("its gate says who it is");
        let pid = status[process]["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
        pid.expect("it runs")
    }
}

async fn scale(tenant: &Tenant, replicas: u8) {
    let input = json!({ "environmentId": tenant.production.id, "replicas": replicas });
    let made = tenant.client.done("environmentScale", "__typename", input).await;
    tenant.succeeds(&text(&made["operation"]["id"])).await;
}

/// The same program on the same data folder, at the port that it is given.
fn lay_out(platform: &Platform, folder: &Path) {
    let (program, data) = (program::path("rhone"), platform.data());
    let script = format!(
        "#!/bin/sh\nRHONE_SERVE_LISTEN=127.0.0.1:$PORT exec {} --data {} serve\n",
        program.display(),
        data.display()
    );
    let file = folder.join("api.sh");
    fs::write(&file, script).expect("the folder is ours");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("it is ours");
    fs::write(folder.join("rhone.toml"), "process = [\"./api.sh\"]\nhealth = \"/readyz\"\n")
        .expect("the folder is ours");
}

fn client(host: &str) -> reqwest::Client {
    let host = HeaderValue::from_str(host).expect("a hostname is visible ASCII");
    crate::load::builder(Duration::from_secs(10))
        .default_headers(HeaderMap::from_iter([(HOST, host)]))
        .build()
        .expect("a client can be made")
}
