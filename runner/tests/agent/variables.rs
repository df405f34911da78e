//! An app's variables: in its environment, and nowhere else; there again after a crash while the control plane is dead; gone
//! with the allocation. The canary must be found in the app's environment, or the scan would prove nothing.

use crate::rig::{Rig, app_after, kill, processes, until, who};
use rhone_domain::{
    allocation::Cause,
    host_protocol::{Desired, Goal, SECRET_MISSING, Seen},
    numbers::{EnvSet, Generation},
};
use std::{fs, path::Path};

const CANARY: &str = "canary-of-the-runner-77ab";

async fn with_canary(rig: &Rig) -> (Desired, String) {
    let order = rig.desired("blue");
    rig.control.hand_out(order.allocation, order.env_set, &[("TOKEN", CANARY), ("PORT", "1"), ("GREETING", "hello")]);
    rig.control.order(&order);
    let address = rig.ready_at(order.allocation, 1).await;
    (order, address)
}

fn environment_of(pid: u32) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/environ")).expect("readable");
    text.split_terminator('\0').map(str::to_owned).collect()
}

/// Files below a folder that hold the canary.
fn holding(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("listed").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(holding(&path));
        } else if fs::read(&path).is_ok_and(|bytes| bytes.windows(CANARY.len()).any(|part| part == CANARY.as_bytes())) {
            found.push(path.display().to_string());
        }
    }
    found
}

#[tokio::test]
async fn an_app_gets_its_variables_and_they_are_nowhere_else() {
    let rig = Rig::start().await;
    let (order, address) = with_canary(&rig).await;
    let pid = who(&address, order.allocation).await.and_then(|gate| gate.pid).expect("it runs");
    let environment = environment_of(pid);
    assert!(environment.contains(&format!("TOKEN={CANARY}")), "{environment:?}");
    assert!(environment.contains(&"GREETING=hello".to_owned()));
    assert!(!environment.contains(&"PORT=1".to_owned()), "what the platform sets is not replaced");
    assert_eq!(holding(rig.data().parent().expect("the rig's folder")), Vec::<String>::new());
    let argued = processes("cmdline", |words| words.iter().any(|word| word.contains(CANARY)));
    assert_eq!(argued, Vec::<u32>::new(), "in somebody's arguments");
    let gate = environment_of(rig.gate_pid(order.allocation));
    assert!(!gate.iter().any(|entry| entry.contains(CANARY)), "{gate:?}");
    // A scan that never finds anything proves nothing.
    fs::write(rig.data().join("leak"), format!("x{CANARY}x")).expect("written");
    assert_eq!(holding(&rig.data()).len(), 1, "a leak is found");
}

#[tokio::test]
async fn a_crashed_app_and_a_lost_gate_come_back_with_their_variables_while_the_control_plane_is_dead() {
    let mut rig = Rig::start().await;
    let (order, address) = with_canary(&rig).await;
    let before = who(&address, order.allocation).await.and_then(|gate| gate.pid).expect("it runs");
    rig.control.die();
    kill("-KILL", before);
    let again = app_after(&address, order.allocation, before).await;
    assert!(environment_of(again).contains(&format!("TOKEN={CANARY}")));
    rig.kill_agent();
    rig.start_agent();
    rig.adopted(1).await;
    kill("-KILL", rig.gate_pid(order.allocation));
    let third = app_after(&address, order.allocation, again).await;
    assert!(environment_of(third).contains(&format!("TOKEN={CANARY}")));
    rig.control.resume().await;
}

#[tokio::test]
async fn nothing_of_them_stays_when_the_allocation_has_ended() {
    let rig = Rig::start().await;
    let (mut order, _) = with_canary(&rig).await;
    let sealed = rig.data().join("allocations").join(order.allocation.to_string()).join("variables.sealed");
    assert!(sealed.exists());
    (order.generation, order.goal) = (Generation(2), Goal::Stop);
    rig.control.order(&order);
    rig.saw(order.allocation, &Seen::Stopped { sessions_ended: 0 }).await;
    assert!(!sealed.exists());
}

async fn failure(rig: &Rig, order: &Desired) -> String {
    let seen = rig.saw_last(order.allocation, "failed", |seen| matches!(seen, Seen::Failed { .. })).await;
    match seen.into_iter().last() {
        Some(Seen::Failed { reason, cause }) => {
            assert_eq!(cause, Some(Cause::SecretMissing));
            reason
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_missing_set_or_another_set_than_ordered_fails_the_allocation() {
    let rig = Rig::start().await;
    let order = rig.desired("blue");
    rig.control.lose_variables(order.allocation);
    rig.control.order(&order);
    assert_eq!(failure(&rig, &order).await, format!("{SECRET_MISSING}: TOKEN is gone"));

    let order = rig.desired("blue");
    rig.control.hand_out(order.allocation, EnvSet(order.env_set.0 + 1), &[("TOKEN", CANARY)]);
    rig.control.order(&order);
    let reason = failure(&rig, &order).await;
    assert!(reason.starts_with(SECRET_MISSING) && reason.contains("set 1 was ordered and set 2"), "{reason}");
    assert!(rig.file(order.allocation, "gate.json").is_none(), "a gate was started");
    until("nothing is kept", async || holding(&rig.data()).is_empty().then_some(())).await;
}
