//! Dockerfiles, really built by the machine's `buildah` where it has one: the same commit gives the same image, its steps are
//! root of nothing on the host, and a base image is fetched only over a network that is declared.

use crate::{
    build::{built, has_sandbox, sources},
    image::Registry,
    machines::{machine, running},
    repository::{OPEN, Repository, fetched, log, said, source},
};
use rhone_builder::{
    build::{BuildLimits, build},
    image::{Image, push},
    plan::{Kind, Plan, Programs, detect},
    source::Reference,
};
use rhone_domain::digest::Digest;
use rhone_image::unpack;
use rhone_providers::{artifact_facts::read_facts, artifact_pack::pack_directory};
use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

/// A program that needs nothing else, so that an image can be made of nothing.
const BUSYBOX: &str = "/usr/bin/busybox";

/// Whether it can be tried here; one line says that it was not.
fn can_build() -> bool {
    let missing = ["/usr/bin/buildah", BUSYBOX].into_iter().find(|program| !Path::new(program).exists());
    if let Some(program) = missing {
        eprintln!("SKIPPED: Dockerfiles were not built: {program} is not installed");
        return false;
    }
    let by_root = fs::metadata("/proc/self").is_ok_and(|found| found.uid() == 0);
    if !by_root {
        eprintln!("SKIPPED: Dockerfiles were not built: root does not run this test");
    }
    by_root
}

fn plan(folder: &Path) -> Plan {
    detect(folder, &Programs::of_this_machine()).expect("a plan")
}

const DOCKERFILE: &str = "FROM scratch\n\
    ARG WORD=none\n\
    COPY busybox /bin/busybox\n\
    COPY index.html /srv/\n\
    RUN [\"/bin/busybox\", \"sh\", \"-c\", \"echo $WORD >/srv/word; date >/srv/date; busybox date +%s%N >/dev/null; busybox chown 33:34 /srv/word\"]\n\
    USER 33\n\
    LABEL rhone.health=/index.html\n\
    CMD [\"/bin/busybox\", \"httpd\", \"-f\", \"-h\", \"/srv\"]\n";

/// A repository with a Dockerfile in one commit.
fn repository(dockerfile: &str) -> (Repository, String) {
    let repository = Repository::new();
    repository.write("Dockerfile", dockerfile);
    repository.write("index.html", "hello\n");
    repository.write("rhone.toml", "sockets = [\"/ws\"]\n[build]\nenv = { WORD = \"spoken\" }\n");
    fs::copy(BUSYBOX, repository.path().join("busybox")).unwrap();
    let commit = repository.commit("A Dockerfile");
    (repository, commit)
}

#[tokio::test]
async fn the_same_commit_of_a_dockerfile_gives_the_same_image() {
    if !can_build() {
        return;
    }
    // What a step writes by the clock is its own; everything else in the image has the commit's time.
    let (repository, commit) = repository(&DOCKERFILE.replace("date >/srv/date; ", ""));
    let mut digests: Vec<Digest> = Vec::new();
    for turn in 0..2 {
        let room = tempfile::Builder::new().prefix(&"x".repeat(turn * 7 + 1)).tempdir().unwrap();
        let folder = room.path().join("source");
        fetched(&source(&repository.url(), Reference::Commit(commit.clone())), &folder).await.expect("fetched");
        let plan = plan(&folder);
        assert_eq!((plan.kind, plan.network), (Kind::Dockerfile, false));
        let (log, lines) = log();
        let output = room.path().join("output");
        let done = build(&folder, &plan, &output, &machine(&BuildLimits::default()).await, &log).await;
        let done = done.unwrap_or_else(|error| panic!("{error}: {}", said(lines)));
        if !has_sandbox(&done) {
            return;
        }
        let mut tar = Vec::new();
        digests.push(pack_directory(&output, &mut tar).expect("packed").digest);
        let facts = read_facts(tar.as_slice()).expect("facts");
        assert_eq!((facts.command[0].as_str(), facts.health_path.as_str()), ("bin/busybox", "/index.html"));
        assert_eq!(facts.source.expect("a source").commit, commit);
        assert_eq!(facts.socket_paths, ["/ws"], "what is declared is carried over");
        let image = Image::open(&output).expect("an image");
        let unpacked = room.path().join("root");
        unpack::unpack(&output, &image, &unpacked, &unpack::Limits::default()).expect("unpacked");
        assert_eq!(fs::read_to_string(unpacked.join("srv/word")).unwrap(), "spoken\n");
        assert!(!unpacked.join("srv/date").exists());
        let left: Vec<_> = fs::read_dir(room.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(left.len(), 3, "sources, output and root, and nothing of the build: {left:?}");
    }
    assert_eq!(digests[0], digests[1]);
}

/// Root of its own users, and of nothing that is the host's.
#[tokio::test]
async fn the_steps_of_a_dockerfile_see_nothing_of_the_host_and_are_nobody_there() {
    if !can_build() {
        return;
    }
    let look = "FROM scratch\nCOPY busybox /bin/busybox\nRUN [\"/bin/busybox\", \"sh\", \"-c\", \"busybox cat /proc/self/uid_map >/map; \
        busybox env >/env; busybox cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline >>/env; busybox ls /proc | busybox grep -c '^[0-9]' >/count; \
        busybox ls / /sys >/places; busybox mknod /disk b 254 0 && echo made >/made; busybox sh -c 'echo x >/proc/sysrq-trigger' && echo wrote >>/made; true\"]\n\
        CMD [\"/bin/busybox\"]\n";
    let folder = sources(&[("Dockerfile", look)]);
    fs::copy(BUSYBOX, folder.path().join("in/busybox")).unwrap();
    let (log, lines) = log();
    let output = folder.path().join("out");
    let done = built(&folder.path().join("in"), &output, &BuildLimits::default(), &log).await;
    let done = done.unwrap_or_else(|error| panic!("{error}: {}", said(lines)));
    if !has_sandbox(&done) {
        return;
    }
    let unpacked = folder.path().join("root");
    unpack::unpack(&output, &Image::open(&output).unwrap(), &unpacked, &unpack::Limits::default()).expect("unpacked");
    let read = |name: &str| fs::read_to_string(unpacked.join(name)).unwrap_or_default();
    let map = read("map");
    let words: Vec<_> = map.split_whitespace().collect();
    assert!(words[0] == "0" && words[1] != "0", "its root is somebody else on the host: {map}");
    assert!(!read("env").contains("CARGO") && !read("env").contains("RUST"), "{}", read("env"));
    assert!(read("count").trim().parse::<u32>().is_ok_and(|count| count < 12), "{}", read("count"));
    assert!(!read("places").contains("work") && !read("places").contains("kernel"), "{}", read("places"));
    assert_eq!(read("made"), "", "no device, and no switch of the kernel");
}

#[tokio::test]
async fn a_base_image_is_fetched_only_over_a_network_that_is_declared() {
    if !can_build() {
        return;
    }
    let Some(registry) = Registry::start() else { return };
    let (repository, _) = repository(DOCKERFILE);
    let room = tempfile::tempdir().unwrap();
    let base = room.path().join("base");
    let limits = BuildLimits::default();
    build(&repository.path(), &plan(&repository.path()), &base, &machine(&limits).await, &log().0)
        .await
        .expect("the base is built");
    let name = registry.name("acme/base");
    let digest = push(&base, &name, None, &OPEN, &log().0).await.expect("pushed");
    let dockerfile =
        format!("FROM {name}@{digest}\nUSER 0\nRUN [\"/bin/busybox\", \"sh\", \"-c\", \"echo on >/srv/top\"]\n");
    let output = room.path().join("top");
    let made = async |files: &[(&str, &str)]| {
        let folder = sources(files);
        let (told, lines) = log();
        let input = folder.path().join("in");
        let done = build(&input, &plan(&input), &output, &machine(&limits).await, &told).await;
        (done, said(lines))
    };
    let (closed, told) = made(&[("Dockerfile", &dockerfile)]).await;
    // The sandbox has a loopback of its own, on which nobody listens; a name elsewhere has no way at all.
    assert_eq!(closed.expect_err("the network is closed").code(), "BUILD_FAILED", "{told}");
    let (far, told) = made(&[("Dockerfile", "FROM alpine\n")]).await;
    assert_eq!(far.expect_err("the network is closed").code(), "BUILD_NETWORK_REFUSED", "{told}");
    let (open, told) = made(&[("Dockerfile", &dockerfile), ("rhone.toml", "[build]\nnetwork = true\n")]).await;
    open.unwrap_or_else(|error| panic!("{error}: {told}"));
    let image = Image::open(&output).expect("an image");
    assert_eq!(image.config.config.command()[1], "httpd", "what the base says still holds");
    let unpacked = room.path().join("root");
    unpack::unpack(&output, &image, &unpacked, &unpack::Limits::default()).expect("unpacked");
    assert_eq!(fs::read_to_string(unpacked.join("srv/top")).unwrap(), "on\n");
    assert_eq!(fs::read_to_string(unpacked.join("srv/word")).unwrap(), "spoken\n");
}

#[tokio::test]
async fn a_dockerfile_that_fails_or_starts_nothing_says_so() {
    if !can_build() {
        return;
    }
    for (text, code) in [
        ("FROM scratch\nCOPY absent /x\n", "BUILD_FAILED"),
        ("FROM scratch\nNONSENSE\n", "BUILD_FAILED"),
        ("FROM scratch\nCOPY Dockerfile /x\n", "BUILD_IMAGE_UNUSABLE"),
    ] {
        let folder = sources(&[("Dockerfile", text)]);
        let (input, output) = (folder.path().join("in"), folder.path().join("out"));
        let (log, lines) = log();
        let refused = built(&input, &output, &BuildLimits::default(), &log).await.expect_err(text);
        assert_eq!(refused.code(), code, "{text}: {refused}: {}", said(lines));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "{text} left something");
    }
}

/// A step that takes too much of something, within limits that `buildah` itself needs.
async fn stopped(step: &str, limits: BuildLimits, code: &str, limit: &str) {
    let dockerfile = format!(
        "FROM scratch\nCOPY busybox /bin/busybox\nRUN [\"/bin/busybox\", \"sh\", \"-c\", \"{step}\"]\nCMD [\"/bin/busybox\"]\n"
    );
    let folder = sources(&[("Dockerfile", &dockerfile)]);
    fs::copy(BUSYBOX, folder.path().join("in/busybox")).unwrap();
    let (log, lines) = log();
    let done = built(&folder.path().join("in"), &folder.path().join("out"), &limits, &log).await;
    let refused = done.expect_err(step);
    assert_eq!(refused.code(), code, "{step}: {refused}: {}", said(lines));
    assert!(refused.to_string().contains(limit), "{refused}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "{step} left something");
}

#[tokio::test]
async fn a_dockerfile_that_takes_too_much_is_stopped_and_the_limit_is_named() {
    if !can_build() {
        return;
    }
    let mib = 1024 * 1024;
    let limits = BuildLimits { seconds: 60, memory_bytes: 512 * mib, disk_bytes: 128 * mib, ..BuildLimits::default() };
    stopped(
        // A shell that cannot fork ends; another one waits.
        "(while true; do busybox sleep 60 & done) & busybox sleep 60",
        BuildLimits { processes: 96, ..limits },
        "BUILD_TOO_MANY_PROCESSES",
        "96 processes",
    )
    .await;
    stopped(
        "busybox dd if=/dev/zero bs=700M count=1 | busybox sleep 60",
        limits,
        "BUILD_OUT_OF_MEMORY",
        &format!("{} bytes of memory", limits.memory_bytes),
    )
    .await;
    stopped(
        "n=0; while true; do n=$((n+1)); busybox dd if=/dev/zero of=/f$n bs=1M count=8 2>/dev/null; busybox sleep 0.05; done",
        limits,
        "BUILD_TOO_LARGE",
        &format!("more than {} bytes", limits.disk_bytes),
    )
    .await;
    let short = BuildLimits { seconds: 6, ..limits };
    stopped("busybox sleep 7541", short, "BUILD_TIMEOUT", "6 s").await;
    assert_eq!(running(&["busybox", "sleep", "7541"]), 0, "the step runs on");
}
