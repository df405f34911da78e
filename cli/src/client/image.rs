//! An artifact as an OCI image, for machines that run images and know nothing of Rhone: of a folder, or of what was deployed,
//! written as a layout, and pushed to a registry by its digest. The trap avoided: a password among the words of a command; it comes from a file.

use super::{connection::Connection, documents, failure::Failure, fetch::fetch, push::pack, show};
use crate::{data::Data, output};
use rhone_builder::{
    image::{Image, push, write_layout},
    log::Log,
};
use rhone_domain::{
    digest::Digest,
    hidden::Hidden,
    logs::Mask,
    source_address::{Allowed, SourcePolicy},
    source_credential::{self, SignIn, SourceHost},
    text::{ImageName, Username},
};
use rhone_providers::{artifact_facts::read_facts, artifact_oci::is_oci_layout};
use serde_json::json;
use std::{
    fs,
    io::Seek as _,
    path::{Path, PathBuf},
};

/// How many lines may wait to be printed.
const LINES: usize = 100;

/// Of what.
#[derive(Debug)]
pub(super) enum Of {
    Folder(PathBuf),
    Deployment(String),
}

/// What is to be written, and where to.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) of: Of,
    pub(super) out: PathBuf,
    pub(super) push: Option<String>,
    pub(super) username: Option<String>,
    pub(super) password: Option<PathBuf>,
}

/// `rhone artifact image`.
pub(super) async fn write(data: &Data, asked: Write, json: bool) -> Result<(), Failure> {
    let Write { of, out, push, .. } = &asked;
    let sign_in = push.as_deref().map_or(Ok(None), |name| asked.sign_in(name))?;
    let room = tempfile::tempdir().map_err(|error| Failure::local("making a temporary folder", error))?;
    let (from, layout) = (folder(data, of, room.path()).await?, out.clone());
    let written = tokio::task::spawn_blocking(move || laid_out(&from, &layout)).await;
    let digest = written.map_err(|error| Failure::local("writing an image", error))??;
    if let Some(name) = push {
        pushed(out, name, sign_in.as_ref()).await?;
    }
    show::data(&json!({ "digest": digest.to_string(), "layout": out, "pushed": push }), json);
    Ok(())
}

/// Where the artifact's files are: its own folder, or one in the room with what was deployed.
async fn folder(data: &Data, of: &Of, room: &Path) -> Result<PathBuf, Failure> {
    let deployment = match of {
        Of::Folder(folder) => return Ok(folder.clone()),
        Of::Deployment(id) => id,
    };
    let connection = Connection::configured(data)?;
    let found = connection.query(&documents::deployment(), json!({ "id": deployment })).await?;
    let digest = found["deployment"]["artifactDigest"].as_str().and_then(|digest| digest.parse().ok());
    let digest = digest.ok_or_else(|| Failure::Fault {
        code: "NOT_FOUND".to_owned(),
        message: "there is no such deployment".to_owned(),
    })?;
    let folder = room.join("artifact");
    fetch(&connection, digest, &folder).await?;
    Ok(folder)
}

/// The layout, started as the folder's own `rhone.toml` says; of an artifact that is an image already, that one.
fn laid_out(folder: &Path, layout: &Path) -> Result<Digest, Failure> {
    let doing = || format!("writing {} as an image", folder.display());
    if is_oci_layout(folder) {
        let image = Image::open(folder).map_err(|error| Failure::local(doing(), error))?;
        copied(folder, layout).map_err(|error| Failure::local(doing(), error))?;
        return Ok(image.descriptor.digest);
    }
    let failed = |error: std::io::Error| Failure::local(doing(), error);
    let mut tar = tempfile::tempfile().map_err(failed)?;
    pack(folder, &mut tar)?;
    tar.rewind().map_err(failed)?;
    let facts = read_facts(&tar).map_err(|error| Failure::local(doing(), error))?;
    let written = write_layout(folder, facts.command, layout);
    Ok(written.map_err(|error| Failure::local(doing(), error))?.digest)
}

/// What an image is made of; what says how Rhone runs it stays behind.
fn copied(folder: &Path, layout: &Path) -> std::io::Result<()> {
    fs::create_dir_all(layout.join("blobs/sha256"))?;
    for name in ["oci-layout", "index.json"] {
        fs::copy(folder.join(name), layout.join(name))?;
    }
    for blob in fs::read_dir(folder.join("blobs/sha256"))? {
        let blob = blob?;
        fs::copy(blob.path(), layout.join("blobs/sha256").join(blob.file_name()))?;
    }
    Ok(())
}

async fn pushed(layout: &Path, name: &str, sign_in: Option<&SignIn>) -> Result<(), Failure> {
    let secrets = sign_in.map(SignIn::forms).unwrap_or_default();
    let (log, mut lines) = Log::channel(LINES, Mask::of(&secrets));
    let told = tokio::spawn(async move {
        while let Some(line) = lines.recv().await {
            output::aside(line.text);
        }
    });
    // Whoever types the name may reach what they name; only a folder is no registry.
    let policy = SourcePolicy { local: Allowed::No, private: Allowed::Yes };
    let outcome = push(layout, name, sign_in, &policy, &log).await;
    drop(log);
    told.await.map_err(|error| Failure::local("printing what is pushed", error))?;
    outcome.map(drop).map_err(|error| Failure::local(format!("pushing {name}"), error))
}

impl Write {
    /// As whom, if the registry asks.
    fn sign_in(&self, name: &str) -> Result<Option<SignIn>, Failure> {
        let bad = |error| Failure::local("reading the words", error);
        let image = ImageName::parse("push", name).map_err(bad)?;
        let (Some(username), Some(file)) = (&self.username, &self.password) else { return Ok(None) };
        let host = SourceHost::of_image(&image)
            .ok_or_else(|| Failure::local("reading the words", "push: names no registry"))?;
        let text = fs::read_to_string(file);
        let text = text.map_err(|error| Failure::local(format!("reading {}", file.display()), error))?;
        let secret = Hidden::new(text.strip_suffix('\n').unwrap_or(&text).to_owned());
        let secret = source_credential::secret("password-file", secret).map_err(bad)?;
        Ok(Some(SignIn { host, username: Username::parse("username", username).map_err(bad)?, secret }))
    }
}
