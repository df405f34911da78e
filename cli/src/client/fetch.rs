//! An artifact's bytes back from the API, into a folder. The traps avoided: bytes that are not what their name says; an artifact
//! held in memory, which may have a gigabyte.

use super::{connection::Connection, failure::Failure, push::refused};
use rhone_domain::digest::Digest;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::{
    fs::File,
    io::{self, Seek as _, Write as _},
    path::Path,
};

/// Fetches what has this digest and lays it out in the folder, which is made.
pub(super) async fn fetch(connection: &Connection, digest: Digest, folder: &Path) -> Result<(), Failure> {
    let local = |error: io::Error| Failure::local("keeping what was fetched", error);
    let mut tar = tempfile::tempfile().map_err(local)?;
    let found = bytes(connection, digest, &mut tar).await?;
    if found != digest {
        return Err(Failure::Unexpected(format!("the bytes of {digest} are those of {found}")));
    }
    tar.rewind().map_err(local)?;
    let to = folder.to_owned();
    let unpacked = tokio::task::spawn_blocking(move || tar::Archive::new(io::BufReader::new(tar)).unpack(to)).await;
    let unpacked = unpacked.map_err(|error| Failure::local("unpacking what was fetched", error))?;
    unpacked.map_err(|error| Failure::local("unpacking what was fetched", error))
}

/// Writes the bytes as they come, and says whose they are.
async fn bytes(connection: &Connection, digest: Digest, to: &mut File) -> Result<Digest, Failure> {
    let url = connection.at(&format!("/v1/artifacts/{digest}"));
    let unreachable = |source| Failure::Unreachable { url: url.clone(), source };
    let request = connection.http().get(&url).bearer_auth(connection.token());
    let mut response = request.send().await.map_err(unreachable)?;
    let status = response.status();
    if !status.is_success() {
        return Err(refused(status, &response.json().await.unwrap_or(Value::Null)));
    }
    let mut sum = Sha256::new();
    while let Some(part) = response.chunk().await.map_err(unreachable)? {
        sum.update(&part);
        to.write_all(&part).map_err(|error| Failure::local("keeping what was fetched", error))?;
    }
    Ok(Digest(sum.finalize().into()))
}
