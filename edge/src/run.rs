//! An edge from its start to its end: takes its folder, serves what the disk held, and only then looks for the control plane.
//! The trap: anything remote on the way to serving, so nothing here waits for a network.

use crate::{
    admin,
    applier::{Applier, Job, write_behind},
    clock,
    config::{Config, EdgeError},
    control::Control,
    core::{Core, Identity},
    disk::Disk,
    feed_bus, feed_http,
    identity::{Home, keep_ledger},
    observe, proxy, status, waking,
};
use std::{
    net::SocketAddr,
    sync::{Arc, mpsc as blocking},
    time::Duration,
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time::{sleep, timeout},
};

/// How many words wait for the applier.
const WORDS: usize = 4096;
/// How often the end looks whether all sockets have closed.
const LOOK: Duration = Duration::from_millis(20);

/// An edge at work.
pub struct Running {
    /// Where it serves.
    pub address: SocketAddr,
    /// Where it answers for itself.
    pub admin: SocketAddr,
    core: Arc<Core>,
    home: Home,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    reporting: JoinHandle<()>,
    others: Vec<JoinHandle<()>>,
    disk: blocking::Sender<Job>,
}

/// Runs an edge until SIGTERM or SIGINT, then ends it in order. The caller has set up tracing and the TLS provider.
pub async fn run(config: Config) -> Result<(), EdgeError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(EdgeError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(EdgeError::Signals)?;
    let running = start(config).await?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tokio::select! {
        () = running.stop() => {}
        // Asked a second time: at once.
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Starts an edge; it serves from its disk when this returns.
pub async fn start(config: Config) -> Result<Running, EdgeError> {
    let home = Home::take(&config.data_dir)?;
    let cookie_key = home.cookie_key()?;
    let control = Arc::new(Control::new(&config)?);
    let (listener, address) = listen(config.listen).await?;
    let (admin_listener, admin) = listen(config.admin).await?;
    let (lost_sessions, closed) = home.earlier_runs()?;
    let identity = Identity {
        edge: home.edge_id()?,
        boot: clock::new_id(),
        public_url: config.public_url.clone().unwrap_or_else(|| format!("http://{address}")),
        lost_sessions,
    };
    let folder = home.path.join("table");
    let (disk, book) =
        Disk::open(folder.clone(), config.region).map_err(|source| EdgeError::Folder { path: folder, source })?;
    let core = Arc::new(Core::new(config, identity, &cookie_key));
    core.allocations.remember(closed);
    let jobs = begin_writing(&core, disk);
    let (words, heard) = mpsc::channel(WORDS);
    let (observe, to_observe) = mpsc::unbounded_channel();
    let applier = Applier::new(Arc::clone(&core), book, jobs.clone(), observe);
    let stop = watch::Sender::new(false);
    let serving = tokio::spawn(proxy::serve(Arc::clone(&core), listener, stop.subscribe()));
    let reporting = tokio::spawn(status::report(Arc::clone(&core), Arc::clone(&control), stop.subscribe()));
    let others = vec![
        tokio::spawn(applier.run(heard)),
        tokio::spawn(observe::watch(Arc::clone(&core), to_observe)),
        tokio::spawn(waking::ask(Arc::clone(&core), Arc::clone(&control), stop.subscribe())),
        tokio::spawn(feed_http::repair(Arc::clone(&core), control, words.clone())),
        tokio::spawn(feed_bus::listen(Arc::clone(&core), words)),
        tokio::spawn(keep_ledger(Arc::clone(&core), stop.subscribe())),
        tokio::spawn(admin::serve(Arc::clone(&core), admin_listener, stop.subscribe())),
    ];
    tracing::info!(%address, %admin, edge = %core.identity.edge, applied = core.standing.borrow().applied().0, "the edge serves");
    Ok(Running { address, admin, core, home, stop, serving, reporting, others, disk: jobs })
}

impl Running {
    /// Ends the edge in order: no new connections, open requests within their grace, sockets closed with 1012, disk synced.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        let _ = self.serving.await;
        self.core.ending.send_replace(true);
        let grace = self.core.config.timing.shutdown_grace;
        let closed = async {
            while self.core.allocations.sockets() > 0 {
                sleep(LOOK).await;
            }
        };
        let _ = timeout(grace, closed).await;
        let _ = self.reporting.await;
        for task in self.others {
            task.abort();
            let _ = task.await;
        }
        let (finished, synced) = oneshot::channel();
        if self.disk.send(Job::Finish(finished)).is_ok() {
            let _ = synced.await;
        }
        self.home.end_in_order(&self.core);
        tracing::info!("the edge has ended");
    }

    /// Ends the edge as a kill would: nothing is closed, counted or synced. For tests of what follows a kill.
    pub fn abandon(self) {
        self.serving.abort();
        self.reporting.abort();
        self.others.iter().for_each(JoinHandle::abort);
    }
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), EdgeError> {
    let failed = |source| EdgeError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// The disk's thread; it ends when nobody has anything to write any more.
fn begin_writing(core: &Arc<Core>, mut disk: Disk) -> blocking::Sender<Job> {
    let (jobs, todo) = blocking::channel();
    let core = Arc::clone(core);
    std::thread::spawn(move || write_behind(&core, &mut disk, &todo));
    jobs
}
