//! Variables by `rhone env`. The trap avoided: a secret among a command's arguments or in what it prints.

use super::LISTED;
use rhone_tests::{
    graphql::unique,
    platform::Platform,
    story::{Tenant, text},
};
use serde_json::json;
use std::fs;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_takes_a_secret_from_a_file_and_never_shows_it() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open(platform, platform.developer()).await;
    let id = tenant.production.id.as_str();
    let secret = unique("canary-of-the-command-line");
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), format!("{secret}\n")).expect("written");
    let path = file.path().to_str().expect("a path");
    let words = ["env", "set", id, "--secret", "TOKEN", "--file", path, "--json"];
    for words in
        [&words[..], &["env", "set", id, "GREETING=hello", "A=b=c"], &["env", "list", id], &["env", "unset", id, "A"]]
    {
        let output = platform.rhone(words).await;
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success() && !said.contains(&secret), "{words:?}: {said}");
    }
    let listed = tenant.client.data(LISTED, json!({ "id": id })).await["environment"]["variables"].clone();
    let keys: Vec<String> = listed.as_array().expect("a list").iter().map(|one| text(&one["key"])).collect();
    assert_eq!(keys, ["GREETING", "TOKEN"]);
    assert_eq!((&listed[0]["value"], &listed[1]["kind"]), (&json!("hello"), &json!("SECRET")));
}
