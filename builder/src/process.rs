//! Runs a program and everything it starts, as one group that ends with whoever waits for it. The traps avoided: a child that
//! goes on when the future that waits for it is dropped, one that left the group and holds the output open, and the last line
//! of one that was killed.

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
    sync::watch,
    time::sleep,
};

/// How long the output of a program that ended, or that nobody waits for any more, is still read.
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
    // The readers have a life of their own: whoever drops this future lets go of `running`, and they come to their end.
    let (running, ended) = watch::channel(());
    let mut readers = Vec::new();
    if let Some(output) = child.stdout.take() {
        readers.push(tokio::spawn(read(log.clone(), Stream::Out, output, ended.clone())));
    }
    if let Some(output) = child.stderr.take() {
        readers.push(tokio::spawn(read(log.clone(), Stream::Err, output, ended)));
    }
    let outcome = watched(&mut child, watch).await?;
    drop(group);
    child.wait().await?;
    drop(running);
    for reader in readers {
        // One that panicked has said so.
        let _ = reader.await;
    }
    Ok(outcome)
}

async fn read(log: Log, stream: Stream, output: impl AsyncRead + Unpin + Send, mut ended: watch::Receiver<()>) {
    let given_up = async {
        while ended.changed().await.is_ok() {}
        sleep(LAST_WORDS).await;
    };
    log.keep(stream, BufReader::new(output), given_up).await;
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

#[cfg(test)]
mod tests {
    //! What becomes of the last words.
    use super::*;
    use rhone_domain::logs::Mask;
    use tokio::sync::oneshot;

    /// Ends by itself, by its watch, or with whoever waits for it.
    fn talking(ends: &str) -> Command {
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("printf 'first\\nlast words'; {ends}"));
        command
    }

    async fn heard(lines: &mut tokio::sync::mpsc::Receiver<crate::log::Line>) -> Option<String> {
        lines.recv().await.map(|line| line.text)
    }

    #[tokio::test]
    async fn the_last_line_of_a_program_is_kept_however_it_ends() {
        let (log, mut lines) = Log::channel(10, Mask::default());
        run(talking("exit 0"), &log, async |_| std::future::pending::<()>().await).await.expect("run");
        assert_eq!(heard(&mut lines).await.as_deref(), Some("first"));
        assert_eq!(heard(&mut lines).await.as_deref(), Some("last words"));
        let (told, hears) = oneshot::channel();
        let stopped = async move |_| hears.await.expect("told");
        let command = talking("sleep 1000");
        let running = tokio::spawn({
            let log = log.clone();
            async move { run(command, &log, stopped).await }
        });
        assert_eq!(heard(&mut lines).await.as_deref(), Some("first"));
        told.send(()).expect("it runs");
        assert!(matches!(running.await.expect("ended"), Ok(Outcome::Stopped(()))));
        assert_eq!(heard(&mut lines).await.as_deref(), Some("last words"));
    }

    #[tokio::test]
    async fn whoever_no_longer_waits_for_a_program_still_keeps_its_last_line() {
        let (log, mut lines) = Log::channel(10, Mask::default());
        {
            let mut running =
                std::pin::pin!(run(talking("sleep 1000"), &log, async |_| std::future::pending::<()>().await));
            tokio::select! {
                _ = &mut running => panic!("it was not to end"),
                first = heard(&mut lines) => assert_eq!(first.as_deref(), Some("first")),
            }
        }
        drop(log);
        assert_eq!(heard(&mut lines).await.as_deref(), Some("last words"));
        assert_eq!(heard(&mut lines).await, None, "its readers have ended");
    }
}
