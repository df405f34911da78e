//! An allocation as an edge sees it: a gate that reads the preamble, and behind it an app with HTTP and WebSocket.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, Response, StatusCode, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use rhone_domain::{
    digest::Digest,
    feed::{Endpoint, EndpointState},
    host_protocol::{GateIdentity, MISDIRECTED_HEADER, Preamble},
    ids::{AllocationId, DeploymentId, EnvironmentId, HostId},
    numbers::{EnvSet, Epoch, Generation},
};
use serde_json::json;
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, handshake::derive_accept_key, protocol::Role},
};
use uuid::Uuid;

/// How an app behaves, and what it saw.
#[derive(Default)]
pub(crate) struct Behaviour {
    pub(crate) min_epoch: Epoch,
    /// What the gate says it executes, when that is not the truth.
    pub(crate) digest: Option<Digest>,
    pub(crate) health: Option<StatusCode>,
    /// On so many requests it hangs up without an answer.
    pub(crate) hang_up: usize,
    pub(crate) misdirects: usize,
    pub(crate) seen: Vec<String>,
    pub(crate) connections: usize,
    /// Close frames that clients sent, by code.
    pub(crate) closes: Vec<u16>,
}

pub(crate) struct App {
    pub(crate) allocation: AllocationId,
    pub(crate) environment: EnvironmentId,
    pub(crate) deployment: DeploymentId,
    pub(crate) address: SocketAddr,
    pub(crate) behaviour: Arc<Mutex<Behaviour>>,
    server: JoinHandle<()>,
}

pub(crate) fn artifact(deployment: DeploymentId) -> Digest {
    Digest::of(&[deployment.0.as_bytes()])
}

impl App {
    pub(crate) async fn start(
        name: &'static str,
        allocation: u128,
        environment: EnvironmentId,
        deployment: DeploymentId,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let behaviour = Arc::<Mutex<Behaviour>>::default();
        let allocation = AllocationId(Uuid::from_u128(allocation));
        let gate = Gate { name, allocation, environment, deployment, behaviour: Arc::clone(&behaviour) };
        let server = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.expect("accepting");
                connections.spawn(gate.clone().connection(stream));
            }
        });
        Self { allocation, environment, deployment, address, behaviour, server }
    }

    pub(crate) fn endpoint(&self, generation: u64, state: EndpointState) -> Endpoint {
        Endpoint {
            allocation: self.allocation,
            environment: self.environment,
            deployment: self.deployment,
            env_set: EnvSet(1),
            artifact: artifact(self.deployment),
            generation: Generation(generation),
            host: HostId(Uuid::from_u128(6)),
            address: self.address.to_string(),
            state,
        }
    }

    pub(crate) fn behave(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.behaviour.lock().expect("not poisoned"));
    }

    /// Requests that the app saw, health checks left out.
    pub(crate) fn seen(&self) -> Vec<String> {
        let all = self.behaviour.lock().expect("not poisoned").seen.clone();
        all.into_iter().filter(|line| !line.ends_with("/health")).collect()
    }

    pub(crate) fn connections(&self) -> usize {
        self.behaviour.lock().expect("not poisoned").connections
    }

    pub(crate) fn closes(&self) -> Vec<u16> {
        self.behaviour.lock().expect("not poisoned").closes.clone()
    }

    pub(crate) async fn kill(self) {
        self.server.abort();
        let _ = self.server.await;
    }
}

#[derive(Clone)]
struct Gate {
    name: &'static str,
    allocation: AllocationId,
    environment: EnvironmentId,
    deployment: DeploymentId,
    behaviour: Arc<Mutex<Behaviour>>,
}

impl Gate {
    async fn connection(self, mut stream: TcpStream) {
        match read_preamble(&mut stream).await {
            Some(Preamble::Who { allocation }) if allocation == self.allocation => {
                let digest = self.with(|b| b.digest).unwrap_or_else(|| artifact(self.deployment));
                let (allocation, environment, deployment) = (self.allocation, self.environment, self.deployment);
                let who = GateIdentity { allocation, environment, deployment, digest, pid: Some(1) };
                let line = format!("{}\n", serde_json::to_string(&who).expect("JSON"));
                let _ = stream.write_all(line.as_bytes()).await;
            }
            Some(Preamble::Connect { allocation, epoch })
                if allocation == self.allocation && epoch >= self.with(|b| b.min_epoch) =>
            {
                self.with(|b| b.connections += 1);
                let service = service_fn(move |request| self.clone().answer(request));
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades().await;
            }
            _ => {
                self.with(|b| b.misdirects += 1);
                let answer = format!(
                    "HTTP/1.1 421 Misdirected Request\r\n{MISDIRECTED_HEADER}: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
                );
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
                // Read to the end: hanging up on unread bytes would reset the answer away.
                let mut rest = Vec::new();
                let _ = stream.read_to_end(&mut rest).await;
            }
        }
    }

    async fn answer(self, mut request: Request<Incoming>) -> Result<Response<Full<Bytes>>, std::io::Error> {
        let line = format!("{} {}", request.method(), request.uri());
        let is_health = request.uri().path() == "/health";
        let hangs_up = self.with(|b| {
            b.seen.push(line);
            let hangs_up = b.hang_up > 0 && !is_health;
            b.hang_up -= usize::from(hangs_up);
            hangs_up
        });
        if hangs_up {
            return Err(std::io::Error::other("hanging up"));
        }
        if request.headers().contains_key("upgrade") {
            return Ok(self.upgrade(&mut request));
        }
        let health = self.with(|b| b.health).unwrap_or(StatusCode::OK);
        let method = request.method().clone();
        let (parts, body) = request.into_parts();
        let mut response = Response::new(Full::default());
        if parts.uri.path() == "/health" {
            *response.status_mut() = health;
            return Ok(response);
        }
        let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
        let headers: Vec<(String, String)> = parts
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let text = json!({
            "app": self.name, "method": method.as_str(), "path": parts.uri.to_string(),
            "headers": headers, "body": String::from_utf8_lossy(&body), "length": body.len(),
        });
        if method != Method::HEAD {
            *response.body_mut() = Full::new(text.to_string().into());
        }
        Ok(response)
    }

    fn upgrade(self, request: &mut Request<Incoming>) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::default());
        let Some(key) = request.headers().get("sec-websocket-key").cloned() else {
            *response.status_mut() = StatusCode::BAD_REQUEST;
            return response;
        };
        let upgraded = hyper::upgrade::on(request);
        tokio::spawn(async move {
            let Ok(upgraded) = upgraded.await else { return };
            let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
            while let Some(Ok(message)) = socket.next().await {
                match message {
                    Message::Text(text) if text.as_str() == "flood" => {
                        // Large frames without end, so that any moment is likely within one.
                        while socket.send(Message::text("x".repeat(300_000))).await.is_ok() {}
                    }
                    Message::Text(text) => {
                        let text = format!("{}: {text}", self.name);
                        if socket.send(Message::text(text)).await.is_err() {
                            break;
                        }
                    }
                    Message::Close(frame) => {
                        self.with(|b| b.closes.push(frame.map_or(0, |frame| frame.code.into())));
                    }
                    Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
                }
            }
        });
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let accept = derive_accept_key(key.as_bytes()).parse().expect("base64");
        response.headers_mut().insert("sec-websocket-accept", accept);
        response.headers_mut().insert("connection", "upgrade".parse().expect("a token"));
        response.headers_mut().insert("upgrade", "websocket".parse().expect("a token"));
        response
    }

    fn with<T>(&self, look: impl FnOnce(&mut Behaviour) -> T) -> T {
        look(&mut self.behaviour.lock().expect("not poisoned"))
    }
}

async fn read_preamble(stream: &mut TcpStream) -> Option<Preamble> {
    let mut line = Vec::new();
    loop {
        let byte = stream.read_u8().await.ok()?;
        if byte == b'\n' {
            return Preamble::read(std::str::from_utf8(&line).ok()?);
        }
        line.push(byte);
    }
}
