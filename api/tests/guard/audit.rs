//! The GraphQL-over-HTTP audit of the npm package `graphql-http`, run by node against the guard. Ignored by default: it needs
//! node, and `npm ci` in `tests/graphql-http-audit`. Run with `cargo test -p rhone-api --test guard -- --ignored audit`.

use std::path::Path;

use rhone_api::Exposure;
use tokio::process::Command;

use crate::server::{TOKEN, start_with};

#[tokio::test]
#[ignore = "needs node and npm"]
async fn the_audit_passes_whole() {
    let server = start_with(Exposure::Development, |_| {}).await;
    let script = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/graphql-http-audit"));
    let url = format!("http://{}/graphql", server.address);
    let output = Command::new("node").arg(script.join("audit.mjs")).args([&url, TOKEN]).output().await.unwrap();
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}{complained}");
    assert!(said.contains("61 of 61"), "{said}");
}
