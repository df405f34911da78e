//! Every refusal of a source that somebody meets who asks for a deploy, by its code. The trap avoided: one that is right where
//! sources are fetched (`builder/tests/builder/source.rs`) and reaches nobody, or a fetch that was tried all the same.

use crate::deploys::{ask_for, ended, input, left};
use rhone_tests::{
    platform::Platform,
    repository::Repository,
    story::Tenant,
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};

/// Fetches from this machine and from private addresses, and nothing large.
async fn of_local_sources() -> Platform {
    Platform::start_told(vec![("RHONE_BUILD_SOURCE_BYTES".to_owned(), "1000000".to_owned())]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_source_that_cannot_be_fetched_ends_its_deploy_with_its_own_code() {
    let platform = of_local_sources().await;
    let tenant = Tenant::open(&platform, platform.developer()).await;
    let (small, large) = (Repository::of_python(), Repository::of_python());
    small.commit_version("small");
    large.write("large", &"x".repeat(2_000_000));
    large.commit("more than a source may be");
    let plain = tempfile::tempdir().expect("a folder");
    let plain = plain.path().canonicalize().expect("it is there").display().to_string();
    let (small, large) = (small.address(), large.address());
    for (address, reference, code, words) in [
        (&plain, "main", "NOT_A_REPOSITORY", "no git repository at that address"),
        (&large, "main", "REPOSITORY_TOO_LARGE", "more than 1000000 bytes"),
        (&small, "0123456789abcdef0123456789abcdef01234567", "COMMIT_NOT_FOUND", "was it pushed"),
        (&small, "no-such-branch", "REFERENCE_NOT_FOUND", "no branch or tag no-such-branch"),
    ] {
        let found = ended(&tenant, &ask_for(&tenant, &tenant.preview.id, address, reference).await).await;
        assert_eq!((&found["stage"], &found["failure"]["code"]), (&json!("FAILED"), &json!(code)), "{found:#}");
        assert!(found["failure"]["message"].as_str().is_some_and(|said| said.contains(words)), "{words}: {found:#}");
        assert_eq!((&found["deployment"], &found["deploy"]["fetched"]), (&Value::Null, &Value::Null), "{found:#}");
    }
    until("no folder is left", PATIENCE, async || left(&platform).is_empty().then_some(())).await;
}

/// The sin would be one policy for both: a git of one's own in a private network, and every tenant in folders of the worker.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_private_hosts_are_let_in_the_machines_own_folders_are_not() {
    let platform = Platform::start_told(vec![("RHONE_BUILD_SOURCES".to_owned(), "private".to_owned())]).await;
    let tenant = Tenant::open(&platform, platform.developer()).await;
    let repository = Repository::of_python();
    repository.commit_version("private");
    // Nobody listens there; it is asked all the same.
    for (address, code) in
        [(repository.address(), "SOURCE_NOT_ALLOWED"), ("http://127.0.0.1:9/a.git".to_owned(), "SOURCE_UNREACHABLE")]
    {
        let found = ended(&tenant, &ask_for(&tenant, &tenant.preview.id, &address, "main").await).await;
        assert_eq!(found["failure"]["code"], code, "{address}: {found:#}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_leads_inward_is_fetched_by_nobody() {
    let platform = Platform::start_told(vec![("RHONE_BUILD_SOURCES".to_owned(), "public".to_owned())]).await;
    let tenant = Tenant::open(&platform, platform.developer()).await;
    for address in ["http://127.0.0.1:9/a.git", "https://10.0.0.1/a.git", "http://[::1]/a.git", "/srv/git/a.git"] {
        let found = ended(&tenant, &ask_for(&tenant, &tenant.preview.id, address, "main").await).await;
        assert_eq!(found["failure"]["code"], "SOURCE_NOT_ALLOWED", "{address}: {found:#}");
    }
    // These no policy lets in: nothing is asked for.
    for address in [
        "http://169.254.169.254/latest/meta-data",
        "http://metadata.google.internal/a",
        "ext::sh -c touch% /tmp/x",
        "fd::17",
        "--upload-pack=touch /tmp/x",
        "-u",
        "ssh://git@example.org/a",
        "git@example.org:a",
    ] {
        let asked = input(&tenant.preview.id, address, "main");
        let answer = tenant.client.try_mutate("deploymentBuild", "__typename", &asked).await.expect("it answers");
        let refusal = &answer["errors"][0]["extensions"];
        assert_eq!(
            (&refusal["code"], &refusal["field"]),
            (&json!("BAD_USER_INPUT"), &json!("repository")),
            "{answer:#}"
        );
    }
    for reference in ["--upload-pack=touch", "-x", "a..b", "main~1"] {
        let asked = input(&tenant.preview.id, "https://example.org/a.git", reference);
        let answer = tenant.client.try_mutate("deploymentBuild", "__typename", &asked).await.expect("it answers");
        let refusal = &answer["errors"][0]["extensions"];
        assert_eq!(
            (&refusal["code"], &refusal["field"]),
            (&json!("BAD_USER_INPUT"), &json!("reference")),
            "{answer:#}"
        );
    }
    let query = "query($id: ID!) { app(id: $id) { deployments(first: 1) { nodes { id } } } }";
    let made = tenant.client.data(query, json!({ "id": tenant.app })).await;
    assert_eq!(made["app"]["deployments"]["nodes"], json!([]), "nothing was made of any of them");
}
