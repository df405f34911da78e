//! Log, worker and resource in memory, for either noun: carries out what the process manager asks for as the driver does.

use super::{Change, Credential};
use crate::{
    aggregate::{Aggregate, fold},
    backend::{self, Backend},
    binding::{Act, BindingWork, Probed, Proof, Seen, State, Unproven, World, next},
    gate::Refusal,
    operation::{self, Operation, Requested, Stage, Work},
    process::Step,
    provider::{Resource, Vendor},
    provider_binding::{self, ProviderBindings},
    runs::Play,
    runtime_service::{self, Service},
    runtime_service_binding::{self, RuntimeServices},
    story::{
        ACME, LYON, PRODUCTION, SECOND, SHOP, at, because,
        bindings::{binding_id, credential, declared, proof, unproven},
    },
    text::Reason,
};
use chrono::{DateTime, Utc};
use std::fmt::Debug;

/// What the story does with the bindings of either noun.
pub(crate) trait Noun: Aggregate<Event: Clone + Debug, Command: Clone + Debug> {
    fn asked(shared: Option<Reason>) -> Self::Event;
    fn proven() -> Self::Event;
    fn work(work: BindingWork) -> Work;
    fn verify(proof: Proof, credential: Option<Credential>) -> Self::Command;
    fn fail(unproven: Unproven) -> Self::Command;
    fn disable(reason: Reason) -> Self::Command;
    fn seen(&self) -> Seen<'_>;
}

macro_rules! noun {
    ($state:ident, $module:ident, $what:expr, $work:path) => {
        impl Noun for $state {
            fn asked(shared: Option<Reason>) -> Self::Event {
                let mut asked = declared($what);
                asked.shared = shared;
                $module::Event::Requested(asked)
            }

            fn proven() -> Self::Event {
                $module::Event::Verified { binding: binding_id(1), proof: proof(), credential: credential(1) }
            }

            fn work(work: BindingWork) -> Work {
                $work(work)
            }

            fn verify(proof: Proof, credential: Option<Credential>) -> Self::Command {
                $module::Command::Verify { binding: binding_id(1), proof, credential }
            }

            fn fail(unproven: Unproven) -> Self::Command {
                $module::Command::Fail { binding: binding_id(1), unproven }
            }

            fn disable(reason: Reason) -> Self::Command {
                $module::Command::Disable { binding: binding_id(1), reason }
            }

            fn seen(&self) -> Seen<'_> {
                let bound = &self.bindings[&binding_id(1)];
                bound.seen(bound.declared.what.purpose())
            }
        }
    };
}

noun!(
    ProviderBindings,
    provider_binding,
    provider_binding::What { resource: Resource::Database, vendor: Vendor::Postgres },
    Work::ProviderBinding
);
noun!(
    RuntimeServices,
    runtime_service_binding,
    runtime_service_binding::What { service: Service::SessionStore, backend: runtime_service::Backend::Postgres },
    Work::RuntimeServiceBinding
);

/// What the resource answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    AtOnce,
    /// After so many probes that nothing answered.
    After(usize),
    /// It says no.
    Refuses,
}

/// An operation on one binding of production, in memory.
#[derive(Clone, Debug)]
pub(crate) struct Memory<N: Noun> {
    pub(super) operation: Vec<operation::Event>,
    pub(super) bindings: Vec<N::Event>,
    pub(super) backend: Vec<backend::Event>,
    pub(super) answer: Answer,
    pub(super) found: String,
    pub(super) waited: usize,
    /// The sin: it takes what was declared for proven, and asks nobody.
    pub(super) believes_declarations: bool,
    /// Why what serves cannot do without it.
    pub(super) needed: Option<Refusal>,
    now: i64,
    work: BindingWork,
}

pub(crate) fn changing<N: Noun>(change: Change, answer: Answer) -> Memory<N> {
    let (mut bindings, mut backend) = (vec![N::asked(None)], vec![]);
    if change != Change::Bind {
        bindings.push(N::proven());
        backend.push(backend::Event::Taken(fold::<N>(&bindings).seen().of));
    }
    let new = (change == Change::Rotate).then(|| credential(2)).flatten();
    let work = BindingWork { app: SHOP, environment: PRODUCTION, binding: binding_id(1), change, credential: new };
    let requested = Requested {
        id: SECOND,
        workspace: ACME,
        region: LYON,
        cell: None,
        reason: (change == Change::Unbind).then(|| because("moved")),
        deadline: at(60),
        work: N::work(work.clone()),
    };
    Memory {
        operation: vec![operation::Event::Requested(requested)],
        bindings,
        backend,
        answer,
        found: "postgres:7412345678901234567/16384/shop".into(),
        waited: 0,
        believes_declarations: false,
        needed: None,
        now: 0,
        work,
    }
}

impl<N: Noun> Memory<N> {
    pub(super) fn binding(&self) -> (State, Option<u64>) {
        let bindings = fold::<N>(&self.bindings);
        let seen = bindings.seen();
        (seen.state, seen.credential.map(|credential| credential.generation.0))
    }

    pub(super) fn backend(&self) -> Backend {
        fold(&self.backend)
    }

    pub(super) fn taken(&self) -> bool {
        self.backend().uses.contains_key(&binding_id(1))
    }

    pub(super) fn share(&mut self, why: Reason) {
        self.bindings[0] = N::asked(Some(why));
    }

    pub(super) fn disable(&mut self) {
        let disabled = fold::<N>(&self.bindings).decide(N::disable(because("sabotage"))).unwrap_or_default();
        self.bindings.extend(disabled);
    }

    fn said(&self) -> Probed {
        let evidence = vec!["SELECT 1".into()];
        match self.answer {
            _ if self.believes_declarations => Probed::Proven { identity: None, evidence },
            Answer::After(most) if self.waited < most => {
                Probed::Retry { code: "UNREACHABLE", message: "nothing answers".into() }
            }
            Answer::AtOnce | Answer::After(_) => Probed::Proven { identity: Some(self.found.clone()), evidence },
            Answer::Refuses => Probed::Fatal { code: "REFUSED", message: "the credential was refused".into() },
        }
    }

    fn ask(&self, probed: Option<&Probed>) -> Step<Act> {
        let (operation, bindings) = (fold::<Operation>(&self.operation), fold::<N>(&self.bindings));
        let (seen, backend) = (Some(bindings.seen()), self.backend());
        let (work, needed) = (&self.work, self.needed.as_ref());
        next(&World { now: self.now(), operation: &operation, work, seen, probed, backend: &backend, needed })
    }

    /// The commands to the operation, to the binding and to its backend: all of them or none.
    fn append(&mut self, step: &Step<Act>) -> Option<()> {
        let verified = operation::Command::Enter { stage: Stage::Verified, evidence: operation::Evidence::default() };
        let (command, binding, taken) = match step.clone() {
            Step::Enter(stage, evidence) => (operation::Command::Enter { stage, evidence }, None, None),
            Step::Do(Act::Prove { proof, credential, of }) => {
                (verified, Some(N::verify(proof, credential)), Some(backend::Command::Take(*of)))
            }
            Step::Do(Act::Detach(reason)) => {
                (verified, Some(N::disable(reason)), Some(backend::Command::Release { binding: binding_id(1) }))
            }
            Step::Fail(failure) => (operation::Command::Fail(failure), self.leave_unproven(Stage::Failed), None),
            Step::Cancel => (operation::Command::Cancel, self.leave_unproven(Stage::Cancelled), None),
            Step::Do(Act::Probe) | Step::Wait(_) | Step::Done => return None,
        };
        let operation = fold::<Operation>(&self.operation).decide(command).ok()?;
        let binding = binding.map_or(Some(vec![]), |command| fold::<N>(&self.bindings).decide(command).ok())?;
        let taken = taken.map_or(Some(vec![]), |command| self.backend().decide(command).ok())?;
        self.operation.extend(operation);
        self.bindings.extend(binding);
        self.backend.extend(taken);
        Some(())
    }

    fn leave_unproven(&self, end: Stage) -> Option<N::Command> {
        let unproven = Unproven { by: SECOND, ..unproven() };
        self.work.change.leaves_unproven(self.binding().0, end).then(|| N::fail(unproven))
    }
}

impl<N: Noun> Play for Memory<N> {
    type Act = Act;

    /// The probe of a turn is asked for and answers within the turn, as in the driver.
    fn next(&self) -> Step<Act> {
        let step = self.ask(None);
        if step == Step::Do(Act::Probe) { self.ask(Some(&self.said())) } else { step }
    }

    fn commit(&mut self, step: &Step<Act>) -> bool {
        self.append(step).is_some()
    }

    fn pass(&mut self) {
        self.waited += 1;
        self.now += 2;
    }

    fn outlast(&mut self) {
        self.now = 60;
    }

    fn now(&self) -> DateTime<Utc> {
        at(self.now)
    }

    fn operation(&mut self) -> &mut Vec<operation::Event> {
        &mut self.operation
    }

    fn lengths(&self) -> Vec<usize> {
        vec![self.operation.len(), self.bindings.len(), self.backend.len()]
    }

    fn left(&self) -> String {
        let (state, generation) = self.binding();
        let taken = if self.taken() { "taken" } else { "free" };
        format!("{state} with credential {}, its backend {taken}", generation.unwrap_or_default())
    }
}
