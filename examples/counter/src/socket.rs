//! The live socket: a greeting, an echo, a count. A socket is told when the app drains and is left open until its owner ends
//! it or the deadline does.

use crate::sessions::{Phase, Session, Sessions};
use axum::{
    extract::{
        State,
        ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code},
    },
    response::Response,
};
use serde_json::{Value, json};
use std::sync::Arc;

pub(crate) async fn accept(State(sessions): State<Arc<Sessions>>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async move |socket| {
        let session = sessions.begin();
        // A socket that is gone has nobody to be told.
        let _ = converse(socket, &sessions, &session).await;
    })
}

async fn converse(mut socket: WebSocket, all: &Sessions, session: &Session<'_>) -> Result<(), axum::Error> {
    let mut phases = all.phases();
    phases.mark_changed();
    let mut messages = 0_u64;
    say(&mut socket, greeting(all, session)).await?;
    loop {
        tokio::select! {
            changed = phases.changed() => {
                let phase = if changed.is_ok() { *phases.borrow_and_update() } else { Phase::Closing };
                match phase {
                    Phase::Serving => {}
                    Phase::Draining => say(&mut socket, json!({ "type": "draining" })).await?,
                    Phase::Closing => return socket.send(going_away()).await,
                }
            }
            message = socket.recv() => {
                let Some(message) = message.transpose()? else { return Ok(()) };
                messages += 1;
                answer(&mut socket, all, messages, message).await?;
            }
        }
    }
}

async fn answer(socket: &mut WebSocket, all: &Sessions, messages: u64, message: Message) -> Result<(), axum::Error> {
    match message {
        Message::Text(text) if text.as_str() == "count" => {
            let sessions = serde_json::to_value(all.count()).map_err(axum::Error::new)?;
            say(socket, json!({ "type": "count", "messages": messages, "sessions": sessions })).await
        }
        echo @ (Message::Text(_) | Message::Binary(_)) => socket.send(echo).await,
        Message::Ping(_) | Message::Pong(_) | Message::Close(_) => Ok(()),
    }
}

fn greeting(all: &Sessions, session: &Session<'_>) -> Value {
    json!({ "type": "hello", "version": all.version(), "allocation": all.allocation(), "session": session.number })
}

async fn say(socket: &mut WebSocket, words: Value) -> Result<(), axum::Error> {
    socket.send(Message::Text(words.to_string().into())).await
}

fn going_away() -> Message {
    Message::Close(Some(CloseFrame { code: close_code::RESTART, reason: Utf8Bytes::from_static("drained") }))
}
