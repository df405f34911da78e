//! Packs an OCI image layout, after every descriptor in it was compared with the bytes it names. The trap avoided: a layout
//! copied half, or with a blob that is not what its name says, which only a host would notice.

use crate::artifact_pack::{PackError, Packed, pack_directory};
use rhone_domain::digest::Digest;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Why a layout was not packed.
#[derive(Debug, thiserror::Error)]
pub enum OciError {
    /// A file of the layout is missing or cannot be read.
    #[error("could not read {}", path.display())]
    Io {
        /// Which, relative to the layout.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A document of the layout does not have its form.
    #[error("{}: {problem}", path.display())]
    Document {
        /// Which, relative to the layout.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A blob is not what names it.
    #[error("{}: the descriptor says {expected}, the blob has {actual}", path.display())]
    Blob {
        /// Which, relative to the layout.
        path: PathBuf,
        /// Digest or size as named.
        expected: String,
        /// Digest or size as found.
        actual: String,
    },
    /// The folder could not be packed.
    #[error(transparent)]
    Pack(#[from] PackError),
}

/// Points to a blob.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    size: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Manifest {
    config: Descriptor,
    layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layout {
    image_layout_version: String,
}

/// Whether the folder says of itself that it is an OCI image layout.
pub fn is_oci_layout(folder: &Path) -> bool {
    folder.join("oci-layout").is_file()
}

/// Verifies the layout and packs it like any folder.
pub fn pack_oci_layout(folder: &Path, out: impl Write) -> Result<Packed, OciError> {
    verify(folder)?;
    Ok(pack_directory(folder, out)?)
}

/// Follows every descriptor from the index, each blob once, and compares digest and size.
fn verify(folder: &Path) -> Result<(), OciError> {
    let layout: Layout = document(folder, Path::new("oci-layout"))?;
    if !layout.image_layout_version.starts_with("1.") {
        return Err(problem("oci-layout", format!("version {} is not known", layout.image_layout_version)));
    }
    let index: Index = document(folder, Path::new("index.json"))?;
    if index.manifests.is_empty() {
        return Err(problem("index.json", "it names no image".to_owned()));
    }
    let mut open = index.manifests;
    let mut seen = BTreeSet::new();
    while let Some(descriptor) = open.pop() {
        let path = blob_path(&descriptor)?;
        compare(folder, &path, &descriptor)?;
        if seen.insert(path.clone()) {
            open.extend(named_by(folder, &path, &descriptor.media_type)?);
        }
    }
    Ok(())
}

/// The descriptors inside an index or a manifest; any other blob names nothing.
fn named_by(folder: &Path, path: &Path, media_type: &str) -> Result<Vec<Descriptor>, OciError> {
    match media_type {
        "application/vnd.oci.image.index.v1+json" | "application/vnd.docker.distribution.manifest.list.v2+json" => {
            document::<Index>(folder, path).map(|index| index.manifests)
        }
        "application/vnd.oci.image.manifest.v1+json" | "application/vnd.docker.distribution.manifest.v2+json" => {
            let manifest: Manifest = document(folder, path)?;
            Ok(manifest.layers.into_iter().chain([manifest.config]).collect())
        }
        _ => Ok(vec![]),
    }
}

/// The digest is parsed before it becomes a path, so that it can name nothing but a blob.
fn blob_path(descriptor: &Descriptor) -> Result<PathBuf, OciError> {
    let digest: Digest = descriptor
        .digest
        .parse()
        .map_err(|failure| problem("index.json", format!("{:?}: {failure}", descriptor.digest)))?;
    Ok(Path::new("blobs/sha256").join(digest.hex()))
}

fn compare(folder: &Path, path: &Path, descriptor: &Descriptor) -> Result<(), OciError> {
    let read = || -> io::Result<(u64, Sha256)> {
        let mut file = File::open(folder.join(path))?;
        let mut hasher = Sha256::new();
        Ok((io::copy(&mut file, &mut hasher)?, hasher))
    };
    let (size, hasher) = read().map_err(|source| OciError::Io { path: path.to_owned(), source })?;
    let actual = Digest(hasher.finalize().into()).to_string();
    let differs = |expected, actual| OciError::Blob { path: path.to_owned(), expected, actual };
    if actual != descriptor.digest {
        return Err(differs(descriptor.digest.clone(), actual));
    }
    if size != descriptor.size {
        return Err(differs(format!("{} bytes", descriptor.size), format!("{size} bytes")));
    }
    Ok(())
}

fn document<T: serde::de::DeserializeOwned>(folder: &Path, path: &Path) -> Result<T, OciError> {
    let text = fs::read(folder.join(path)).map_err(|source| OciError::Io { path: path.to_owned(), source })?;
    serde_json::from_slice(&text)
        .map_err(|failure| OciError::Document { path: path.to_owned(), problem: failure.to_string() })
}

fn problem(path: &str, problem: String) -> OciError {
    OciError::Document { path: path.into(), problem }
}

#[cfg(test)]
mod tests;
