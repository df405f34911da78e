//! What lists of the command line print for scripts: one array each, of every list there is. The trap avoided: a list that is
//! written another way than the others; which there are, the manual's pages say.

use rhone_tests::{artifacts::Version, graphql::unique, platform::Platform, program, story::Tenant};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs};

/// What `rhone WORDS --json` printed.
async fn printed(platform: &Platform, words: &[&str]) -> String {
    let output = platform.rhone(&[words, &["--json"]].concat()).await;
    assert!(output.status.success(), "{words:?}: {}", program::text(&output.stderr));
    program::text(&output.stdout)
}

/// What is an array of things, and nothing else. An object, or an object a line, is none.
fn listed(text: &str) -> Option<Vec<Value>> {
    let Value::Array(things) = serde_json::from_str(text).ok()? else { return None };
    things.iter().all(Value::is_object).then_some(things)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_list_is_one_array_for_a_script() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open(platform, platform.developer()).await;
    tenant.deploy(Version::Blue).await;
    let input = json!({ "appId": tenant.app, "host": "git.test", "username": "alice", "secret": unique("canary") });
    tenant.client.done("appSourceCredentialSet", "app { id }", input).await;
    let variables = json!([{ "key": "GREETING", "value": "hello", "kind": "PLAIN" }]);
    let input = json!({ "environmentId": tenant.production.id, "variables": variables });
    tenant.client.done("environmentVariablesSet", "environment { id }", input).await;
    let ids = platform.report().ids;
    let (region, cell) = (format!("reg_{}", ids.region.simple()), format!("cell_{}", ids.cell.simple()));
    let (app, workspace) = (tenant.app.as_str(), tenant.workspace.as_str());
    let lists: [(&str, &[&str]); 13] = [
        ("region", &[]),
        ("cell", &["--region", region.as_str()]),
        ("host", &["--cell", cell.as_str()]),
        ("workspace", &[]),
        ("project", &["--workspace", workspace]),
        ("app", &["--project", tenant.project.as_str()]),
        ("environment", &["--app", app]),
        ("deployment", &["--app", app]),
        ("operation", &["--app", app]),
        ("member", &["--workspace", workspace]),
        ("token", &[]),
        ("env", &[tenant.production.id.as_str()]),
        ("credential", &["--app", app]),
    ];
    let tried: BTreeSet<String> = lists.iter().map(|(noun, _)| (*noun).to_owned()).collect();
    assert_eq!(tried, nouns_with_lists(platform).await, "every list is tried");
    let more = [vec!["app", "timeline", app], vec!["timeline", "--app", app]];
    let lists = lists.into_iter().map(|(noun, of)| [&[noun, "list"][..], of].concat()).chain(more);
    for words in lists {
        let text = printed(platform, &words).await;
        let things = listed(&text).unwrap_or_else(|| panic!("{words:?} is no array: {text}"));
        assert!(!things.is_empty(), "{words:?} has something");
    }
    let none = printed(platform, &["operation", "list", "--app", app, "--open"]).await;
    assert_eq!(listed(&none), Some(Vec::new()), "and nothing is an array, too: {none}");
    // The sins: as lists were written before.
    for other in ["{\"id\":1}\n{\"id\":2}\n", "{\"id\":1}", "{\"variables\":[]}", ""] {
        assert_eq!(listed(other), None, "{other}");
    }
}

/// By the manual, which is made of the command line itself.
async fn nouns_with_lists(platform: &Platform) -> BTreeSet<String> {
    let folder = tempfile::tempdir().expect("a folder");
    printed(platform, &["man", folder.path().to_str().expect("text")]).await;
    let pages = fs::read_dir(folder.path()).expect("they were written");
    let names = pages.map(|page| page.expect("it is there").file_name().into_string().expect("text"));
    names.filter_map(|name| Some(name.strip_prefix("rhone-")?.strip_suffix("-list.1")?.to_owned())).collect()
}
