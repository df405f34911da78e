//! Sessions of browsers: how they begin, are replaced, are listed, and end.

use super::browser;
use futures_util::{SinkExt as _, StreamExt as _};
use rhone_tests::{
    browser::{Browser, SESSION},
    database::administrator,
    github::GitHub,
    platform::Platform,
    program,
    wait::{PATIENCE, within_a_second},
};
use serde_json::{Value, json};
use std::process::Stdio;
use tokio::{net::TcpStream, process::Command, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest as _, http::HeaderValue},
};

const SESSIONS: &str = "{ viewer { sessions { id current userAgent address createdAt lastUsedAt expiresAt } } }";
const ENDED: &str = "{ viewer { endedSessions { id how endedBy userAgent address createdAt endedAt } } }";
const REVOKE: &str = "mutation($id: String!) { sessionRevoke(input: { sessionId: $id }) { revoked } }";

async fn listed(browser: &Browser) -> Vec<Value> {
    let shown = browser.graphql(SESSIONS, json!({})).await.json();
    shown["data"]["viewer"]["sessions"].as_array().unwrap_or_else(|| panic!("{shown:#}")).clone()
}

/// Sessions that are over, as their person sees them.
async fn over(browser: &Browser) -> Vec<Value> {
    let shown = browser.graphql(ENDED, json!({})).await.json();
    shown["data"]["viewer"]["endedSessions"].as_array().unwrap_or_else(|| panic!("{shown:#}")).clone()
}

/// The id of this browser's session.
async fn current(browser: &Browser) -> Value {
    let sessions = listed(browser).await;
    sessions.iter().find(|session| session["current"] == true).expect("it is signed in")["id"].clone()
}

/// Two browsers of one person.
async fn two(platform: &Platform) -> (Browser, Browser) {
    let account = GitHub::shared().somebody();
    let pair = (browser(platform), browser(platform));
    pair.0.sign_in(&account, "/").await;
    pair.1.sign_in(&account, "/").await;
    pair
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_listed_and_each_can_be_ended_from_another() {
    let platform = Platform::shared().await;
    let (here, there) = two(platform).await;
    let sessions = listed(&here).await;
    assert_eq!(sessions.len(), 2, "{sessions:#?}");
    let current: Vec<&Value> = sessions.iter().filter(|session| session["current"] == true).collect();
    assert_eq!((current.len(), &current[0]["address"]), (1, &json!("127.0.0.1")));
    let other = sessions.iter().find(|session| session["current"] == false).expect("the other one");

    let stranger = browser(platform);
    stranger.sign_in(&GitHub::shared().somebody(), "/").await;
    let answer = stranger.graphql(REVOKE, json!({ "id": other["id"] })).await.json();
    assert_eq!(answer["data"]["sessionRevoke"]["revoked"], false, "a stranger ends nothing: {answer:#}");
    assert!(there.actor().await.is_some());

    let answer = here.graphql(REVOKE, json!({ "id": other["id"] })).await.json();
    assert_eq!(answer["data"]["sessionRevoke"]["revoked"], true, "{answer:#}");
    assert_eq!((there.actor().await, listed(&here).await.len()), (None, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_a_session_ended_and_what_ended_it_is_told_to_its_person_afterwards() {
    let platform = Platform::shared().await;
    let (here, account) = (browser(platform), GitHub::shared().somebody());
    let (revoked, out, away) = (browser(platform), browser(platform), browser(platform));
    for browser in [&here, &revoked, &out, &away] {
        browser.sign_in(&account, "/").await;
    }
    let (first, revoked, old) = (current(&here).await, current(&revoked).await, current(&away).await);
    let signed_out = current(&out).await;
    assert_eq!(over(&here).await, Vec::<Value>::new());

    here.graphql(REVOKE, json!({ "id": revoked })).await;
    let request = out.request(reqwest::Method::POST, "/auth/logout").header("origin", platform.report().urls.api);
    assert_eq!(out.send(request).await.status, 204);
    sqlx::query("UPDATE identity.sessions SET used_at = now() - interval '2 days' WHERE session::text = $1")
        .bind(old.as_str())
        .execute(&mut administrator(platform).await)
        .await
        .expect("two days go by");
    // The sin: what ran out is told as what its browser did afterwards, with the cookie that it still had.
    for browser in [&away, &here] {
        browser.sign_in(&account, "/").await;
    }

    let ended = over(&here).await;
    let told = |id: &Value| {
        let session = ended.iter().find(|session| session["id"] == *id).unwrap_or_else(|| panic!("{id}: {ended:#?}"));
        (session["how"].clone(), session["endedBy"].clone())
    };
    assert_eq!(told(&revoked), (json!("REVOKED"), first.clone()));
    assert_eq!(told(&signed_out), (json!("SIGNED_OUT"), signed_out.clone()));
    assert_eq!(told(&old), (json!("EXPIRED"), Value::Null));
    assert_eq!(told(&first), (json!("REPLACED"), current(&here).await));
    assert_eq!(ended.len(), 4, "{ended:#?}");
    let stranger = browser(platform);
    stranger.sign_in(&GitHub::shared().somebody(), "/").await;
    assert_eq!(over(&stranger).await, Vec::<Value>::new(), "they are nobody else's");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_others_can_be_ended_at_once_and_counted_before() {
    let platform = Platform::shared().await;
    let (here, there) = two(platform).await;
    let others = "mutation($dry: Boolean!) { sessionRevokeOthers(input: { dryRun: $dry }) { revoked } }";
    let revoked = async |dry: bool| {
        let answer = here.graphql(others, json!({ "dry": dry })).await.json();
        answer["data"]["sessionRevokeOthers"]["revoked"].as_i64().unwrap_or_else(|| panic!("{answer:#}"))
    };
    assert_eq!(revoked(true).await, 1);
    assert!(there.actor().await.is_some(), "counting ends nothing");
    assert_eq!(revoked(false).await, 1);
    assert!(there.actor().await.is_none() && here.actor().await.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signing_out_ends_the_session_and_takes_the_cookie() {
    let platform = Platform::shared().await;
    let (here, there) = two(platform).await;
    let cookie = here.cookie(SESSION).expect("signed in");
    let request = here.request(reqwest::Method::POST, "/auth/logout").header("origin", platform.report().urls.api);
    assert_eq!(here.send(request).await.status, 204);
    assert_eq!(here.cookie(SESSION), None);
    here.plant(SESSION, &cookie);
    assert_eq!(here.actor().await, None, "the cookie is worth nothing");
    assert!(there.actor().await.is_some(), "the other browser stays");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_sign_in_is_another_session_and_ends_the_one_before() {
    let platform = Platform::shared().await;
    let (browser, account) = (browser(platform), GitHub::shared().somebody());
    browser.sign_in(&account, "/").await;
    let before = browser.cookie(SESSION).expect("signed in");
    browser.sign_in(&account, "/").await;
    assert_ne!(browser.cookie(SESSION).expect("signed in"), before);
    assert_eq!(listed(&browser).await.len(), 1);
    browser.plant(SESSION, &before);
    assert_eq!(browser.actor().await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_person_may_do_changes_and_so_does_the_cookie() {
    let platform = Platform::shared().await;
    let browser = browser(platform);
    browser.sign_in(&GitHub::shared().somebody(), "/").await;
    let before = browser.cookie(SESSION).expect("signed in");
    browser.actor().await.expect("signed in");
    assert_eq!(browser.cookie(SESSION).as_deref(), Some(before.as_str()), "nothing changed");

    let create =
        "mutation($slug: String!) { workspaceCreate(input: { slug: $slug, name: \"Mine\" }) { workspace { id } } }";
    let slug = rhone_tests::graphql::unique("mine");
    let made = browser.graphql(create, json!({ "slug": slug })).await.json();
    assert!(made["data"]["workspaceCreate"]["workspace"]["id"].is_string(), "{made:#}");
    browser.actor().await.expect("signed in");
    let after = browser.cookie(SESSION).expect("signed in");
    assert_ne!(after, before, "an owner has another cookie than a guest");
    assert_eq!(listed(&browser).await.len(), 1, "it is the same session");

    let twin = super::browser(platform);
    twin.plant(SESSION, &before);
    assert!(twin.actor().await.is_some(), "what was under way is answered");
    assert_eq!(twin.cookie(SESSION).as_deref(), Some(before.as_str()), "and is given no cookie");
    sqlx::query("UPDATE identity.sessions SET former_until = now() - interval '1 s' WHERE former_hash = sha256($1)")
        .bind(before.as_bytes())
        .execute(&mut administrator(platform).await)
        .await
        .expect("half a minute is over");
    assert_eq!(twin.actor().await, None);
    assert!(browser.actor().await.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_subscribes_by_its_cookie_until_the_session_ends() {
    let platform = Platform::shared().await;
    let (here, there) = two(platform).await;
    let api = platform.report().urls.api;
    let mut socket = joined(&there, Some(&api)).await.expect("the page's socket is accepted");
    let sessions = listed(&here).await;
    let other = sessions.iter().find(|session| session["current"] == false).expect("the other one");
    here.graphql(REVOKE, json!({ "id": other["id"] })).await;
    let end = within_a_second(async || drop(here.actor().await), closed(&mut socket)).await;
    assert_eq!(end.came, 4403);
    assert!(end.took < end.allowed, "{end:?}");
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A socket opened with the browser's cookie; the code it was closed with instead of `connection_ack`.
pub(super) async fn joined(browser: &Browser, origin: Option<&str>) -> Result<Socket, u16> {
    let url = browser.address("/graphql").replacen("http", "ws", 1);
    let mut request = url.into_client_request().expect("a URL");
    let headers = request.headers_mut();
    headers.insert("sec-websocket-protocol", HeaderValue::from_static("graphql-transport-ws"));
    if let Some(cookie) = browser.cookie(SESSION) {
        headers.insert("cookie", HeaderValue::try_from(format!("{SESSION}={cookie}")).expect("ASCII"));
    }
    if let Some(origin) = origin {
        headers.insert("origin", HeaderValue::from_str(origin).expect("ASCII"));
    }
    let (mut socket, _) = match connect_async(request).await {
        Ok(connected) => connected,
        Err(tokio_tungstenite::tungstenite::Error::Http(refused)) => return Err(refused.status().as_u16()),
        Err(error) => panic!("{error}"),
    };
    socket.send(Message::text(json!({ "type": "connection_init" }).to_string())).await.expect("it is open");
    match timeout(PATIENCE, socket.next()).await.expect("it answers") {
        Some(Ok(Message::Text(text))) if text.contains("connection_ack") => Ok(socket),
        Some(Ok(Message::Close(frame))) => Err(frame.map_or(0, |frame| frame.code.into())),
        other => panic!("{other:?}"),
    }
}

pub(super) async fn closed(socket: &mut Socket) -> u16 {
    loop {
        match timeout(PATIENCE, socket.next()).await.expect("it is closed") {
            Some(Ok(Message::Close(frame))) => return frame.map_or(0, |frame| frame.code.into()),
            Some(Ok(_)) => {}
            other => panic!("it broke: {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_development_user_signs_in_by_a_link_here_and_nowhere_else() {
    let platform = Platform::shared().await;
    let browser = browser(platform);
    let reply = browser.get("/auth/dev/login?return_to=/graphiql").await;
    assert_eq!((reply.status.as_u16(), reply.location().as_str()), (303, "/graphiql"));
    assert_eq!(browser.actor().await, Some(platform.report().ids.user.to_string()));
    assert_eq!(browser.get("/graphiql").await.status, 200, "and there is a page to go to");
    let foreign = browser.request(reqwest::Method::GET, "/auth/dev/login").header("sec-fetch-site", "cross-site");
    assert_eq!(browser.send(foreign).await.code(), "FORBIDDEN", "a foreign page sends nobody there");
    let rebound = browser.request(reqwest::Method::GET, "/auth/dev/login").header("host", "evil.test");
    assert_eq!(browser.send(rebound).await.code(), "FORBIDDEN", "a name that leads here is not ours");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_that_other_machines_reach_does_not_start_with_a_development_user() {
    let platform = Platform::shared().await;
    let mut serve = Command::new(program::path("rhone"));
    serve.arg("--data").arg(platform.data()).arg("serve").env("RHONE_SERVE_LISTEN", "0.0.0.0:0");
    serve.env("RHONE_SERVE_DEVELOPMENT_USER", platform.report().ids.user.to_string()).kill_on_drop(true);
    let output = serve.stdout(Stdio::null()).stderr(Stdio::piped()).output();
    let ended = timeout(PATIENCE, output).await.expect("it ends by itself").expect("rhone starts");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(!ended.status.success(), "it served");
    assert!(said.contains("serve.development_user: must not be there unless serve.listen is"), "{said}");
}
