//! What the agent asks a gate: who it is, and whether its app is well. Both go through the allocation's address, the way an
//! edge goes, so that "ready" means reachable and not merely started.

use rhone_domain::{
    host_protocol::{GateIdentity, Preamble},
    ids::AllocationId,
    numbers::Epoch,
};
use std::{io, net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::timeout,
};

const ANSWER: Duration = Duration::from_secs(2);
/// Neither an identity nor a status line is longer.
const LINE_LIMIT: u64 = 4 << 10;

/// Who listens there; none when nobody does or it is no gate of this allocation.
pub(crate) async fn who(address: SocketAddr, allocation: AllocationId) -> Option<GateIdentity> {
    let line = ask(address, Preamble::Who { allocation }.to_line()).await?;
    serde_json::from_str(&line).ok().filter(|identity: &GateIdentity| identity.allocation == allocation)
}

/// Whether the app answers its health path with 2xx.
pub(crate) async fn is_well(address: SocketAddr, allocation: AllocationId, epoch: Epoch, path: &str) -> bool {
    let preamble = Preamble::Connect { allocation, epoch }.to_line();
    let request = format!("{preamble}GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    let status = ask(address, request).await;
    status.and_then(|line| line.split(' ').nth(1)?.parse().ok()).is_some_and(|status: u16| (200..300).contains(&status))
}

/// Sends words and reads the first line of the answer.
async fn ask(address: SocketAddr, words: String) -> Option<String> {
    let conversation = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(words.as_bytes()).await?;
        let mut line = String::new();
        BufReader::new(stream.take(LINE_LIMIT)).read_line(&mut line).await?;
        io::Result::Ok(line)
    };
    timeout(ANSWER, conversation).await.ok()?.ok().filter(|line| !line.is_empty())
}
