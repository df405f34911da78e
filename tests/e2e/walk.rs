//! `docs/walk.graphql` as a newcomer goes through it with GraphiQL alone: the whole file as the document, one operation after
//! another by its name, and one set of variables that grows by what the comments say. The trap avoided: instructions that were
//! true once.

use rhone_tests::{
    database::person,
    edge,
    graphql::{Client, unique},
    platform::Platform,
    program,
    repository::Repository,
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs};

/// What to take from the answer of each operation: names and where they are.
type Notes = BTreeMap<String, Vec<(String, String)>>;

struct Walk {
    client: Client,
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
        let body = json!({ "query": self.document, "operationName": name, "variables": self.variables });
        let answer = self.client.try_send(&body).await.expect("the API answers");
        assert!(answer.get("errors").is_none(), "{name}: {answer:#}");
        let data = answer["data"].clone();
        let errors = data.as_object().into_iter().flatten().map(|(_, payload)| &payload["userErrors"]);
        errors.for_each(|errors| assert!(errors.is_null() || *errors == json!([]), "{name}: {errors}"));
        data
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newcomer_goes_from_nothing_to_promoted_rolled_back_and_explained() {
    // As a newcomer finds it: elsewhere other tests open regions that nobody runs.
    let platform = Platform::start().await;
    let document = fs::read_to_string(program::root().join("docs/walk.graphql")).expect("the file is there");
    let repository = Repository::of_python();
    repository.commit_version("one");
    repository.tag("one");
    repository.commit_version("two");
    repository.tag("two");
    let host = format!("{}.test", unique("walk"));
    // Other tests have a workspace and hosts of these names.
    let variables = json!({ "repository": repository.address(), "slug": unique("walk"), "host": host });
    let client = person(&platform).await.client;
    let mut walk = Walk { client, notes: notes(&document), document, variables, ran: vec![] };
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
        let reply = edge::get(edge, &host, "/count").await.filter(|reply| reply.status == 200)?;
        (reply.json()["version"] == "one").then_some(())
    };
    until("the first version is visited", PATIENCE, shown).await;
    let unread = walk.notes.keys().filter(|name| !walk.ran.contains(name)).collect::<Vec<_>>();
    assert!(unread.is_empty(), "operations that nobody runs: {unread:?}");
}
