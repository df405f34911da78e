//! Redis, or whatever speaks RESP: authenticates if there is a credential, and asks for PING. Its identity is its address and
//! the number of its database. The trap avoided: an open port taken for a server.

use super::{Ground, Probe, ProbeError, Proven, Target};
use futures_util::{FutureExt as _, future::BoxFuture};
use std::fmt::Write as _;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

pub(super) struct Redis;

impl Probe for Redis {
    fn probe<'a>(&'a self, target: &'a Target, ground: &'a Ground) -> BoxFuture<'a, Result<Proven, ProbeError>> {
        probe(target, ground).boxed()
    }
}

async fn probe(target: &Target, ground: &Ground) -> Result<Proven, ProbeError> {
    let address = ground.reach.resolve(target).await?;
    let unreachable = |_: std::io::Error| ProbeError::unreachable(target);
    let mut stream = BufReader::new(TcpStream::connect(address).await.map_err(unreachable)?);
    if let Some(password) = target.url().password() {
        let user = target.url().username();
        let words = if user.is_empty() { vec!["AUTH", password] } else { vec!["AUTH", user, password] };
        if ask(&mut stream, &words).await.map_err(unreachable)? != "+OK" {
            let message = format!("{} refuses the credential", target.endpoint());
            return Err(ProbeError::fatal("CREDENTIAL_REFUSED", message));
        }
    }
    match ask(&mut stream, &["PING"]).await.map_err(unreachable)?.as_str() {
        "+PONG" => {
            let database = target.url().path().trim_matches('/');
            let identity = target.place().map(|(host, port)| format!("redis:{host}:{port}/{database}"));
            Ok(Proven { identity, evidence: vec!["PING was answered with PONG".to_owned()] })
        }
        answer if answer.starts_with("-NOAUTH") => {
            Err(ProbeError::fatal("CREDENTIAL_REFUSED", format!("{} wants a credential", target.endpoint())))
        }
        _ => Err(ProbeError::fatal("WRONG_ANSWER", format!("{} does not answer as Redis does", target.endpoint()))),
    }
}

/// One command and the first line of its answer.
async fn ask(stream: &mut BufReader<TcpStream>, words: &[&str]) -> std::io::Result<String> {
    let mut command = format!("*{}\r\n", words.len());
    for word in words {
        write!(command, "${}\r\n{word}\r\n", word.len()).map_err(std::io::Error::other)?;
    }
    stream.write_all(command.as_bytes()).await?;
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    Ok(line.trim_end().to_owned())
}
