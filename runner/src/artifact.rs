//! The artifacts of this host: `artifacts/<hex>.tar` as fetched and `artifacts/<hex>/` unpacked, shared by allocations. Only
//! bytes that have the ordered digest are ever unpacked, and both are compared again before every start: a disk that changed
//! its mind must not be executed.

use crate::{
    control_plane::{ControlPlane, PullError},
    durable,
    tally::{Tally, count},
};
use futures_util::StreamExt;
use rhone_domain::digest::Digest;
use sha2::{Digest as _, Sha256};
use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{io::AsyncWriteExt, sync::OwnedMutexGuard};

mod entries;
mod unpack;
mod verify;

pub(crate) use verify::verify;

/// Where one artifact lies.
#[derive(Clone, Debug)]
pub(crate) struct Artifact {
    /// Its bytes as fetched.
    pub(crate) tar: PathBuf,
    /// Its content.
    pub(crate) folder: PathBuf,
}

/// All artifacts of this host.
#[derive(Debug)]
pub(crate) struct ArtifactStore {
    root: PathBuf,
    limit: u64,
    busy: Mutex<HashMap<Digest, Arc<tokio::sync::Mutex<()>>>>,
}

/// Why an artifact is not there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArtifactError {
    /// It cannot become right by trying again.
    #[error("{0}")]
    Refused(String),
    /// It may be there later.
    #[error("fetching an artifact")]
    Unreachable(#[source] PullError),
    /// This host's disk does not work.
    #[error("keeping an artifact on disk")]
    Disk(#[from] io::Error),
}

impl ArtifactStore {
    pub(crate) fn open(data_dir: &Path, limit: u64) -> io::Result<Self> {
        let root = data_dir.join("artifacts");
        fs::create_dir_all(&root)?;
        remove_half_done(&root)?;
        Ok(Self { root, limit, busy: Mutex::default() })
    }

    /// Where an artifact lies, or will.
    pub(crate) fn places(&self, digest: Digest) -> Artifact {
        let folder = self.root.join(digest.hex());
        Artifact { tar: folder.with_extension("tar"), folder }
    }

    /// Has the artifact on disk, verified; the digest is the one computed over the bytes that lie there.
    pub(crate) async fn ensure(
        &self,
        control: &ControlPlane,
        digest: Digest,
        tally: &Tally,
    ) -> Result<(Artifact, Digest), ArtifactError> {
        let turn = Arc::clone(self.busy.lock().unwrap_or_else(PoisonError::into_inner).entry(digest).or_default());
        let turn = Arc::new(turn.lock_owned().await);
        let at = self.places(digest);
        if at.tar.exists() {
            match restore(at.clone(), digest, Arc::clone(&turn)).await? {
                Kept::Sound(computed) => return Ok((at, computed)),
                Kept::Corrupt(flaw) => {
                    count(&tally.artifacts_refused);
                    tracing::error!(artifact = %digest, flaw, "the kept artifact is not what it was; fetching it again");
                    tokio::fs::remove_file(&at.tar).await?;
                }
            }
        }
        self.fetch(control, digest, &at, tally).await?;
        match restore(at.clone(), digest, turn).await? {
            Kept::Sound(computed) => Ok((at, computed)),
            Kept::Corrupt(flaw) => {
                count(&tally.artifacts_refused);
                Err(ArtifactError::Refused(flaw))
            }
        }
    }

    /// Streams the bytes to disk while digesting them; what has another digest never gets the artifact's name.
    async fn fetch(
        &self,
        control: &ControlPlane,
        digest: Digest,
        at: &Artifact,
        tally: &Tally,
    ) -> Result<(), ArtifactError> {
        let passing = Passing(self.root.join(durable::passing_name("fetch")));
        let computed = self.stream(control, digest, &passing.0).await?;
        if computed != digest {
            count(&tally.artifacts_refused);
            return Err(ArtifactError::Refused(format!(
                "the artifact's bytes have digest {computed}, ordered was {digest}"
            )));
        }
        tokio::fs::rename(&passing.0, &at.tar).await?;
        Ok(durable::flush_folder(&self.root)?)
    }

    async fn stream(&self, control: &ControlPlane, digest: Digest, to: &Path) -> Result<Digest, ArtifactError> {
        let mut file = tokio::fs::File::create(to).await?;
        let mut bytes = control.artifact(digest).await.map_err(ArtifactError::pull)?;
        let (mut hasher, mut length) = (Sha256::new(), 0_u64);
        while let Some(part) = bytes.next().await {
            let part = part.map_err(|source| ArtifactError::Unreachable(PullError::Transport(source)))?;
            length += part.len() as u64;
            if length > self.limit {
                return Err(ArtifactError::Refused(format!("the artifact is larger than {} bytes", self.limit)));
            }
            hasher.update(&part);
            file.write_all(&part).await?;
        }
        file.sync_all().await?;
        Ok(Digest(hasher.finalize().into()))
    }
}

impl ArtifactError {
    fn pull(error: PullError) -> Self {
        match error {
            PullError::Unknown => Self::Refused("the control plane does not have the artifact".to_owned()),
            PullError::Transport(_) | PullError::Status(_) | PullError::Forbidden(_) | PullError::SecretMissing(_) => {
                Self::Unreachable(error)
            }
        }
    }
}

/// A file or folder that goes when we do, unless it was renamed.
struct Passing(PathBuf);

impl Drop for Passing {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

enum Kept {
    Sound(Digest),
    Corrupt(String),
}

/// Makes the folder what the tar says, if the tar is what the digest says. It goes on when whoever asked for it has left, as at a
/// newer order, and holds its turn until it is done.
async fn restore(at: Artifact, digest: Digest, turn: Arc<OwnedMutexGuard<()>>) -> io::Result<Kept> {
    let work = move || {
        let _turn = turn;
        let computed = verify::digest_of(&at.tar)?;
        if computed != digest {
            return Ok(Kept::Corrupt(format!("the artifact's bytes have digest {computed}, ordered was {digest}")));
        }
        if at.folder.exists() {
            match verify::compare(&at.tar, &at.folder) {
                Ok(()) => return Ok(Kept::Sound(computed)),
                Err(flaw) => {
                    tracing::error!(artifact = %digest, %flaw, "the unpacked artifact was changed; unpacking it again");
                    set_aside(&at.folder)?;
                }
            }
        }
        match unpack::unpack(&at.tar, &at.folder) {
            Ok(()) => Ok(Kept::Sound(computed)),
            Err(unpack::UnpackError::Io(error)) => Err(error),
            Err(refusal) => Ok(Kept::Corrupt(refusal.to_string())),
        }
    };
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// What a killed agent was fetching or unpacking. Only one agent uses the folder, so nobody else is.
fn remove_half_done(root: &Path) -> io::Result<()> {
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            unpack::remove_tree(&entry.path())?;
        }
    }
    Ok(())
}

/// Renames a changed folder: processes that run in it keep running, and one is kept to be looked at.
fn set_aside(folder: &Path) -> io::Result<()> {
    let aside = folder.with_extension("changed");
    unpack::remove_tree(&aside)?;
    fs::rename(folder, aside)
}

#[cfg(test)]
mod tests;
