//! What a runner does not do, whoever orders it.

use crate::rig::{Rig, app_after, artifact, get, kill, until, who};
use rhone_domain::{
    allocation::Cause,
    digest::Digest,
    host_protocol::{Desired, Goal, Seen},
    numbers::Generation,
};
use std::{fs, os::unix::fs::PermissionsExt, path::Path};

async fn failure(rig: &Rig, order: &Desired) -> String {
    let seen = rig.saw_last(order.allocation, "failed", |seen| matches!(seen, Seen::Failed { .. })).await;
    match seen.into_iter().last() {
        Some(Seen::Failed { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn bytes_with_another_digest_are_never_executed() {
    let rig = Rig::start().await;
    let mut order = rig.desired("blue");
    order.artifact = Digest::of(&[b"something else"]);
    rig.control.store(order.artifact, artifact("blue").1);
    rig.control.order(&order);
    let reason = failure(&rig, &order).await;
    assert!(reason.contains(&artifact("blue").0.to_string()), "{reason}");
    assert!(rig.file(order.allocation, "gate.json").is_none(), "a gate was started");
    let kept: Vec<_> = fs::read_dir(rig.data().join("artifacts")).expect("listed").flatten().collect();
    assert!(kept.is_empty(), "{kept:?}");
}

#[tokio::test]
async fn an_artifact_that_nobody_has_fails_the_allocation() {
    let rig = Rig::start().await;
    let mut order = rig.desired("blue");
    order.artifact = Digest::of(&[b"nowhere"]);
    rig.control.order(&order);
    assert!(failure(&rig, &order).await.contains("does not have the artifact"));
}

#[tokio::test]
async fn commands_and_paths_that_lead_elsewhere_are_refused() {
    let rig = Rig::start().await;
    let wrong: [fn(&mut Desired); 4] = [
        |order| order.command = vec!["/bin/sh".to_owned()],
        |order| order.command = vec!["../counter".to_owned()],
        |order| order.command = vec![],
        |order| order.health_path = "/health HTTP/1.1\r\nx: y".to_owned(),
    ];
    for change in wrong {
        let mut order = rig.desired("blue");
        change(&mut order);
        rig.control.order(&order);
        failure(&rig, &order).await;
        assert!(rig.file(order.allocation, "gate.json").is_none(), "a gate was started");
    }
}

#[tokio::test]
async fn an_app_that_is_never_well_fails_in_time_and_is_ended() {
    let rig = Rig::start().await;
    let mut order = rig.desired("blue");
    (order.health_path, order.ready_timeout_ms) = ("/nowhere".to_owned(), 500);
    rig.control.order(&order);
    assert!(failure(&rig, &order).await.contains("/nowhere"));
    let address = rig.file(order.allocation, "record.json").expect("a record")["address"].as_str().map(str::to_owned);
    assert!(who(&address.expect("it had one"), order.allocation).await.is_none(), "its gate lives");
}

/// A tar with one script, and its digest.
fn script(text: &str) -> (Digest, Vec<u8>) {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_mode(0o755);
    header.set_size(text.len() as u64);
    builder.append_data(&mut header, "app", text.as_bytes()).expect("an entry");
    let bytes = builder.into_inner().expect("an archive");
    (Digest::of(&[&bytes]), bytes)
}

#[tokio::test]
async fn an_app_that_ends_by_itself_fails_with_its_own_end_and_not_as_a_crash_of_the_runner() {
    let rig = Rig::start().await;
    let mut order = rig.desired("blue");
    let (digest, bytes) = script("#!/bin/sh\necho no database; exit 3\n");
    rig.control.store(digest, bytes);
    (order.artifact, order.command, order.ready_timeout_ms) = (digest, vec!["./app".to_owned()], 8_000);
    rig.control.order(&order);
    let seen = rig.saw_last(order.allocation, "failed", |seen| matches!(seen, Seen::Failed { .. })).await;
    let [.., Seen::Restarted { restarts, exit }, Seen::Failed { reason, cause }] = seen.as_slice() else {
        panic!("{seen:?}")
    };
    assert_eq!((exit.as_str(), *cause), ("exit 3", Some(Cause::AppExited)), "{reason}");
    assert!(*restarts > 0 && reason.ends_with(&format!("restarts {restarts}, last end: exit 3")), "{reason}");
}

#[tokio::test]
async fn an_older_order_is_refused_and_counted() {
    let rig = Rig::start().await;
    let mut order = rig.desired("blue");
    order.generation = Generation(5);
    rig.control.order(&order);
    let address = rig.ready_at(order.allocation, 1).await;
    rig.control.order(&Desired { generation: Generation(4), goal: Goal::Stop, ..order.clone() });
    until("it is counted", async || {
        rig.admin("/metrics").await?.contains("rhone_runner_orders_refused_total 1\n").then_some(())
    })
    .await;
    assert!(get(&address, order.allocation, "/health").await.expect("it answers").starts_with("HTTP/1.1 200 "));
    assert_eq!(rig.file(order.allocation, "desired.json").expect("an order")["generation"], 5);
}

fn overwrite(path: &Path) {
    let folder = path.parent().expect("a folder");
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("writable");
    let mut bytes = fs::read(path).expect("readable");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let mode = fs::metadata(path).expect("there").permissions();
    fs::remove_file(path).expect("removed");
    fs::write(path, bytes).expect("written");
    fs::set_permissions(path, mode).expect("the same mode");
}

#[tokio::test]
async fn a_changed_disk_is_noticed_before_the_next_start_and_repaired_from_the_kept_archive() {
    let mut rig = Rig::start().await;
    let (order, address) = rig.running("blue").await;
    let before = who(&address, order.allocation).await.and_then(|gate| gate.pid).expect("it runs");
    rig.control.die();
    let folder = rig.data().join("artifacts").join(order.artifact.hex());
    overwrite(&folder.join("public/index.html"));
    assert!(!get(&address, order.allocation, "/").await.expect("a page").contains("<title>blue</title>"));
    kill("-KILL", before);
    app_after(&address, order.allocation, before).await;
    assert!(get(&address, order.allocation, "/").await.expect("a page").contains("<title>blue</title>"));
}

#[tokio::test]
async fn a_changed_archive_is_not_executed_until_it_was_fetched_again() {
    let mut rig = Rig::start().await;
    let (order, address) = rig.running("blue").await;
    let before = who(&address, order.allocation).await.and_then(|gate| gate.pid).expect("it runs");
    rig.control.die();
    let tar = rig.data().join("artifacts").join(order.artifact.hex()).with_extension("tar");
    overwrite(&tar);
    kill("-KILL", before);
    until("the archive is thrown away", async || (!tar.exists()).then_some(())).await;
    let status = rig.file(order.allocation, "gate.json").expect("a status");
    assert_eq!(status["stage"]["stage"], "fault", "{status}");
    assert!(status["app"].is_null() && who(&address, order.allocation).await.is_none(), "{status}");
    rig.control.resume().await;
    app_after(&address, order.allocation, before).await;
}
