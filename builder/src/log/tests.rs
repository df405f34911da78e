//! Lines are whole or marked, secrets are gone, and no reader holds a build up for ever.

use super::*;
use tokio::io::BufReader;

async fn kept(masked: &[&str], printed: &[u8]) -> Vec<String> {
    let (log, mut reader) = Log::channel(100, masked.iter().map(|&secret| secret.to_owned()).collect());
    log.keep(Stream::Out, BufReader::with_capacity(1000, printed)).await;
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
    assert_eq!((texts.len(), texts[0].len(), texts[1].as_str()), (2, LINE_LIMIT, "next"));
    assert!(texts[0].ends_with("a [cut]"));
    let exact = [vec![b'a'; LINE_LIMIT], b"\n".to_vec()].concat();
    assert_eq!(kept(&[], &exact).await, ["a".repeat(LINE_LIMIT)]);
    let wide = "é".repeat(LINE_LIMIT);
    assert!(kept(&[], wide.as_bytes()).await[0].ends_with("é [cut]"));
}

#[tokio::test]
async fn no_secret_is_passed_on_whole_by_line_or_across_the_cut() {
    let secrets = ["hunter2", "hunter2-longer", "-----KEY-----\nabcdefgh\n}\n", ""];
    let texts = kept(&secrets, b"x hunter2-longer hunter2 y\nabcdefgh\n}\n").await;
    assert_eq!(texts, ["x *** *** y", "***", "}"]);
    for before in LINE_LIMIT - 40..LINE_LIMIT + 40 {
        let printed = [vec![b'.'; before], b"hunter2-longer".to_vec(), vec![b'.'; 200]].concat();
        let texts = kept(&secrets, &printed).await;
        assert!(!texts.concat().contains("hunt"), "{before} bytes before");
        assert!(texts[0].len() <= LINE_LIMIT);
    }
}

#[tokio::test]
async fn many_secrets_in_a_line_that_is_cut_give_no_part_of_one_away() {
    let printed = "hunter2-longer".repeat(20_000);
    let texts = kept(&["hunter2-longer"], printed.as_bytes()).await;
    assert!(!texts.concat().contains("hunt") && texts[0].ends_with("[cut]"));
}

#[tokio::test]
async fn a_slow_reader_is_awaited_and_a_gone_one_is_not() {
    let (log, mut reader) = Log::channel(1, vec![]);
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
