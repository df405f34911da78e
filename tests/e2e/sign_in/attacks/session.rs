//! Attacks on a session: planted, stolen, ended, or used from a page that is not ours.

use super::Tally;
use crate::sign_in::{browser, sessions::joined};
use reqwest::{Method, RequestBuilder, StatusCode};
use rhone_tests::{
    browser::{Browser, Reply, SESSION},
    database::administrator,
    github::GitHub,
    graphql::unique,
    platform::Platform,
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};

const CREATE: &str =
    "mutation($slug: String!) { workspaceCreate(input: { slug: $slug, name: \"Mine\" }) { workspace { id } } }";
const COUNT: &str = "{ workspaces(first: 5) { nodes { id } } }";

pub(super) async fn signed_in(platform: &Platform) -> Browser {
    let browser = browser(platform);
    browser.sign_in(&GitHub::shared().somebody(), "/").await;
    browser
}

pub(super) async fn attack(platform: &Platform, tally: &mut Tally) {
    fixation(platform, tally).await;
    cross_site(platform, tally).await;
    sockets(platform, tally).await;
    ended(platform, tally).await;
    mistaken(platform, tally).await;
}

/// A cookie that was there before the person signed in.
async fn fixation(platform: &Platform, tally: &mut Tally) {
    let victim = browser(platform);
    victim.plant(SESSION, "rhone_s_planted");
    victim.sign_in(&GitHub::shared().somebody(), "/").await;
    let attacker = browser(platform);
    attacker.plant(SESSION, "rhone_s_planted");
    let replaced = victim.cookie(SESSION).is_some_and(|cookie| cookie != "rhone_s_planted");
    let honest = victim.actor().await.is_some();
    tally.held("a planted cookie that is nobody's", honest, replaced && attacker.actor().await.is_none());

    let (attacker, victim) = (signed_in(platform).await, browser(platform));
    let planted = attacker.cookie(SESSION).expect("signed in");
    victim.plant(SESSION, &planted);
    let honest = attacker.actor().await.is_some() && victim.actor().await == attacker.actor().await;
    victim.sign_in(&GitHub::shared().somebody(), "/").await;
    let theirs = victim.actor().await.expect("signed in");
    let apart = attacker.actor().await.is_none_or(|actor| actor != theirs);
    tally.held("the attacker's own session, planted", honest, apart);
}

/// How many workspaces there are after an attempt to make one.
async fn made(browser: &Browser) -> usize {
    let seen = browser.graphql(COUNT, json!({})).await.json();
    seen["data"]["workspaces"]["nodes"].as_array().unwrap_or_else(|| panic!("{seen:#}")).len()
}

/// Pages elsewhere make the browser send a mutation with the cookie.
pub(super) async fn cross_site(platform: &Platform, tally: &mut Tally) {
    let (victim, api) = (signed_in(platform).await, platform.report().urls.api);
    let body = || json!({ "query": CREATE, "variables": { "slug": unique("csrf") } });
    let post = || victim.request(Method::POST, "/graphql").json(&body());
    let sibling = format!("http://app.localhost:{}", api.rsplit(':').next().expect("a port"));
    let text =
        |kind: &str| victim.request(Method::POST, "/graphql").header("content-type", kind).body(body().to_string());
    let link = format!(
        "/graphql?query={}",
        "mutation%7BworkspaceCreate(input:%7Bslug:%22csrf-get%22,name:%22x%22%7D)%7B__typename%7D%7D"
    );
    let attempts: Vec<(&str, RequestBuilder, u16)> = vec![
        ("a mutation with the cookie and no Origin", post(), 403),
        ("the same with Sec-Fetch-Site: same-origin alone", post().header("sec-fetch-site", "same-origin"), 403),
        ("from a foreign page", post().header("origin", "https://evil.test"), 403),
        ("from a page without an origin", post().header("origin", "null"), 403),
        ("from a sibling host", post().header("origin", sibling), 403),
        ("from our host on another port", post().header("origin", "http://127.0.0.1:1"), 403),
        ("from our host over https", post().header("origin", api.replace("http:", "https:")), 403),
        ("from two pages at once", post().header("origin", &api).header("origin", "https://evil.test"), 403),
        ("as a form of a page", text("text/plain").header("origin", &api), 415),
        ("as another form of a page", text("application/x-www-form-urlencoded").header("origin", &api), 415),
        ("by a link", victim.request(Method::GET, &link), 405),
    ];
    for (attack, request, status) in attempts {
        let reply: Reply = victim.send(request).await;
        tally.note(attack, reply.status == StatusCode::from_u16(status).expect("a status") && made(&victim).await == 0);
    }
    let out = victim.send(victim.request(Method::POST, "/auth/logout")).await;
    tally.note("signing somebody out without an Origin", out.status == 403 && victim.actor().await.is_some());
    let out = victim.request(Method::POST, "/auth/logout").header("origin", "https://evil.test");
    tally.note(
        "signing somebody out from elsewhere",
        victim.send(out).await.status == 403 && victim.actor().await.is_some(),
    );
    let honest = victim.graphql(CREATE, json!({ "slug": unique("honest") })).await;
    assert_eq!(honest.status, 200, "the page itself may: {honest:?}");
    // The log has it at once, lists a little later.
    until("the page itself may", PATIENCE, async || (made(&victim).await == 1).then_some(())).await;
    let out = victim.request(Method::POST, "/auth/logout").header("origin", &api);
    assert_eq!(victim.send(out).await.status, 204, "and signs out");
}

/// Sockets that a page elsewhere opens with the cookie.
pub(super) async fn sockets(platform: &Platform, tally: &mut Tally) {
    let (victim, api) = (signed_in(platform).await, platform.report().urls.api);
    assert!(joined(&victim, Some(&api)).await.is_ok(), "the page itself may");
    tally.note("a socket by cookie without an Origin", joined(&victim, None).await.err() == Some(4403));
    tally
        .note("a socket by cookie from elsewhere", joined(&victim, Some("https://evil.test")).await.err() == Some(403));
    let nobody = browser(platform);
    tally.note("a socket of our page without a cookie", joined(&nobody, Some(&api)).await.err() == Some(4403));
}

/// Sessions that are over.
async fn ended(platform: &Platform, tally: &mut Tally) {
    let api = platform.report().urls.api;
    for (attack, change) in [
        ("a revoked session", "revoked_at = now()"),
        ("a session older than two weeks", "expires_at = now() - interval '1 s'"),
        ("a session that was not used for a day", "used_at = now() - interval '25 h'"),
    ] {
        let victim = signed_in(platform).await;
        let cookie = victim.cookie(SESSION).expect("signed in");
        let honest = victim.actor().await.is_some() && joined(&victim, Some(&api)).await.is_ok();
        let update = format!("UPDATE identity.sessions SET {change} WHERE hash = sha256($1)");
        let done = sqlx::query(sqlx::AssertSqlSafe(update))
            .bind(cookie.as_bytes())
            .execute(&mut administrator(platform).await)
            .await
            .expect("it is changed");
        assert_eq!(done.rows_affected(), 1, "{attack}");
        tally.held(attack, honest, victim.actor().await.is_none());
        tally.held(format!("{attack}, by socket"), honest, joined(&victim, Some(&api)).await.err() == Some(4403));
    }
}

/// Secrets in places where they do not belong.
async fn mistaken(platform: &Platform, tally: &mut Tally) {
    let victim = signed_in(platform).await;
    let cookie = victim.cookie(SESSION).expect("signed in");
    let asked = "/graphql?query=%7Bviewer%7Bactor%7D%7D";
    let alone = victim.send(victim.request(Method::GET, asked)).await.status == 200;
    let token = platform.developer().ask("{ viewer { actor } }", json!({})).await;
    let honest = alone && victim.actor().await.is_some() && token["data"]["viewer"]["actor"].is_string();
    let as_token = platform.client(&cookie).ask("{ viewer { actor } }", json!({})).await;
    tally.held("a session's cookie as a token", honest, as_token["data"]["viewer"].is_null());
    let thief = browser(platform);
    thief.plant(SESSION, &platform.report().token);
    tally.held("a token as a session's cookie", honest, thief.actor().await.is_none());
    let mut changed = cookie.clone();
    let last = if changed.pop() == Some('A') { 'E' } else { 'A' };
    changed.push(last);
    thief.plant(SESSION, &changed);
    tally.held("a cookie with another last character", honest, thief.actor().await.is_none());
    let twice = thief.request(Method::GET, asked);
    thief.forget(SESSION);
    let twice = twice.header("cookie", format!("{SESSION}={cookie}"));
    tally.held("two session cookies at once", honest, thief.send(twice).await.status == 401);
    let both = victim.request(Method::GET, asked);
    let both = both.header("authorization", "Bearer rhone_wrong");
    tally.held("a bad token beside a good cookie", honest, victim.send(both).await.status == 401);
    let narrowed = narrowed(platform, &victim).await;
    let listing = "{ viewer { sessions { address } } }";
    let whole = victim.graphql(listing, json!({})).await.json();
    let honest = whole["data"]["viewer"]["sessions"][0].is_object();
    let shown = narrowed.ask(listing, json!({})).await;
    let refused = shown["errors"][0]["extensions"]["code"] == "FORBIDDEN";
    tally.held("a token of one workspace that lists sessions", honest, refused);
}

/// Somebody's token for one workspace.
async fn narrowed(platform: &Platform, owner: &Browser) -> rhone_tests::graphql::Client {
    let made = owner.graphql(CREATE, json!({ "slug": unique("narrow") })).await.json();
    let workspace: &Value = &made["data"]["workspaceCreate"]["workspace"]["id"];
    let create = "mutation($id: ID!) { tokenCreate(input: { name: \"narrow\", workspaceId: $id }) { secret } }";
    let made = owner.graphql(create, json!({ "id": workspace })).await.json();
    platform.client(made["data"]["tokenCreate"]["secret"].as_str().unwrap_or_else(|| panic!("{made:#}")))
}
