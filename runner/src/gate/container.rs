//! An app in a container of this host's Docker Engine. It is found again by its labels, and goes on when its gate, the agent and
//! whatever else is ours are gone. The trap avoided: a container that was left by another order, taken for this one's.

use super::{
    GateSpec,
    app::{Running, free_port, ours},
    owner::Members,
    runtime::{App, Begun, Starting},
};
use crate::{
    control_plane::chain,
    engine::{ALLOCATION, Engine, EngineError, Life, NewContainer, Standing},
    host_process::HostProcess,
};
use futures_util::future::BoxFuture;
use rhone_domain::digest::Digest;
use rustix::process::Signal;
use std::{io, time::Duration};
use tokio::{task::JoinHandle, time::timeout};

mod printed;

/// Everything by which the process is what was ordered, as one digest.
const ORDER: &str = "rhone.order";
/// The private port that it was given.
const PORT: &str = "rhone.port";

/// How long what an ended app has printed is read; it comes through the engine.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The app, as long as its container is there.
pub(super) struct Container {
    engine: Engine,
    id: String,
    running: Option<Running>,
    printed: JoinHandle<()>,
    /// How it ended, once that is known.
    exit: Option<String>,
}

/// Why a container does not run.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("no port is free")]
    Port(#[from] io::Error),
    #[error("the order is for no engine")]
    NoEngine,
}

impl Container {
    /// The container that a gate before us left, or a new one.
    pub(super) async fn begin(starting: Starting<'_>) -> Result<Begun, String> {
        // An engine may quote what it was given.
        let told = |fault: Fault| starting.log.hide(&format!("could not be started: {}", chain(&fault)));
        Self::adopt_or_start(starting).await.map_err(told)
    }

    async fn adopt_or_start(starting: Starting<'_>) -> Result<Begun, Fault> {
        let spec = starting.spec;
        let engine = Engine::connect(spec.docker.as_ref().ok_or(Fault::NoEngine)?).await?;
        let order = order(spec);
        let mut left = None;
        for found in engine.containers(spec.allocation).await? {
            // One of ours that ended has still to say how, and what it printed.
            if found.labels.get(ORDER) == Some(&order) && found.life != Life::Created && left.is_none() {
                left = Some(found);
            } else {
                engine.remove(&found.id).await?;
            }
        }
        if let Some(found) = left {
            tracing::info!(container = found.id, "a container that runs is taken over");
            return Ok(Begun::Adopted(Box::new(Self::of(engine, found, starting))));
        }
        let image = engine.have_image(&spec.folder).await?;
        let id = engine.create(&new(starting, image, order)?).await?;
        engine.start(&id).await?;
        let found = engine.inspect(&id).await?;
        Ok(Begun::New(Box::new(Self::of(engine, found, starting))))
    }

    fn of(engine: Engine, found: Standing, starting: Starting<'_>) -> Self {
        let port = found.labels.get(PORT).and_then(|port| port.parse().ok());
        let running = match found.life {
            Life::Running(pid) => HostProcess::now_at(pid).zip(port).map(|(process, port)| Running {
                port,
                process,
                members: Members::Namespace,
            }),
            Life::Created | Life::Ended(_) => None,
        };
        let reading =
            printed::follow(engine.clone(), found.id.clone(), starting.folder.to_owned(), starting.log.clone());
        Self { engine, id: found.id, running, printed: tokio::spawn(reading), exit: None }
    }

    async fn end(&mut self) -> String {
        let exit = match &self.exit {
            Some(exit) => exit.clone(),
            None => self.engine.exit(&self.id).await,
        };
        self.exit = Some(exit.clone());
        if !self.printed.is_finished() {
            let _ = timeout(LAST_WORDS, &mut self.printed).await;
        }
        if let Err(error) = self.engine.remove(&self.id).await {
            // The next start removes it.
            tracing::warn!(container = self.id, error = chain(&error), "a container that ended is left");
        }
        exit
    }

    async fn send(&self, signal: Signal) {
        let name = if signal == Signal::KILL { "SIGKILL" } else { "SIGTERM" };
        if let Err(error) = self.engine.signal(&self.id, name).await {
            tracing::warn!(container = self.id, error = chain(&error), "the engine does not pass a signal on");
            // Its first process can be told without an engine.
            if let Some(running) = self.running {
                running.process.signal(signal);
            }
        }
    }
}

impl App for Container {
    fn running(&self) -> Option<Running> {
        self.running
    }

    fn ended(&mut self) -> BoxFuture<'_, String> {
        Box::pin(self.end())
    }

    fn signal(&self, signal: Signal) -> BoxFuture<'_, ()> {
        Box::pin(self.send(signal))
    }
}

/// Reading its output is ours; the container itself stays, for whoever comes next.
impl Drop for Container {
    fn drop(&mut self) {
        self.printed.abort();
    }
}

fn new(starting: Starting<'_>, image: String, order: String) -> Result<NewContainer, Fault> {
    let Starting { spec, variables, incarnation, .. } = starting;
    let port = free_port()?;
    // As in bubblewrap: `PATH` is the image's, and `HOME` a place that can be written.
    let given = variables.iter().filter(|(name, _)| *name != "PATH" && *name != "HOME");
    let given = given.map(|(name, value)| format!("{name}={value}"));
    let ours = ours(spec, port).map(|(name, value)| format!("{name}={value}"));
    let labels = [
        (ALLOCATION, spec.allocation.to_string()),
        ("rhone.deployment", spec.deployment.to_string()),
        ("rhone.environment", spec.environment.to_string()),
        ("rhone.artifact", spec.digest.to_string()),
        ("rhone.epoch", spec.min_epoch.to_string()),
        ("rhone.incarnation", incarnation.to_string()),
        (ORDER, order),
        (PORT, port.to_string()),
    ];
    Ok(NewContainer {
        name: format!("rhone-{}-{incarnation}", spec.allocation),
        image,
        command: rhone_image::sandbox::command(&spec.command),
        variables: given.chain(["HOME=/tmp".to_owned()]).chain(ours).collect(),
        labels: labels.map(|(name, value)| (name.to_owned(), value)).into(),
        limits: spec.docker.clone().ok_or(Fault::NoEngine)?,
    })
}

/// What may change while a process runs is no part of it: the lowest epoch, deadlines, the gate's address, how much is logged.
fn order(spec: &GateSpec) -> String {
    let set = spec.variables.as_ref().map(|sealed| sealed.env_set);
    let parts = (
        (spec.allocation, spec.environment, spec.deployment, spec.region),
        (spec.digest, &spec.command, set, &spec.docker),
    );
    Digest::of(&[&serde_json::to_vec(&parts).unwrap_or_default()]).to_string()
}

#[cfg(test)]
mod tests {
    //! What makes a container another one.
    use super::*;
    use crate::{config::Docker, gate::example_spec};
    use rhone_domain::numbers::Epoch;

    #[test]
    fn an_order_is_another_one_when_its_process_would_be() {
        let docker: Docker = serde_json::from_str("{}").expect("all of it has a default");
        let spec = GateSpec { docker: Some(docker.clone()), ..example_spec() };
        let same = GateSpec { min_epoch: Epoch(9), drain_timeout_ms: 9, log_bytes: 9, ..spec.clone() };
        assert_eq!(order(&spec), order(&same), "what may change while it runs");
        let other = [
            GateSpec { digest: Digest([1; 32]), ..spec.clone() },
            GateSpec { command: vec!["other".into()], ..spec.clone() },
            GateSpec { docker: Some(Docker { memory_bytes: 1, ..docker }), ..spec.clone() },
        ];
        for other in other {
            assert_ne!(order(&spec), order(&other), "{other:?}");
        }
    }
}
