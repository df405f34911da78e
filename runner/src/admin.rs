//! What an operator asks the agent: alive, ready, counters, and every allocation as it stands on disk. Nothing here changes
//! anything, and no answer holds a secret.

use crate::{
    agent::Host,
    allocation_folder::{AllocationFolder, Record},
    error::Error,
    gate::GateStatus,
};
use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use rhone_domain::host_protocol::Desired;
use serde::Serialize;
use std::{net::SocketAddr, sync::Arc};
use tokio::net::TcpListener;

/// One allocation as its files tell it.
#[derive(Serialize)]
struct View {
    desired: Option<Desired>,
    record: Option<Record>,
    gate: Option<GateStatus>,
}

pub(crate) async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let failed = |source| Error::Bind { address: address.to_string(), source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

pub(crate) async fn serve(listener: TcpListener, host: Arc<Host>) -> Result<(), Error> {
    let router = Router::new()
        .route("/livez", get("ok\n"))
        // It is bound only after every order on disk is being followed.
        .route("/readyz", get("ok\n"))
        .route("/metrics", get(metrics))
        .route("/allocations", get(allocations))
        .with_state(host);
    axum::serve(listener, router).await.map_err(Error::system("answering its operator"))
}

async fn metrics(State(host): State<Arc<Host>>) -> Response {
    let counted =
        AllocationFolder::list(&host.config.data_dir).and_then(|all| Ok((all.len(), host.outbox.waiting()?.len())));
    match counted {
        Ok((allocations, waiting)) => host.tally.render(allocations, waiting).into_response(),
        Err(error) => fault(&error),
    }
}

async fn allocations(State(host): State<Arc<Host>>) -> Response {
    match views(&host) {
        Ok(views) => Json(views).into_response(),
        Err(error) => fault(&error),
    }
}

fn views(host: &Host) -> Result<Vec<View>, Error> {
    let view = |folder: AllocationFolder| {
        Ok(View { desired: folder.desired()?, record: folder.record()?, gate: folder.gate()? })
    };
    AllocationFolder::list(&host.config.data_dir)?.into_iter().map(view).collect()
}

fn fault(error: &Error) -> Response {
    tracing::error!(error = crate::control_plane::chain(error), "answering its operator");
    (StatusCode::INTERNAL_SERVER_ERROR, "see the log\n").into_response()
}
