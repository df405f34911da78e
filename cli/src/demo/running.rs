//! The `rhone up` below the story: the one that runs already, or one of our own, which is stopped at the end. The trap
//! avoided: stopping somebody else's; only what was started here is.

use crate::{Process, Report, Stage, data::Data, output::line, private_file, processes::signal};
use anyhow::{Context as _, Result, bail};
use rustix::process::Signal;
use std::{env, fs::File, process::Stdio, time::Duration};
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

const PATIENCE: Duration = Duration::from_secs(90);

/// What runs below.
pub(super) struct Running {
    data: Data,
    ours: Option<Child>,
}

impl Running {
    /// The `rhone up` of this folder, ready.
    pub(super) async fn found_or_started(data: &Data) -> Result<Self> {
        let mut found = Self { data: data.clone(), ours: None };
        if found.running().is_some() {
            line("using the `rhone up` that runs here already");
            found.wait_for(None).await?;
            return Ok(found);
        }
        let begun = Instant::now();
        let log = File::create(data.log("up")?).context("writing the log of `rhone up`")?;
        let child = Command::new(env::current_exe().context("finding this program")?)
            .args([std::ffi::OsStr::new("up"), "--data".as_ref(), data.path().as_os_str()])
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("writing the log of `rhone up`")?)
            .stderr(log)
            // Ctrl-C at the terminal reaches us; it is we who stop it.
            .process_group(0)
            .spawn()
            .context("starting `rhone up`")?;
        found.ours = Some(child);
        let pid = found.ours.as_ref().and_then(Child::id);
        if let Err(error) = found.wait_for(pid).await {
            found.leave().await;
            return Err(error);
        }
        line(format_args!("started `rhone up` in {} ms; it is stopped at the end", begun.elapsed().as_millis()));
        Ok(found)
    }

    async fn wait_for(&mut self, pid: Option<u32>) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            let report = self.running().filter(|report| pid.is_none_or(|pid| report.up.pid == pid));
            if report.is_some_and(|report| report.stage == Stage::Ready) {
                return Ok(());
            }
            if let Some(child) = &mut self.ours
                && let Some(status) = child.try_wait().context("looking after `rhone up`")?
            {
                bail!("`rhone up` ended with {status}; its log is {}", self.data.log("up")?.display());
            }
            if Instant::now() >= until {
                bail!(
                    "`rhone up` is not ready after {} s; its log is {}",
                    PATIENCE.as_secs(),
                    self.data.log("up")?.display()
                );
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    fn running(&self) -> Option<Report> {
        private_file::read::<Report>(&self.data.report()).ok().flatten().filter(|report| is_alive(report.up))
    }

    /// Who runs, as of now.
    pub(super) fn report(&self) -> Result<Report> {
        self.running().context("`rhone up` runs no longer")
    }

    /// Stops it, if it is ours.
    pub(super) async fn leave(mut self) {
        let Some(child) = &mut self.ours else { return };
        if let Some(pid) = child.id() {
            signal(pid, Signal::TERM);
        }
        if timeout(Duration::from_secs(40), child.wait()).await.is_err() {
            line("`rhone up` did not stop in 40 s and is killed");
            let _ = child.kill().await;
        }
    }
}

/// Whether this very process lives.
pub(super) fn is_alive(process: Process) -> bool {
    Process::now_at(process.pid) == Some(process)
}
