//! A WebSocket client that speaks graphql-transport-ws as a test says, politely or not.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest, http::HeaderValue},
};

use crate::server::{CONSOLE, SESSION, Server, TOKEN};

const DEADLINE: Duration = Duration::from_mins(1);

pub(crate) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

/// What the server said.
#[derive(Debug)]
pub(crate) enum Said {
    Message(Value),
    Closed(u16),
}

impl Server {
    /// Connects; the error is the HTTP status of a refused upgrade.
    pub(crate) async fn connect_as(&self, origin: Option<&str>, protocol: &str) -> Result<Socket, u16> {
        let mut request = format!("ws://{}/graphql", self.address).into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", HeaderValue::from_str(protocol).unwrap());
        if let Some(origin) = origin {
            headers.insert("origin", HeaderValue::from_str(origin).unwrap());
        }
        match connect_async(request).await {
            Ok((socket, _)) => Ok(Socket(socket)),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) async fn connect(&self) -> Socket {
        self.connect_as(Some(CONSOLE), "graphql-transport-ws").await.unwrap()
    }

    /// Connects and gets its `connection_ack`.
    pub(crate) async fn join(&self) -> Socket {
        let mut socket = self.connect().await;
        socket.init(TOKEN).await;
        assert_eq!(socket.message().await, json!({ "type": "connection_ack" }));
        socket
    }

    /// The same as a page of ours, by the session's cookie alone.
    pub(crate) async fn join_as_page(&self) -> Socket {
        let mut request = format!("ws://{}/graphql", self.address).into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", HeaderValue::from_static("graphql-transport-ws"));
        headers.insert("origin", HeaderValue::from_static(CONSOLE));
        headers.insert("cookie", HeaderValue::try_from(format!("__Host-rhone_session={SESSION}")).unwrap());
        let mut socket = Socket(connect_async(request).await.unwrap().0);
        socket.say(json!({ "type": "connection_init" })).await;
        assert_eq!(socket.message().await, json!({ "type": "connection_ack" }));
        socket
    }
}

impl Socket {
    pub(crate) async fn say(&mut self, message: Value) {
        self.say_raw(Message::text(message.to_string())).await;
    }

    pub(crate) async fn say_raw(&mut self, message: Message) {
        self.0.send(message).await.unwrap();
    }

    pub(crate) async fn init(&mut self, token: &str) {
        let payload = json!({ "authorization": format!("Bearer {token}") });
        self.say(json!({ "type": "connection_init", "payload": payload })).await;
    }

    pub(crate) async fn subscribe(&mut self, id: &str, query: &str) {
        self.say(json!({ "type": "subscribe", "id": id, "payload": { "query": query } })).await;
    }

    /// The next thing said, or a failed test when nothing is.
    pub(crate) async fn next(&mut self) -> Said {
        loop {
            let frame = tokio::time::timeout(DEADLINE, self.0.next()).await.expect("the server said nothing");
            match frame.expect("a close frame comes first").unwrap() {
                Message::Text(text) => return Said::Message(serde_json::from_str(&text).unwrap()),
                Message::Close(frame) => return Said::Closed(frame.map_or(1005, |frame| frame.code.into())),
                Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }

    pub(crate) async fn message(&mut self) -> Value {
        match self.next().await {
            Said::Message(value) => value,
            Said::Closed(code) => panic!("closed with {code}"),
        }
    }

    /// The code it closes with, whatever is said before.
    pub(crate) async fn close_code(&mut self) -> u16 {
        loop {
            if let Said::Closed(code) = self.next().await {
                return code;
            }
        }
    }
}
