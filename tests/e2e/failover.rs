//! A failover over two regions of real processes, under an open WebSocket. The traps avoided: an edge of the former region
//! that goes on serving, sessions that are said to have moved, and a user who is not told that they begin afresh.

use crate::{affordances::regions::may_be_disabled, versions::is_held};
use rhone_tests::{
    artifacts::Version,
    edge,
    graphql::http,
    platform::Platform,
    second_region::SecondRegion,
    sockets::Watched,
    story::Tenant,
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};

const PLAN: &str = "query($id: ID!, $region: ID!) { environment(id: $id) { failover(regionId: $region) { allowed refused \
    routeEpoch sessions toAcknowledge gates { kind state reason } } } }";
const OWNER: &str = "query($id: ID!) { environment(id: $id) { routeOwner { epoch deploymentId artifactDigest \
    region { id } cell { id } drain { deploymentId deadline } } } }";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traffic_goes_to_another_region_and_sessions_do_not() {
    let platform = Platform::start().await;
    // Long enough that an open session is asked before its deadline, on any machine.
    let tenant = Tenant::open_draining(&platform, platform.developer(), 30).await;
    let blue = tenant.deploy(Version::Blue).await;
    tenant.succeeds(&tenant.promote(&blue).await).await;
    let bergen = SecondRegion::start(&platform).await;
    it_is_live(&tenant, &bergen).await;

    a_region_that_was_not_enabled_is_refused(&tenant, &bergen).await;
    is_held(&tenant.client, "environmentRegionEnable", bergen.wish(&tenant)).await;
    bergen.enable(&tenant).await;
    is_held(&tenant.client, "environmentFailover", input(&tenant, &bergen)).await;
    what_sessions_get_is_shown_and_must_be_said_truly(&tenant, &bergen).await;

    let session = Watched::open(&tenant.edge, &tenant.production.host).await.expect("a socket");
    let operation = fail_over(&tenant, &bergen).await;
    let ended = tenant.succeeds(&operation).await;
    assert_eq!((&ended["kind"], &ended["epoch"]), (&json!("REGION_FAILOVER"), &json!(2)), "{ended:#}");
    assert_eq!(ended["healthyDigest"], blue.digest.as_str());
    assert_eq!(may_be_disabled(&platform, &tenant, &bergen.region).await["code"], "REGION_SERVES");
    assert!(session.answers().await, "the session stays where it is: {ended:#}");

    the_old_edge_names_the_region_and_the_new_one_serves(&tenant, &bergen, &blue.digest).await;
    until("the session was closed at its deadline", PATIENCE, async || session.has_ended().then_some(())).await;
    what_is_left_behind_is_let_go(&tenant, &bergen).await;
    the_timeline_says_what_sessions_got(&tenant).await;
}

fn input(tenant: &Tenant, bergen: &SecondRegion) -> Value {
    json!({ "environmentId": tenant.production.id, "regionId": bergen.region, "expectedRouteEpoch": 1,
        "sessions": "START_FRESH", "reason": "the region is going down",
        "acknowledgements": [{ "gate": "sessions", "reason": "nobody loses more than a counter" }] })
}

async fn fail_over(tenant: &Tenant, bergen: &SecondRegion) -> String {
    let made = tenant.client.done("environmentFailover", "__typename", input(tenant, bergen)).await;
    made["operation"]["id"].as_str().expect("an operation").to_owned()
}

async fn it_is_live(tenant: &Tenant, bergen: &SecondRegion) {
    let query = "query($id: ID!) { node(id: $id) { ... on Region { liveEdges { edge mode } } } }";
    let look = async || {
        let data = tenant.client.data(query, json!({ "id": bergen.region })).await;
        (data["node"]["liveEdges"].as_array()?.len() == 1).then_some(())
    };
    until("the edge of the second region lives", PATIENCE, look).await;
}

async fn a_region_that_was_not_enabled_is_refused(tenant: &Tenant, bergen: &SecondRegion) {
    let refused = tenant.client.refused("environmentFailover", "__typename", input(tenant, bergen)).await;
    assert_eq!(
        (&refused["code"], &refused["field"]),
        (&json!("REGION_NOT_ENABLED"), &json!("regionId")),
        "{refused:#}"
    );
}

async fn what_sessions_get_is_shown_and_must_be_said_truly(tenant: &Tenant, bergen: &SecondRegion) {
    let asked = json!({ "id": tenant.production.id, "region": bergen.region });
    let plan = tenant.client.data(PLAN, asked).await["environment"]["failover"].clone();
    assert_eq!((&plan["allowed"], &plan["sessions"]), (&json!(true), &json!("START_FRESH")), "{plan:#}");
    assert_eq!((&plan["toAcknowledge"], &plan["routeEpoch"]), (&json!(["sessions"]), &json!(1)), "{plan:#}");
    let mut hopes = input(tenant, bergen);
    hopes["sessions"] = json!("HYDRATE");
    let refused = tenant.client.refused("environmentFailover", "__typename", hopes).await;
    assert_eq!((&refused["code"], &refused["field"]), (&json!("SESSION_FATE_DIFFERS"), &json!("sessions")));
    assert_eq!((&refused["expected"], &refused["actual"]), (&json!("start_fresh"), &json!("hydrate")));
    let mut silent = input(tenant, bergen);
    silent["acknowledgements"] = json!([]);
    let refused = tenant.client.refused("environmentFailover", "__typename", silent).await;
    assert_eq!(refused["code"], "NEEDS_ACKNOWLEDGEMENT", "{refused:#}");
}

async fn the_old_edge_names_the_region_and_the_new_one_serves(tenant: &Tenant, bergen: &SecondRegion, digest: &str) {
    let host = &tenant.production.host;
    let ask =
        async |edge: &str| http().get(format!("{edge}/sessions")).header("host", host).send().await.expect("an answer");
    let header = |answer: &reqwest::Response, name: &str| {
        answer.headers().get(name).map_or(String::new(), |value| value.to_str().expect("text").to_owned())
    };
    let old = ask(&tenant.edge).await;
    let region = rhone_tests::database::uuid(&bergen.region).to_string();
    assert_eq!((old.status().as_u16(), header(&old, "rhone-region")), (421, region));
    assert!(Watched::open(&tenant.edge, host).await.is_err(), "no new socket either");
    let new = ask(&bergen.edge).await;
    assert_eq!((new.status().as_u16(), header(&new, "rhone-epoch")), (200, "2".to_owned()));
    assert_eq!(header(&new, "rhone-artifact"), digest, "the same bytes");
    edge::serves(&bergen.edge, host, "blue").await;
    let owner = tenant.client.data(OWNER, json!({ "id": tenant.production.id })).await;
    let owner = &owner["environment"]["routeOwner"];
    assert_eq!(owner["region"]["id"], bergen.region.as_str(), "{owner:#}");
    assert_eq!((&owner["cell"]["id"], &owner["artifactDigest"]), (&json!(bergen.cell), &json!(digest)));
    assert!(owner["drain"]["deadline"].is_string(), "the former place drains: {owner:#}");
}

async fn what_is_left_behind_is_let_go(tenant: &Tenant, bergen: &SecondRegion) {
    let look = async || {
        let all = tenant.allocations_now(&tenant.production).await?;
        let here = all.iter().filter(|one| one["regionId"] == bergen.region.as_str()).collect::<Vec<_>>();
        let left = all.iter().filter(|one| one["regionId"] != bergen.region.as_str());
        let ready = here.iter().filter(|one| one["state"] == "READY").count();
        (ready == 1 && left.into_iter().all(|one| one["state"] == "STOPPED")).then_some(())
    };
    until("one serves in the second region, and what was left in the first has stopped", PATIENCE, look).await;
}

async fn the_timeline_says_what_sessions_got(tenant: &Tenant) {
    let look = async || {
        let entries = tenant.timeline(None).await;
        entries.into_iter().find(|entry| entry["type"] == "route_owner.moved")
    };
    let moved = until("the move is in the timeline", PATIENCE, look).await;
    let said = moved["summary"].as_str().expect("a sentence");
    assert!(said.contains("they start fresh") && said.contains("Epoch 2"), "{said}");
}
