//! Keeps one part running: starts it, sees its end, starts it again, a little later each time. The part has a process group
//! of its own, so that the terminal's Ctrl-C reaches `up` and not it. The trap avoided: a signal to a pid that was reaped;
//! it is sent only while the child was not awaited.

use super::{plan::Part, report::Reporting};
use crate::{processes, shutdown::told};
use anyhow::{Context as _, Result};
use rustix::process::Signal;
use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    process::{ExitStatus, Stdio},
    time::Duration,
};
use tokio::{
    process::{Child, Command},
    sync::watch,
    time::{Instant, sleep, timeout},
};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Whoever ran for so long is not failing to start.
const SETTLED: Duration = Duration::from_secs(10);

/// A log that is larger when the part is first started is turned over; one older part is kept.
const LARGE_LOG: u64 = 16 << 20;

/// Starts the part now; afterwards it is kept until told to stop.
pub(super) fn start(part: Part, report: Reporting, stop: watch::Receiver<bool>) -> Result<impl Future<Output = ()>> {
    if fs::metadata(&part.log).is_ok_and(|log| log.len() > LARGE_LOG) {
        let turned = fs::rename(&part.log, part.log.with_extension("log.1"));
        turned.with_context(|| format!("turning over {}", part.log.display()))?;
    }
    let child = spawn(&part).with_context(|| format!("starting {}", part.name))?;
    report.runs(&part.name, child.id().unwrap_or_default(), 0);
    Ok(keep(part, child, report, stop))
}

async fn keep(part: Part, first: Child, report: Reporting, mut stop: watch::Receiver<bool>) {
    let (mut child, mut restarts, mut pause) = (Some(first), 0_u64, FIRST_PAUSE);
    loop {
        let begun = Instant::now();
        if let Some(mut running) = child.take() {
            tokio::select! {
                ended = running.wait() => mourn(&part.name, ended),
                () = told(&mut stop) => {
                    end(&part, running).await;
                    return report.ended(&part.name);
                }
            }
        }
        if begun.elapsed() >= SETTLED {
            pause = FIRST_PAUSE;
        }
        tokio::select! {
            () = sleep(pause) => {}
            () = told(&mut stop) => return report.ended(&part.name),
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
        match spawn(&part) {
            Ok(again) => {
                restarts += 1;
                report.runs(&part.name, again.id().unwrap_or_default(), restarts);
                child = Some(again);
            }
            Err(error) => tracing::error!(part = part.name, %error, "could not be started again"),
        }
    }
}

fn spawn(part: &Part) -> io::Result<Child> {
    let log = OpenOptions::new().create(true).append(true).mode(0o600).open(&part.log)?;
    let errors = log.try_clone()?;
    Command::new(&part.program)
        .args(&part.arguments)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .process_group(0)
        .spawn()
}

fn mourn(name: &str, ended: io::Result<ExitStatus>) {
    match ended {
        Ok(status) => tracing::warn!(part = name, %status, "ended by itself and is started again"),
        Err(error) => tracing::error!(part = name, %error, "cannot be watched and is started again"),
    }
}

/// Asks, waits, insists.
async fn end(part: &Part, mut child: Child) {
    if let Some(pid) = child.id() {
        processes::signal(pid, Signal::TERM);
    }
    if timeout(part.grace, child.wait()).await.is_err() {
        tracing::warn!(part = part.name, "did not end in time and is killed");
        if let Err(error) = child.kill().await {
            tracing::error!(part = part.name, %error, "could not be killed");
        }
    }
}
