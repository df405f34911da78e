//! What is tried against a session that was begun honestly: how its cookie is set, replaced and taken away, whose list it stands
//! in, and who ends it. Each case has its honest twin, asked beside it: a case counts only if that goes through.

use super::{Tally, session::signed_in};
use crate::sign_in::{
    browser,
    sessions::{closed, joined},
};
use reqwest::{Method, header::SET_COOKIE};
use rhone_domain::digest::Digest;
use rhone_tests::{
    browser::{Browser, SESSION},
    database::administrator,
    github::GitHub,
    graphql::unique,
    platform::Platform,
    wait::{PATIENCE, within_a_second},
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;

const REVOKE: &str = "mutation($id: String!) { sessionRevoke(input: { sessionId: $id }) { revoked } }";
const REVOKE_OTHERS: &str = "mutation { sessionRevokeOthers(input: {}) { revoked } }";
const SESSIONS: &str = "{ viewer { sessions { id current userAgent address createdAt lastUsedAt expiresAt } } }";
const CREATE: &str =
    "mutation($slug: String!) { workspaceCreate(input: { slug: $slug, name: \"Mine\" }) { workspace { id } } }";

pub(super) async fn attack(platform: &Platform, tally: &mut Tally) {
    attributes(platform, tally).await;
    forged(platform, tally).await;
    signed_in_again(platform, tally).await;
    promoted(platform, tally).await;
    signed_out(platform, tally).await;
    ended_by_others(platform, tally).await;
    listed(platform, tally).await;
}

fn cookie(browser: &Browser) -> String {
    browser.cookie(SESSION).unwrap_or_default()
}

/// Whether whoever has this cookie is anybody.
async fn counts(platform: &Platform, cookie: &str) -> bool {
    let thief = browser(platform);
    thief.plant(SESSION, cookie);
    thief.actor().await.is_some()
}

/// What the browser is promised about a cookie, by what the line must and must not say.
const PROMISES: [(&str, &str); 4] =
    [("HttpOnly", "to scripts"), ("Secure", "in clear"), ("SameSite=Lax", "to other sites"), ("Path=/", "by path")];

fn says(line: &str, word: &str) -> bool {
    line.split(';').skip(1).any(|attribute| attribute.trim().eq_ignore_ascii_case(word))
}

/// For how long a browser keeps it.
fn age(line: &str) -> Option<u64> {
    line.split(';').find_map(|attribute| attribute.trim().strip_prefix("Max-Age=")?.parse().ok())
}

/// Each promise is held by the line that begins a session and by the one that ends it, and is missed where it is taken out.
async fn attributes(platform: &Platform, tally: &mut Tally) {
    let (browser, account) = (browser(platform), GitHub::shared().somebody());
    let back = browser.at_github(&browser.begin("/").await, &account, true).await;
    let begun = browser.get(&back).await;
    let out = browser.request(Method::POST, "/auth/logout").header("origin", platform.report().urls.api);
    let ended = browser.send(out).await;
    for (what, reply) in [("begins", begun), ("ends", ended)] {
        let lines = reply.headers.get_all(SET_COOKIE).iter().filter_map(|line| line.to_str().ok());
        let line = lines.filter(|line| line.starts_with(&format!("{SESSION}="))).collect::<Vec<_>>().join("\n");
        for (promise, to) in PROMISES {
            let without = line.replace(&format!("; {promise}"), "");
            tally.held(
                format!("a cookie open {to} when a session {what}"),
                !says(&without, promise),
                says(&line, promise),
            );
        }
        let domain = |line: &str| line.to_ascii_lowercase().contains("domain=");
        let with = format!("{line}; Domain=localhost");
        tally.held(format!("a cookie for other hosts when a session {what}"), domain(&with), !domain(&line));
        let kept = age(&line);
        let right =
            if what == "ends" { kept == Some(0) } else { kept.is_some_and(|age| 0 < age && age <= 14 * 86_400) };
        tally.held(format!("a cookie that is kept too long when a session {what}"), kept.is_some(), right);
    }
}

/// What is no cookie, from what somebody may know.
async fn forged(platform: &Platform, tally: &mut Tally) {
    let victim = signed_in(platform).await;
    let value = cookie(&victim);
    let honest = counts(platform, &value).await;
    let sessions = victim.graphql(SESSIONS, json!({})).await.json();
    let id = sessions["data"]["viewer"]["sessions"][0]["id"].as_str().unwrap_or_default().to_owned();
    let hex = Digest(Sha256::digest(&value).into()).hex();
    let random: String = value.chars().rev().collect();
    for (what, forged) in [
        ("a cookie of the right form that nobody was given", format!("rhone_s_{}", "A".repeat(43))),
        ("a cookie backwards", random),
        ("the id of a session as its cookie", id),
        ("the hash of a cookie, as whoever reads the table has it", hex.clone()),
        ("the same in PostgreSQL's form", format!("\\x{hex}")),
        ("a cookie in capitals", value.to_ascii_uppercase()),
        ("a cookie with something behind it", format!("{value}x")),
        ("a cookie without its end", value[..value.len() - 1].to_owned()),
    ] {
        tally.held(what, honest, !counts(platform, &forged).await);
    }
    let renamed = browser(platform);
    renamed.plant(&SESSION.to_ascii_lowercase(), &value);
    tally.held("a cookie under a name that a sibling host may set", honest, renamed.actor().await.is_none());
}

/// Whoever signs in again has another session, and the one before is over.
async fn signed_in_again(platform: &Platform, tally: &mut Tally) {
    let (browser, account) = (browser(platform), GitHub::shared().somebody());
    browser.sign_in(&account, "/").await;
    let before = cookie(&browser);
    let honest = counts(platform, &before).await;
    browser.sign_in(&account, "/").await;
    tally.held("the same cookie after another sign-in", honest, cookie(&browser) != before);
    let stays = browser.actor().await.is_some();
    tally.held("the cookie from before another sign-in", honest && stays, !counts(platform, &before).await);
}

/// Whoever may do something else by now has another cookie; the one before counts for half a minute, and brings none.
async fn promoted(platform: &Platform, tally: &mut Tally) {
    let victim = signed_in(platform).await;
    let before = cookie(&victim);
    let honest = victim.actor().await.is_some() && cookie(&victim) == before;
    victim.graphql(CREATE, json!({ "slug": unique("mine") })).await;
    victim.actor().await;
    let after = cookie(&victim);
    tally.held("the same cookie after its owner may do more", honest, after != before);
    let thief = browser(platform);
    thief.plant(SESSION, &before);
    let moment = thief.actor().await.is_some();
    tally.held("a new cookie for who shows the former one", moment, cookie(&thief) == before);
    sqlx::query("UPDATE identity.sessions SET former_until = now() - interval '1 s' WHERE former_hash = sha256($1)")
        .bind(before.as_bytes())
        .execute(&mut administrator(platform).await)
        .await
        .expect("half a minute is over");
    let stays = counts(platform, &after).await;
    tally.held("the former cookie half a minute later", moment && stays, !counts(platform, &before).await);
}

async fn signed_out(platform: &Platform, tally: &mut Tally) {
    let api = platform.report().urls.api;
    let (victim, stranger) = (signed_in(platform).await, signed_in(platform).await);
    let value = cookie(&victim);
    let mut socket = joined(&victim, Some(&api)).await.expect("the page's socket is accepted");
    let honest = counts(platform, &value).await;
    let out = victim.request(Method::POST, "/auth/logout").header("origin", &api);
    let out = victim.send(out).await.status == 204;
    tally.held("the cookie after signing out", honest && out, !counts(platform, &value).await);
    tally.held("a cookie that stays when its owner signs out", honest && out, victim.cookie(SESSION).is_none());
    victim.plant(SESSION, &value);
    let by_socket = joined(&victim, Some(&api)).await.err();
    tally.held("the cookie after signing out, by socket", honest && out, by_socket == Some(4403));
    let ends = timeout(PATIENCE / 2, closed(&mut socket));
    let end = within_a_second(async || drop(stranger.actor().await), ends).await;
    let in_time = end.took < end.allowed;
    tally.held("a socket that was open when its owner signed out", honest && out, end.came == Ok(4403) && in_time);
    tally.held("a stranger signed out with them", out, stranger.actor().await.is_some());
}

/// The ids of somebody's sessions, the one that asks first.
async fn ids(browser: &Browser) -> Vec<String> {
    let shown = browser.graphql(SESSIONS, json!({})).await.json();
    let mut sessions = shown["data"]["viewer"]["sessions"].as_array().cloned().unwrap_or_default();
    sessions.sort_by_key(|session| session["current"] != true);
    sessions.iter().filter_map(|session| session["id"].as_str().map(str::to_owned)).collect()
}

async fn revoked(browser: &Browser, query: &str, id: &str) -> Value {
    let answer = browser.graphql(query, json!({ "id": id })).await.json();
    let done = answer["data"].as_object().and_then(|data| data.values().next().cloned());
    done.unwrap_or_default()["revoked"].clone()
}

/// Two browsers of one person.
async fn two(platform: &Platform) -> (Browser, Browser) {
    let account = GitHub::shared().somebody();
    let pair = (browser(platform), browser(platform));
    pair.0.sign_in(&account, "/").await;
    pair.1.sign_in(&account, "/").await;
    pair
}

async fn ended_by_others(platform: &Platform, tally: &mut Tally) {
    let ((here, there), stranger) = (two(platform).await, signed_in(platform).await);
    let theirs = ids(&there).await.into_iter().next().unwrap_or_default();
    let refused = revoked(&stranger, REVOKE, &theirs).await == false;
    let stays = there.actor().await.is_some();
    tally.held("another person's session ended by its id", !theirs.is_empty(), refused && stays);
    let value = cookie(&there);
    let honest = revoked(&here, REVOKE, &theirs).await == true;
    tally.held("a session that its owner ended elsewhere", honest, !counts(platform, &value).await);
    tally.held("the session that ended the other, ended with it", honest, here.actor().await.is_some());
    let again = revoked(&here, REVOKE, &theirs).await == false;
    tally.held("a session ended twice", honest, again);

    let ((here, there), stranger) = (two(platform).await, signed_in(platform).await);
    let value = cookie(&there);
    let honest = revoked(&here, REVOKE_OTHERS, "").await == 1;
    tally.held("one of all others that were ended", honest, !counts(platform, &value).await);
    let stays = stranger.actor().await.is_some();
    tally.held("a stranger's session among all others", here.actor().await.is_some(), stays);
}

async fn listed(platform: &Platform, tally: &mut Tally) {
    let ((here, there), stranger) = (two(platform).await, signed_in(platform).await);
    let (own, theirs) = (ids(&here).await, ids(&stranger).await);
    let foreign = theirs.iter().any(|id| own.contains(id));
    tally.held(
        "a session of another person in one's list",
        own.len() >= 2 && !theirs.is_empty(),
        !foreign && own.len() == 2,
    );
    let shown = here.graphql(SESSIONS, json!({})).await.text;
    let told = [cookie(&here), cookie(&there)].iter().any(|cookie| shown.contains(cookie.as_str()));
    tally.held("a cookie in a list", own.iter().all(|id| shown.contains(id.as_str())), !told);
    let gone = ids(&there).await.into_iter().next().unwrap_or_default();
    let honest = revoked(&here, REVOKE, &gone).await == true && own.contains(&gone);
    tally.held("a session in the list after it ended", honest, !ids(&here).await.contains(&gone));
    let nobody = browser(platform).graphql(SESSIONS, json!({})).await.json();
    tally.held("a list for nobody", !own.is_empty(), nobody["data"]["viewer"].is_null());
}
