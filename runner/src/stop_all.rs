//! Ends every gate and app of a data folder for now, and changes no order: the next agent brings them back on the same
//! addresses. For the end of `rhone up`; not for a host that shall be emptied.

use crate::{
    allocation_folder::AllocationFolder,
    engine::Engine,
    error::Error,
    gate::{self, GateSpec, clear_orphans},
    host_process::HostProcess,
};
use rhone_domain::ids::AllocationId;
use rustix::process::Signal;
use std::{fs, io, path::Path, time::Duration};
use tokio::time::{Instant, sleep};

const LOOK: Duration = Duration::from_millis(20);
/// What a gate gets to end its app once it was told to end at once.
const LAST: Duration = Duration::from_secs(3);
/// How long a gate's lock is waited for at a time, and how often.
const LOCK: Duration = Duration::from_secs(1);
const TRIES: usize = 10;

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
    let mut failed = None;
    for folder in &folders {
        // One that cannot be cleared keeps no other from it.
        failed = failed.or(clear(folder).await.err());
    }
    failed.map_or(Ok(gates.len()), Err)
}

async fn clear(folder: &AllocationFolder) -> Result<(), Error> {
    let Some(desired) = folder.desired()? else { return Ok(()) };
    let spec = folder.spec()?;
    none_comes(folder).await?;
    clear_orphans(folder.gate()?.as_ref(), desired.allocation);
    let cleared = clear_containers(spec.as_ref(), desired.allocation).await;
    // It says where the containers are: whoever tries again needs it.
    if let (Err(_), Some(spec)) = (&cleared, &spec) {
        folder.set_spec(spec)?;
    }
    cleared
}

/// A gate that the agent has started just before its end, and of which no file tells yet, would start the app after all. Without
/// its spec, which the next agent writes anew, it begins nothing; and as long as it has the lock it is not believed gone.
async fn none_comes(folder: &AllocationFolder) -> Result<(), Error> {
    let spec = folder.spec_path();
    for _ in 0..TRIES {
        match fs::remove_file(&spec) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(Error::file(&spec)(error)),
            Ok(()) | Err(_) => {}
        }
        if gate::lock(&folder.path().join("gate.lock"), LOCK).await?.is_some() {
            return Ok(());
        }
        if let Some(status) = folder.gate()? {
            status.gate.signal(Signal::KILL);
        }
    }
    Err(Error::GateGoesOn { path: folder.path().to_owned() })
}

/// What a lost gate left in the engine, if its app ran there.
async fn clear_containers(spec: Option<&GateSpec>, allocation: AllocationId) -> Result<(), Error> {
    let Some(spec) = spec.filter(|spec| gate::outlives_gates(spec)) else { return Ok(()) };
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
