//! The Docker Engine of this host, asked over its socket by its documented API, and the only place that knows `bollard`. Calls
//! may be repeated: what is asked for and is so already is no failure. The trap avoided: an engine that says nothing for a
//! while, taken for one whose containers have ended.

use crate::{config::Docker, control_plane::chain, error::Error};
use bollard::{
    API_DEFAULT_VERSION, Docker as Client,
    container::LogOutput,
    errors::Error as Said,
    models::ContainerInspectResponse,
    query_parameters::{
        CreateContainerOptionsBuilder, InspectContainerOptions, KillContainerOptionsBuilder,
        ListContainersOptionsBuilder, LogsOptionsBuilder, RemoveContainerOptionsBuilder, StartContainerOptions,
        WaitContainerOptions,
    },
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use rhone_domain::{allocation::OUT_OF_MEMORY, ids::AllocationId, logs::LogStream};
use rhone_image::ImageError;
use std::{collections::HashMap, path::PathBuf, time::Duration};
use tokio::time::sleep;

mod create;
mod load;

pub(crate) use create::NewContainer;

/// The oldest version of the API that was tried, that of Docker 20.10. An engine answers in its own, for none is asked for.
const OLDEST: (u32, u32) = (1, 41);
/// How long an answer may take that has nothing to wait for.
const ANSWER: Duration = Duration::from_secs(30);
/// Between two questions to an engine that does not answer.
const PAUSE: Duration = Duration::from_millis(500);
/// Whose a container is.
pub(crate) const ALLOCATION: &str = "rhone.allocation";

/// An engine that answered once.
#[derive(Clone)]
pub(crate) struct Engine {
    client: Client,
    socket: PathBuf,
}

/// Why an engine did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EngineError {
    /// Nobody answers, or not in time, or nothing that can be read.
    #[error("the Docker Engine at {} does not answer as it should", socket.display())]
    Unreachable {
        /// Where it was asked.
        socket: PathBuf,
        /// What happened.
        #[source]
        source: Box<Said>,
    },
    /// It has no such container or image.
    #[error("the Docker Engine has no such thing: {0}")]
    Missing(String),
    /// What it has forbids it: a name that is taken, a container that does not run.
    #[error("the Docker Engine has something in the way: {0}")]
    Conflict(String),
    /// It could not.
    #[error("the Docker Engine failed with {status}: {message}")]
    Failed {
        /// By HTTP.
        status: u16,
        /// In its words.
        message: String,
    },
    /// It speaks what nobody tried.
    #[error("the Docker Engine speaks version {0} of its API, and 1.41 is the oldest that is known to do")]
    TooOld(String),
    /// It loaded an image that is not the one it was given.
    #[error("the Docker Engine holds no image {0} after it was loaded: it names images in another way, or changed it")]
    OtherImage(String),
    /// The image itself is not right.
    #[error("{}", .0.code())]
    Image(#[from] ImageError),
}

/// A container as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) id: String,
    pub(crate) labels: HashMap<String, String>,
    pub(crate) life: Life,
}

/// How far a container came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// It was never started.
    Created,
    /// This is its first process.
    Running(u32),
    /// This is how it ended.
    Ended(String),
}

impl Engine {
    /// The engine that answers at the socket.
    pub(crate) async fn connect(docker: &Docker) -> Result<Self, EngineError> {
        let socket = docker.socket.clone();
        let client = Client::connect_with_unix(&socket.to_string_lossy(), ANSWER.as_secs(), API_DEFAULT_VERSION);
        let client =
            client.map_err(|source| EngineError::Unreachable { socket: socket.clone(), source: Box::new(source) })?;
        let engine = Self { client, socket };
        let said = engine.client.version().await.map_err(|said| engine.error(said))?;
        let version = said.api_version.unwrap_or_default();
        let numbers =
            version.split_once('.').and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
        if numbers.is_none_or(|numbers: (u32, u32)| numbers < OLDEST) {
            return Err(EngineError::TooOld(version));
        }
        Ok(engine)
    }

    /// Every container of an allocation, also those that ended.
    pub(crate) async fn containers(&self, allocation: AllocationId) -> Result<Vec<Standing>, EngineError> {
        let filters = HashMap::from([("label".to_owned(), vec![format!("{ALLOCATION}={allocation}")])]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let listed = self.client.list_containers(Some(options)).await.map_err(|said| self.error(said))?;
        let mut standing = Vec::new();
        for id in listed.into_iter().filter_map(|container| container.id) {
            match self.inspect(&id).await {
                Err(EngineError::Missing(_)) => {}
                found => standing.push(found?),
            }
        }
        Ok(standing)
    }

    pub(crate) async fn inspect(&self, id: &str) -> Result<Standing, EngineError> {
        let found = self.client.inspect_container(id, None::<InspectContainerOptions>).await;
        Ok(standing(id, found.map_err(|said| self.error(said))?))
    }

    /// A container of this name, not yet started; one that has the name goes.
    pub(crate) async fn create(&self, new: &NewContainer) -> Result<String, EngineError> {
        for last in [false, true] {
            let options = CreateContainerOptionsBuilder::default().name(&new.name).build();
            match self.client.create_container(Some(options), new.body()).await.map_err(|said| self.error(said)) {
                Err(EngineError::Conflict(_)) if !last => self.remove(&new.name).await?,
                created => return Ok(created?.id),
            }
        }
        Err(EngineError::Conflict(new.name.clone()))
    }

    pub(crate) async fn start(&self, id: &str) -> Result<(), EngineError> {
        self.client.start_container(id, None::<StartContainerOptions>).await.map_err(|said| self.error(said))
    }

    /// Sends a signal; to one that ended, nothing is sent.
    pub(crate) async fn signal(&self, id: &str, signal: &str) -> Result<(), EngineError> {
        let options = KillContainerOptionsBuilder::default().signal(signal).build();
        match self.client.kill_container(id, Some(options)).await.map_err(|said| self.error(said)) {
            Err(EngineError::Missing(_) | EngineError::Conflict(_)) => Ok(()),
            other => other,
        }
    }

    /// Waits for its end, however long the engine is away meanwhile.
    pub(crate) async fn exit(&self, id: &str) -> String {
        loop {
            match self.inspect(id).await {
                Ok(Standing { life: Life::Ended(exit), .. }) => return exit,
                Err(EngineError::Missing(_)) => return "unknown: its container is gone".to_owned(),
                Ok(_) => {
                    let waited = self.client.wait_container(id, None::<WaitContainerOptions>);
                    // How it ended is asked again; here it only counts that it did.
                    if !matches!(
                        std::pin::pin!(waited).next().await,
                        Some(Ok(_) | Err(Said::DockerContainerWaitError { .. }))
                    ) {
                        sleep(PAUSE).await;
                    }
                }
                Err(error) => {
                    tracing::warn!(container = id, error = chain(&error), "nobody says whether the app runs");
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// Whether it ended, or is gone; not as long as nobody says so.
    pub(crate) async fn has_ended(&self, id: &str) -> bool {
        matches!(self.inspect(id).await, Ok(Standing { life: Life::Ended(_), .. }) | Err(EngineError::Missing(_)))
    }

    /// What it prints from that second on, each part with its time before it.
    pub(crate) fn logs(&self, id: &str, since: i32) -> impl Stream<Item = Result<(LogStream, Bytes), EngineError>> {
        let options = LogsOptionsBuilder::default().follow(true).stdout(true).stderr(true).timestamps(true);
        self.client.logs(id, Some(options.since(since).build())).filter_map(async |part| match part {
            Ok(LogOutput::StdOut { message }) => Some(Ok((LogStream::Stdout, message))),
            Ok(LogOutput::StdErr { message }) => Some(Ok((LogStream::Stderr, message))),
            // The engine's own complaints: not the app's.
            Ok(LogOutput::StdIn { .. } | LogOutput::Console { .. }) => None,
            Err(said) => Some(Err(self.error(said))),
        })
    }

    /// Ends and removes a container, with what only it had.
    pub(crate) async fn remove(&self, id: &str) -> Result<(), EngineError> {
        let options = RemoveContainerOptionsBuilder::default().v(true).force(true).build();
        match self.client.remove_container(id, Some(options)).await.map_err(|said| self.error(said)) {
            // Somebody else is at it, or was.
            Err(EngineError::Missing(_) | EngineError::Conflict(_)) => Ok(()),
            other => other,
        }
    }

    /// Ends and removes every container of an allocation.
    pub(crate) async fn remove_all(&self, allocation: AllocationId) -> Result<(), EngineError> {
        for container in self.containers(allocation).await? {
            self.remove(&container.id).await?;
        }
        Ok(())
    }

    fn error(&self, said: Said) -> EngineError {
        if let Said::DockerResponseServerError { status_code, message } = said {
            return match status_code {
                404 => EngineError::Missing(message),
                409 => EngineError::Conflict(message),
                status => EngineError::Failed { status, message },
            };
        }
        if let Said::DockerStreamError { error: message } = said {
            return EngineError::Failed { status: 200, message };
        }
        EngineError::Unreachable { socket: self.socket.clone(), source: Box::new(said) }
    }
}

impl From<EngineError> for Error {
    fn from(error: EngineError) -> Self {
        Self::Engine(Box::new(error))
    }
}

fn standing(id: &str, found: ContainerInspectResponse) -> Standing {
    let labels = found.config.and_then(|config| config.labels).unwrap_or_default();
    let state = found.state.unwrap_or_default();
    let pid = state.pid.and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid > 0);
    let started = state.started_at.is_some_and(|at| !at.starts_with("0001-"));
    let life = match pid.filter(|_| state.running == Some(true)) {
        Some(pid) => Life::Running(pid),
        None if started => Life::Ended(exit(state.exit_code.unwrap_or_default(), state.oom_killed == Some(true))),
        None => Life::Created,
    };
    Standing { id: found.id.unwrap_or_else(|| id.to_owned()), labels, life }
}

/// An engine calls it killed for want of memory also when only a child was, and the app itself ended well.
fn exit(code: i64, out_of_memory: bool) -> String {
    if out_of_memory && code != 0 { OUT_OF_MEMORY.to_owned() } else { format!("exit {code}") }
}

#[cfg(test)]
mod tests;
