//! Keeps one allocation as it is ordered: fetches, starts or adopts, watches, reports, stops. Every step is written down
//! before the next, so that being interrupted (by a newer order, by SIGKILL) and beginning again comes to the same end.

use crate::{
    agent::Host,
    allocation_folder::{AllocationFolder, Phase, Record},
    error::Error,
    gate::GateStatus,
    gate_client,
    host_process::HostProcess,
    tally::count,
};
use rhone_domain::{
    allocation::{Cause, impatience},
    host_protocol::{Desired, Goal, Seen},
    ids::AllocationId,
};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

mod order;
mod start;
mod stop;
mod variables;

use stop::Ending;

/// How often a running allocation is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// Between the loss of a gate and the next one, when it was lost soon after its start.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const GOOD_LIFE: Duration = Duration::from_secs(10);
/// How long to wait after a fault of this host.
const FAULT_PAUSE: Duration = Duration::from_secs(1);

/// One allocation's keeper.
pub(crate) struct Keeper {
    host: Arc<Host>,
    folder: AllocationFolder,
    record: Record,
}

/// Why watching ended.
enum Lost {
    Gate,
    Patience(String, Cause),
}

impl Keeper {
    pub(crate) fn new(host: Arc<Host>, folder: AllocationFolder, record: Record) -> Self {
        Self { host, folder, record }
    }

    /// Follows every order, for ever.
    pub(crate) async fn keep(mut self, mut orders: watch::Receiver<Desired>) {
        loop {
            let order = orders.borrow_and_update().clone();
            let followed = match order.goal {
                Goal::Stop => self.stop(&order).await,
                Goal::Run => tokio::select! {
                    followed = self.run(&order) => followed,
                    changed = orders.changed() => match changed {
                        Ok(()) => continue,
                        Err(_) => return,
                    },
                },
            };
            if let Err(error) = followed {
                tracing::error!(allocation.id = %order.allocation, error = %crate::control_plane::chain(&error), "keeping an allocation");
                sleep(FAULT_PAUSE).await;
            } else if orders.changed().await.is_err() {
                return;
            }
        }
    }

    /// Returns only when the allocation will not run under this order.
    async fn run(&mut self, order: &Desired) -> Result<(), Error> {
        self.take(order)?;
        if matches!(self.record.phase, Phase::Failed { .. }) {
            return Ok(());
        }
        if let Err(flaw) = order::check(order) {
            return self.fail(order, flaw, Cause::OrderRefused);
        }
        let (mut patience, mut pause) = (None, FIRST_PAUSE);
        loop {
            let gate = match self.adopt(order).await? {
                Some(gate) => gate,
                None => match self.have_artifact(order).await? {
                    Err(refusal) => return self.fail(order, refusal, Cause::ArtifactRefused),
                    Ok(digest) => {
                        if let Err(missing) = self.have_variables(order).await? {
                            return self.fail(order, missing, Cause::SecretMissing);
                        }
                        let until = *patience.get_or_insert_with(|| Instant::now() + order::patience(order));
                        match self.start(order, digest, until).await? {
                            Ok(gate) => gate,
                            Err((reason, cause)) => return self.fail(order, reason, cause),
                        }
                    }
                },
            };
            let until = *patience.get_or_insert_with(|| Instant::now() + order::patience(order));
            let begun = Instant::now();
            match self.watch(order, gate, until).await? {
                Lost::Gate if begun.elapsed() >= GOOD_LIFE => pause = FIRST_PAUSE,
                Lost::Gate => {
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Lost::Patience(reason, cause) => {
                    self.end_gate(order, Ending::AtOnce).await?;
                    return self.fail(order, reason, cause);
                }
            }
        }
    }

    /// A new order begins a new record; what belongs to the allocation stays.
    fn take(&mut self, order: &Desired) -> Result<(), Error> {
        self.tell_untold(order.allocation)?;
        if self.record.generation == order.generation {
            return Ok(());
        }
        self.record.generation = order.generation;
        self.record.phase = Phase::Planned;
        self.folder.set_record(&self.record)
    }

    /// Looks at a running gate until it is lost, or was never ready in time.
    async fn watch(&mut self, order: &Desired, gate: HostProcess, until: Instant) -> Result<Lost, Error> {
        let mut answered = false;
        loop {
            if !gate.is_alive() {
                return Ok(Lost::Gate);
            }
            let status = self.folder.gate()?;
            let restarts = status.as_ref().map_or(0, GateStatus::restarts);
            let last_exit = status.and_then(|status| status.last_exit);
            let exit = last_exit.clone().unwrap_or_else(|| "unknown".to_owned());
            if self.record.phase == Phase::Ready && restarts > self.record.restarts {
                count(&self.host.tally.restarts);
                self.record.restarts = restarts;
                self.enter(order, Phase::Ready, Seen::Restarted { restarts, exit: exit.clone() })?;
                answered = false;
            }
            if !answered && self.is_well(order).await {
                answered = true;
                self.ready(order, restarts)?;
            }
            if self.record.phase != Phase::Ready && Instant::now() >= until {
                let last = last_exit.as_deref();
                let reason = impatience(order.ready_timeout_ms, &order.health_path, restarts, last);
                self.restarted_in_vain(order, restarts, exit)?;
                return Ok(Lost::Patience(reason, Cause::of_impatience(last)));
            }
            sleep(LOOK).await;
        }
    }

    /// Restarts of what was never ready are told once, at its end: each one by itself would be news of nothing.
    fn restarted_in_vain(&mut self, order: &Desired, restarts: u64, exit: String) -> Result<(), Error> {
        if restarts <= self.record.restarts {
            return Ok(());
        }
        self.record.restarts = restarts;
        self.enter(order, self.record.phase.clone(), Seen::Restarted { restarts, exit })
    }

    async fn is_well(&self, order: &Desired) -> bool {
        match self.record.address {
            Some(at) => gate_client::is_well(at, order.allocation, order.min_epoch, &order.health_path).await,
            None => false,
        }
    }

    /// Also after every take-over: the other side may have forgotten.
    fn ready(&mut self, order: &Desired, restarts: u64) -> Result<(), Error> {
        let (Some(digest), Some(address)) = (self.record.digest, self.record.address) else { return Ok(()) };
        self.record.restarts = restarts;
        self.enter(order, Phase::Ready, Seen::Ready { digest, address: address.to_string() })
    }

    fn fail(&mut self, order: &Desired, reason: String, cause: Cause) -> Result<(), Error> {
        self.forget_variables()?;
        self.enter(order, Phase::Failed { reason: reason.clone() }, Seen::Failed { reason, cause: Some(cause) })
    }

    /// Enters a phase and reports it. The record says first what shall be reported: were it the other way round, a report
    /// could be out in the world of something that our successor knows nothing of.
    fn enter(&mut self, order: &Desired, phase: Phase, seen: Seen) -> Result<(), Error> {
        self.record.phase = phase;
        self.record.untold = Some(seen);
        self.folder.set_record(&self.record)?;
        self.tell_untold(order.allocation)
    }

    /// Reports what the record still owes.
    fn tell_untold(&mut self, allocation: AllocationId) -> Result<(), Error> {
        if let Some(seen) = self.record.untold.clone() {
            self.host.outbox.put(allocation, self.record.generation, seen)?;
            self.record.untold = None;
            self.folder.set_record(&self.record)?;
        }
        Ok(())
    }
}
