//! Runs a program and everything it starts, as one group, or behind one guard, that ends with whoever waits for it. The traps
//! avoided: a child that goes on when the future that waits for it is dropped, one that left the group and holds the output open,
//! one that prints before it listens, and the last line of one that was killed.

use crate::{
    guard::Order,
    log::{Log, Stream},
};
use rustix::process::{Pid, Signal, kill_process_group};
use std::{
    io,
    process::{ExitStatus, Stdio},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, ChildStdin, Command},
    sync::watch,
    time::sleep,
};

/// How long the output of a program that ended, or that nobody waits for any more, is still read.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// How long a guard may take to end what it guards.
const GUARD: Duration = Duration::from_secs(30);

/// By what a program ends with all that it started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    /// It leads a group, which is killed.
    Group,
    /// It is a guard, which ends all the rest itself when nobody holds its input any more; it is told this by it.
    Guard(Order),
}

/// How it went.
#[derive(Debug)]
pub(crate) enum Outcome<W> {
    /// It ended by itself.
    Ended(ExitStatus),
    /// The watch stopped it, and says why.
    Stopped(W),
}

/// What holds a child; dropping it ends the child and everything that it started.
enum Held {
    /// The group that it leads.
    Group(Option<Pid>),
    /// The input of a guard, which is written to once.
    Guard(Option<ChildStdin>),
}

impl Held {
    fn of(child: &mut Child, ends: &Ends) -> Self {
        match ends {
            Ends::Group => Self::Group(child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw)),
            Ends::Guard(_) => Self::Guard(child.stdin.take()),
        }
    }

    /// Gives a guard its order. One that is gone has not read it, and its end says so.
    async fn tell(&mut self, ends: &Ends) -> io::Result<()> {
        let (Self::Guard(Some(input)), Ends::Guard(order)) = (self, ends) else { return Ok(()) };
        match input.write_all(&order.line()).await {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Self::Group(Some(group)) = self {
            // An empty group is what we want.
            let _ = kill_process_group(*group, Signal::KILL);
        }
    }
}

fn start(command: &mut Command, ends: &Ends) -> io::Result<(Child, Held)> {
    // A guard that is killed guards nobody.
    command.process_group(0).kill_on_drop(*ends == Ends::Group);
    command.stdin(if *ends == Ends::Group { Stdio::null() } else { Stdio::piped() });
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let held = Held::of(&mut child, ends);
    Ok((child, held))
}

/// Waits for what was told to end; a guard that cannot is left, for what it guards will not end for anybody else.
async fn ended(child: &mut Child, within: Duration) -> io::Result<()> {
    match tokio::time::timeout(within, child.wait()).await {
        Ok(status) => status.map(drop),
        Err(_) => {
            tracing::warn!(pid = child.id(), "what a build started has not ended yet; its guard is left to it");
            Ok(())
        }
    }
}

/// Runs the program until it ends or `watch`, which is given its id, does; what it prints goes into the log.
pub(crate) async fn run<W>(
    mut command: Command,
    ends: Ends,
    log: &Log,
    watch: impl AsyncFnOnce(u32) -> W,
) -> io::Result<Outcome<W>> {
    let (mut child, mut held) = start(&mut command, &ends)?;
    // The readers have a life of their own: whoever drops this future lets go of `running`, and they come to their end.
    let (running, over) = watch::channel(());
    let mut readers = Vec::new();
    if let Some(output) = child.stdout.take() {
        readers.push(tokio::spawn(read(log.clone(), Stream::Out, output, over.clone())));
    }
    if let Some(output) = child.stderr.take() {
        readers.push(tokio::spawn(read(log.clone(), Stream::Err, output, over)));
    }
    let outcome = watched(&mut child, held.tell(&ends), watch).await?;
    drop(held);
    ended(&mut child, GUARD).await?;
    drop(running);
    for reader in readers {
        // One that panicked has said so.
        let _ = reader.await;
    }
    Ok(outcome)
}

async fn read(log: Log, stream: Stream, output: impl AsyncRead + Unpin + Send, mut over: watch::Receiver<()>) {
    let given_up = async {
        while over.changed().await.is_ok() {}
        sleep(LAST_WORDS).await;
    };
    log.keep(stream, BufReader::new(output), given_up).await;
}

/// Tells it what it shall do, and waits; also one that does not listen is watched.
async fn watched<W>(
    child: &mut Child,
    tell: impl Future<Output = io::Result<()>>,
    watch: impl AsyncFnOnce(u32) -> W,
) -> io::Result<Outcome<W>> {
    let Some(pid) = child.id() else { return Ok(Outcome::Ended(child.wait().await?)) };
    let working = async {
        tell.await?;
        child.wait().await
    };
    tokio::select! {
        biased;
        status = working => Ok(Outcome::Ended(status?)),
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
    ends: Ends,
    most: u64,
    watch: impl AsyncFnOnce(u32) -> W,
) -> io::Result<Result<Printed, W>> {
    let (mut child, mut held) = start(&mut command, &ends)?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let reading = async {
        // One that prints before it listens would otherwise wait for its reader, and its reader for it.
        let (told, out, err) = tokio::join!(held.tell(&ends), all(out, most), all(err, most));
        told?;
        let status = child.wait().await?;
        Ok::<_, io::Error>(Printed { status, out: out?, err: String::from_utf8_lossy(&err?).into_owned() })
    };
    let stopped = tokio::select! {
        biased;
        printed = reading => { drop(held); return Ok(Ok(printed?)) }
        why = watch(0) => why,
    };
    drop(held);
    ended(&mut child, GUARD).await?;
    Ok(Err(stopped))
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
        run(talking("exit 0"), Ends::Group, &log, async |_| std::future::pending::<()>().await).await.expect("run");
        assert_eq!(heard(&mut lines).await.as_deref(), Some("first"));
        assert_eq!(heard(&mut lines).await.as_deref(), Some("last words"));
        let (told, hears) = oneshot::channel();
        let stopped = async move |_| hears.await.expect("told");
        let command = talking("sleep 1000");
        let running = tokio::spawn({
            let log = log.clone();
            async move { run(command, Ends::Group, &log, stopped).await }
        });
        assert_eq!(heard(&mut lines).await.as_deref(), Some("first"));
        told.send(()).expect("it runs");
        assert!(matches!(running.await.expect("ended"), Ok(Outcome::Stopped(()))));
        assert_eq!(heard(&mut lines).await.as_deref(), Some("last words"));
    }

    #[tokio::test]
    async fn a_guard_that_takes_long_is_left_to_what_it_guards() {
        let order = Ends::Guard(Order { within: None, words: Vec::new() });
        let (mut guard, held) = start(Command::new("sh").args(["-c", "read -r _; exec sleep 1000"]), &order).unwrap();
        drop(held);
        ended(&mut guard, Duration::from_millis(50)).await.expect("it is left");
        assert_eq!(guard.try_wait().expect("a child"), None, "it was killed");
        guard.kill().await.expect("ended");
    }

    /// An order that no pipe holds, and a program that listens, or does not, when it has printed more than a pipe holds.
    fn loud(then: &str) -> (Command, Ends) {
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("head -c 300000 /dev/zero | tr '\\0' x; {then}"));
        (command, Ends::Guard(Order { within: None, words: vec!["y".repeat(300_000)] }))
    }

    #[tokio::test]
    async fn one_that_prints_before_it_listens_is_heard_and_one_that_never_listens_is_watched() {
        let (command, order) = loud("read -r _");
        let heard = capture(command, order, 1 << 20, async |_| std::future::pending::<()>().await);
        let heard = tokio::time::timeout(Duration::from_mins(1), heard).await.expect("each waits for the other");
        let printed = heard.expect("it runs").expect("it ended");
        assert!(printed.status.success());
        assert_eq!(printed.out, vec![b'x'; 300_000]);
        let at_once = async |_| sleep(Duration::from_millis(50)).await;
        let (command, order) = loud("exec sleep 1");
        assert!(capture(command, order, 1 << 20, at_once).await.expect("it runs").is_err());
        let (log, _lines) = Log::channel(100, Mask::default());
        let (command, order) = loud("exec sleep 1");
        assert!(matches!(run(command, order, &log, at_once).await, Ok(Outcome::Stopped(()))));
    }

    #[tokio::test]
    async fn whoever_no_longer_waits_for_a_program_still_keeps_its_last_line() {
        let (log, mut lines) = Log::channel(10, Mask::default());
        {
            let mut running =
                std::pin::pin!(
                    run(talking("sleep 1000"), Ends::Group, &log, async |_| std::future::pending::<()>().await)
                );
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
