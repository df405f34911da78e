//! Rebuilding a read model from zero gives the same rows, while writes go on, and a row that is not the same is found. The
//! trap avoided: comparing nothing with nothing; every comparison is of rows that are there.

use rhone_tests::{
    artifacts::{self, Version},
    database::{administrator, uuid},
    graphql::unique,
    platform::Platform,
    program,
    story::{Tenant, text},
    wait::{PATIENCE, until},
};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use uuid::Uuid;

/// Every projection, with a table that has rows of every tenant.
const PROJECTIONS: [(&str, &str); 3] =
    [("catalogue", "entries"), ("deployments", "deployments"), ("timeline", "entries")];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_projection_is_rebuilt_alike_while_writes_go_on_and_a_tampered_row_is_found() {
    let platform = Platform::shared().await;
    let (quiet, busy) = (with_rows(platform).await, with_rows(platform).await);
    let workspace = uuid(&quiet.workspace);
    let (stop, written) = (AtomicBool::new(false), AtomicU32::new(0));
    let write = async {
        while !stop.load(Ordering::SeqCst) {
            let input = json!({ "workspaceId": busy.workspace, "slug": unique("p"), "name": "Busy" });
            busy.client.done("projectCreate", "__typename", input).await;
            written.fetch_add(1, Ordering::SeqCst);
        }
    };
    let rebuild = async {
        let mut database = administrator(platform).await;
        for (projection, table) in PROJECTIONS {
            let before = rows(&mut database, projection, workspace).await;
            assert!(before.len() >= 2, "{projection} has rows of the tenant: {before:?}");
            let began = written.load(Ordering::SeqCst);
            rebuilds(platform, projection).await;
            assert!(written.load(Ordering::SeqCst) > began, "writes went on");
            assert_eq!(rows(&mut database, projection, workspace).await, before, "{projection}");
            a_missing_row_is_found(platform, &mut database, (projection, table), workspace).await;
        }
        stop.store(true, Ordering::SeqCst);
    };
    tokio::join!(write, rebuild);
    reads_go_on(&busy).await;
}

async fn with_rows(platform: &Platform) -> Tenant {
    let tenant = Tenant::open(platform, platform.developer()).await;
    let digest = artifacts::push(&tenant.client, &tenant.workspace, Version::Blue).await;
    let mut position = None;
    for _ in 0..2 {
        let input = json!({ "appId": tenant.app, "artifactDigest": digest });
        let made = tenant.client.done("deploymentCreate", "deployment { id }", input).await;
        position = Some(text(&made["position"]));
    }
    let look = async || {
        let told = tenant.timeline(position.as_deref()).await;
        (told.iter().filter(|entry| entry["type"] == "deployment.validated").count() == 2).then_some(())
    };
    until("the read models have come this far", PATIENCE, look).await;
    tenant
}

async fn rebuilds(platform: &Platform, projection: &str) {
    let output = platform.rhone(&["rebuild", projection]).await;
    assert!(output.status.success(), "{projection}: {}", program::text(&output.stderr));
}

async fn a_missing_row_is_found(
    platform: &Platform,
    database: &mut PgConnection,
    (projection, table): (&str, &str),
    workspace: Uuid,
) {
    let tamper = format!(
        "CREATE TEMP TABLE kept AS SELECT * FROM {projection}.{table} WHERE workspace = '{workspace}' LIMIT 1;
         DELETE FROM {projection}.{table} t USING kept WHERE t::text = kept::text;"
    );
    in_one(database, tamper).await;
    let output = platform.rhone(&["rebuild", projection]).await;
    in_one(database, format!("INSERT INTO {projection}.{table} SELECT * FROM kept; DROP TABLE kept;")).await;
    let said = program::text(&output.stderr);
    assert!(!output.status.success() && said.contains(table), "{projection}: the mutant must be caught: {said}");
    rebuilds(platform, projection).await;
}

async fn in_one(database: &mut PgConnection, statements: String) {
    let mut transaction = database.begin().await.expect("a transaction begins");
    transaction.execute(sqlx::raw_sql(AssertSqlSafe(statements))).await.expect("may do all");
    transaction.commit().await.expect("it is kept");
}

/// Every row of a tenant, in every table of a projection.
async fn rows(database: &mut PgConnection, projection: &str, workspace: Uuid) -> Vec<String> {
    let tables: Vec<String> =
        sqlx::query_scalar("SELECT tablename::text FROM pg_tables WHERE schemaname = $1 ORDER BY 1")
            .bind(projection)
            .fetch_all(&mut *database)
            .await
            .expect("the catalogue can be read");
    let mut all = Vec::new();
    for table in tables {
        let query = format!("SELECT t::text FROM {projection}.{table} t WHERE workspace = $1 ORDER BY 1");
        let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(query))
            .bind(workspace)
            .fetch_all(&mut *database)
            .await
            .expect("every table says whose its rows are");
        all.extend(rows.into_iter().map(|row| format!("{table} {row}")));
    }
    all
}

/// The projector and the API use what was swapped in.
async fn reads_go_on(tenant: &Tenant) {
    let input = json!({ "workspaceId": tenant.workspace, "slug": unique("last"), "name": "Last" });
    let made = tenant.client.done("projectCreate", "project { id }", input).await;
    let (id, position) = (text(&made["project"]["id"]), text(&made["position"]));
    let query = "query($id: ID!, $at: String) { project(id: $id, atLeastPosition: $at) { name } }";
    let look = async || {
        let data = tenant.client.data(query, json!({ "id": id, "at": position })).await;
        (data["project"]["name"] == "Last").then_some(())
    };
    until("the rebuilt model goes on", PATIENCE, look).await;
}
