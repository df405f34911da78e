//! What is known of whoever asks: the program and the address, for people to recognise their own sessions by. The trap avoided:
//! believing `X-Forwarded-For`, which anybody writes; the address is that of the connection.

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{header::USER_AGENT, request::Parts},
};
use std::{convert::Infallible, net::SocketAddr};

/// Whoever asks.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    /// As the program calls itself, cut.
    pub(super) agent: String,
    /// Where the connection comes from.
    pub(super) address: String,
}

const MOST: usize = 200;

impl<S: Sync> FromRequestParts<S> for Asker {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let agent = parts.headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or("unknown");
        let address = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Ok(Self {
            agent: agent.chars().filter(|c| !c.is_control()).take(MOST).collect(),
            address: address.map_or_else(|| "unknown".to_owned(), |ConnectInfo(from)| from.ip().to_string()),
        })
    }
}
