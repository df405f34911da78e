//! Chunks of logs as they lie beside the artifacts, under a prefix of their own: lines as JSON, gzip, named by the digest of
//! what lies there and by who printed it. The traps avoided: an artifact that is asked for by a log's digest; and two owners
//! that printed the same, of whom one's retention takes the other's lines: the owner stands in the name.

use crate::artifact_store::Folder;
use bytes::Bytes;
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use futures_util::{Stream, TryStreamExt as _, future};
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _, path::Path as Key};
use rhone_domain::{digest::Digest, logs::LogLine};
use std::{
    io::{self, Read as _, Write as _},
    sync::Arc,
    time::SystemTime,
};
use uuid::Uuid;

/// Nothing of ours unpacks to more: control characters alone are six times as long in JSON.
const UNPACKED: u64 = 8 << 20;

/// Where chunks of logs are kept.
#[derive(Clone, Debug)]
pub struct LogStore {
    objects: Arc<dyn ObjectStore>,
    folder: Folder,
}

/// A chunk as it lies in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LyingLog {
    /// Who printed it.
    pub owner: Uuid,
    /// Of what lies there.
    pub digest: Digest,
    /// Since when.
    pub since: SystemTime,
}

/// A chunk that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptLog {
    /// Of what lies there.
    pub digest: Digest,
    /// How many bytes lie there.
    pub bytes: u64,
}

/// Why a chunk was not kept or read.
#[derive(Debug, thiserror::Error)]
pub enum LogStoreError {
    /// The folder or bucket failed.
    #[error("the log store could not {doing} {digest}")]
    Failed {
        /// What was being done.
        doing: &'static str,
        /// With which chunk.
        digest: Digest,
        /// Why not.
        #[source]
        source: object_store::Error,
    },
    /// The folder or bucket does not say what it holds.
    #[error("the log store could not say what it holds")]
    Unlisted {
        /// Why not.
        #[source]
        source: object_store::Error,
    },
    /// What lies there is not what was put there.
    #[error("the chunk {digest} is not what was kept")]
    Spoilt {
        /// Which.
        digest: Digest,
        /// What is wrong with it.
        #[source]
        source: io::Error,
    },
}

impl LogStore {
    pub(crate) fn over(objects: Arc<dyn ObjectStore>, folder: Folder) -> Self {
        Self { objects, folder }
    }

    /// Keeps these lines of an owner. The same lines are the same chunk.
    pub async fn put(&self, owner: Uuid, lines: &[LogLine]) -> Result<KeptLog, LogStoreError> {
        let packed = pack(lines);
        let kept = KeptLog { digest: Digest::of(&[&packed]), bytes: packed.len() as u64 };
        let failed = |source| LogStoreError::Failed { doing: "keep", digest: kept.digest, source };
        self.is_there().map_err(failed)?;
        self.objects.put(&key(owner, kept.digest), Bytes::from(packed).into()).await.map_err(failed)?;
        Ok(kept)
    }

    /// The lines; none when they were deleted.
    pub async fn get(&self, owner: Uuid, digest: Digest) -> Result<Option<Vec<LogLine>>, LogStoreError> {
        let failed = |source| LogStoreError::Failed { doing: "read", digest, source };
        self.is_there().map_err(failed)?;
        let found = match self.objects.get(&key(owner, digest)).await {
            Ok(found) => found.bytes().await.map_err(failed)?,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(source) => return Err(failed(source)),
        };
        let spoilt = |source| LogStoreError::Spoilt { digest, source };
        if Digest::of(&[&found]) != digest {
            return Err(spoilt(io::Error::other("other bytes")));
        }
        unpack(&found).map(Some).map_err(spoilt)
    }

    /// Every chunk that lies here, in no order. What is no chunk is passed over.
    pub fn list(&self) -> impl Stream<Item = Result<LyingLog, LogStoreError>> + Send + use<> {
        let found = self.objects.list(Some(&Key::from("logs")));
        found
            .map_err(|source| LogStoreError::Unlisted { source })
            .try_filter_map(|meta| future::ready(Ok(lying(&meta))))
    }

    /// Forgets a chunk; that it is gone already is no failure.
    pub async fn delete(&self, owner: Uuid, digest: Digest) -> Result<(), LogStoreError> {
        let failed = |source| LogStoreError::Failed { doing: "delete", digest, source };
        self.is_there().map_err(failed)?;
        match self.objects.delete(&key(owner, digest)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(failed(source)),
        }
    }

    /// Forgets a chunk that has lain here since before then; false where it is gone already, or was put again meanwhile. It is
    /// looked at right before: whoever puts it between the two requests to the store loses it.
    pub async fn delete_older(&self, owner: Uuid, digest: Digest, before: SystemTime) -> Result<bool, LogStoreError> {
        let failed = |source| LogStoreError::Failed { doing: "look at", digest, source };
        self.is_there().map_err(failed)?;
        match self.objects.head(&key(owner, digest)).await {
            Ok(meta) if SystemTime::from(meta.last_modified) < before => {
                self.delete(owner, digest).await?;
                Ok(true)
            }
            Ok(_) | Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(source) => Err(failed(source)),
        }
    }

    fn is_there(&self) -> object_store::Result<()> {
        let away = |source| object_store::Error::Generic { store: "folder", source: Box::new(source) };
        self.folder.is_there().map_err(away)
    }
}

/// `logs/<first two digits>/<owner>-<all digits>`: no folder grows beyond reason, and none is left empty for every owner.
fn key(owner: Uuid, digest: Digest) -> Key {
    let hex = digest.hex();
    Key::from_iter(["logs", &hex[..2], &format!("{}-{hex}", owner.simple())])
}

fn lying(meta: &ObjectMeta) -> Option<LyingLog> {
    let (owner, hex) = meta.location.filename()?.split_once('-')?;
    let owner = Uuid::try_parse(owner).ok()?;
    let digest = format!("sha256:{hex}").parse().ok()?;
    (key(owner, digest) == meta.location).then_some(LyingLog { owner, digest, since: meta.last_modified.into() })
}

fn pack(lines: &[LogLine]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    for line in lines {
        let line = serde_json::to_vec(line).expect("a line has text keys");
        packed.write_all(&line).and_then(|()| packed.write_all(b"\n")).expect("memory takes it");
    }
    packed.finish().expect("memory takes it")
}

fn unpack(packed: &[u8]) -> io::Result<Vec<LogLine>> {
    let mut text = Vec::new();
    GzDecoder::new(packed).take(UNPACKED).read_to_end(&mut text)?;
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).map_err(io::Error::from)).collect()
}

#[cfg(test)]
mod tests {
    //! Lines are read as they were kept, by their owner's name alone, and never as an artifact.
    use super::*;
    use crate::artifact_store::ArtifactStore;
    use rhone_domain::logs::LogStream;
    use std::{fs, time::Duration};

    const MINE: Uuid = Uuid::from_u128(1);
    const OTHERS: Uuid = Uuid::from_u128(2);

    fn lines() -> Vec<LogLine> {
        let line = |number: i64| LogLine {
            at: chrono::DateTime::from_timestamp_millis(number).unwrap(),
            stream: LogStream::Stdout,
            text: format!("line {number} \u{0} ü"),
        };
        (0..1000).map(line).collect()
    }

    #[tokio::test]
    async fn lines_are_read_as_they_were_kept_until_their_owner_deletes_them() {
        let folder = tempfile::tempdir().unwrap();
        let artifacts = ArtifactStore::local(folder.path()).unwrap();
        let store = artifacts.logs();
        let kept = store.put(MINE, &lines()).await.unwrap();
        assert_eq!(store.put(OTHERS, &lines()).await.unwrap(), kept, "the same lines are the same bytes");
        assert_eq!(store.get(MINE, kept.digest).await.unwrap(), Some(lines()));
        assert_eq!(artifacts.head(kept.digest).await.unwrap(), None, "a log is no artifact");
        store.delete(MINE, kept.digest).await.unwrap();
        store.delete(MINE, kept.digest).await.unwrap();
        assert_eq!(store.get(MINE, kept.digest).await.unwrap(), None);
        assert_eq!(store.get(OTHERS, kept.digest).await.unwrap(), Some(lines()), "another owner's stay");
    }

    #[tokio::test]
    async fn what_lies_there_is_listed_and_a_folder_that_is_away_is_not_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (here, away) = (folder.path().join("here"), folder.path().join("away"));
        let artifacts = ArtifactStore::local(&here).unwrap();
        let store = artifacts.logs();
        let kept = store.put(MINE, &lines()).await.unwrap();
        fs::write(here.join("logs/stray"), "x").unwrap();
        let listed: Vec<_> = store.list().try_collect().await.unwrap();
        assert_eq!(listed.iter().map(|one| (one.owner, one.digest)).collect::<Vec<_>>(), [(MINE, kept.digest)]);
        fs::rename(&here, &away).unwrap();
        assert!(store.put(OTHERS, &lines()).await.is_err());
        let gone = artifacts.head(kept.digest).await.expect_err("nobody knows what is there");
        assert!(gone.may_pass(), "{gone}");
        let read = artifacts.facts(kept.digest).await.expect_err("nor what it says");
        assert!(read.may_pass() && !here.exists(), "{read}");
        fs::rename(&away, &here).unwrap();
        let absent = artifacts.facts(kept.digest).await.expect_err("it is no artifact");
        assert!(!absent.may_pass(), "bytes that are lost do not come back: {absent}");
    }

    /// A chunk was listed as two hours old and is put again, as by a runner that was not answered. Whether it outlives a deletion
    /// of what is older than an hour.
    async fn outlives(delete: impl AsyncFn(&LogStore, Digest, SystemTime)) -> bool {
        let folder = tempfile::tempdir().unwrap();
        let store = ArtifactStore::local(folder.path()).unwrap().logs();
        let kept = store.put(MINE, &lines()).await.unwrap();
        let since = async || store.list().try_collect::<Vec<_>>().await.unwrap()[0].since;
        let now = since().await;
        let before = now - Duration::from_hours(1);
        let path = folder.path().join(key(MINE, kept.digest).as_ref());
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(now - Duration::from_hours(2)).unwrap();
        assert!(since().await < before, "it is listed as old");
        store.put(MINE, &lines()).await.unwrap();
        delete(&store, kept.digest, before).await;
        store.get(MINE, kept.digest).await.unwrap().is_some()
    }

    #[tokio::test]
    async fn what_was_put_again_since_it_was_listed_as_old_stays() {
        let looks = async |store: &LogStore, digest: Digest, before: SystemTime| {
            assert!(!store.delete_older(MINE, digest, before).await.unwrap(), "it is young again");
        };
        assert!(outlives(looks).await);
        let later = async |store: &LogStore, digest: Digest, before: SystemTime| {
            let before = before + Duration::from_hours(3);
            assert!(store.delete_older(MINE, digest, before).await.unwrap(), "by then it is old");
            assert!(!store.delete_older(MINE, digest, before).await.unwrap(), "and gone");
        };
        assert!(!outlives(later).await);
        // The sin: what was listed is deleted as it was listed.
        let as_listed = async |store: &LogStore, digest: Digest, _: SystemTime| {
            store.delete(MINE, digest).await.unwrap();
        };
        assert!(!outlives(as_listed).await, "it is caught above");
    }

    #[tokio::test]
    async fn what_was_changed_on_disk_is_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let store = ArtifactStore::local(folder.path()).unwrap().logs();
        let kept = store.put(MINE, &lines()).await.unwrap();
        let path = folder.path().join(key(MINE, kept.digest).as_ref());
        fs::write(&path, pack(&lines()[1..])).unwrap();
        assert!(matches!(store.get(MINE, kept.digest).await, Err(LogStoreError::Spoilt { .. })));
    }
}
