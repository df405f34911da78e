//! Bytes are seen under their digest or not at all.
use super::*;
use futures_util::stream;
use std::time::Duration;
use tempfile::TempDir;

type Part = io::Result<Bytes>;

fn store() -> (TempDir, ArtifactStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = ArtifactStore::local(&folder.path().join("artifacts")).unwrap();
    (folder, store)
}

fn parts(bytes: &[u8]) -> impl Stream<Item = Part> + Send + use<> {
    let parts: Vec<Part> = bytes.chunks(100_000).map(|part| Ok(Bytes::copy_from_slice(part))).collect();
    stream::iter(parts)
}

async fn read(store: &ArtifactStore, digest: Digest) -> Vec<u8> {
    let parts: Vec<Bytes> = store.get(digest).await.unwrap().try_collect().await.unwrap();
    parts.concat()
}

/// Every file below the folder, staged ones too.
fn files(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).unwrap().flatten();
    entries.map(|entry| if entry.path().is_dir() { files(&entry.path()) } else { 1 }).sum()
}

/// Looks until it is so, many times in a row.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let poll = async {
        let mut times = 0;
        while times < 20 {
            tokio::time::sleep(Duration::from_millis(5)).await;
            times = if is_so() { times + 1 } else { 0 };
        }
    };
    assert!(tokio::time::timeout(Duration::from_mins(1), poll).await.is_ok(), "never: {what}");
}

#[tokio::test]
async fn bytes_are_kept_under_their_digest_and_read_back() {
    let (folder, store) = store();
    let bytes: Vec<u8> = (0..20_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let digest = Digest::of(&[&bytes]);
    let size = bytes.len() as u64;
    assert_eq!(store.put_stream(digest, size, parts(&bytes)).await.unwrap(), Stored::Now { size });
    assert_eq!(store.put_stream(digest, size, parts(&bytes)).await.unwrap(), Stored::Before { size });
    assert_eq!(store.head(digest).await.unwrap(), Some(size));
    assert!(read(&store, digest).await == bytes);
    let hex = digest.hex();
    assert!(folder.path().join("artifacts/sha256").join(&hex[..2]).join(&hex).is_file());
    store.delete(digest).await.unwrap();
    store.delete(digest).await.unwrap();
    assert!(matches!(store.get(digest).await, Err(StoreError::Absent { .. })));
}

#[tokio::test]
async fn other_bytes_than_the_digest_says_are_never_seen() {
    let (folder, store) = store();
    let digest = Digest::of(&[b"right"]);
    let refused = store.put_stream(digest, 100, parts(b"wrong")).await;
    assert!(matches!(refused, Err(StoreError::Differs { expected, .. }) if expected == digest));
    assert_eq!(store.head(digest).await.unwrap(), None);
    until("nothing is left behind", || files(folder.path()) == 0).await;
    store.put_stream(digest, 100, parts(b"right")).await.unwrap();
    let pretended = store.put_stream(digest, 100, parts(b"")).await;
    assert!(matches!(pretended, Err(StoreError::Differs { .. })), "who names a digest must have its bytes");
    assert_eq!(read(&store, digest).await, b"right");
}

#[tokio::test]
async fn too_many_bytes_and_bytes_that_stop_coming_leave_nothing_behind() {
    let (folder, store) = store();
    let digest = Digest::of(&[b"12345"]);
    let refused = store.put_stream(digest, 4, parts(b"12345")).await;
    assert!(matches!(refused, Err(StoreError::TooLarge { limit: 4 })));
    let broken: [Part; 2] = [Ok(Bytes::from_static(b"123")), Err(io::ErrorKind::ConnectionReset.into())];
    let refused = store.put_stream(digest, 100, stream::iter(broken)).await;
    assert!(matches!(refused, Err(StoreError::Interrupted { .. })));
    until("nothing is left behind", || files(folder.path()) == 0).await;
}

#[tokio::test]
async fn an_upload_that_is_dropped_half_way_leaves_nothing_behind() {
    let (folder, store) = store();
    let endless = parts(&vec![7; 10_000_000]).chain(stream::pending());
    let put = store.put_stream(Digest::ZERO, u64::MAX, endless);
    assert!(tokio::time::timeout(Duration::from_millis(300), put).await.is_err());
    until("nothing is left behind", || files(folder.path()) == 0).await;
    assert_eq!(store.head(Digest::ZERO).await.unwrap(), None);
}

#[tokio::test]
async fn what_is_kept_is_listed_and_nothing_else() {
    let (folder, store) = store();
    let mut expected = Vec::new();
    for bytes in [b"one".as_slice(), b"three"] {
        let digest = Digest::of(&[bytes]);
        store.put_stream(digest, 10, parts(bytes)).await.unwrap();
        expected.push((digest, bytes.len() as u64));
    }
    let below = folder.path().join("artifacts/sha256");
    fs::write(below.join("note"), "no artifact").unwrap();
    let elsewhere = expected[0].0.hex();
    fs::create_dir_all(below.join("zz")).unwrap();
    fs::write(below.join("zz").join(elsewhere), "an artifact's name in another place").unwrap();
    let mut listed: Vec<(Digest, u64)> = store.list().try_collect().await.unwrap();
    listed.sort_unstable();
    expected.sort_unstable();
    assert_eq!(listed, expected);
}

fn is_open(path: &Path) -> bool {
    let files = fs::read_dir("/proc/self/fd").unwrap().flatten();
    files.filter_map(|file| fs::read_link(file.path()).ok()).any(|open| open == path)
}

#[tokio::test]
async fn nobody_reads_on_for_somebody_who_has_left() {
    let (folder, store) = store();
    let (digest, size) = (Digest::of(&[b"large"]), 1 << 36);
    let path = folder.path().canonicalize().unwrap().join("artifacts").join(key(digest).to_string());
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    // One file of zeros, which take no room on the disk, and many minutes to read.
    let mut header = tar::Header::new_gnu();
    header.set_path("zeros").unwrap();
    header.set_size(size);
    header.set_cksum();
    fs::write(&path, header.as_bytes()).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_len(size + 1_024).unwrap();
    tokio::select! {
        facts = store.facts(digest) => panic!("it takes longer: {facts:?}"),
        () = until("it is read", || is_open(&path)) => {}
    }
    until("nobody reads it any more", || !is_open(&path)).await;
    // The sin: to give up what goes on by itself.
    let (file, (tell, hears)) = (fs::File::open(&path).unwrap(), std::sync::mpsc::channel::<()>());
    let reading = tokio::task::spawn_blocking(move || (hears.recv().is_ok(), file));
    drop(reading);
    assert!(is_open(&path), "it is caught above");
    drop(tell);
}
