//! Images, made of a real build, pushed to and pulled from a real registry by digest, and unpacked.

use crate::{
    build::{built, sources},
    repository::{OPEN, Server, log},
};
use rhone_builder::{
    build::BuildLimits,
    image::{Image, RegistryError, RunConfig, make_artifact, pull, push, write_layout},
    source::{Limits, SourcePolicy},
};
use rhone_domain::digest::Digest;
use rhone_image::{
    layout::{Index, Platform, architecture},
    unpack,
};
use rhone_providers::{artifact_facts::read_facts, artifact_oci::pack_oci_layout};
use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

/// Debian's registry, with its blobs in a folder of ours.
pub(crate) struct Registry {
    server: Server,
    room: tempfile::TempDir,
}

impl Registry {
    pub(crate) fn start() -> Option<Self> {
        Self::with(None)
    }

    /// One that asks who is there: whoever a line of `htpasswd` names.
    pub(crate) fn private(passwords: &str) -> Option<Self> {
        Self::with(Some(passwords))
    }

    fn with(passwords: Option<&str>) -> Option<Self> {
        if Command::new("docker-registry").arg("--version").output().is_err() {
            eprintln!("SKIPPED: `docker-registry` is not installed");
            return None;
        }
        let room = tempfile::tempdir().unwrap();
        let folder = room.path().to_owned();
        let server = Server::start(|port| {
            let config = folder.join(format!("{port}.yml"));
            let auth = passwords.map(|passwords| {
                let file = folder.join("htpasswd");
                fs::write(&file, passwords).unwrap();
                format!("auth:\n  htpasswd:\n    realm: images\n    path: {}\n", file.display())
            });
            let text = format!(
                "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:{port}\n{}",
                folder.join("store").display(),
                auth.unwrap_or_default()
            );
            fs::write(&config, text).unwrap();
            let mut registry = Command::new("docker-registry");
            registry.arg("serve").arg(config).env_clear().env("OTEL_TRACES_EXPORTER", "none");
            registry
        });
        Some(Self { server, room })
    }

    pub(crate) fn name(&self, path: &str) -> String {
        format!("localhost:{}/{path}", self.server.port)
    }

    /// Where the registry itself keeps a blob.
    fn kept(&self, digest: Digest) -> PathBuf {
        let hex = digest.hex();
        self.room.path().join("store/docker/registry/v2/blobs/sha256").join(&hex[..2]).join(hex).join("data")
    }
}

/// A build's folder as a layout.
pub(crate) async fn layout(room: &Path) -> PathBuf {
    let folder = sources(&[("app.py", "print('hello')\n"), ("lib/data.txt", "data\n")]);
    let artifact = room.join("artifact");
    built(&folder.path().join("in"), &artifact, &BuildLimits::default(), &log().0).await.expect("built");
    let layout = room.join("layout");
    write_layout(&artifact, vec!["python3".into(), "app.py".into()], &layout).expect("written");
    layout
}

#[tokio::test]
async fn the_same_artifact_gives_the_same_image_which_is_a_sound_layout() {
    let rooms = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let layouts = [layout(rooms[0].path()).await, layout(rooms[1].path()).await];
    let [first, second] = layouts.clone().map(|layout| Image::open(&layout).expect("an image"));
    assert_eq!(first, second);
    let packed = layouts.map(|layout| pack_oci_layout(&layout, std::io::sink()).expect("a sound layout").digest);
    assert_eq!(packed[0], packed[1]);
    assert_eq!(first.config.config.command(), ["python3", "app.py"]);
    assert_eq!(first.config.config.working_dir.as_deref(), Some("/app"));
}

#[tokio::test]
async fn an_image_is_pushed_pulled_by_its_digest_and_unpacked_to_the_same_files() {
    let Some(registry) = Registry::start() else { return };
    let room = tempfile::tempdir().unwrap();
    let layout = layout(room.path()).await;
    let name = registry.name("acme/hello");
    let digest = push(&layout, &name, None, &OPEN, &log().0).await.expect("pushed");
    assert_eq!(push(&layout, &name, None, &OPEN, &log().0).await.expect("pushed again"), digest);
    let into = room.path().join("pulled");
    let pulled = pull((&name, digest), None, &into, &Limits::default(), &OPEN, &log().0).await.expect("pulled");
    assert_eq!(pulled.image.descriptor.digest, digest);
    let packed = [&layout, &into].map(|layout| pack_oci_layout(layout, std::io::sink()).expect("sound").digest);
    assert_eq!(packed[0], packed[1], "what was pulled is what was pushed");
    let unpacked = room.path().join("root");
    unpack::unpack(&into, &pulled.image, &unpacked, &unpack::Limits::default()).expect("unpacked");
    assert_eq!(fs::read_to_string(unpacked.join("app/lib/data.txt")).unwrap(), "data\n");
    assert!(unpacked.join("app/rhone.toml").exists());
    make_artifact(&into, &pulled.image, Some("/health")).expect("an artifact");
    let mut tar = Vec::new();
    pack_oci_layout(&into, &mut tar).expect("packed");
    let facts = read_facts(tar.as_slice()).expect("facts");
    assert_eq!((facts.command, facts.health_path.as_str()), (vec!["python3".into(), "app.py".into()], "/health"));
}

#[tokio::test]
async fn of_a_list_the_image_for_this_machine_is_pulled() {
    let Some(registry) = Registry::start() else { return };
    let room = tempfile::tempdir().unwrap();
    let layout = layout(room.path()).await;
    let name = registry.name("acme/list");
    let digest = push(&layout, &name, None, &OPEN, &log().0).await.expect("pushed");
    let image = Image::open(&layout).unwrap();
    let put = async |platforms: &[(&str, &str)]| {
        let on = |(os, architecture): &(&str, &str)| rhone_image::layout::Descriptor {
            platform: Some(Platform { os: (*os).to_owned(), architecture: (*architecture).to_owned() }),
            ..image.descriptor.clone()
        };
        let media_type = "application/vnd.oci.image.index.v1+json".to_owned();
        let list = Index {
            schema_version: 2,
            media_type: Some(media_type.clone()),
            manifests: platforms.iter().map(on).collect(),
        };
        let bytes = serde_json::to_vec(&list).unwrap();
        let list = Digest::of(&[&bytes]);
        let url = format!("http://127.0.0.1:{}/v2/acme/list/manifests/{list}", registry.server.port);
        let put = reqwest::Client::builder().no_proxy().build().unwrap().put(url);
        let answer = put.header("Content-Type", media_type).body(bytes).send().await.unwrap();
        assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
        list
    };
    let list = put(&[("linux", "s390x"), ("windows", architecture()), ("linux", architecture())]).await;
    let pulled =
        pull((&name, list), None, &room.path().join("one"), &Limits::default(), &OPEN, &log().0).await.expect("pulled");
    assert_eq!(pulled.image.descriptor.digest, digest);
    let other = put(&[("linux", "s390x")]).await;
    let refused = pull((&name, other), None, &room.path().join("two"), &Limits::default(), &OPEN, &log().0).await;
    assert_eq!(refused.expect_err("another machine").code(), "IMAGE_NO_PLATFORM");
}

#[tokio::test]
async fn what_the_registry_does_not_have_or_has_changed_is_refused_and_nothing_is_left() {
    let Some(registry) = Registry::start() else { return };
    let room = tempfile::tempdir().unwrap();
    let layout = layout(room.path()).await;
    let name = registry.name("acme/hello");
    let digest = push(&layout, &name, None, &OPEN, &log().0).await.expect("pushed");
    let image = Image::open(&layout).unwrap();
    let into = room.path().join("pulled");
    let code = async |name: &str, digest, limits: Limits, policy: SourcePolicy| {
        let refused = pull((name, digest), None, &into, &limits, &policy, &log().0).await;
        assert!(!into.exists());
        refused.expect_err("refused").code()
    };
    let all = Limits::default();
    assert_eq!(code(&name, Digest::of(&[b"nothing"]), all, OPEN).await, "IMAGE_NOT_FOUND");
    assert_eq!(code(&registry.name("acme/other"), digest, all, OPEN).await, "IMAGE_NOT_FOUND");
    assert_eq!(code(&format!("{name}:latest"), digest, all, OPEN).await, "IMAGE_NAME_INVALID");
    assert_eq!(code(&name, digest, all, SourcePolicy::default()).await, "SOURCE_NOT_ALLOWED");
    assert_eq!(code(&name, digest, Limits { bytes: 2_000, ..all }, OPEN).await, "IMAGE_TOO_LARGE");
    for blob in [image.manifest.layers[0].digest, image.manifest.config.digest, digest] {
        let path = registry.kept(blob);
        let sound = fs::read(&path).unwrap();
        let mut other = sound.clone();
        let middle = other.len() / 2;
        other[middle] ^= 1;
        fs::write(&path, &other).unwrap();
        let code = code(&name, digest, all, OPEN).await;
        // A changed manifest is noticed by the registry itself as well.
        assert!(code == "IMAGE_BLOB_DIFFERS" || (blob == digest && code == "REGISTRY_ANSWER"), "{blob}: {code}");
        fs::write(&path, &sound).unwrap();
    }
    pull((&name, digest), None, &into, &all, &OPEN, &log().0).await.expect("sound again");
}

/// Answers every request with the same words.
fn answering(words: String) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let _ = stream.read(&mut [0; 4096]).and_then(|_| stream.write_all(words.as_bytes()));
        }
    });
    port
}

#[tokio::test]
async fn a_registry_that_sends_inward_or_asks_for_a_password_is_not_followed() {
    let close = "Content-Length: 0\r\nConnection: close\r\n\r\n";
    for (answer, code) in [
        (format!("HTTP/1.1 307 x\r\nLocation: http://169.254.169.254/latest\r\n{close}"), "SOURCE_NOT_ALLOWED"),
        (format!("HTTP/1.1 307 x\r\nLocation: file:///etc/passwd\r\n{close}"), "IMAGE_NAME_INVALID"),
        (format!("HTTP/1.1 307 x\r\nLocation: /again\r\n{close}"), "REGISTRY_ANSWER"),
        (format!("HTTP/1.1 401 x\r\nWWW-Authenticate: Basic realm=\"x\"\r\n{close}"), "SIGN_IN_NEEDED"),
        (
            format!("HTTP/1.1 401 x\r\nWWW-Authenticate: Bearer realm=\"http://169.254.169.254/token\"\r\n{close}"),
            "SOURCE_NOT_ALLOWED",
        ),
        (format!("HTTP/1.1 500 x\r\n{close}"), "REGISTRY_ANSWER"),
    ] {
        let name = format!("127.0.0.1:{}/a", answering(answer.clone()));
        let room = tempfile::tempdir().unwrap();
        let (into, digest) = (room.path().join("into"), Digest::of(&[b"x"]));
        let refused: RegistryError =
            pull((&name, digest), None, &into, &Limits::default(), &OPEN, &log().0).await.expect_err("refused");
        assert_eq!(refused.code(), code, "{answer}: {refused}");
    }
}

#[test]
fn an_images_own_command_becomes_one_that_a_runner_takes() {
    let image = |entrypoint: &[&str], cmd: &[&str]| {
        let words = |words: &[&str]| Some(words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>());
        let room = tempfile::tempdir().unwrap();
        fs::write(room.path().join("layer.tar"), [0; 1024]).unwrap();
        let config = RunConfig {
            entrypoint: words(entrypoint),
            cmd: words(cmd),
            labels: Some([("rhone.health".to_owned(), "/up".to_owned())].into()),
            ..RunConfig::default()
        };
        let layout = room.path().join("layout");
        rhone_image::layout::write(&layout, &room.path().join("layer.tar"), config, [].into()).unwrap();
        let done = make_artifact(&layout, &Image::open(&layout).unwrap(), None);
        done.map(|()| fs::read_to_string(layout.join("rhone.toml")).unwrap()).map_err(|error| error.to_string())
    };
    let entry = image(&["/docker-entrypoint.sh"], &["nginx", "-g"]).expect("a command");
    assert!(
        entry.contains(r#"process = ["./docker-entrypoint.sh", "nginx", "-g"]"#) && entry.contains("/up"),
        "{entry}"
    );
    assert!(image(&[], &["/usr/bin/x"]).expect("a command").contains(r#"process = ["usr/bin/x"]"#));
    assert!(image(&[], &["x"]).expect("a command").contains(r#"process = ["x"]"#));
    assert!(image(&[], &[]).expect_err("none").contains("neither Entrypoint nor Cmd"));
}
