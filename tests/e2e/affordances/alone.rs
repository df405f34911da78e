//! What is told of tokens, which are their holder's alone, and of places, which are for who runs the platform alone. The trap
//! avoided: a token that is told to be revocable by whoever shows a narrower one.

use super::{SAID, Told, offered, tried};
use crate::roles::{Who, callers, table};
use rhone_tests::{database::person, graphql::unique, inputs::Owner, platform::Platform, story::text};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_be_done_with_a_token_is_told_by_what_is_shown() {
    let platform = Platform::shared().await;
    let owner = Owner::new(platform).await;
    let client = &owner.tenant.client;
    let mut tokens = Vec::new();
    for (grants, ended) in [(Value::Null, false), (json!(["deploy"]), false), (json!(["deploy"]), true)] {
        let made =
            client.done("tokenCreate", "token { tokenId }", json!({ "name": "offered", "grants": grants })).await;
        let token = text(&made["token"]["tokenId"]);
        if ended {
            client.done("tokenRevoke", "__typename", json!({ "tokenId": token })).await;
        }
        tokens.push(token);
    }
    let query = "{ viewer { tokens(last: 100) { nodes { tokenId affordances { \
        tokenRotate: rotate { allowed code } tokenRevoke: revoke { allowed code } } } } } }";
    let (mut cells, mut yes) = (0, 0);
    for (who, client) in callers(platform, &owner, &table(client).await).await {
        if ![Who::Owner, Who::Reading, Who::Narrowed, Who::Browser].contains(&who) {
            continue;
        }
        let seen = client.data(query, json!({})).await["viewer"]["tokens"]["nodes"].clone();
        for token in &tokens {
            let one = seen.as_array().expect("tokens").iter().find(|one| one["tokenId"] == token.as_str());
            let offered = &one.expect("every token of theirs is listed")["affordances"];
            for mutation in ["tokenRotate", "tokenRevoke"] {
                let told = Told::new(String::new(), mutation, json!({ "tokenId": token }));
                let (said, is) = (&offered[mutation], tried(&client, &told).await);
                let agree = (&said["allowed"], &said["code"]) == (&is["allowed"], &is["code"]);
                assert!(agree, "{mutation} by {who:?}: told {said}, is {is}");
                yes += usize::from(is["allowed"] == true);
                cells += 1;
            }
        }
    }
    // The owner and their browser may change both that stand; one that deploys and more covers the one that deploys.
    assert_eq!((cells, yes), (24, 10));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_be_done_with_places_is_told_to_who_runs_the_platform_alone() {
    let platform = Platform::shared().await;
    let owner = Owner::new(platform).await;
    let tenant = person(platform).await.client;
    let (region, cell) = (text(&owner.good_value("regionId")), text(&owner.good_value("cellId")));
    let of = |noun: &str, id: &str, field: &str| {
        format!("node(id: \"{id}\") {{ ... on {noun} {{ affordances {{ {field} $ }} }} }}")
    };
    for told in [
        Told::new(
            of("Region", &region, "cellCreate"),
            "cellCreate",
            json!({ "regionId": region, "slug": unique("offered") }),
        ),
        Told::new(
            of("Region", &region, "edgeTokenCreate"),
            "edgeTokenCreate",
            json!({ "regionId": region, "name": "Offered" }),
        ),
        Told::new(of("Cell", &cell, "hostCreate"), "hostCreate", json!({ "cellId": cell, "slug": unique("offered") })),
    ] {
        let operator = &owner.tenant.client;
        let (said, is) = (offered(operator, &told).await, tried(operator, &told).await);
        assert_eq!((&said["allowed"], &is["allowed"]), (&json!(true), &json!(true)), "{}: {said}, {is}", told.mutation);
        let said = tenant.ask(&format!("{{ {} }}", told.question.replace('$', SAID)), json!({})).await;
        let is = tenant.try_mutate(told.mutation, "__typename", &told.input).await.expect("the API answers");
        for answer in [said, is] {
            assert_eq!(answer["errors"][0]["extensions"]["code"], "FORBIDDEN", "{}: {answer}", told.question);
        }
    }
}
