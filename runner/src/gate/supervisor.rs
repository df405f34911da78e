//! Keeps the app running: verify, start, wait for its end, wait a little, again. Before every start the artifact on disk is
//! compared with its digest; a gate that finds it changed ends and leaves the repair to the agent.

use super::{
    GateSpec,
    app::Running,
    front::Front,
    log::Log,
    runtime::{self, App, Begun, Starting},
    status::StatusFile,
};
use crate::{artifact, durable, error::Error, variables::Opened};
use rustix::process::Signal;
use std::{path::Path, time::Duration};
use tokio::{
    signal::unix::{self, SignalKind, signal},
    sync::watch,
    time::{Instant, sleep_until, timeout},
};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// After so long a life the next crash counts as the first.
const GOOD_LIFE: Duration = Duration::from_mins(1);
/// What the app gets between SIGTERM and SIGKILL, to put away what its sessions keep.
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(5);

/// What the gate was told.
enum Told {
    Drain,
    End,
}

struct Signals {
    drain: unix::Signal,
    end: unix::Signal,
    reload: unix::Signal,
}

pub(super) async fn supervise(
    spec_path: &Path,
    specs: &watch::Sender<GateSpec>,
    apps: &watch::Sender<Option<Running>>,
    status: &mut StatusFile,
    front: &Front,
) -> Result<(), Error> {
    let mut signals = Signals::take()?;
    let folder = spec_path.parent().ok_or(Error::Config("the spec's path has no folder"))?;
    let variables = variables(&specs.borrow().clone(), status)?;
    let log = Log::open(folder, &specs.borrow(), variables.mask()).map_err(Error::file(folder))?;
    let handing_over = tokio::spawn(log.clone().hand_over());
    let ended = keep_running(&mut signals, spec_path, specs, apps, (status, front), (&variables, &log)).await;
    handing_over.abort();
    log.close();
    ended
}

async fn keep_running(
    signals: &mut Signals,
    spec_path: &Path,
    specs: &watch::Sender<GateSpec>,
    apps: &watch::Sender<Option<Running>>,
    (status, front): (&mut StatusFile, &Front),
    (variables, log): (&Opened, &Log),
) -> Result<(), Error> {
    let mut pause = FIRST_PAUSE;
    loop {
        verify(specs.borrow().clone(), status).await?;
        let started = Instant::now();
        let spec = specs.borrow().clone();
        let folder = spec_path.parent().unwrap_or(Path::new("."));
        let starting = Starting { spec: &spec, folder, variables, log, incarnation: status.next_start() };
        let exit = match runtime::of(&spec).start(starting).await {
            Err(exit) => exit,
            Ok(begun) => {
                let mut app = taken(begun, status)?;
                apps.send_replace(app.running());
                let ended = tokio::select! {
                    exit = app.ended() => Ok(exit),
                    told = signals.told(spec_path, specs) => Err(told),
                };
                match ended {
                    Ok(exit) => exit,
                    Err(told) => {
                        // A draining app gives its port back, and the next to get it may be anyone.
                        apps.send_replace(None);
                        return stop(app, told, (signals, spec_path, specs), status, front).await;
                    }
                }
            }
        };
        apps.send_replace(None);
        tracing::warn!(exit, "the app ended");
        status.ended(exit)?;
        if started.elapsed() >= GOOD_LIFE {
            pause = FIRST_PAUSE;
        }
        tokio::select! {
            () = sleep_until(Instant::now() + pause) => pause = (pause * 2).min(LONGEST_PAUSE),
            _ = signals.told(spec_path, specs) => return status.draining(),
        }
    }
}

/// Puts on record which process is the app's, and counts a start that is one.
fn taken(begun: Begun, status: &mut StatusFile) -> Result<Box<dyn App>, Error> {
    let (app, starts) = match begun {
        Begun::New(app) => (app, 1),
        Begun::Adopted(app) => (app, 0),
    };
    status.runs(app.running().map(|running| running.process), starts)?;
    Ok(app)
}

/// Open connections may finish until the deadline; then SIGTERM to the app's group, a moment for its last words, SIGKILL. Told
/// to end, it is SIGKILL at once.
async fn stop(
    mut app: Box<dyn App>,
    told: Told,
    (signals, spec_path, specs): (&mut Signals, &Path, &watch::Sender<GateSpec>),
    status: &mut StatusFile,
    front: &Front,
) -> Result<(), Error> {
    status.draining()?;
    if matches!(told, Told::Drain) {
        // The order to stop may have brought a deadline of its own.
        reload(spec_path, specs);
        let deadline = Instant::now() + Duration::from_millis(specs.borrow().drain_timeout_ms);
        let end = async {
            tokio::select! {
                exit = app.ended() => return Ok(Some(exit)),
                () = front.closed() => {}
                () = sleep_until(deadline) => status.ends(front.open())?,
            }
            app.signal(Signal::TERM).await;
            Ok::<_, Error>(timeout(LAST_WORDS, app.ended()).await.ok())
        };
        let exit = tokio::select! {
            exit = end => exit?,
            () = signals.told_to_end(spec_path, specs) => None,
        };
        if let Some(exit) = exit {
            return status.ended(exit);
        }
    }
    app.signal(Signal::KILL).await;
    let exit = app.ended().await;
    status.ended(exit)
}

/// The app's variables, kept in memory from now on: it is started again while everything else is dead.
fn variables(spec: &GateSpec, status: &mut StatusFile) -> Result<Opened, Error> {
    let opened = spec.variables.as_ref().map_or_else(|| Ok(Opened::default()), |sealed| sealed.open(spec.allocation));
    if let Err(error) = &opened {
        status.fault(format!("its variables cannot be opened: {error}"))?;
    }
    opened
}

async fn verify(spec: GateSpec, status: &mut StatusFile) -> Result<(), Error> {
    let work = move || artifact::verify(&spec.tar, &spec.folder, spec.digest);
    let verified = tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(error.to_string()));
    match verified {
        Ok(_) => Ok(()),
        Err(flaw) => {
            tracing::error!(flaw, "the artifact is not what was ordered; it is not started");
            status.fault(flaw)?;
            Err(Error::Config("the artifact on disk is not what was ordered"))
        }
    }
}

impl Signals {
    fn take() -> Result<Self, Error> {
        let take = |kind| signal(kind).map_err(Error::system("taking a signal"));
        Ok(Self {
            drain: take(SignalKind::terminate())?,
            end: take(SignalKind::quit())?,
            reload: take(SignalKind::hangup())?,
        })
    }

    async fn told(&mut self, spec_path: &Path, specs: &watch::Sender<GateSpec>) -> Told {
        loop {
            tokio::select! {
                _ = self.drain.recv() => return Told::Drain,
                _ = self.end.recv() => return Told::End,
                _ = self.reload.recv() => reload(spec_path, specs),
            }
        }
    }

    async fn told_to_end(&mut self, spec_path: &Path, specs: &watch::Sender<GateSpec>) {
        while !matches!(self.told(spec_path, specs).await, Told::End) {}
    }
}

/// Takes what may change while the app runs.
fn reload(spec_path: &Path, specs: &watch::Sender<GateSpec>) {
    match durable::read::<GateSpec>(spec_path) {
        Ok(Some(new)) if specs.borrow().same_process(&new) => {
            tracing::info!(min_epoch = %new.min_epoch, "the spec was read again");
            specs.send_replace(new);
        }
        Ok(_) => tracing::warn!("the new spec is for another process and is not taken"),
        Err(error) => tracing::error!(%error, "the spec cannot be read again"),
    }
}
