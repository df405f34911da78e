//! Runs a program and everything it starts, as one group that ends with whoever waits for it. The traps avoided: a child that
//! goes on when the future that waits for it is dropped, and one that left the group and holds the output open.

use crate::log::{Log, Stream};
use rustix::process::{Pid, Signal, kill_process_group};
use std::{
    io,
    process::{ExitStatus, Stdio},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, BufReader},
    process::{Child, Command},
    task::JoinSet,
    time::timeout,
};

/// How long the output of a program that ended is still read.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// How it went.
#[derive(Debug)]
pub(crate) enum Outcome<W> {
    /// It ended by itself.
    Ended(ExitStatus),
    /// The watch stopped it, and says why.
    Stopped(W),
}

/// The group that a child leads; dropping it kills every member.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // An empty group is what we want.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

fn start(command: &mut Command) -> io::Result<(Child, Group)> {
    command.process_group(0).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn()?;
    let group = Group::of(&child);
    Ok((child, group))
}

/// Runs the program until it ends or `watch`, which is given its id, does; what it prints goes into the log.
pub(crate) async fn run<W>(
    mut command: Command,
    log: &Log,
    watch: impl AsyncFnOnce(u32) -> W,
) -> io::Result<Outcome<W>> {
    let (mut child, group) = start(&mut command)?;
    let mut reading = JoinSet::new();
    if let Some(output) = child.stdout.take() {
        let log = log.clone();
        reading.spawn(async move { log.keep(Stream::Out, BufReader::new(output)).await });
    }
    if let Some(output) = child.stderr.take() {
        let log = log.clone();
        reading.spawn(async move { log.keep(Stream::Err, BufReader::new(output)).await });
    }
    let outcome = watched(&mut child, watch).await?;
    drop(group);
    child.wait().await?;
    let _ = timeout(LAST_WORDS, async { while reading.join_next().await.is_some() {} }).await;
    Ok(outcome)
}

async fn watched<W>(child: &mut Child, watch: impl AsyncFnOnce(u32) -> W) -> io::Result<Outcome<W>> {
    let Some(pid) = child.id() else { return Ok(Outcome::Ended(child.wait().await?)) };
    tokio::select! {
        biased;
        status = child.wait() => Ok(Outcome::Ended(status?)),
        why = watch(pid) => Ok(Outcome::Stopped(why)),
    }
}

/// What a program printed.
#[derive(Debug)]
pub(crate) struct Printed {
    pub(crate) status: ExitStatus,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

/// Runs the program and keeps at most `most` bytes of each of its outputs; a program that prints more is stopped.
pub(crate) async fn capture<W>(
    mut command: Command,
    most: u64,
    watch: impl AsyncFnOnce(u32) -> W,
) -> io::Result<Result<Printed, W>> {
    let (mut child, group) = start(&mut command)?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let both = async { tokio::join!(all(out, most), all(err, most)) };
    let reading = async {
        let (out, err) = both.await;
        let status = child.wait().await?;
        Ok::<_, io::Error>(Printed { status, out: out?, err: String::from_utf8_lossy(&err?).into_owned() })
    };
    tokio::select! {
        biased;
        printed = reading => { drop(group); Ok(Ok(printed?)) }
        why = watch(0) => { drop(group); Ok(Err(why)) }
    }
}

async fn all(output: Option<impl AsyncRead + Unpin>, most: u64) -> io::Result<Vec<u8>> {
    let mut read = Vec::new();
    if let Some(output) = output {
        output.take(most + 1).read_to_end(&mut read).await?;
    }
    if read.len() as u64 > most {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it prints more than can be taken in"));
    }
    Ok(read)
}
