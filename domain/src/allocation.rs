//! Allocation: one running instance of an artifact on a host. Owner: regional scheduler. Writer: scheduler and runner.
//! Durability: the log for what changed; the runner's disk for what it was ordered. Trap: taking its health for ownership; it
//! serves only the environment it was planned for, and only while the RouteOwner says so.

use crate::{
    actor::{UnknownWord, words},
    aggregate::{self, Aggregate},
    digest::Digest,
    feed::{Endpoint, EndpointState},
    host_protocol::{Desired, Goal},
    numbers::Generation,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{fmt, str::FromStr};

mod cause;
mod closed;
mod failure;
mod machine;
mod planned;
mod rejection;

pub use cause::{Cause, GATE_LOST, OUT_OF_MEMORY, impatience};
pub use closed::{Closed, Said, said};
pub use failure::{because, last_failure};
pub use machine::TRANSITIONS;
pub use planned::{Placement, Planned};
pub use rejection::Rejection;

use machine::step;

words! {
    /// Where an allocation is in its life.
    State {
        /// Ordered; no runner has spoken yet.
        Planned = "planned",
        /// Its runner fetches the artifact.
        Pulling = "pulling",
        /// The digest is verified, the process is being started.
        Starting = "starting",
        /// It answers.
        Ready = "ready",
        /// It was told to stop; open work may finish.
        Draining = "draining",
        /// Gone, as told.
        Stopped = "stopped",
        /// Will not run.
        Failed = "failed",
    }
}

/// An allocation, as later decisions see it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allocation {
    /// What it was planned as; none before it exists.
    pub planned: Option<Planned>,
    /// Where it is in its life.
    pub state: Option<State>,
    /// The digest its runner verified.
    pub verified: Option<Digest>,
    /// Where it is reached.
    pub address: Option<String>,
    /// The latest order.
    pub generation: Generation,
    /// How often it was started again.
    pub restarts: u64,
    /// Until when its open sessions may go on, once it drains.
    #[serde(default)]
    pub drain_deadline: Option<DateTime<Utc>>,
    /// How many sessions its runner ended at that deadline.
    #[serde(default)]
    pub sessions_ended: u64,
    /// What edges closed at its drain deadlines before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closed: Vec<Closed>,
    /// Why it will not run.
    #[serde(default)]
    pub cause: Option<Cause>,
    /// The same in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How its process ended before it was started again the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_exit: Option<String>,
}

/// What may be asked.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "one order per allocation; what follows is small and rare")]
pub enum Command {
    /// Order it.
    Plan(Planned),
    /// Its runner fetches.
    ReportPulling,
    /// Its runner starts these bytes.
    ReportStarting {
        /// As the runner computed it.
        digest: Digest,
    },
    /// It answers.
    ReportReady {
        /// As the runner computed it.
        digest: Digest,
        /// Where.
        address: String,
    },
    /// It crashed and was started again.
    ReportRestarted {
        /// How often by now.
        restarts: u64,
        /// How the process ended.
        exit: String,
    },
    /// Let open work finish and stop.
    Drain {
        /// Why.
        reason: String,
        /// Until when open sessions may go on; at once if none.
        deadline: Option<DateTime<Utc>>,
    },
    /// Its runner stopped it.
    ReportStopped {
        /// How many sessions were still open at the deadline, and ended by it.
        sessions_ended: u64,
    },
    /// Its runner gave up.
    ReportFailed {
        /// Why, in words.
        reason: String,
        /// Why, as a word.
        cause: Option<Cause>,
    },
    /// An edge closed sessions at a drain deadline.
    RecordClosed(Closed),
}

aggregate::commands!(Command {
    Command::Plan(_) => "allocation.plan",
    Command::ReportPulling => "allocation.report_pulling",
    Command::ReportStarting { .. } => "allocation.report_starting",
    Command::ReportReady { .. } => "allocation.report_ready",
    Command::ReportRestarted { .. } => "allocation.report_restarted",
    Command::Drain { .. } => "allocation.drain",
    Command::ReportStopped { .. } => "allocation.report_stopped",
    Command::ReportFailed { .. } => "allocation.report_failed",
    Command::RecordClosed(_) => "allocation.record_closed",
});

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
#[expect(missing_docs, reason = "the fields are those of the command that leads to the event")]
#[expect(clippy::large_enum_variant, reason = "one order per allocation; what follows is small and rare")]
pub enum Event {
    /// It is ordered.
    #[serde(rename = "allocation.planned")]
    Planned(Planned),
    /// Its runner fetches the artifact.
    #[serde(rename = "allocation.pulling")]
    Pulling {},
    /// Its runner verified the digest and starts the process.
    #[serde(rename = "allocation.starting")]
    Starting { digest: Digest },
    /// It answers.
    #[serde(rename = "allocation.ready")]
    Ready { digest: Digest, address: String },
    /// It crashed and runs again.
    #[serde(rename = "allocation.restarted")]
    Restarted { restarts: u64, exit: String },
    /// It is to stop.
    #[serde(rename = "allocation.draining")]
    Draining {
        reason: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deadline: Option<DateTime<Utc>>,
    },
    /// It is gone, as told.
    #[serde(rename = "allocation.stopped")]
    Stopped {
        #[serde(default, skip_serializing_if = "is_zero")]
        sessions_ended: u64,
    },
    /// It will not run.
    #[serde(rename = "allocation.failed")]
    Failed {
        reason: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<Cause>,
    },
    /// An edge closed sessions because their drain deadline was over.
    #[serde(rename = "allocation.sessions_closed")]
    SessionsClosed(Closed),
}

impl aggregate::Event for Event {
    const TYPES: &'static [(&'static str, u16)] = &[
        ("allocation.planned", 1),
        ("allocation.pulling", 1),
        ("allocation.starting", 1),
        ("allocation.ready", 1),
        ("allocation.restarted", 1),
        ("allocation.draining", 1),
        ("allocation.stopped", 1),
        // Since 2 an app that ends by itself has a word of its own.
        ("allocation.failed", 2),
        ("allocation.sessions_closed", 1),
    ];

    fn upcast(event_type: &str, from: u16, mut data: Value) -> Value {
        if (event_type, from) == ("allocation.failed", 1) {
            let said = |name: &str| data[name].as_str().unwrap_or_default();
            let cause = Cause::since_version_2(said("cause"), said("reason")).to_owned();
            if data["cause"].is_string() {
                data["cause"] = cause.into();
            }
        }
        data
    }
}

/// What orders an allocation about: what its runner reports afterwards was led to by the latest of them.
pub const ORDERS: [&str; 2] = ["allocation.planned", "allocation.draining"];

impl Aggregate for Allocation {
    const CATEGORY: &'static str = "allocation";
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Rejection> {
        let (Some(planned), Some(state)) = (&self.planned, self.state) else {
            let Command::Plan(planned) = command else { return Err(Rejection::NotFound) };
            return Ok(vec![Event::Planned(planned)]);
        };
        match command {
            Command::Plan(same) if same == *planned => Ok(vec![]),
            Command::Plan(_) => Err(Rejection::Exists),
            Command::ReportPulling => step(state, State::Pulling, Event::Pulling {}),
            Command::ReportStarting { digest } => {
                same_bytes(planned.artifact, digest)?;
                step(state, State::Starting, Event::Starting { digest })
            }
            Command::ReportReady { digest, address } => {
                same_bytes(planned.artifact, digest)?;
                self.ready(state, digest, address)
            }
            Command::ReportRestarted { restarts, .. } if restarts <= self.restarts || state.is_final() => Ok(vec![]),
            Command::ReportRestarted { restarts, exit } => Ok(vec![Event::Restarted { restarts, exit }]),
            Command::Drain { .. } if state == State::Draining || state.is_final() => Ok(vec![]),
            Command::Drain { reason, deadline } => step(state, State::Draining, Event::Draining { reason, deadline }),
            Command::ReportStopped { .. } | Command::ReportFailed { .. } if state.is_final() => Ok(vec![]),
            Command::ReportStopped { sessions_ended } => step(state, State::Stopped, Event::Stopped { sessions_ended }),
            Command::RecordClosed(said) if self.is_news(&said) => Ok(vec![Event::SessionsClosed(said)]),
            Command::RecordClosed(_) => Ok(vec![]),
            Command::ReportFailed { reason, cause } => step(state, State::Failed, Event::Failed { reason, cause }),
        }
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::Planned(planned) => {
                self.planned = Some(planned.clone());
                self.state = Some(State::Planned);
                self.generation = Generation(1);
            }
            Event::Pulling {} => self.state = Some(State::Pulling),
            Event::Starting { digest } => {
                self.state = Some(State::Starting);
                self.verified = Some(*digest);
            }
            Event::Ready { digest, address } => {
                // Edges order what they hear of an allocation by generation: a new address is a new one.
                if self.address.as_ref().is_some_and(|before| before != address) {
                    self.generation = self.generation.next();
                }
                self.state = Some(State::Ready);
                self.verified = Some(*digest);
                self.address = Some(address.clone());
            }
            Event::Restarted { restarts, exit } => {
                self.restarts = *restarts;
                self.last_exit = Some(exit.clone());
            }
            Event::Draining { deadline, .. } => {
                self.state = Some(State::Draining);
                self.drain_deadline = *deadline;
                self.generation = self.generation.next();
            }
            Event::Stopped { sessions_ended } => {
                self.state = Some(State::Stopped);
                self.sessions_ended = *sessions_ended;
            }
            Event::Failed { reason, cause } => {
                self.state = Some(State::Failed);
                self.cause = *cause;
                self.reason = Some(reason.clone());
            }
            Event::SessionsClosed(said) => self.note(said),
        }
    }
}

impl Allocation {
    fn ready(&self, state: State, digest: Digest, address: String) -> Result<Vec<Event>, Rejection> {
        // It may answer elsewhere since.
        let moved = state == State::Ready && self.address.as_ref() != Some(&address);
        let ready = Event::Ready { digest, address };
        if moved { Ok(vec![ready]) } else { step(state, State::Ready, ready) }
    }

    /// Whether it serves or is on its way to.
    pub fn is_alive(&self) -> bool {
        matches!(self.state, Some(State::Planned | State::Pulling | State::Starting | State::Ready))
    }

    /// What its runner is told; none once its life is over.
    pub fn desired(&self) -> Option<Desired> {
        let (planned, state) = (self.planned.as_ref()?, self.state?);
        (!state.is_final()).then(|| Desired {
            allocation: planned.id,
            generation: self.generation,
            goal: if state == State::Draining { Goal::Stop } else { Goal::Run },
            workspace: planned.workspace,
            app: planned.app,
            environment: planned.environment,
            deployment: planned.deployment,
            env_set: planned.env_set,
            region: planned.region,
            cell: planned.cell,
            artifact: planned.artifact,
            min_epoch: planned.min_epoch,
            command: planned.command.clone(),
            health_path: planned.health_path.clone(),
            ready_timeout_ms: planned.ready_timeout_ms,
            drain_timeout_ms: planned.drain_timeout_ms,
            drain_deadline: self.drain_deadline,
        })
    }

    /// What the edges are told; none before it was ready once.
    pub fn endpoint(&self) -> Option<Endpoint> {
        let (planned, address, artifact) = (self.planned.as_ref()?, self.address.clone()?, self.verified?);
        let state = match self.state? {
            State::Planned | State::Pulling | State::Starting => return None,
            State::Ready => EndpointState::Ready,
            State::Draining => EndpointState::Draining,
            State::Stopped | State::Failed => EndpointState::Gone,
        };
        Some(Endpoint {
            allocation: planned.id,
            environment: planned.environment,
            deployment: planned.deployment,
            env_set: planned.env_set,
            artifact,
            generation: self.generation,
            host: planned.host,
            address,
            state,
        })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn same_bytes(expected: Digest, actual: Digest) -> Result<(), Rejection> {
    if expected == actual { Ok(()) } else { Err(Rejection::WrongDigest { expected, actual }) }
}

#[cfg(test)]
mod tests;
