//! A page that is open in a real browser while its app is promoted: its live session stays until the drain's deadline, and so
//! does what the page opens besides, by its cookie, because what it talks about is in that allocation's memory; who has no cookie
//! is the new owner's at once; and at the deadline the page is told by 1012 to come back. The trap avoided: a client of ours that
//! keeps a socket or a cookie where a browser would not.

use super::deadline_on_record;
use rhone_tests::{
    artifacts::Version,
    chromium::Chromium,
    edge,
    platform::Platform,
    story::Tenant,
    wait::{PATIENCE, until},
};
use serde_json::Value;
use std::time::Duration;

/// Long enough to see the promotion's end and to open something besides, on any machine.
const DRAIN: u32 = 90;

/// Notes when and how the socket of the page ends.
const WATCH: &str = "socket.addEventListener('close', ({ code }) => { window.end = { code, at: Date.now() } })";
/// Whose a further socket of the same page is.
const BESIDES: &str = "return new Promise((done) => {
    const another = new WebSocket(`ws://${location.host}/_vango/ws`);
    another.onmessage = ({ data }) => { done(JSON.parse(data).version); another.close(); };
    another.onclose = ({ code }) => done(`closed with ${code}`);
})";
/// Whose somebody is who comes for the first time.
const ANEW: &str = "return fetch('/', { credentials: 'omit' }).then((answer) => answer.text())
    .then((page) => new DOMParser().parseFromString(page, 'text/html').body.dataset.version)";

async fn shown(chromium: &Chromium) -> (Value, String) {
    let version = chromium.run("return document.body.dataset.version", vec![]).await;
    let state = chromium.run("return document.getElementById('state').textContent", vec![]).await;
    (version, state.as_str().expect("text").to_owned())
}

/// Opens the app, as a visitor does.
async fn visit(chromium: &Chromium, page: &str, version: &str) {
    chromium.open(page).await;
    let live = async || {
        let (served, state) = shown(chromium).await;
        (served == version && state.starts_with("session ")).then_some(())
    };
    until(&format!("a live session of {version}"), PATIENCE, live).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_is_open_lives_through_a_promotion_and_comes_back_to_the_new_owner() {
    let Some(chromium) = Chromium::start().await else { return };
    let platform = Platform::shared().await;
    let tenant = Tenant::open_draining(platform, platform.developer(), DRAIN).await;
    let (blue, green) = (tenant.deploy(Version::Blue).await, tenant.deploy(Version::Green).await);
    tenant.succeeds(&tenant.promote(&blue).await).await;
    edge::serves(&tenant.edge, &tenant.production.host, "blue").await;
    let port = tenant.edge.rsplit(':').next().expect("an edge has a port");
    let page = format!("http://{}:{port}/", tenant.production.host);
    visit(&chromium, &page, "blue").await;
    chromium.run(WATCH, vec![]).await;
    tenant.succeeds(&tenant.promote(&green).await).await;
    edge::serves(&tenant.edge, &tenant.production.host, "green").await;
    assert_eq!(chromium.run(ANEW, vec![]).await, "green", "who comes for the first time is the new owner's");
    assert_eq!(chromium.run(BESIDES, vec![]).await, "blue", "what the page opens besides finds its session");
    let deadline = deadline_on_record(&tenant).await.timestamp_millis();
    let patience = Duration::from_secs(DRAIN.into()) + PATIENCE;
    let end = until("the page's socket has ended", patience, async || {
        Some(chromium.run("return window.end ?? null", vec![]).await).filter(|end| !end.is_null())
    })
    .await;
    assert_eq!(end["code"], 1012, "it is told to come back: {end}");
    assert!(end["at"].as_i64().expect("a time") >= deadline, "it was closed before {deadline}: {end}");
    let (version, state) = shown(&chromium).await;
    assert_eq!((version.as_str(), state.as_str()), (Some("blue"), "the socket is closed"));
    visit(&chromium, &page, "green").await;
    chromium.close().await;
}
