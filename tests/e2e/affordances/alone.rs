//! What is told of tokens, which are their holder's alone, of members, and of places, which are for who runs the platform alone;
//! and that no mutation was forgotten. The trap avoided: a token that is told to be revocable by whoever shows a narrower one.

use super::{SAID, Told, offered, tried};
use crate::roles::{Who, callers, support, table};
use rhone_tests::{
    database::{open_session, person},
    graphql::{Client, unique},
    inputs::Owner,
    platform::Platform,
    program,
    schema::Schema,
    story::text,
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs};

/// What the caller is told of each of their tokens.
const TOKENS: &str = "{ viewer { tokens(last: 100) { nodes { tokenId affordances { \
    tokenRotate: rotate { allowed code } tokenRevoke: revoke { allowed code } } } } } }";

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
    let (mut cells, mut yes) = (0, 0);
    for (who, client) in callers(platform, &owner, &table(client).await).await {
        if ![Who::Owner, Who::Reading, Who::Narrowed, Who::Browser].contains(&who) {
            continue;
        }
        let seen = client.data(TOKENS, json!({})).await["viewer"]["tokens"]["nodes"].clone();
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

/// Support sees what its person made for themselves in that workspace. The sin: all of it told as nobody's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_support_is_told_of_tokens_is_what_the_mutations_answer() {
    let platform = Platform::shared().await;
    let owner = Owner::new(platform).await;
    let workspace = &owner.tenant.workspace;
    let (_, helping) = support(platform, &owner).await;
    let input = json!({ "workspaceId": workspace, "memberId": helping.actor, "role": "MEMBER" });
    owner.tenant.client.done("memberAdd", "workspace { id }", input).await;
    let (_, cookie) = open_session(platform, helping.actor).await;
    let themselves = Client::of_session(owner.tenant.client.url(), &cookie);
    let input = json!({ "name": "offered", "workspaceId": workspace });
    let made = themselves.done("tokenCreate", "token { tokenId }", input).await;
    let token = json!({ "tokenId": made["token"]["tokenId"] });
    for revoke in [Value::Null, json!("NO_TOKEN")] {
        let seen = helping.client.data(TOKENS, json!({})).await["viewer"]["tokens"]["nodes"].clone();
        let one = seen.as_array().expect("tokens").iter().find(|one| one["tokenId"] == token["tokenId"]);
        let offered = &one.expect("what their person made is listed")["affordances"];
        for (mutation, code) in [("tokenRotate", json!("FORBIDDEN")), ("tokenRevoke", revoke)] {
            let (said, is) = (&offered[mutation], answered(&helping.client, mutation, &token).await);
            assert_eq!(is, code, "{mutation}");
            assert_eq!((&said["allowed"], &said["code"]), (&json!(is.is_null()), &is), "{mutation}");
        }
        themselves.mutate("tokenRevoke", "__typename", token.clone()).await;
    }
}

/// The code of a mutation's refusal, or of its error; null if it would be done.
async fn answered(client: &Client, mutation: &str, input: &Value) -> Value {
    let mut input = input.clone();
    input["dryRun"] = json!(true);
    let answer = client.try_mutate(mutation, "__typename", &input).await.expect("the API answers");
    let error = &answer["errors"][0]["extensions"]["code"];
    if error.is_null() { answer["data"][mutation]["userErrors"][0]["code"].clone() } else { error.clone() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_be_done_with_places_is_told_to_who_runs_the_platform_alone() {
    let platform = Platform::shared().await;
    let owner = Owner::new(platform).await;
    let tenant = person(platform).await.client;
    let [region, cell, host] = ["regionId", "cellId", "hostId"].map(|field| text(&owner.good_value(field)));
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
    // Others do not see a host at all.
    let because = json!({ "hostId": host, "reason": "because of a test" });
    for (field, mutation, input) in [
        ("runnerTokenCreate", "runnerTokenCreate", json!({ "hostId": host, "name": "Offered" })),
        ("cordon", "hostCordon", because.clone()),
        ("uncordon", "hostUncordon", because),
    ] {
        let (told, operator) = (Told::new(of("Host", &host, field), mutation, input), &owner.tenant.client);
        let (said, is) = (offered(operator, &told).await, tried(operator, &told).await);
        assert_eq!((&said["allowed"], &said["code"]), (&is["allowed"], &is["code"]), "{mutation}: {said}, {is}");
    }
}

/// What is told of the only owner.
pub(super) fn of_members(owner: &Owner) -> [Told; 3] {
    let (workspace, actor) = (text(&owner.good_value("workspaceId")), owner.person.actor);
    let of = |field: &str, mutation, mut input: Value| {
        input["memberId"] = json!(actor);
        let member = format!("members(role: OWNER, first: 1) {{ nodes {{ affordances {{ {field} $ }} }} }}");
        Told::new(format!("workspace(id: \"{workspace}\") {{ {member} }}"), mutation, input)
    };
    let project = owner.good_value("projectId");
    [
        of("roleSet", "memberRoleSet", json!({ "workspaceId": workspace, "role": "OWNER" })),
        of("remove", "memberRemove", json!({ "workspaceId": workspace })),
        of("grantsSet", "memberProjectGrantsSet", json!({ "projectId": project, "grants": [] })),
    ]
}

/// Mutations that no affordance is named after, each with what tells it in place of one.
const TOLD_OTHERWISE: [(&str, &str); 14] = [
    ("deploymentPromote", "Environment.promotion and Deployment.promotion"),
    ("environmentFailover", "Environment.failover"),
    ("environmentRegionEnable", "Environment.regionReadiness"),
    ("environmentRollBack", "Environment.rollbackPlan and Deployment.rollbackPlan"),
    ("environmentScale", "Environment.scalePlan"),
    ("hostRetire", "Host.retirable"),
    ("invitationAccept", "nothing: whoever has the secret sees nothing of the workspace before"),
    ("operationCancel", "Operation.cancellable"),
    ("regionCreate", "nothing: there is no place yet that could tell it"),
    ("sessionRevoke", "nothing: everybody may end what is theirs"),
    ("sessionRevokeOthers", "nothing: everybody may end what is theirs"),
    ("supportTokenCreate", "nothing: whoever runs the platform sees no tenant's things"),
    ("tokenCreate", "nothing: everybody may, and never more than they are"),
    ("workspaceCreate", "nothing: there is no place yet that could tell it"),
];

/// The mutations that affordances are named after, by the schema's own words.
fn named(schema: &str) -> BTreeSet<&str> {
    let types = schema.split("\ntype ").filter_map(|of| of.split_once(" {"));
    let affordances = types.filter(|(name, _)| name.ends_with("Affordances"));
    affordances.filter_map(|(_, of)| of.split("\n}").next()).flat_map(|of| of.split('`').skip(1).step_by(2)).collect()
}

#[test]
fn every_mutation_is_told_by_what_it_is_about_or_it_is_said_what_tells_it() {
    let schema = fs::read_to_string(program::root().join("api/schema.graphql")).expect("it is checked in");
    let (named, mutations) = (named(&schema), &Schema::checked_in().mutations);
    let untold: BTreeSet<&str> =
        mutations.iter().map(|one| one.name.as_str()).filter(|name| !named.contains(name)).collect();
    assert_eq!(untold, BTreeSet::from(TOLD_OTHERWISE.map(|(name, _)| name)));
}
