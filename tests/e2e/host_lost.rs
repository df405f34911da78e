//! A host dies for good with its runner: what it ran is replaced while it is silent, and once an operator retires it, every
//! allocation that was alive on it is on record as lost with it. Who owns the traffic stays who it is. What had not answered when
//! it fell silent is given up without anybody's word. The traps avoided: allocations of a machine that is scrap, and ready for
//! ever; a promotion that awaits one of them until its deadline.

use rhone_tests::{
    artifacts::Version,
    edge,
    graphql::Client,
    hosts::{self, Host},
    platform::Platform,
    story::{Tenant, text},
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};

fn about(host: &str) -> Value {
    json!({ "hostId": host, "reason": "its board burnt" })
}

/// Whether it may be retired, as it is told beforehand.
async fn offered(operator: &Client, host: &str) -> Value {
    let query = "query($id: ID!) { node(id: $id) { ... on Host { retirable { allowed code } } } }";
    operator.data(query, json!({ "id": host })).await["node"]["retirable"].clone()
}

/// What runs, or ran, on this host.
async fn on(tenant: &Tenant, host: &str) -> Vec<Value> {
    let all = [tenant.allocations(&tenant.preview).await, tenant.allocations(&tenant.production).await].concat();
    all.into_iter().filter(|one| one["hostId"] == host).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_never_comes_back_is_retired_and_what_ran_on_it_is_on_record_as_lost() {
    let platform = Platform::start().await;
    let operator = platform.developer();
    let tenant = Tenant::open(&platform, platform.developer()).await;
    let first = format!("host_{}", platform.report().ids.host.simple());
    let second = Host::start(&platform).await;
    operator.done("hostCordon", "host { state }", about(&first)).await;
    let blue = tenant.deploy(Version::Blue).await;
    tenant.succeeds(&tenant.promote(&blue).await).await;
    operator.done("hostUncordon", "host { state }", about(&first)).await;
    let (owner, there) = (tenant.owner().await, on(&tenant, &second.id).await);
    assert!(there.len() == 2 && there.iter().all(|one| one["state"] == "READY"), "{there:#?}");

    assert_eq!(offered(&operator, &second.id).await, json!({ "allowed": false, "code": "HOST_HEARD" }));
    let refused = operator.refused("hostRetire", "__typename", about(&second.id)).await;
    assert_eq!((&refused["code"], &refused["field"]), (&json!("HOST_HEARD"), &json!("hostId")), "{refused:#}");

    let (id, token) = (second.id.clone(), second.token.clone());
    drop(second);
    let silent = async || (offered(&operator, &id).await["allowed"] == true).then_some(());
    until("the host was silent for long enough", PATIENCE, silent).await;
    let retired = operator.done("hostRetire", "host { state }", about(&id)).await;
    assert_eq!(retired["host"]["state"], "RETIRED", "{retired:#}");

    let lost = async || {
        let there = on(&tenant, &id).await;
        let all =
            there.iter().all(|one| (&one["state"], &one["failureCause"]) == (&json!("FAILED"), &json!("host_lost")));
        (there.len() == 2 && all).then_some(())
    };
    until("what ran there is on record as lost", PATIENCE, lost).await;
    let replaced = async || on(&tenant, &first).await.iter().filter(|one| one["state"] == "READY").count() == 2;
    until("both are replaced", PATIENCE, async || replaced().await.then_some(())).await;
    edge::serves(&tenant.edge, &tenant.production.host, "blue").await;
    let now = tenant.owner().await;
    assert_eq!(
        (&now["epoch"], &now["deploymentId"]),
        (&owner["epoch"], &owner["deploymentId"]),
        "health moves no route"
    );

    it_never_comes_back(&platform, &operator, (&id, &token)).await;
}

async fn it_never_comes_back(platform: &Platform, operator: &Client, (id, token): (&str, &str)) {
    for mutation in ["hostUncordon", "hostCordon", "hostDrain"] {
        let refused = operator.refused(mutation, "__typename", about(id)).await;
        assert_eq!(refused["code"], "HOST_RETIRED", "{mutation}: {refused:#}");
    }
    assert_eq!(hosts::look(operator, id).await["state"], "RETIRED");
    let url = format!("{}/runner/v1/desired", platform.report().urls.api);
    let answer = reqwest::Client::new().get(url).bearer_auth(token).send().await.expect("the API answers");
    let (status, said) = (answer.status(), answer.json::<Value>().await.expect("it says why"));
    assert_eq!((status.as_u16(), &said["code"]), (403, &json!("HOST_RETIRED")), "{said}");
    assert!(text(&said["message"]).contains("end its runner"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_on_a_host_that_fell_silent_is_given_up_and_what_awaits_it_starts_another_one() {
    let platform = Platform::start().await;
    let operator = platform.developer();
    let tenant = Tenant::open(&platform, platform.developer()).await;
    let first = format!("host_{}", platform.report().ids.host.simple());
    let blue = tenant.deploy(Version::Blue).await;
    let second = Host::start(&platform).await;
    operator.done("hostCordon", "host { state }", about(&first)).await;
    let silent = second.id.clone();
    drop(second);

    let promotion = tenant.promote(&blue).await;
    let ordered = async || on(&tenant, &silent).await.first().map(|one| one["state"].clone());
    assert_eq!(until("it is ordered there", PATIENCE, ordered).await, "PLANNED");
    operator.done("hostUncordon", "host { state }", about(&first)).await;
    tenant.succeeds(&promotion).await;
    let there = on(&tenant, &silent).await;
    let ends = there.iter().map(|one| (&one["state"], &one["failureCause"])).collect::<Vec<_>>();
    assert_eq!(ends, [(&json!("FAILED"), &json!("host_lost"))], "{there:#?}");
    edge::serves(&tenant.edge, &tenant.production.host, "blue").await;
}
