//! From a folder to registered bytes: packed into a file, uploaded under their digest, registered in a workspace. The trap
//! avoided: an artifact held in memory; it may have a gigabyte.

use super::{
    connection::Connection,
    failure::Failure,
    mutation::{ARTIFACT_REGISTER, Payload},
};
use reqwest::{Body, StatusCode};
use rhone_providers::{
    artifact_oci::{is_oci_layout, pack_oci_layout},
    artifact_pack::{Packed, pack_directory},
};
use serde_json::{Value, json};
use std::{
    fs::File,
    io::{self, Seek as _},
    path::Path,
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// What was pushed.
#[derive(Clone, Debug)]
pub struct Pushed {
    /// `sha256:...` of the packed bytes.
    pub digest: String,
    /// How many they are.
    pub size: u64,
    /// The registration's answer.
    pub payload: Payload,
}

/// Packs a directory or an OCI layout into `out`.
pub(crate) fn pack(folder: &Path, out: &mut impl io::Write) -> Result<Packed, Failure> {
    let doing = || format!("packing {}", folder.display());
    if is_oci_layout(folder) {
        pack_oci_layout(folder, out).map_err(|error| Failure::local(doing(), error))
    } else {
        pack_directory(folder, out).map_err(|error| Failure::local(doing(), error))
    }
}

/// Packs, uploads and registers.
pub async fn push(
    connection: &Connection,
    workspace: &str,
    folder: &Path,
    key: Option<&str>,
) -> Result<Pushed, Failure> {
    let from = folder.to_owned();
    let packing = tokio::task::spawn_blocking(move || -> Result<(File, Packed), Failure> {
        let mut file = tempfile::tempfile().map_err(|error| Failure::local("making a temporary file", error))?;
        let packed = pack(&from, &mut io::BufWriter::new(&mut file))?;
        Ok((file, packed))
    });
    let (mut file, packed) = packing.await.map_err(|error| Failure::local("packing", error))??;
    let digest = packed.digest.to_string();
    upload(connection, &digest, packed.size, &mut file).await?;
    let input = json!({ "workspaceId": workspace, "digest": digest, "idempotencyKey": key });
    let payload = connection.mutate(&ARTIFACT_REGISTER, input).await?;
    Ok(Pushed { digest, size: packed.size, payload })
}

/// Uploads; again after a lost connection, for the same bytes under the same digest change nothing.
async fn upload(connection: &Connection, digest: &str, size: u64, file: &mut File) -> Result<(), Failure> {
    let url = connection.at(&format!("/v1/artifacts/{digest}"));
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let local = |error: io::Error| Failure::local("reading what was packed", error);
        file.rewind().map_err(local)?;
        let body = Body::from(tokio::fs::File::from_std(file.try_clone().map_err(local)?));
        let request = connection.http().put(&url).bearer_auth(connection.token()).header("content-length", size);
        let failure = match request.body(body).send().await {
            Ok(response) if response.status().is_success() => return Ok(()),
            Ok(response) => {
                let status = response.status();
                let failure = refused(status, &response.json().await.unwrap_or(Value::Null));
                if !status.is_server_error() {
                    return Err(failure);
                }
                failure
            }
            Err(source) => Failure::Unreachable { url: url.clone(), source },
        };
        if Instant::now() >= until {
            return Err(failure);
        }
        sleep(Duration::from_millis(300)).await;
    }
}

pub(super) fn refused(status: StatusCode, answer: &Value) -> Failure {
    let message = answer["message"].as_str().map_or_else(|| format!("status {status}"), str::to_owned);
    match status {
        StatusCode::UNAUTHORIZED => Failure::Unauthenticated(message),
        _ => Failure::Fault { code: answer["code"].as_str().unwrap_or("HTTP").to_owned(), message },
    }
}
