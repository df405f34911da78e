//! What is unpacked is what the archive holds, inside its folder and nowhere else; a later change is noticed.

use super::{
    Artifact, restore,
    unpack::{UnpackError, unpack},
    verify::{compare, digest_of, verify},
};
use rhone_domain::digest::Digest;
use rustix::{
    fs::{CWD, Mode, mkfifoat},
    io::ioctl_fionread,
};
use std::{
    fs::{self, Permissions},
    future::pending,
    io::Write as _,
    os::unix::fs::{PermissionsExt, symlink},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};
use tar::{Builder, EntryType, Header};
use tokio::{
    sync::Mutex,
    time::{sleep, timeout},
};

struct Case {
    _root: tempfile::TempDir,
    tar: PathBuf,
    folder: PathBuf,
}

/// An archive of (name, kind, content or target).
fn archive(entries: &[(&str, EntryType, &str)]) -> Case {
    let root = tempfile::tempdir().expect("a folder");
    let (tar, folder) = (root.path().join("a.tar"), root.path().join("a"));
    let mut builder = Builder::new(fs::File::create(&tar).expect("a file"));
    for (name, kind, content) in entries {
        let mut header = Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_mode(0o6755);
        // Written as bytes: the builder itself refuses the names that a hostile archive would hold.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        let bytes = if kind.is_file() { content.as_bytes() } else { b"" };
        if !kind.is_file() {
            header.as_old_mut().linkname[..content.len()].copy_from_slice(content.as_bytes());
        }
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        builder.append(&header, bytes).expect("an entry");
    }
    builder.finish().expect("an archive");
    Case { _root: root, tar, folder }
}

fn sound() -> Case {
    archive(&[
        ("app", EntryType::Regular, "#!/bin/sh\n"),
        ("public/index.html", EntryType::Regular, "hej"),
        ("start", EntryType::Symlink, "public/../app"),
    ])
}

#[test]
fn a_sound_archive_is_unpacked_read_only_with_its_modes_and_compares_equal() {
    let case = sound();
    unpack(&case.tar, &case.folder).expect("unpacked");
    let mode = |name: &str| fs::metadata(case.folder.join(name)).expect("there").permissions().mode() & 0o7777;
    assert_eq!((mode("app"), mode("public")), (0o555, 0o555));
    assert_eq!(fs::read_to_string(case.folder.join("start")).expect("a link"), "#!/bin/sh\n");
    let digest = digest_of(&case.tar).expect("readable");
    assert_eq!(verify(&case.tar, &case.folder, digest), Ok(digest));
}

#[test]
fn every_way_out_of_the_folder_is_refused_and_leaves_nothing() {
    let hostile: [&[(&str, EntryType, &str)]; 10] = [
        &[("../out", EntryType::Regular, "x")],
        &[("/tmp/out", EntryType::Regular, "x")],
        &[("a/../../out", EntryType::Regular, "x")],
        &[("link", EntryType::Symlink, "/etc")],
        &[("link", EntryType::Symlink, "../etc")],
        &[("d/e/f", EntryType::Symlink, "."), ("g", EntryType::Symlink, "d/e/f/../../..")],
        &[("gone", EntryType::Symlink, "nowhere")],
        &[("hard", EntryType::Link, "app")],
        &[("pipe", EntryType::Fifo, "")],
        &[("disk", EntryType::Block, "")],
    ];
    for entries in hostile {
        let case = archive(entries);
        let refusal = unpack(&case.tar, &case.folder).expect_err("it was unpacked");
        assert!(matches!(refusal, UnpackError::Refused { .. }), "{entries:?}: {refusal}");
        let left: Vec<_> = fs::read_dir(case.tar.parent().expect("a folder")).expect("listed").flatten().collect();
        assert_eq!(left.len(), 1, "{entries:?} left {left:?}");
    }
}

#[test]
fn nothing_is_written_through_a_link() {
    let case = archive(&[
        ("d/app", EntryType::Regular, "x"),
        ("link", EntryType::Symlink, "d"),
        ("link/more", EntryType::Regular, "x"),
    ]);
    assert!(unpack(&case.tar, &case.folder).is_err());
    assert!(!case.folder.exists());
}

#[test]
fn every_change_of_an_unpacked_artifact_is_noticed() {
    type Change = fn(&PathBuf);
    let changes: [(&str, Change); 5] = [
        ("content", |folder| {
            let page = folder.join("public/index.html");
            fs::remove_file(&page).expect("removed");
            fs::write(&page, "hey").expect("written");
            fs::set_permissions(&page, Permissions::from_mode(0o555)).expect("a mode");
        }),
        ("mode", |folder| fs::set_permissions(folder.join("app"), Permissions::from_mode(0o444)).expect("a mode")),
        ("removal", |folder| fs::remove_file(folder.join("app")).expect("removed")),
        ("addition", |folder| fs::write(folder.join("public/more"), "x").expect("written")),
        ("link", |folder| {
            fs::remove_file(folder.join("start")).expect("removed");
            symlink("public/index.html", folder.join("start")).expect("a link");
        }),
    ];
    for (name, change) in changes {
        let case = sound();
        unpack(&case.tar, &case.folder).expect("unpacked");
        for folder in ["", "public"] {
            fs::set_permissions(case.folder.join(folder), Permissions::from_mode(0o755)).expect("writable");
        }
        compare(&case.tar, &case.folder).expect("still the same");
        change(&case.folder);
        assert!(compare(&case.tar, &case.folder).is_err(), "a change of {name} went unnoticed");
    }
}

#[tokio::test]
async fn nobody_else_has_a_turn_until_the_work_is_done_of_whoever_has_left() {
    let root = tempfile::tempdir().expect("a folder");
    let at = Artifact { tar: root.path().join("a.tar"), folder: root.path().join("a") };
    // Who reads a pipe waits for somebody who writes it.
    mkfifoat(CWD, &at.tar, Mode::RUSR | Mode::WUSR).expect("a pipe");
    // Whatever ends this test closes it, and whoever reads is at its end.
    let mut bytes = fs::File::options().read(true).write(true).open(&at.tar).expect("both ends");
    bytes.write_all(b"other bytes").expect("written");
    let busy = Arc::<Mutex<()>>::default();
    let turn = Arc::new(Arc::clone(&busy).lock_owned().await);
    let left = timeout(Duration::ZERO, restore(at.clone(), Digest::ZERO, turn)).await;
    assert!(left.is_err(), "it was not to be done yet");
    // Who opens a pipe after its last writer has closed it waits for another one, for ever.
    let read = async {
        while ioctl_fionread(&bytes).expect("what nobody has read yet") > 0 {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_mins(1), read).await.expect("the work begins");
    assert!(busy.try_lock().is_err(), "another may begin in the midst of it");
    drop(bytes);
    let turn = timeout(Duration::from_mins(1), Arc::clone(&busy).lock_owned()).await.expect("a turn ends");
    // The sin: a turn that ends with whoever asked.
    let asked = async move {
        let _turn = turn;
        pending::<()>().await;
    };
    assert!(timeout(Duration::ZERO, asked).await.is_err() && busy.try_lock().is_ok(), "it is caught above");
}
