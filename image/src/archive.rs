//! A layout as a container engine loads it: the same files in one tar, and beside them `manifest.json`, by which an engine that
//! reads no layouts finds them. The trap avoided: another copy of an image, which could differ from the one that was verified.

use crate::{
    ImageError,
    layout::{Image, blob},
    unpack::{Packed, plain},
};
use rhone_domain::digest::Digest;
use serde::Serialize;
use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read, Write},
    path::Path,
};
use tar::{Builder, Header};

/// One image of the archive, in the words of `docker save`. It has no name: whoever cleans up may take it once nothing runs it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// Writes the archive of a layout's image, which was weighed before.
pub fn write(layout: &Path, image: &Image, to: impl Write) -> Result<(), ImageError> {
    let mut archive = Builder::new(to);
    let layers = image.manifest.layers.iter().map(|layer| layer.digest);
    let blobs: BTreeSet<Digest> =
        [image.descriptor.digest, image.manifest.config.digest].into_iter().chain(layers).collect();
    for digest in blobs {
        let file = File::open(blob(layout, digest))?;
        let length = file.metadata()?.len();
        add(&mut archive, &name(digest), length, file)?;
    }
    for document in ["index.json", "oci-layout"] {
        let file = File::open(layout.join(document))?;
        let length = file.metadata()?.len();
        add(&mut archive, document, length, file)?;
    }
    // Engines of 2020 load no zstd: beside such a layer lies what it is when it is unpacked.
    let mut layers = Vec::new();
    for (layer, diff) in image.manifest.layers.iter().zip(&image.config.rootfs.diff_ids) {
        if Packed::of(layer)? != Packed::Zstd {
            layers.push(name(layer.digest));
            continue;
        }
        let plain_name = format!("{}.tar", diff.hex());
        let length = io::copy(&mut plain(layout, layer)?, &mut io::sink())?;
        add(&mut archive, &plain_name, length, plain(layout, layer)?)?;
        layers.push(plain_name);
    }
    let saved = Saved { config: name(image.manifest.config.digest), repo_tags: None, layers };
    let saved = serde_json::to_vec(&[saved]).map_err(|failure| ImageError::document("manifest.json", failure))?;
    add(&mut archive, "manifest.json", saved.len() as u64, &saved[..])?;
    Ok(archive.into_inner()?.flush()?)
}

fn name(digest: Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

fn add(archive: &mut Builder<impl Write>, name: &str, length: u64, content: impl Read) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_mode(0o644);
    header.set_size(length);
    archive.append_data(&mut header, name, content.take(length))
}
