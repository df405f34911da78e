//! The example's two versions as artifacts: packed here, uploaded and registered as any customer does. The trap avoided:
//! taking the platform's word for a digest; it is computed here from the files.

use crate::{graphql::Client, program};
use rhone_providers::artifact_pack::pack_directory;
use serde_json::json;

/// A version of the example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// The first.
    Blue,
    /// The second.
    Green,
}

impl Version {
    /// As the app calls itself.
    pub fn name(self) -> &'static str {
        match self {
            Self::Blue => "blue",
            Self::Green => "green",
        }
    }
}

/// Packs a version: its digest and its bytes.
pub fn pack(version: Version) -> (String, Vec<u8>) {
    let mut bytes = Vec::new();
    let packed = pack_directory(&program::example(version.name()), &mut bytes).expect("the example can be packed");
    (packed.digest.to_string(), bytes)
}

/// Packs a version, uploads it and registers it in a workspace: its digest.
pub async fn push(client: &Client, workspace: &str, version: Version) -> String {
    let packed = tokio::task::spawn_blocking(move || pack(version)).await;
    let (digest, bytes) = packed.expect("nothing panics there");
    client.upload(&digest, bytes).await;
    client.done("artifactRegister", "artifact { digest }", json!({ "workspaceId": workspace, "digest": digest })).await;
    digest
}
