//! The gates of a change of owner: each asked by itself, each with its verdict, reason and evidence. They are shown before the
//! button is pressed, judged when the operation is accepted, and judged again at its steps. Trap: one gate that answers two
//! questions; what is true of the state says nothing about the database.

mod artifact;
mod route;

use crate::{
    aggregate::Rejection,
    deployment::Deployment,
    operation::{Failure, Gate, Requested, RouteChange, Verdict},
    route_owner::RouteOwner,
};
use std::fmt;

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
    /// A stable code.
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
    [artifact::judge(facts), route::epoch(facts)].into_iter().chain(route::policy(facts)).collect()
}

/// The gates alone, as an operation keeps them.
pub fn gates(judged: &[Judged]) -> Vec<Gate> {
    judged.iter().map(|one| one.gate.clone()).collect()
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
    pub fn new(code: &'static str, field: Option<&'static str>, message: impl Into<String>) -> Self {
        Self { code, field, message: message.into(), expected_and_actual: None }
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
