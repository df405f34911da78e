//! The artifact store: bytes under their own digest, in a folder or a bucket. The trap avoided: bytes that can be seen
//! before it is known that they are what their name says; an upload is completed only after its digest was compared.

use crate::{
    artifact_facts::{FactsError, read_facts},
    log_store::LogStore,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, future, stream::BoxStream};
use object_store::{
    MultipartUpload, ObjectStore, ObjectStoreExt, WriteMultipart, local::LocalFileSystem, path::Path as Key,
};
use rhone_domain::{artifact_facts::ArtifactFacts, digest::Digest};
use sha2::{Digest as _, Sha256};
use std::{
    fs, io,
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
};
use tokio::sync::oneshot;
use tokio_util::io::{StreamReader, SyncIoBridge};

/// S3 takes no smaller parts than 5 MiB.
const PART: usize = 8 * 1024 * 1024;

/// Parts under way at once; more would only cost memory.
const PARTS_UNDER_WAY: usize = 4;

/// Where artifacts are kept.
#[derive(Clone, Debug)]
pub struct ArtifactStore {
    objects: Arc<dyn ObjectStore>,
    folder: Folder,
}

/// The folder of a store that has one. Where it is away, as a disk that is not mounted, it must not be taken for an empty one, nor
/// be made anew in its place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Folder(Option<Arc<PathBuf>>);

impl Folder {
    pub(crate) fn is_there(&self) -> io::Result<()> {
        self.0.as_ref().map_or(Ok(()), |folder| fs::metadata(&**folder).map(drop))
    }
}

/// What became of bytes that were handed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// They are new.
    Now {
        /// How many.
        size: u64,
    },
    /// They were here; those handed in were compared all the same.
    Before {
        /// How many.
        size: u64,
    },
}

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nothing is kept under this digest.
    #[error("there is no artifact {digest}")]
    Absent {
        /// Which.
        digest: Digest,
    },
    /// The bytes are others than the digest says.
    #[error("the bytes have the digest {actual}, not {expected}")]
    Differs {
        /// As named.
        expected: Digest,
        /// As found.
        actual: Digest,
    },
    /// The bytes are too many.
    #[error("the artifact is larger than {limit} bytes")]
    TooLarge {
        /// The most that is taken.
        limit: u64,
    },
    /// The bytes stopped coming.
    #[error("the artifact's bytes did not all arrive")]
    Interrupted {
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The folder cannot be used.
    #[error("the artifact store cannot use its folder")]
    Folder {
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The folder or bucket does not say what it holds.
    #[error("the artifact store could not say what it holds")]
    Unlisted {
        /// Why not.
        #[source]
        source: object_store::Error,
    },
    /// The folder or bucket failed.
    #[error("the artifact store could not {doing} {digest}")]
    Failed {
        /// What was being done.
        doing: &'static str,
        /// With which artifact.
        digest: Digest,
        /// Why not.
        #[source]
        source: object_store::Error,
    },
}

impl StoreError {
    /// Whether the same again may go well: the store is away, and not the bytes wrong.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Folder { .. } | Self::Unlisted { .. } | Self::Failed { .. })
    }
}

/// Why nothing can be said of what is kept.
#[derive(Debug, thiserror::Error)]
pub enum StoredFactsError {
    /// It cannot be had.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It says nothing that can be used.
    #[error(transparent)]
    Facts(#[from] FactsError),
}

impl StoredFactsError {
    /// Whether the same again may go well; bytes that broke off on the way are no sound tar, and may be the next time.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Store(error) => error.may_pass(),
            Self::Facts(FactsError::Tar { source }) => came_from_the_store(source),
            Self::Facts(FactsError::Field { .. }) => false,
        }
    }
}

/// Whether a reader was given the store's own failure, somewhere below what it says itself.
fn came_from_the_store(error: &io::Error) -> bool {
    let mut cause = error.get_ref().map(|inner| inner as &(dyn std::error::Error + 'static));
    while let Some(inner) = cause {
        if inner.is::<StoreError>() {
            return true;
        }
        let wrapped = inner.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause = wrapped.map(|inner| inner as &(dyn std::error::Error + 'static)).or_else(|| inner.source());
    }
    false
}

impl ArtifactStore {
    /// Keeps artifacts in the folder, which is made when there is none. What was acknowledged survives a power cut.
    pub fn local(folder: &Path) -> Result<Self, StoreError> {
        fs::create_dir_all(folder).map_err(|source| StoreError::Folder { source })?;
        let objects = LocalFileSystem::new_with_prefix(folder)
            .map_err(|failure| StoreError::Folder { source: io::Error::other(failure) })?;
        let folder = Folder(Some(Arc::new(folder.to_owned())));
        Ok(Self { objects: Arc::new(objects.with_fsync(true)), folder })
    }

    /// Keeps artifacts in any store, such as S3.
    pub fn over(objects: Arc<dyn ObjectStore>) -> Self {
        Self { objects, folder: Folder::default() }
    }

    /// The same folder or bucket as the place of logs, which nobody can ask for as artifacts, nor the other way round.
    pub fn logs(&self) -> LogStore {
        LogStore::over(Arc::clone(&self.objects), self.folder.clone())
    }

    /// Takes the bytes if they are at most `limit` and have the digest. They can be seen only then. Bytes that are here
    /// already are read all the same: who names a digest must also have what it names.
    pub async fn put_stream<E: Into<io::Error>>(
        &self,
        digest: Digest,
        limit: u64,
        bytes: impl Stream<Item = Result<Bytes, E>> + Send,
    ) -> Result<Stored, StoreError> {
        if self.head(digest).await?.is_some() {
            let size = read_verified(digest, limit, bytes, None).await?;
            return Ok(Stored::Before { size });
        }
        let failed = |source| StoreError::Failed { doing: "keep", digest, source };
        let upload = self.objects.put_multipart(&key(digest)).await.map_err(failed)?;
        let mut upload = Upload::new(upload);
        match read_verified(digest, limit, bytes, Some(&mut upload)).await {
            Ok(size) => upload.complete().await.map(|()| Stored::Now { size }).map_err(failed),
            Err(refused) => {
                upload
                    .abort()
                    .await
                    .unwrap_or_else(|failure| tracing::warn!(%failure, "an upload was not cleared away"));
                Err(refused)
            }
        }
    }

    /// How many bytes are kept under the digest; none when there is nothing.
    pub async fn head(&self, digest: Digest) -> Result<Option<u64>, StoreError> {
        self.folder.is_there().map_err(|source| StoreError::Folder { source })?;
        match self.objects.head(&key(digest)).await {
            Ok(found) => Ok(Some(found.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(source) => Err(StoreError::Failed { doing: "look for", digest, source }),
        }
    }

    /// Every digest under which something is kept, with its size, in no order. What is no artifact is passed over.
    pub fn list(&self) -> BoxStream<'static, Result<(Digest, u64), StoreError>> {
        let found = self.objects.list(Some(&Key::from("sha256")));
        let named = |meta: object_store::ObjectMeta| {
            let digest = format!("sha256:{}", meta.location.filename()?).parse::<Digest>().ok()?;
            (key(digest) == meta.location).then_some((digest, meta.size))
        };
        let failed = |source| StoreError::Unlisted { source };
        found.map_err(failed).try_filter_map(move |meta| future::ready(Ok(named(meta)))).boxed()
    }

    /// The bytes. Whoever executes them compares the digest again.
    pub async fn get(&self, digest: Digest) -> Result<BoxStream<'static, Result<Bytes, StoreError>>, StoreError> {
        let failed = move |source| StoreError::Failed { doing: "read", digest, source };
        self.folder.is_there().map_err(|source| StoreError::Folder { source })?;
        match self.objects.get(&key(digest)).await {
            Ok(found) => Ok(found.into_stream().map_err(failed).boxed()),
            Err(object_store::Error::NotFound { .. }) => Err(StoreError::Absent { digest }),
            Err(source) => Err(failed(source)),
        }
    }

    /// How many bytes are kept under the digest, and what they say of themselves. They are read on a thread of its own, which
    /// reads no further for somebody who has left: whoever asks again and again, and hangs up, would have any number of them.
    pub async fn facts(&self, digest: Digest) -> Result<(u64, ArtifactFacts), StoredFactsError> {
        let size = self.head(digest).await?.ok_or(StoreError::Absent { digest })?;
        let (_asked, left) = oneshot::channel::<()>();
        let bytes = self.get(digest).await?.map_err(io::Error::other).take_until(left);
        let bridge = SyncIoBridge::new(Box::pin(StreamReader::new(bytes)));
        let read = tokio::task::spawn_blocking(move || read_facts(bridge)).await;
        Ok((size, read.map_err(|error| FactsError::Tar { source: io::Error::other(error) })??))
    }

    /// Forgets the bytes; that they are gone already is no failure.
    pub async fn delete(&self, digest: Digest) -> Result<(), StoreError> {
        match self.objects.delete(&key(digest)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(StoreError::Failed { doing: "delete", digest, source }),
        }
    }
}

/// `sha256/<first two digits>/<all digits>`: no folder grows beyond reason.
fn key(digest: Digest) -> Key {
    let hex = digest.hex();
    Key::from_iter(["sha256", &hex[..2], &hex])
}

/// Hands every part on to the upload, if there is one, and gives the size, if limit and digest hold at the end. (A closure
/// that returns a future would be neater; the compiler cannot prove yet that such a future may move between threads.)
async fn read_verified<E: Into<io::Error>>(
    expected: Digest,
    limit: u64,
    bytes: impl Stream<Item = Result<Bytes, E>>,
    mut upload: Option<&mut Upload>,
) -> Result<u64, StoreError> {
    let mut bytes = pin!(bytes);
    let mut hasher = Sha256::new();
    let mut size: u64 = 0;
    while let Some(part) = bytes.next().await {
        let part = part.map_err(|source| StoreError::Interrupted { source: source.into() })?;
        size = size.saturating_add(part.len() as u64);
        if size > limit {
            return Err(StoreError::TooLarge { limit });
        }
        hasher.update(&part);
        if let Some(upload) = upload.as_deref_mut() {
            let failed = |source| StoreError::Failed { doing: "keep", digest: expected, source };
            upload.write(part).await.map_err(failed)?;
        }
    }
    let actual = Digest(hasher.finalize().into());
    if actual == expected { Ok(size) } else { Err(StoreError::Differs { expected, actual }) }
}

/// An upload that cannot be seen until it is completed. Dropped half-way, as when the client hangs up, it is aborted.
struct Upload {
    parts: Option<WriteMultipart>,
}

impl Upload {
    fn new(upload: Box<dyn MultipartUpload>) -> Self {
        Self { parts: Some(WriteMultipart::new_with_chunk_size(upload, PART)) }
    }

    async fn write(&mut self, part: Bytes) -> object_store::Result<()> {
        let parts = self.parts.as_mut().expect("it is taken only by complete, abort and drop");
        parts.wait_for_capacity(PARTS_UNDER_WAY).await?;
        parts.put(part);
        Ok(())
    }

    async fn complete(mut self) -> object_store::Result<()> {
        let parts = self.parts.take().expect("it is taken only by complete, abort and drop");
        parts.finish().await.map(drop)
    }

    async fn abort(mut self) -> object_store::Result<()> {
        let parts = self.parts.take().expect("it is taken only by complete, abort and drop");
        parts.abort().await
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let (Some(parts), Ok(runtime)) = (self.parts.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(parts.abort());
        }
    }
}

#[cfg(test)]
mod tests;
