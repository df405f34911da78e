//! How an allocation comes to run: a gate found running is adopted, and its app never notices; otherwise the artifact is
//! fetched and verified, an address chosen once, and a gate started. The trap: taking a stranger on an old address for our
//! gate; it is asked who it is.

use super::{
    Keeper,
    stop::{Ending, ended},
};
use crate::{
    allocation_folder::Phase,
    artifact::ArtifactError,
    control_plane::chain,
    error::Error,
    gate::{GateSpec, Stage},
    gate_client,
    host_process::HostProcess,
    tally::count,
};
use rhone_domain::{
    allocation::Cause,
    digest::Digest,
    host_protocol::{Desired, Seen},
};
use rustix::process::Signal;
use std::{
    fs::{self, OpenOptions},
    net::SocketAddr,
    process::Stdio,
    time::Duration,
};
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long a gate may take to say who it is.
const WHO_PATIENCE: Duration = Duration::from_secs(15);
/// How long a gate may take to listen.
const OPEN_PATIENCE: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(20);
/// After so many vain attempts at one address another is chosen.
const ATTEMPTS_PER_ADDRESS: u32 = 5;
/// What a gate gets of the agent's environment.
const GATE_VARIABLES: [&str; 3] = ["PATH", "RUST_LOG", "RUST_BACKTRACE"];
/// A gate's own log begins anew when it is larger.
const GATE_LOG_BYTES: u64 = 1 << 20;

impl Keeper {
    /// A running gate that does what is ordered; one that does something else is ended.
    pub(super) async fn adopt(&mut self, order: &Desired) -> Result<Option<HostProcess>, Error> {
        let Some(status) = self.folder.gate()?.filter(|status| status.gate.is_alive()) else { return Ok(None) };
        if status.stage == Stage::Draining {
            ended(status.gate, Duration::from_millis(order.drain_timeout_ms)).await;
            self.end_gate(order, Ending::AtOnce).await?;
            return Ok(None);
        }
        let (Some(address), Some(spec)) = (self.record.address, self.folder.spec()?) else {
            self.end_gate(order, Ending::Drained).await?;
            return Ok(None);
        };
        let wanted = self.spec(order, address);
        if !spec.same_process(&wanted) {
            tracing::info!(allocation.id = %order.allocation, "the order is for another process; ending this one");
            self.end_gate(order, Ending::Drained).await?;
            return Ok(None);
        }
        if spec != wanted {
            self.folder.set_spec(&wanted)?;
            status.gate.signal(Signal::HUP);
        }
        if !self.says_who(order, address, status.gate).await {
            if !status.gate.is_alive() {
                // Lost while it was asked; what it left may be what the next one takes over.
                return Ok(None);
            }
            tracing::error!(allocation.id = %order.allocation, "the gate does not say who it is; ending it");
            self.end_gate(order, Ending::AtOnce).await?;
            return Ok(None);
        }
        count(&self.host.tally.gates_adopted);
        self.record.digest = Some(spec.digest);
        Ok(Some(status.gate))
    }

    async fn says_who(&self, order: &Desired, address: SocketAddr, gate: HostProcess) -> bool {
        let until = Instant::now() + WHO_PATIENCE;
        while gate.is_alive() && Instant::now() < until {
            let identity = gate_client::who(address, order.allocation).await;
            if identity.is_some_and(|gate| gate.digest == order.artifact && gate.deployment == order.deployment) {
                return true;
            }
            sleep(LOOK).await;
        }
        false
    }

    /// Has the verified artifact on disk, however long the control plane is away; a refusal is final.
    pub(super) async fn have_artifact(&mut self, order: &Desired) -> Result<Result<Digest, String>, Error> {
        let host = std::sync::Arc::clone(&self.host);
        // Said even of bytes that are here already: an allocation goes through every state of its life.
        if self.record.phase == Phase::Planned {
            self.enter(order, Phase::Pulling, Seen::Pulling)?;
        }
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match host.artifacts.ensure(&host.control, order.artifact, &host.tally).await {
                Ok((_, digest)) => return Ok(Ok(digest)),
                Err(ArtifactError::Refused(reason)) => return Ok(Err(reason)),
                Err(error @ (ArtifactError::Unreachable(_) | ArtifactError::Disk(_))) => error,
            };
            tracing::warn!(allocation.id = %order.allocation, error = chain(&error), "the artifact is not here yet");
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Starts a gate; until its app was ready once, only until the deadline.
    pub(super) async fn start(
        &mut self,
        order: &Desired,
        digest: Digest,
        until: Instant,
    ) -> Result<Result<HostProcess, (String, Cause)>, Error> {
        self.record.digest = Some(digest);
        if self.record.phase != Phase::Ready {
            self.enter(order, Phase::Starting, Seen::Starting { digest })?;
        }
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            let address = self.address(order)?;
            let fault = match self.spawn(order, address).await? {
                Ok(gate) => return Ok(Ok(gate)),
                Err(fault) => fault,
            };
            tracing::error!(allocation.id = %order.allocation, attempt, fault, "the gate did not open");
            if self.record.phase != Phase::Ready && Instant::now() >= until {
                return Ok(Err((format!("its gate did not open: {fault}"), Cause::RunnerCrash)));
            }
            if attempt % ATTEMPTS_PER_ADDRESS == 0 {
                self.host.ports.release(address);
                self.record.address = None;
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            // What the gate found wrong may be the artifact.
            match self.have_artifact(order).await? {
                Ok(_) => {}
                Err(refusal) => return Ok(Err((refusal, Cause::ArtifactRefused))),
            }
            // Or its variables.
            if let Err(missing) = self.have_variables(order).await? {
                return Ok(Err((missing, Cause::SecretMissing)));
            }
        }
        Ok(Err(("its gate never opened".to_owned(), Cause::RunnerCrash)))
    }

    /// The address chosen for this allocation, once and for all.
    fn address(&mut self, order: &Desired) -> Result<SocketAddr, Error> {
        if let Some(address) = self.record.address {
            return Ok(address);
        }
        let address = self.host.ports.choose(order.allocation).ok_or(Error::Config("every port of gates is taken"))?;
        self.record.address = Some(address);
        self.folder.set_record(&self.record)?;
        Ok(address)
    }

    async fn spawn(&mut self, order: &Desired, address: SocketAddr) -> Result<Result<HostProcess, String>, Error> {
        self.folder.set_spec(&self.spec(order, address))?;
        let mut child = self.gate_process()?;
        count(&self.host.tally.gates_started);
        let opened = self.opened(&mut child).await;
        // It is not ours to lose, but while we live it is ours to reap.
        tokio::spawn(async move { child.wait().await });
        opened
    }

    async fn opened(&self, child: &mut Child) -> Result<Result<HostProcess, String>, Error> {
        let until = Instant::now() + OPEN_PATIENCE;
        loop {
            let status = self.folder.gate()?;
            match &status {
                Some(status) if status.stage == Stage::Listening && status.gate.is_alive() => {
                    return Ok(Ok(status.gate));
                }
                _ => {}
            }
            // Another gate may hold the lock and be about to listen: the child's end alone decides nothing before a while.
            let exit = child.try_wait().map_err(Error::system("waiting for a gate"))?;
            let waited = Instant::now() >= until;
            if waited || exit.is_some() {
                let reason = match status.map(|status| status.stage) {
                    Some(Stage::Fault { reason }) => reason,
                    Some(Stage::Opening | Stage::Listening | Stage::Draining) | None => "it did not say why".to_owned(),
                };
                return Ok(Err(
                    exit.map_or_else(|| format!("it is too slow: {reason}"), |exit| format!("{exit}: {reason}"))
                ));
            }
            sleep(LOOK).await;
        }
    }

    fn gate_process(&self) -> Result<Child, Error> {
        let path = self.folder.path().join("gate.log");
        let too_large = fs::metadata(&path).is_ok_and(|found| found.len() > GATE_LOG_BYTES);
        let mut options = OpenOptions::new();
        let options = if too_large { options.write(true).truncate(true) } else { options.append(true) };
        let log = options.create(true).open(&path).map_err(Error::file(&path))?;
        let both = log.try_clone().map_err(Error::file(&path))?;
        let (program, arguments) =
            self.host.config.gate_command.split_first().ok_or(Error::Config("gate_command is empty"))?;
        Command::new(program)
            .args(arguments)
            .arg(self.folder.spec_path())
            // The agent's own environment may hold its token; apps can look into a gate's.
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| GATE_VARIABLES.iter().any(|kept| name == kept)))
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(both)
            .spawn()
            .map_err(Error::system("starting a gate"))
    }

    fn spec(&self, order: &Desired, address: SocketAddr) -> GateSpec {
        let artifact = self.host.artifacts.places(order.artifact);
        GateSpec {
            allocation: order.allocation,
            environment: order.environment,
            deployment: order.deployment,
            region: order.region,
            digest: order.artifact,
            min_epoch: order.min_epoch,
            address,
            tar: artifact.tar,
            folder: artifact.folder,
            command: order.command.clone(),
            variables: self.sealed(order),
            docker: self.host.config.docker.clone(),
            drain_timeout_ms: order.drain_timeout_ms,
            log_bytes: self.host.config.log_bytes,
            log_backlog_bytes: self.host.config.log_backlog_bytes,
            log_lines_per_second: self.host.config.log_lines_per_second,
        }
    }
}
