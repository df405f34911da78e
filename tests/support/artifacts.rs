//! The example's two versions as artifacts: packed here, uploaded and registered as any customer does. The trap avoided:
//! taking the platform's word for a digest; it is computed here from the files.

use crate::{
    graphql::{Client, unique},
    program,
};
use rhone_builder::image::make_artifact;
use rhone_image::layout::Image;
use rhone_providers::artifact_pack::pack_directory;
use serde_json::json;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

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
    pack_folder(&program::example(version.name()))
}

/// Packs a folder: its digest and its bytes.
fn pack_folder(folder: &Path) -> (String, Vec<u8>) {
    let mut bytes = Vec::new();
    let packed = pack_directory(folder, &mut bytes).expect("the example can be packed");
    (packed.digest.to_string(), bytes)
}

/// Packs a version with one file more, so that no host has these bytes yet.
fn pack_as_never_before(version: Version) -> (String, Vec<u8>) {
    let folder = tempfile::tempdir().expect("a folder");
    let from = program::example(version.name());
    let copied = Command::new("cp").arg("-a").arg(from.join(".")).arg(folder.path()).status().expect("cp runs");
    assert!(copied.success());
    fs::write(folder.path().join("note.txt"), unique("note")).expect("the folder is ours");
    pack_folder(folder.path())
}

/// Packs a version with this at the end of its `rhone.toml`, and these files besides.
fn pack_with(version: Version, toml: &str, files: &[(&str, &str)]) -> (String, Vec<u8>) {
    let folder = tempfile::tempdir().expect("a folder");
    let from = program::example(version.name());
    let copied = Command::new("cp").arg("-a").arg(from.join(".")).arg(folder.path()).status().expect("cp runs");
    assert!(copied.success());
    let rhone = folder.path().join("rhone.toml");
    let text = fs::read_to_string(&rhone).expect("the example has a rhone.toml");
    fs::write(&rhone, format!("{text}\n{toml}")).expect("the folder is ours");
    for (path, content) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a file in a folder")).expect("the folder is ours");
        fs::write(path, content).expect("the folder is ours");
    }
    pack_folder(folder.path())
}

/// Uploads and registers a version with this in its `rhone.toml`, and these files: its digest.
pub async fn push_with(
    client: &Client,
    workspace: &str,
    version: Version,
    toml: String,
    files: &'static [(&'static str, &'static str)],
) -> String {
    pushed(client, workspace, move || pack_with(version, &toml, files)).await
}

/// Uploads and registers an image, which lies in this layout: its digest.
pub async fn push_image(client: &Client, workspace: &str, layout: PathBuf) -> String {
    let pack = move || {
        let image = Image::open(&layout).expect("it was just made");
        make_artifact(&layout, &image, None).expect("the folder is ours");
        pack_folder(&layout)
    };
    pushed(client, workspace, pack).await
}

/// Uploads and registers a folder: its digest.
pub async fn push_folder(client: &Client, workspace: &str, folder: PathBuf) -> String {
    pushed(client, workspace, move || pack_folder(&folder)).await
}

/// Packs a version, uploads it and registers it in a workspace: its digest.
pub async fn push(client: &Client, workspace: &str, version: Version) -> String {
    pushed(client, workspace, move || pack(version)).await
}

/// The same, of bytes that no host has yet.
pub async fn push_as_never_before(client: &Client, workspace: &str, version: Version) -> String {
    pushed(client, workspace, move || pack_as_never_before(version)).await
}

async fn pushed(client: &Client, workspace: &str, pack: impl FnOnce() -> (String, Vec<u8>) + Send + 'static) -> String {
    let (digest, bytes) = tokio::task::spawn_blocking(pack).await.expect("nothing panics there");
    client.upload(&digest, bytes).await;
    client.done("artifactRegister", "artifact { digest }", json!({ "workspaceId": workspace, "digest": digest })).await;
    digest
}
