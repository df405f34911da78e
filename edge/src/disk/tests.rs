//! What is written is read again; what is broken is not believed.

use super::*;
use crate::{
    apply::{
        Applied,
        tests::{BLUE, GREEN, PRODUCTION, REGION, route},
    },
    book::Guard,
};
use rhone_domain::{
    feed::{Route, Snapshot, chain},
    ids::Incarnation,
    numbers::FeedSeq,
};
use std::time::Instant;
use tempfile::TempDir;
use uuid::Uuid;

fn book(contents: Vec<Content>) -> Book {
    let mut book = Book::default();
    let snapshot = Snapshot {
        incarnation: Incarnation(Uuid::from_u128(1)),
        region: REGION,
        seq: FeedSeq(10),
        digest: Digest::ZERO,
        contents: contents.iter().map(Content::to_text).collect(),
        signature: String::new(),
    };
    book.adopt(&snapshot, contents, Guard::Keep).expect("the first snapshot");
    book
}

fn promote(book: &mut Book, disk: &mut Disk, epoch: u64) {
    let content = Content::Route(route(epoch, 0, Some(GREEN)));
    let at = book.position.expect("a position");
    let text = content.to_text();
    let entry = Entry {
        incarnation: at.incarnation,
        region: REGION,
        seq: at.seq.next(),
        prev: at.digest,
        digest: chain(at.digest, &text),
        content: text,
        signature: String::new(),
    };
    assert_eq!(book.offer(&entry, &content), Applied::Apply);
    disk.append(&entry).expect("a journal");
}

fn written(folder: &TempDir) -> (Disk, Book) {
    let (mut disk, none) = Disk::open(folder.path().into(), REGION).expect("a folder");
    assert!(none.is_none());
    let book = book(vec![Content::Route(route(1, 0, Some(BLUE)))]);
    disk.rotate(&Image::of(&book).expect("an image")).expect("a snapshot");
    (disk, book)
}

fn read(folder: &TempDir) -> Option<Book> {
    Disk::open(folder.path().into(), REGION).expect("a folder").1
}

fn epoch(book: &Book) -> u64 {
    match &book.held[&Key::Route(PRODUCTION)].content {
        Content::Route(route) => route.epoch.0,
        Content::Allocation(_) => panic!("a route's key holds an allocation"),
    }
}

#[test]
fn what_was_applied_is_read_again() {
    let folder = TempDir::new().expect("a folder");
    let (mut disk, mut book) = written(&folder);
    book.quarantined.insert(PRODUCTION, Epoch(9));
    disk.rotate(&Image::of(&book).expect("an image")).expect("a snapshot");
    promote(&mut book, &mut disk, 2);
    promote(&mut book, &mut disk, 3);
    let again = read(&folder).expect("a book");
    assert_eq!((again.position, epoch(&again)), (book.position, 3));
    assert_eq!(again.quarantined, book.quarantined);
}

#[test]
fn a_torn_journal_is_believed_up_to_the_tear() {
    let folder = TempDir::new().expect("a folder");
    let (mut disk, mut book) = written(&folder);
    promote(&mut book, &mut disk, 2);
    promote(&mut book, &mut disk, 3);
    let path = journal_path(folder.path(), 1);
    let text = fs::read_to_string(&path).expect("a journal");
    fs::write(&path, &text[..text.len() - 20]).expect("torn");
    assert_eq!(epoch(&read(&folder).expect("a book")), 2);
}

#[test]
fn a_journal_that_does_not_chain_is_not_believed() {
    let folder = TempDir::new().expect("a folder");
    let (mut disk, mut book) = written(&folder);
    promote(&mut book, &mut disk, 2);
    let path = journal_path(folder.path(), 1);
    let text = fs::read_to_string(&path).expect("a journal");
    fs::write(&path, text.replace("\\\"epoch\\\":2", "\\\"epoch\\\":7")).expect("forged");
    assert_eq!(epoch(&read(&folder).expect("a book")), 1);
}

#[test]
fn a_broken_snapshot_yields_to_the_one_before_with_both_journals() {
    let folder = TempDir::new().expect("a folder");
    let (mut disk, mut book) = written(&folder);
    promote(&mut book, &mut disk, 2);
    disk.rotate(&Image::of(&book).expect("an image")).expect("a snapshot");
    promote(&mut book, &mut disk, 3);
    let newest = snapshot_path(folder.path(), 2);
    let mut bytes = fs::read(&newest).expect("a snapshot");
    bytes[40] ^= 1;
    fs::write(&newest, bytes).expect("broken");
    assert_eq!(epoch(&read(&folder).expect("a book")), 3);
    fs::remove_file(newest).expect("gone");
    assert_eq!(epoch(&read(&folder).expect("a book")), 3, "killed before the snapshot was renamed");
}

#[test]
fn only_two_snapshots_are_kept() {
    let folder = TempDir::new().expect("a folder");
    let (mut disk, book) = written(&folder);
    for _ in 0..4 {
        disk.rotate(&Image::of(&book).expect("an image")).expect("a snapshot");
    }
    assert_eq!(numbers(folder.path()).expect("a folder"), [4, 5]);
}

#[test]
fn another_regions_table_is_not_read() {
    let folder = TempDir::new().expect("a folder");
    written(&folder);
    let elsewhere = Disk::open(folder.path().into(), RegionId(Uuid::from_u128(77))).expect("a folder").1;
    assert!(elsewhere.is_none());
}

#[test]
fn a_hundred_thousand_routes_are_read_again() {
    let folder = TempDir::new().expect("a folder");
    let routes = (0..100_000).map(|n: u128| {
        let hosts = vec![format!("app-{n}.shop.example")];
        Content::Route(Route { environment: EnvironmentId(Uuid::from_u128(n)), hosts, ..route(1, 0, Some(BLUE)) })
    });
    let book = book(routes.collect());
    let (mut disk, _) = Disk::open(folder.path().into(), REGION).expect("a folder");
    let writing = Instant::now();
    disk.rotate(&Image::of(&book).expect("an image")).expect("a snapshot");
    let written = writing.elapsed();
    let reading = Instant::now();
    let again = read(&folder).expect("a book");
    assert_eq!(again.routes(), 100_000);
    // Shown with --nocapture; a measurement, not a promise: the profile and the machine decide.
    eprintln!("100,000 routes: written in {written:?}, read in {:?}", reading.elapsed());
}
