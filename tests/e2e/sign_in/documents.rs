//! What pages may ask of an API that has a list of documents. The trap avoided: a list that is held in the library and never
//! reaches the binary.

use super::browser;
use reqwest::Method;
use rhone_tests::{
    browser::{Browser, SESSION},
    github::GitHub,
    graphql::Client,
    platform::Platform,
    program,
    second_api::SecondApi,
    wait::PATIENCE,
};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::{fs, process::Stdio};
use tokio::{process::Command, time::timeout};

const LISTED: &str = "query Who { viewer { actor } }\n";
const OTHER: &str = "{ viewer { tokenId actor } }";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_documents_are_listed_pages_ask_those_and_whoever_shows_a_token_asks_anything() {
    let platform = Platform::shared().await;
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("who.graphql"), LISTED).expect("the folder is ours");
    fs::write(folder.path().join("notes.txt"), OTHER).expect("the folder is ours");
    let second = SecondApi::with(platform, &[("RHONE_SERVE_DOCUMENTS", folder.path().display().to_string())]).await;
    let (there, page) = (browser(platform), Browser::new(&second.url));
    there.sign_in(&GitHub::shared().somebody(), "/").await;
    let actor = there.actor().await.expect("it is signed in");
    page.plant(SESSION, &there.cookie(SESSION).expect("it is signed in"));
    let ours = platform.report().urls.api;

    let listed = page.graphql_from(Some(&ours), LISTED, json!({})).await;
    assert_eq!(listed.json()["data"]["viewer"]["actor"], json!(actor), "{listed:?}");
    let digest = hex::encode(Sha256::digest(LISTED));
    let named = json!({ "extensions": { "persistedQuery": { "version": 1, "sha256Hash": digest } } });
    let named = page.send(page.request(Method::POST, "/graphql").header("origin", &ours).json(&named)).await;
    assert_eq!(named.json()["data"]["viewer"]["actor"], json!(actor), "{named:?}");
    let other = page.graphql_from(Some(&ours), OTHER, json!({})).await;
    assert_eq!((other.status.as_u16(), other.code().as_str()), (400, "PERSISTED_QUERY_NOT_FOUND"), "{other:?}");

    Client::new(&second.url, platform.developer().token()).data(OTHER, json!({})).await;
    let free = there.graphql(OTHER, json!({})).await;
    assert_eq!(free.json()["data"]["viewer"]["actor"], json!(actor), "its neighbour has no list: {free:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_without_a_document_is_a_mistake_and_the_api_does_not_start() {
    let platform = Platform::shared().await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut serve = Command::new(program::path("rhone"));
    serve.arg("--data").arg(platform.data()).arg("serve").env("RHONE_SERVE_LISTEN", "127.0.0.1:0");
    serve.env("RHONE_SERVE_DOCUMENTS", folder.path()).kill_on_drop(true);
    let output = serve.stdout(Stdio::null()).stderr(Stdio::piped()).output();
    let ended = timeout(PATIENCE, output).await.expect("it ends by itself").expect("rhone starts");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(!ended.status.success(), "it served");
    assert!(said.contains("holds no document"), "{said}");
}
