//! A second region beside the platform's own: a cell, a host, an edge and a runner of its own, as processes of this test.
//! It is enabled as anybody would enable it.
//! The trap avoided: processes left behind; they are ended by their own pids, and their apps with them.

use crate::{
    database::{administrator, uuid},
    graphql::{Client, unique},
    platform::Platform,
    program, signals,
    story::{Tenant, text},
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::{
    fs,
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
};
use uuid::Uuid;

/// A region with everything that a failover needs.
#[derive(Debug)]
pub struct SecondRegion {
    /// Its id, as the API shows it.
    pub region: String,
    /// Its cell's.
    pub cell: String,
    /// Its edge.
    pub edge: String,
    folder: PathBuf,
    parts: Vec<Child>,
}

impl SecondRegion {
    /// Makes one and starts its edge and its runner.
    pub async fn start(platform: &Platform) -> Self {
        let operator = platform.developer();
        let region = made(&operator, "region", json!({ "slug": unique("r"), "name": "Bergen" })).await;
        let cell = made(&operator, "cell", json!({ "regionId": region, "slug": "fjord" })).await;
        let host = made(&operator, "host", json!({ "cellId": cell, "slug": "host-1" })).await;
        let folder = platform.data().with_file_name("bergen");
        fs::create_dir_all(&folder).expect("the folder is ours");
        let config = fs::read(platform.data().join("rhone.json")).expect("a platform that started is configured");
        let mut config: Value = serde_json::from_slice(&config).expect("it is JSON");
        let mut edge = config["edge-1"].clone();
        let (serves, admin) = (free(), free());
        edge["data_dir"] = json!(folder.join("edge"));
        (edge["listen"], edge["admin"]) = (json!(serves), json!(admin));
        edge["region"] = json!(uuid(&region));
        edge["token"] = json!(token(platform, "edge", Some(uuid(&region)), None).await);
        config["edge"] = edge;
        config["runner"]["data_dir"] = json!(folder.join("runner"));
        (config["runner"]["admin"], config["runner"]["host"]) = (json!(free()), json!(uuid(&host)));
        config["runner"]["token"] = json!(token(platform, "runner", None, Some(uuid(&host))).await);
        let file = folder.join("rhone.json");
        fs::write(&file, serde_json::to_vec(&config).expect("it is JSON")).expect("the folder is ours");
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(&file, private).expect("the file is ours");
        let parts = ["edge", "runner"].map(|part| run(&folder, part)).into();
        Self { region, cell, edge: format!("http://{serves}"), folder, parts }
    }

    /// What enabling it for production asks; the app of the tests has no database.
    pub fn wish(&self, tenant: &Tenant) -> Value {
        let production = &tenant.production.id;
        json!({ "environmentId": production, "regionId": self.region, "cellId": self.cell, "dataTopology": "NONE" })
    }

    /// Lets production be moved here: the operation, at its good end.
    pub async fn enable(&self, tenant: &Tenant) -> Value {
        let made = tenant.client.done("environmentRegionEnable", "__typename", self.wish(tenant)).await;
        tenant.succeeds(&text(&made["operation"]["id"])).await
    }

    /// What a part printed.
    pub fn said(&self, part: &str) -> String {
        fs::read_to_string(self.folder.join(format!("{part}.log"))).unwrap_or_default()
    }
}

impl Drop for SecondRegion {
    fn drop(&mut self) {
        for part in &mut self.parts {
            let _ = part.kill();
            let _ = part.wait();
        }
        signals::end_all_of(&self.folder);
    }
}

async fn made(operator: &Client, noun: &str, input: Value) -> String {
    let answer = operator.done(&format!("{noun}Create"), &format!("{noun} {{ id }}"), input).await;
    answer[noun]["id"].as_str().unwrap_or_else(|| panic!("no {noun} in {answer:#}")).to_owned()
}

/// A machine's token.
async fn token(platform: &Platform, kind: &str, region: Option<Uuid>, host: Option<Uuid>) -> String {
    let secret = format!("rhone_{}", unique("machine"));
    sqlx::query(
        "SELECT identity.issue(gen_random_uuid(), $1, $2, gen_random_uuid(), NULL, $3, $4, 'a machine of the tests', NULL)",
    )
    .bind(Sha256::digest(&secret).to_vec())
    .bind(kind)
    .bind(region)
    .bind(host)
    .execute(&mut administrator(platform).await)
    .await
    .expect("a token is issued");
    secret
}

/// An address on which nobody listens now.
fn free() -> std::net::SocketAddr {
    TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr()).expect("a free port")
}

fn run(folder: &std::path::Path, part: &str) -> Child {
    let log = fs::File::create(folder.join(format!("{part}.log"))).expect("the folder is ours");
    let errors = log.try_clone().expect("a second handle");
    let mut command = Command::new(program::path("rhone"));
    command.args([part, "--data"]).arg(folder).stdin(Stdio::null()).stdout(log).stderr(errors);
    command.spawn().expect("rhone runs")
}
