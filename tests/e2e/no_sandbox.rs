//! A deploy on a machine where nobody may make namespaces, as many are: from a commit to traffic all the same, and the build's log
//! says what was open. The trap avoided: a way that is only ever taken on somebody else's machine.

use rhone_tests::{
    edge,
    graphql::unique,
    platform::Platform,
    program,
    repository::Repository,
    story::{Deployed, Tenant, text},
    wait::{PATIENCE, until},
};
use serde_json::json;
use std::{env, fs, os::unix::fs::PermissionsExt as _, path::Path};

/// What bubblewrap says there, and how it ends.
const BWRAP: &str = "#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n";

/// A folder that a build's own user may pass through.
fn open_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir_in("/var/tmp").expect("a folder");
    open(folder.path(), 0o711);
    folder
}

fn open(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_no_sandbox_can_be_made_a_commit_comes_to_traffic_and_its_log_says_what_was_open() {
    let (programs, scratch) = (open_folder(), open_folder());
    fs::write(programs.path().join("bwrap"), BWRAP).expect("a file");
    open(&programs.path().join("bwrap"), 0o755);
    let path = format!("{}:{}", programs.path().display(), env::var("PATH").expect("there is one"));
    let told = [("PATH", path), ("RHONE_BUILD_SCRATCH", scratch.path().display().to_string())];
    let platform = Platform::start_told(told.map(|(name, value)| (name.to_owned(), value)).to_vec()).await;
    let tenant = Tenant::open(&platform, platform.developer()).await;
    let repository = Repository::of_python();
    repository.commit_version("in the open");
    let input = json!({ "environmentId": tenant.preview.id, "repository": repository.address(), "reference": "main",
        "idempotencyKey": unique("build") });
    let id = text(&tenant.client.done("deploymentBuild", "__typename", input).await["operation"]["id"]);
    let query = "query($id: ID!) { operation(id: $id) { stage ended failure { code message }
        deploy { deploymentId built { digest sandbox } promotion { id } } } }";
    let look = async || {
        let found = tenant.client.data(query, json!({ "id": id })).await["operation"].clone();
        (found["ended"] == true).then_some(found)
    };
    let ended = until("the deploy has ended", PATIENCE * 3, look).await;
    assert_eq!((&ended["stage"], &ended["deploy"]["built"]["sandbox"]), (&json!("PREVIEW_READY"), &json!("process")));
    let release = Deployed {
        id: text(&ended["deploy"]["deploymentId"]),
        digest: text(&ended["deploy"]["built"]["digest"]),
        operation: text(&ended["deploy"]["promotion"]["id"]),
    };
    tenant.succeeds(&release.operation).await;
    tenant.succeeds(&tenant.promote(&release).await).await;
    for host in [&tenant.preview.host, &tenant.production.host] {
        let shown = async || {
            let reply = edge::get(&tenant.edge, host, "/count").await.filter(|reply| reply.status == 200)?;
            (reply.json()["version"] == "in the open").then_some(())
        };
        until(&format!("{host} shows it"), PATIENCE, shown).await;
    }
    let printed = platform.rhone(&["logs", "--operation", &id]).await;
    let log = program::text(&printed.stdout);
    let why = "WARNING: this build runs without a sandbox: bubblewrap cannot make one here (bwrap: No permissions";
    for said in [why, "Not protected from it: "] {
        assert!(log.contains(said), "{said}: {log}");
    }
}
