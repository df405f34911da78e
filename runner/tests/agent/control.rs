//! The control plane's endpoints, as the wire contract has them. It can be stopped and started again on its address,
//! and it keeps every report in the order of arrival.

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use rhone_domain::{
    digest::Digest,
    hidden::Hidden,
    host_protocol::{AllocationVariables, Desired, DesiredSet, Report, Reports, SECRET_MISSING, Seen},
    ids::{AllocationId, HostId},
    logs::{LogChunk, LogChunks, LogLine},
    numbers::EnvSet,
};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
    sync::watch,
    time::timeout,
};

pub(crate) const TOKEN: &str = "host-secret";

#[derive(Default)]
struct Kept {
    desired: BTreeMap<AllocationId, Desired>,
    artifacts: BTreeMap<Digest, Vec<u8>>,
    variables: BTreeMap<AllocationId, Handed>,
    /// One that is sent again, as it may be, is the same one: its time is that of the sight.
    reports: Vec<Report>,
    /// By the number of their first line, and how often they were sent.
    logs: BTreeMap<(AllocationId, u64), (Vec<LogLine>, usize)>,
    unacceptable: Option<AllocationId>,
    fetches: usize,
}

/// What is handed out when an allocation's variables are asked for.
#[derive(Clone)]
enum Handed {
    Set(EnvSet, BTreeMap<String, Hidden>),
    Missing,
}

struct Shared {
    host: HostId,
    kept: Mutex<Kept>,
    version: watch::Sender<u64>,
}

pub(crate) struct Control {
    shared: Arc<Shared>,
    pub(crate) address: SocketAddr,
    server: Option<Runtime>,
}

#[derive(Deserialize)]
struct Wait {
    etag: String,
    wait_ms: u64,
}

impl Shared {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Control {
    pub(crate) async fn start(host: HostId) -> Self {
        let shared = Arc::new(Shared { host, kept: Mutex::default(), version: watch::Sender::new(1) });
        let mut control = Self { shared, address: SocketAddr::from(([127, 0, 0, 1], 0)), server: None };
        control.resume().await;
        control
    }

    /// Serves again, on the address it had.
    pub(crate) async fn resume(&mut self) {
        let listener = TcpListener::bind(self.address).await.expect("an address");
        self.address = listener.local_addr().expect("bound");
        let router = Router::new()
            .route("/runner/v1/desired", get(desired))
            .route("/runner/v1/artifacts/{digest}", get(artifact))
            .route("/runner/v1/variables/{allocation}", get(variables))
            .route("/runner/v1/reports", post(reports))
            .route("/runner/v1/logs", post(logs))
            .with_state(Arc::clone(&self.shared));
        let listener = listener.into_std().expect("a socket");
        let server = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        server.spawn(async move {
            let listener = TcpListener::from_std(listener).expect("a socket");
            axum::serve(listener, router).await.expect("it serves");
        });
        self.server = Some(server);
    }

    /// Dead: nobody listens, and every connection is closed, those that wait for an answer too. That is why the server has
    /// a runtime of its own: an aborted one would leave its connections behind, and they would go on answering.
    pub(crate) fn die(&mut self) {
        self.server.take().expect("it ran").shutdown_background();
    }

    pub(crate) fn store(&self, digest: Digest, bytes: Vec<u8>) {
        self.shared.kept().artifacts.insert(digest, bytes);
    }

    /// What this allocation's app shall be started with.
    pub(crate) fn hand_out(&self, allocation: AllocationId, set: EnvSet, variables: &[(&str, &str)]) {
        let hidden = |(key, value): &(&str, &str)| ((*key).to_owned(), Hidden::new((*value).to_owned()));
        let handed = Handed::Set(set, variables.iter().map(hidden).collect());
        self.shared.kept().variables.insert(allocation, handed);
    }

    /// Its set is not there.
    pub(crate) fn lose_variables(&self, allocation: AllocationId) {
        self.shared.kept().variables.insert(allocation, Handed::Missing);
    }

    pub(crate) fn order(&self, desired: &Desired) {
        self.shared.kept().desired.insert(desired.allocation, desired.clone());
        self.shared.version.send_modify(|version| *version += 1);
    }

    pub(crate) fn forget(&self, allocation: AllocationId) {
        self.shared.kept().desired.remove(&allocation);
        self.shared.version.send_modify(|version| *version += 1);
    }

    /// Reports of this allocation will be answered with 422.
    pub(crate) fn refuse_reports_of(&self, allocation: AllocationId) {
        self.shared.kept().unacceptable = Some(allocation);
    }

    /// The lines of an allocation, each with its number, as they would be kept; and how often the rarest of its chunks was sent.
    pub(crate) fn lines(&self, allocation: AllocationId) -> (Vec<(u64, LogLine)>, usize) {
        let kept = self.shared.kept();
        let own = || kept.logs.iter().filter(|((of, _), _)| *of == allocation);
        let lines = own().flat_map(|((_, first), (lines, _))| (*first..).zip(lines.iter().cloned())).collect();
        (lines, own().map(|(_, (_, sent))| *sent).min().unwrap_or(0))
    }

    /// How often an artifact was fetched.
    pub(crate) fn fetches(&self) -> usize {
        self.shared.kept().fetches
    }

    pub(crate) fn seen(&self, allocation: AllocationId) -> Vec<Seen> {
        let kept = self.shared.kept();
        kept.reports.iter().filter(|report| report.allocation == allocation).map(|report| report.seen.clone()).collect()
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.shutdown_background();
        }
    }
}

fn refused(headers: &HeaderMap) -> Option<Response> {
    let shown = headers.get("authorization").and_then(|value| value.to_str().ok());
    (shown != Some(&format!("Bearer {TOKEN}"))).then(|| StatusCode::UNAUTHORIZED.into_response())
}

async fn desired(State(shared): State<Arc<Shared>>, headers: HeaderMap, Query(wait): Query<Wait>) -> Response {
    if let Some(refusal) = refused(&headers) {
        return refusal;
    }
    let mut version = shared.version.subscribe();
    let changed = version.wait_for(|version| format!("v {version}") != wait.etag);
    if !matches!(timeout(Duration::from_millis(wait.wait_ms), changed).await, Ok(Ok(_))) {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    let allocations = shared.kept().desired.values().cloned().collect();
    let etag = format!("v {}", *version.borrow());
    Json(DesiredSet { etag, host: shared.host, allocations }).into_response()
}

/// The ordered set, empty unless the test says otherwise.
async fn variables(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Path(allocation): Path<AllocationId>,
) -> Response {
    if let Some(refusal) = refused(&headers) {
        return refusal;
    }
    let kept = shared.kept();
    let Some(ordered) = kept.desired.get(&allocation) else { return StatusCode::NOT_FOUND.into_response() };
    let handed = kept.variables.get(&allocation).cloned();
    match handed.unwrap_or_else(|| Handed::Set(ordered.env_set, BTreeMap::new())) {
        Handed::Set(env_set, variables) => {
            let plain = ["GREETING".to_owned()].into();
            Json(AllocationVariables { allocation, env_set, variables, plain }).into_response()
        }
        Handed::Missing => {
            let refusal = serde_json::json!({ "code": SECRET_MISSING, "message": "TOKEN is gone" });
            (StatusCode::CONFLICT, Json(refusal)).into_response()
        }
    }
}

async fn artifact(State(shared): State<Arc<Shared>>, headers: HeaderMap, Path(digest): Path<String>) -> Response {
    if let Some(refusal) = refused(&headers) {
        return refusal;
    }
    let digest: Digest = digest.parse().expect("a digest");
    let mut kept = shared.kept();
    kept.fetches += 1;
    match kept.artifacts.get(&digest) {
        Some(bytes) => bytes.clone().into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Takes chunks in, and loses the answer every first time.
async fn logs(State(shared): State<Arc<Shared>>, headers: HeaderMap, Json(sent): Json<LogChunks>) -> Response {
    if let Some(refusal) = refused(&headers) {
        return refusal;
    }
    assert_eq!(sent.host, shared.host);
    let mut kept = shared.kept();
    let mut lost = false;
    for LogChunk { allocation, first_line, lines } in sent.chunks {
        let before = kept.logs.entry((allocation, first_line)).or_insert_with(|| (lines.clone(), 0));
        assert_eq!(before.0, lines, "the same number is the same chunk");
        before.1 += 1;
        lost |= before.1 == 1;
    }
    if lost { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }.into_response()
}

async fn reports(State(shared): State<Arc<Shared>>, headers: HeaderMap, Json(reports): Json<Reports>) -> Response {
    if let Some(refusal) = refused(&headers) {
        return refusal;
    }
    assert_eq!(reports.host, shared.host);
    let mut kept = shared.kept();
    if reports.reports.iter().any(|report| Some(report.allocation) == kept.unacceptable) {
        return StatusCode::UNPROCESSABLE_ENTITY.into_response();
    }
    for report in reports.reports {
        if !kept.reports.contains(&report) {
            kept.reports.push(report);
        }
    }
    StatusCode::NO_CONTENT.into_response()
}
