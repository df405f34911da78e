//! Stopping a gate for good. The trap: a gate that was spawned but has not yet written its status would be overlooked, and
//! would start the app after we reported it stopped. So its spec goes first, and its lock is taken before it is believed gone.

use super::Keeper;
use crate::{
    allocation_folder::Phase,
    clock,
    engine::Engine,
    error::Error,
    gate::{GateSpec, clear_orphans, lock},
    host_process::HostProcess,
    log_folder,
};
use rhone_domain::host_protocol::{Desired, Seen};
use rhone_image::layout::is_layout;
use rustix::process::Signal;
use std::{fs, io, time::Duration};
use tokio::time::{Instant, sleep};

/// What a gate is given beyond its own deadline before it is killed; its app has five seconds of it.
const GRACE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(20);

/// How a gate ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Open work may finish until the drain deadline.
    Drained,
    /// Nothing may.
    AtOnce,
}

impl Keeper {
    /// Follows an order to stop.
    pub(super) async fn stop(&mut self, order: &Desired) -> Result<(), Error> {
        self.take(order)?;
        if self.record.phase == Phase::Stopped {
            return Ok(());
        }
        if self.record.phase != Phase::Draining && self.live_gate()?.is_some() {
            self.enter(order, Phase::Draining, Seen::Draining)?;
        }
        if let Some(spec) = self.folder.spec()? {
            self.folder.set_spec(&GateSpec { drain_timeout_ms: millis_left(order), ..spec })?;
        }
        self.end_gate(order, Ending::Drained).await?;
        self.forget_variables()?;
        let sessions_ended = self.folder.gate()?.map_or(0, |status| status.sessions_ended);
        self.enter(order, Phase::Stopped, Seen::Stopped { sessions_ended })
    }

    /// Returns when neither a gate nor an app of this allocation runs, nor will.
    pub(super) async fn end_gate(&mut self, order: &Desired, ending: Ending) -> Result<(), Error> {
        loop {
            if let Some(gate) = self.live_gate()? {
                end(gate, ending, Duration::from_millis(millis_left(order))).await;
            }
            remove_if_there(&self.folder.spec_path())?;
            let lock_path = self.folder.path().join("gate.lock");
            if let Some(_nobody_else) = lock(&lock_path, Duration::from_secs(1)).await? {
                clear_orphans(self.folder.gate()?.as_ref(), order.allocation);
                self.clear_containers(order).await?;
                // Nobody else writes there any more, and what the app said last is to be read.
                let logs = self.folder.logs_path();
                log_folder::close_left(&logs).map_err(Error::file(&logs))?;
                return Ok(());
            }
        }
    }

    /// Removes what a lost gate left in the engine. While that cannot be asked, nobody can say that nothing runs.
    async fn clear_containers(&self, order: &Desired) -> Result<(), Error> {
        let Some(docker) = &self.host.config.docker else { return Ok(()) };
        if !is_layout(&self.host.artifacts.places(order.artifact).folder) {
            return Ok(());
        }
        Ok(Engine::connect(docker).await?.remove_all(order.allocation).await?)
    }

    /// The gate that runs for this allocation, as far as its status says.
    pub(super) fn live_gate(&self) -> Result<Option<HostProcess>, Error> {
        Ok(self.folder.gate()?.map(|status| status.gate).filter(|gate| gate.is_alive()))
    }
}

/// How long open work may go on: until the order's own deadline, or for as long as the order allows without one. The wall clock
/// is read for it once; from then on the gate counts by itself.
fn millis_left(order: &Desired) -> u64 {
    order.drain_deadline.map_or(order.drain_timeout_ms, |deadline| {
        u64::try_from((deadline - clock::now()).num_milliseconds()).unwrap_or(0)
    })
}

/// Signals, waits, kills.
async fn end(gate: HostProcess, ending: Ending, drain: Duration) {
    let (signal, patience) = match ending {
        Ending::Drained => (Signal::TERM, drain + GRACE),
        Ending::AtOnce => (Signal::QUIT, GRACE),
    };
    gate.signal(signal);
    if !ended(gate, patience).await {
        gate.signal(Signal::KILL);
        ended(gate, GRACE).await;
    }
}

/// Whether a process was gone in time.
pub(super) async fn ended(process: HostProcess, patience: Duration) -> bool {
    let until = Instant::now() + patience;
    while process.is_alive() {
        if Instant::now() >= until {
            return false;
        }
        sleep(LOOK).await;
    }
    true
}

pub(super) fn remove_if_there(path: &std::path::Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::file(path)(error)),
        _ => Ok(()),
    }
}
