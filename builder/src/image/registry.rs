//! Pulls an image by its digest into a layout, and pushes a layout. Nothing is believed that its digest does not say; a layout
//! that is half there is not left.

use super::{RegistryError, client::Registry};
use crate::{
    log::Log,
    source::{Limits, SourcePolicy},
};
use reqwest::{Body, Method, RequestBuilder, Response, StatusCode, header};
use rhone_domain::{digest::Digest, source_credential::SignIn};
use rhone_image::{
    ImageError,
    layout::{self, DOCKER_LIST, DOCKER_MANIFEST, DOCUMENT_LIMIT, Descriptor, INDEX, Image, Index, MANIFEST, Manifest},
};
use sha2::{Digest as _, Sha256};
use std::{fs, path::Path};
use tokio::io::AsyncWriteExt as _;
use tokio_util::io::ReaderStream;

/// What was pulled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// The image for this machine; of a list, the one that was chosen.
    pub image: Image,
    /// Of all its blobs.
    pub bytes: u64,
}

/// Pulls `name@digest` into `layout`, which must not be there yet; with a credential where the registry asks for one.
pub async fn pull(
    (name, digest): (&str, Digest),
    sign_in: Option<&SignIn>,
    layout: &Path,
    limits: &Limits,
    policy: &SourcePolicy,
    log: &Log,
) -> Result<Pulled, RegistryError> {
    let registry = Registry::of(name, *policy, sign_in)?;
    log.step(format!("pulling {name}@{digest}")).await;
    if let Some(sign_in) = registry.sign_in() {
        log.step(format!("if {} asks, as {}, with the app's credential", sign_in.host, sign_in.username)).await;
    }
    fs::create_dir(layout)?;
    let made = Made(layout);
    let mut pull = Pull { registry, name, layout, most: limits.bytes, bytes: 0 };
    let pulled = tokio::time::timeout(limits.timeout, Box::pin(pull.all(digest, log))).await;
    let image = pulled.map_err(|_| RegistryError::Timeout { seconds: limits.timeout.as_secs() })??;
    std::mem::forget(made);
    log.step(format!("pulled {} layers, {} bytes", image.manifest.layers.len(), pull.bytes)).await;
    Ok(Pulled { image, bytes: pull.bytes })
}

/// A folder that goes unless it is forgotten.
struct Made<'a>(&'a Path);

impl Drop for Made<'_> {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(self.0) {
            tracing::debug!(%error, "a half-pulled image is left");
        }
    }
}

struct Pull<'a> {
    registry: Registry,
    name: &'a str,
    layout: &'a Path,
    most: u64,
    bytes: u64,
}

impl Pull<'_> {
    async fn all(&mut self, digest: Digest, log: &Log) -> Result<Image, RegistryError> {
        fs::create_dir_all(self.layout.join("blobs/sha256"))?;
        let (mut named, mut bytes) = self.document("manifests", digest, "").await?;
        let media = |bytes: &[u8], named: &Descriptor| {
            let own: Option<String> = serde_json::from_slice::<serde_json::Value>(bytes)
                .ok()
                .and_then(|document| Some(document.get("mediaType")?.as_str()?.to_owned()));
            own.unwrap_or_else(|| named.media_type.clone())
        };
        let kind = media(&bytes, &named);
        if kind == INDEX || kind == DOCKER_LIST {
            let index: Index = layout::document(&bytes, &named)?;
            let chosen = chosen(&index)?;
            log.step(format!("of {} platforms, {} is this machine's", index.manifests.len(), chosen.digest)).await;
            (named, bytes) = self.document("manifests", chosen.digest, &chosen.media_type).await?;
        }
        let kind = media(&bytes, &named);
        if kind != MANIFEST && kind != DOCKER_MANIFEST {
            return Err(ImageError::Unsupported(format!("a manifest of type {kind:?}")).into());
        }
        named.media_type = kind;
        let manifest: Manifest = layout::document(&bytes, &named)?;
        fs::write(layout::blob(self.layout, named.digest), &bytes)?;
        for blob in std::iter::once(&manifest.config).chain(&manifest.layers) {
            self.blob(blob).await?;
        }
        layout::finish(self.layout, named)?;
        Ok(Image::open(self.layout)?)
    }

    /// A manifest, held against its digest.
    async fn document(
        &mut self,
        what: &str,
        digest: Digest,
        media_type: &str,
    ) -> Result<(Descriptor, Vec<u8>), RegistryError> {
        let accepted = [MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_LIST].join(", ");
        let url = self.registry.url(&format!("{what}/{digest}"))?;
        let dress = |request: RequestBuilder| Ok(request.header(header::ACCEPT, &accepted));
        let response = self.registry.ask(&Method::GET, url, dress).await?;
        let mut response = self.good(response, digest, "get a manifest")?;
        let said = response.headers().get(header::CONTENT_TYPE).and_then(|said| said.to_str().ok());
        let media_type = said.filter(|_| media_type.is_empty()).unwrap_or(media_type).to_owned();
        let mut bytes = Vec::new();
        while let Some(part) = response.chunk().await.map_err(|source| self.registry.failed(source))? {
            bytes.extend_from_slice(&part);
            if bytes.len() as u64 > DOCUMENT_LIMIT {
                return Err(RegistryError::TooLarge { limit: DOCUMENT_LIMIT });
            }
        }
        self.bytes += bytes.len() as u64;
        let named = Descriptor { media_type, digest, size: bytes.len() as u64, platform: None };
        layout::document::<serde_json::Value>(&bytes, &named)?;
        Ok((named, bytes))
    }

    /// A blob, held against its digest and size while it comes.
    async fn blob(&mut self, named: &Descriptor) -> Result<(), RegistryError> {
        self.bytes = self.bytes.saturating_add(named.size);
        if self.bytes > self.most {
            return Err(RegistryError::TooLarge { limit: self.most });
        }
        let path = layout::blob(self.layout, named.digest);
        if path.exists() {
            return Ok(());
        }
        let url = self.registry.url(&format!("blobs/{}", named.digest))?;
        let response = self.registry.ask(&Method::GET, url, Ok).await?;
        let mut response = self.good(response, named.digest, "get a blob")?;
        let differs =
            |problem: &str| ImageError::Blob { digest: named.digest.to_string(), problem: problem.to_owned() };
        let (mut file, mut hasher, mut size) = (tokio::fs::File::create(&path).await?, Sha256::new(), 0);
        while let Some(part) = response.chunk().await.map_err(|source| self.registry.failed(source))? {
            size += part.len() as u64;
            if size > named.size {
                return Err(differs("it is longer").into());
            }
            hasher.update(&part);
            file.write_all(&part).await?;
        }
        file.flush().await?;
        if Digest(hasher.finalize().into()) != named.digest || size != named.size {
            return Err(differs("its bytes are others").into());
        }
        Ok(())
    }

    fn good(&self, response: Response, digest: Digest, asked: &'static str) -> Result<Response, RegistryError> {
        match response.status() {
            status if status.is_success() => Ok(response),
            StatusCode::NOT_FOUND => Err(RegistryError::NotFound { name: self.name.to_owned(), digest }),
            status => Err(refused(&self.registry, status, asked)),
        }
    }
}

fn refused(registry: &Registry, status: StatusCode, asked: &'static str) -> RegistryError {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => registry.unknown(),
        status => RegistryError::Answer { host: registry.host.clone(), status: status.as_u16(), asked },
    }
}

/// The image of a list that this machine runs.
fn chosen(index: &Index) -> Result<&Descriptor, ImageError> {
    let runs = |named: &&Descriptor| {
        let platform = named.platform.as_ref();
        platform.is_some_and(|on| on.os == "linux" && on.architecture == layout::architecture())
    };
    let none = ImageError::NoPlatform { architecture: layout::architecture() };
    index.manifests.iter().find(runs).ok_or(none)
}

/// Pushes the image of a layout as `name`, and gives the digest by which it is pulled.
pub async fn push(
    layout: &Path,
    name: &str,
    sign_in: Option<&SignIn>,
    policy: &SourcePolicy,
    log: &Log,
) -> Result<Digest, RegistryError> {
    let mut registry = Registry::of(name, *policy, sign_in)?;
    let image = Image::open(layout)?;
    log.step(format!("pushing {name}@{}", image.descriptor.digest)).await;
    for blob in image.manifest.layers.iter().chain([&image.manifest.config]) {
        push_blob(&mut registry, layout, blob).await?;
    }
    let digest = image.descriptor.digest;
    let bytes = fs::read(layout::blob(layout, digest))?;
    let kind = image.manifest.media_type.as_deref().unwrap_or(MANIFEST);
    let url = registry.url(&format!("manifests/{digest}"))?;
    let dress = |request: RequestBuilder| Ok(request.header(header::CONTENT_TYPE, kind).body(bytes.clone()));
    let answer = registry.ask(&Method::PUT, url, dress).await?;
    if answer.status() != StatusCode::CREATED {
        return Err(refused(&registry, answer.status(), "put a manifest"));
    }
    log.step(format!("pushed {name}@{digest}")).await;
    Ok(digest)
}

/// Sends a blob that the registry does not have.
async fn push_blob(registry: &mut Registry, layout: &Path, blob: &Descriptor) -> Result<(), RegistryError> {
    let url = registry.url(&format!("blobs/{}", blob.digest))?;
    if registry.ask(&Method::HEAD, url, Ok).await?.status().is_success() {
        return Ok(());
    }
    let url = registry.url("blobs/uploads/")?;
    let begun = registry.ask(&Method::POST, url, |request| Ok(request.header(header::CONTENT_LENGTH, 0))).await?;
    let place = begun.headers().get(header::LOCATION).and_then(|to| to.to_str().ok());
    let (StatusCode::ACCEPTED, Some(place)) = (begun.status(), place) else {
        return Err(refused(registry, begun.status(), "begin an upload"));
    };
    let mut url = registry.here(place)?;
    url.query_pairs_mut().append_pair("digest", &blob.digest.to_string());
    let path = layout::blob(layout, blob.digest);
    let dress = |request: RequestBuilder| {
        let file = tokio::fs::File::from_std(std::fs::File::open(&path)?);
        let request = request.header(header::CONTENT_TYPE, "application/octet-stream");
        Ok(request.header(header::CONTENT_LENGTH, blob.size).body(Body::wrap_stream(ReaderStream::new(file))))
    };
    let answer = registry.ask(&Method::PUT, url, dress).await?;
    if answer.status() == StatusCode::CREATED { Ok(()) } else { Err(refused(registry, answer.status(), "put a blob")) }
}
