//! Logs are diagnostic: what is old is rotated away with its bytes, and when all of it is deleted nothing that is told of any
//! status changes. The trap avoided: a comparison of what moves by itself; it begins once nothing moves any more.

use super::{print, read, shows};
use rhone_tests::{
    artifacts::Version,
    database::{administrator, uuid},
    platform::Platform,
    program,
    repository::Repository,
    story::{Tenant, text},
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};
use sqlx::Executor as _;
use std::{fs, path::Path};

/// What is told of the status of everything of a tenant.
async fn status(tenant: &Tenant, deployments: &[String], operations: &[String]) -> Value {
    let mut told = json!({ "owner": tenant.owner().await });
    for environment in [&tenant.preview, &tenant.production] {
        told[&environment.id] = json!(tenant.allocations(environment).await);
    }
    for id in operations {
        told[id] = tenant.operation(id).await.expect("it is there");
    }
    for id in deployments {
        let query = "query($id: ID!, $environment: ID!) { deployment(id: $id) { status checks failureReason version \
            promotion(environmentId: $environment) { allowed gates { kind state reason evidence } } } }";
        told[id] = tenant.client.data(query, json!({ "id": id, "environment": tenant.production.id })).await;
    }
    told["timeline"] = json!(tenant.timeline(None).await);
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_using_logs_as_truth_every_log_is_deleted_and_no_status_changes() {
    let platform = Platform::start().await;
    // What an earlier owner has kept is let go after the test: that moves by time alone.
    let tenant = Tenant::open_draining(&platform, platform.developer(), 900).await;
    let (blue, green) = (tenant.deploy(Version::Blue).await, tenant.deploy(Version::Green).await);
    let promotion = tenant.promote(&blue).await;
    tenant.succeeds(&promotion).await;
    let (build, release) = a_build(&tenant).await;
    for environment in [&tenant.preview, &tenant.production] {
        print(&tenant, environment, "/print", "before the deletion").await.expect("it prints");
        shows(&tenant, environment, "before the deletion").await;
    }
    what_is_old_is_rotated_away(&platform, &tenant).await;
    assert!(!of_build(&tenant, &build).await.is_empty(), "its lines are there until they are deleted");
    let deployments = [blue.id.clone(), green.id.clone(), release];
    let operations = [blue.operation.clone(), green.operation.clone(), promotion, build.clone()];
    // Read models may be a moment behind; then the two would differ whatever becomes of the logs.
    let still = async || {
        let (one, two) =
            (status(&tenant, &deployments, &operations).await, status(&tenant, &deployments, &operations).await);
        (one == two).then_some(one)
    };
    let before = until("nothing moves any more", PATIENCE, still).await;
    // The sin: a stage that is read off the lines of the build. It is right until they are gone.
    let stage = before[&build]["stage"].clone();
    assert_eq!(stage_by_lines(&of_build(&tenant, &build).await), stage);

    administrator(&platform).await.execute("DELETE FROM diagnostics.log_chunks").await.expect("deleted");
    fs::remove_dir_all(platform.data().join("artifacts/logs")).expect("deleted");
    let after = status(&tenant, &deployments, &operations).await;
    assert_eq!(after, before, "a log is no source of any status");
    assert_eq!(read(&tenant.client, "app", &tenant.app, &json!({})).await, Vec::<Value>::new(), "they are gone");
    let left = of_build(&tenant, &build).await;
    assert_eq!(left, Vec::<Value>::new(), "those of the build, too");
    assert_ne!(stage_by_lines(&left), after[&build]["stage"], "whoever reads a stage off the logs is caught");
    let verified = platform.rhone(&["verify"]).await;
    assert!(verified.status.success(), "{}", program::text(&verified.stderr));

    tenant.succeeds(&tenant.promote(&green).await).await;
    print(&tenant, &tenant.production, "/print", "after the deletion").await.expect("it prints");
    shows(&tenant, &tenant.production, "after the deletion").await;
}

/// A real build for production, which promotes nothing: its operation and its deployment.
async fn a_build(tenant: &Tenant) -> (String, String) {
    let repository = Repository::of_python();
    repository.commit_version("logged");
    let input =
        json!({ "environmentId": tenant.production.id, "repository": repository.address(), "reference": "main" });
    let made = tenant.client.done("deploymentBuild", "__typename", input).await;
    let id = text(&made["operation"]["id"]);
    let ended = tenant.ends(&id).await;
    assert_eq!(ended["stage"], "PREVIEW_READY", "{ended:#}");
    let query = "query($id: ID!) { operation(id: $id) { deploy { deploymentId } } }";
    let told = tenant.client.data(query, json!({ "id": id })).await;
    (id, text(&told["operation"]["deploy"]["deploymentId"]))
}

/// What somebody takes for the stage of a build who reads only what it printed.
fn stage_by_lines(lines: &[Value]) -> Value {
    let built = lines.iter().any(|line| line["text"].as_str().is_some_and(|text| text.starts_with("built ")));
    json!(if built { "PREVIEW_READY" } else { "BUILDING" })
}

async fn of_build(tenant: &Tenant, operation: &str) -> Vec<Value> {
    read(&tenant.client, "operation", operation, &json!({ "source": "BUILD" })).await
}

/// Rows and bytes, and of nobody who is younger.
async fn what_is_old_is_rotated_away(platform: &Platform, tenant: &Tenant) {
    let old = "UPDATE diagnostics.log_chunks SET kept_at = kept_at - interval '15 days' WHERE environment = $1";
    let mut admin = administrator(platform).await;
    sqlx::query(old).bind(uuid(&tenant.preview.id)).execute(&mut admin).await.expect("aged");
    // A worker sweeps when it begins.
    let worker = platform.kill("work").await;
    platform.runs_again("work", worker).await;
    let rotated = async || {
        let lines = read(&tenant.client, "environment", &tenant.preview.id, &json!({ "contains": "before" })).await;
        lines.is_empty().then_some(())
    };
    until("old lines are rotated away", PATIENCE, rotated).await;
    shows(tenant, &tenant.production, "before the deletion").await;
    let equal = async || {
        let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM diagnostics.log_chunks")
            .fetch_one(&mut administrator(platform).await)
            .await
            .expect("a number");
        (files(&platform.data().join("artifacts/logs")) == usize::try_from(rows).expect("a number")).then_some(())
    };
    until("every row has its bytes, and no bytes are left without", PATIENCE, equal).await;
}

fn files(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { files(&entry.path()) } else { 1 }).sum()
}
