//! From an order to a process that answers, and back to it after every crash.

use crate::rig::{EPOCH, Rig, app_after, get, heard, id, kill, lives, say, socket, until, who};
use rhone_domain::{
    host_protocol::{Preamble, Seen},
    ids::AllocationId,
    numbers::{Epoch, Generation},
};
use serde_json::Value;

#[tokio::test]
async fn an_ordered_allocation_is_pulled_started_and_ready_with_the_digest_of_its_bytes() {
    let rig = Rig::start().await;
    let (order, address) = rig.running("blue").await;
    let expected = [
        Seen::Pulling,
        Seen::Starting { digest: order.artifact },
        Seen::Ready { digest: order.artifact, address: address.clone() },
    ];
    assert_eq!(rig.control.seen(order.allocation), expected);

    let identity = who(&address, order.allocation).await.expect("the gate says who it is");
    assert_eq!((identity.digest, identity.deployment), (order.artifact, order.deployment));
    assert!(get(&address, order.allocation, "/").await.expect("a page").contains("<title>blue</title>"));
    let mut socket = socket(&address, order.allocation).await;
    let hello = heard(&mut socket).await;
    let hello: Value = serde_json::from_str(hello.to_text().expect("text")).expect("JSON");
    assert_eq!(hello["allocation"], order.allocation.to_string());

    let pid = identity.pid.expect("it runs");
    let environment = std::fs::read_to_string(format!("/proc/{pid}/environ")).expect("readable");
    let mut names: Vec<_> = environment.split_terminator('\0').filter_map(|entry| entry.split('=').next()).collect();
    names.sort_unstable();
    assert_eq!(names, ["PATH", "PORT", "RHONE_ALLOCATION", "RHONE_DEPLOYMENT", "RHONE_ENVIRONMENT", "RHONE_REGION"]);
}

#[tokio::test]
async fn two_allocations_share_an_artifact_and_have_addresses_of_their_own() {
    let rig = Rig::start().await;
    let (one, first) = rig.running("blue").await;
    let (other, second) = rig.running("blue").await;
    assert_eq!(one.artifact, other.artifact);
    assert_ne!(first, second);
    assert_eq!(rig.control.fetches(), 1, "it was fetched twice");
}

#[tokio::test]
async fn a_killed_app_is_restarted_on_its_address_while_the_control_plane_is_dead() {
    let mut rig = Rig::start().await;
    let (order, address) = rig.running("blue").await;
    let before = who(&address, order.allocation).await.and_then(|gate| gate.pid).expect("it runs");
    rig.control.die();
    kill("-KILL", before);
    app_after(&address, order.allocation, before).await;
    rig.control.resume().await;
    assert_eq!(rig.ready_at(order.allocation, 2).await, address);
    rig.saw(order.allocation, &Seen::Restarted { restarts: 1, exit: "signal 9".to_owned() }).await;
}

#[tokio::test]
async fn a_killed_gate_is_replaced_on_its_address_and_its_app_is_not_left_behind() {
    let mut rig = Rig::start().await;
    let (order, address) = rig.running("blue").await;
    let before = who(&address, order.allocation).await.and_then(|gate| gate.pid).expect("it runs");
    rig.control.die();
    kill("-KILL", rig.gate_pid(order.allocation));
    app_after(&address, order.allocation, before).await;
    until("the orphan is gone", async || (!lives(before)).then_some(())).await;
    rig.control.resume().await;
    assert_eq!(rig.ready_at(order.allocation, 2).await, address);
    rig.saw(order.allocation, &Seen::Restarted { restarts: 1, exit: "gate lost".to_owned() }).await;
}

#[tokio::test]
async fn who_is_not_meant_is_answered_421() {
    let rig = Rig::start().await;
    let (order, address) = rig.running("blue").await;
    let allocation = order.allocation;
    let request = "GET / HTTP/1.1\r\nhost: app\r\nconnection: close\r\n\r\n";
    let stale = Epoch(EPOCH.0 - 1);
    let preambles = [
        Preamble::Connect { allocation: id::<AllocationId>(), epoch: EPOCH }.to_line(),
        Preamble::Connect { allocation, epoch: stale }.to_line(),
        Preamble::Who { allocation: id::<AllocationId>() }.to_line(),
        String::new(),
        "RHONE/1 CONNECT\n".to_owned(),
        "x".repeat(4_096),
    ];
    for preamble in preambles {
        let answer = say(&address, &preamble, request).await.expect("an answer arrives whole");
        assert!(
            answer.starts_with("HTTP/1.1 421 ") && answer.contains("\r\nrhone-misdirected: 1\r\n"),
            "{preamble}: {answer}"
        );
    }
    let meant = Preamble::Connect { allocation, epoch: EPOCH.next() }.to_line();
    assert!(say(&address, &meant, request).await.expect("an answer").starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_raised_epoch_is_obeyed_without_a_restart() {
    let rig = Rig::start().await;
    let (mut order, address) = rig.running("blue").await;
    let before = who(&address, order.allocation).await;
    (order.generation, order.min_epoch) = (Generation(2), EPOCH.next());
    rig.control.order(&order);
    until("the old epoch is refused", async || {
        get(&address, order.allocation, "/").await?.starts_with("HTTP/1.1 421 ").then_some(())
    })
    .await;
    assert_eq!(rig.ready_at(order.allocation, 2).await, address);
    assert_eq!(who(&address, order.allocation).await, before);
}
