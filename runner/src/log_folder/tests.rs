//! Every line once, in order, under its number, whoever dies where; and no more on disk than is allowed.
use super::*;
use chrono::DateTime;
use tempfile::TempDir;

fn line(number: u64) -> LogLine {
    LogLine { at: DateTime::UNIX_EPOCH, stream: LogStream::Stdout, text: format!("line {number}") }
}

fn lines(numbers: std::ops::Range<u64>) -> Vec<LogLine> {
    numbers.map(line).collect()
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

/// Takes everything over and removes it: the numbers and the texts.
fn taken(folder: &Path) -> Vec<(u64, String)> {
    let mut all = Vec::new();
    for (first, path) in take_over(folder, 1_000).expect("taken over") {
        let lines = read(&path).expect("readable");
        all.extend((first..).zip(lines).map(|(number, line)| (number, line.text)));
        fs::remove_file(path).expect("removed");
    }
    all
}

fn expected(numbers: std::ops::Range<u64>) -> Vec<(u64, String)> {
    numbers.map(|number| (number, format!("line {number}"))).collect()
}

#[test]
fn lines_are_taken_once_and_in_order_and_numbers_go_on_when_all_were_taken() {
    let folder = folder();
    let mut writing = Writing::resume(folder.path()).expect("opened");
    writing.write(&lines(0..10)).expect("written");
    assert!(take_over(folder.path(), 9).expect("asked").is_empty(), "what is not closed is not taken");
    writing.close().expect("closed");
    assert_eq!(taken(folder.path()), expected(0..10));
    drop(writing);
    let mut writing = Writing::resume(folder.path()).expect("opened again");
    writing.write(&lines(10..10_000)).expect("written");
    writing.close().expect("closed");
    assert!(numbered(folder.path(), CHUNK).expect("listed").len() > 2, "a chunk has a limit");
    assert_eq!(taken(folder.path()), expected(10..10_000));
}

#[test]
fn a_gate_that_died_at_any_step_is_followed_by_one_that_goes_on() {
    // With a line cut off by its death.
    let folder = folder();
    Writing::resume(folder.path()).expect("opened").write(&lines(0..3)).expect("written");
    let open = numbered(folder.path(), OPEN).expect("listed").remove(0).1;
    let mut file = OpenOptions::new().append(true).open(&open).expect("there");
    file.write_all(b"{\"at\":\"19").expect("written");
    let mut writing = Writing::resume(folder.path()).expect("opened again");
    writing.write(&lines(3..5)).expect("written");
    // Between the two steps of closing.
    drop(Writing::create(folder.path(), 5).expect("the next file"));
    drop(writing);
    let mut writing = Writing::resume(folder.path()).expect("opened again");
    writing.write(&lines(5..6)).expect("written");
    // The same, and the next file is lost with it.
    fs::rename(named(folder.path(), 5, OPEN), named(folder.path(), 5, CHUNK)).expect("renamed");
    drop(writing);
    let mut writing = Writing::resume(folder.path()).expect("opened again");
    writing.write(&lines(6..7)).expect("written");
    // About to drop.
    fs::rename(named(folder.path(), 0, CHUNK), named(folder.path(), 0, DROPPING)).expect("renamed");
    drop(writing);
    close_left(folder.path()).expect("closed");
    assert_eq!(taken(folder.path()), expected(0..7));
    close_left(&folder.path().join("absent")).expect("nothing to do");
}

#[test]
fn an_agent_that_died_while_it_sent_sends_again_before_anything_newer() {
    let folder = folder();
    let mut writing = Writing::resume(folder.path()).expect("opened");
    for first in [0, 10, 20] {
        writing.write(&lines(first..first + 10)).expect("written");
        writing.close().expect("closed");
    }
    assert_eq!(take_over(folder.path(), 1).expect("taken over").len(), 1);
    let again = take_over(folder.path(), 2).expect("taken over");
    assert_eq!(again.iter().map(|(first, _)| *first).collect::<Vec<_>>(), [0, 10]);
    assert_eq!(taken(folder.path()), expected(0..30));
}

#[test]
fn what_nobody_takes_is_dropped_the_oldest_first_and_the_drop_is_said_in_its_place() {
    let folder = folder();
    let mut writing = Writing::resume(folder.path()).expect("opened");
    let limit = 20_000;
    let held = take_over(folder.path(), 0).expect("nothing");
    assert!(held.is_empty());
    for first in (0..2_000).step_by(20) {
        writing.write(&lines(first..first + 20)).expect("written");
        writing.close().expect("closed");
        if first == 0 {
            take_over(folder.path(), 1).expect("the agent has one under way");
        }
        writing.keep_within(limit).expect("bounded");
        let size: u64 = numbered(folder.path(), CHUNK)
            .expect("listed")
            .iter()
            .map(|(_, path)| fs::metadata(path).expect("there").len())
            .sum();
        assert!(size <= limit + 200, "{size}");
    }
    let taken = taken(folder.path());
    assert_eq!(taken[..20], expected(0..20), "what is under way is not dropped");
    let note = &taken[20];
    let dropped: u64 = note.1.split_once(" lines were dropped here").expect("a note").0.parse().expect("a number");
    assert_eq!(note.0, 20, "in the place of what was dropped");
    assert!(dropped > 1_000, "{dropped}");
    assert_eq!(taken[21..], expected(20 + dropped..2_000), "all others are there");
}
