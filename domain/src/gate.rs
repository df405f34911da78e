//! The gates of a change of owner: each asked by itself, each with its verdict, reason and evidence. They are shown before the
//! button is pressed, judged when the operation is accepted, and judged again at its steps. Trap: one gate that answers two
//! questions; what is true of the state says nothing about the database.

pub(crate) mod allocations;
mod approval;
pub(crate) mod artifact;
mod code;
mod database;
mod failover;
pub(crate) mod generated;
pub(crate) mod provider_bindings;
pub(crate) mod residency;
mod route;
pub(crate) mod runtime_services;
mod state;
pub(crate) mod variables;
mod wake_replay;

use crate::{
    aggregate::Rejection,
    allocation::Allocation,
    artifact_facts::ArtifactFacts,
    database_impact::DatabaseImpact,
    deploy_impact::{self, DeployImpact, Sessions},
    deployment::Deployment,
    environment::Environment,
    generated::{Freshness, freshness},
    migrations::Migrations,
    operation::{Acknowledgement, Failure, Gate, Kind, Requested, RouteChange, Verdict, Work},
    provider_binding::ProviderBindings,
    route_owner::RouteOwner,
    runtime_service_binding::RuntimeServices,
    vango_state::StateImpact,
    variables::Variables,
};
use std::fmt;

pub use allocations::{is_stranded, rests_on, runs_on};
pub use code::Code;

/// All that the gates look at, folded from streams whose versions the append asserts.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// What is asked.
    pub requested: &'a Requested,
    /// The change of owner that is asked.
    pub change: &'a RouteChange,
    /// The route it is about.
    pub owner: &'a RouteOwner,
    /// The deployment it is about.
    pub deployment: &'a Deployment,
    /// The environment it is about.
    pub environment: &'a Environment,
    /// What ran against its database.
    pub migrations: &'a Migrations,
    /// What the bytes say that shall own the traffic; none if they are not on record.
    pub next: Option<&'a ArtifactFacts>,
    /// What the bytes say that own it now; none if nobody owns it, or they are not on record.
    pub present: Option<&'a ArtifactFacts>,
    /// The environment's outside resources.
    pub providers: &'a ProviderBindings,
    /// Its runtime services.
    pub services: &'a RuntimeServices,
    /// Its sets of variables and secrets.
    pub variables: &'a Variables,
    /// Every allocation of that deployment in that environment. How they fare says when the route changes, and never to whom: of
    /// all gates only `allocations` looks at them.
    pub allocations: &'a [Allocation],
}

/// A gate, and the refusal it amounts to when it is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// As it is shown and kept.
    pub gate: Gate,
    /// Why it is closed, if it is.
    pub refusal: Option<Refusal>,
}

/// Why a gate is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// A stable code, of [`Code`].
    pub code: &'static str,
    /// Which field of the request it is about.
    pub field: Option<&'static str>,
    /// In words.
    pub message: String,
    /// What was expected and what is so.
    pub expected_and_actual: Option<(String, String)>,
}

/// Judges every gate. The list is the order in which a caller learns of closed ones.
pub fn judge(facts: &Facts<'_>) -> Vec<Judged> {
    if let Work::RegionFailover(failover) = &facts.requested.work {
        return failover::judge(facts, failover);
    }
    let mut judged = vec![artifact::judge(facts), route::epoch(facts)];
    judged.extend(route::policy(facts));
    judged.push(residency::of(facts.environment, facts.requested.region));
    judged.extend([generated::judge(facts), state::judge(facts), database::judge(facts)]);
    judged.extend([provider_bindings::judge(facts), variables::judge(facts), runtime_services::judge(facts)]);
    judged.extend([wake_replay::judge(facts), approval::judge(facts), allocations::judge(facts)]);
    judged
}

/// What it would mean for whoever uses the app, for people to see before they press the button.
pub fn impact(facts: &Facts<'_>, sessions: Sessions) -> Impact {
    let (state, database) = (state::impact(facts), database::impact(facts));
    let files = facts.next.map_or(Freshness::Undeclared, freshness);
    Impact { deploy: deploy_impact::impact(state.compatibility, database.impact, sessions, files), state, database }
}

/// What a change of owner means: in one word, for what sessions keep, and for the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Impact {
    /// In one word.
    pub deploy: DeployImpact,
    /// For what sessions keep.
    pub state: StateImpact,
    /// For the database.
    pub database: DatabaseImpact,
}

/// The gates alone, as an operation keeps them.
pub fn gates(judged: &[Judged]) -> Vec<Gate> {
    judged.iter().map(|one| one.gate.clone()).collect()
}

/// A request that was judged, with what each of its acknowledgements covers: what the gate says now, and nothing that is done
/// later.
pub fn covering(mut requested: Requested, judged: &[Judged]) -> Requested {
    if let Some(change) = requested.work.route_change_mut() {
        for taken in &mut change.acknowledgements {
            let gate = judged.iter().map(|one| &one.gate).find(|gate| gate.kind == taken.gate);
            taken.covers = gate.map(|gate| gate.evidence.clone());
        }
    }
    requested
}

/// The first closed gate's refusal.
pub fn closed(judged: &[Judged]) -> Option<&Refusal> {
    judged.iter().find_map(|one| one.refusal.as_ref())
}

impl Judged {
    /// An open gate.
    pub fn open(kind: &str, reason: impl Into<String>, evidence: impl Into<String>) -> Self {
        Self { gate: gate(kind, Verdict::Pass, reason.into(), evidence.into()), refusal: None }
    }

    /// The same under another name.
    pub(crate) fn named(mut self, kind: &str) -> Self {
        kind.clone_into(&mut self.gate.kind);
        self
    }

    /// A gate that is open, and not without harm.
    fn warning(kind: &str, reason: impl Into<String>, evidence: impl Into<String>) -> Self {
        Self { gate: gate(kind, Verdict::Warn, reason.into(), evidence.into()), refusal: None }
    }

    /// The same for a way back: what is missing there is said, and does not stand in the way of whoever must leave.
    fn or_warned_on_the_way_back(self, facts: &Facts<'_>) -> Self {
        if facts.requested.kind() == Kind::Rollback { self.or_warned() } else { self }
    }

    /// The same, closing nothing.
    fn or_warned(self) -> Self {
        match self.refusal {
            Some(refusal) => Self::warning(&self.gate.kind, refusal.message, self.gate.evidence),
            None => self,
        }
    }

    /// A gate that is closed until the request says that somebody takes it upon themselves.
    pub(crate) fn to_acknowledge(
        taken: &[Acknowledgement],
        kind: &str,
        reason: &str,
        evidence: impl Into<String>,
    ) -> Self {
        let (evidence, taken): (String, _) = (evidence.into(), taken.iter().find(|one| one.gate == kind));
        let other = taken.and_then(|taken| taken.covers.clone()).filter(|covers| *covers != evidence);
        let message = match (taken, &other) {
            (Some(taken), None) => {
                let reason = format!("{reason}; acknowledged: {}", taken.reason);
                return Self { gate: gate(kind, Verdict::Acknowledged, reason, evidence), refusal: None };
            }
            (Some(_), Some(_)) => {
                format!("{reason}; another thing was acknowledged: somebody has to acknowledge the gate `{kind}` anew")
            }
            (None, _) => format!("{reason}; somebody has to acknowledge the gate `{kind}`, with a reason"),
        };
        let expected_and_actual = other.map(|covers| (covers, evidence.clone()));
        let refusal = Refusal::new(Code::NeedsAcknowledgement, Some("acknowledgements"), message);
        let gate = gate(kind, Verdict::NeedsAcknowledgement, refusal.message.clone(), evidence);
        Self { gate, refusal: Some(Refusal { expected_and_actual, ..refusal }) }
    }

    /// A closed gate; the refusal's message is its reason.
    pub fn closed(kind: &str, refusal: Refusal, evidence: impl Into<String>) -> Self {
        let gate = gate(kind, Verdict::Fail, refusal.message.clone(), evidence.into());
        Self { gate, refusal: Some(refusal) }
    }
}

fn gate(kind: &str, verdict: Verdict, reason: String, evidence: String) -> Gate {
    Gate { kind: kind.to_owned(), verdict, reason, evidence }
}

impl Refusal {
    /// A refusal that no aggregate had to word.
    pub fn new(code: Code, field: Option<&'static str>, message: impl Into<String>) -> Self {
        Self { code: code.as_str(), field, message: message.into(), expected_and_actual: None }
    }

    /// An aggregate's own words.
    pub fn of<R: Rejection>(rejection: &R) -> Self {
        Self {
            code: rejection.code(),
            field: rejection.field(),
            message: rejection.to_string(),
            expected_and_actual: rejection.expected_and_actual(),
        }
    }

    /// The end of an operation at this gate, before anything has changed.
    pub fn failure(&self) -> Failure {
        let (expected, actual) = self.expected_and_actual.clone().unzip();
        Failure { code: self.code.to_owned(), message: self.message.clone(), expected, actual, route_changed: false }
    }
}

/// The gates that a request may acknowledge: the first two stand before a change of owner, the last before a failover.
pub const ACKNOWLEDGEABLE: [&str; 3] = [state::KIND, database::KIND, failover::KIND];

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Rejection for Refusal {
    fn code(&self) -> &'static str {
        self.code
    }

    fn field(&self) -> Option<&'static str> {
        self.field
    }

    fn expected_and_actual(&self) -> Option<(String, String)> {
        self.expected_and_actual.clone()
    }
}

#[cfg(test)]
mod tests;
