//! Apps that are imported: from a repository that is said once to traffic, and every way in which that is refused. The trap
//! avoided: a source that is taken for what runs; what was deployed stays on record when the source is set anew.

use rhone_tests::{
    database::person,
    edge,
    graphql::{Client, unique},
    platform::Platform,
    program,
    repository::Repository,
    story::{Deployed, Tenant, text},
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};

const APP: &str = "app { id slug name version source { repository reference } }";

const DEPLOY: &str = "id stage ended failure { code message } \
    deploy { deploymentId repository reference fetched { commit } built { digest } promotion { id } }";

/// Somebody whose app comes from this repository.
async fn imported(platform: &Platform, repository: &Repository) -> Tenant {
    let tenant = Tenant::open(platform, platform.developer()).await;
    let input = json!({ "projectId": tenant.project, "repository": repository.address() });
    let made = tenant.client.done("appImport", APP, input).await["app"].clone();
    assert_eq!(made["source"], json!({ "repository": repository.address(), "reference": "HEAD" }), "{made}");
    let folder = repository.address();
    let last = folder.rsplit('/').next().expect("a folder has a name");
    assert_eq!(made["name"], json!(last), "it is called as the last part of its address");
    assert_eq!(made["slug"], json!(last.trim_start_matches('.').to_ascii_lowercase()));
    tenant.with_app(platform, text(&made["id"])).await
}

async fn operation(tenant: &Tenant, id: &str) -> Value {
    let query = format!("query($id: ID!) {{ operation(id: $id) {{ {DEPLOY} }} }}");
    tenant.client.data(&query, json!({ "id": id })).await["operation"].clone()
}

/// A deploy to the preview, shown there: how it stands on record.
async fn deployed(tenant: &Tenant, said: Value) -> Value {
    let mut input = said;
    input["environmentId"] = json!(tenant.preview.id);
    let id = text(&tenant.client.done("deploymentBuild", "__typename", input).await["operation"]["id"]);
    let look = async || Some(operation(tenant, &id).await).filter(|found| found["ended"] == true);
    let found = until(&format!("deploy {id} has ended"), PATIENCE * 3, look).await;
    assert_eq!(found["stage"], "PREVIEW_READY", "{found:#}");
    tenant.succeeds(&text(&found["deploy"]["promotion"]["id"])).await;
    found
}

async fn shows(tenant: &Tenant, host: &str, version: &str) {
    let look = async || {
        let reply = edge::get(&tenant.edge, host, "/count").await.filter(|reply| reply.status == 200)?;
        (reply.json()["version"] == version).then_some(())
    };
    until(&format!("{host} shows {version}"), PATIENCE, look).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_imported_app_is_deployed_without_saying_its_repository_again_promoted_and_explained() {
    let platform = Platform::shared().await;
    let repository = Repository::of_python();
    let first = repository.commit_version("one");
    let tenant = imported(platform, &repository).await;
    let one = deployed(&tenant, json!({})).await;
    let made_of = |found: &Value| {
        let deploy = &found["deploy"];
        (text(&deploy["repository"]), text(&deploy["reference"]), text(&deploy["fetched"]["commit"]))
    };
    assert_eq!(made_of(&one), (repository.address(), "HEAD".to_owned(), first.clone()), "{one:#}");
    shows(&tenant, &tenant.preview.host, "one").await;
    let promoted = Deployed {
        id: text(&one["deploy"]["deploymentId"]),
        digest: text(&one["deploy"]["built"]["digest"]),
        operation: text(&one["deploy"]["promotion"]["id"]),
    };
    tenant.succeeds(&tenant.promote(&promoted).await).await;
    shows(&tenant, &tenant.production.host, "one").await;

    // From now on a tag is meant. What was deployed before stays as it was recorded.
    let second = repository.commit_version("two");
    repository.tag("release");
    repository.commit_version("three");
    let set = json!({ "appId": tenant.app, "repository": repository.address(), "reference": "release" });
    let now = tenant.client.done("appSourceSet", APP, set).await["app"].clone();
    assert_eq!((&now["source"]["reference"], &now["version"]), (&json!("release"), &json!(2)), "{now}");
    let two = deployed(&tenant, json!({})).await;
    assert_eq!(made_of(&two), (repository.address(), "release".to_owned(), second), "{two:#}");
    shows(&tenant, &tenant.preview.host, "two").await;
    let again = operation(&tenant, &text(&one["id"])).await;
    assert_eq!(again, one, "a deploy says what it used, whatever the source is by now");
    // A reference alone is one of the app's own repository.
    let back = deployed(&tenant, json!({ "reference": first })).await;
    assert_eq!(made_of(&back), (repository.address(), first.clone(), first));
    assert_eq!(back["deploy"]["built"]["digest"], one["deploy"]["built"]["digest"], "the same commit, the same bytes");
    told(platform, &tenant, &text(&two["id"])).await;
}

/// In the timeline and in words.
async fn told(platform: &Platform, tenant: &Tenant, deploy: &str) {
    let entries = tenant.timeline(None).await;
    let summary = |kind: &str| {
        let found = entries.iter().find(|entry| entry["type"] == kind);
        text(&found.unwrap_or_else(|| panic!("no {kind} in {entries:#?}"))["summary"])
    };
    assert!(summary("app.imported").contains(" was imported from /"), "{}", summary("app.imported"));
    assert!(summary("app.source_set").contains("(release)"), "{}", summary("app.source_set"));
    let said = program::text(&platform.rhone(&["explain", deploy]).await.stdout);
    for stage in ["cloning", "building", "validating", "preview_ready"] {
        assert!(said.to_lowercase().contains(stage), "{stage} is explained: {said}");
    }
}

/// What is wrong with the form of an input: the field and the rule.
async fn malformed(client: &Client, mutation: &str, input: &Value) -> (String, String) {
    let answer = client.try_mutate(mutation, "__typename", input).await.expect("the API answers");
    let error = &answer["errors"][0];
    assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT", "{mutation} {input}: {answer:#}");
    (text(&error["extensions"]["field"]), error.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_is_none_is_refused_by_its_field_and_never_repeated() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open(platform, platform.developer()).await;
    for address in [
        "--upload-pack=s3cret",
        "ext::sh -c s3cret",
        "ext::s3cret",
        "https://user:s3cret@git.example.com/shop",
        "http://169.254.169.254/s3cret",
        "ssh://git@git.example.com/s3cret",
        "",
    ] {
        for (mutation, whose) in [
            ("appImport", json!({ "projectId": tenant.project })),
            ("appSourceSet", json!({ "appId": tenant.app })),
            ("deploymentBuild", json!({ "environmentId": tenant.preview.id, "reference": "main" })),
        ] {
            let mut input = whose;
            input["repository"] = json!(address);
            let (field, said) = malformed(&tenant.client, mutation, &input).await;
            assert_eq!(field, "repository", "{mutation} {address}: {said}");
            assert!(!said.contains("s3cret"), "{mutation} {address}: {said}");
        }
    }
    let short = json!({ "projectId": tenant.project, "repository": "https://git.example.com/acme/go" });
    assert_eq!(malformed(&tenant.client, "appImport", &short).await.0, "slug", "nothing to make a slug of");
    let option =
        json!({ "projectId": tenant.project, "repository": "https://git.example.com/a/shop", "reference": "--force" });
    assert_eq!(malformed(&tenant.client, "appImport", &option).await.0, "reference");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_is_shown_before_it_is_done_done_once_under_its_key_and_for_no_stranger() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open(platform, platform.developer()).await;
    let address = "https://git.example.com/acme/Corner_Shop.git";
    let input = json!({ "projectId": tenant.project, "repository": address, "reference": "main" });
    let with = |field: &str, value: Value| {
        let mut input = input.clone();
        input[field] = value;
        input
    };
    let shown = tenant.client.done("appImport", APP, with("dryRun", json!(true))).await;
    let planned = shown["plannedEvents"].as_array().expect("a list").iter().map(|event| text(&event["type"]));
    assert_eq!(planned.collect::<Vec<_>>(), ["app.imported", "claim.claimed"]);
    assert_eq!(shown["app"], Value::Null);

    let keyed = with("idempotencyKey", json!("the-import"));
    let made = tenant.client.done("appImport", APP, keyed.clone()).await;
    assert_eq!((&made["app"]["slug"], &made["app"]["name"]), (&json!("corner-shop"), &json!("Corner_Shop")));
    let again = tenant.client.done("appImport", APP, keyed.clone()).await;
    assert_eq!((&again["replayed"], &again["app"]["id"]), (&json!(true), &made["app"]["id"]));
    let mut other = keyed;
    other["reference"] = json!("next");
    assert_eq!(tenant.client.refused("appImport", APP, other).await["code"], "IDEMPOTENCY_KEY_REUSED");
    let taken = tenant.client.refused("appImport", APP, input.clone()).await;
    assert_eq!((&taken["code"], &taken["field"]), (&json!("NAME_TAKEN"), &json!("slug")), "{taken}");

    let stranger = person(platform).await.client;
    for (client, project) in
        [(&stranger, &tenant.project), (&tenant.client, &Tenant::open(platform, stranger.clone()).await.project)]
    {
        let answer = client.try_mutate("appImport", APP, &with("projectId", json!(project))).await.expect("an answer");
        let details = &answer["errors"][0]["extensions"];
        assert_eq!((&details["code"], &details["field"]), (&json!("NOT_FOUND"), &json!("projectId")), "{answer:#}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deploy_that_nobody_can_place_says_which_field_is_missing_and_what_to_do() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open(platform, platform.developer()).await;
    let refused = async |said: Value| {
        let mut input = said;
        input["environmentId"] = json!(tenant.preview.id);
        let refused = tenant.client.refused("deploymentBuild", "__typename", input).await;
        (text(&refused["code"]), text(&refused["field"]), text(&refused["message"]))
    };
    for said in [json!({}), json!({ "reference": "main" })] {
        let (code, field, message) = refused(said).await;
        assert_eq!((code.as_str(), field.as_str()), ("SOURCE_UNKNOWN", "repository"));
        assert!(message.contains("`rhone app source-set URL`"), "{message}");
    }
    let (code, field, _) = refused(json!({ "repository": "https://git.example.com/acme/shop" })).await;
    assert_eq!((code.as_str(), field.as_str()), ("REFERENCE_MISSING", "reference"));
    let on_record = async || {
        let lines = tenant.timeline(None).await;
        lines.into_iter().find(|line| line["type"] == "refusal.recorded" && line.to_string().contains("SOURCE_UNKNOWN"))
    };
    until("the refusal is on record", PATIENCE, on_record).await;

    let set = json!({ "appId": tenant.app, "repository": "/nowhere/at/all", "expectedVersion": 1 });
    tenant.client.done("appSourceSet", APP, set.clone()).await;
    let stale = tenant.client.refused("appSourceSet", APP, {
        let mut other = set;
        other["repository"] = json!("/nowhere/else");
        other
    });
    assert_eq!(stale.await["code"], "STALE_VERSION");
    // The same words under the same key are the same deploy, whatever the source is by now.
    let keyed = json!({ "environmentId": tenant.preview.id, "idempotencyKey": "as-it-is" });
    let made = tenant.client.done("deploymentBuild", "__typename", keyed.clone()).await;
    tenant.client.done("appSourceRemove", APP, json!({ "appId": tenant.app })).await;
    let again = tenant.client.done("deploymentBuild", "__typename", keyed).await;
    assert_eq!((&again["replayed"], &again["operation"]), (&json!(true), &made["operation"]));
    assert_eq!(operation(&tenant, &text(&made["operation"]["id"])).await["deploy"]["repository"], "/nowhere/at/all");
    assert_eq!(refused(json!({})).await.0, "SOURCE_UNKNOWN");
    let gone = tenant.client.refused("appSourceRemove", APP, json!({ "appId": tenant.app })).await;
    assert_eq!(gone["code"], "NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_imports_links_deploys_and_shows_where_an_app_comes_from() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open(platform, platform.developer()).await;
    let repository = Repository::of_python();
    repository.commit_version("by hand");
    let (address, slug) = (repository.address(), unique("app"));
    let desk = tempfile::tempdir().expect("a folder");
    let ends = async |code: i32, words: &[&str]| {
        let output = program::rhone_in(desk.path(), &platform.data(), &[("NO_COLOR", "1")], words).await;
        let told = program::text(&output.stdout) + &program::text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {told}");
        told
    };
    let import = ["app", "import", &address, "--project", &tenant.project, "--slug", &slug, "--json"];
    let made: Value = serde_json::from_str(&ends(0, &import).await).expect("JSON");
    let source = json!({ "repository": address, "reference": "HEAD" });
    assert_eq!((&made["app"]["slug"], &made["app"]["source"]), (&json!(slug), &source), "{made}");
    let tenant = tenant.with_app(platform, text(&made["app"]["id"])).await;
    let linked: Value = serde_json::from_str(&ends(0, &["link", &tenant.preview.id, "--json"]).await).expect("JSON");
    assert_eq!(linked["app"]["source"], source, "{linked}");
    assert!(ends(0, &["status"]).await.contains(&format!("source  {address} (HEAD)")));

    // Nothing is checked out here, and nothing is said: the app knows.
    let told = ends(0, &["deploy"]).await;
    assert!(told.contains("the app's own source is deployed") && told.contains(&address), "{told}");
    shows(&tenant, &tenant.preview.host, "by hand").await;
    let nowhere = ["deploy", "--folder", desk.path().to_str().expect("UTF-8")];
    assert!(ends(2, &nowhere).await.contains("not a git repository"), "a folder that is named is what is meant");
    ends(0, &["app", "source-set", &address, "--reference", "no-such-branch"]).await;
    let at_hand = ["deploy", "--environment", &tenant.preview.id, "--dry-run", "--json"];
    let output = program::rhone_in(&repository.folder(), &platform.data(), &[], &at_hand).await;
    let planned = program::text(&output.stdout);
    assert!(
        planned.contains("\"reference\":\"") && !planned.contains("no-such-branch"),
        "what is checked out: {planned}"
    );
    assert!(ends(1, &["deploy", "--own"]).await.contains("no-such-branch"), "unless the app's own is asked for");
    ends(0, &["app", "source-remove"]).await;
    assert!(!ends(0, &["status"]).await.contains("source  "));
    let refused = ends(4, &["deploy"]).await;
    assert!(refused.contains("SOURCE_UNKNOWN") && refused.contains("rhone app source-set"), "{refused}");
}
