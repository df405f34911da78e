//! What lists can be narrowed to, in which order they come, and that their pages fit together in both. The trap avoided: a
//! filter that is read and not used; each is tried against the whole list, which must be larger than what it lets through.

use rhone_tests::{
    artifacts::{self, Version},
    database::person,
    graphql::Client,
    inputs::Owner,
    platform::Platform,
    story::{Tenant, text},
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};

async fn ids(client: &Client, app: &str, list: &str) -> Vec<String> {
    let query = format!("query($app: ID!) {{ app(id: $app) {{ list: {list} {{ nodes {{ id }} }} }} }}");
    let data = client.data(&query, json!({ "app": app })).await;
    let nodes = data["app"]["list"]["nodes"].as_array().cloned().unwrap_or_default();
    nodes.iter().map(|node| text(&node["id"])).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_are_narrowed_by_what_is_asked_and_the_newest_comes_first() {
    let platform = Platform::shared().await;
    let owner = Owner::new(platform).await;
    let (client, app) = (&owner.tenant.client, owner.tenant.app.as_str());
    for _ in 0..3 {
        let input = json!({ "appId": app, "artifactDigest": owner.good_value("artifactDigest") });
        client.done("deploymentCreate", "__typename", input).await;
    }
    let all = async || Some(ids(client, app, "deployments").await).filter(|all| all.len() == 4);
    let newest = until("four deployments can be read", PATIENCE, all).await;
    let oldest: Vec<_> = newest.iter().rev().cloned().collect();
    assert_eq!(ids(client, app, "deployments(order: OLDEST_FIRST)").await, oldest);
    assert_eq!(ids(client, app, "deployments(first: 2)").await, newest[..2]);
    assert_eq!(ids(client, app, "deployments(last: 2)").await, newest[2..]);
    assert_eq!(ids(client, app, "deployments(last: 2, order: OLDEST_FIRST)").await, oldest[2..]);
    assert_eq!(ids(client, app, "deployments(filter: { status: VALIDATED })").await, newest);
    assert_eq!(ids(client, app, "deployments(filter: { status: FAILED })").await, Vec::<String>::new());
    let digest = text(&owner.good_value("artifactDigest"));
    assert_eq!(ids(client, app, &format!("deployments(filter: {{ artifactDigest: \"{digest}\" }})")).await, newest);
    let other = format!("sha256:{}", "ab".repeat(32));
    assert!(ids(client, app, &format!("deployments(filter: {{ artifactDigest: \"{other}\" }})")).await.is_empty());
    let third = created(client, &newest[1]).await;
    assert_eq!(ids(client, app, &format!("deployments(filter: {{ createdSince: \"{third}\" }})")).await, newest[..2]);
    assert_eq!(ids(client, app, &format!("deployments(filter: {{ createdBefore: \"{third}\" }})")).await, newest[2..]);
    every_page_fits(client, ("app", app), "deployments", &newest).await;

    let operations = ids(client, app, "operations").await;
    let promotions = ids(client, app, "operations(filter: { kind: PROMOTION })").await;
    assert_eq!((promotions.len(), operations.len() > 1), (1, true), "{operations:?}");
    assert_eq!(
        ids(client, app, "operations(filter: { kind: PROMOTION, stage: HEALTHY, ended: true })").await,
        promotions
    );
    assert!(ids(client, app, "operations(filter: { kind: PROMOTION, ended: false })").await.is_empty());
    let mut oldest = ids(client, app, "operations(order: OLDEST_FIRST)").await;
    oldest.reverse();
    assert_eq!(oldest, operations);
    what_an_environment_has(&owner.tenant).await;
    every_place_has_what_its_apps_have(&owner.tenant, &newest).await;
}

/// The same rows under the same filters, from wherever one looks.
async fn every_place_has_what_its_apps_have(tenant: &Tenant, newest: &[String]) {
    let (client, app) = (&tenant.client, tenant.app.as_str());
    let listed = async |place: &str, id: &str, list: &str| {
        let query = format!("query($id: ID!) {{ {place}(id: $id) {{ list: {list} {{ nodes {{ id }} }} }} }}");
        let data = client.data(&query, json!({ "id": id })).await;
        let nodes = data[place]["list"]["nodes"].as_array().cloned().unwrap_or_default();
        nodes.iter().map(|node| text(&node["id"])).collect::<Vec<_>>()
    };
    for list in [
        "operations",
        "operations(order: OLDEST_FIRST, first: 2)",
        "operations(filter: { kind: PROMOTION, ended: true })",
        "deployments",
        "deployments(last: 2)",
        "deployments(filter: { status: FAILED })",
    ] {
        let of_app = ids(client, app, list).await;
        assert_eq!(listed("workspace", &tenant.workspace, list).await, of_app, "{list}");
        assert_eq!(listed("project", &tenant.project, list).await, of_app, "{list}");
    }
    let preview = tenant.preview.id.as_str();
    let there = ids(client, app, &format!("operations(environmentId: \"{preview}\")")).await;
    assert!(!there.is_empty());
    assert_eq!(listed("environment", preview, "operations").await, there);
    assert_eq!(listed("environment", preview, "deployments").await, newest[newest.len() - 1..]);
    assert!(listed("environment", &tenant.production.id, "deployments").await.is_empty());
    let shop = "projects(named: \"SHO\", order: NEWEST_FIRST)";
    assert_eq!(listed("workspace", &tenant.workspace, shop).await, std::slice::from_ref(&tenant.project));
    assert!(listed("workspace", &tenant.workspace, "projects(named: \"nothing\")").await.is_empty());
    let slug = text(
        &client.data("query($id: ID!) { project(id: $id) { slug } }", json!({ "id": tenant.project })).await["project"]
            ["slug"],
    );
    let exactly = format!("projects(slug: \"{slug}\")");
    assert_eq!(listed("workspace", &tenant.workspace, &exactly).await, std::slice::from_ref(&tenant.project));
    let part = format!("projects(slug: \"{}\")", &slug[..3]);
    assert!(listed("workspace", &tenant.workspace, &part).await.is_empty(), "a part of a slug is another one");
    for (asked, found) in [("named: \"tenant\"", 1), ("named: \"nothing\"", 0), ("order: NEWEST_FIRST", 1)] {
        let data = client.data(&format!("{{ workspaces({asked}) {{ nodes {{ id }} }} }}"), json!({})).await;
        assert!(data["workspaces"]["nodes"].as_array().is_some_and(|all| all.len() >= found), "{asked}: {data}");
        assert!(found > 0 || data["workspaces"]["nodes"] == json!([]), "{asked}: {data}");
    }
}

async fn what_an_environment_has(tenant: &Tenant) {
    let (client, app) = (&tenant.client, tenant.app.as_str());
    assert_eq!(ids(client, app, "environments").await.len(), 2);
    assert_eq!(ids(client, app, "environments(kind: PRODUCTION)").await, std::slice::from_ref(&tenant.production.id));
    assert!(ids(client, app, "environments(kind: STAGING)").await.is_empty());
    let production = std::slice::from_ref(&tenant.production.id);
    assert_eq!(ids(client, app, "environments(slug: \"production\")").await, production);
    assert!(ids(client, app, "environments(kind: PREVIEW, slug: \"production\")").await.is_empty());
    let query =
        "query($project: ID!, $named: String) { project(id: $project) { apps(named: $named) { nodes { slug } } } }";
    for (named, found) in [("COUNT", 1), ("ount", 1), ("%", 0), ("nothing", 0)] {
        let data = client.data(query, json!({ "project": tenant.project, "named": named })).await;
        assert_eq!(data["project"]["apps"]["nodes"].as_array().map(Vec::len), Some(found), "{named}");
    }
    let query = "query($id: ID!) { environment(id: $id) { all: allocations(ended: true) { id state environment { id } } \
        ready: allocations(state: READY) { id state } failed: allocations(state: FAILED) { id } } }";
    let seen = client.data(query, json!({ "id": tenant.preview.id })).await["environment"].clone();
    let one = &seen["all"][0];
    assert_eq!(one["environment"]["id"], tenant.preview.id.as_str());
    assert_eq!((&seen["ready"][0]["id"], &seen["failed"]), (&one["id"], &json!([])), "{seen:#}");
    let node = client.data("query($id: ID!) { node(id: $id) { __typename id } }", json!({ "id": one["id"] })).await;
    assert_eq!(node["node"], json!({ "__typename": "Allocation", "id": one["id"] }));
}

async fn created(client: &Client, deployment: &str) -> String {
    let query = "query($id: ID!) { deployment(id: $id) { createdAt } }";
    text(&client.data(query, json!({ "id": deployment })).await["deployment"]["createdAt"])
}

/// A project's and a workspace's are merged of a page of each of its apps. The sins: the newest of one app alone, and a cursor
/// that is one app's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_several_apps_have_is_one_list_of_the_places_above_them() {
    let platform = Platform::shared().await;
    let one = Tenant::open(platform, person(platform).await.client).await;
    let client = &one.client;
    let input = json!({ "projectId": one.project, "slug": "second", "name": "Second" });
    let two = one.with_app(platform, client.made("appCreate", "app", input).await).await;
    let digest = artifacts::push(client, &one.workspace, Version::Blue).await;
    let (mut deployments, mut operations) = (Vec::new(), Vec::new());
    for app in [&one.app, &two.app, &two.app, &one.app, &two.app] {
        let input = json!({ "appId": app, "artifactDigest": digest });
        deployments.insert(0, client.made("deploymentCreate", "deployment", input).await);
    }
    for lane in [&one.preview, &two.preview, &two.production, &one.production] {
        // Where no probe may reach: that it is asked for is enough.
        let url = "postgres://user:password@169.254.169.254/shop";
        let input = json!({ "environmentId": lane.id, "resource": "DATABASE", "vendor": "POSTGRES", "url": url });
        let made = client.done("providerBindingCreate", "__typename", input).await;
        operations.insert(0, text(&made["operation"]["id"]));
    }
    for place in [("project", one.project.as_str()), ("workspace", one.workspace.as_str())] {
        every_page_fits(client, place, "deployments", &deployments).await;
        every_page_fits(client, place, "operations", &operations).await;
    }
}

/// One by one, forwards and backwards, in both orders.
async fn every_page_fits(client: &Client, (place, id): (&str, &str), list: &str, newest: &[String]) {
    let oldest: Vec<_> = newest.iter().rev().cloned().collect();
    for (order, all) in [("NEWEST_FIRST", newest), ("OLDEST_FIRST", &oldest[..])] {
        for (size, cursor, end, more) in
            [("first", "after", "endCursor", "hasNextPage"), ("last", "before", "startCursor", "hasPreviousPage")]
        {
            let query = format!(
                "query($id: ID!, $cursor: String) {{ {place}(id: $id) {{ {list}({size}: 1, {cursor}: $cursor, order: {order}) \
                 {{ nodes {{ id }} pageInfo {{ {end} {more} }} }} }} }}"
            );
            let (mut seen, mut at) = (Vec::new(), Value::Null);
            loop {
                let page = client.data(&query, json!({ "id": id, "cursor": at })).await[place][list].clone();
                seen.push(text(&page["nodes"][0]["id"]));
                assert!(seen.len() <= all.len(), "it ends: {seen:?}");
                at = page["pageInfo"][end].clone();
                if page["pageInfo"][more] != true {
                    break;
                }
            }
            if size == "last" {
                seen.reverse();
            }
            assert_eq!(seen, all, "{list} of the {place}, {order} by {size}");
        }
    }
}

/// The sins: a role that is read and not used, and a page that goes on among everybody instead of those of the role.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_members_of_one_role_are_paged_among_themselves() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open(platform, person(platform).await.client).await;
    for role in ["ADMIN", "MEMBER", "ADMIN", "MEMBER", "ADMIN", "MEMBER"] {
        let member = person(platform).await.actor;
        let input = json!({ "workspaceId": tenant.workspace, "memberId": member, "role": role });
        tenant.client.done("memberAdd", "__typename", input).await;
    }
    let query = "query($id: ID!) { workspace(id: $id) { members(first: 100) { nodes { actor role } } } }";
    let seen = tenant.client.data(query, json!({ "id": tenant.workspace })).await;
    let everybody = seen["workspace"]["members"]["nodes"].as_array().cloned().unwrap_or_default();
    assert_eq!(everybody.len(), 7, "{everybody:?}");
    for (role, many) in [("OWNER", 1), ("ADMIN", 3), ("MEMBER", 3)] {
        let expected: Vec<Value> = everybody.iter().filter(|one| one["role"] == role).cloned().collect();
        assert_eq!(expected.len(), many, "{everybody:?}");
        let forwards = ["first", "after", "endCursor", "hasNextPage"];
        let backwards = ["last", "before", "startCursor", "hasPreviousPage"];
        for way in [forwards, backwards] {
            assert_eq!(of_role(&tenant, role, way).await, expected, "{role} by {way:?}");
        }
    }
}

/// The members of a role, two a page, to the end.
async fn of_role(tenant: &Tenant, role: &str, [size, cursor, end, more]: [&str; 4]) -> Vec<Value> {
    let query = format!(
        "query($id: ID!, $role: MemberRole, $cursor: String) {{ workspace(id: $id) {{ \
         members(role: $role, {size}: 2, {cursor}: $cursor) {{ \
         nodes {{ actor role }} pageInfo {{ {end} {more} }} }} }} }}"
    );
    let (mut pages, mut at) = (Vec::new(), Value::Null);
    loop {
        let variables = json!({ "id": tenant.workspace, "role": role, "cursor": at });
        let page = tenant.client.data(&query, variables).await["workspace"]["members"].clone();
        pages.push(page["nodes"].as_array().cloned().unwrap_or_default());
        assert!(pages.len() < 4, "it ends: {pages:?}");
        at = page["pageInfo"][end].clone();
        if page["pageInfo"][more] != true {
            break;
        }
    }
    if size == "last" {
        pages.reverse();
    }
    pages.concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_filter_is_named() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open(platform, person(platform).await.client).await;
    for (asked, field) in [
        ("deployments(filter: { artifactDigest: \"nonsense\" })", "artifactDigest"),
        (
            "deployments(filter: { createdSince: \"2026-01-02T00:00:00Z\", createdBefore: \"2026-01-01T00:00:00Z\" })",
            "createdBefore",
        ),
        ("deployments(filter: { createdSince: \"yesterday\" })", "createdSince"),
        ("deployments(filter: { status: GOOD })", "status"),
        ("deployments(order: SIDEWAYS)", "order"),
        ("operations(filter: { kind: MAGIC })", "kind"),
        ("operations(filter: { ended: \"yes\" })", "ended"),
        ("environments(kind: HUGE)", "kind"),
        ("environments(slug: \"no slug\")", "slug"),
        ("deployments(after: \"nonsense\")", "after"),
    ] {
        let query = format!("query($app: ID!) {{ app(id: $app) {{ {asked} {{ nodes {{ id }} }} }} }}");
        let answer = tenant.client.ask(&query, json!({ "app": tenant.app })).await;
        let error = &answer["errors"][0];
        assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT", "{asked}: {answer:#}");
        let named = error["extensions"]["field"] == field || error["message"].to_string().contains(field);
        assert!(named, "{asked}: {error}");
    }
    let query = "query($project: ID!) { project(id: $project) { apps(named: \" \") { nodes { id } } } }";
    let answer = tenant.client.ask(query, json!({ "project": tenant.project })).await;
    assert_eq!(answer["errors"][0]["extensions"]["field"], "named", "{answer:#}");
}
