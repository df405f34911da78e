//! A control plane as an edge sees it: snapshot, events with long poll, status; with a real signing key, and with the faults
//! a test asks for.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use ed25519_dalek::SigningKey;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, StatusCode, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use rhone_domain::{
    digest::Digest,
    edge_status::EdgeStatus,
    feed::{Content, Entry, Events, Heartbeat, Snapshot},
    ids::{Incarnation, RegionId},
    numbers::FeedSeq,
    wake::Ask,
};
use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, SystemTime},
};
use tokio::{
    net::TcpListener,
    sync::Notify,
    task::{JoinHandle, JoinSet},
    time::timeout,
};
use uuid::Uuid;

pub(crate) const TOKEN: &str = "edge-token";
pub(crate) const REGION: RegionId = RegionId(Uuid::from_u128(0x4e));

/// What the control plane holds, and how it misbehaves.
pub(crate) struct Plane {
    pub(crate) key: SigningKey,
    pub(crate) incarnation: Incarnation,
    pub(crate) entries: Vec<Entry>,
    pub(crate) contents: BTreeMap<String, String>,
    /// Positions that the events endpoint leaves out.
    pub(crate) hidden: Vec<FeedSeq>,
    /// What the events endpoint answers instead, once.
    pub(crate) forged: Option<Vec<Entry>>,
    /// What the snapshot endpoint answers instead.
    pub(crate) snapshot: Option<Snapshot>,
    pub(crate) statuses: Vec<EdgeStatus>,
    /// Questions for a wake, and how they are answered.
    pub(crate) wakes: Vec<Ask>,
    pub(crate) wake_answer: StatusCode,
    pub(crate) calls: HashMap<String, usize>,
    pub(crate) unauthorised: usize,
}

pub(crate) struct Control {
    pub(crate) address: SocketAddr,
    plane: Arc<Mutex<Plane>>,
    changed: Arc<Notify>,
    server: Mutex<Option<JoinHandle<()>>>,
}

pub(crate) fn now() -> DateTime<Utc> {
    SystemTime::now().into()
}

impl Plane {
    pub(crate) fn head(&self) -> (FeedSeq, Digest) {
        self.entries.last().map_or((FeedSeq(0), Digest::ZERO), |entry| (entry.seq, entry.digest))
    }

    fn life(&self) -> (Incarnation, RegionId) {
        (self.incarnation, REGION)
    }

    pub(crate) fn entry(&self, key: &SigningKey, content: &Content) -> Entry {
        let (seq, digest) = self.head();
        Entry::signed(key, self.life(), (seq.next(), digest), content.to_text())
    }

    pub(crate) fn heartbeat(&self) -> Heartbeat {
        Heartbeat::signed(&self.key, self.life(), self.head(), now())
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let made = || Snapshot::signed(&self.key, self.life(), self.head(), self.contents.values().cloned().collect());
        self.snapshot.clone().unwrap_or_else(made)
    }

    fn append(&mut self, content: &Content) -> Entry {
        let entry = self.entry(&self.key, content);
        self.entries.push(entry.clone());
        let name = match content {
            Content::Route(route) => format!("r{}", route.environment),
            Content::Allocation(endpoint) => format!("a{}", endpoint.allocation),
        };
        self.contents.insert(name, content.to_text());
        entry
    }
}

impl Control {
    pub(crate) async fn start() -> Self {
        let plane = Plane {
            key: SigningKey::from_bytes(&[7; 32]),
            incarnation: Incarnation(Uuid::from_u128(0x11)),
            entries: vec![],
            contents: BTreeMap::new(),
            hidden: vec![],
            forged: None,
            snapshot: None,
            statuses: vec![],
            wakes: vec![],
            wake_answer: StatusCode::ACCEPTED,
            calls: HashMap::new(),
            unauthorised: 0,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let control =
            Self { address, plane: Arc::new(Mutex::new(plane)), changed: Arc::default(), server: Mutex::default() };
        control.serve(listener);
        control
    }

    /// Stops answering, and hangs up on whoever waits.
    pub(crate) async fn kill(&self) {
        let server = self.server.lock().expect("not poisoned").take();
        if let Some(server) = server {
            server.abort();
            let _ = server.await;
        }
    }

    pub(crate) async fn revive(&self) {
        let listener = TcpListener::bind(self.address).await.expect("the same port");
        self.serve(listener);
    }

    /// Changes anything; whoever waits is woken.
    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut Plane) -> T) -> T {
        let result = change(&mut self.lock());
        self.changed.notify_waiters();
        result
    }

    pub(crate) fn append(&self, content: &Content) -> Entry {
        self.with(|plane| plane.append(content))
    }

    /// Begins another life of the feed with these contents.
    pub(crate) fn begin_again(&self, incarnation: u128, contents: &[Content]) {
        self.with(|plane| {
            plane.incarnation = Incarnation(Uuid::from_u128(incarnation));
            plane.entries.clear();
            plane.contents.clear();
            for content in contents {
                plane.append(content);
            }
        });
    }

    pub(crate) fn last_status(&self) -> Option<EdgeStatus> {
        self.lock().statuses.last().cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Plane> {
        self.plane.lock().expect("no test panics while it holds this")
    }

    fn serve(&self, listener: TcpListener) {
        let (plane, changed) = (Arc::clone(&self.plane), Arc::clone(&self.changed));
        let server = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.expect("accepting");
                let (plane, changed) = (Arc::clone(&plane), Arc::clone(&changed));
                connections.spawn(async move {
                    let service = service_fn(move |request| {
                        let (plane, changed) = (Arc::clone(&plane), Arc::clone(&changed));
                        async move { Ok::<_, Infallible>(answer(&plane, &changed, request).await) }
                    });
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        *self.server.lock().expect("not poisoned") = Some(server);
    }
}

async fn answer(plane: &Mutex<Plane>, changed: &Notify, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    let bearer = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    let authorised = bearer == Some(&format!("Bearer {TOKEN}"));
    {
        let mut plane = plane.lock().expect("not poisoned");
        *plane.calls.entry(path.clone()).or_default() += 1;
        if !authorised {
            plane.unauthorised += 1;
            return status(StatusCode::UNAUTHORIZED);
        }
    }
    match path.as_str() {
        "/edge/v1/snapshot" => json(&plane.lock().expect("not poisoned").snapshot()),
        "/edge/v1/events" => events(plane, changed, request.uri().query().unwrap_or_default()).await,
        "/edge/v1/status" => {
            let body = request.into_body().collect().await.expect("a body").to_bytes();
            let report = serde_json::from_slice(&body).expect("a status");
            plane.lock().expect("not poisoned").statuses.push(report);
            status(StatusCode::NO_CONTENT)
        }
        "/edge/v1/wake" => {
            let body = request.into_body().collect().await.expect("a body").to_bytes();
            let mut plane = plane.lock().expect("not poisoned");
            plane.wakes.push(serde_json::from_slice(&body).expect("a question"));
            let mut answer = status(plane.wake_answer);
            answer.headers_mut().insert("retry-after", "7".parse().expect("a number"));
            answer
        }
        _ => status(StatusCode::NOT_FOUND),
    }
}

async fn events(plane: &Mutex<Plane>, changed: &Notify, query: &str) -> Response<Full<Bytes>> {
    let query: HashMap<&str, &str> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
    let after: u64 = query["after"].parse().expect("a position");
    let wait = Duration::from_millis(query["wait_ms"].parse().expect("a wait"));
    let look = || {
        let mut plane = plane.lock().expect("not poisoned");
        if query["incarnation"] != plane.incarnation.to_string() {
            return Some(status(StatusCode::GONE));
        }
        let heartbeat = plane.heartbeat();
        let forged = plane.forged.take();
        let follows =
            plane.entries.iter().filter(|e| e.seq.0 > after && !plane.hidden.contains(&e.seq)).cloned().collect();
        let entries: Vec<Entry> = forged.unwrap_or(follows);
        let news = !entries.is_empty() || heartbeat.seq.0 > after;
        (news || wait.is_zero()).then(|| json(&Events { entries, heartbeat }))
    };
    let waiting = async {
        loop {
            let woken = changed.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            if let Some(answer) = look() {
                return answer;
            }
            woken.await;
        }
    };
    match timeout(wait.max(Duration::from_millis(1)), waiting).await {
        Ok(answer) => answer,
        Err(_) => json(&Events { entries: vec![], heartbeat: plane.lock().expect("not poisoned").heartbeat() }),
    }
}

fn json(value: &impl serde::Serialize) -> Response<Full<Bytes>> {
    Response::new(Full::new(serde_json::to_vec(value).expect("JSON").into()))
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
