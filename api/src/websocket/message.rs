//! The protocol's messages, both ways. The trap avoided: lenient reading; whatever is not exactly a message closes with 4400.

use axum::extract::ws::Message;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::close::Close;
use crate::guard::outcome::{Answer, Problem};

/// What clients say.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum FromClient {
    ConnectionInit { payload: Option<Value> },
    Ping { payload: Option<Value> },
    Pong {},
    Subscribe { id: String, payload: Value },
    Complete { id: String },
}

/// What we say.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum FromServer<'a> {
    ConnectionAck,
    Ping,
    Pong {
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<Value>,
    },
    Next {
        id: &'a str,
        payload: Answer,
    },
    Error {
        id: &'a str,
        payload: Vec<Problem>,
    },
    Complete {
        id: &'a str,
    },
}

impl FromServer<'_> {
    pub(super) fn into_message(self) -> Message {
        let text = serde_json::to_string(&self).expect("a message has text keys and finite numbers only");
        Message::text(text)
    }
}

/// A frame as a message; `None` for the frames that the WebSocket layer answers itself.
pub(super) fn read(frame: Option<Result<Message, axum::Error>>) -> Result<Option<FromClient>, Close> {
    match frame {
        None | Some(Err(_) | Ok(Message::Close(_))) => Err(Close::Gone),
        Some(Ok(Message::Text(text))) => {
            let is_object = text.trim_start().starts_with('{');
            let message = serde_json::from_str(&text).ok().filter(|_| is_object);
            message.map(Some).ok_or(Close::INVALID)
        }
        Some(Ok(Message::Binary(_))) => Err(Close::INVALID),
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(None),
    }
}
