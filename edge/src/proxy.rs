//! The listener that clients reach: accepts, serves HTTP/1.1, stops gracefully. The trap: one connection's panic or error
//! that ends all others, so each has a task of its own and the accepting loop survives every error.

use crate::{core::Core, forward::forward, stop};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

/// How long a client may take to say what it wants.
const HEAD: Duration = Duration::from_secs(30);
/// No head is longer.
const HEAD_LIMIT: usize = 64 * 1024;
/// No request has more header fields.
const HEADERS_LIMIT: usize = 128;

/// Serves until told to stop, then lets open requests end within the grace.
pub(crate) async fn serve(core: Arc<Core>, listener: TcpListener, mut stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    connections.spawn(connection(Arc::clone(&core), stream, peer, stop.clone()));
                }
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "a connection was not accepted");
                    sleep(Duration::from_millis(20)).await;
                }
            },
            Some(_) = connections.join_next() => {}
            () = stop::requested(&mut stop) => break,
        }
    }
    drop(listener);
    let grace = core.config.timing.shutdown_grace;
    let _ = timeout(grace, async { while connections.join_next().await.is_some() {} }).await;
}

async fn connection(core: Arc<Core>, stream: TcpStream, peer: SocketAddr, mut stop: watch::Receiver<bool>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let answer = forward(Arc::clone(&core), peer.ip(), request);
        async { Ok::<_, Infallible>(answer.await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_LIMIT)
        .max_headers(HEADERS_LIMIT)
        .half_close(false)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stop::requested(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, error = &error as &dyn std::error::Error, "a client's connection ended");
    }
}
