//! What the edge tells whoever runs it: /livez, /readyz, /metrics, /table, on an address of its own. Reads only. The trap:
//! a readiness that follows the control plane would take a serving edge out of service; it follows the table.

use crate::{body::Answer, core::Core, core::Door, status::status, stop};
use bytes::Bytes;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use std::{convert::Infallible, fmt::Write as _, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::watch, time::sleep};

/// Serves until told to stop.
pub(crate) async fn serve(core: Arc<Core>, listener: TcpListener, mut stop: watch::Receiver<bool>) {
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "an admin connection was not accepted");
                    sleep(Duration::from_millis(20)).await;
                    continue;
                }
            },
            () = stop::requested(&mut stop) => return,
        };
        let core = Arc::clone(&core);
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let response = answer(&core, &request);
                async { Ok::<_, Infallible>(response) }
            });
            let served =
                http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
            if let Err(error) = served {
                tracing::debug!(error = &error as &dyn std::error::Error, "an admin connection ended");
            }
        });
    }
}

fn answer(core: &Core, request: &Request<Incoming>) -> Response<Answer> {
    if request.method() != Method::GET {
        return text(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "only GET\n".into());
    }
    match request.uri().path() {
        "/livez" => text(StatusCode::OK, "text/plain", "alive\n".into()),
        "/readyz" => match core.door() {
            Door::Open => text(StatusCode::OK, "text/plain", "serving\n".into()),
            Door::Booting => text(StatusCode::SERVICE_UNAVAILABLE, "text/plain", "no routes yet\n".into()),
            Door::Closed => text(StatusCode::SERVICE_UNAVAILABLE, "text/plain", "misses route changes\n".into()),
        },
        "/metrics" => text(StatusCode::OK, "text/plain; version=0.0.4", metrics(core)),
        "/table" => text(StatusCode::OK, "application/json", table(core).to_string()),
        _ => text(StatusCode::NOT_FOUND, "text/plain", "no such page\n".into()),
    }
}

fn text(status: StatusCode, kind: &'static str, body: String) -> Response<Answer> {
    let mut response = Response::new(Answer::Own(Bytes::from(body).into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn metrics(core: &Core) -> String {
    let status = status(core);
    let mut text = core.counters.prometheus();
    let gauges = [
        ("feed_applied_seq", "The last feed position applied.", status.applied.0),
        ("feed_head_seq", "The highest feed position known.", core.standing.borrow().head.0),
        ("requests_held", "Requests held for apps that wake.", core.waking.held() as u64),
        ("sockets_open", "Sockets open now.", core.allocations.sockets()),
        ("sockets_lost", "Sockets lost with earlier runs.", status.lost_sessions),
        ("routes_quarantined", "Routes not served because they are contested.", status.quarantined.len() as u64),
        ("serving", "1 when requests are served.", u64::from(core.door() == Door::Open)),
    ];
    for (name, meaning, value) in gauges {
        writeln!(text, "# HELP rhone_edge_{name} {meaning}\n# TYPE rhone_edge_{name} gauge\nrhone_edge_{name} {value}")
            .expect("a string takes what is written to it");
    }
    text
}

fn table(core: &Core) -> Value {
    let status = status(core);
    let table = core.table.load();
    let mut lanes = table.lanes();
    lanes.sort_unstable_by_key(|lane| lane.route.environment);
    let routes: Vec<Value> = lanes
        .iter()
        .map(|lane| {
            let targets = table.targets(lane.route.environment);
            let endpoints: Vec<_> = targets.iter().map(|target| &target.endpoint).collect();
            json!({ "route": lane.route, "trust": format!("{:?}", lane.trust).to_lowercase(), "endpoints": endpoints })
        })
        .collect();
    json!({
        "edge": status.edge,
        "boot": status.boot,
        "mode": status.mode,
        "incarnation": status.incarnation,
        "applied": status.applied,
        "digest": status.digest,
        "sessions": status.sessions,
        "held": core.waking.held(),
        "lost_sessions": status.lost_sessions,
        "quarantined": status.quarantined,
        "observations": status.observations,
        "routes": routes,
        "counters": core.counters.json(),
    })
}
