//! Followers of what goes on, as consoles and scripts are: graphql-transport-ws, and server-sent events. The trap avoided: a
//! stream that broke taken for one that ended; each way to end is told apart.

use crate::{
    graphql::{Client, http},
    wait::PATIENCE,
};
use futures_util::{SinkExt as _, StreamExt as _, stream::BoxStream};
use reqwest::header::AUTHORIZATION;
use serde_json::{Value, json};
use std::{collections::VecDeque, time::Duration};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest as _, http::HeaderValue},
};

/// Longer than any keep-alive takes.
const SILENCE: Duration = Duration::from_secs(40);
/// Longer than anybody follows. Keep-alives come for ever, also to who waits for what never comes.
const LONGEST: Duration = Duration::from_mins(10);

/// What a follower heard.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// An item.
    Item(Value),
    /// An error, and nothing follows it.
    Refused(Value),
    /// It is over, and was said to be.
    Ended,
    /// The connection was closed with this code; 0 when it broke.
    Closed(u16),
}

/// Where a workspace's events or lines stand now, as `/v1/events` or `/v1/logs` says it.
pub async fn now(client: &Client, path: &str, workspace: &str) -> String {
    let open = Events::open_at(client, path, &[("workspaceId", workspace)], None).await;
    open.unwrap_or_else(|refusal| panic!("{refusal:?}")).said().await.id
}

/// Before the first event, or before the first line, in the life of the log that this position is of.
pub fn before_all(position: &str) -> String {
    let (life, place) = position.split_once('~').unwrap_or_else(|| panic!("{position} is no position"));
    format!("{life}~{}", vec!["0"; place.split('-').count()].join("-"))
}

/// One subscription on a connection of its own.
pub struct Subscription {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    field: &'static str,
}

impl Subscription {
    /// Opens it; `field` is the subscription's name. None while the API is away.
    pub async fn open(client: &Client, field: &'static str, query: &str, variables: Value) -> Option<Self> {
        let mut request = format!("{}/graphql", client.url().replacen("http", "ws", 1)).into_client_request().ok()?;
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("graphql-transport-ws"));
        let (socket, _) = timeout(PATIENCE, connect_async(request)).await.ok()?.ok()?;
        let mut opened = Self { socket, field };
        let payload = json!({ "authorization": format!("Bearer {}", client.token()) });
        opened.say(json!({ "type": "connection_init", "payload": payload })).await?;
        let payload = json!({ "query": query, "variables": variables });
        opened.say(json!({ "type": "subscribe", "id": "1", "payload": payload })).await?;
        Some(opened)
    }

    async fn say(&mut self, message: Value) -> Option<()> {
        self.socket.send(Message::text(message.to_string())).await.ok()
    }

    /// What comes next.
    pub async fn next(&mut self) -> Heard {
        timeout(LONGEST, self.heard()).await.expect("nothing but pings came")
    }

    async fn heard(&mut self) -> Heard {
        loop {
            let message = match timeout(SILENCE, self.socket.next()).await.expect("not even a ping came") {
                Some(Ok(Message::Text(text))) => serde_json::from_str::<Value>(&text).expect("messages are JSON"),
                Some(Ok(Message::Close(frame))) => return Heard::Closed(frame.map_or(0, |frame| frame.code.into())),
                None | Some(Err(_)) => return Heard::Closed(0),
                Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
            };
            match message["type"].as_str() {
                Some("next") => {
                    let (payload, field) = (&message["payload"], self.field);
                    let errors = &payload["errors"];
                    return if errors.is_array() {
                        Heard::Refused(errors[0].clone())
                    } else {
                        Heard::Item(payload["data"][field].clone())
                    };
                }
                Some("error") => return Heard::Refused(message["payload"][0].clone()),
                Some("complete") => return Heard::Ended,
                Some("ping") => drop(self.say(json!({ "type": "pong" })).await),
                _ => {}
            }
        }
    }

    /// The next item.
    pub async fn item(&mut self) -> Value {
        match self.next().await {
            Heard::Item(item) => item,
            other @ (Heard::Refused(_) | Heard::Ended | Heard::Closed(_)) => panic!("no item came: {other:?}"),
        }
    }
}

/// One event of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// `event`, `caught_up`, `resync`, `end`; empty when only a setting was sent.
    pub event: String,
    /// What to come back with.
    pub id: String,
    /// What it says.
    pub data: String,
    /// After how many milliseconds to come back.
    pub retry: Option<u64>,
}

impl Sent {
    /// What it says.
    pub fn words(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// An open `/v1/events`, or `/v1/logs`.
pub struct Events {
    body: BoxStream<'static, reqwest::Result<Vec<u8>>>,
    bytes: Vec<u8>,
    ready: VecDeque<Sent>,
}

impl Events {
    /// Opens it; the status and the words of a refusal otherwise. Status 0 while the API is away.
    pub async fn open(client: &Client, query: &[(&str, &str)], last: Option<&str>) -> Result<Self, (u16, Value)> {
        Self::open_at(client, "/v1/events", query, last).await
    }

    /// The same of another path.
    pub async fn open_at(
        client: &Client,
        path: &str,
        query: &[(&str, &str)],
        last: Option<&str>,
    ) -> Result<Self, (u16, Value)> {
        let pairs: Vec<_> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = http()
            .get(format!("{}{path}?{}", client.url(), pairs.join("&")))
            .header(AUTHORIZATION, format!("Bearer {}", client.token()))
            .timeout(LONGEST);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.map_err(|_| (0, Value::Null))?;
        let status = response.status().as_u16();
        if status != 200 {
            return Err((status, response.json().await.unwrap_or_default()));
        }
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let body = response.bytes_stream().map(|piece| piece.map(|bytes| bytes.to_vec())).boxed();
        Ok(Self { body, bytes: Vec::new(), ready: VecDeque::new() })
    }

    /// What comes next; none at the end in order, an error when it broke.
    pub async fn next(&mut self) -> Result<Option<Sent>, reqwest::Error> {
        loop {
            if let Some(sent) = self.ready.pop_front() {
                return Ok(Some(sent));
            }
            match timeout(SILENCE, self.body.next()).await.expect("not even a comment came") {
                Some(piece) => self.take(&piece?),
                None => return Ok(None),
            }
        }
    }

    /// The next with words.
    pub async fn said(&mut self) -> Sent {
        loop {
            let sent = self.next().await.expect("the stream holds").expect("the stream goes on");
            if !sent.data.is_empty() {
                return sent;
            }
        }
    }

    fn take(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
        while let Some(at) = self.bytes.windows(2).position(|pair| pair == b"\n\n") {
            let block = String::from_utf8(self.bytes.drain(..at + 2).collect()).expect("events are UTF-8");
            let mut sent = Sent::default();
            for (name, value) in block.lines().filter_map(|line| line.split_once(':')) {
                let value = value.strip_prefix(' ').unwrap_or(value);
                match name {
                    "event" => value.clone_into(&mut sent.event),
                    "id" => value.clone_into(&mut sent.id),
                    "data" => sent.data.push_str(value),
                    "retry" => sent.retry = value.parse().ok(),
                    _ => {}
                }
            }
            if sent != Sent::default() {
                self.ready.push_back(sent);
            }
        }
    }
}
