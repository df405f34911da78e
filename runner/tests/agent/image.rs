//! An artifact that is an image: unpacked, run in a root of its own, and ended like any other app.

use crate::rig::{Rig, app_after, binaries, get, kill, until, who};
use rhone_domain::{
    digest::Digest,
    host_protocol::{Desired, Goal, Seen},
    numbers::Generation,
};
use rhone_image::layout::{RunConfig, write};
use std::{collections::BTreeMap, fs, path::Path, process::Command};

/// Whether this machine makes sandboxes.
fn has_sandbox() -> bool {
    let tried = Command::new("bwrap")
        .args(["--unshare-user-try", "--unshare-pid", "--ro-bind", "/", "/", "/bin/true"])
        .status();
    let can = tried.is_ok_and(|status| status.success());
    if !can {
        eprintln!("SKIPPED: bubblewrap is not installed or cannot make a sandbox here");
    }
    can
}

/// The libraries that a program is linked with, and its loader.
fn libraries(program: &Path) -> Vec<String> {
    let listed = Command::new("ldd").arg(program).output().expect("ldd runs");
    let listed = String::from_utf8(listed.stdout).expect("text");
    listed.split_whitespace().filter(|word| word.starts_with('/')).map(str::to_owned).collect()
}

/// An image with the counter app, what it is linked with, and nothing else; packed as an artifact.
fn artifact(room: &Path, user: Option<&str>) -> (Digest, Vec<u8>) {
    let counter = binaries().join("counter");
    let mut layer = tar::Builder::new(fs::File::create(room.join("layer.tar")).expect("a file"));
    let mut add = |name: &str, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o755);
        header.set_size(content.len() as u64);
        layer.append_data(&mut header, name, content).expect("an entry");
    };
    add("srv/counter", &fs::read(&counter).expect("readable"));
    add("etc/passwd", b"root:x:0:0::/:\nweb:x:4711:4712::/srv:\n");
    add("srv/version.txt", b"imaged");
    add("srv/public/index.html", b"<title>imaged</title>");
    for library in libraries(&counter) {
        add(library.trim_start_matches('/'), &fs::read(&library).expect("readable"));
    }
    layer.finish().expect("a tar");
    drop(layer);
    let layout = room.join("layout");
    let config = RunConfig {
        env: Some(vec!["PATH=/srv:/bin".to_owned(), "DRAIN_SECONDS=1".to_owned()]),
        cmd: Some(vec!["/srv/counter".to_owned()]),
        user: user.map(str::to_owned),
        working_dir: Some("/srv".to_owned()),
        ..RunConfig::default()
    };
    write(&layout, &room.join("layer.tar"), config, BTreeMap::new()).expect("written");
    let mut packed = tar::Builder::new(Vec::new());
    let mut blobs: Vec<_> =
        fs::read_dir(layout.join("blobs/sha256")).expect("listed").flatten().map(|entry| entry.file_name()).collect();
    blobs.sort_unstable();
    let blobs = blobs.iter().map(|blob| format!("blobs/sha256/{}", blob.to_string_lossy()));
    for name in blobs.chain(["index.json".to_owned(), "oci-layout".to_owned()]) {
        let content = fs::read(layout.join(&name)).expect("readable");
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        packed.append_data(&mut header, &name, &content[..]).expect("an entry");
    }
    let bytes = packed.into_inner().expect("a tar");
    (Digest::of(&[&bytes]), bytes)
}

fn ordered(rig: &Rig, user: Option<&str>) -> Desired {
    let room = tempfile::tempdir().expect("a folder");
    let (digest, bytes) = artifact(room.path(), user);
    rig.control.store(digest, bytes);
    let order = Desired { artifact: digest, command: vec!["srv/counter".to_owned()], ..rig.desired("unused") };
    rig.control.order(&order);
    order
}

async fn running(rig: &Rig) -> (Desired, String) {
    let order = ordered(rig, None);
    let address = rig.ready_at(order.allocation, 1).await;
    (order, address)
}

fn root(rig: &Rig, order: &Desired) -> std::path::PathBuf {
    rig.data().join("allocations").join(order.allocation.to_string()).join("rootfs")
}

#[tokio::test]
async fn an_image_runs_in_a_root_of_its_own_with_its_variables_and_comes_back_after_a_crash() {
    if !has_sandbox() {
        return;
    }
    let rig = Rig::start().await;
    let (order, address) = running(&rig).await;
    assert!(get(&address, order.allocation, "/").await.expect("a page").contains("<title>imaged</title>"));
    let pid = who(&address, order.allocation).await.expect("it says who it is").pid.expect("it runs");
    let app = inner(pid);
    let see = |path: &str| Path::new(&format!("/proc/{app}/root{path}")).exists();
    assert!(
        see("/srv/counter") && !see("/root") && !see("/home") && !see("/usr/bin/env"),
        "it sees its own root alone"
    );
    let environment = fs::read_to_string(format!("/proc/{app}/environ")).expect("readable");
    let has = |pair: &str| environment.split_terminator('\0').any(|entry| entry == pair);
    assert!(has("PATH=/srv:/bin") && has("DRAIN_SECONDS=1") && environment.contains("PORT="), "{environment:?}");
    let status = fs::read_to_string(format!("/proc/{app}/status")).expect("readable");
    assert!(status.contains("CapEff:\t0000000000000000"), "{status}");
    // What somebody changed in its root is gone with the next start.
    fs::write(root(&rig, &order).join("srv/version.txt"), "changed").expect("written");
    kill("-KILL", pid);
    app_after(&address, order.allocation, pid).await;
    let body = until("it answers again", async || get(&address, order.allocation, "/sessions").await).await;
    assert!(body.contains("imaged"), "{body}");
    let gone = async || (!Path::new(&format!("/proc/{app}")).exists()).then_some(());
    until("the app is not left behind by its sandbox", gone).await;
}

/// The app in the sandbox: the youngest descendant.
fn inner(pid: u32) -> u32 {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    children.split_whitespace().next().and_then(|child| child.parse().ok()).map_or(pid, inner)
}

#[tokio::test]
async fn an_image_is_told_to_stop_says_goodbye_and_leaves_no_root() {
    if !has_sandbox() {
        return;
    }
    let rig = Rig::start().await;
    let (order, _) = running(&rig).await;
    let stop = Desired { generation: Generation(2), goal: Goal::Stop, drain_timeout_ms: 10, ..order.clone() };
    rig.control.order(&stop);
    rig.saw_last(order.allocation, "stopped", |seen| matches!(seen, Seen::Stopped { .. })).await;
    let status = rig.file(order.allocation, "gate.json").expect("a status");
    assert_eq!(status["last_exit"], "exit 0", "the app itself ended, and was not ended with its sandbox");
    until("its root is gone", async || (!root(&rig, &order).exists()).then_some(())).await;
}

#[tokio::test]
async fn an_image_whose_layers_are_not_what_it_says_never_starts() {
    if !has_sandbox() {
        return;
    }
    let rig = Rig::start().await;
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_size(2);
    for name in ["index.json", "oci-layout"] {
        tar.append_data(&mut header.clone(), name, &b"{}"[..]).expect("an entry");
    }
    let bytes = tar.into_inner().expect("a tar");
    let digest = Digest::of(&[&bytes]);
    rig.control.store(digest, bytes);
    let order = Desired { artifact: digest, ready_timeout_ms: 2_000, ..rig.desired("unused") };
    rig.control.order(&order);
    rig.saw_last(order.allocation, "failed", |seen| matches!(seen, Seen::Failed { .. })).await;
}

#[tokio::test]
async fn an_image_runs_as_the_user_that_it_names_and_not_at_all_as_one_that_nobody_knows() {
    if !has_sandbox() {
        return;
    }
    let rig = Rig::start().await;
    for (named, uid, gid) in [("web", "4711", "4712"), ("1234:99", "1234", "99")] {
        let order = ordered(&rig, Some(named));
        let address = rig.ready_at(order.allocation, 1).await;
        let app = inner(who(&address, order.allocation).await.expect("it says who it is").pid.expect("it runs"));
        let first = |map: &str| {
            let text = fs::read_to_string(format!("/proc/{app}/{map}")).expect("readable");
            text.split_whitespace().next().map(str::to_owned)
        };
        assert_eq!((first("uid_map").as_deref(), first("gid_map").as_deref()), (Some(uid), Some(gid)), "{named}");
    }
    let order = ordered(&rig, Some("nobody-knows"));
    // It is unpacked before its user is looked for, however long that takes.
    let refused = async || {
        let status = rig.file(order.allocation, "gate.json")?;
        status["last_exit"].as_str()?.contains("IMAGE_USER_REFUSED").then_some(())
    };
    until("its first start is refused", refused).await;
    let order = Desired { generation: Generation(2), ready_timeout_ms: 8_000, ..order };
    rig.control.order(&order);
    let seen = rig.saw_last(order.allocation, "failed", |seen| matches!(seen, Seen::Failed { .. })).await;
    let told = format!("{:?}", seen.last());
    assert!(told.contains("IMAGE_USER_REFUSED") && told.contains("nobody-knows"), "{told}");
}
