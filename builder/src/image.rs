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
    build::{BuildError, Copy, Scratch},
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

fn annotations(artifact: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(artifact.join(SOURCE_FILE)).unwrap_or_default();
    let Ok(source) = serde_json::from_str::<SourceFile>(&text) else { return BTreeMap::new() };
    BTreeMap::from([
        ("org.opencontainers.image.revision".to_owned(), source.commit),
        ("org.opencontainers.image.source".to_owned(), source.repository),
    ])
}
