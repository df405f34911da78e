//! The artifacts of a backup: an artifact store of its own below the folder, filled and emptied through the store's door, which
//! lets nothing in whose digest differs. The trap avoided: a copy of damaged bytes, which would be found at the next start.

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::TryStreamExt as _;
use rhone_domain::digest::Digest;
use rhone_providers::artifact_store::{ArtifactStore, StoreError};
use sha2::{Digest as _, Sha256};
use std::{collections::BTreeMap, io, path::Path};

/// The backup's own store.
pub(super) fn below(folder: &Path) -> Result<ArtifactStore> {
    ArtifactStore::local(&folder.join("artifacts")).context("opening the artifacts of the backup")
}

/// Copies everything that the store holds; says what that is.
pub(super) async fn copy_all(from: &ArtifactStore, to: &ArtifactStore) -> Result<BTreeMap<Digest, u64>> {
    let held: BTreeMap<Digest, u64> = from.list().try_collect().await?;
    for (digest, size) in &held {
        copy(from, to, *digest, *size).await?;
    }
    Ok(held)
}

/// Copies these.
pub(super) async fn copy_these(from: &ArtifactStore, to: &ArtifactStore, these: &BTreeMap<Digest, u64>) -> Result<()> {
    for (digest, size) in these {
        copy(from, to, *digest, *size).await?;
    }
    Ok(())
}

async fn copy(from: &ArtifactStore, to: &ArtifactStore, digest: Digest, size: u64) -> Result<()> {
    let bytes = from.get(digest).await?.map_err(io::Error::other);
    match to.put_stream(digest, size, bytes).await {
        Err(StoreError::Differs { expected, actual }) => bail!("artifact {expected} is damaged: it has {actual}"),
        Err(StoreError::TooLarge { .. }) => bail!("artifact {digest} is damaged: it is longer than {size} bytes"),
        copied => copied.map(drop).with_context(|| format!("copying artifact {digest}")),
    }
}

/// Whether each of these is there and has its digest.
pub(super) async fn compare(store: &ArtifactStore, wanted: &BTreeMap<Digest, u64>) -> Result<()> {
    for digest in wanted.keys() {
        let mut hasher = Sha256::new();
        let found = store.get(*digest).await;
        let mut bytes = found.with_context(|| format!("artifact {digest} is missing from the backup"))?;
        while let Some(part) = bytes.try_next().await? {
            hasher.update(&part);
        }
        let actual = Digest(hasher.finalize().into());
        ensure!(actual == *digest, "artifact {digest} is damaged: it has {actual}");
    }
    Ok(())
}
