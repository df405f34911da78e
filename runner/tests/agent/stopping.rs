//! Ends that were ordered.

use crate::rig::{Rig, heard, lives, socket, until, who};
use futures_util::SinkExt;
use rhone_domain::{
    host_protocol::{Desired, Goal, Seen},
    numbers::Generation,
};
use std::time::{Duration, Instant, SystemTime};
use tokio_tungstenite::tungstenite::Message;

fn stop(order: &Desired) -> Desired {
    Desired { goal: Goal::Stop, generation: order.generation.next(), ..order.clone() }
}

#[tokio::test]
async fn a_stopped_allocation_drains_its_sockets_and_is_reported_stopped() {
    let rig = Rig::start().await;
    let (order, address) = rig.running("blue").await;
    let (gate, app) = (
        rig.gate_pid(order.allocation),
        who(&address, order.allocation).await.and_then(|gate| gate.pid).expect("it runs"),
    );
    let mut held = socket(&address, order.allocation).await;
    heard(&mut held).await;
    rig.control.order(&stop(&order));
    rig.saw(order.allocation, &Seen::Draining).await;
    let status = async || rig.file(order.allocation, "gate.json").filter(|gate| gate["stage"]["stage"] == "draining");
    until("the gate drains", status).await;
    // A runner that sends SIGTERM at once is caught here: the app would say "draining" before it echoes.
    held.send(Message::text("not yet")).await.expect("an open socket goes on");
    assert_eq!(heard(&mut held).await, Message::text("not yet"));
    assert!(lives(gate) && lives(app));
    held.close(None).await.expect("closed");
    drop(held);
    let seen = rig.saw_last(order.allocation, "stopped", |seen| *seen == Seen::Stopped { sessions_ended: 0 }).await;
    assert_eq!(seen[seen.len() - 2], Seen::Draining);
    assert!(!lives(gate) && !lives(app));
    let status = rig.file(order.allocation, "gate.json").expect("a status");
    assert_eq!(status["last_exit"], "exit 0");
}

#[tokio::test]
async fn at_the_drain_deadline_open_sessions_are_counted_and_ended() {
    let rig = Rig::start().await;
    let mut order = rig.desired("blue");
    order.drain_timeout_ms = 300;
    rig.control.order(&order);
    let address = rig.ready_at(order.allocation, 1).await;
    let app = who(&address, order.allocation).await.and_then(|gate| gate.pid).expect("it runs");
    let mut held = socket(&address, order.allocation).await;
    heard(&mut held).await;
    let asked = Instant::now();
    rig.control.order(&stop(&order));
    rig.saw_last(order.allocation, "stopped", |seen| *seen == Seen::Stopped { sessions_ended: 1 }).await;
    assert!(asked.elapsed() >= Duration::from_millis(300), "it was not given its time: {:?}", asked.elapsed());
    let told = heard(&mut held).await;
    assert!(told.to_text().expect("text").contains("draining"), "the app was told to end first: {told}");
    assert!(!lives(app));
    let end = &rig.file(order.allocation, "gate.json").expect("a status")["last_exit"];
    assert_eq!(end, "signal 9", "it did not come to the app's own deadline of 10 s");
}

#[tokio::test]
async fn the_deadline_of_the_order_counts_and_not_the_usual_time() {
    let rig = Rig::start().await;
    let mut order = rig.desired("blue");
    order.drain_timeout_ms = 600_000;
    rig.control.order(&order);
    let address = rig.ready_at(order.allocation, 1).await;
    let mut held = socket(&address, order.allocation).await;
    heard(&mut held).await;
    let (asked, soon) = (Instant::now(), chrono::DateTime::from(SystemTime::now() + Duration::from_secs(2)));
    rig.control.order(&Desired { drain_deadline: Some(soon), ..stop(&order) });
    // Ten minutes are usual.
    let told = heard(&mut held).await;
    assert!(told.to_text().expect("text").contains("draining"), "{told}");
    assert!(asked.elapsed() >= Duration::from_millis(1_900), "before its deadline: {:?}", asked.elapsed());
    held.close(None).await.expect("closed");
    drop(held);
    rig.saw_last(order.allocation, "stopped", |seen| *seen == Seen::Stopped { sessions_ended: 1 }).await;
}

#[tokio::test]
async fn a_stop_that_was_begun_is_finished_by_the_next_agent() {
    let mut rig = Rig::start().await;
    let (order, address) = rig.running("blue").await;
    let mut held = socket(&address, order.allocation).await;
    heard(&mut held).await;
    rig.control.order(&stop(&order));
    rig.saw_last(order.allocation, "draining", |seen| *seen == Seen::Draining).await;
    rig.kill_agent();
    rig.start_agent();
    until("the new agent answers", async || rig.admin("/readyz").await).await;
    held.send(Message::text("still")).await.expect("the new agent did not cut the drain short");
    assert_eq!(heard(&mut held).await, Message::text("still"));
    held.close(None).await.expect("closed");
    drop(held);
    let seen = rig.saw_last(order.allocation, "stopped", |seen| *seen == Seen::Stopped { sessions_ended: 0 }).await;
    assert_eq!(seen.iter().filter(|seen| **seen == Seen::Draining).count(), 1, "{seen:?}");
}

#[tokio::test]
async fn stopping_what_never_ran_is_reported_stopped() {
    let rig = Rig::start().await;
    let order = Desired { goal: Goal::Stop, generation: Generation(4), ..rig.desired("blue") };
    rig.control.order(&order);
    let seen = rig.saw_last(order.allocation, "stopped", |seen| *seen == Seen::Stopped { sessions_ended: 0 }).await;
    assert_eq!(seen, [Seen::Stopped { sessions_ended: 0 }]);
}
