//! The example as its users meet it: a real process, a real socket. The trap: a test that stops the app by SIGKILL would
//! never see whether it drains.

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message},
};

/// Long enough for anything that is not broken, even on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

struct App {
    child: Child,
    address: String,
    _folder: tempfile::TempDir,
}

impl App {
    fn start(drain_seconds: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("version.txt"), "blue\n").expect("a version");
        let mut child = Command::new(env!("CARGO_BIN_EXE_counter"))
            .current_dir(folder.path())
            .env("RHONE_ALLOCATION", "a1")
            .env("DRAIN_SECONDS", drain_seconds)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the app starts");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("stdout is piped")).read_line(&mut line).expect("a line");
        let address = line.trim().rsplit(' ').next().expect("an address").to_owned();
        assert!(address.starts_with("127.0.0.1:"), "it prints its address when it listens: {line}");
        Self { child, address, _folder: folder }
    }

    fn terminate(&self) {
        // The shell's own: a bare Debian has no program of that name.
        let sent = Command::new("sh").args(["-c", "kill -TERM \"$0\"", &self.child.id().to_string()]).status();
        let sent = sent.expect("a shell runs");
        assert!(sent.success());
    }

    async fn socket(&self) -> Result<Socket, Error> {
        let opened = timeout(PATIENCE, connect_async(format!("ws://{}/_vango/ws", self.address))).await;
        opened.expect("it answers, or refuses").map(|(socket, _)| socket)
    }

    /// How it ended, by itself.
    async fn end(&mut self) -> ExitStatus {
        let ends = async {
            loop {
                if let Some(status) = self.child.try_wait().expect("a child") {
                    return status;
                }
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, ends).await.expect("an exit")
    }
}

impl Drop for App {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn next(socket: &mut Socket) -> Message {
    timeout(PATIENCE, socket.next()).await.expect("it says something").expect("the socket is open").expect("a message")
}

async fn next_json(socket: &mut Socket) -> Value {
    serde_json::from_str(next(socket).await.to_text().expect("text")).expect("JSON")
}

#[tokio::test]
async fn a_socket_is_greeted_counted_echoed_and_told_of_the_drain() {
    let mut app = App::start("30");
    let mut socket = app.socket().await.expect("a socket");
    let hello = next_json(&mut socket).await;
    assert_eq!(hello["version"], "blue");
    assert_eq!(hello["allocation"], "a1");
    assert_eq!(hello["session"], 1);
    socket.send(Message::text("hej")).await.expect("sent");
    assert_eq!(next(&mut socket).await, Message::text("hej"));
    socket.send(Message::text("count")).await.expect("sent");
    let count = next_json(&mut socket).await;
    assert_eq!((&count["messages"], &count["sessions"]["open"]), (&2.into(), &1.into()));

    app.terminate();
    assert_eq!(next_json(&mut socket).await["type"], "draining");
    // Open sockets are told a moment before the door is shut.
    let shut = async {
        while app.socket().await.is_ok() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, shut).await.expect("it still accepts");
    socket.send(Message::text("still here")).await.expect("an open socket goes on while draining");
    assert_eq!(next(&mut socket).await, Message::text("still here"));
    socket.close(None).await.expect("closed");
    assert!(app.end().await.success());
}

#[tokio::test]
async fn a_socket_that_outlives_the_drain_is_closed_with_1012() {
    let mut app = App::start("0");
    let mut socket = app.socket().await.expect("a socket");
    // It waits for those that it counts, and counts who is greeted.
    assert_eq!(next_json(&mut socket).await["type"], "hello");
    app.terminate();
    let code = loop {
        if let Message::Close(frame) = next(&mut socket).await {
            break u16::from(frame.expect("a reason").code);
        }
    };
    assert_eq!(code, 1012);
    assert!(app.end().await.success());
}
