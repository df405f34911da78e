//! A small stateful app to be hosted: pages, a WebSocket, sessions counted in memory, a drain at SIGTERM. It is written as
//! any customer's app would be: it knows its PORT and its own folder, and nothing of the platform that runs it.

use std::{
    env,
    io::{self, Write},
    net::Ipv4Addr,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    time::{Instant, timeout_at},
};

mod pages;
mod sessions;
mod socket;

use sessions::{Phase, Sessions};

/// How long open sockets may go on after SIGTERM, unless `DRAIN_SECONDS` says otherwise.
const DRAIN_SECONDS: u64 = 10;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("counter: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let version = std::fs::read_to_string("version.txt")?.trim().to_owned();
    let allocation = env::var("RHONE_ALLOCATION").unwrap_or_else(|_| "none".to_owned());
    let sessions = Arc::new(Sessions::new(version, allocation));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, number("PORT", 0)?)).await?;
    note(&format!("counter {} listens on {}", sessions.version(), listener.local_addr()?));

    let told = Arc::clone(&sessions);
    let drain = Duration::from_secs(number("DRAIN_SECONDS", DRAIN_SECONDS)?);
    let (deadline_is, deadline) = tokio::sync::oneshot::channel();
    let server = axum::serve(listener, pages::router(Arc::clone(&sessions))).with_graceful_shutdown(async move {
        terminate.recv().await;
        note(&format!("counter drains {} sockets", told.open()));
        told.enter(Phase::Draining);
        let _ = deadline_is.send(Instant::now() + drain);
    });
    let server = tokio::spawn(server.into_future());
    let Ok(deadline) = deadline.await else {
        return server.await?;
    };
    end_sockets(&sessions, deadline).await;
    let _ = timeout_at(Instant::now() + Duration::from_secs(1), server).await;
    Ok(())
}

/// Waits until no socket is open; at the deadline closes those that are left.
async fn end_sockets(sessions: &Sessions, deadline: Instant) {
    if timeout_at(deadline, sessions.all_closed()).await.is_ok() {
        return;
    }
    note(&format!("counter closes {} sockets at its deadline", sessions.open()));
    sessions.enter(Phase::Closing);
    let _ = timeout_at(Instant::now() + Duration::from_secs(1), sessions.all_closed()).await;
}

/// Nobody may be reading any more; that is no reason to end.
pub(crate) fn note(words: &str) {
    let _ = writeln!(io::stdout(), "{words}");
}

/// A number from the environment; a malformed one stops the app, an absent one does not.
fn number<N: std::str::FromStr>(name: &str, absent: N) -> io::Result<N> {
    match env::var(name) {
        Err(_) => Ok(absent),
        Ok(text) => text.parse().map_err(|_| io::Error::other(format!("{name} is no number: {text}"))),
    }
}
