//! The command line of every day on the real platform: a folder that is linked, variables from a file, a hostname's way, gates
//! that are shown before anything is done, and every exit code. The trap avoided: a code that a test of units has and the
//! program has not.

use rhone_tests::{
    artifacts::Version,
    database::person,
    edge,
    graphql::unique,
    platform::Platform,
    program::{self, text},
    repository::Repository,
    story::Tenant,
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};
use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf, process::Output};

/// A person in a folder.
struct Desk<'a> {
    platform: &'a Platform,
    folder: PathBuf,
}

impl Desk<'_> {
    async fn rhone(&self, words: &[&str]) -> Output {
        program::rhone_in(&self.folder, &self.platform.data(), &[("NO_COLOR", "1")], words).await
    }

    async fn ends(&self, code: i32, words: &[&str]) -> String {
        let output = self.rhone(words).await;
        let told = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {told}");
        told
    }

    async fn json(&self, words: &[&str]) -> Value {
        let output = self.rhone(words).await;
        assert!(output.status.success(), "{words:?}: {}", text(&output.stderr));
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{words:?}: {error}: {}", text(&output.stdout)))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_at_the_command_line() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open(platform, platform.developer()).await;
    let (blue, green) = (tenant.deploy(Version::Blue).await, tenant.deploy(Version::Green).await);
    let room = tempfile::tempdir().expect("a folder");
    let desk = Desk { platform, folder: room.path().to_owned() };
    let environment = tenant.production.id.as_str();

    // Before a folder is linked, its environment must be said.
    assert!(desk.ends(2, &["env", "list"]).await.contains("next: name it, or `rhone link ENVIRONMENT`"));
    let linked = desk.json(&["link", environment, "--json"]).await;
    assert_eq!(linked["app"]["id"], tenant.app.as_str());
    fs::write(desk.folder.join(".env"), "# of the shop\nGREETING='hello there'\nLIMIT=3\n").expect("ours");
    desk.ends(0, &["env", "import", ".env"]).await;
    desk.ends(0, &["env", "set", "LIMIT=4"]).await;
    let listed = desk.ends(0, &["env", "list"]).await;
    assert!(listed.contains("hello there") && listed.contains(": 4"), "{listed}");
    desk.ends(0, &["env", "unset", "LIMIT"]).await;
    assert!(!desk.ends(0, &["env", "list"]).await.contains("LIMIT"));

    promoted_and_rolled_back(&desk, &tenant, (&blue.id, &green.id)).await;

    let route = desk.json(&["route", "show", &tenant.production.host, "--json"]).await;
    assert_eq!(route["environment"]["id"], environment);
    assert_eq!(route["environment"]["routeOwner"]["deploymentId"], blue.id.as_str());
    assert!(desk.ends(1, &["route", "show", "nobody.test"]).await.contains("nobody.test"));
    let opened = desk.json(&["open", "--json"]).await;
    let url = opened["url"].as_str().expect("a URL");
    assert!(url.starts_with(&format!("http://{}:", tenant.production.host)), "{url}");
    let operations = desk.ends(0, &["operation", "list"]).await;
    assert!(operations.lines().count() >= 5 && operations.contains("rolled_back"), "{operations}");
    assert_eq!(desk.ends(0, &["operation", "list", "--open"]).await, "", "all have ended");
    let found = desk.json(&["doctor", "--json"]).await;
    assert_eq!(found["sound"], true, "{found}");
    what_a_machine_lacks_is_said(&desk).await;

    desk.ends(0, &["link", "--forget"]).await;
    desk.ends(2, &["env", "list"]).await;
}

async fn promoted_and_rolled_back(desk: &Desk<'_>, tenant: &Tenant, (blue, green): (&str, &str)) {
    let asked = desk.ends(2, &["promote", blue]).await;
    assert!(
        asked.contains("pass    artifact") && asked.contains("awaited allocations") && asked.contains("say --yes"),
        "gates are shown, nobody agrees: {asked}"
    );
    desk.ends(0, &["promote", blue, "--dry-run"]).await;
    assert!(tenant.owner().await["deploymentId"].is_null(), "nothing was done yet");
    let told = desk.ends(0, &["promote", blue, "--yes"]).await;
    assert!(told.contains("HEALTHY"), "it was followed to its end: {told}");
    edge::serves(&tenant.edge, &tenant.production.host, "blue").await;
    desk.ends(0, &["promote", green, "--yes", "--reason", "the second one"]).await;
    edge::serves(&tenant.edge, &tenant.production.host, "green").await;
    let asked = desk.ends(2, &["rollback", "--reason", "the first was better"]).await;
    for shown in [format!("roll back to {blue} "), "pass    artifact  ".into(), "warn    vango_state  ".into()] {
        assert!(asked.contains(&shown), "gates are shown with how they stand, {shown}: {asked}");
    }
    assert!(asked.contains("cold: ") && asked.contains("say --yes"), "and why, and nobody agrees: {asked}");
    assert_eq!(tenant.owner().await["deploymentId"], green, "nothing was done yet");
    let told = desk.ends(0, &["rollback", "--reason", "the first was better", "--yes"]).await;
    assert!(told.contains("ROLLED_BACK") && told.contains("warn    vango_state"), "{told}");
    edge::serves(&tenant.edge, &tenant.production.host, "blue").await;
}

/// The platform's worker builds: where its programs are not, the doctor says what is missing and what mends it.
async fn what_a_machine_lacks_is_said(desk: &Desk<'_>) {
    let nowhere = [("PATH", "/nowhere")];
    let output = program::rhone_in(&desk.folder, &desk.platform.data(), &nowhere, &["doctor"]).await;
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let missing = [("bad  git", "apt-get install git"), ("warn bubblewrap", "apt-get install bubblewrap")];
    for (name, mends) in missing {
        let told = |line: &&str| line.starts_with(&format!("{name}: ")) && line.ends_with(&format!("mend: {mends}"));
        assert!(said.lines().any(|line| told(&line)), "{name}: {said}");
    }
    assert!(said.contains("GiB are free") && said.contains("backup: pg_dump"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_exit_code_is_the_one_of_the_table() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open(platform, platform.developer()).await;
    let blue = tenant.deploy(Version::Blue).await;
    let room = tempfile::tempdir().expect("a folder");
    let desk = Desk { platform, folder: room.path().to_owned() };
    let (environment, deployment) = (tenant.production.id.as_str(), blue.id.as_str());
    let mut seen = vec![0];
    desk.ends(0, &["whoami"]).await;

    let mut ended = async |code: i32, next: &str, words: &[&str]| {
        let told = desk.ends(code, words).await;
        assert!(told.contains(next), "{words:?} says what to do next: {told}");
        seen.push(code);
    };
    let nothing = format!("env_{}", uuid::Uuid::nil().simple());
    ended(1, "next: look at the id", &["environment", "show", &nothing]).await;
    ended(2, "Usage:", &["environment", "admire", environment]).await;
    let stale = ["deployment", "promote", deployment, "--environment", environment, "--expected-epoch", "99"];
    ended(5, "next: look at `rhone environment show`", &stale).await;
    ended(6, "next: rhone operation watch", &["operation", "watch", &blue.operation, "--timeout", "0"]).await;
    desk.ends(0, &["environment", "freeze", environment, "--reason", "an audit"]).await;
    // The same refusal by another word: the same code, and the same way out.
    let words = ["promote", deployment, "--environment", environment, "--yes"];
    ended(4, "rhone environment unfreeze", &words).await;
    let words = ["deployment", "promote", deployment, "--environment", environment];
    ended(4, "rhone environment unfreeze", &words).await;

    let told = desk.ends(0, &["environment", "drain-policy", environment, "--standby-seconds", "77"]).await;
    assert!(told.contains("77"), "{told}");

    let folder = desk.folder.as_path();
    let bad = [("RHONE_TOKEN", "rhone_nobody")];
    let output = program::rhone_in(folder, &platform.data(), &bad, &["whoami"]).await;
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("next: rhone login"), "{}", text(&output.stderr));
    seen.push(3);

    let table = desk.ends(0, &["--help"]).await;
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, [0, 1, 2, 3, 4, 5, 6]);
    for code in seen {
        assert!(table.contains(&format!("\n  {code}  ")), "{code} is in the table: {table}");
    }
}

/// What asks no API ends by the same table, says what to do next, and is one JSON for a script.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_asks_no_api_ends_by_the_same_table() {
    let platform = Platform::shared().await;
    let room = tempfile::tempdir().expect("a folder");
    let desk = Desk { platform, folder: room.path().to_owned() };
    let nobody = uuid::Uuid::nil();
    let (stream, app) = (format!("route_owner:{nobody}"), format!("app_{}", nobody.simple()));
    let cases: [(i32, &str, &[&str]); 9] = [
        (2, "BAD_USER_INPUT", &["rebuild", "nonsense"]),
        (2, "BAD_USER_INPUT", &["replay", "nonsense"]),
        (2, "BAD_USER_INPUT", &["replay", "app_7"]),
        (2, "BAD_USER_INPUT", &["replay", &stream, "--at", "yesterday"]),
        (2, "BAD_USER_INPUT", &["admin", "raise-epochs", "--reason", ""]),
        (2, "BAD_USER_INPUT", &["init", "--health", "up", "--process", "./server"]),
        (1, "NOT_FOUND", &["replay", &stream]),
        (1, "NOT_FOUND", &["replay", &app]),
        (1, "LOCAL", &["verify", "nowhere.jsonl"]),
    ];
    for (exit, code, words) in cases {
        let told = desk.ends(exit, words).await;
        assert!(told.contains("next: ") || told.contains("possible values: catalogue"), "{words:?}: {told}");
        // Before `--process`, which takes every word after it.
        let output = desk.rhone(&[&words[..1], &["--json"], &words[1..]].concat()).await;
        assert_eq!(output.status.code(), Some(exit), "{words:?} --json: {}", text(&output.stderr));
        let failed: Value = serde_json::from_slice(&output.stdout).expect("one JSON");
        let error = &failed["error"];
        assert_eq!((&error["code"], &error["exit"]), (&json!(code), &json!(exit)), "{words:?}: {failed}");
        assert!(error["next"].is_string() && error["message"].is_string(), "{failed}");
    }
    assert_eq!(fs::read_dir(&desk.folder).expect("ours").count(), 0, "nothing was written");
}

/// Wherever an id goes, a name does; what it does not find is named, and what is not ours is not found.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_is_as_good_as_an_id() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open(platform, platform.developer()).await;
    let room = tempfile::tempdir().expect("a folder");
    let desk = Desk { platform, folder: room.path().to_owned() };
    let query = "query($id: ID!) { environment(id: $id) { slug app { slug project { slug workspace { slug } } } } }";
    let named = async |tenant: &Tenant| {
        let look = async || {
            let data = tenant.client.data(query, json!({ "id": tenant.production.id })).await;
            data["environment"].is_object().then(|| data["environment"].clone())
        };
        let environment = until("its names can be read", PATIENCE, look).await;
        let (app, project) = (&environment["app"], &environment["app"]["project"]);
        let slugs = [&project["workspace"]["slug"], &project["slug"], &app["slug"], &environment["slug"]];
        slugs.map(|slug| slug.as_str().expect("a slug").to_owned())
    };
    let slugs = named(&tenant).await;
    let [workspace, project, app, environment] = [1, 2, 3, 4].map(|depth| slugs[..depth].join("/"));
    let id = tenant.production.id.as_str();
    let shown = async |name: &str| desk.json(&["environment", "show", name, "--json"]).await["id"].clone();
    assert_eq!(shown(&environment).await, id);
    assert_eq!(desk.json(&["app", "show", &app, "--json"]).await["id"], tenant.app.as_str());
    assert!(desk.ends(0, &["app", "list", "--project", &project]).await.starts_with(&tenant.app));
    assert!(desk.ends(0, &["project", "list", "--workspace", &workspace]).await.starts_with(&tenant.project));
    desk.ends(0, &["env", "set", &environment, "PLACE=a/b/c/d"]).await;
    assert!(desk.ends(0, &["env", "list", id]).await.contains("a/b/c/d"), "a value is no name");
    let linked = desk.json(&["link", &environment, "--json"]).await;
    assert_eq!(linked["id"], id);
    assert!(desk.ends(0, &["env", "list"]).await.contains("PLACE"));
    let kept = json!({ "app": app, "environment": environment }).to_string();
    fs::write(desk.folder.join(".rhone/link.json"), kept).expect("ours");
    assert!(desk.ends(0, &["env", "list"]).await.contains("PLACE"), "a link may name it, too");

    let nowhere = format!("{app}/nowhere");
    let told = desk.ends(1, &["environment", "show", &nowhere]).await;
    assert!(told.contains(&format!("environment: none of yours in {app} has the slug `nowhere`")), "{told}");
    desk.ends(0, &["link", "--forget"]).await;
    let told = desk.ends(2, &["environment", "show", &app]).await;
    assert!(told.contains("environment: ") && told.contains("WORKSPACE/PROJECT/APP/ENVIRONMENT"), "{told}");
    let stranger = Tenant::open(platform, person(platform).await.client).await;
    let told = desk.ends(1, &["environment", "show", &named(&stranger).await.join("/")]).await;
    assert!(told.contains("workspace: none of yours has the slug"), "{told}");
}

/// More than an app usually has, and none is left out as if it were not there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_environment_of_an_app_is_shown_however_many_there_are() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open(platform, platform.developer()).await;
    let (app, ids) = (tenant.app.as_str(), platform.report().ids);
    let (region, cell) = (format!("reg_{}", ids.region.simple()), format!("cell_{}", ids.cell.simple()));
    let mut all = vec![tenant.preview.id.clone(), tenant.production.id.clone()];
    for number in 0..20 {
        let input = json!({ "appId": app, "slug": format!("staging-{number}"), "kind": "STAGING", "regionId": region,
            "cellId": cell });
        all.push(tenant.client.made("environmentCreate", "environment", input).await);
    }
    all.sort_unstable();
    let room = tempfile::tempdir().expect("a folder");
    let desk = Desk { platform, folder: room.path().to_owned() };
    for words in [["status", "--app", app, "--json"], ["app", "show", app, "--json"]] {
        let shown = desk.json(&words).await;
        let nodes = shown["environments"]["nodes"].as_array().expect("a list");
        let mut found: Vec<&str> = nodes.iter().filter_map(|one| one["id"].as_str()).collect();
        found.sort_unstable();
        assert_eq!(found, all, "{words:?}");
    }
    let told = desk.ends(0, &["status", "--app", app]).await;
    assert!(all.iter().all(|id| told.contains(id)), "{told}");
}

/// A closed gate is no failure of the build: the release stays, and whoever opens the gate deploys again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deploy_that_a_gate_blocks_ends_as_refused_and_says_why() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open(platform, platform.developer()).await;
    let repository = Repository::of_python();
    let settings = fs::read_to_string(repository.folder().join("rhone.toml")).expect("the example's");
    repository.write("rhone.toml", &format!("{settings}\n[env]\nrequired = [\"TOKEN\"]\n"));
    repository.commit_version("blocked");
    let desk = Desk { platform, folder: repository.folder() };
    let (preview, key) = (tenant.preview.id.as_str(), unique("blocked"));
    let words = ["deploy", "--environment", preview, "--folder", ".", "--idempotency-key", &key];
    let told = desk.ends(4, &words).await;
    assert!(told.contains("BLOCKED") && told.contains("TOKEN"), "the gate is named: {told}");
    assert!(told.contains("next: "), "and what to do next: {told}");
    let operation = told.split_whitespace().find(|word| word.starts_with("op_")).expect("the operation is named");
    let operation = operation.trim_matches(|sign: char| !sign.is_ascii_alphanumeric() && sign != '_');
    desk.ends(4, &["operation", "watch", operation]).await;
    let shown = desk.json(&["operation", "show", operation, "--json"]).await;
    assert_eq!(shown["stage"], "BLOCKED", "{shown:#}");
    let status = desk.ends(0, &["status", "--app", &tenant.app]).await;
    let line = status.lines().find(|line| line.starts_with("blocked last"));
    assert!(line.is_some_and(|line| line.contains(operation) && line.contains("TOKEN")), "{status}");
    desk.ends(0, &["env", "set", preview, "TOKEN=there"]).await;
    desk.ends(0, &["deploy", "--environment", preview, "--folder", "."]).await;
}

/// What a build prints is told to whoever waits for it, to its last line; that one says why it failed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_is_heard_by_whoever_waits_for_it() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open(platform, platform.developer()).await;
    let repository = Repository::of_python();
    repository.write("build.py", "print('the first word')\nprint('the last word')\nraise SystemExit(3)\n");
    repository.commit_version("fails");
    let desk = Desk { platform, folder: repository.folder() };
    let words = ["deploy", "--environment", tenant.preview.id.as_str(), "--folder", "."];
    let output = desk.rhone(&words).await;
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    let at = |line: &str| told.find(&format!("| {line}")).unwrap_or_else(|| panic!("{line} is told: {told}"));
    assert!(at("the first word") < at("the last word"), "{told}");
    assert_eq!(told.matches("| the last word").count(), 1, "a line is told once: {told}");
    assert!(!text(&output.stdout).contains("the last word"), "it stands beside the answer");
    let told = desk.ends(1, &[&words[..], &["--quiet"]].concat()).await;
    assert!(!told.contains("| the last word"), "{told}");
}

/// A script reads one JSON of a failure as it does of an answer, and nothing is done that was to be tried alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_reads_how_it_failed_and_tries_nothing_that_it_did_not_mean() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open(platform, platform.developer()).await;
    let room = tempfile::tempdir().expect("a folder");
    let desk = Desk { platform, folder: room.path().to_owned() };
    let nothing = format!("env_{}", uuid::Uuid::nil().simple());
    let output = desk.rhone(&["environment", "show", &nothing, "--json"]).await;
    let failed: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&failed["error"]["code"], &failed["error"]["exit"]), (&json!("NOT_FOUND"), &json!(1)), "{failed}");
    assert!(failed["error"]["next"].is_string(), "{failed}");
    // Of a refusal it is the payload, as the API gave it, and nothing twice.
    let environment = tenant.production.id.as_str();
    let output = desk.rhone(&["environment", "unfreeze", environment, "--reason", "none", "--json"]).await;
    let refused: Value = serde_json::from_slice(&output.stdout).expect("one JSON");
    assert!(refused["userErrors"][0]["code"].is_string(), "{refused}");

    // A refusal that the command itself says has no payload.
    let output = desk.rhone(&["rollback", "--environment", environment, "--reason", "r", "--yes", "--json"]).await;
    let refused: Value = serde_json::from_slice(&output.stdout).expect("one JSON");
    assert_eq!((&refused["error"]["code"], &refused["error"]["exit"]), (&json!("NEVER_OWNED"), &json!(4)), "{refused}");

    for words in [&["link", environment, "--dry-run"][..], &["artifact", "pack", ".", "--out", "packed", "--dry-run"]] {
        let told = desk.ends(2, words).await;
        assert!(told.contains("--dry-run: "), "{told}");
    }
    assert_eq!(fs::read_dir(&desk.folder).expect("ours").count(), 0, "nothing was linked or packed");
    desk.ends(0, &["environment", "sleep-policy", environment, "--after-seconds", "60", "--dry-run"]).await;
}

/// Whoever was handed a token keeps it as `rhone login` keeps one, below the user's own configuration; a token that is none is not
/// kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_was_given_is_looked_at_and_kept() {
    let platform = Platform::shared().await;
    let room = tempfile::tempdir().expect("a folder");
    let (url, token) = (platform.report().urls.api.clone(), platform.report().token.clone());
    let configuration = room.path().join("kept");
    let (logins, given) = (configuration.join("rhone/logins.json"), room.path().join("token"));
    let nowhere = room.path().join("nowhere");
    let rhone = async |words: &[&str]| {
        let kept = configuration.to_str().expect("UTF-8");
        // Nothing else says who asks.
        let variables = [("XDG_CONFIG_HOME", kept), ("RHONE_LOGINS", ""), ("RHONE_TOKEN", ""), ("RHONE_URL", "")];
        program::rhone_in(room.path(), &nowhere, &variables, words).await
    };
    let login = ["login", "--url", &url, "--token-file", given.to_str().expect("UTF-8")];
    fs::write(&given, "rhone_nobody\n").expect("ours");
    assert_eq!(rhone(&login).await.status.code(), Some(3));
    assert!(!logins.exists(), "what is no token is not kept");
    fs::write(&given, format!("{token}\n")).expect("ours");
    let output = rhone(&login).await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(!text(&output.stdout).contains(&token), "it is not shown");
    assert_eq!(fs::metadata(&logins).expect("kept").permissions().mode() & 0o777, 0o600);
    let output = rhone(&["whoami"]).await;
    assert!(output.status.success() && text(&output.stdout).contains(&url), "{}", text(&output.stderr));

    // Where no part of the platform runs, the doctor looks at what a client needs.
    let output = rhone(&["doctor"]).await;
    let said = text(&output.stdout);
    assert!(output.status.success() && said.contains("ok   API: ") && said.contains("ok   git: "), "{said}");
    assert!(!said.contains("vault"), "keys are the platform's: {said}");
    fs::remove_file(&logins).expect("kept");
    let output = rhone(&["doctor"]).await;
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("bad  API: ") && said.contains("mend: rhone login"), "{said}");
}
