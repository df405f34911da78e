//! From the upgrade to `connection_ack`: one `connection_init` in time, with a token that stands or by the cookie of the page
//! that opened the socket. The trap avoided: a socket that is open but nobody's; until the ack it can do nothing but be closed.

use axum::extract::ws::WebSocket;
use serde_json::Value;

use super::{
    close::Close,
    message::{self, FromClient, FromServer},
};
use crate::{
    authenticate::{AuthError, Authenticator, bearer_in},
    guard::documents::Asker,
    request::RequestInfo,
    shell::Shell,
};

/// Waits for the init and answers who the connection belongs to, and whether it is a page's.
pub(super) async fn accept<E, A: Authenticator>(
    socket: &mut WebSocket,
    shell: &Shell<E, A>,
    info: &RequestInfo,
    session: Option<&str>,
) -> Result<(A::Actor, Asker), Close> {
    let within = shell.settings.init_timeout;
    let payload = tokio::time::timeout(within, init_payload(socket)).await.map_err(|_| Close::INIT_TIMEOUT)??;
    // Of many that come in one instant each waits for its turn, and not for what its turn takes.
    let _turn = shell.load.turn().await;
    let asked = shell.recognised(info, async {
        // A token that is shown counts, even a bad one.
        match (payload.as_ref().and_then(shown), session) {
            (Some(value), _) => {
                let token = value.as_str().and_then(bearer_in).ok_or(AuthError::Refused)?;
                shell.authenticator.authenticate(token).await.map(|actor| (actor, Asker::Program))
            }
            (None, Some(cookie)) => shell.authenticator.session(cookie).await.map(|actor| (actor, Asker::Page)),
            (None, None) => Err(AuthError::Refused),
        }
    });
    let verdict = tokio::time::timeout(within, asked).await.map_err(|_elapsed| Close::TRY_LATER)?;
    let caller = match verdict.map_err(|_too_many| Close::TOO_MANY_TOKENS)? {
        Ok(caller) => caller,
        Err(AuthError::Refused) => return Err(Close::FORBIDDEN),
        Err(AuthError::Unavailable(cause)) => {
            tracing::warn!(error = %cause, "a connection's token could not be checked");
            return Err(Close::TRY_LATER);
        }
    };
    socket.send(FromServer::ConnectionAck.into_message()).await.map_err(|_| Close::Gone)?;
    Ok(caller)
}

async fn init_payload(socket: &mut WebSocket) -> Result<Option<Value>, Close> {
    loop {
        match message::read(socket.recv().await)? {
            Some(FromClient::ConnectionInit { payload }) => return Ok(payload),
            Some(FromClient::Subscribe { .. }) => return Err(Close::UNAUTHORIZED),
            Some(FromClient::Ping { payload }) => {
                let pong = FromServer::Pong { payload }.into_message();
                socket.send(pong).await.map_err(|_| Close::Gone)?;
            }
            Some(FromClient::Pong {} | FromClient::Complete { .. }) | None => {}
        }
    }
}

/// `{"authorization": "Bearer ..."}`, with the key as a header would be written too.
fn shown(payload: &Value) -> Option<&Value> {
    payload.get("authorization").or_else(|| payload.get("Authorization")).filter(|value| !value.is_null())
}
