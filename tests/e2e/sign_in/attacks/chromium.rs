//! Pages elsewhere, in a real browser in which somebody is signed in: on another port of our host, where the cookie goes along by
//! itself, and on another site. The trap avoided: a page that failed to attack at all; the same attacks are made on a server that
//! believes the cookie, and go through there.

use super::Tally;
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Uri},
    response::Html,
};
use rhone_tests::{
    browser::SESSION,
    chromium::Chromium,
    database::administrator,
    github::{Account, GitHub},
    graphql::unique,
    platform::Platform,
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::net::TcpListener;

/// What all scripts begin with: where to, under which name, and how a form is sent without leaving the page.
const BEGIN: &str = r#"
    const [target, slug] = arguments;
    const mutation = `mutation{workspaceCreate(input:{slug:"${slug}",name:"Mine"}){workspace{id}}}`;
    const link = `${target}/graphql?query=${encodeURIComponent(mutation)}`;
    const form = (path, enctype, name, value) => new Promise((done) => {
        const frame = document.createElement("iframe");
        frame.name = slug;
        document.body.append(frame);
        const form = Object.assign(document.createElement("form"), { method: "POST", action: target + path, enctype, target: slug });
        form.append(Object.assign(document.createElement("input"), { name, value }));
        document.body.append(form);
        frame.onload = () => done("sent");
        form.submit();
    });
    const answered = (answer) => answer.then(() => "sent", () => "kept from it");
"#;

/// What a page does, and whether the cookie of a neighbour goes along with it.
const ATTACKS: [(&str, &str, bool); 10] = [
    ("a form", r#"return form("/graphql", "application/x-www-form-urlencoded", "query", mutation)"#, true),
    ("a form of many parts", r#"return form("/graphql", "multipart/form-data", "query", mutation)"#, true),
    (
        "a form that looks like JSON",
        r#"return form("/graphql", "text/plain", JSON.stringify({ query: mutation }).slice(0, -1) + ',"x":"', '"}')"#,
        true,
    ),
    (
        "a script with text",
        r#"return answered(fetch(target + "/graphql", {
            method: "POST", mode: "no-cors", credentials: "include", headers: { "content-type": "text/plain" },
            body: JSON.stringify({ query: mutation }) }))"#,
        true,
    ),
    (
        "a script with JSON",
        r#"return answered(fetch(target + "/graphql", {
            method: "POST", credentials: "include", headers: { "content-type": "application/json" },
            body: JSON.stringify({ query: mutation }) }))"#,
        false,
    ),
    (
        "an image",
        r#"return new Promise((done) => {
            const image = new Image();
            image.onload = image.onerror = () => done("sent");
            image.src = link;
        })"#,
        true,
    ),
    ("a script that asks", r#"return answered(fetch(link, { mode: "no-cors", credentials: "include" }))"#, true),
    (
        "a socket",
        r#"return new Promise((done) => {
            const socket = new WebSocket(`${target.replace("http", "ws")}/graphql?x=${slug}`, "graphql-transport-ws");
            socket.onopen = () => socket.send('{"type":"connection_init"}');
            socket.onmessage = ({ data }) => done(data.includes("connection_ack") ? "LET IN" : data);
            socket.onclose = () => done("closed");
        })"#,
        true,
    ),
    (
        "a stream of events",
        r#"return new Promise((done) => {
            const events = new EventSource(`${target}/v1/events?x=${slug}`, { withCredentials: true });
            events.onopen = () => done("LET IN");
            events.onerror = () => { events.close(); done("closed"); };
        })"#,
        true,
    ),
    ("signing out by a form", r#"return form("/auth/logout", "text/plain", "x", slug)"#, true),
];

/// A server on a port of this machine: what it serves are pages of somebody else's, and what comes with the cookie it would do.
struct Elsewhere {
    port: u16,
    believed: Arc<Mutex<Vec<String>>>,
}

impl Elsewhere {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let (port, believed) = (listener.local_addr().expect("it is bound").port(), Arc::default());
        let router = Router::new().fallback(believe).with_state(Arc::clone(&believed));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { port, believed }
    }

    /// The sin: whatever comes with the cookie was meant.
    fn believes(&self, slug: &str) -> bool {
        self.believed.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|it| it.contains(slug))
    }
}

async fn believe(
    State(believed): State<Arc<Mutex<Vec<String>>>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Html<&'static str> {
    let cookies = headers.get_all("cookie").iter().filter_map(|line| line.to_str().ok());
    if cookies.collect::<String>().contains(SESSION) {
        let told = format!("{uri} {}", String::from_utf8_lossy(&body));
        believed.lock().unwrap_or_else(PoisonError::into_inner).push(told);
    }
    Html("<!doctype html><title>elsewhere</title><body></body>")
}

/// With GitHub, as a person does: redirects, cookies and the browser that a sign-in is bound to are the browser's own.
async fn signs_in(chromium: &Chromium, api: &str, account: &Account) {
    // Somebody without a token is answered in words there, and where a page is, a cookie can be.
    chromium.open(&format!("{}/user", GitHub::shared().url)).await;
    chromium.run("document.cookie = `user_session=${arguments[0]}; path=/`", vec![json!(account.id)]).await;
    chromium.open(&format!("{api}/auth/github/login?return_to=/graphiql")).await;
    assert_eq!(chromium.address().await, format!("{api}/graphiql"));
}

/// GraphQL by a script of our own page.
async fn ours(chromium: &Chromium, query: &str) -> Value {
    let script = r#"return fetch("/graphql", { method: "POST", headers: { "content-type": "application/json" },
        body: JSON.stringify({ query: arguments[0] }) }).then((answer) => answer.json())"#;
    chromium.run(script, vec![json!(query)]).await
}

async fn actor(chromium: &Chromium, api: &str) -> Value {
    chromium.open(&format!("{api}/graphiql")).await;
    ours(chromium, "{ viewer { actor } }").await["data"]["viewer"]["actor"].clone()
}

async fn is_in_the_log(platform: &Platform, slug: &str) -> bool {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM log.events WHERE payload->>'slug' = $1)")
        .bind(slug)
        .fetch_one(&mut administrator(platform).await)
        .await
        .expect("it is asked")
}

/// Everything from one place; which attacks a server that believes the cookie would have fallen for.
async fn from(place: &str, open: &Open<'_>, tally: &mut Tally) -> BTreeSet<&'static str> {
    let naive = format!("http://127.0.0.1:{}", open.naive.port);
    let mut fallen = BTreeSet::new();
    for (attack, script, _) in ATTACKS {
        let script = format!("{BEGIN}{script}");
        let slug = unique("elsewhere");
        open.chromium.open(place).await;
        open.chromium.run(&script, vec![json!(naive), json!(slug)]).await;
        if open.naive.believes(&slug) {
            fallen.insert(attack);
        }
        open.chromium.open(place).await;
        let seen = open.chromium.run(&script, vec![json!(open.api), json!(slug)]).await;
        let kept = seen != "LET IN" && !is_in_the_log(open.platform, &slug).await;
        let stays = actor(open.chromium, open.api).await == open.actor;
        tally.note(format!("{attack} of {place}"), kept && stays);
    }
    let slug = unique("elsewhere");
    let link = format!(
        "/graphql?query=mutation%7BworkspaceCreate(input:%7Bslug:%22{slug}%22,name:%22x%22%7D)%7B__typename%7D%7D"
    );
    for target in [&naive, open.api] {
        open.chromium.open(place).await;
        open.chromium.run("location = arguments[0]", vec![json!(format!("{target}{link}"))]).await;
        let arrived = async || open.chromium.address().await.starts_with(target.as_str()).then_some(());
        until("the link is followed", PATIENCE, arrived).await;
    }
    tally.note(format!("a link of {place}"), open.naive.believes(&slug) && !is_in_the_log(open.platform, &slug).await);
    open.chromium.open(place).await;
    let frame = "return new Promise((done) => { const it = document.createElement('iframe'); it.onload = done;
        it.src = arguments[0] + '/graphiql'; document.body.append(it); }).then(() => 'there')";
    open.chromium.run(frame, vec![json!(open.api)]).await;
    open.chromium.enter_frame().await;
    let shown = open.chromium.run("return location.href", vec![]).await;
    tally.note(format!("our page in a frame of {place}"), shown == "chrome-error://chromewebdata/");
    fallen
}

/// A browser in which somebody is signed in.
struct Open<'a> {
    chromium: &'a Chromium,
    platform: &'a Platform,
    naive: Elsewhere,
    api: &'a String,
    actor: Value,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_real_browser_no_page_elsewhere_makes_a_mutation_run() {
    let Some(chromium) = Chromium::start().await else { return };
    let platform = Platform::shared().await;
    let api = &platform.report().urls.api;
    signs_in(&chromium, api, &GitHub::shared().somebody()).await;
    let actor = actor(&chromium, api).await;
    assert!(actor.is_string(), "signed in: {actor}");
    let seen = chromium.run("return document.cookie", vec![]).await;
    assert!(!seen.to_string().contains(SESSION), "no script sees the session: {seen}");
    let open = Open { chromium: &chromium, platform, naive: Elsewhere::start().await, api, actor };
    let (mut tally, pages) = (Tally::default(), Elsewhere::start().await);
    let (near, far) = (format!("http://127.0.0.1:{}/", pages.port), format!("http://localhost:{}/", pages.port));
    let fallen = from(&near, &open, &mut tally).await;
    let carried: BTreeSet<&str> = ATTACKS.iter().filter(|it| it.2).map(|it| it.0).collect();
    assert_eq!(fallen, carried, "the sin is caught: who believes the cookie falls for all that carry it");
    assert_eq!(from(&far, &open, &mut tally).await, BTreeSet::new(), "SameSite keeps it from another site");
    chromium.open(&format!("{api}/graphiql")).await;
    let slug = unique("honest");
    let mutation = format!(
        "mutation {{ workspaceCreate(input: {{ slug: \"{slug}\", name: \"Mine\" }}) {{ workspace {{ id }} }} }}"
    );
    let honest = ours(&chromium, &mutation).await;
    assert!(is_in_the_log(platform, &slug).await, "our page may: {honest:#}");
    tally.told("S8 in Chromium", 24);
    chromium.close().await;
}
