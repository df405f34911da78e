//! The platform's own object storage, a folder: puts, gets and deletes an object. The trap avoided: a folder that a tenant
//! names; there is one, and it is configured.

use super::{Ground, Probe, ProbeError, Proven, Target};
use futures_util::{FutureExt as _, future::BoxFuture};
use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload, local::LocalFileSystem, path::Path};

pub(super) struct Fs;

impl Probe for Fs {
    fn probe<'a>(&'a self, _: &'a Target, ground: &'a Ground) -> BoxFuture<'a, Result<Proven, ProbeError>> {
        probe(ground).boxed()
    }
}

async fn probe(ground: &Ground) -> Result<Proven, ProbeError> {
    let none = || ProbeError::fatal("NO_STORAGE", "the platform has no object storage of its own here");
    let folder = ground.objects.as_ref().ok_or_else(none)?;
    let failed = |_| ProbeError::retry("PROBE_FAILED", "the platform's storage cannot be used");
    std::fs::create_dir_all(folder).map_err(|_| ProbeError::retry("PROBE_FAILED", "the folder cannot be used"))?;
    let store = LocalFileSystem::new_with_prefix(folder).map_err(failed)?;
    round(&store).await.map_err(failed)?;
    let evidence = vec!["an object was put, got and deleted".to_owned()];
    Ok(Proven { identity: Some(format!("fs:{}", folder.display())), evidence })
}

async fn round(store: &impl ObjectStore) -> Result<(), object_store::Error> {
    let mut name = [0; 8];
    getrandom::fill(&mut name)
        .map_err(|error| object_store::Error::Generic { store: "probe", source: error.to_string().into() })?;
    let path = Path::from(format!("probe/{}", hex::encode(name)));
    store.put(&path, PutPayload::from_static(b"rhone")).await?;
    let read = store.get(&path).await?.bytes().await?;
    store.delete(&path).await?;
    let differs = || object_store::Error::Generic { store: "probe", source: "other bytes came back".into() };
    if read.as_ref() == b"rhone" { Ok(()) } else { Err(differs()) }
}
