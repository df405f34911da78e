//! The README's walk with GraphiQL alone, as the page does it: its commands make the repository, the printed link signs in, the
//! page and all that it loads is fetched, and what stands in its editor is sent as GraphiQL sends it, by the session's cookie: one
//! operation after another by its name, with one set of variables that grows by what the comments say. The same again in a real
//! browser, with mouse and keys. The traps avoided: instructions that were true once, a walk that works by a token which no page
//! has, and a page that nobody ever opened.

mod page;

use crate::readme::block;
use page::Page;
use reqwest::Method;
use rhone_tests::{
    browser::Browser,
    chromium::Chromium,
    edge,
    platform::Platform,
    program,
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, path::Path, process::Command};

/// What to take from the answer of each operation: names and where they are.
type Notes = BTreeMap<String, Vec<(String, String)>>;

/// By whom the operations are sent.
enum Hand {
    /// A client that does what GraphiQL does.
    Client(Browser),
    /// GraphiQL.
    Page(Box<Page>),
}

struct Walk {
    hand: Hand,
    document: String,
    notes: Notes,
    variables: Value,
    ran: Vec<String>,
}

fn notes(document: &str) -> Notes {
    let (mut notes, mut pending) = (Notes::new(), Vec::new());
    for line in document.lines() {
        let said = line.strip_prefix("# ").and_then(|line| line.split_once(": "));
        if let Some((name, path)) = said.filter(|(name, path)| !name.contains(' ') && !path.contains(' ')) {
            pending.push((name.to_owned(), path.to_owned()));
        } else if line.starts_with("query ") || line.starts_with("mutation ") {
            let name = line.split([' ', '(']).nth(1).expect("operations have names");
            notes.insert(name.to_owned(), std::mem::take(&mut pending));
        }
    }
    notes
}

impl Walk {
    async fn answer(&self, name: &str) -> Value {
        let answer = self.sent(name).await;
        assert!(answer.get("errors").is_none(), "{name}: {answer:#}");
        let data = answer["data"].clone();
        let errors = data.as_object().into_iter().flatten().map(|(_, payload)| &payload["userErrors"]);
        errors.for_each(|errors| assert!(errors.is_null() || *errors == json!([]), "{name}: {errors}"));
        data
    }

    async fn sent(&self, name: &str) -> Value {
        match &self.hand {
            Hand::Client(browser) => self.sent_as_a_page_would(browser, name).await,
            Hand::Page(page) => page.run(name, &self.variables).await,
        }
    }

    /// As GraphiQL's own fetcher sends it, from its page: the cookie goes along, and no token.
    async fn sent_as_a_page_would(&self, browser: &Browser, name: &str) -> Value {
        let body = json!({ "query": self.document, "operationName": name, "variables": self.variables });
        let request = browser.request(Method::POST, "/graphql").header("origin", browser.address(""));
        let request = request.header("accept", "application/json, multipart/mixed").json(&body);
        let reply = browser.send(request).await;
        assert_eq!(reply.status, 200, "{name}: {reply:?}");
        reply.json()
    }

    /// Runs it, and takes what the comment says.
    async fn run(&mut self, name: &str) -> Value {
        self.take(name, self.answer(name).await)
    }

    /// Runs it again and again until the operation has ended.
    async fn again(&mut self, name: &str) -> Value {
        let look = async || Some(self.answer(name).await).filter(|data| data["operation"]["ended"] == true);
        let data = until(&format!("{name} has ended"), PATIENCE * 3, look).await;
        self.take(name, data)
    }

    fn take(&mut self, name: &str, data: Value) -> Value {
        for (variable, path) in &self.notes[name] {
            let found = data.pointer(&format!("/{}", path.replace('.', "/"))).cloned().unwrap_or_default();
            assert!(found.is_string(), "{name}: nothing at {path}: {data:#}");
            self.variables[variable] = found;
        }
        self.ran.push(name.to_owned());
        data
    }
}

/// The README's commands, in a folder of ours.
fn repository(folder: &Path) -> String {
    let commands = block("The same, with GraphiQL alone");
    assert!(commands.contains("/tmp/counter"), "{commands}");
    let place = folder.join("counter").display().to_string();
    let commands = commands.replace("/tmp/counter", &place);
    let mut shell = Command::new("bash");
    shell.args(["-c", &format!("set -euo pipefail\n{commands}")]).current_dir(program::root());
    shell.envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_SYSTEM", "/dev/null")]);
    for who in ["AUTHOR", "COMMITTER"] {
        shell.env(format!("GIT_{who}_NAME"), "A Newcomer").env(format!("GIT_{who}_EMAIL"), "newcomer@example.com");
    }
    let output = shell.output().expect("bash runs");
    assert!(output.status.success(), "{}", program::text(&output.stderr));
    place
}

/// Opens the link that `./dev up` prints: what stands in the editor of the page.
async fn opened(browser: &Browser) -> String {
    let reply = browser.get("/auth/dev/login?return_to=/graphiql").await;
    assert_eq!((reply.status.as_u16(), reply.location().as_str()), (303, "/graphiql"), "{reply:?}");
    let page = browser.get("/graphiql").await;
    assert_eq!(page.status, 200, "{page:?}");
    let loaded = page.text.split('"').filter(|part| part.starts_with("/graphiql/")).collect::<Vec<_>>();
    assert!(loaded.len() >= 5, "{loaded:?}");
    for file in loaded {
        assert_eq!(browser.get(file).await.status, 200, "{file}");
    }
    let start = browser.get("/graphiql/start.js").await.text;
    assert!(start.contains("fetch(\"/graphiql/walk.graphql\")") && start.contains("same-origin"), "{start}");
    browser.get("/graphiql/walk.graphql").await.text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newcomer_goes_from_nothing_to_promoted_rolled_back_and_explained() {
    // As a newcomer finds it: elsewhere other tests open regions that nobody runs, and have a workspace of this name.
    let platform = Platform::start().await;
    let browser = Browser::new(&platform.report().urls.api);
    let document = opened(&browser).await;
    assert_eq!(document, checked_in(), "the editor begins with the walk");
    a_page_elsewhere_walks_nowhere(&browser).await;
    walked(&platform, Hand::Client(browser), document).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newcomer_does_it_in_a_real_browser_with_mouse_and_keys() {
    let Some(chromium) = Chromium::start().await else { return };
    let platform = Platform::start().await;
    let page = Page::open(chromium, &platform.report().urls.api).await;
    let document = page.document().await;
    assert_eq!(document, checked_in(), "the editor begins with the walk");
    walked(&platform, Hand::Page(Box::new(page)), document).await;
}

fn checked_in() -> String {
    fs::read_to_string(program::root().join("docs/walk.graphql")).expect("the file is there")
}

async fn walked(platform: &Platform, hand: Hand, document: String) {
    let folder = tempfile::tempdir().expect("a folder");
    let variables = json!({ "repository": repository(folder.path()) });
    let mut walk = Walk { hand, notes: notes(&document), document, variables, ran: vec![] };
    for name in ["Places", "Workspace", "Project", "App"] {
        walk.run(name).await;
    }
    // A read model may be a moment late for whoever is as fast as this.
    for name in ["Production", "Host", "BuildOne"] {
        walk.run(name).await;
    }
    let built = walk.again("Built").await;
    assert_eq!(built["operation"]["stage"], "PREVIEW_READY", "{built:#}");
    let gates = walk.run("Gates").await;
    assert_eq!(gates["environment"]["promotion"]["allowed"], true, "{gates:#}");
    walk.run("PromoteOne").await;
    let moved = walk.again("Moved").await;
    assert_eq!(moved["operation"]["stage"], "HEALTHY", "{moved:#}");
    walk.run("BuildTwo").await;
    // As the file says: the same question, and its answer is the second release.
    let one = walk.variables["one"].clone();
    walk.again("Built").await;
    walk.variables["two"] = std::mem::replace(&mut walk.variables["one"], one.clone());
    walk.run("PromoteTwo").await;
    assert_eq!(walk.again("Moved").await["operation"]["stage"], "HEALTHY");
    walk.run("RollBack").await;
    assert_eq!(walk.again("Moved").await["operation"]["stage"], "ROLLED_BACK");
    let told = walk.run("Explained").await;
    let environment = &told["environment"];
    assert_eq!(environment["routeOwner"]["deploymentId"], one, "{told:#}");
    assert_eq!(environment["why"]["entry"]["reason"], "the count is wrong", "{told:#}");
    assert_eq!(environment["routeOwner"]["pin"]["deploymentId"], one, "{told:#}");
    assert!(told["causationTree"]["nodes"].as_array().is_some_and(|nodes| nodes.len() > 3), "{told:#}");
    let shown = async || {
        let edge = &platform.report().urls.edges[0];
        let reply = edge::get(edge, "counter.globex.test", "/count").await.filter(|reply| reply.status == 200)?;
        (reply.json()["version"] == "one").then_some(())
    };
    until("the first version is visited", PATIENCE, shown).await;
    let unread = walk.notes.keys().filter(|name| !walk.ran.contains(name)).collect::<Vec<_>>();
    assert!(unread.is_empty(), "operations that nobody runs: {unread:?}");
    if let Hand::Page(page) = walk.hand {
        page.close().await;
    }
}

/// The same by the same cookie from a page of somebody else's, and from one that does not say where it is.
async fn a_page_elsewhere_walks_nowhere(browser: &Browser) {
    for origin in [Some("https://evil.test"), None] {
        let reply = browser.graphql_from(origin, "{ viewer { actor } }", json!({})).await;
        assert_eq!(reply.code(), "FORBIDDEN", "{origin:?}: {reply:?}");
    }
}
