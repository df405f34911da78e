//! Step 1: by GraphQL, a region with a cell and a host; a workspace with a project and an app; a preview and a production.
//! The app lives where `rhone up` runs a runner; the region made here is there to be seen.

use super::story::{Lane, Lanes, Story};
use crate::client::{
    cell,
    mutation::{
        APP_CREATE, CELL_CREATE, ENVIRONMENT_CREATE, HOST_ATTACH, HOST_CREATE, Mutation, PROJECT_CREATE, REGION_CREATE,
        WORKSPACE_CREATE,
    },
    region,
};
use anyhow::Result;
use serde_json::{Value, json};
use tokio::time::Instant;

pub(super) async fn tell(story: &mut Story<'_>) -> Result<Lanes> {
    story.teller.step(1, "the platform, a workspace, an app and its environments, by GraphQL");
    let tag = story.tag.clone();
    let made = made(story, &REGION_CREATE, json!({ "slug": format!("demo-{tag}"), "name": "Demo region" })).await?;
    let cell_of = self::made(story, &CELL_CREATE, json!({ "regionId": made, "slug": "cell-1" })).await?;
    self::made(story, &HOST_CREATE, json!({ "cellId": cell_of, "slug": "host-1" })).await?;
    let named = json!({ "slug": format!("demo-{tag}"), "name": "Demo" });
    let workspace = self::made(story, &WORKSPACE_CREATE, named).await?;
    let named = json!({ "workspaceId": workspace, "slug": "shop", "name": "Shop" });
    let project = self::made(story, &PROJECT_CREATE, named).await?;
    let named = json!({ "projectId": project, "slug": "counter", "name": "Counter" });
    let app = self::made(story, &APP_CREATE, named).await?;
    let preview = lane(story, &app, "preview", "PREVIEW").await?;
    let production = lane(story, &app, "production", "PRODUCTION").await?;
    let found = story.environment(&production).await?;
    let hosts = found["routeOwner"]["hosts"] == json!([production.host]);
    story.teller.holds(hosts, format_args!("the production route knows its host {}", production.host))?;
    Ok(Lanes { app, preview, production })
}

async fn lane(story: &Story<'_>, app: &str, slug: &str, kind: &str) -> Result<Lane> {
    let ids = story.report.facts.ids;
    let input = json!({
        "appId": app, "slug": slug, "kind": kind, "regionId": region(ids.region), "cellId": cell(ids.cell),
        // Long enough for sockets and former owners to live through the whole story.
        "drainSeconds": 1_800, "standbySeconds": 1_800,
    });
    let environment = made(story, &ENVIRONMENT_CREATE, input).await?;
    let host = format!("{slug}-{}.localhost", story.tag);
    let begun = Instant::now();
    story.change(&HOST_ATTACH, json!({ "environmentId": environment, "host": host })).await?;
    story.teller.fact(format_args!("{:<21} {host} [{} ms]", HOST_ATTACH.name, begun.elapsed().as_millis()));
    Ok(Lane { environment, host })
}

async fn made(story: &Story<'_>, mutation: &Mutation, input: Value) -> Result<String> {
    let begun = Instant::now();
    let id = story.change(mutation, input).await?.id()?;
    story.teller.fact(format_args!("{:<21} {id} [{} ms]", mutation.name, begun.elapsed().as_millis()));
    Ok(id)
}
