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
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split},
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep, timeout, timeout_at},
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
    /// So it is, but in the midst of a frame, or of what the client does not take: there is no close frame.
    CutOff,
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
    match ended {
        Ok(Ended::ByFate) => {
            core.counters.sockets_closed_1012.up();
            core.allocations.count_closed(socket, core.identity.boot);
            say_goodbye(&mut client_writes, &mut upstream).await;
        }
        Ok(Ended::CutOff) => core.allocations.count_closed(socket, core.identity.boot),
        Ok(Ended::ByThem) | Err(_) => {}
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

/// From the app to the client, until `closing` and the end of a frame, for which both have `BOUNDARY`. A frame that the client was
/// given a part of has no close frame after it.
async fn pass_down(
    app: &mut (impl AsyncRead + Unpin),
    client: &mut (impl AsyncWrite + Unpin),
    closing: impl Future<Output = Ended>,
) -> io::Result<Ended> {
    let mut frames = Frames::default();
    let mut buffer = vec![0; BUFFER];
    tokio::pin!(closing);
    let (ended, last) = loop {
        let length = tokio::select! {
            read = app.read(&mut buffer) => read?,
            ended = &mut closing => break (ended, Instant::now() + BOUNDARY),
        };
        if length == 0 {
            return Ok(Ended::ByThem);
        }
        frames.pass(&buffer[..length]);
        let writing = client.write_all(&buffer[..length]);
        tokio::pin!(writing);
        let ended = tokio::select! {
            biased;
            written = &mut writing => {
                written?;
                continue;
            }
            ended = &mut closing => ended,
        };
        let last = Instant::now() + BOUNDARY;
        match timeout_at(last, writing).await {
            Ok(written) => written?,
            Err(_) => return Ok(if ended == Ended::ByFate { Ended::CutOff } else { ended }),
        }
        break (ended, last);
    };
    if ended == Ended::ByThem {
        return Ok(ended);
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
    Ok(match timeout_at(last, finish).await {
        Ok(Ok(())) if frames.at_boundary() => Ended::ByFate,
        Ok(_) => Ended::ByThem,
        Err(_) => Ended::CutOff,
    })
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

#[cfg(test)]
mod tests {
    //! A client that takes no more.
    use super::*;
    use std::{
        pin::Pin,
        task::{Context, Poll},
    };

    /// Takes so many bytes more, and then none.
    struct Deaf {
        left: watch::Sender<usize>,
    }

    impl AsyncWrite for Deaf {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            let taken = bytes.len().min(*self.left.borrow());
            if taken == 0 {
                return Poll::Pending;
            }
            self.left.send_modify(|left| *left -= taken);
            Poll::Ready(Ok(taken))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// A client that takes so much, and a deadline that comes when it takes no more than so much any more.
    fn deaf(takes: usize, at: usize) -> (Deaf, impl Future<Output = Ended>) {
        let left = watch::Sender::new(takes);
        let mut heard = left.subscribe();
        let closing = async move {
            let _ = heard.wait_for(|left| *left <= at).await;
            Ended::ByFate
        };
        (Deaf { left }, closing)
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_is_not_waited_for_after_the_deadline() {
        // Two zeros are an empty frame.
        let mut app = tokio::io::repeat(0);
        let (mut client, closing) = deaf(100, 0);
        let passed = timeout(BOUNDARY * 10, pass_down(&mut app, &mut client, closing)).await;
        assert!(matches!(passed, Ok(Ok(Ended::CutOff))), "{passed:?}");
        // The sin: a deadline that is not looked at while something is written.
        let (mut client, closing) = deaf(100, 0);
        tokio::pin!(closing);
        let heedless = async {
            let mut buffer = vec![0; BUFFER];
            loop {
                tokio::select! {
                    read = app.read(&mut buffer) => client.write_all(&buffer[..read?]).await?,
                    _ = &mut closing => return io::Result::Ok(()),
                }
            }
        };
        assert!(timeout(BOUNDARY * 10, heedless).await.is_err(), "it is caught above");
    }

    #[tokio::test(start_paused = true)]
    async fn a_frame_that_a_client_was_given_a_part_of_has_no_close_frame_after_it() {
        let (head, rest) = ([0x82_u8, 126, 0x03, 0xe8], [b'x'; 1_000]);
        let mut app = (&head[..]).chain(&rest[..]);
        let (mut client, closing) = deaf(500, 496);
        let passed = pass_down(&mut app, &mut client, closing).await;
        assert!(matches!(passed, Ok(Ended::CutOff)), "{passed:?}");
        // The sin: to ask what was read, and not what was taken. All of it was read.
        let mut frames = Frames::default();
        frames.pass(&head);
        frames.pass(&rest);
        assert!(frames.at_boundary(), "it is caught above");
    }
}
