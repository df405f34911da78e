//! A panic in a resolver ends its request, not its connection: caught, and answered as INTERNAL. The
//! trap avoided: hyper drops the connection of a panicking handler, and a WebSocket would take every operation with it.

use std::{any::Any, panic::AssertUnwindSafe};

use async_graphql::Response;
use futures_util::{FutureExt, Stream, StreamExt};

use crate::fault::Fault;

/// Awaits an execution; a panic becomes a fault. Safe to assert unwind safety: what the future held is dropped with it.
pub(crate) async fn caught(execution: impl Future<Output = Response>) -> Response {
    match AssertUnwindSafe(execution).catch_unwind().await {
        Ok(response) => response,
        Err(panic) => broken(&*panic),
    }
}

/// The same for a stream, which ends after its panic.
pub(crate) fn caught_stream(
    stream: impl Stream<Item = Response> + Send + 'static,
) -> impl Stream<Item = Response> + Send + 'static {
    AssertUnwindSafe(stream).catch_unwind().map(|item| item.unwrap_or_else(|panic| broken(&*panic)))
}

fn broken(panic: &(dyn Any + Send)) -> Response {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("not a text");
    Response::from_errors(vec![Fault::internal(Panicked(text.to_owned())).into_server_error()])
}

/// Reaches the log through `outcome`, like every failure of ours.
#[derive(Debug, thiserror::Error)]
#[error("a resolver panicked: {0}")]
struct Panicked(String);
