//! The process manager of operations on bindings: pure, from (operation, binding, what a probe said) to the next step. It asks
//! for a probe once the policy is judged, and believes nothing else. Trap: a probe that answers for another database than
//! the one that was bound; identity is compared, not the address.

use super::{BindingWork, Bound, Change, Credential, Proof, State};
use crate::{
    aggregate::Rejection as _,
    backend::{Backend, Purpose, Use},
    gate::Refusal,
    operation::{Evidence, Failure, Gate, Operation, Requested, Stage, Verdict},
    process::Step,
    text::Reason,
};
use chrono::{DateTime, Utc};

/// What a probe said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probed {
    /// It is there, and works.
    Proven {
        /// What it really is; none for what has no identity.
        identity: Option<String>,
        /// What was tried and answered.
        evidence: Vec<String>,
    },
    /// Not now; trying again can help.
    Retry {
        /// A stable code.
        code: &'static str,
        /// In words, without credentials.
        message: String,
    },
    /// No; trying again cannot help.
    Fatal {
        /// A stable code.
        code: &'static str,
        /// In words, without credentials.
        message: String,
    },
}

/// All that the next step depends on.
#[derive(Clone, Debug)]
pub struct World<'a> {
    /// The moment.
    pub now: DateTime<Utc>,
    /// The operation.
    pub operation: &'a Operation,
    /// What it is about.
    pub work: &'a BindingWork,
    /// The binding, if there is one.
    pub seen: Option<Seen<'a>>,
    /// What the probe of this turn said; none before it was asked for.
    pub probed: Option<&'a Probed>,
    /// The resource that the probe found, and who uses it.
    pub backend: &'a Backend,
    /// Why what serves cannot do without it; none when it can. An unbind alone looks at it.
    pub needed: Option<&'a Refusal>,
}

/// What the process manager sees of a binding of either noun.
#[derive(Clone, Debug)]
pub struct Seen<'a> {
    /// Where it stands.
    pub state: State,
    /// With what it is reached.
    pub credential: Option<Credential>,
    /// Its last proof.
    pub proof: Option<&'a Proof>,
    /// How it would use its backend.
    pub of: Use,
}

/// What it can do besides going on.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Try the resource, and ask again.
    Probe,
    /// Put the proof on record, take the backend and end well, in one append.
    Prove {
        /// What was proven.
        proof: Proof,
        /// With which credential.
        credential: Option<Credential>,
        /// How the backend is used from now on.
        of: Box<Use>,
    },
    /// Detach it, release the backend and end well, in one append.
    Detach(Reason),
}

impl<W> Bound<W> {
    /// As the process manager sees it.
    pub fn seen(&self, purpose: Purpose) -> Seen<'_> {
        let declared = &self.declared;
        let of = Use {
            binding: declared.id,
            workspace: declared.workspace,
            app: declared.app,
            environment: declared.environment,
            slug: declared.slug.clone(),
            kind: declared.kind,
            purpose,
            shared: declared.shared.clone(),
        };
        Seen { state: self.state, credential: self.credential, proof: self.proof.as_ref(), of }
    }
}

/// The next step of an operation on a binding.
pub fn next(world: &World<'_>) -> Step<Act> {
    let (Some(requested), Some(stage)) = (&world.operation.requested, world.operation.stage) else {
        return Step::Done;
    };
    if stage.is_final() {
        return Step::Done;
    }
    if world.operation.cancel.is_some() && requested.machine().may_cancel(stage) {
        return Step::Cancel;
    }
    let gates = gates(world);
    if let Some(closed) = gates.iter().find(|gate| gate.verdict == Verdict::Fail) {
        return fail(&closed.evidence, &closed.reason);
    }
    if world.now >= requested.deadline && world.probed.is_none() && stage != Stage::Binding {
        return fail("DEADLINE_PASSED", "the deadline passed before the resource was tried");
    }
    if stage == Stage::Requested {
        return Step::Enter(Stage::PolicyCheck, Evidence { gates, ..Evidence::default() });
    }
    if stage == Stage::PolicyCheck {
        return Step::Enter(Stage::Binding, Evidence::default());
    }
    work(world, requested)
}

/// The gates of an operation on a binding, each with what it was judged on.
pub fn gates(world: &World<'_>) -> Vec<Gate> {
    let attached = match &world.seen {
        None => gate("binding", Verdict::Fail, "there is no such binding", "NOT_FOUND"),
        Some(seen) if seen.state == State::Disabled && world.work.change != Change::Unbind => {
            gate("binding", Verdict::Fail, "the binding is disabled", "BINDING_DISABLED")
        }
        Some(seen) => gate("binding", Verdict::Pass, "the binding is there", seen.state.as_str()),
    };
    let rotates = world.work.change == Change::Rotate;
    let credential = match (rotates, world.work.credential) {
        (true, None) => gate("credential", Verdict::Fail, "there is no credential to change to", "NO_CREDENTIAL"),
        (true, Some(_)) => gate("credential", Verdict::Pass, "the vault keeps the new credential", "new"),
        (false, _) => gate("credential", Verdict::Pass, "the credential stays what it is", "kept"),
    };
    let mut gates = vec![attached, credential];
    if world.work.change == Change::Unbind {
        gates.push(match world.needed {
            Some(refusal) => gate("need", Verdict::Fail, &refusal.message, refusal.code),
            None => gate("need", Verdict::Pass, "what serves can do without it", "not needed"),
        });
    }
    gates
}

fn work(world: &World<'_>, requested: &Requested) -> Step<Act> {
    let Some(seen) = &world.seen else { return fail("NOT_FOUND", "there is no such binding") };
    if world.work.change == Change::Unbind {
        return match &requested.reason {
            Some(reason) => Step::Do(Act::Detach(reason.clone())),
            None => fail("REASON_MISSING", "a binding is ended for a reason"),
        };
    }
    match world.probed {
        None => Step::Do(Act::Probe),
        Some(Probed::Retry { .. }) if world.now < requested.deadline => Step::Wait("the resource does not answer yet"),
        Some(Probed::Retry { code, message } | Probed::Fatal { code, message }) => fail(code, message),
        Some(Probed::Proven { identity, evidence }) => proven(world, requested, seen, (identity.as_ref(), evidence)),
    }
}

fn proven(
    world: &World<'_>,
    requested: &Requested,
    seen: &Seen<'_>,
    (identity, evidence): (Option<&String>, &[String]),
) -> Step<Act> {
    let known = seen.proof.and_then(|proof| proof.identity.as_ref());
    if let (Some(known), Some(found)) = (known, identity)
        && known != found
    {
        let mut failure = failure("IDENTITY_CHANGED", "another resource answers than the one that was bound");
        (failure.expected, failure.actual) = (Some(known.clone()), Some(found.clone()));
        return Step::Fail(failure);
    }
    if let Err(rejection) = world.backend.may_take(&seen.of) {
        return fail(rejection.code(), &rejection.to_string());
    }
    let proof = Proof { by: requested.id, identity: identity.cloned(), evidence: evidence.to_vec(), at: world.now };
    let credential = if world.work.change == Change::Rotate { world.work.credential } else { seen.credential };
    Step::Do(Act::Prove { proof, credential, of: Box::new(seen.of.clone()) })
}

fn gate(kind: &str, verdict: Verdict, reason: &str, evidence: &str) -> Gate {
    Gate { kind: kind.into(), verdict, reason: reason.into(), evidence: evidence.into() }
}

fn fail(code: &str, message: &str) -> Step<Act> {
    Step::Fail(failure(code, message))
}

fn failure(code: &str, message: &str) -> Failure {
    Failure { code: code.into(), message: message.into(), expected: None, actual: None, route_changed: false }
}
