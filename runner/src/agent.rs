//! The agent, one per host: merges the desired set into its own on disk and lets a keeper follow each order. The trap: an
//! allocation that is missing from the control plane's answer goes on; only an order to stop stops.

use crate::{
    admin,
    allocation_folder::{AllocationFolder, Record},
    artifact::ArtifactStore,
    config::Config,
    control_plane::{ControlPlane, chain},
    durable,
    error::Error,
    gate,
    host_process::HostProcess,
    keeper::Keeper,
    logs,
    outbox::Outbox,
    tally::{Tally, count},
    variables::HostKey,
};
use ports::Ports;
use rhone_domain::{
    host_protocol::{Desired, DesiredSet},
    ids::AllocationId,
};
use rustix::process::geteuid;
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, fs, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{sync::watch, task::JoinSet, time::sleep};

mod ports;

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What all keepers of a host share.
pub(crate) struct Host {
    pub(crate) config: Config,
    pub(crate) control: ControlPlane,
    pub(crate) artifacts: ArtifactStore,
    pub(crate) outbox: Outbox,
    pub(crate) ports: Ports,
    pub(crate) key: HostKey,
    pub(crate) tally: Tally,
}

/// `agent.json`: where the running agent answers.
#[derive(Serialize, Deserialize)]
struct AgentFile {
    agent: HostProcess,
    admin: SocketAddr,
}

/// The orders being followed, and who follows them.
struct Orders {
    host: Arc<Host>,
    given: HashMap<AllocationId, watch::Sender<Desired>>,
    keepers: JoinSet<()>,
}

/// Runs the agent of a host; it returns only with an error. Dropping it, or killing the process, ends no allocation.
pub async fn run(config: Config) -> Result<(), Error> {
    if config.gate_command.is_empty() {
        return Err(Error::Config("gate_command is empty"));
    }
    if config.docker.is_some() && !geteuid().is_root() {
        return Err(Error::Config(
            "docker: only root sees whether a container listens on its port, so the runner must be root",
        ));
    }
    let data_dir = config.data_dir.clone();
    fs::create_dir_all(&data_dir).map_err(Error::file(&data_dir))?;
    let Some(_only) = gate::lock(&data_dir.join("agent.lock"), Duration::from_secs(2)).await? else {
        return Err(Error::AgentRunning { path: data_dir });
    };
    let host = Arc::new(Host::open(config)?);
    let mut orders = Orders::resume(&host)?;
    let (listener, admin) = admin::bind(host.config.admin).await?;
    let agent = HostProcess::current().map_err(Error::system("reading its own start time"))?;
    durable::write(&data_dir.join("agent.json"), &AgentFile { agent, admin })?;
    tracing::info!(%admin, host.id = %host.config.host, allocations = orders.given.len(), "runner is ready");
    tokio::select! {
        ended = admin::serve(listener, Arc::clone(&host)) => ended,
        ended = host.outbox.send_all(&host.control, host.config.host, &host.tally) => ended,
        ended = orders.follow() => ended,
        never = logs::send_all(&host) => match never {},
    }
}

impl Host {
    fn open(config: Config) -> Result<Self, Error> {
        Ok(Self {
            control: ControlPlane::new(&config)?,
            artifacts: ArtifactStore::open(&config.data_dir, config.artifact_bytes)
                .map_err(Error::file(&config.data_dir))?,
            outbox: Outbox::open(&config.data_dir)?,
            ports: Ports::new(config.ports),
            key: HostKey::of(&config.data_dir)?,
            tally: Tally::default(),
            config,
        })
    }
}

impl Orders {
    /// Takes up every order on disk. One unreadable folder stops nobody else.
    fn resume(host: &Arc<Host>) -> Result<Self, Error> {
        let mut orders = Self { host: Arc::clone(host), given: HashMap::new(), keepers: JoinSet::new() };
        let mut found = Vec::new();
        for folder in AllocationFolder::list(&host.config.data_dir)? {
            match folder.desired().and_then(|desired| Ok((desired, folder.record()?))) {
                Ok((Some(desired), record)) => found.push((folder, desired, record)),
                Ok((None, _)) => {}
                Err(error) => tracing::error!(error = chain(&error), "an allocation's folder cannot be read"),
            }
        }
        // All known addresses first: a new one must not be chosen among them.
        for address in found.iter().filter_map(|(_, _, record)| record.as_ref()?.address) {
            host.ports.take(address);
        }
        for (folder, desired, record) in found {
            orders.keep(folder, desired, record);
        }
        Ok(orders)
    }

    /// Asks for the desired set, for ever.
    async fn follow(&mut self) -> Result<(), Error> {
        let host = Arc::clone(&self.host);
        let (mut etag, mut pause) = (String::new(), FIRST_PAUSE);
        loop {
            let answer = tokio::select! {
                answer = host.control.desired(&etag) => answer,
                // Keepers never end: this one panicked, and whoever started us starts us again.
                Some(_) = self.keepers.join_next() => return Err(Error::KeeperLost),
            };
            let fault = match answer {
                Ok(None) => None,
                Ok(Some(set)) => {
                    etag.clone_from(&set.etag);
                    self.merge(set).err().map(|error| chain(&error))
                }
                Err(error) => {
                    count(&host.tally.control_failures);
                    Some(chain(&error))
                }
            };
            match fault {
                None => pause = FIRST_PAUSE,
                Some(error) => {
                    tracing::warn!(error, "the desired set is not taken yet");
                    // What was not written down is asked for again.
                    etag.clear();
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    fn merge(&mut self, set: DesiredSet) -> Result<(), Error> {
        if set.host != self.host.config.host {
            count(&self.host.tally.orders_refused);
            tracing::error!(host.id = %set.host, "a desired set for another host is refused");
            return Ok(());
        }
        set.allocations.into_iter().try_for_each(|order| self.give(order))
    }

    fn give(&mut self, order: Desired) -> Result<(), Error> {
        let data_dir = &self.host.config.data_dir;
        let Some(given) = self.given.get(&order.allocation) else {
            let folder = AllocationFolder::create(data_dir, order.allocation)?;
            folder.set_desired(&order)?;
            self.keep(folder, order, None);
            return Ok(());
        };
        let known = given.borrow().clone();
        if order.generation > known.generation {
            AllocationFolder::create(data_dir, order.allocation)?.set_desired(&order)?;
            given.send_replace(order);
        } else if order != known {
            count(&self.host.tally.orders_refused);
            tracing::warn!(allocation.id = %order.allocation, refused = %order.generation, known = %known.generation, "an order is refused");
        }
        Ok(())
    }

    fn keep(&mut self, folder: AllocationFolder, order: Desired, record: Option<Record>) {
        let allocation = order.allocation;
        let record = record.unwrap_or_else(|| Record::new(order.generation));
        let (sender, orders) = watch::channel(order);
        self.given.insert(allocation, sender);
        self.keepers.spawn(Keeper::new(Arc::clone(&self.host), folder, record).keep(orders));
    }
}
