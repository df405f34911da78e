//! The ways in which an allocation's app runs: as a process of this host, in a root of its own inside bubblewrap, or in a
//! container of this host's Docker Engine. The one place where they part; whatever a gate does beside is the same for all.

use super::{
    GateSpec,
    app::{Process, Running},
    container::Container,
    image,
    log::Log,
};
use crate::variables::Opened;
use futures_util::future::BoxFuture;
use rustix::process::Signal;
use std::path::Path;

/// What an app is started from.
#[derive(Clone, Copy)]
pub(super) struct Starting<'a> {
    pub(super) spec: &'a GateSpec,
    /// The allocation's own folder.
    pub(super) folder: &'a Path,
    pub(super) variables: &'a Opened,
    pub(super) log: &'a Log,
    /// Which start of this allocation it is.
    pub(super) incarnation: u64,
}

/// One life of an app.
pub(super) trait App: Send {
    /// Where it is reached; none when it has ended already.
    fn running(&self) -> Option<Running>;

    /// Waits for its end, and for what it printed last; whatever it left ends with it. It may be dropped and asked again.
    fn ended(&mut self) -> BoxFuture<'_, String>;

    /// Tells it and all that belongs to it.
    fn signal(&self, signal: Signal) -> BoxFuture<'_, ()>;
}

/// An app that was started, or that a gate before us left running.
pub(super) enum Begun {
    New(Box<dyn App>),
    Adopted(Box<dyn App>),
}

/// A way of running apps. A failure is told as the app's end is.
pub(super) trait Runtime: Send + Sync {
    /// Starts the app.
    fn start<'a>(&'a self, starting: Starting<'a>) -> BoxFuture<'a, Result<Begun, String>>;
}

/// A process of this host.
struct OnHost;
/// An image inside bubblewrap.
struct InSandbox;
/// An image in the engine.
struct InEngine;

/// The way of this allocation.
pub(super) fn of(spec: &GateSpec) -> &'static dyn Runtime {
    match (image::is(spec), &spec.docker) {
        (false, _) => &OnHost,
        (true, None) => &InSandbox,
        (true, Some(_)) => &InEngine,
    }
}

/// Whether an app of this allocation goes on without its gate, and the next one takes it over.
pub(crate) fn outlives_gates(spec: &GateSpec) -> bool {
    image::is(spec) && spec.docker.is_some()
}

impl Runtime for OnHost {
    fn start<'a>(&'a self, starting: Starting<'a>) -> BoxFuture<'a, Result<Begun, String>> {
        Box::pin(async move { process(starting, &starting.spec.command) })
    }
}

impl Runtime for InSandbox {
    fn start<'a>(&'a self, starting: Starting<'a>) -> BoxFuture<'a, Result<Begun, String>> {
        Box::pin(async move {
            let given = starting.variables.iter().map(|(name, _)| name.to_owned()).collect();
            let words = image::words(starting.spec, starting.folder, given).await?;
            process(starting, &words)
        })
    }
}

impl Runtime for InEngine {
    fn start<'a>(&'a self, starting: Starting<'a>) -> BoxFuture<'a, Result<Begun, String>> {
        Box::pin(Container::begin(starting))
    }
}

fn process(starting: Starting<'_>, words: &[String]) -> Result<Begun, String> {
    let app = Process::start(starting, words).map_err(|error| format!("could not be started: {error}"))?;
    Ok(Begun::New(Box::new(app)))
}
