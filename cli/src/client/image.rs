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
use sha2::{Digest as _, Sha256};
use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
};

/// How many lines may wait to be printed.
const LINES: usize = 100;
/// So much of a file is copied at a time.
const PART: usize = 64 * 1024;

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
        copied(folder, layout).map_err(|error| Failure::local(doing(), error))?;
        let image = Image::open(layout).map_err(|error| Failure::local(doing(), error))?;
        return Ok(image.descriptor.digest);
    }
    let failed = |error: io::Error| Failure::local(doing(), error);
    let mut tar = tempfile::tempfile().map_err(failed)?;
    pack(folder, &mut tar)?;
    tar.rewind().map_err(failed)?;
    let facts = read_facts(&tar).map_err(|error| Failure::local(doing(), error))?;
    let written = write_layout(folder, facts.command, layout);
    Ok(written.map_err(|error| Failure::local(doing(), error))?.digest)
}

/// What an image is made of; what says how Rhone runs it stays behind. Others made the folder: a link in it would bring a file
/// of this machine into the image.
fn copied(folder: &Path, layout: &Path) -> io::Result<()> {
    let (from, to) = (folder.join("blobs/sha256"), layout.join("blobs/sha256"));
    fs::create_dir_all(&to)?;
    for name in ["oci-layout", "index.json"] {
        copied_file(&folder.join(name), &layout.join(name))?;
    }
    for blob in fs::read_dir(from)? {
        let (from, name) = {
            let blob = blob?;
            (blob.path(), blob.file_name())
        };
        let digest = copied_file(&from, &to.join(&name))?;
        if name.to_str() != Some(&digest.hex()) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{} is not what names it", from.display())));
        }
    }
    Ok(())
}

/// Copies a file that is no link and nothing else, and says what its bytes were.
fn copied_file(from: &Path, to: &Path) -> io::Result<Digest> {
    if !fs::symlink_metadata(from)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{} is no file", from.display())));
    }
    let (mut read, mut written) = (File::open(from)?, File::create(to)?);
    let (mut hasher, mut part) = (Sha256::new(), vec![0; PART]);
    loop {
        let bytes = read.read(&mut part)?;
        if bytes == 0 {
            return Ok(Digest(hasher.finalize().into()));
        }
        hasher.update(&part[..bytes]);
        written.write_all(&part[..bytes])?;
    }
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

#[cfg(test)]
mod tests {
    //! What of a folder that others made comes into an image.
    use super::*;
    use std::os::unix::fs::symlink;

    /// A layout with one blob, and beside it a file that is none of its.
    fn made(room: &Path) -> (PathBuf, PathBuf, Digest) {
        let (folder, secret) = (room.join("artifact"), room.join("secret"));
        fs::create_dir_all(folder.join("blobs/sha256")).expect("a folder");
        for name in ["oci-layout", "index.json"] {
            fs::write(folder.join(name), "{}").expect("written");
        }
        let digest = Digest::of(&[b"layer"]);
        fs::write(folder.join("blobs/sha256").join(digest.hex()), "layer").expect("written");
        fs::write(&secret, "CANARY").expect("written");
        (folder, secret, digest)
    }

    #[test]
    fn an_image_is_copied_by_its_digests() {
        let room = tempfile::tempdir().expect("a folder");
        let (folder, _, digest) = made(room.path());
        copied(&folder, &room.path().join("out")).expect("copied");
        let blob = room.path().join("out/blobs/sha256").join(digest.hex());
        assert_eq!(fs::read_to_string(blob).expect("a blob"), "layer");
    }

    #[test]
    fn no_link_of_an_artifact_brings_a_file_of_this_machine_into_an_image() {
        for name in ["oci-layout", "index.json", "blob"] {
            let room = tempfile::tempdir().expect("a folder");
            let (folder, secret, _) = made(room.path());
            // Also under the name that its bytes would have.
            let blob = format!("blobs/sha256/{}", Digest::of(&[b"CANARY"]).hex());
            let link = folder.join(if name == "blob" { &blob } else { name });
            let _ = fs::remove_file(&link);
            symlink(&secret, &link).expect("a link");
            let refused = copied(&folder, &room.path().join("out")).expect_err(name);
            assert!(refused.to_string().ends_with("is no file"), "{refused}");
        }
    }

    #[test]
    fn a_blob_that_is_not_what_names_it_is_refused() {
        let room = tempfile::tempdir().expect("a folder");
        let (folder, _, digest) = made(room.path());
        fs::write(folder.join("blobs/sha256").join(digest.hex()), "another").expect("written");
        let refused = copied(&folder, &room.path().join("out")).expect_err("another");
        assert!(refused.to_string().ends_with("is not what names it"), "{refused}");
    }
}
