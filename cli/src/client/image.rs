//! An artifact's folder as an OCI image, for machines that run images and know nothing of Rhone: written as a layout, and pushed
//! to a registry by its digest. The trap avoided: a password among the words of a command; it comes from a file.

use super::{failure::Failure, push::pack, show};
use crate::output;
use rhone_builder::{
    image::{push, write_layout},
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
use rhone_providers::artifact_facts::read_facts;
use serde_json::json;
use std::{
    fs,
    io::Seek as _,
    path::{Path, PathBuf},
};

/// How many lines may wait to be printed.
const LINES: usize = 100;

/// What is to be written, and where to.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) folder: PathBuf,
    pub(super) out: PathBuf,
    pub(super) push: Option<String>,
    pub(super) username: Option<String>,
    pub(super) password: Option<PathBuf>,
}

/// `rhone artifact image`.
pub(super) async fn write(asked: Write, json: bool) -> Result<(), Failure> {
    let Write { folder, out, push, .. } = &asked;
    let sign_in = push.as_deref().map_or(Ok(None), |name| asked.sign_in(name))?;
    let (from, layout) = (folder.clone(), out.clone());
    let written = tokio::task::spawn_blocking(move || laid_out(&from, &layout)).await;
    let digest = written.map_err(|error| Failure::local("writing an image", error))??;
    if let Some(name) = push {
        pushed(out, name, sign_in.as_ref()).await?;
    }
    show::data(&json!({ "digest": digest.to_string(), "layout": out, "pushed": push }), json);
    Ok(())
}

/// The layout, started as the folder's own `rhone.toml` says.
fn laid_out(folder: &Path, layout: &Path) -> Result<Digest, Failure> {
    let doing = || format!("writing {} as an image", folder.display());
    let failed = |error: std::io::Error| Failure::local(doing(), error);
    let mut tar = tempfile::tempfile().map_err(failed)?;
    pack(folder, &mut tar)?;
    tar.rewind().map_err(failed)?;
    let facts = read_facts(&tar).map_err(|error| Failure::local(doing(), error))?;
    let written = write_layout(folder, facts.command, layout);
    Ok(written.map_err(|error| Failure::local(doing(), error))?.digest)
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
