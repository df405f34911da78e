//! The example as its users meet it: a real process, a real socket. The trap: a test that stops the app by SIGKILL would
//! never see whether it drains.

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};
use tokio_tungstenite::{connect_async, tungstenite::Message};

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
}

impl Drop for App {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn next_json(
    socket: &mut (impl StreamExt<Item = Result<Message, tokio_tungstenite::tungstenite::Error>> + Unpin),
) -> Value {
    let message = socket.next().await.expect("the socket is open").expect("a message");
    serde_json::from_str(message.to_text().expect("text")).expect("JSON")
}

#[tokio::test]
async fn a_socket_is_greeted_counted_echoed_and_told_of_the_drain() {
    let mut app = App::start("30");
    let (mut socket, _) = connect_async(format!("ws://{}/_vango/ws", app.address)).await.expect("a socket");
    let hello = next_json(&mut socket).await;
    assert_eq!(hello["version"], "blue");
    assert_eq!(hello["allocation"], "a1");
    assert_eq!(hello["session"], 1);
    socket.send(Message::text("hej")).await.expect("sent");
    assert_eq!(socket.next().await.expect("open").expect("a message"), Message::text("hej"));
    socket.send(Message::text("count")).await.expect("sent");
    let count = next_json(&mut socket).await;
    assert_eq!((&count["messages"], &count["sessions"]["open"]), (&2.into(), &1.into()));

    app.terminate();
    assert_eq!(next_json(&mut socket).await["type"], "draining");
    assert!(connect_async(format!("ws://{}/_vango/ws", app.address)).await.is_err(), "it still accepts");
    socket.send(Message::text("still here")).await.expect("an open socket goes on while draining");
    assert_eq!(socket.next().await.expect("open").expect("a message"), Message::text("still here"));
    socket.close(None).await.expect("closed");
    assert!(app.child.wait().expect("an exit").success());
}

#[tokio::test]
async fn a_socket_that_outlives_the_drain_is_closed_with_1012() {
    let mut app = App::start("0");
    let (mut socket, _) = connect_async(format!("ws://{}/_vango/ws", app.address)).await.expect("a socket");
    app.terminate();
    let code = loop {
        if let Message::Close(frame) = socket.next().await.expect("a close comes first").expect("a message") {
            break u16::from(frame.expect("a reason").code);
        }
    };
    assert_eq!(code, 1012);
    assert!(app.child.wait().expect("an exit").success());
}
