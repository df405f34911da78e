//! The README's first app, by command line, as it is printed there, in one shell; and everything it made can be found again by
//! the lists. The trap avoided: instructions that were true once, and an id that only one answer ever showed.

use rhone_tests::{
    graphql::unique,
    platform::Platform,
    program::{self, text},
};
use std::{fs, process::Command};

/// What is asked after it, with the README's own variables.
const FOUND_AGAIN: &str = r#"
echo "-- lists"
rhone workspace list | grep "^$ws  "
rhone project list --workspace $ws | grep "^$prj  web  "
rhone app list --project $prj | grep "^$app  counter  "
rhone environment list --app $app | grep "^$env  production  PRODUCTION  $one$"
rhone deployment list --app $app | grep "^$one  " && rhone deployment list --app $app | grep "^$two  "
rhone deployment show $two | grep "^id: $two$"
rhone region list | grep "^reg_"
region=$(rhone region list | grep "  local  " | cut -d' ' -f1)
rhone cell list --region $region | grep "^cell_"
cell=$(rhone cell list --region $region | grep "  cell-1$" | cut -d' ' -f1)
rhone host list --cell $cell | grep "^host_"
token=$(rhone token create --name found --read-only | id token.tokenId)
rhone token list | grep "^$token  .*  found  "
rhone token list | wc -l
rhone token revoke $token
if rhone project list --workspace ws_00000000000000000000000000000000; then exit 1; fi
"#;

/// The first block of commands below a heading.
fn block(heading: &str) -> String {
    let readme = fs::read_to_string(program::root().join("README.md")).expect("there is a README");
    let (_, below) = readme.split_once(&format!("\n## {heading}\n")).expect("the README has the heading");
    below.split("```").nth(1).expect("commands stand below it").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_app_of_the_readme_is_promoted_rolled_back_explained_and_found_again() {
    let platform = Platform::shared().await;
    let examples = program::example("blue").parent().expect("it lies in a folder").display().to_string();
    let commands = block("A first app, by command line");
    let (paths, commands) = commands.trim().split_once('\n').expect("the first line says where things are");
    assert!(paths.starts_with("export PATH="), "{paths}");
    let commands = commands.replace(".rhone/examples", &examples).replace("acme", &unique("acme"));
    let programs = program::path("rhone").parent().expect("it lies in a folder").display().to_string();
    let script = format!("set -euo pipefail\nexport PATH={programs}:$PATH\n{commands}{FOUND_AGAIN}");
    let mut shell = Command::new("bash");
    shell.args(["-c", &script]).env("RHONE_DATA", platform.data()).env_remove("RHONE_TOKEN");
    let output =
        tokio::task::spawn_blocking(move || shell.output().expect("bash runs")).await.expect("nothing panics there");
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    let (story, lists) = out.split_once("-- lists").expect("it came so far");
    for told in ["rolled back", "promot", "gate"] {
        assert!(story.to_lowercase().contains(told), "{told}: {story}");
    }
    assert!(err.contains("NOT_FOUND") && lists.lines().count() > 10, "{lists}\n{err}");
}
