//! An image layout: `oci-layout`, `index.json` and blobs under the names of their digests. Written so that the same contents
//! give the same bytes; read so that nothing is believed that its digest does not say.

use crate::ImageError;
use rhone_domain::digest::Digest;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

/// The media types that are written, and those that are read beside them.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// A list of images for several platforms.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Docker's own words for the two.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker's own words for the two.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// No manifest or configuration is longer.
pub const DOCUMENT_LIMIT: u64 = 4 * 1024 * 1024;

/// Points to a blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the blob is.
    #[serde(default)]
    pub media_type: String,
    /// Of its bytes.
    pub digest: Digest,
    /// Of them, how many.
    pub size: u64,
    /// For which machine, in a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

/// A kind of machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// Such as `amd64`.
    pub architecture: String,
    /// Such as `linux`.
    pub os: String,
}

/// A list of images, or the layout's own index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// 2.
    pub schema_version: u32,
    /// What this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// One for each platform.
    pub manifests: Vec<Descriptor>,
}

/// One image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// 2.
    pub schema_version: u32,
    /// What this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// How it is run.
    pub config: Descriptor,
    /// What it is made of, lowest first.
    pub layers: Vec<Descriptor>,
    /// What is said of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// The configuration of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// Such as `amd64`.
    pub architecture: String,
    /// Such as `linux`.
    pub os: String,
    /// How it is run.
    #[serde(default)]
    pub config: RunConfig,
    /// The digests of its layers, uncompressed.
    pub rootfs: RootFs,
}

/// How an image is run. An absent list may be written as `null`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RunConfig {
    /// `NAME=value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<Vec<String>>,
    /// What is run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// Its arguments, or what is run where there is no entrypoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    /// As whom; see [`crate::user`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// What is said of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
}

impl RunConfig {
    /// The program and its arguments.
    pub fn command(&self) -> Vec<String> {
        self.entrypoint.iter().chain(&self.cmd).flatten().cloned().collect()
    }

    /// As whom it is run, if it says so.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref().filter(|user| !user.is_empty())
    }

    /// Where it is run; the root unless the image says otherwise.
    pub fn folder(&self) -> &str {
        self.working_dir.as_deref().filter(|folder| folder.starts_with('/')).unwrap_or("/")
    }
}

/// The layers by their own digests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    /// `layers`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Lowest first.
    pub diff_ids: Vec<Digest>,
}

/// This machine's architecture in the words of images.
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Whether a folder is one.
pub fn is_layout(folder: &Path) -> bool {
    folder.join("oci-layout").is_file()
}

/// Where the blob of that digest lies.
pub fn blob(layout: &Path, digest: Digest) -> PathBuf {
    layout.join("blobs/sha256").join(digest.hex())
}

/// Reads a document, and holds it against what names it.
pub fn document<T: DeserializeOwned>(bytes: &[u8], expected: &Descriptor) -> Result<T, ImageError> {
    let named = |problem: &str| ImageError::Blob { digest: expected.digest.to_string(), problem: problem.to_owned() };
    if Digest::of(&[bytes]) != expected.digest {
        return Err(named("its bytes have another digest"));
    }
    if bytes.len() as u64 != expected.size {
        return Err(named("it has another size"));
    }
    serde_json::from_slice(bytes).map_err(|failure| ImageError::document(&expected.digest.to_string(), failure))
}

/// An image in a layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Of its manifest.
    pub descriptor: Descriptor,
    /// What it is made of.
    pub manifest: Manifest,
    /// How it is run.
    pub config: Config,
}

impl Image {
    /// Reads the one image that a layout holds.
    pub fn open(layout: &Path) -> Result<Self, ImageError> {
        let index: Index = serde_json::from_slice(&limited(&layout.join("index.json"))?)
            .map_err(|failure| ImageError::document("index.json", failure))?;
        let [descriptor] = &index.manifests[..] else {
            return Err(ImageError::document("index.json", "it must name exactly one image"));
        };
        let manifest: Manifest = document(&limited(&blob(layout, descriptor.digest))?, descriptor)?;
        let config: Config = document(&limited(&blob(layout, manifest.config.digest))?, &manifest.config)?;
        Self { descriptor: descriptor.clone(), manifest, config }.checked()
    }

    /// Whether the parts fit together, and this machine.
    pub fn checked(self) -> Result<Self, ImageError> {
        if self.config.os != "linux" || self.config.architecture != architecture() {
            return Err(ImageError::NoPlatform { architecture: architecture() });
        }
        if self.config.rootfs.diff_ids.len() != self.manifest.layers.len() {
            let problem = "its configuration names another number of layers than its manifest";
            return Err(ImageError::document("manifest", problem));
        }
        Ok(self)
    }
}

fn limited(path: &Path) -> Result<Vec<u8>, ImageError> {
    let mut bytes = Vec::new();
    File::open(path)?.take(DOCUMENT_LIMIT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > DOCUMENT_LIMIT {
        return Err(ImageError::TooLarge { what: "bytes in a document", limit: DOCUMENT_LIMIT });
    }
    Ok(bytes)
}

/// Makes a layout of one image with one layer, a plain tar, which is moved into it. Gives the manifest's descriptor.
pub fn write(
    layout: &Path,
    layer: &Path,
    config: RunConfig,
    annotations: BTreeMap<String, String>,
) -> Result<Descriptor, ImageError> {
    fs::create_dir_all(layout.join("blobs/sha256"))?;
    let layer = keep_layer(layout, layer)?;
    let config = Config {
        architecture: architecture().to_owned(),
        os: "linux".to_owned(),
        config,
        rootfs: RootFs { kind: "layers".to_owned(), diff_ids: vec![layer.digest] },
    };
    let config = keep(layout, CONFIG, &config)?;
    let manifest =
        Manifest { schema_version: 2, media_type: Some(MANIFEST.to_owned()), config, layers: vec![layer], annotations };
    let manifest = keep(layout, MANIFEST, &manifest)?;
    finish(layout, manifest.clone())?;
    Ok(manifest)
}

/// Writes what makes a folder of blobs a layout.
pub fn finish(layout: &Path, manifest: Descriptor) -> Result<(), ImageError> {
    let platform = Platform { architecture: architecture().to_owned(), os: "linux".to_owned() };
    let named = Descriptor { platform: Some(platform), ..manifest };
    let index = Index { schema_version: 2, media_type: Some(INDEX.to_owned()), manifests: vec![named] };
    fs::write(layout.join("index.json"), json(&index)?)?;
    Ok(fs::write(layout.join("oci-layout"), "{\"imageLayoutVersion\":\"1.0.0\"}")?)
}

fn keep<T: Serialize>(layout: &Path, media_type: &str, document: &T) -> Result<Descriptor, ImageError> {
    let bytes = json(document)?;
    let digest = Digest::of(&[&bytes]);
    fs::write(blob(layout, digest), &bytes)?;
    Ok(Descriptor { media_type: media_type.to_owned(), digest, size: bytes.len() as u64, platform: None })
}

fn json<T: Serialize>(document: &T) -> Result<Vec<u8>, ImageError> {
    serde_json::to_vec(document).map_err(|failure| ImageError::document("document", failure))
}

fn keep_layer(layout: &Path, layer: &Path) -> Result<Descriptor, ImageError> {
    let mut hasher = Sha256::new();
    let size = io::copy(&mut File::open(layer)?, &mut hasher)?;
    let digest = Digest(hasher.finalize().into());
    fs::rename(layer, blob(layout, digest))?;
    Ok(Descriptor { media_type: LAYER.to_owned(), digest, size, platform: None })
}
