//! What the death of an agent does not do.

use crate::rig::{Rig, app_after, binaries, heard, kill, lives, processes, socket, until, who};
use futures_util::SinkExt;
use rhone_domain::{host_protocol::Seen, ids::AllocationId};
use std::{
    fs::{self, File},
    ops::Range,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn a_killed_agent_closes_no_socket_and_its_successor_adopts_without_a_restart() {
    let mut rig = Rig::start().await;
    let (order, address) = rig.running("blue").await;
    let (gate, app) = (rig.gate_pid(order.allocation), who(&address, order.allocation).await.expect("a gate").pid);
    let mut sockets = Vec::new();
    for _ in 0..100 {
        let mut socket = socket(&address, order.allocation).await;
        heard(&mut socket).await;
        sockets.push(socket);
    }
    rig.kill_agent();
    for socket in &mut sockets {
        socket.send(Message::text("without an agent")).await.expect("sent");
        assert_eq!(heard(socket).await, Message::text("without an agent"));
    }
    rig.start_agent();
    rig.adopted(1).await;
    assert_eq!(rig.ready_at(order.allocation, 2).await, address);
    for socket in &mut sockets {
        socket.send(Message::text("with another")).await.expect("sent");
        assert_eq!(heard(socket).await, Message::text("with another"));
    }
    assert_eq!(
        (rig.gate_pid(order.allocation), who(&address, order.allocation).await.expect("a gate").pid),
        (gate, app)
    );
    let seen = rig.control.seen(order.allocation);
    assert!(!seen.iter().any(|seen| matches!(seen, Seen::Restarted { .. })), "{seen:?}");
}

/// The moments reach from before the order arrives to after the app is ready; which step one hits differs from run to run. On two
/// hosts at once: after each moment a second gate may have two seconds to leave.
#[tokio::test]
async fn an_agent_killed_at_any_moment_of_a_start_leaves_one_gate_and_one_app() {
    tokio::join!(killed_at(0..8), killed_at(8..16));
}

async fn killed_at(steps: Range<u64>) {
    let mut rig = Rig::start().await;
    let (_, _) = rig.running("blue").await;
    for step in steps {
        let order = rig.desired("blue");
        rig.control.order(&order);
        tokio::time::sleep(Duration::from_millis(12 * step)).await;
        rig.kill_agent();
        rig.start_agent();
        let address = rig.ready_at(order.allocation, 1).await;
        app_after(&address, order.allocation, 0).await;
        let spec = rig.data().join(format!("allocations/{}/spec.json", order.allocation));
        let words = ["runner_agent", "gate", spec.to_str().expect("text")].map(str::to_owned);
        // A second gate tries for two seconds to be the only one, and leaves.
        let gates = || processes("cmdline", |entries| entries.iter().rev().take(2).eq(words[1..].iter().rev()));
        until(&format!("one gate at step {step}"), async || {
            (gates() == [rig.gate_pid(order.allocation)]).then_some(())
        })
        .await;
        one_app(order.allocation, step).await;
    }
}

/// One that was killed for it may still be dying.
async fn one_app(allocation: AllocationId, step: u64) {
    let mark = format!("RHONE_ALLOCATION={allocation}");
    let apps = || processes("environ", |entries| entries.contains(&mark)).len();
    until(&format!("one app at step {step}"), async || (apps() == 1).then_some(())).await;
}

#[tokio::test]
async fn a_gate_killed_at_any_moment_of_a_start_is_replaced_and_leaves_one_app() {
    let rig = Rig::start().await;
    let (_, _) = rig.running("blue").await;
    for step in 0..12 {
        let order = rig.desired("blue");
        rig.control.order(&order);
        let gate =
            until("a gate", async || rig.file(order.allocation, "gate.json").map(|_| rig.gate_pid(order.allocation)))
                .await;
        tokio::time::sleep(Duration::from_millis(4 * step)).await;
        kill("-KILL", gate);
        until("another gate", async || (rig.gate_pid(order.allocation) != gate).then_some(())).await;
        let address = rig.ready_at(order.allocation, 1).await;
        app_after(&address, order.allocation, 0).await;
        one_app(order.allocation, step).await;
    }
}

#[tokio::test]
async fn an_app_that_crashes_while_its_agent_is_dead_is_restarted_and_reported_later() {
    let mut rig = Rig::start().await;
    let (order, address) = rig.running("blue").await;
    let before = who(&address, order.allocation).await.and_then(|gate| gate.pid).expect("it runs");
    rig.kill_agent();
    kill("-KILL", before);
    app_after(&address, order.allocation, before).await;
    rig.start_agent();
    rig.ready_at(order.allocation, 2).await;
    rig.saw(order.allocation, &Seen::Restarted { restarts: 1, exit: "signal 9".to_owned() }).await;
}

#[tokio::test]
async fn agent_and_gate_killed_together_come_back_on_the_same_address_without_the_control_plane() {
    let mut rig = Rig::start().await;
    let (order, address) = rig.running("blue").await;
    let before = who(&address, order.allocation).await.and_then(|gate| gate.pid).expect("it runs");
    rig.control.die();
    rig.kill_agent();
    kill("-KILL", rig.gate_pid(order.allocation));
    assert!(lives(before), "the app is an orphan now");
    rig.start_agent();
    app_after(&address, order.allocation, before).await;
    until("the orphan is gone", async || (!lives(before)).then_some(())).await;
}

#[tokio::test]
async fn an_allocation_that_is_missing_from_the_desired_set_goes_on() {
    let mut rig = Rig::start().await;
    let (order, address) = rig.running("blue").await;
    let before = who(&address, order.allocation).await;
    rig.control.forget(order.allocation);
    // Another order proves that the set without it has arrived.
    let (_, _) = rig.running("blue").await;
    assert_eq!(who(&address, order.allocation).await, before);
    rig.kill_agent();
    rig.start_agent();
    rig.adopted(2).await;
    assert_eq!(who(&address, order.allocation).await, before);
}

#[tokio::test]
async fn what_was_stopped_for_now_comes_back_on_its_address() {
    let mut rig = Rig::start().await;
    let (order, address) = rig.running("blue").await;
    let (gate, app) = (
        rig.gate_pid(order.allocation),
        who(&address, order.allocation).await.and_then(|gate| gate.pid).expect("it runs"),
    );
    let refusal = rhone_runner::stop_all(&rig.data(), Duration::from_secs(1)).await;
    assert!(matches!(refusal, Err(rhone_runner::Error::AgentRunning { .. })), "{refusal:?}");
    rig.kill_agent();
    let held = socket(&address, order.allocation).await;
    assert_eq!(rhone_runner::stop_all(&rig.data(), Duration::from_millis(200)).await.expect("stopped"), 1);
    assert!(!lives(gate) && !lives(app));
    drop(held);
    rig.start_agent();
    app_after(&address, order.allocation, app).await;
    assert_eq!(rig.ready_at(order.allocation, 2).await, address);
}

/// It waits for the lock of the one before it, and no file tells of it. Without its spec gone first, it would begin now. One that
/// gave up before the end came, on a busy machine, was in no race, and another one is tried.
#[tokio::test]
async fn a_gate_that_was_started_just_before_the_end_begins_nothing() {
    let mut rig = Rig::start().await;
    let (order, _) = rig.running("blue").await;
    rig.kill_agent();
    kill("-KILL", rig.gate_pid(order.allocation));
    let folder = rig.data().join("allocations").join(order.allocation.to_string());
    let spec = folder.join("spec.json");
    let told = fs::read(&spec).expect("a spec");
    for _ in 0..10 {
        fs::write(&spec, &told).expect("written");
        if said_at_the_end(rig.data(), &folder).await.contains("stopped before its gate started") {
            return;
        }
    }
    panic!("no gate waited for its lock when the end came");
}

/// What a gate says that waits for its lock when all of a data folder is ended.
async fn said_at_the_end(data: PathBuf, folder: &Path) -> String {
    let (spec, lock) = (folder.join("spec.json"), folder.join("gate.lock"));
    let held = File::options().write(true).open(&lock).expect("a lock");
    until("the lost gate has let go of its lock", async || held.try_lock().ok()).await;
    let mut command = Command::new(binaries().join("examples/runner_agent"));
    let mut gate = command.arg("gate").arg(&spec).stderr(Stdio::piped()).spawn().expect("a gate");
    until("the gate waits for the lock", async || {
        (has_open(gate.id(), &lock) || gate.try_wait().expect("a child").is_some()).then_some(())
    })
    .await;
    let stopping = tokio::spawn(async move { rhone_runner::stop_all(&data, Duration::ZERO).await });
    until("its spec is gone", async || (!spec.exists()).then_some(())).await;
    drop(held);
    stopping.await.expect("no panic").expect("stopped");
    until("the gate has ended", async || gate.try_wait().expect("a child")).await;
    let output = gate.wait_with_output().expect("a child");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Whether a process has this file open.
fn has_open(pid: u32, file: &Path) -> bool {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    open.filter_map(|entry| fs::read_link(entry.path()).ok()).any(|target| target == file)
}

#[tokio::test]
async fn a_report_that_is_refused_for_good_does_not_hold_up_the_others() {
    let rig = Rig::start().await;
    let poison = rig.desired("blue");
    rig.control.refuse_reports_of(poison.allocation);
    rig.control.order(&poison);
    let (_, _) = rig.running("green").await;
    let dropped = until("the refused ones are dropped and counted", async || {
        let metrics = rig.admin("/metrics").await?;
        let dropped = metrics.lines().find_map(|line| line.strip_prefix("rhone_runner_reports_dropped_total "))?;
        dropped.parse::<u64>().ok().filter(|dropped| *dropped >= 3)
    })
    .await;
    assert!(dropped >= 3);
    assert!(rig.control.seen(poison.allocation).is_empty());
}
