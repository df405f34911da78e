//! What becomes of a token is an event: whoever asks twice gets one token, whoever may see it finds it in a timeline, and what was
//! made outside of the log is taken into it. The trap avoided: a token that is valid and of which nobody can say who made it.

use super::{Made, accepted, listed, made};
use rhone_tests::{
    database::{Person, administrator, make_operator, person},
    graphql::{Client, unique},
    platform::Platform,
    story::{Tenant, text},
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};
use uuid::Uuid;

const OWN: &str = "{ viewer { timeline(last: 50) { nodes { type stream actor summary payload } } } }";
const OF_WORKSPACE: &str = "query($id: ID!) { workspace(id: $id) { timeline(last: 50) {
    nodes { type stream actor summary payload } } } }";

/// The lines about a token, once there are so many.
async fn lines(client: &Client, (query, at, variables): (&str, &str, &Value), token: Uuid, count: usize) -> Vec<Value> {
    let about = format!("token:{token}");
    until("the token's lines can be read", PATIENCE, || async {
        let data = client.data(query, variables.clone()).await;
        let nodes = data.pointer(at).and_then(Value::as_array).cloned().unwrap_or_default();
        let lines: Vec<Value> = nodes.into_iter().filter(|node| node["stream"] == json!(about)).collect();
        (lines.len() >= count).then_some(lines)
    })
    .await
}

fn types(lines: &[Value]) -> Vec<&str> {
    lines.iter().filter_map(|line| line["type"].as_str()).collect()
}

/// What the log holds of a token, as whoever looks past every policy sees it.
async fn logged(platform: &Platform, token: Uuid) -> Vec<(String, Uuid, String)> {
    let mut database = administrator(platform).await;
    sqlx::query_as("SELECT event_type, workspace, payload::text FROM log.events WHERE stream = $1 ORDER BY version")
        .bind(format!("token:{token}"))
        .fetch_all(&mut database)
        .await
        .expect("the log can be read")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_becomes_of_a_token_is_told_to_whom_it_concerns_and_to_nobody_else() {
    let platform = Platform::shared().await;
    let Person { client, actor } = person(platform).await;
    let everywhere = made(platform, &client, json!({ "name": "everywhere" })).await;
    let input = json!({ "tokenId": everywhere.id });
    client.done("tokenRotate", "token { tokenId }", input.clone()).await;
    client.done("tokenRevoke", "token { tokenId }", input).await;
    let own = (OWN, "/viewer/timeline/nodes", &json!({}));
    let told = lines(&client, own, everywhere.id, 3).await;
    assert_eq!(types(&told), ["token.created", "token.rotated", "token.revoked"]);
    assert_eq!(told[0]["actor"], json!(actor));
    assert!(text(&told[0]["summary"]).starts_with("The token everywhere was made: it may all that its holder may"));
    let logged = logged(platform, everywhere.id).await;
    assert_eq!(
        logged.iter().map(|(_, tenant, _)| *tenant).collect::<Vec<_>>(),
        [actor; 3],
        "her own, and no workspace"
    );
    assert!(logged.iter().all(|(.., payload)| !payload.contains(&everywhere.secret[..20])), "a secret in the log");
    let stranger = person(platform).await;
    let seen = stranger.client.data(OWN, json!({})).await.to_string();
    assert!(!seen.contains(&everywhere.id.to_string()), "{seen}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_a_workspace_is_in_its_timeline_for_every_member() {
    let platform = Platform::shared().await;
    let owner = person(platform).await;
    let tenant = Tenant::open(platform, owner.client.clone()).await;
    let colleague = person(platform).await;
    let member = json!({ "workspaceId": tenant.workspace, "memberId": colleague.actor, "role": "MEMBER" });
    owner.client.done("memberAdd", "workspace { id }", member).await;
    let input = json!({ "name": "ci", "workspaceId": tenant.workspace, "grants": ["deploy"] });
    let ci = made(platform, &owner.client, input).await;
    let of_workspace = (OF_WORKSPACE, "/workspace/timeline/nodes", &json!({ "id": tenant.workspace }));
    let told = lines(&colleague.client, of_workspace, ci.id, 1).await;
    assert!(text(&told[0]["summary"]).starts_with("The token ci was made: it may deploy until"), "{told:#?}");
    // Whoever sees it does not own it.
    for mutation in ["tokenRotate", "tokenRevoke"] {
        let why = colleague.client.refused(mutation, "token { tokenId }", json!({ "tokenId": ci.id })).await;
        assert_eq!(why["code"], json!("NO_TOKEN"), "{mutation}");
    }
    assert!(accepted(&ci.client).await);
    let own = ci.client.data(OWN, json!({})).await;
    assert_eq!(own["viewer"]["timeline"]["nodes"], json!([]), "a token of one workspace sees nothing beyond it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_request_makes_one_token_and_tells_its_secret_once() {
    let platform = Platform::shared().await;
    let Person { client, .. } = person(platform).await;
    let object = "secret replayed token { tokenId }";
    let input = json!({ "name": "once", "idempotencyKey": unique("key") });
    let (first, again) = (client.done("tokenCreate", object, input.clone()).await, async || {
        client.done("tokenCreate", object, input.clone()).await
    });
    let again = again().await;
    assert_eq!((&first["replayed"], &again["replayed"]), (&json!(false), &json!(true)));
    assert_eq!(first["token"], again["token"]);
    assert!(first["secret"].is_string() && again["secret"].is_null(), "told once");
    let named = |tokens: &[Value]| tokens.iter().filter(|token| token["name"] == "once").count();
    assert_eq!(named(&listed(&client).await), 1);
    let why =
        client.refused("tokenCreate", object, json!({ "name": "twice", "idempotencyKey": input["idempotencyKey"] }));
    assert_eq!(why.await["code"], json!("IDEMPOTENCY_KEY_REUSED"));
    let dry = client.done("tokenCreate", object, json!({ "name": "dry", "dryRun": true })).await;
    assert_eq!((&dry["token"], &dry["secret"]), (&json!(null), &json!(null)));
    assert_eq!(dry["plannedEvents"][0]["type"], json!("token.created"));
    assert!(listed(&client).await.iter().all(|token| token["name"] != "dry"), "a dry run makes nothing");
    let turned = json!({ "tokenId": first["token"]["tokenId"], "idempotencyKey": unique("key") });
    let once = client.done("tokenRotate", object, turned.clone()).await;
    let twice = client.done("tokenRotate", object, turned).await;
    assert!(once["secret"].is_string() && twice["secret"].is_null() && twice["replayed"] == json!(true));
    assert!(accepted(&platform.client(&text(&once["secret"]))).await, "the repetition changed nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_made_outside_of_the_log_is_taken_into_it_when_it_changes() {
    let platform = Platform::shared().await;
    // The tests make their persons as `rhone up` makes its own: before anybody could ask the API.
    let Person { client, .. } = person(platform).await;
    let shown = text(&client.data("{ viewer { tokenId } }", json!({})).await["viewer"]["tokenId"]);
    let token: Uuid = shown.parse().expect("an id");
    assert!(logged(platform, token).await.is_empty());
    let turned = client.done("tokenRotate", "secret token { createdAt rotatedAt }", json!({ "tokenId": token })).await;
    assert!(!accepted(&client).await, "the former secret is still accepted");
    let client = platform.client(&text(&turned["secret"]));
    client.done("tokenRevoke", "token { revokedAt }", json!({ "tokenId": token })).await;
    assert!(!accepted(&client).await);
    let events = logged(platform, token).await;
    let types: Vec<_> = events.iter().map(|(event_type, ..)| event_type.as_str()).collect();
    assert_eq!(types, ["token.found", "token.rotated", "token.revoked"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machines_token_is_withdrawn_by_whoever_runs_the_platform() {
    let platform = Platform::shared().await;
    let operator = person(platform).await;
    make_operator(platform, operator.actor).await;
    let slug = unique("r");
    let region = operator.client.done("regionCreate", "region { id }", json!({ "slug": slug, "name": "R" })).await;
    let input = json!({ "regionId": region["region"]["id"], "name": "edge 1" });
    let edge = operator.client.done("edgeTokenCreate", "secret token { tokenId }", input).await;
    let edge = Made {
        id: text(&edge["token"]["tokenId"]).parse().expect("an id"),
        client: platform.client(&text(&edge["secret"])),
        secret: text(&edge["secret"]),
    };
    assert_eq!(entered(&edge.client).await, 200);
    let input = json!({ "tokenId": edge.id });
    let stranger = person(platform).await;
    let why = stranger.client.refused("tokenRevoke", "token { tokenId }", input.clone()).await;
    assert_eq!(why["code"], json!("NO_TOKEN"), "as if there were none");
    let why = operator.client.refused("tokenRotate", "token { tokenId }", input.clone()).await;
    assert_eq!(why["code"], json!("NO_TOKEN"), "a machine's token gets no other secret");
    operator.client.done("tokenRevoke", "token { revokedAt }", input).await;
    assert_eq!(entered(&edge.client).await, 401);
    let events = logged(platform, edge.id).await;
    let types: Vec<_> = events.iter().map(|(event_type, ..)| event_type.as_str()).collect();
    assert_eq!(types, ["token.issued", "token.withdrawn"]);
    assert!(!edge.secret.is_empty() && events.iter().all(|(.., payload)| !payload.contains(&edge.secret[..20])));
}

/// Whether the door of edges opens.
async fn entered(edge: &Client) -> u16 {
    edge.get("/edge/v1/snapshot").await.0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_ended_elsewhere_or_left_behind_is_no_token() {
    let platform = Platform::shared().await;
    let (owner, guest) = (person(platform).await, person(platform).await);
    let mut database = administrator(platform).await;
    let id: Uuid = sqlx::query_scalar("SELECT gen_random_uuid()").fetch_one(&mut database).await.expect("an id");
    let made_and_ended =
        "WITH made AS (SELECT identity.issue($1, sha256($1::text::bytea), 'token', $2, NULL, NULL, NULL, 'old', NULL))
        SELECT count(*) FROM made";
    sqlx::query(made_and_ended).bind(id).bind(guest.actor).execute(&mut database).await.expect("a row");
    let ended = "UPDATE identity.tokens SET revoked_at = clock_timestamp() WHERE token = $1";
    sqlx::query(ended).bind(id).execute(&mut database).await.expect("it ends");
    let tenant = Tenant::open(platform, owner.client.clone()).await;
    let member = json!({ "workspaceId": tenant.workspace, "memberId": guest.actor, "role": "MEMBER" });
    owner.client.done("memberAdd", "workspace { id }", member.clone()).await;
    let input = json!({ "name": "ci", "workspaceId": tenant.workspace });
    let left = made(platform, &guest.client, input).await;
    let gone = json!({ "workspaceId": tenant.workspace, "memberId": guest.actor });
    owner.client.done("memberRemove", "workspace { id }", gone).await;
    for token in [id, left.id] {
        for mutation in ["tokenRotate", "tokenRevoke"] {
            let why = guest.client.refused(mutation, "token { tokenId }", json!({ "tokenId": token })).await;
            assert_eq!(why["code"], json!("NO_TOKEN"), "{mutation}");
        }
    }
    let answer = left.client.try_mutate("tokenCreate", "token { tokenId }", &json!({ "name": "more" })).await;
    let code = answer.expect("the API answers")["errors"][0]["extensions"]["code"].clone();
    assert_eq!(code, json!("UNAUTHENTICATED"), "a token of a workspace that its holder left is none");
    let shown = listed(&guest.client).await;
    let ended = shown.iter().find(|token| token["tokenId"] == json!(left.id)).expect("its holder still sees it");
    assert!(ended["revokedAt"].is_string(), "and that it ended: {ended:#}");
    // Whoever comes back makes another one.
    owner.client.done("memberAdd", "workspace { id }", member).await;
    assert!(!accepted(&left.client).await, "what ended with the membership is not good again");
    let why = guest.client.refused("tokenRotate", "token { tokenId }", json!({ "tokenId": left.id })).await;
    assert_eq!(why["code"], json!("NO_TOKEN"), "nor brought back by another secret");
    let input = json!({ "name": "ci again", "workspaceId": tenant.workspace });
    assert!(accepted(&made(platform, &guest.client, input).await.client).await);
    let stays = json!({ "workspaceId": tenant.workspace, "memberId": guest.actor, "role": "ADMIN" });
    let kept = made(platform, &guest.client, json!({ "name": "kept", "workspaceId": tenant.workspace })).await;
    owner.client.done("memberRoleSet", "workspace { id }", stays).await;
    assert!(accepted(&kept.client).await, "who stays keeps theirs, whatever else changes");
}
