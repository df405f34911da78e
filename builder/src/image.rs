//! Images: an artifact's folder written as one, one pushed to a registry and pulled from it by its digest, and a pulled one laid
//! out as an artifact. The traps avoided: a tag, which moves; a registry that leads inward; a blob that is not what names it.

mod client;
mod error;
mod registry;

pub use error::RegistryError;
pub use registry::{Pulled, pull, push};
pub use rhone_image::{
    ImageError,
    layout::{Descriptor, Image, RunConfig},
};

use crate::{
    build::{BuildError, Copy, Scratch, replace},
    source::{SOURCE_FILE, SourceFile},
};
use rhone_image::layout;
use rhone_providers::artifact_pack::{PackError, pack_directory};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufWriter},
    path::Path,
};

/// Where an artifact's files are in an image of it.
const APP: &str = "app";

/// Why an artifact's folder was not written as an image.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The folder cannot be packed.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// The folder cannot be copied.
    #[error(transparent)]
    Copy(#[from] BuildError),
    /// The layout cannot be written.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A file of the folder cannot be read.
    #[error("could not write the image")]
    Io(#[from] io::Error),
}

/// Writes an artifact's folder as an image layout: one layer, deterministic, with the files below `/app`. The host's programs
/// that the app is started with are not in it.
pub fn write_layout(artifact: &Path, command: Vec<String>, layout: &Path) -> Result<Descriptor, WriteError> {
    fs::create_dir_all(layout)?;
    let scratch = Scratch::beside(layout)?;
    Copy { most: u64::MAX, time: None }.copy(artifact, &scratch.path().join(APP))?;
    // Beside what is packed, not in it.
    let room = Scratch::beside(layout)?;
    let layer = room.path().join("layer.tar");
    pack_directory(scratch.path(), BufWriter::new(File::create(&layer)?))?;
    let config = RunConfig {
        env: Some(vec!["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()]),
        cmd: Some(command),
        working_dir: Some(format!("/{APP}")),
        ..RunConfig::default()
    };
    Ok(layout::write(layout, &layer, config, annotations(artifact))?)
}

/// The label by which an image says where its app answers for its health.
pub const HEALTH_LABEL: &str = "rhone.health";

/// Makes a pulled layout an artifact's folder: adds the `rhone.toml` by which it is run. The health path is the caller's, or
/// the image's own label, or `/`. Pack it with `providers::artifact_oci`.
pub fn make_artifact(layout: &Path, image: &Image, health: Option<&str>) -> Result<(), WriteError> {
    let declared = health.map(|health| ("health".to_owned(), toml::Value::String(health.to_owned())));
    complete(layout, image, declared.into_iter().collect())
}

/// Adds the `rhone.toml` that says what is declared, and of how the image is run what it does not.
pub(crate) fn complete(layout: &Path, image: &Image, mut declared: toml::Table) -> Result<(), WriteError> {
    let config = &image.config.config;
    if !declared.contains_key("process") {
        let command = command(config)?.into_iter().map(toml::Value::String).collect();
        declared.insert("process".to_owned(), toml::Value::Array(command));
    }
    let label = config.labels.as_ref().and_then(|labels| labels.get(HEALTH_LABEL));
    let health = label.map_or("/", String::as_str).to_owned();
    declared.entry("health").or_insert(toml::Value::String(health));
    // In place of whatever has that name.
    Ok(replace(&layout.join("rhone.toml"), declared.to_string().as_bytes())?)
}

/// The command of an image as a runner takes it.
fn command(config: &RunConfig) -> Result<Vec<String>, ImageError> {
    let mut command = config.command();
    let program = command.first_mut().filter(|program| !program.trim_start_matches('/').is_empty());
    let program = program.ok_or_else(|| ImageError::document("config", "it has neither Entrypoint nor Cmd"))?;
    // A runner starts nothing by an absolute path; the image's root is what this is relative to.
    *program = program.trim_start_matches('/').to_owned();
    if !program.contains('/') && config.command()[0].starts_with('/') {
        program.insert_str(0, "./");
    }
    Ok(command)
}

fn annotations(artifact: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(artifact.join(SOURCE_FILE)).unwrap_or_default();
    let Ok(source) = serde_json::from_str::<SourceFile>(&text) else { return BTreeMap::new() };
    BTreeMap::from([
        ("org.opencontainers.image.revision".to_owned(), source.commit),
        ("org.opencontainers.image.source".to_owned(), source.repository),
    ])
}
