//! A worker's part of bindings: it loads the lane, sends a probe, waits for what comes back, and appends what the real process
//! manager makes of it, as `workers/src/binding.rs` does. The trap avoided: a probe that answers at once; while it is away the
//! lease runs out, the credential changes, and somebody else ends the operation.

pub(crate) mod lane;

use crate::{
    deploys::Attempt,
    faults::Moment,
    provider::Question,
    sins::{Sin, Sinful, committed},
    worker::send,
    world::{DEPLOYMENTS, World},
};
use lane::{Lane, Noun};
use rhone_domain::{
    actor::Writer,
    backend::{self, Backend},
    binding::{self, Act, BindingWork, Probed, State, Unproven},
    ids::{EnvironmentId, OperationId},
    operation::{self, Evidence, Kind, Operation, Stage},
    process::Step,
    provider::{Needs, Resource},
    provider_binding::ProviderBindings,
    runtime_service::{Service, Standing},
    runtime_service_binding::RuntimeServices,
};
use rhone_eventstore::{Loaded, Unit};
use rhone_tests::rules::{Attached, LYON, at};
use std::ops::ControlFlow;

/// What was read of an operation on a binding.
#[derive(Clone)]
struct Read {
    id: OperationId,
    operation: Loaded<Sinful<Operation>>,
    lane: Lane,
    work: BindingWork,
}

/// A probe that is on its way.
pub(crate) struct Asked {
    read: Read,
    question: Question,
}

/// What is to be done.
#[derive(Clone)]
pub(crate) struct Decided {
    read: Read,
    backend: Loaded<Sinful<Backend>>,
    step: Step<Act>,
}

/// What a turn came to.
pub(crate) enum Turn {
    Asked(Box<Asked>),
    Decided(Box<Decided>),
    Waits,
    Ended,
}

/// Reads the world and asks what is next; a probe is only sent.
pub(crate) fn decide(world: &mut World, operation: Loaded<Sinful<Operation>>, work: &BindingWork) -> Turn {
    let Some(requested) = &operation.state.0.requested else { return Turn::Ended };
    let noun = if requested.kind() == Kind::ProviderBinding { Noun::Provider } else { Noun::Service };
    let lane = Lane::load(world, noun, work.environment);
    let read = Read { id: requested.id, operation, lane, work: work.clone() };
    let backend = known_backend(world, &read);
    let step = next(world, &read, None, &backend.state.0);
    if step != Step::Do(Act::Probe) {
        return turn(read, backend, step);
    }
    let credential = work.credential.or_else(|| read.lane.seen(work.binding)?.credential);
    let question = world.provider.ask(read.id, work.binding, credential);
    Turn::Asked(Box::new(Asked { read, question }))
}

/// Looks whether the probe has come back.
pub(crate) fn hear(world: &mut World, mut asked: Box<Asked>) -> Turn {
    if world.is_calm() {
        world.provider.heal();
    } else if world.dice.once_in(3) {
        let World { dice, provider, .. } = world;
        provider.act(dice);
    }
    let Some(probed) = world.provider.hear(asked.question) else { return Turn::Asked(asked) };
    if committed(Sin::ProofOfAnotherCredential) {
        let noun = if matches!(asked.read.lane, Lane::Providers(_)) { Noun::Provider } else { Noun::Service };
        asked.read.lane = Lane::load(world, noun, asked.read.work.environment);
    }
    let backend = match &probed {
        Probed::Proven { identity: Some(identity), .. } => world.load::<Backend>(backend::id(identity)),
        Probed::Proven { .. } | Probed::Retry { .. } | Probed::Fatal { .. } => known_backend(world, &asked.read),
    };
    let step = next(world, &asked.read, Some(&probed), &backend.state.0);
    turn(asked.read, backend, step)
}

fn turn(read: Read, backend: Loaded<Sinful<Backend>>, step: Step<Act>) -> Turn {
    match step {
        Step::Done => Turn::Ended,
        Step::Wait(_) | Step::Do(Act::Probe) => Turn::Waits,
        step => Turn::Decided(Box::new(Decided { read, backend, step })),
    }
}

fn known_backend(world: &World, read: &Read) -> Loaded<Sinful<Backend>> {
    let seen = read.lane.seen(read.work.binding);
    let identity = seen.and_then(|seen| seen.proof.and_then(|proof| proof.identity.clone()));
    world.load(backend::id(identity.as_deref().unwrap_or_default()))
}

/// Asks the real process manager. Of what one allocation uses, nothing is shared that it could not do without.
fn next(world: &World, read: &Read, probed: Option<&Probed>, backend: &Backend) -> Step<Act> {
    let mut seen = read.lane.seen(read.work.binding);
    if let Some(seen) = seen.as_mut().filter(|_| committed(Sin::AnotherResourceTaken)) {
        seen.proof = None;
    }
    let nobody = Backend::default();
    binding::next(&binding::World {
        now: if committed(Sin::DeadlineIgnored) { at(0) } else { at(world.seconds) },
        operation: &read.operation.state.0,
        work: &read.work,
        seen,
        probed,
        backend: if committed(Sin::SharedByAccident) { &nobody } else { backend },
        needed: None,
    })
}

/// Appends what was decided; breaks off when the lease was lost.
pub(crate) fn append(world: &mut World, attempt: Attempt, moment: Moment, decided: &Decided) -> ControlFlow<()> {
    let (n, ..) = attempt;
    let carry = |world: &mut World| carry_out(world, n, decided.clone());
    let late = |world: &mut World| hand_in_late(world, n, decided);
    send(world, attempt, moment, || format!("{:?}", decided.step), carry, late)
}

/// What a step means, as one unit.
fn carry_out(world: &World, n: usize, decided: Decided) -> Option<Unit> {
    let Decided { read: Read { id, mut operation, mut lane, work }, mut backend, step } = decided;
    let mut unit = world.unit(Writer::Provider, n, id.into(), None);
    let ended_well = operation::Command::Enter { stage: Stage::Verified, evidence: Evidence::default() };
    let command = match step {
        Step::Enter(stage, evidence) => {
            lane.assert(&mut unit);
            operation::Command::Enter { stage, evidence }
        }
        Step::Do(Act::Prove { proof, credential, of }) => {
            unit.decide(&mut backend, backend::Command::Take(*of)).ok()?;
            if !committed(Sin::EndsWithoutProof) {
                lane.verify(&mut unit, work.binding, proof, credential)?;
            }
            ended_well
        }
        Step::Do(Act::Detach(reason)) => {
            unit.decide(&mut backend, backend::Command::Release { binding: work.binding }).ok()?;
            lane.disable(&mut unit, work.binding, reason)?;
            ended_well
        }
        Step::Fail(failure) => {
            leave_unproven(&mut unit, (id, &work), &mut lane, (Stage::Failed, &failure.code))?;
            operation::Command::Fail(failure)
        }
        Step::Cancel => {
            leave_unproven(&mut unit, (id, &work), &mut lane, (Stage::Cancelled, "CANCELLED"))?;
            operation::Command::Cancel
        }
        Step::Do(Act::Probe) | Step::Wait(_) | Step::Done => return None,
    };
    unit.decide(&mut operation, command).ok()?;
    Some(unit)
}

fn leave_unproven(
    unit: &mut Unit,
    (by, work): (OperationId, &BindingWork),
    lane: &mut Lane,
    (end, code): (Stage, &str),
) -> Option<()> {
    let Some(state) = lane.seen(work.binding).map(|seen| seen.state) else { return Some(()) };
    if !work.change.leaves_unproven(state, end) {
        lane.assert(unit);
        return Some(());
    }
    lane.fail(unit, work.binding, Unproven { by, code: code.to_owned(), message: "it was not proven".into() })
}

/// The sin of a worker that lost its lease and takes its probe for proof all the same.
fn hand_in_late(world: &World, n: usize, decided: &Decided) {
    let Step::Do(Act::Prove { proof, credential, .. }) = &decided.step else { return };
    if !committed(Sin::LateProbeTaken) {
        return;
    }
    let (read, mut unit) = (&decided.read, world.unit(Writer::Provider, n, decided.read.id.into(), None));
    let noun = if matches!(read.lane, Lane::Providers(_)) { Noun::Provider } else { Noun::Service };
    let mut lane = Lane::load(world, noun, read.work.environment);
    if lane.verify(&mut unit, read.work.binding, proof.clone(), *credential).is_some() {
        let _refused = world.commit(unit, None, None);
    }
}

/// What the nth deployment needs: nothing, a database, or a session store.
pub(crate) fn needs(n: usize) -> Needs {
    let mut needs = Needs::default();
    match n % 4 {
        2 => drop(needs.providers.insert(Resource::Database, None)),
        3 => drop(needs.services.insert(Service::SessionStore, None)),
        _ => {}
    }
    needs
}

/// What is attached to an environment, as the gates of a change of owner look at it.
#[derive(Clone)]
pub(crate) struct Lanes {
    providers: Loaded<Sinful<ProviderBindings>>,
    services: Loaded<Sinful<RuntimeServices>>,
}

impl Lanes {
    pub(crate) fn load(world: &World, environment: EnvironmentId) -> Self {
        Self { providers: world.load(environment.0), services: world.load(environment.0) }
    }

    /// The first deployments that need something, and have it there.
    pub(crate) fn proven(&self) -> Vec<usize> {
        let has = |n: &usize| {
            let Needs { providers, services, .. } = needs(*n);
            let (bound, standings) = (&self.providers.state.0, self.services.state.0.standings(LYON));
            let mut proven = providers.keys().map(|resource| bound.verified(LYON, *resource).is_some());
            let serves = |service| matches!(standings.get(service), Some(Standing::Verified(_)));
            (providers.len() + services.len() > 0) && proven.all(|proven| proven) && services.keys().all(serves)
        };
        (0..DEPLOYMENTS - 1).filter(has).collect()
    }

    pub(crate) fn assert(&self, unit: &mut Unit) {
        unit.assert(&self.providers);
        unit.assert(&self.services);
    }

    /// As the gates see it, for the nth deployment: with the sins of whoever judges it.
    pub(crate) fn as_seen(&self, n: usize) -> Attached {
        let (mut providers, mut services) = (self.providers.state.0.clone(), self.services.state.0.clone());
        if committed(Sin::DeclaredCounts) {
            let count = |state: &mut State| {
                if *state == State::Requested {
                    *state = State::Verified;
                }
            };
            providers.bindings.values_mut().for_each(|bound| count(&mut bound.state));
            services.bindings.values_mut().for_each(|bound| count(&mut bound.state));
        }
        let needs = if committed(Sin::NeedIgnored) { Needs::default() } else { needs(n) };
        Attached { needs, providers, services, ..Attached::default() }
    }
}
