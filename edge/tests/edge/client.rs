//! Clients of the edge: one request over a connection of its own, raw bytes, and a WebSocket.

use crate::world::PATIENCE;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Method, Request, StatusCode, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::{WebSocketStream, tungstenite};

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Which app answered; empty when none did.
    pub(crate) fn app(&self) -> String {
        serde_json::from_slice::<Value>(&self.body)
            .ok()
            .and_then(|json| json["app"].as_str().map(str::to_owned))
            .unwrap_or_default()
    }

    /// The pair to send back as a cookie.
    pub(crate) fn cookie(&self) -> String {
        self.header("set-cookie").split(';').next().expect("a first part").to_owned()
    }
}

pub(crate) async fn get(edge: SocketAddr, host: &str, path: &str) -> Reply {
    send(edge, request(Method::GET, host, path, "")).await
}

pub(crate) async fn get_with(edge: SocketAddr, host: &str, header: (&'static str, &str)) -> Reply {
    let mut request = request(Method::GET, host, "/", "");
    request.headers_mut().insert(header.0, header.1.parse().expect("a header"));
    send(edge, request).await
}

pub(crate) fn request(method: Method, host: &str, path: &str, body: &str) -> Request<Full<Bytes>> {
    let body = Full::new(Bytes::from(body.to_owned()));
    Request::builder().method(method).uri(path).header("host", host).body(body).expect("a request")
}

pub(crate) async fn send(edge: SocketAddr, request: Request<Full<Bytes>>) -> Reply {
    let exchange = async {
        let stream = TcpStream::connect(edge).await.expect("the edge");
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("HTTP");
        tokio::spawn(connection);
        let response = sender.send_request(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        Reply { status: parts.status, headers: parts.headers, body }
    };
    timeout(PATIENCE, exchange).await.expect("an answer in time")
}

/// Sends bytes as they are and reads until the edge hangs up or is silent for a while after it has said something.
pub(crate) async fn raw(edge: SocketAddr, bytes: &str) -> String {
    answered(edge, bytes, Duration::from_millis(500)).await
}

/// The same until the edge hangs up, as it was asked to.
pub(crate) async fn raw_to_the_end(edge: SocketAddr, bytes: &str) -> String {
    answered(edge, bytes, PATIENCE).await
}

async fn answered(edge: SocketAddr, bytes: &str, silence: Duration) -> String {
    let mut stream = TcpStream::connect(edge).await.expect("the edge");
    stream.write_all(bytes.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    let mut patience = PATIENCE;
    while let Ok(Ok(length @ 1..)) = timeout(patience, stream.read(&mut buffer)).await {
        answer.extend_from_slice(&buffer[..length]);
        patience = silence;
    }
    String::from_utf8_lossy(&answer).into_owned()
}

pub(crate) type Socket = WebSocketStream<TcpStream>;

pub(crate) async fn socket(edge: SocketAddr, host: &str) -> Result<Socket, tungstenite::Error> {
    let stream = TcpStream::connect(edge).await.expect("the edge");
    let request = tungstenite::ClientRequestBuilder::new(format!("ws://{host}/_vango/ws").parse().expect("a URL"));
    let opened = timeout(PATIENCE, tokio_tungstenite::client_async(request, stream)).await;
    opened.expect("an answer in time").map(|(socket, _)| socket)
}
