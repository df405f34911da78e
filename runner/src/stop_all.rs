//! Ends every gate and app of a data folder for now, and changes no order: the next agent brings them back on the same
//! addresses. For the end of `rhone up`; not for a host that shall be emptied.

use crate::{
    allocation_folder::AllocationFolder,
    engine::Engine,
    error::Error,
    gate::{self, clear_orphans},
    host_process::HostProcess,
};
use rhone_domain::ids::AllocationId;
use rustix::process::Signal;
use std::{path::Path, time::Duration};
use tokio::time::{Instant, sleep};

const LOOK: Duration = Duration::from_millis(20);
/// What a gate gets to end its app once it was told to end at once.
const LAST: Duration = Duration::from_secs(3);

/// SIGTERM to every gate, `grace` for all of them to drain, then the end. The agent must have ended: it would only start
/// them again. Returns how many gates there were.
pub async fn stop_all(data_dir: &Path, grace: Duration) -> Result<usize, Error> {
    if !data_dir.exists() {
        return Ok(0);
    }
    let Some(_no_agent) = gate::lock(&data_dir.join("agent.lock"), Duration::from_secs(5)).await? else {
        return Err(Error::AgentRunning { path: data_dir.to_owned() });
    };
    let folders = AllocationFolder::list(data_dir)?;
    let mut gates = Vec::new();
    for folder in &folders {
        gates.extend(folder.gate()?.map(|status| status.gate).filter(|gate| gate.is_alive()));
    }
    for (signal, patience) in [(Signal::TERM, grace), (Signal::QUIT, LAST), (Signal::KILL, LAST)] {
        for gate in &gates {
            gate.signal(signal);
        }
        if all_ended(&gates, patience).await {
            break;
        }
    }
    for folder in &folders {
        if let Some(desired) = folder.desired()? {
            clear_orphans(folder.gate()?.as_ref(), desired.allocation);
            clear_containers(folder, desired.allocation).await?;
        }
    }
    Ok(gates.len())
}

/// What a lost gate left in the engine, if its app ran there.
async fn clear_containers(folder: &AllocationFolder, allocation: AllocationId) -> Result<(), Error> {
    let Some(spec) = folder.spec()?.filter(gate::outlives_gates) else { return Ok(()) };
    let Some(docker) = &spec.docker else { return Ok(()) };
    Ok(Engine::connect(docker).await?.remove_all(allocation).await?)
}

async fn all_ended(gates: &[HostProcess], patience: Duration) -> bool {
    let until = Instant::now() + patience;
    while gates.iter().any(|gate| gate.is_alive()) {
        if Instant::now() >= until {
            return false;
        }
        sleep(LOOK).await;
    }
    true
}
