//! API tokens that may less than their holder: what they leave, that they end, that no token makes, ends or takes over a wider
//! one, and what their holder is shown of them. The trap avoided: a limit that is stored and shown and asked by nobody.

mod recorded;

use rhone_tests::{
    database::{Person, administrator, person},
    graphql::{Client, unique},
    platform::Platform,
    scan::{Needle, everywhere},
    story::{Tenant, text},
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

const TOKENS: &str = "{ viewer { tokenId tokens(first: 100) { nodes { tokenId name hint workspaceId grants createdAt
    expiresAt lastUsedAt rotatedAt revokedAt current } } } }";

/// A new token, with its secret.
struct Made {
    id: Uuid,
    secret: String,
    client: Client,
}

async fn made(platform: &Platform, maker: &Client, input: Value) -> Made {
    let made = maker.done("tokenCreate", "secret token { tokenId expiresAt }", input).await;
    assert!(made["token"]["expiresAt"].is_string(), "{made:#}");
    let (id, secret) = (text(&made["token"]["tokenId"]), text(&made["secret"]));
    Made { id: id.parse().expect("an id"), client: platform.client(&secret), secret }
}

async fn listed(client: &Client) -> Vec<Value> {
    let data = client.data(TOKENS, json!({})).await;
    data["viewer"]["tokens"]["nodes"].as_array().expect("a list").clone()
}

async fn accepted(client: &Client) -> bool {
    let answer = client.ask("{ viewer { actor } }", json!({})).await;
    let code = &answer["errors"][0]["extensions"]["code"];
    assert!(code.is_null() || code == "UNAUTHENTICATED", "{answer:#}");
    code.is_null()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_only_reads_reads_and_changes_nothing() {
    let platform = Platform::shared().await;
    let owner = person(platform).await;
    let tenant = Tenant::open(platform, owner.client.clone()).await;
    let reads = made(platform, &owner.client, json!({ "name": "reads", "grants": [] })).await.client;
    let seen = reads.data("query($id: ID!) { app(id: $id) { id } }", json!({ "id": tenant.app })).await;
    assert_eq!(seen["app"]["id"], json!(tenant.app));
    let held = "query($id: ID!) { viewer { grants(workspaceId: $id) } }";
    assert_eq!(reads.data(held, json!({ "id": tenant.workspace })).await["viewer"]["grants"], json!([]));
    let input = json!({ "workspaceId": tenant.workspace, "slug": unique("by-reader"), "name": "No" });
    let why = reads.refused("projectCreate", "project { id }", input.clone()).await;
    assert_eq!(
        (&why["code"], &why["actual"]),
        (&json!("GRANT_MISSING"), &json!("owner, with a token that only reads"))
    );
    let uploaded = reads.try_upload(&format!("sha256:{}", "ab".repeat(32)), b"bytes".to_vec()).await;
    assert_eq!(uploaded.status(), 403, "an upload is a change, too");
    owner.client.done("projectCreate", "project { id }", input).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_token_makes_ends_or_takes_over_a_wider_one() {
    let platform = Platform::shared().await;
    let owner = person(platform).await;
    let tenant = Tenant::open(platform, owner.client.clone()).await;
    let wide = made(platform, &owner.client, json!({ "name": "wide" })).await;
    let input = json!({ "name": "deploys", "workspaceId": tenant.workspace, "grants": ["deploy", "roll_back"],
        "expiresInSeconds": 3600 });
    let deploys = made(platform, &owner.client, input).await;
    for (code, field, input) in [
        ("TOKEN_WIDER", "grants", json!({ "name": "more", "grants": ["deploy", "scale"] })),
        ("TOKEN_OUTLIVES_MAKER", "expiresInSeconds", json!({ "name": "longer", "expiresInSeconds": 7200 })),
    ] {
        let why = deploys.client.refused("tokenCreate", "token { tokenId }", input).await;
        assert_eq!((&why["code"], &why["field"]), (&json!(code), &json!(field)));
    }
    for grant in ["members_manage", "support_grant", "workspace_manage"] {
        let input = json!({ "name": "passes on", "grants": ["deploy", grant] });
        let why = owner.client.refused("tokenCreate", "token { tokenId }", input).await;
        assert_eq!((&why["code"], &why["field"]), (&json!("PASSES_RIGHTS_ON"), &json!("grants")));
    }
    let narrower = made(platform, &deploys.client, json!({ "name": "narrower" })).await;
    for mutation in ["tokenRevoke", "tokenRotate"] {
        let why = deploys.client.refused(mutation, "token { tokenId }", json!({ "tokenId": wide.id })).await;
        assert_eq!((&why["code"], &why["field"]), (&json!("NO_TOKEN"), &json!("tokenId")), "{mutation}");
    }
    assert!(accepted(&wide.client).await, "a wider token was touched");
    // It sees its own workspace's tokens alone; what it made inherited its limits.
    let seen = listed(&narrower.client).await;
    let names: Vec<_> = seen.iter().map(|token| text(&token["name"])).collect();
    assert_eq!(names, ["deploys", "narrower"]);
    assert!(seen.iter().all(|token| token["workspaceId"] == json!(tenant.workspace)), "{seen:?}");
    assert_eq!(seen[1]["grants"], json!(["deploy", "roll_back"]));
    assert_eq!(seen[0]["expiresAt"], seen[1]["expiresAt"], "no longer than what made it");
    let ended = narrower.client.done("tokenRevoke", "token { revokedAt }", json!({ "tokenId": narrower.id })).await;
    assert!(ended["token"]["revokedAt"].is_string(), "everybody may end themselves: {ended:#}");
    assert!(!accepted(&narrower.client).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotated_token_has_another_secret_and_an_expired_one_is_refused() {
    let platform = Platform::shared().await;
    let Person { client, .. } = person(platform).await;
    let token = made(platform, &client, json!({ "name": "turned" })).await;
    let input = json!({ "tokenId": token.id });
    let rotated = client.done("tokenRotate", "secret token { tokenId rotatedAt hint }", input.clone()).await;
    assert_eq!(rotated["token"]["tokenId"], json!(token.id));
    assert!(text(&rotated["secret"]).ends_with(&text(&rotated["token"]["hint"])), "{rotated:#}");
    let turned = platform.client(&text(&rotated["secret"]));
    assert!(!accepted(&token.client).await, "the former secret is still accepted");
    assert!(accepted(&turned).await);
    let mut database = administrator(platform).await;
    sqlx::query("UPDATE identity.tokens SET expires_at = clock_timestamp() WHERE token = $1")
        .bind(token.id)
        .execute(&mut database)
        .await
        .expect("its time can be moved");
    assert!(!accepted(&turned).await, "it is over");
    // The log knows its own end of it, which has not come yet.
    let again = client.done("tokenRotate", "secret token { tokenId }", input).await;
    let again = platform.client(&text(&again["secret"]));
    assert!(!accepted(&again).await, "nothing brings it back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_sees_every_token_and_no_secret_and_a_use_is_recorded_once_a_minute() {
    let platform = Platform::shared().await;
    let Person { client, .. } = person(platform).await;
    let token = made(platform, &client, json!({ "name": "seen", "grants": ["scale"] })).await;
    let before = listed(&client).await;
    let of =
        |tokens: &[Value]| tokens.iter().find(|one| one["tokenId"] == json!(token.id)).cloned().expect("it is listed");
    assert_eq!((&of(&before)["lastUsedAt"], &of(&before)["current"]), (&json!(null), &json!(false)));
    assert_eq!(of(&before)["grants"], json!(["scale"]));
    assert!(token.secret.ends_with(&text(&of(&before)["hint"])));
    assert!(!format!("{before:?}").contains(&token.secret[..20]), "{before:#?}");
    assert_eq!(before.iter().filter(|one| one["current"] == true).count(), 1);
    let mut database = administrator(platform).await;
    let used = listed(&token.client).await;
    let first = of(&used)["lastUsedAt"].clone();
    assert!(first.is_string() && of(&used)["current"] == true, "{used:#?}");
    assert_eq!(of(&listed(&token.client).await)["lastUsedAt"], first, "a second write within the minute");
    sqlx::query("UPDATE identity.tokens SET last_used_at = last_used_at - interval '2 minutes' WHERE token = $1")
        .bind(token.id)
        .execute(&mut database)
        .await
        .expect("its use can be moved");
    let again = of(&listed(&token.client).await)["lastUsedAt"].clone();
    assert!(text(&again) > text(&first), "{again} {first}");
    let page = "query($after: String) { viewer { tokens(first: 1, after: $after) {
        nodes { tokenId } pageInfo { hasNextPage endCursor } } } }";
    let first = client.data(page, json!({})).await["viewer"]["tokens"].clone();
    assert_eq!(first["pageInfo"]["hasNextPage"], json!(true), "{first:#}");
    let next = client.data(page, json!({ "after": first["pageInfo"]["endCursor"] })).await["viewer"]["tokens"].clone();
    let paged: Vec<_> = [&first, &next].map(|page| text(&page["nodes"][0]["tokenId"])).into();
    let whole: Vec<_> = before.iter().map(|one| text(&one["tokenId"])).collect();
    assert_eq!(paged, whole);
    // It was answered once and shown often; what is kept is its hash, and where that lies is found.
    let kept = everywhere(platform, &Needle::new(&token.secret));
    assert!(kept.dumped > 100_000 && kept.files > 10, "{kept:?}");
    assert_eq!(kept.found, Vec::<String>::new(), "a token in clear");
    let hash = hex::encode(Sha256::digest(&token.secret));
    assert!(!everywhere(platform, &Needle::new(&hash)).found.is_empty(), "nothing is found that is there");
}
