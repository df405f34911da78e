//! What is asked of an engine and what is made of its answers, by its documented API (v1.41), on a socket where a script
//! answers. A real engine is asked by the end-to-end tests, where one is installed.

use super::*;
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use rhone_domain::digest::Digest;
use rhone_image::layout::{Image, RunConfig, blob, write};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, VecDeque},
    fs,
    io::Read as _,
    path::Path,
    sync::{Arc, Mutex},
};
use tempfile::TempDir;
use tokio::{net::UnixListener, task::AbortHandle};
use uuid::Uuid;

/// An answer: its status and its body.
type Answer = (u16, Vec<u8>);

/// A socket where each question has its answers, of which the last is said again and again.
struct Fake {
    room: TempDir,
    said: Arc<Script>,
    serving: AbortHandle,
}

#[derive(Default)]
struct Script {
    answers: Mutex<BTreeMap<String, VecDeque<Answer>>>,
    /// Method, path with its query, body.
    asked: Mutex<Vec<(String, String, Vec<u8>)>>,
}

impl Fake {
    fn start() -> Self {
        let room = tempfile::tempdir().expect("a folder");
        let said = Arc::new(Script::default());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&said));
        let listener = UnixListener::bind(room.path().join("engine.sock")).expect("a socket");
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.expect("serves") });
        let fake = Self { room, said, serving: serving.abort_handle() };
        fake.answers("GET /version", 200, &json!({ "ApiVersion": "1.41" }));
        fake
    }

    fn docker(&self) -> Docker {
        let socket = self.room.path().join("engine.sock");
        Docker { socket, memory_bytes: 64 << 20, cpu_millis: Some(1_500), processes: 99 }
    }

    async fn engine(&self) -> Engine {
        Engine::connect(&self.docker()).await.expect("it answers")
    }

    fn answers(&self, question: &str, status: u16, body: &Value) {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        self.says(question, status, body);
    }

    fn says(&self, question: &str, status: u16, body: Vec<u8>) {
        self.said.answers.lock().expect("sound").entry(question.to_owned()).or_default().push_back((status, body));
    }

    /// The bodies of the questions that begin so.
    fn asked(&self, question: &str) -> Vec<(String, Vec<u8>)> {
        let asked = self.said.asked.lock().expect("sound");
        let is = |(method, path, body): &(String, String, Vec<u8>)| {
            format!("{method} {path}").starts_with(question).then(|| (path.clone(), body.clone()))
        };
        asked.iter().filter_map(is).collect()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(State(script): State<Arc<Script>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default().to_vec();
    let question = format!("{} {}", parts.method, parts.uri.path());
    let path = parts.uri.to_string();
    script.asked.lock().expect("sound").push((parts.method.to_string(), path, body));
    let mut answers = script.answers.lock().expect("sound");
    let Some(answers) = answers.get_mut(&question) else {
        return (StatusCode::NOT_IMPLEMENTED, format!("{{\"message\":\"nobody expected {question}\"}}"))
            .into_response();
    };
    let (status, body) = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() }.expect("one");
    Response::builder().status(status).body(Body::from(body)).expect("a response")
}

fn message(text: &str) -> Value {
    json!({ "message": text })
}

fn new() -> NewContainer {
    NewContainer {
        name: "rhone-a-1".into(),
        image: "sha256:ab".into(),
        command: vec!["/srv/app".into(), "--fast".into()],
        variables: vec!["KEY=canary-4711".into(), "PORT=4000".into()],
        labels: HashMap::from([("rhone.allocation".into(), "a".into())]),
        limits: Docker { socket: PathBuf::new(), memory_bytes: 64 << 20, cpu_millis: Some(1_500), processes: 99 },
    }
}

#[tokio::test]
async fn a_container_is_asked_for_with_its_limits_and_its_variables_in_the_body_alone() {
    let fake = Fake::start();
    fake.answers("POST /containers/create", 201, &json!({ "Id": "c1", "Warnings": [] }));
    assert_eq!(fake.engine().await.create(&new()).await.expect("created"), "c1");
    let asked = fake.asked("POST /containers/create");
    let [(path, body)] = &asked[..] else { panic!("{asked:?}") };
    assert!(path.starts_with("/containers/create?name=rhone-a-1"), "{path}");
    let body: Value = serde_json::from_slice(body).expect("JSON");
    for (field, value) in [
        ("/Image", json!("sha256:ab")),
        ("/Entrypoint", json!(["/srv/app"])),
        ("/Cmd", json!(["--fast"])),
        ("/Env", json!(["KEY=canary-4711", "PORT=4000"])),
        ("/Labels", json!({ "rhone.allocation": "a" })),
        ("/Healthcheck/Test", json!(["NONE"])),
        ("/HostConfig/NetworkMode", json!("host")),
        ("/HostConfig/ReadonlyRootfs", json!(true)),
        ("/HostConfig/CapDrop", json!(["ALL"])),
        ("/HostConfig/SecurityOpt", json!(["no-new-privileges"])),
        ("/HostConfig/Memory", json!(64 << 20)),
        ("/HostConfig/MemorySwap", json!(64 << 20)),
        ("/HostConfig/NanoCpus", json!(1_500_000_000)),
        ("/HostConfig/PidsLimit", json!(99)),
        ("/HostConfig/RestartPolicy/Name", json!("no")),
        ("/HostConfig/LogConfig/Type", json!("local")),
    ] {
        assert_eq!(body.pointer(field), Some(&value), "{field} in {body:#}");
    }
    let elsewhere = fake.said.asked.lock().expect("sound").iter().any(|(_, path, _)| path.contains("canary"));
    assert!(!elsewhere, "a value stands in a path");
}

#[tokio::test]
async fn a_name_that_is_taken_is_freed_once_and_no_more() {
    let fake = Fake::start();
    fake.answers("POST /containers/create", 409, &message("the name is in use"));
    fake.answers("POST /containers/create", 201, &json!({ "Id": "c2", "Warnings": [] }));
    fake.answers("DELETE /containers/rhone-a-1", 204, &Value::Null);
    let engine = fake.engine().await;
    assert_eq!(engine.create(&new()).await.expect("created"), "c2");
    let removed = fake.asked("DELETE");
    assert!(removed[0].0.contains("force=true") && removed[0].0.contains("v=true"), "{removed:?}");

    let stubborn = Fake::start();
    stubborn.answers("POST /containers/create", 409, &message("the name is in use"));
    stubborn.answers("DELETE /containers/rhone-a-1", 409, &message("removal is already in progress"));
    let refused = stubborn.engine().await.create(&new()).await;
    assert!(matches!(refused, Err(EngineError::Conflict(_))), "{refused:?}");
    assert_eq!(stubborn.asked("POST /containers/create").len(), 2);
}

#[tokio::test]
async fn what_is_gone_or_stands_already_is_no_failure_and_what_failed_says_so() {
    let fake = Fake::start();
    let engine = fake.engine().await;
    for (at, status) in [(0, 404), (1, 409)] {
        let id = format!("c{at}");
        fake.answers(&format!("POST /containers/{id}/kill"), status, &message("no such, or not running"));
        fake.answers(&format!("DELETE /containers/{id}"), status, &message("no such, or at it"));
        engine.signal(&id, "SIGTERM").await.expect("nothing is sent to what has ended");
        engine.remove(&id).await.expect("it is gone, or going");
    }
    assert!(fake.asked("POST")[0].0.ends_with("signal=SIGTERM"));
    fake.answers("POST /containers/c2/kill", 500, &message("containerd is away"));
    fake.answers("DELETE /containers/c2", 500, &message("the disk is away"));
    fake.answers("POST /containers/c2/start", 404, &message("no such container"));
    let failed = engine.signal("c2", "SIGKILL").await;
    assert!(matches!(&failed, Err(EngineError::Failed { status: 500, message }) if message == "containerd is away"));
    assert!(matches!(engine.remove("c2").await, Err(EngineError::Failed { status: 500, .. })));
    assert!(matches!(engine.start("c2").await, Err(EngineError::Missing(_))));
    fake.answers("POST /containers/c3/start", 304, &Value::Null);
    engine.start("c3").await.expect("it runs already");
}

fn state(running: bool, pid: u32, code: i64, out_of_memory: bool, started: &str) -> Value {
    json!({ "Id": "c1", "Config": { "Labels": { "rhone.order": "o" } }, "State": { "Status": "exited", "Running": running,
        "Pid": pid, "ExitCode": code, "OOMKilled": out_of_memory, "StartedAt": started, "FinishedAt": "x" } })
}

#[tokio::test]
async fn how_a_container_stands_and_ended_is_told_apart() {
    const THEN: &str = "2026-11-27T10:00:00Z";
    for (found, life) in [
        (state(false, 0, 0, false, "0001-01-01T00:00:00Z"), Life::Created),
        (state(true, 77, 0, false, THEN), Life::Running(77)),
        (state(false, 0, 0, false, THEN), Life::Ended("exit 0".into())),
        (state(false, 0, 143, false, THEN), Life::Ended("exit 143".into())),
        (state(false, 0, 137, true, THEN), Life::Ended(OUT_OF_MEMORY.into())),
        (state(false, 0, 0, true, THEN), Life::Ended("exit 0".into())),
    ] {
        let fake = Fake::start();
        fake.answers("GET /containers/c1/json", 200, &found);
        let standing = fake.engine().await.inspect("c1").await.expect("found");
        assert_eq!(standing.life, life, "{found:#}");
        assert_eq!(standing.labels.get("rhone.order").map(String::as_str), Some("o"));
    }
}

#[tokio::test]
async fn an_end_is_waited_for_also_while_the_engine_fails() {
    let fake = Fake::start();
    let inspect = "GET /containers/c1/json";
    fake.answers(inspect, 500, &message("not now"));
    fake.answers(inspect, 200, &state(true, 77, 0, false, "2026-11-27T10:00:00Z"));
    fake.answers(inspect, 200, &state(false, 0, 3, false, "2026-11-27T10:00:00Z"));
    fake.answers("POST /containers/c1/wait", 200, &json!({ "StatusCode": 3 }));
    assert_eq!(fake.engine().await.exit("c1").await, "exit 3");
    assert_eq!(fake.asked("POST /containers/c1/wait").len(), 1);
    fake.answers("GET /containers/c9/json", 404, &message("no such container"));
    assert_eq!(fake.engine().await.exit("c9").await, "unknown: its container is gone");
}

#[tokio::test]
async fn the_containers_of_an_allocation_are_found_by_its_label_and_removed() {
    let fake = Fake::start();
    let allocation = AllocationId(Uuid::from_u128(7));
    fake.answers("GET /containers/json", 200, &json!([{ "Id": "c1" }, { "Id": "c2" }]));
    fake.answers("GET /containers/c1/json", 200, &state(true, 77, 0, false, "2026-11-27T10:00:00Z"));
    // It went between the two questions.
    fake.answers("GET /containers/c2/json", 404, &message("no such container"));
    fake.answers("DELETE /containers/c1", 204, &Value::Null);
    fake.engine().await.remove_all(allocation).await.expect("removed");
    let listed = &fake.asked("GET /containers/json")[0].0;
    assert!(listed.contains("all=true") && listed.contains(&format!("rhone.allocation%3D{allocation}")), "{listed}");
    assert_eq!(fake.asked("DELETE").len(), 1);
}

#[tokio::test]
async fn what_a_container_prints_is_told_by_its_stream() {
    let fake = Fake::start();
    let frame = |stream: u8, text: &str| {
        let length = u32::try_from(text.len()).expect("short").to_be_bytes();
        [&[stream, 0, 0, 0][..], &length, text.as_bytes()].concat()
    };
    fake.says("GET /containers/c1/logs", 200, [frame(1, "T out\n"), frame(2, "T err\n")].concat());
    let engine = fake.engine().await;
    let parts: Vec<_> = engine.logs("c1", 9).map(|part| part.expect("a part")).collect().await;
    let told = [(LogStream::Stdout, Bytes::from("T out\n")), (LogStream::Stderr, Bytes::from("T err\n"))];
    assert_eq!(parts, told);
    let asked = &fake.asked("GET /containers/c1/logs")[0].0;
    for word in ["follow=true", "stdout=true", "stderr=true", "timestamps=true", "since=9"] {
        assert!(asked.contains(word), "{word} in {asked}");
    }
}

/// A layout of one layer, and its image.
fn layout(room: &Path) -> Image {
    let mut layer = tar::Builder::new(fs::File::create(room.join("layer.tar")).expect("a file"));
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_size(2);
    layer.append_data(&mut header, "srv/app", &b"hi"[..]).expect("an entry");
    layer.finish().expect("a tar");
    drop(layer);
    let layout = room.join("layout");
    write(&layout, &room.join("layer.tar"), RunConfig::default(), BTreeMap::new()).expect("written");
    Image::open(&layout).expect("readable")
}

#[tokio::test]
async fn an_image_is_loaded_once_and_held_against_its_digest() {
    let room = tempfile::tempdir().expect("a folder");
    let image = layout(room.path());
    let (config, manifest) = (image.manifest.config.digest.to_string(), image.descriptor.digest.to_string());
    let by = |name: &str| format!("GET /images/{name}/json");
    let fake = Fake::start();
    fake.answers(&by(&config), 404, &message("no such image"));
    fake.answers(&by(&config), 200, &json!({ "Id": config }));
    fake.answers(&by(&manifest), 404, &message("no such image"));
    fake.answers("POST /images/load", 200, &json!({ "stream": "Loaded image ID" }));
    let engine = fake.engine().await;
    let layout = room.path().join("layout");
    assert_eq!(engine.have_image(&layout).await.expect("loaded"), config);
    assert_eq!(engine.have_image(&layout).await.expect("there"), config);
    let loaded = fake.asked("POST /images/load");
    assert_eq!(loaded.len(), 1, "what is there is not given again");
    let mut archive = tar::Archive::new(&loaded[0].1[..]);
    let mut files = BTreeMap::new();
    for entry in archive.entries().expect("a tar") {
        let mut entry = entry.expect("an entry");
        let (name, mut content) = (entry.path().expect("a path").display().to_string(), Vec::new());
        entry.read_to_end(&mut content).expect("whole");
        files.insert(name, content);
    }
    let saved: Value = serde_json::from_slice(&files["manifest.json"]).expect("JSON");
    let layer = format!("blobs/sha256/{}", image.manifest.layers[0].digest.hex());
    let named = format!("blobs/sha256/{}", image.manifest.config.digest.hex());
    assert_eq!(saved, json!([{ "Config": named, "RepoTags": null, "Layers": [layer] }]));
    assert_eq!(Digest::of(&[&files[&layer]]), image.manifest.layers[0].digest);
    assert!(files.contains_key("index.json") && files.contains_key("oci-layout"));
}

#[tokio::test]
async fn an_image_that_the_engine_names_otherwise_or_does_not_take_is_not_run() {
    let room = tempfile::tempdir().expect("a folder");
    let image = layout(room.path());
    let names = [image.manifest.config.digest, image.descriptor.digest].map(|digest| digest.to_string());
    let layout = room.path().join("layout");
    let fake = Fake::start();
    for name in &names {
        fake.answers(&format!("GET /images/{name}/json"), 200, &json!({ "Id": "sha256:other" }));
    }
    fake.answers("POST /images/load", 200, &json!({ "stream": "Loaded" }));
    let other = fake.engine().await.have_image(&layout).await;
    assert!(matches!(other, Err(EngineError::OtherImage(_))), "{other:?}");

    let refusing = Fake::start();
    for name in &names {
        refusing.answers(&format!("GET /images/{name}/json"), 404, &message("no such image"));
    }
    let detail = json!({ "errorDetail": { "message": "invalid diffID" }, "error": "invalid diffID" });
    refusing.answers("POST /images/load", 200, &detail);
    let refused = refusing.engine().await.have_image(&layout).await;
    assert!(matches!(&refused, Err(EngineError::Failed { message, .. }) if message == "invalid diffID"), "{refused:?}");

    // A layer that is not what names it is given to nobody.
    fs::write(blob(&layout, image.manifest.layers[0].digest), "something else").expect("written");
    let before = refusing.asked("POST").len();
    let flawed = refusing.engine().await.have_image(&layout).await;
    assert!(matches!(flawed, Err(EngineError::Image(_))), "{flawed:?}");
    assert_eq!(refusing.asked("POST").len(), before);
}

#[tokio::test]
async fn an_engine_that_is_not_there_or_too_old_is_refused_by_name() {
    for (version, taken) in [("1.40", false), ("1.41", true), ("1.100", true), ("", false), ("new", false)] {
        let fake = Fake::start();
        fake.said.answers.lock().expect("sound").clear();
        fake.answers("GET /version", 200, &json!({ "ApiVersion": version }));
        match Engine::connect(&fake.docker()).await {
            Ok(_) => assert!(taken, "{version}"),
            Err(EngineError::TooOld(named)) => assert!(!taken && named == version, "{version}"),
            Err(other) => panic!("{version}: {other}"),
        }
    }
    let fake = Fake::start();
    let nobody = Docker { socket: fake.room.path().join("nobody.sock"), ..fake.docker() };
    assert!(matches!(Engine::connect(&nobody).await.err(), Some(EngineError::Unreachable { .. })));
}
