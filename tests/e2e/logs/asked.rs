//! Logs as they are asked for: up to a moment, of a release or an allocation, and of a build while it runs. The traps avoided: a
//! filter that finds everything, and a build that had ended before anybody followed it; what is followed is heard before its
//! operation ends.

use super::{Followed, print, read, shows, texts, told};
use rhone_tests::{
    artifacts::Version,
    platform::Platform,
    program,
    repository::Repository,
    story::{Tenant, text},
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};

/// The texts that `rhone logs` prints of the preview.
async fn said(platform: &Platform, tenant: &Tenant, words: &[&str]) -> Vec<String> {
    let words = [&["logs", "--environment", &tenant.preview.id, "--grep", "moment", "--json"], words].concat();
    let output = platform.rhone(&words).await;
    assert!(output.status.success(), "{words:?}: {}", program::text(&output.stderr));
    let lines: Vec<Value> =
        program::text(&output.stdout).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    texts(&lines)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_are_told_up_to_a_moment_and_no_further() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open(platform, platform.developer()).await;
    tenant.deploy(Version::Blue).await;
    let mut moments = Vec::new();
    for words in ["first moment", "second moment", "third moment"] {
        print(&tenant, &tenant.preview, "/print", words).await.expect("it prints");
        shows(&tenant, &tenant.preview, words).await;
        let lines = read(&tenant.client, "environment", &tenant.preview.id, &json!({ "contains": words })).await;
        moments.push(text(&lines[0]["at"]));
    }
    let [first, second, third] = &moments[..] else { panic!("three were printed: {moments:?}") };
    let up_to = async |words: &[&str]| said(platform, &tenant, words).await;
    assert_eq!(
        up_to(&["--until", third]).await,
        ["first moment", "second moment"],
        "what was printed then is not before"
    );
    assert_eq!(up_to(&["--until", second]).await, ["first moment"]);
    assert_eq!(up_to(&["--until", first]).await, [""; 0]);
    assert_eq!(up_to(&["--since", second, "--until", third]).await, ["second moment"]);
    assert_eq!(up_to(&["--until", third, "-n", "1"]).await, ["second moment"], "the newest of them");
    assert_eq!(up_to(&["--until", "1d"]).await, [""; 0], "so long ago nothing was there");
    assert_eq!(up_to(&[]).await.len(), 3);
    let both = platform.rhone(&["logs", "--environment", &tenant.preview.id, "--until", "1d", "-f"]).await;
    assert_eq!(both.status.code(), Some(2), "nobody follows the past: {}", program::text(&both.stderr));
}

/// The sin would be a filter that nobody asks: each question would then find what the other release printed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_are_found_by_the_release_and_the_allocation_that_printed_them() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open(platform, platform.developer()).await;
    let (blue, green) = (tenant.deploy(Version::Blue).await, tenant.deploy(Version::Green).await);
    let listens = |version: Version| format!("counter {} listens", version.name());
    for version in [Version::Blue, Version::Green] {
        shows(&tenant, &tenant.preview, &listens(version)).await;
    }
    let of_app = async |filter: Value| read(&tenant.client, "app", &tenant.app, &filter).await;
    for (release, own, other) in [(&blue, Version::Blue, Version::Green), (&green, Version::Green, Version::Blue)] {
        let of_release = read(&tenant.client, "deployment", &release.id, &json!({})).await;
        let allocation = of_release.first().expect("it printed something")["allocationId"].clone();
        for lines in [
            of_release,
            of_app(json!({ "deploymentId": release.id })).await,
            of_app(json!({ "deploymentId": release.id, "source": "RUNTIME" })).await,
            of_app(json!({ "allocationId": allocation })).await,
        ] {
            let printed = texts(&lines).join("\n");
            assert!(printed.contains(&listens(own)) && !printed.contains(&listens(other)), "{printed}");
            assert!(lines.iter().all(|line| line["deploymentId"] == json!(release.id)), "{lines:#?}");
        }
    }
    assert_eq!(of_app(json!({ "source": "BUILD" })).await, Vec::<Value>::new(), "nothing was built here");
}

const TICKS: usize = 80;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_is_followed_by_its_operation_while_it_runs() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open(platform, platform.developer()).await;
    let repository = Repository::of_python();
    let build = std::fs::read_to_string(repository.folder().join("build.py")).expect("the example's");
    let ticks = format!(
        "import time\nfor number in range({TICKS}):\n    print('tick', number, flush=True)\n    time.sleep(0.3)\n"
    );
    repository.write("build.py", &format!("{ticks}{build}"));
    repository.commit_version("followed");
    let input = json!({ "environmentId": tenant.preview.id, "repository": repository.address(), "reference": "main" });
    let made = tenant.client.done("deploymentBuild", "__typename", input).await;
    let operation = text(&made["operation"]["id"]);
    let followed = Followed::start(platform, "--operation", &operation);
    let early = async || (!told(&followed.1).is_empty()).then_some(());
    until("the build is heard", PATIENCE * 2, early).await;
    let standing = tenant.operation(&operation).await.expect("the API answers");
    assert_eq!(standing["stage"], "BUILDING", "it is heard while it runs: {standing:#}");
    let ended = tenant.ends(&operation).await;
    assert_eq!(ended["stage"], "PREVIEW_READY", "{ended:#}");
    let all = async || (told(&followed.1).len() >= TICKS).then_some(());
    until("everything was told", PATIENCE, all).await;
    let expected: Vec<String> = (0..TICKS).map(|number| format!("tick {number}")).collect();
    assert_eq!(told(&followed.1), expected, "each line once and in order");
    let kept = read(&tenant.client, "operation", &operation, &json!({ "contains": "tick" })).await;
    assert_eq!(texts(&kept), expected, "the same in pages");
}
