//! Lines are whole or marked, secrets are gone, and no reader holds a build up for ever.

use super::*;
use rhone_domain::{hidden::Hidden, logs::LONGEST_LINE};
use std::future::pending;
use tokio::io::BufReader;

fn mask(secrets: &[&str]) -> Mask {
    Mask::of(&secrets.iter().map(|&secret| Hidden::new(secret.to_owned())).collect::<Vec<_>>())
}

async fn kept(masked: &[&str], printed: &[u8]) -> Vec<String> {
    let (log, mut reader) = Log::channel(100, mask(masked));
    log.keep(Stream::Out, BufReader::with_capacity(1000, printed), pending()).await;
    drop(log);
    let mut texts = Vec::new();
    while let Some(line) = reader.recv().await {
        texts.push(line.text);
    }
    texts
}

#[tokio::test]
async fn lines_come_as_they_were_printed() {
    assert_eq!(kept(&[], b"one\r\n\ntwo \xff\0\nlast").await, ["one", "", "two \u{fffd}\u{fffd}", "last"]);
}

#[tokio::test]
async fn a_line_without_an_end_is_cut_with_a_mark_and_the_next_one_is_whole() {
    let printed = [vec![b'a'; 200_000], b"\nnext\n".to_vec()].concat();
    let texts = kept(&[], &printed).await;
    assert_eq!(texts, [format!("{} […cut]", "a".repeat(LONGEST_LINE)), "next".to_owned()]);
    let exact = [vec![b'a'; LONGEST_LINE], b"\n".to_vec()].concat();
    assert_eq!(kept(&[], &exact).await, ["a".repeat(LONGEST_LINE)]);
    let wide = "é".repeat(LONGEST_LINE);
    assert!(kept(&[], wide.as_bytes()).await[0].ends_with("é […cut]"));
}

#[tokio::test]
async fn no_secret_is_passed_on_whole_by_line_or_across_the_cut() {
    let secrets = ["hunter2", "hunter2-longer", "-----KEY-----\nabcdefgh\n}\n", ""];
    let texts = kept(&secrets, b"x hunter2-longer hunter2 y\nabcdefgh\n}\n").await;
    assert_eq!(texts, ["x *** *** y", "***", "}"]);
    for before in LONGEST_LINE - 40..LONGEST_LINE + 40 {
        let printed = [vec![b'.'; before], b"hunter2-longer".to_vec(), vec![b'.'; 200]].concat();
        let texts = kept(&secrets, &printed).await;
        assert!(!texts.concat().contains("hunt"), "{before} bytes before");
    }
}

#[tokio::test]
async fn nothing_of_secrets_that_overlap_is_passed_on() {
    let secrets = ["alpha-bravo", "bravo-charlie-delta"];
    assert_eq!(kept(&secrets, b"x alpha-bravo-charlie-delta y\n").await, ["x *** y"]);
    let (log, mut reader) = Log::channel(10, mask(&secrets));
    assert_eq!(log.hide("alpha-bravo-charlie-delta"), "***");
    log.step("alpha-bravo-charlie-delta").await;
    assert_eq!(reader.recv().await.map(|line| line.text).as_deref(), Some("***"));
    // One after another, as it once was, leaves the end of the other one.
    let one_by_one = secrets.iter().fold("alpha-bravo-charlie-delta".to_owned(), |text, one| text.replace(one, "***"));
    assert_eq!(one_by_one, "***-charlie-delta");
}

#[tokio::test]
async fn a_secret_is_hidden_as_json_writes_it() {
    let secret = "pass\"word\nof two lines";
    let logged = serde_json::json!({ "token": secret }).to_string();
    assert_eq!(kept(&[secret], logged.as_bytes()).await, [r#"{"token":"***"}"#]);
}

/// As of a program that left its group: nobody waits for ever, and what was begun is kept.
#[tokio::test]
async fn an_output_that_is_held_open_is_given_up_with_the_line_that_was_begun() {
    let (log, mut reader) = Log::channel(10, Mask::default());
    let (ours, mut theirs) = tokio::io::duplex("half a line".len());
    let (tell, told) = tokio::sync::oneshot::channel::<()>();
    let keeping = tokio::spawn(async move {
        let given_up = async { told.await.expect("told") };
        log.keep(Stream::Out, BufReader::new(ours), given_up).await;
    });
    // The last byte finds room only when the others were read.
    tokio::io::AsyncWriteExt::write_all(&mut theirs, b"half a line.").await.expect("written");
    tell.send(()).expect("it is kept");
    keeping.await.expect("given up");
    let begun = reader.recv().await.map(|line| line.text);
    assert!(begun.as_deref().is_some_and(|text| text.starts_with("half a line")), "{begun:?}");
    drop(theirs);
}

#[tokio::test]
async fn what_the_builder_says_in_several_lines_is_several_lines() {
    let (log, mut reader) = Log::channel(10, Mask::default());
    for text in ["one\r\ntwo\n", "", "nul\0"] {
        log.step(text).await;
    }
    assert_eq!(log.masked("a subject\nand more\0"), "a subject");
    drop(log);
    let mut texts = Vec::new();
    while let Some(line) = reader.recv().await {
        texts.push(line.text);
    }
    assert_eq!(texts, ["one", "two", "", "nul\u{fffd}"]);
}

#[tokio::test]
async fn many_secrets_in_a_line_that_is_cut_give_no_part_of_one_away() {
    let printed = "hunter2-longer".repeat(20_000);
    let texts = kept(&["hunter2-longer"], printed.as_bytes()).await;
    assert!(!texts.concat().contains("hunt") && texts[0].ends_with("[…cut]"));
}

#[tokio::test]
async fn a_slow_reader_is_awaited_and_a_gone_one_is_not() {
    let (log, mut reader) = Log::channel(1, Mask::default());
    log.step("first").await;
    let second = tokio::spawn({
        let log = log.clone();
        async move { log.step("second").await }
    });
    tokio::task::yield_now().await;
    assert!(!second.is_finished(), "the second line has no room yet");
    assert_eq!(reader.recv().await.map(|line| line.text).as_deref(), Some("first"));
    second.await.expect("it was said");
    drop(reader);
    for _ in 0..10 {
        log.err("nobody reads this").await;
    }
    assert_eq!(log.last_lines().len(), 10);
}
