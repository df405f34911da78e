//! Log, worker and resource in memory: carries out what the process manager asks for as the driver does, with trouble.

use crate::{
    aggregate::{Aggregate, fold},
    backend::{self, Backend, Purpose},
    binding::{Act, BindingWork, Bound, Change, Probed, World, next},
    gate::Refusal,
    operation::{self, Operation, Requested, Stage, Work},
    process::Step,
    provider::{Resource, Vendor},
    provider_binding::{Command, Event, ProviderBindings, What},
    story::{
        ACME, LYON, PRODUCTION, SECOND, SHOP, at, because,
        bindings::{binding_id, credential, declared, proof, unproven},
    },
    text::Reason,
};
use chrono::{DateTime, TimeDelta, Utc};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    None,
    /// Every step is carried out, and then once more on the world as it was.
    Twice,
    /// The worker dies after so many steps.
    LostAfter(usize),
    /// Somebody disables the binding, or the resource says no, while the operation stands there.
    FailsAt(Stage),
    /// The resource answers after so many probes.
    AnswersAfter(usize),
    /// The deadline passes while it stands there.
    LateAt(Stage),
    /// Somebody wants it cancelled while it stands there.
    CancelledAt(Stage),
}

pub(super) struct Memory {
    pub(super) operation: Operation,
    pub(super) bindings: ProviderBindings,
    pub(super) backend: Backend,
    pub(super) now: DateTime<Utc>,
    pub(super) visited: Vec<Stage>,
    pub(super) found: String,
    pub(super) probes: usize,
    pub(super) waited: usize,
    pub(super) repeated: usize,
    pub(super) fired: bool,
    pub(super) believes_declarations: bool,
    /// Why what serves cannot do without it.
    pub(super) needed: Option<Refusal>,
    work: BindingWork,
}

impl Memory {
    pub(super) fn new(change: Change) -> Self {
        let what = What { resource: Resource::Database, vendor: Vendor::Postgres };
        let mut asked = declared(what);
        asked.shared = None;
        let bound = Event::Verified { binding: binding_id(1), proof: proof(), credential: credential(1) };
        let mut bindings = fold::<ProviderBindings>(&[Event::Requested(asked)]);
        let mut backend = Backend::default();
        if change != Change::Bind {
            bindings.apply(&bound);
            let of = bindings.bindings[&binding_id(1)].seen(Purpose::Truth).of;
            backend.apply(&backend::Event::Taken(of));
        }
        let work = BindingWork {
            app: SHOP,
            environment: PRODUCTION,
            binding: binding_id(1),
            change,
            credential: (change == Change::Rotate).then(|| credential(2)).flatten(),
        };
        let requested = Requested {
            id: SECOND,
            workspace: ACME,
            region: LYON,
            cell: None,
            reason: (change == Change::Unbind).then(|| because("moved")),
            deadline: at(60),
            work: Work::ProviderBinding(work.clone()),
        };
        Self {
            operation: fold(&[operation::Event::Requested(requested)]),
            bindings,
            backend,
            now: at(0),
            visited: vec![Stage::Requested],
            found: "postgres:7412345678901234567/16384/shop".into(),
            probes: 0,
            waited: 0,
            repeated: 0,
            fired: false,
            believes_declarations: false,
            needed: None,
            work,
        }
    }

    pub(super) fn stage(&self) -> Stage {
        self.operation.stage.expect("it was requested")
    }

    pub(super) fn bound(&self) -> &Bound<What> {
        &self.bindings.bindings[&binding_id(1)]
    }

    pub(super) fn failure(&self) -> &str {
        self.operation.failure.as_ref().map_or("", |failure| &failure.code)
    }

    pub(super) fn message(&self) -> &str {
        self.operation.failure.as_ref().map_or("", |failure| &failure.message)
    }

    pub(super) fn outcome(&self) -> (Stage, Bound<What>, Backend) {
        (self.stage(), self.bound().clone(), self.backend.clone())
    }

    pub(super) fn share(&mut self, why: Reason) {
        self.bindings.bindings.get_mut(&binding_id(1)).expect("it is there").declared.shared = Some(why);
    }

    /// Drives it until it ends, or the worker dies.
    pub(super) fn run(&mut self, trouble: Trouble) {
        for step in 0..200 {
            if trouble == Trouble::LostAfter(step) || self.stage().is_final() {
                return;
            }
            self.meddle(trouble);
            let wanted = self.ask(trouble);
            let before = self.clone_of_state();
            self.carry_out(&wanted);
            if trouble == Trouble::Twice && !matches!(wanted, Step::Wait(_)) {
                self.repeat(&wanted, &before);
            }
        }
        panic!("it did not end: {:?}", self.operation);
    }

    fn meddle(&mut self, trouble: Trouble) {
        match trouble {
            Trouble::FailsAt(stage) if stage == self.stage() && stage != Stage::Binding => {
                self.fired = true;
                let disable = Command::Disable { binding: binding_id(1), reason: because("sabotage") };
                self.decide_binding(disable);
            }
            Trouble::LateAt(stage) if stage == self.stage() => {
                self.fired = true;
                self.now = self.operation.requested.as_ref().expect("it was requested").deadline;
            }
            Trouble::CancelledAt(stage) if stage == self.stage() => {
                let cancel = operation::Command::RequestCancel { reason: because("a mistake") };
                if let Ok(events) = self.operation.decide(cancel) {
                    for event in &events {
                        self.operation.apply(event);
                    }
                }
            }
            Trouble::None
            | Trouble::Twice
            | Trouble::LostAfter(_)
            | Trouble::FailsAt(_)
            | Trouble::AnswersAfter(_)
            | Trouble::LateAt(_)
            | Trouble::CancelledAt(_) => {}
        }
    }

    fn ask(&mut self, trouble: Trouble) -> Step<Act> {
        let step = self.next(None);
        if step != Step::Do(Act::Probe) {
            return step;
        }
        if self.believes_declarations {
            let evidence = vec!["it was declared".into()];
            return self.next(Some(&Probed::Proven { identity: None, evidence }));
        }
        self.probes += 1;
        let proven = Probed::Proven { identity: Some(self.found.clone()), evidence: vec!["SELECT 1".into()] };
        let said = match trouble {
            Trouble::AnswersAfter(most) if self.probes <= most => {
                Probed::Retry { code: "UNREACHABLE", message: "nothing answers".into() }
            }
            Trouble::FailsAt(Stage::Binding) => {
                self.fired = true;
                Probed::Fatal { code: "REFUSED", message: "the credential was refused".into() }
            }
            Trouble::None
            | Trouble::Twice
            | Trouble::LostAfter(_)
            | Trouble::FailsAt(_)
            | Trouble::AnswersAfter(_)
            | Trouble::LateAt(_)
            | Trouble::CancelledAt(_) => proven,
        };
        self.next(Some(&said))
    }

    fn next(&self, probed: Option<&Probed>) -> Step<Act> {
        let seen = self.bindings.bindings.get(&binding_id(1)).map(|bound| bound.seen(Purpose::Truth));
        next(&World {
            now: self.now,
            operation: &self.operation,
            work: &self.work,
            seen,
            probed,
            backend: &self.backend,
            needed: self.needed.as_ref(),
        })
    }

    fn carry_out(&mut self, step: &Step<Act>) {
        match step {
            Step::Enter(stage, evidence) => {
                self.enter(operation::Command::Enter { stage: *stage, evidence: evidence.clone() });
            }
            Step::Do(Act::Prove { proof, credential, of }) => {
                let (binding, proof, credential) = (of.binding, proof.clone(), *credential);
                self.decide_binding(Command::Verify { binding, proof, credential });
                self.decide_backend(backend::Command::Take((**of).clone()));
                self.end_well();
            }
            Step::Do(Act::Detach(reason)) => {
                self.decide_binding(Command::Disable { binding: binding_id(1), reason: reason.clone() });
                self.decide_backend(backend::Command::Release { binding: binding_id(1) });
                self.end_well();
            }
            Step::Fail(failure) => {
                self.leave_unproven(Stage::Failed);
                self.enter(operation::Command::Fail(failure.clone()));
            }
            Step::Cancel => {
                self.leave_unproven(Stage::Cancelled);
                self.enter(operation::Command::Cancel);
            }
            Step::Wait(_) => {
                self.waited += 1;
                self.now += TimeDelta::seconds(2);
            }
            Step::Do(Act::Probe) | Step::Done => panic!("{step:?} is no step to carry out"),
        }
    }

    fn leave_unproven(&mut self, end: Stage) {
        if self.work.change.leaves_unproven(self.bound().state, end) {
            let unproven = crate::binding::Unproven { by: SECOND, ..unproven() };
            self.decide_binding(Command::Fail { binding: binding_id(1), unproven });
        }
    }

    fn end_well(&mut self) {
        let evidence = operation::Evidence::default();
        self.enter(operation::Command::Enter { stage: Stage::Verified, evidence });
    }

    fn enter(&mut self, command: operation::Command) {
        let before = self.stage();
        let events = self.operation.decide(command).expect("the process manager asks for what is allowed");
        for event in &events {
            self.operation.apply(event);
        }
        if self.stage() != before {
            self.visited.push(self.stage());
        }
    }

    fn decide_binding(&mut self, command: Command) {
        let events = self.bindings.decide(command).expect("the process manager asks for what is allowed");
        for event in &events {
            self.bindings.apply(event);
        }
    }

    fn decide_backend(&mut self, command: backend::Command) {
        let events = self.backend.decide(command).expect("the process manager asks for what is allowed");
        for event in &events {
            self.backend.apply(event);
        }
    }

    fn clone_of_state(&self) -> (Operation, ProviderBindings, Backend) {
        (self.operation.clone(), self.bindings.clone(), self.backend.clone())
    }

    /// The same step again, as by a worker that did not hear of the first time: nothing may change.
    fn repeat(&mut self, step: &Step<Act>, before: &(Operation, ProviderBindings, Backend)) {
        let after = self.clone_of_state();
        assert_ne!(before, &after, "{step:?} changed nothing the first time");
        self.carry_out(step);
        assert_eq!(after, self.clone_of_state(), "{step:?} twice");
        self.repeated += 1;
    }
}
