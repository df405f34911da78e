//! WebSockets through the edge: a 101 is passed on only after the app's own, then bytes flow both ways until one side ends
//! or the allocation's fate does. The trap: graceful shutdown of the HTTP server ends at the upgrade, so tunnels are counted
//! and ended here, by a close frame that never lands inside another frame.

use crate::{
    allocations::{Fate, Socket},
    body::Answer,
    clock,
    core::Core,
    frames::{CLOSE_1012, Frames},
    headers::strip_hop_by_hop,
    stop,
    table::Target,
};
use hyper::{
    Response,
    body::Incoming,
    header::{CONNECTION, HeaderValue, UPGRADE},
    upgrade::{OnUpgrade, Upgraded},
};
use hyper_util::rt::TokioIo;
use std::{future::pending, io, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split},
    sync::watch,
    task::JoinHandle,
    time::{sleep, timeout},
};

/// How much is read at once from an app.
const BUFFER: usize = 8 * 1024;
/// How long a frame under way may delay a close.
const BOUNDARY: Duration = Duration::from_secs(2);
/// How long the client may take to answer a close.
const GOODBYE: Duration = Duration::from_secs(1);

type Io = TokioIo<Upgraded>;

/// Passes on an app's 101 and begins the tunnel.
pub(crate) fn accept(
    core: &Arc<Core>,
    target: &Target,
    client: OnUpgrade,
    app: Response<Incoming>,
) -> Response<Answer> {
    let (mut parts, body) = app.into_parts();
    let upgrade = parts.headers.get(UPGRADE).cloned();
    strip_hop_by_hop(&mut parts.headers);
    parts.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    parts.headers.insert(UPGRADE, upgrade.unwrap_or_else(|| HeaderValue::from_static("websocket")));
    let app = parts.extensions.remove::<OnUpgrade>();
    drop(body);
    let socket = core.allocations.open_socket(&target.allocation);
    core.counters.sockets_opened.up();
    let core = Arc::clone(core);
    tokio::spawn(async move {
        let Some(app) = app else { return };
        match tokio::try_join!(client, app) {
            Ok((client, app)) => tunnel(&core, &socket, TokioIo::new(client), TokioIo::new(app)).await,
            Err(error) => tracing::debug!(error = &error as &dyn std::error::Error, "an upgrade did not complete"),
        }
        drop(socket);
        core.report.notify_one();
    });
    Response::from_parts(parts, Answer::empty())
}

/// Why the way from the app to the client ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// The app, the client or the network did it.
    ByThem,
    /// The allocation's time is over, or the edge's.
    ByFate,
}

async fn tunnel(core: &Core, socket: &Socket, client: Io, app: Io) {
    let (client_reads, mut client_writes) = split(client);
    let (mut app_reads, app_writes) = split(app);
    let mut upstream = tokio::spawn(pass_up(client_reads, app_writes));
    let closing = async {
        tokio::select! {
            () = time_is_over(core, socket.fate()) => Ended::ByFate,
            _ = &mut upstream => {
                // The app may still have an answer to the client's last words.
                sleep(GOODBYE).await;
                Ended::ByThem
            }
        }
    };
    let ended = pass_down(&mut app_reads, &mut client_writes, closing).await;
    if matches!(ended, Ok(Ended::ByFate)) {
        core.counters.sockets_closed_1012.up();
        core.allocations.count_closed(socket);
        say_goodbye(&mut client_writes, &mut upstream).await;
    }
    let _ = client_writes.shutdown().await;
    upstream.abort();
}

/// From the client to the app, whole; then the app is told that nothing more comes.
async fn pass_up(mut client: ReadHalf<Io>, mut app: WriteHalf<Io>) -> io::Result<()> {
    let copied = tokio::io::copy(&mut client, &mut app).await;
    app.shutdown().await?;
    copied.map(|_| ())
}

/// From the app to the client, until `closing` and the end of a frame.
async fn pass_down(
    app: &mut ReadHalf<Io>,
    client: &mut WriteHalf<Io>,
    closing: impl Future<Output = Ended>,
) -> io::Result<Ended> {
    let mut frames = Frames::default();
    let mut buffer = vec![0; BUFFER];
    tokio::pin!(closing);
    loop {
        tokio::select! {
            read = app.read(&mut buffer) => match read? {
                0 => return Ok(Ended::ByThem),
                length => {
                    frames.pass(&buffer[..length]);
                    client.write_all(&buffer[..length]).await?;
                }
            },
            ended = &mut closing => match ended {
                Ended::ByFate => break,
                Ended::ByThem => return Ok(ended),
            },
        }
    }
    let finish = async {
        while !frames.at_boundary() {
            let length = app.read(&mut buffer).await?;
            if length == 0 {
                return Ok(());
            }
            let end = (1..=length).find(|end| {
                frames.pass(&buffer[end - 1..*end]);
                frames.at_boundary()
            });
            client.write_all(&buffer[..end.unwrap_or(length)]).await?;
        }
        io::Result::Ok(())
    };
    let _ = timeout(BOUNDARY, finish).await;
    Ok(if frames.at_boundary() { Ended::ByFate } else { Ended::ByThem })
}

/// Sends 1012 and lets the client's answer through to the app.
async fn say_goodbye(client: &mut WriteHalf<Io>, upstream: &mut JoinHandle<io::Result<()>>) {
    let sent = async {
        client.write_all(&CLOSE_1012).await?;
        client.flush().await
    };
    if matches!(timeout(GOODBYE, sent).await, Ok(Ok(()))) && !upstream.is_finished() {
        let _ = timeout(GOODBYE, upstream).await;
    }
}

/// Ends when a socket must be closed: at its own moment within the spread, so that not all clients come back at once.
async fn time_is_over(core: &Core, mut fate: watch::Receiver<Fate>) {
    let spread = clock::jitter(core.config.timing.drain_spread);
    let mut ending = core.ending.subscribe();
    loop {
        let known = *fate.borrow_and_update();
        let over = async {
            match known {
                Fate::Stay => pending().await,
                Fate::CloseAt(deadline) => {
                    let left = (deadline - clock::now()).to_std().unwrap_or(Duration::ZERO);
                    sleep(left.saturating_add(spread)).await;
                }
            }
        };
        tokio::select! {
            () = over => return,
            () = stop::requested(&mut ending) => return,
            Ok(()) = fate.changed() => {}
        }
    }
}
