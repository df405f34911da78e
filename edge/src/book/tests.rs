//! What a rebuild keeps, refuses and quarantines.

use super::*;
use crate::apply::tests::{BLUE, GREEN, PRODUCTION, REGION, route};
use rhone_domain::{
    digest::Digest,
    feed::{Route, chain},
    numbers::FeedSeq,
};
use uuid::Uuid;

const LIFE: Incarnation = Incarnation(Uuid::from_u128(1));
const NEXT_LIFE: Incarnation = Incarnation(Uuid::from_u128(2));

fn adopt(book: &mut Book, life: Incarnation, seq: u64, contents: Vec<Content>) -> Result<Adopted, Refused> {
    let snapshot = Snapshot {
        incarnation: life,
        region: REGION,
        seq: FeedSeq(seq),
        digest: Digest::of(&[&seq.to_be_bytes()]),
        contents: contents.iter().map(Content::to_text).collect(),
        signature: String::new(),
    };
    book.adopt(&snapshot, contents, Guard::Keep)
}

fn next(book: &Book, content: &Content) -> Entry {
    let at = book.position.expect("a book with a position");
    let text = content.to_text();
    Entry {
        incarnation: at.incarnation,
        region: REGION,
        seq: at.seq.next(),
        prev: at.digest,
        digest: chain(at.digest, &text),
        content: text,
        signature: String::new(),
    }
}

fn offer(book: &mut Book, content: Route) -> Applied {
    let content = Content::Route(content);
    let entry = next(book, &content);
    book.offer(&entry, &content)
}

fn serving(epoch: u64) -> Book {
    let mut book = Book::default();
    adopt(&mut book, LIFE, 10, vec![Content::Route(route(epoch, 0, Some(BLUE)))]).expect("the first snapshot");
    book
}

fn many(count: u128) -> Vec<Content> {
    (0..count)
        .map(|n| Content::Route(Route { environment: EnvironmentId(Uuid::from_u128(n)), ..route(1, 0, None) }))
        .collect()
}

#[test]
fn a_lower_epoch_in_a_new_life_is_quarantined_until_it_rises_above() {
    let mut book = serving(7);
    let adopted = adopt(&mut book, NEXT_LIFE, 1, vec![Content::Route(route(5, 0, Some(GREEN)))]);
    assert_eq!(adopted, Ok(Adopted { stale: 0, conflicts: 1 }));
    assert_eq!(book.quarantined.get(&PRODUCTION), Some(&Epoch(7)));
    assert_eq!(offer(&mut book, route(7, 0, Some(GREEN))), Applied::Apply);
    assert!(book.quarantined.contains_key(&PRODUCTION), "an equal epoch is not above");
    assert_eq!(offer(&mut book, route(8, 0, Some(GREEN))), Applied::Apply);
    assert!(book.quarantined.is_empty());
}

#[test]
fn the_same_epoch_with_the_same_owner_in_a_new_life_serves_on() {
    let mut book = serving(7);
    let adopted = adopt(&mut book, NEXT_LIFE, 1, vec![Content::Route(route(7, 0, Some(BLUE)))]);
    assert_eq!(adopted, Ok(Adopted::default()));
    assert!(book.quarantined.is_empty());
    assert!(book.lives(NEXT_LIFE));
}

#[test]
fn a_route_that_vanished_and_came_back_lower_is_quarantined() {
    let mut book = serving(7);
    adopt(&mut book, NEXT_LIFE, 1, vec![]).expect("one route is below the guard");
    assert_eq!(book.floors.get(&PRODUCTION), Some(&Epoch(7)));
    let adopted = adopt(&mut book, LIFE, 1, vec![Content::Route(route(6, 0, Some(BLUE)))]);
    assert_eq!(adopted.map(|adopted| adopted.conflicts), Ok(1));
    assert_eq!(book.quarantined.get(&PRODUCTION), Some(&Epoch(7)));
}

#[test]
fn a_conflict_quarantines_its_key_and_moves_on() {
    let mut book = serving(7);
    assert_eq!(offer(&mut book, route(7, 0, Some(GREEN))), Applied::Conflict);
    assert_eq!(book.quarantined.get(&PRODUCTION), Some(&Epoch(7)));
    assert_eq!(book.position.map(|at| at.seq), Some(FeedSeq(11)));
    assert_eq!(offer(&mut book, route(8, 0, Some(GREEN))), Applied::Apply);
    assert!(book.quarantined.is_empty());
}

#[test]
fn an_older_snapshot_of_the_same_life_is_refused() {
    let mut book = serving(7);
    assert_eq!(adopt(&mut book, LIFE, 9, vec![Content::Route(route(9, 0, None))]), Err(Refused::Older));
    assert_eq!(book.position.map(|at| at.seq), Some(FeedSeq(10)));
}

#[test]
fn a_lower_epoch_in_a_snapshot_of_the_same_life_changes_nothing() {
    let mut book = serving(7);
    let adopted = adopt(&mut book, LIFE, 12, vec![Content::Route(route(6, 0, Some(GREEN)))]);
    assert_eq!(adopted, Ok(Adopted { stale: 1, conflicts: 0 }));
    let held = &book.held[&Key::Route(PRODUCTION)].content;
    assert!(matches!(held, Content::Route(route) if route.epoch == Epoch(7)));
}

#[test]
fn a_snapshot_that_lacks_more_than_a_fifth_is_refused_in_the_same_life_only() {
    let mut book = Book::default();
    adopt(&mut book, LIFE, 1, many(10)).expect("the first snapshot");
    assert_eq!(adopt(&mut book, LIFE, 2, many(7)), Err(Refused::Shrunk));
    assert_eq!(book.routes(), 10);
    assert!(adopt(&mut book, LIFE, 2, many(8)).is_ok());
    assert!(adopt(&mut book, NEXT_LIFE, 1, many(1)).is_ok());
}
