//! A manifest is read as it was written, and names what is damaged.

use super::*;
use rhone_eventstore::Position;

fn manifest(folder: &Path) -> Manifest {
    let log = LogFacts {
        position: Some(Position { era: 1, tx: 2, pos: 3 }),
        events: 3,
        streams: 2,
        heads: Digest::of(&[b"heads"]),
        hashes: Digest::of(&[b"hashes"]),
    };
    let snapshot = Snapshot {
        migration: 1,
        administrator: "root".into(),
        log,
        epochs: [(EnvironmentId(uuid::Uuid::nil()), Epoch(7))].into(),
        registered: BTreeSet::new(),
    };
    let mut manifest = Manifest::new(DateTime::UNIX_EPOCH, snapshot, BTreeMap::new(), BTreeSet::new());
    for name in [DATABASE, KEYS] {
        fs::write(folder.join(name), name).expect("written");
        manifest.add(folder, name).expect("it is there");
    }
    manifest
}

#[tokio::test]
async fn it_is_read_as_it_was_written_and_names_the_part_that_is_damaged() {
    let folder = tempfile::tempdir().expect("a folder");
    let written = manifest(folder.path());
    assert!(Manifest::read(folder.path()).expect_err("none yet").to_string().contains("did not end"));
    written.write(folder.path()).expect("written");
    let read = Manifest::read(folder.path()).expect("read");
    assert_eq!(read, written);
    assert_eq!(read.bound(), written.bound());
    read.compare(folder.path()).await.expect("nothing was changed");
    for name in [DATABASE, KEYS] {
        fs::write(folder.path().join(name), "other").expect("written");
        let refused = read.compare(folder.path()).await.expect_err("it was changed");
        assert!(refused.to_string().contains(name), "{refused}");
        fs::write(folder.path().join(name), name).expect("written");
    }
}

#[test]
fn what_the_keys_are_bound_to_is_everything_but_themselves() {
    let folder = tempfile::tempdir().expect("a folder");
    let one = manifest(folder.path());
    let mut other = one.clone();
    other.parts.remove(KEYS);
    assert_eq!(one.bound(), other.bound());
    other.epochs.insert(EnvironmentId(uuid::Uuid::nil()), Epoch(1));
    assert_ne!(one.bound(), other.bound(), "an epoch that was lowered");
    let mut other = one.clone();
    other.parts.get_mut(DATABASE).expect("it is there").size += 1;
    assert_ne!(one.bound(), other.bound(), "another dump");
}

#[test]
fn a_manifest_of_a_newer_program_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut newer = manifest(folder.path());
    newer.migration = i64::MAX;
    newer.write(folder.path()).expect("written");
    let refused = Manifest::read(folder.path()).expect_err("it is newer");
    assert!(refused.to_string().contains("newer program"), "{refused}");
}
