//! Following an operation to its end: by subscription, taken up again where it broke off, and by asking while it is broken.
//! The trap avoided: a wait that ends because the server was restarted; only the operation's own end, or patience, ends it.

use super::{
    connection::Connection,
    documents,
    failure::{Failure, Refusal},
};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::{
    net::TcpStream,
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest as _, http::HeaderValue},
};

/// Between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(100);
/// How long after its deadline an operation may be seen to end.
const GRACE: TimeDelta = TimeDelta::seconds(60);
/// How long is waited for an operation of which it is not known.
const UNKNOWN: TimeDelta = TimeDelta::hours(1);
/// The server pings more often than that.
const SILENCE: Duration = Duration::from_secs(40);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// One thing an operation did.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// Where to go on after it.
    pub cursor: String,
    /// `operation.verbed`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where it stands by now.
    pub stage: Option<String>,
    /// Whether nothing follows.
    pub ended: bool,
    /// One sentence.
    pub summary: String,
    /// By the writer's clock.
    pub occurred_at: DateTime<Utc>,
}

/// Follows an operation until it has ended, and gives it as it is then; a bad end is a failure. Whoever says nothing of patience
/// waits as long as the operation itself may take.
pub async fn follow(
    connection: &Connection,
    operation: &str,
    patience: Option<Duration>,
    mut told: impl FnMut(&Progress),
) -> Result<Value, Failure> {
    let patience = match patience {
        Some(patience) => patience,
        None => allowed(connection, operation).await?,
    };
    let mut following = Following { connection, operation, cursor: None };
    let ended = timeout_at(Instant::now() + patience, following.ended(&mut told)).await;
    let operation = ended.map_err(|_| Failure::TimedOut { operation: operation.to_owned() })??;
    well(operation)
}

/// How long an operation may take, asked until somebody answers.
async fn allowed(connection: &Connection, operation: &str) -> Result<Duration, Failure> {
    loop {
        match shown(connection, operation).await {
            Err(Failure::Unreachable { .. }) => sleep(PAUSE).await,
            other => return Ok(whole(&other?)),
        }
    }
}

/// From its beginning to its deadline, both by the server's clock; ours may be any.
fn whole(operation: &Value) -> Duration {
    let time = |name: &str| operation[name].as_str().and_then(|text| text.parse::<DateTime<Utc>>().ok());
    let taken = time("deadline").zip(time("createdAt")).map(|(deadline, created)| deadline - created);
    (taken.unwrap_or(UNKNOWN) + GRACE).to_std().unwrap_or_default()
}

/// The operation, if it ended as it should.
pub(crate) fn well(operation: Value) -> Result<Value, Failure> {
    match operation["stage"].as_str() {
        // Every end but these is what its kind of operation was for.
        stage @ (None | Some("FAILED" | "CANCELLED" | "BLOCKED" | "DISABLED")) => {
            let failure = &operation["failure"];
            let refusal = if failure.is_null() {
                let closed = operation["gates"].as_array().and_then(|gates| {
                    gates.iter().find(|gate| matches!(gate["state"].as_str(), Some("fail" | "needs_acknowledgement")))
                });
                let closed = closed.and_then(|gate| gate["reason"].as_str());
                let message = closed.or(operation["cancelReason"].as_str()).unwrap_or("it ended early").to_owned();
                Refusal { code: stage.unwrap_or("UNKNOWN").to_owned(), message, ..Refusal::default() }
            } else {
                Refusal::read(failure)
            };
            let refusal = Box::new(refusal);
            let id = operation["id"].as_str().unwrap_or_default().to_owned();
            let (stage, printed) = (stage.unwrap_or("UNKNOWN").to_owned(), printed(&operation, &id));
            Err(Failure::Ended { operation: id, stage, printed, refusal })
        }
        Some(_) => Ok(operation),
    }
}

/// Where to read what was printed: a build's lines are its operation's, an app's its environment's.
fn printed(operation: &Value, id: &str) -> Option<String> {
    if operation["kind"] == "DEPLOY" {
        return Some(format!("--operation {id}"));
    }
    operation["environment"]["id"].as_str().map(|environment| format!("--environment {environment}"))
}

/// The operation as it is now.
pub(crate) async fn shown(connection: &Connection, operation: &str) -> Result<Value, Failure> {
    let mut data = connection.query(&documents::operation(), json!({ "id": operation })).await?;
    let operation = data["operation"].take();
    if operation.is_null() {
        return Err(Failure::Fault { code: "NOT_FOUND".into(), message: "there is no such operation".into() });
    }
    Ok(operation)
}

struct Following<'a> {
    connection: &'a Connection,
    operation: &'a str,
    cursor: Option<String>,
}

/// Why a subscription ended.
enum Cut {
    /// The operation has ended.
    Over,
    /// The connection has.
    Broken,
}

impl Following<'_> {
    async fn ended(&mut self, told: &mut impl FnMut(&Progress)) -> Result<Value, Failure> {
        // It may end while nobody listens; what it did until then is still told, if somebody tells it.
        let mut farewells = 3;
        loop {
            let cut = self.listen(told).await;
            let operation = match shown(self.connection, self.operation).await {
                // However long the API is away: it is the patience of the caller that counts.
                Err(Failure::Unreachable { .. }) => continue,
                other => other?,
            };
            if operation["ended"] == true {
                farewells -= 1;
                if matches!(cut, Cut::Over) || farewells == 0 {
                    return Ok(operation);
                }
            }
            sleep(PAUSE).await;
        }
    }

    async fn listen(&mut self, told: &mut impl FnMut(&Progress)) -> Cut {
        let Some(mut socket) = self.subscribed().await else { return Cut::Broken };
        while let Ok(Some(Ok(frame))) = timeout(SILENCE, socket.next()).await {
            let Message::Text(text) = frame else { continue };
            let Ok(mut message) = serde_json::from_str::<Value>(&text) else { return Cut::Broken };
            match message["type"].as_str() {
                Some("next") => {
                    if let Some(cut) = self.take(message["payload"]["data"]["operation"].take(), told) {
                        return cut;
                    }
                }
                Some("ping") if socket.send(said(&json!({ "type": "pong" }))).await.is_ok() => {}
                Some("ping" | "complete" | "error") => return Cut::Broken,
                _ => {}
            }
        }
        Cut::Broken
    }

    fn take(&mut self, item: Value, told: &mut impl FnMut(&Progress)) -> Option<Cut> {
        let Ok(progress) = serde_json::from_value::<Progress>(item) else {
            // What was followed is not there any more: from the beginning, then.
            self.cursor = None;
            return Some(Cut::Broken);
        };
        told(&progress);
        let ended = progress.ended;
        self.cursor = Some(progress.cursor);
        ended.then_some(Cut::Over)
    }

    /// A connection that has been asked.
    async fn subscribed(&self) -> Option<Socket> {
        let url = self.connection.at("/graphql").replacen("http", "ws", 1);
        let mut request = url.into_client_request().ok()?;
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("graphql-transport-ws"));
        let (mut socket, _) = timeout(Duration::from_secs(3), connect_async(request)).await.ok()?.ok()?;
        let authorization = format!("Bearer {}", self.connection.token());
        let init = json!({ "type": "connection_init", "payload": { "authorization": authorization } });
        let variables = json!({ "id": self.operation, "after": self.cursor });
        let payload = json!({ "query": documents::FOLLOW, "variables": variables });
        socket.send(said(&init)).await.ok()?;
        let acknowledged = timeout(Duration::from_secs(5), socket.next()).await.ok()??.ok()?;
        if !acknowledged.to_text().is_ok_and(|text| text.contains("connection_ack")) {
            return None;
        }
        socket.send(said(&json!({ "type": "subscribe", "id": "1", "payload": payload }))).await.ok()?;
        Some(socket)
    }
}

fn said(message: &Value) -> Message {
    Message::text(message.to_string())
}

#[cfg(test)]
mod tests {
    //! How an end is judged.
    use super::*;

    #[test]
    fn an_end_is_good_unless_it_failed_was_cancelled_or_blocked() {
        for good in ["HEALTHY", "ROLLED_BACK", "PREVIEW_READY", "VERIFIED", "HOT", "COLD", "UNCORDONED", "ELIGIBLE"] {
            assert!(well(json!({ "id": "op_1", "stage": good })).is_ok(), "{good}");
        }
        let closed = json!([{ "kind": "artifact", "state": "pass", "reason": "open" },
            { "kind": "generated", "state": "fail", "reason": "routes_gen.go: not what was generated" }]);
        let blocked = json!({ "id": "op_1", "stage": "BLOCKED", "failure": null, "gates": closed });
        let blocked = well(blocked).expect_err("a gate is closed");
        assert!(blocked.to_string().contains("routes_gen.go"), "{blocked}");
        assert_eq!(blocked.exit_code(), 4);
        let stale =
            json!({ "id": "op_1", "stage": "FAILED", "failure": { "code": "STALE_EPOCH", "message": "moved on" } });
        assert_eq!(well(stale).expect_err("it failed").exit_code(), 5);
        let failed = json!({ "id": "op_1", "kind": "PROMOTION", "stage": "FAILED", "environment": { "id": "env_1" },
            "failure": { "code": "ALLOCATION_FAILED", "message": "its app ended by itself" } });
        let next = well(failed).expect_err("it failed").next().expect("a next step");
        assert!(next.contains("rhone explain op_1") && next.contains("rhone logs --environment env_1"), "{next}");
        let built = json!({ "id": "op_2", "kind": "DEPLOY", "stage": "FAILED", "environment": { "id": "env_1" } });
        let next = well(built).expect_err("it failed").next().expect("a next step");
        assert!(next.contains("rhone logs --operation op_2"), "{next}");
        let cancelled = json!({ "id": "op_1", "stage": "CANCELLED", "failure": null, "cancelReason": "wrong button" });
        assert!(well(cancelled).expect_err("it was cancelled").to_string().contains("wrong button"));
    }

    #[test]
    fn who_says_nothing_of_patience_waits_as_long_as_the_operation_may_take() {
        let operation = json!({ "createdAt": "2026-11-20T12:00:00Z", "deadline": "2026-11-20T12:20:00Z" });
        assert_eq!(whole(&operation), Duration::from_mins(21));
        assert_eq!(whole(&json!({ "createdAt": null })), Duration::from_mins(61));
    }

    #[test]
    fn a_step_is_read_as_the_api_writes_it() {
        let item = json!({
            "__typename": "OperationProgress", "cursor": "2", "type": "operation.stage_entered", "stage": "POLICY_CHECK",
            "ended": false, "summary": "It was judged.", "occurredAt": "2026-11-20T12:00:00Z"
        });
        let progress: Progress = serde_json::from_value(item).expect("a step");
        assert_eq!((progress.cursor.as_str(), progress.stage.as_deref()), ("2", Some("POLICY_CHECK")));
    }
}
