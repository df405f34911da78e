//! An installation by hand, in the order of docs/install.md: a database of one's own, roles, keys, a configuration; the
//! administrator opens the platform and makes all that parts need, with nobody's help. The trap avoided: a platform that only
//! `rhone up` can begin, for it alone makes the first owner and the first tokens.

use rhone_providers::servers::Postgres;
use rhone_tests::{
    database::uuid,
    graphql::{Client, http},
    program::{self, text},
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::{SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};
use tempfile::TempDir;

/// A data folder per part, as there is a host per part.
struct Installation {
    folder: TempDir,
    parts: Vec<Child>,
}

impl Drop for Installation {
    fn drop(&mut self) {
        for part in &mut self.parts {
            let _ = part.kill();
            let _ = part.wait();
        }
    }
}

impl Installation {
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("rhone-installed-").tempdir_in("/var/tmp").expect("a folder");
        // PostgreSQL's own user must be able to enter.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).expect("ours");
        Self { folder, parts: Vec::new() }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The data folder of a part with this configuration.
    fn configured(&self, name: &str, config: &Value) -> PathBuf {
        let data = self.at(name);
        fs::create_dir_all(&data).expect("ours");
        let file = data.join("rhone.json");
        fs::write(&file, config.to_string()).expect("ours");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("ours");
        data
    }

    /// Starts a part, and waits until it is ready.
    async fn run(&mut self, data: &Path, part: &str, answers: SocketAddr) {
        let said = self.at(&format!("{part}.log"));
        let log = fs::File::create(&said).expect("ours");
        let mut command = Command::new(program::path("rhone"));
        command.args([part, "--data"]).arg(data).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.parts.push(command.spawn().expect("rhone runs"));
        let url = format!("http://{answers}/readyz");
        let look = async || http().get(&url).send().await.ok().filter(|got| got.status() == 200);
        let what = format!("{part} is ready; {} says why not", said.display());
        until(&what, PATIENCE, look).await;
    }
}

fn free() -> SocketAddr {
    TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr()).expect("a free port")
}

/// What `rhone WORDS --json` prints on this data folder.
async fn told(data: &Path, words: &[&str]) -> Value {
    let output = program::rhone(data, &[words, &["--json"]].concat()).await;
    assert!(output.status.success(), "{words:?}: {}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{words:?}: {error}"))
}

/// Waits until the doctor finds nothing.
async fn sound(data: &Path, what: &str) {
    let look = async || program::rhone(data, &["doctor"]).await.status.success().then_some(());
    until(what, PATIENCE, look).await;
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// Sections of the control plane: the roles' passwords are those of `rhone migrate`.
fn control(server: &Postgres, data: &Path, api: SocketAddr, worker: SocketAddr) -> Value {
    let roles: Value = serde_json::from_slice(&fs::read(data.join("roles.json")).expect("migrated")).expect("JSON");
    let url = |role: &str| format!("postgres://{role}:{}@127.0.0.1:{}/rhone", word(&roles[role]), server.port());
    json!({
        "database": { "api_url": url("rhone_api"), "worker_url": url("rhone_worker"), "projector_url": url("rhone_projector") },
        "keys": { "feed": "17".repeat(32), "kek": "42".repeat(32) },
        "serve": { "listen": api, "artifacts": data.join("artifacts") },
        "work": { "admin": worker, "artifacts": data.join("artifacts") },
    })
}

/// A runner's host, before the runner runs.
async fn nothing_of_the_control_plane_is_asked_for(data: &Path) {
    let said = text(&program::rhone(data, &["doctor"]).await.stdout);
    assert!(said.contains("bad  runner: ") && said.contains("ok   API: "), "{said}");
    assert!(!["database", "keys", "vault", "nats"].iter().any(|word| said.contains(word)), "{said}");
}

async fn made(operator: &Client, noun: &str, input: Value) -> String {
    let answer = operator.done(&format!("{noun}Create"), &format!("{noun} {{ id }}"), input).await;
    word(&answer[noun]["id"])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_installation_is_opened_by_its_administrator_who_makes_what_every_part_needs() {
    let mut place = Installation::new();
    let server = Postgres::start_for_test(&place.at("cluster")).await.expect("a cluster");
    let mut first = rhone_tests::database::connect(&server.url("postgres")).await;
    sqlx::query("CREATE DATABASE rhone").execute(&mut first).await.expect("the administrator may");
    let (api, worker, edge, runner) = (free(), free(), free(), free());
    let data = place.configured("control", &json!({}));
    told(&data, &["migrate", "--database-url", &server.url("rhone")]).await;
    place.configured("control", &control(&server, &data, api, worker));
    // As the administrator, who is in no file.
    let administrator = server.url("rhone");
    let variables = [("RHONE_DATABASE_ADMIN_URL", administrator.as_str())];
    let rotated = program::rhone_in(&data, &data, &variables, &["admin", "rotate-keys"]).await;
    assert!(rotated.status.success(), "{}", text(&rotated.stderr));
    let tokens = [told(&data, &["admin", "open"]).await, told(&data, &["admin", "open"]).await];
    assert_ne!(tokens[0]["token"], tokens[1]["token"]);
    place.run(&data, "serve", api).await;
    place.run(&data, "work", worker).await;
    let control = data;
    sound(&control, "where nothing should run yet, nothing is missing").await;

    for token in &tokens {
        let viewer =
            Client::new(&format!("http://{api}"), &word(&token["token"])).data("{ viewer { actor } }", json!({})).await;
        assert!(viewer["viewer"]["actor"].is_string(), "{viewer}");
    }
    let operator = Client::new(&format!("http://{api}"), &word(&tokens[0]["token"]));
    let region = made(&operator, "region", json!({ "slug": "north", "name": "North" })).await;
    let cell = made(&operator, "cell", json!({ "regionId": region, "slug": "cell-1" })).await;
    let host = made(&operator, "host", json!({ "cellId": cell, "slug": "host-1" })).await;
    let token = async |kind: &str, input: Value| {
        let mutation = match kind {
            "edge" => "mutation($input: EdgeTokenCreateInput!) { made: edgeTokenCreate(input: $input) { secret } }",
            _ => "mutation($input: RunnerTokenCreateInput!) { made: runnerTokenCreate(input: $input) { secret } }",
        };
        word(&operator.data(mutation, json!({ "input": input })).await["made"]["secret"])
    };
    let edge_token = token("edge", json!({ "regionId": region, "name": "edge-1" })).await;
    let runner_token = token("runner", json!({ "hostId": host, "name": "host-1" })).await;
    let feed_key = told(&control, &["admin", "feed-key"]).await["feedKey"].clone();
    let control_url = format!("http://{api}");
    let section = json!({ "edge": { "data_dir": place.at("edge/own"), "listen": free(), "admin": edge, "control_url": control_url,
        "token": edge_token, "region": uuid(&region), "feed_key": feed_key } });
    let data = place.configured("edge", &section);
    place.run(&data, "edge", edge).await;
    let gate = [program::path("rhone").to_str().expect("text"), "runner", "gate"].map(str::to_owned);
    let section = json!({ "runner": { "data_dir": place.at("runner/own"), "control_url": control_url, "token": runner_token,
        "host": uuid(&host), "gate_command": gate, "admin": runner } });
    let data = place.configured("runner", &section);
    let missing = program::rhone(&control, &["doctor"]).await;
    let missing = text(&missing.stdout);
    nothing_of_the_control_plane_is_asked_for(&data).await;
    assert!(missing.contains("bad  runners: none of cell"), "a host that nobody runs is missed: {missing}");
    place.run(&data, "runner", runner).await;
    sound(&control, "everything runs").await;
    sound(&data, "the runner's host has what it needs").await;
    sound(&place.at("edge"), "and so has the edge's").await;
    drop(place);
    server.stop().await;
}

/// What a section has to say, by docs/configuration.md, which is generated.
fn required(section: &str) -> BTreeSet<String> {
    keys(section, |row| row.contains("| required |"))
}

fn keys(section: &str, which: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let reference = document("configuration.md");
    let heading = format!("## `{section}`\n");
    let (_, rest) = reference.split_once(&heading).unwrap_or_else(|| panic!("no section {section}"));
    let rows = rest.lines().take_while(|line| !line.starts_with("## ")).filter(|line| which(line));
    rows.filter_map(|row| row.strip_prefix("| `")?.split_once('`')).map(|(key, _)| key.to_owned()).collect()
}

fn document(name: &str) -> String {
    fs::read_to_string(program::root().join("docs").join(name)).expect("it is there")
}

/// What is wrong with the examples of a configuration, each between fences.
fn wrong(page: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for example in page.split("```json\n").skip(1).filter_map(|rest| rest.split_once("```")) {
        let example: BTreeMap<String, BTreeMap<String, Value>> = serde_json::from_str(example.0).expect("JSON");
        for (section, said) in example {
            let (said, known) = (said.into_keys().collect::<BTreeSet<_>>(), keys(&section, |_| true));
            wrong.extend(required(&section).difference(&said).map(|key| format!("{section}.{key} is not said")));
            wrong.extend(said.difference(&known).map(|key| format!("{section}.{key} is nothing")));
        }
    }
    wrong
}

/// The sins: an example without what is required, as the edge's once was, and one with a key that nobody reads.
#[test]
fn the_examples_of_the_installation_say_all_that_is_required() {
    let page = document("install.md");
    assert_eq!(wrong(&page), Vec::<String>::new());
    for part in ["database", "keys", "serve", "work", "edge", "runner"] {
        assert!(page.contains(&format!("\"{part}\": {{")), "there is no example of section `{part}`");
    }
    assert_eq!(wrong(&page.replace("\"admin\": \"127.0.0.1:9090\",", "")), ["edge.admin is not said"]);
    assert_eq!(
        wrong(&page.replace("\"admin\": \"127.0.0.1:9091\"", "\"door\": 1")),
        ["runner.admin is not said", "runner.door is nothing"]
    );
}
