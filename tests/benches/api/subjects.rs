//! Whose workspaces are looked at and changed: a spread sample of the seeded ones, each with a token of its owner, and the
//! ids that the queries need, asked of the API itself.

use crate::seeded::Seeded;
use rhone_tests::{database::administrator, graphql::Client};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::Row as _;
use uuid::Uuid;

/// An owner, and one app of theirs for each app of the workspace.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) token: String,
    /// Who the owner is, as `memberAdd` takes it.
    pub(crate) member: String,
    pub(crate) workspace: String,
    pub(crate) project: String,
    pub(crate) region: String,
    pub(crate) cell: String,
    pub(crate) apps: Vec<App>,
}

#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) id: String,
    pub(crate) production: String,
    pub(crate) preview: String,
    pub(crate) deployments: Vec<String>,
    pub(crate) artifact: String,
    pub(crate) operation: String,
}

/// All of them.
pub(crate) struct Subjects(pub(crate) Vec<Subject>);

const IDS: &str = "{ workspaces(first: 1) { nodes { id projects(first: 1) { nodes { id apps(first: 5) { nodes { id
    environments(first: 2) { nodes { id kind region { id } cell { id } } }
    deployments(first: 10) { nodes { id artifact { id } } }
    operations(first: 1) { nodes { id } } } } } } } } }";

impl Subjects {
    pub(crate) async fn choose(seeded: &Seeded, most: i64) -> Self {
        let mut database = administrator(&seeded.platform).await;
        let rows = sqlx::query(
            "SELECT actor, workspace, gen_random_uuid() AS token, gen_random_uuid()::text AS word FROM authority.members
             WHERE workspace <> ALL($1) ORDER BY md5(workspace::text) LIMIT $2",
        )
        .bind(vec![seeded.platform.report().ids.platform, seeded.served.workspace()])
        .bind(most)
        .fetch_all(&mut database)
        .await
        .expect("members can be read");
        let mut subjects = Vec::with_capacity(rows.len());
        for row in rows {
            let (actor, token, word): (Uuid, Uuid, String) = (row.get("actor"), row.get("token"), row.get("word"));
            let secret = format!("rhone_{word}");
            sqlx::query("SELECT identity.issue($1, $2, 'user', $3, NULL, NULL, NULL, 'bench', NULL)")
                .bind(token)
                .bind(Sha256::digest(&secret).to_vec())
                .bind(actor)
                .execute(&mut database)
                .await
                .expect("a token is issued");
            let client = Client::new(&seeded.urls[0], &secret);
            subjects.push(read(secret, actor, &client.data(IDS, json!({})).await));
        }
        Self(subjects)
    }
}

fn read(token: String, actor: Uuid, data: &Value) -> Subject {
    let workspace = &data["workspaces"]["nodes"][0];
    let project = &workspace["projects"]["nodes"][0];
    let apps = project["apps"]["nodes"].as_array().cloned().unwrap_or_default();
    let lane = &apps[0]["environments"]["nodes"][0];
    Subject {
        token,
        member: actor.to_string(),
        workspace: text(&workspace["id"]),
        project: text(&project["id"]),
        region: text(&lane["region"]["id"]),
        cell: text(&lane["cell"]["id"]),
        apps: apps.iter().map(app).collect(),
    }
}

fn app(app: &Value) -> App {
    let environments = app["environments"]["nodes"].as_array().cloned().unwrap_or_default();
    let of = |kind: &str| environments.iter().find(|one| one["kind"] == kind).map(|one| text(&one["id"]));
    let deployments = app["deployments"]["nodes"].as_array().cloned().unwrap_or_default();
    App {
        id: text(&app["id"]),
        production: of("PRODUCTION").expect("a seeded app has production"),
        preview: of("PREVIEW").expect("a seeded app has a preview"),
        artifact: text(&deployments[0]["artifact"]["id"]),
        deployments: deployments.iter().map(|one| text(&one["id"])).collect(),
        operation: text(&app["operations"]["nodes"][0]["id"]),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("an id was expected, not {value}")).to_owned()
}
