//! What an app prints arrives: every line once under its number, whoever dies on this side or on the other; the last words, too;
//! and no more waits on disk than is allowed.

use crate::rig::{Rig, app_after, get, kill, say, until, who};
use rhone_domain::{
    host_protocol::{Desired, Goal, Preamble, Seen},
    logs::{LogLine, LogStream},
    numbers::Generation,
};

/// Everything that arrived of an allocation once a line says this.
async fn arrived(rig: &Rig, order: &Desired, words: &str) -> Vec<LogLine> {
    let all = until(&format!("a line says {words}"), async || {
        let (lines, _) = rig.control.lines(order.allocation);
        lines.iter().any(|(_, line)| line.text.contains(words)).then_some(lines)
    })
    .await;
    all.into_iter().map(|(_, line)| line).collect()
}

/// Has the app print this.
async fn print(address: &str, order: &Desired, words: &str) {
    let preamble = Preamble::Connect { allocation: order.allocation, epoch: crate::rig::EPOCH }.to_line();
    let length = words.len();
    let request =
        format!("POST /print HTTP/1.1\r\nhost: app\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{words}");
    let answer = say(address, &preamble, &request).await.expect("the gate answers");
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
}

#[tokio::test]
async fn every_line_arrives_once_in_order_and_to_the_last_word_whoever_dies() {
    let mut rig = Rig::start().await;
    let (mut order, address) = rig.running("blue").await;
    for number in 0..20 {
        get(&address, order.allocation, &format!("/a/{number}")).await.expect("it answers");
    }
    arrived(&rig, &order, "GET /a/19 404").await;
    rig.control.die();
    get(&address, order.allocation, "/while-the-control-plane-is-dead").await.expect("it answers");
    rig.kill_agent();
    get(&address, order.allocation, "/while-the-agent-is-dead").await.expect("it answers");
    let before = who(&address, order.allocation).await.and_then(|gate| gate.pid).expect("it runs");
    kill("-KILL", before);
    app_after(&address, order.allocation, before).await;
    // The gate dies too: what it had written is there, and the numbers go on.
    let gate = rig.gate_pid(order.allocation);
    kill("-KILL", gate);
    rig.start_agent();
    rig.control.resume().await;
    until("another gate runs", async || {
        let again = who(&address, order.allocation).await?.pid;
        (again.is_some() && rig.gate_pid(order.allocation) != gate).then_some(())
    })
    .await;
    get(&address, order.allocation, "/after-all").await.expect("it answers");
    (order.generation, order.goal) = (Generation(2), Goal::Stop);
    rig.control.order(&order);
    rig.saw(order.allocation, &Seen::Stopped { sessions_ended: 0 }).await;
    // Every answer was lost once. An app that a dead gate left behind drains, too: the last word is what is said after all.
    let said = |line: &(u64, LogLine), words: &str| line.1.text.contains(words);
    let is_whole = |lines: &[(u64, LogLine)]| {
        let mut rest = lines.iter().skip_while(|line| !said(line, "/after-all"));
        rest.any(|line| said(line, "counter drains"))
    };
    let all = async || Some(rig.control.lines(order.allocation)).filter(|(lines, sent)| *sent >= 2 && is_whole(lines));
    let (lines, _) = until("every chunk was sent again, to the last word", all).await;
    let numbers: Vec<u64> = lines.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (0..numbers.len() as u64).collect::<Vec<_>>(), "no number is missing and none comes twice");
    let asked: Vec<_> = lines.iter().filter_map(|(_, line)| line.text.strip_prefix("GET ")).collect();
    let mut expected: Vec<_> = (0..20).map(|number| format!("/a/{number} 404")).collect();
    let later = ["while-the-control-plane-is-dead", "while-the-agent-is-dead", "after-all"];
    expected.extend(later.map(|path| format!("/{path} 404")));
    assert_eq!(asked, expected);
    let starts = lines.iter().filter(|(_, line)| line.text.contains("listens on")).count();
    assert!(starts >= 3, "{starts}");
}

#[tokio::test]
async fn what_waits_for_a_dead_control_plane_is_bounded_and_what_was_dropped_is_said() {
    let mut rig = Rig::start().await;
    let (order, address) = rig.running("blue").await;
    arrived(&rig, &order, "listens on").await;
    rig.control.die();
    let folder = rig.data().join("allocations").join(order.allocation.to_string()).join("logs");
    let waits = || -> u64 {
        let entries = std::fs::read_dir(&folder).expect("there").flatten();
        entries.filter_map(|entry| entry.metadata().ok()).map(|found| found.len()).sum()
    };
    let filler = "x".repeat(200);
    for round in 0..12 {
        let words: Vec<_> = (0..500).map(|number| format!("round {round} line {number} {filler}")).collect();
        print(&address, &order, &words.join("\n")).await;
        // One that is open, and two that the agent has under way, are not counted.
        assert!(waits() < 400_000 + 3 * 300_000, "{}", waits());
        until("it was handed over", async || {
            let open = std::fs::read_dir(&folder)
                .ok()?
                .flatten()
                .find(|entry| entry.path().extension().is_some_and(|extension| extension == "open"))?;
            (open.metadata().ok()?.len() == 0).then_some(())
        })
        .await;
    }
    rig.control.resume().await;
    // The request is told after what it had printed, perhaps in another chunk.
    let told = async || {
        let (lines, _) = rig.control.lines(order.allocation);
        let mut rest = lines.iter().skip_while(|(_, line)| !line.text.starts_with("round 11 line 499 "));
        let is_whole = rest.any(|(_, line)| line.text.starts_with("POST /print 204"));
        is_whole.then_some(lines)
    };
    let lines = until("the last round is told, and its request", told).await;
    let lines: Vec<_> = lines.into_iter().map(|(_, line)| line).collect();
    let notes: Vec<_> = lines.iter().filter(|line| line.stream == LogStream::Rhone).collect();
    let [note] = notes[..] else { panic!("one note, not {notes:?}") };
    let dropped: usize = note.text.split_once(" lines were dropped here").expect("a note").0.parse().expect("a number");
    let printed = lines.iter().filter(|line| line.text.starts_with("round ")).count();
    let requests = lines.iter().filter(|line| line.text.starts_with("POST /print 204")).count();
    assert!(dropped > 1_000, "{dropped}");
    assert_eq!(dropped + printed + requests, 12 * 501, "every line was told or counted");
}
