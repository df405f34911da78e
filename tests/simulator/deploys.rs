//! A worker's part of deploys: it fetches, builds and reads back in no time, and appends what came of it as
//! `workers/src/deploy.rs` does, one stage an append. What is next is the real process manager's word, and the gates are the
//! real ones. The trap avoided: a builder without a life of its own; it loses its lease, is cancelled and reports late.

use crate::{
    bindings::{Lanes, needs},
    faults::Moment,
    sins::{Sin, Sinful, committed},
    worker::send,
    world::{DEADLINE, DEPLOYMENTS, World, lease},
};
use rhone_domain::{
    actor::Writer,
    artifact::{self, Artifact},
    artifact_facts::ArtifactFacts,
    deploy::{self, Act, Built, Deploy, Fetched, Step, evidence_of_promotion},
    deployment::{self, Deployment},
    digest::Digest,
    gate::Judged,
    ids::{ArtifactId, OperationId},
    migrations::Migrations,
    numbers::Fence,
    operation::{self, Evidence, Kind, Operation, Requested, Stage},
    route_owner::RouteOwner,
    text::Commit,
};
use rhone_eventstore::{FenceCheck, Loaded, Unit};
use rhone_tests::rules::{ACME, Ask, Look, at, bytes, created, environment, facts, folded, judged, number, requested};
use std::ops::ControlFlow;

/// What was read of a deploy, and what is to be done about it.
#[derive(Clone)]
pub(crate) struct Decided {
    operation: Loaded<Sinful<Operation>>,
    owner: Loaded<Sinful<RouteOwner>>,
    lanes: Lanes,
    release: Loaded<Sinful<Deployment>>,
    promotion: Option<Requested>,
    judged: Vec<Judged>,
    /// What the store gives back.
    found: Digest,
    step: Step,
}

/// A worker, what it works on, and under which fence.
pub(crate) type Attempt = (usize, OperationId, Fence);

/// Reads the world and asks what is next; none when it has ended.
pub(crate) fn decide(world: &mut World, operation: Loaded<Sinful<Operation>>, deploy: &Deploy) -> Option<Decided> {
    let owner = world.load::<RouteOwner>(deploy.environment.0);
    let release = world.load::<Deployment>(deploy.deployment.0);
    let lanes = Lanes::load(world, deploy.environment);
    let (n, lane) = (number(deploy.deployment), usize::from(deploy.environment != environment(0)));
    let promotion = release.state.0.created.as_ref().map(|_| {
        requested(&Ask {
            id: world.door.clock().new_id(),
            kind: Kind::Promotion,
            environment: lane,
            deployment: n,
            env_set: world.set_of(lane, n),
            expected: owner.state.0.epoch,
            deadline: at(world.seconds + DEADLINE),
        })
    });
    let asked = promotion.clone().filter(|_| !committed(Sin::DeployAsksNoGate));
    let judged = asked.map_or_else(Vec::new, |asked| gates(world, asked, &owner.state.0, &release.state.0, &lanes));
    let now = if committed(Sin::DeadlineIgnored) { at(0) } else { at(world.seconds) };
    let look = deploy::World { now, operation: &operation.state.0, deployment: &release.state.0, judged: &judged };
    let step = deploy::next(&look);
    // A store that has lost what it kept.
    let found = if !world.is_calm() && world.dice.once_in(8) { bytes(DEPLOYMENTS - 1) } else { bytes(n) };
    (step != Step::Done).then_some(Decided { operation, owner, lanes, release, promotion, judged, found, step })
}

fn gates(world: &World, asked: Requested, owner: &RouteOwner, release: &Deployment, lanes: &Lanes) -> Vec<Judged> {
    let n = asked.work.deployment().map_or(0, number);
    let promotion = folded::<Operation>(&[operation::Event::Requested(asked)]);
    judged(&Look {
        now: at(world.seconds),
        operation: &promotion,
        owner,
        deployment: release,
        allocations: &[],
        hosts: &[],
        edges: &[],
        left: &[],
        migrations: &Migrations::default(),
        attached: &lanes.as_seen(n),
        new_allocation: world.door.clock().new_id(),
    })
}

/// Appends what was decided; breaks off when the lease was lost.
pub(crate) fn append(world: &mut World, attempt: Attempt, moment: Moment, decided: &Decided) -> ControlFlow<()> {
    let carry = |world: &mut World| {
        apart(world, attempt, decided);
        carry_out(world, attempt, decided.clone())
    };
    let late = |world: &mut World| hand_in_late(world, attempt, decided);
    send(world, attempt, moment, || format!("{:?}", decided.step), carry, late)
}

/// What a step means, as one unit.
fn carry_out(world: &World, (n, id, fence): Attempt, decided: Decided) -> Option<Unit> {
    let Decided { mut operation, owner, lanes, mut release, promotion, judged, found, step } = decided;
    let mut unit = world.unit(Writer::Pipeline, n, id.into(), None);
    let command = match step {
        Step::Enter(stage, evidence) => {
            if matches!(stage, Stage::PreviewReady | Stage::Blocked) {
                unit.assert(&owner);
                unit.assert(&release);
                lanes.assert(&mut unit);
            }
            operation::Command::Enter { stage, evidence }
        }
        Step::Do(Act::Fetch) => {
            let commit = Commit::parse("commit", &format!("{:040x}", id.0.as_u128())).ok();
            let fetched = Some(Fetched { attempt: fence, commit, took_ms: 1 });
            operation::Command::Enter { stage: Stage::Building, evidence: Evidence { fetched, ..Evidence::default() } }
        }
        Step::Do(Act::Build) => {
            put_on_record(world, &mut unit, &operation.state.0, &mut release)?;
            entered_validating(fence, &operation.state.0)?
        }
        Step::Do(Act::Validate) => {
            let validate = deployment::Command::Validate { digest: found, facts: Box::new(facts()) };
            unit.decide(&mut release, validate).ok()?;
            return Some(unit);
        }
        Step::Do(Act::Promote) => {
            let requested = promotion?;
            unit.assert(&owner);
            unit.assert(&release);
            lanes.assert(&mut unit);
            let evidence = evidence_of_promotion(&judged, requested.id);
            if !committed(Sin::PromotionAskedApart) {
                ask_for(world, &mut unit, requested)?;
            }
            operation::Command::Enter { stage: Stage::PreviewReady, evidence }
        }
        Step::Fail(failure) => operation::Command::Fail(failure),
        Step::Cancel => operation::Command::Cancel,
        Step::Wait(_) | Step::Done => return None,
    };
    unit.decide(&mut operation, command).ok()?;
    Some(unit)
}

/// Artifact and release, beside the stage that says so.
fn put_on_record(
    world: &World,
    unit: &mut Unit,
    operation: &Operation,
    release: &mut Loaded<Sinful<Deployment>>,
) -> Option<()> {
    let n = made(operation)?;
    let (digest, facts) = (bytes(n), ArtifactFacts { needs: needs(n), ..facts() });
    let id = ArtifactId::of(ACME, digest);
    let mut artifact = world.load::<Artifact>(id.0);
    let registered = artifact::Created { id, workspace: ACME, digest, size: 1, facts };
    unit.decide(&mut artifact, artifact::Command::Create(registered)).ok()?;
    unit.decide(release, deployment::Command::Create(created(n))).ok().map(drop)
}

fn entered_validating(attempt: Fence, operation: &Operation) -> Option<operation::Command> {
    let built = Built { attempt, plan: "python".into(), sandbox: None, size: 1, files: 1, took_ms: 1 };
    let digest = Some(bytes(made(operation)?));
    let evidence = Evidence { built: Some(built), digest, ..Evidence::default() };
    Some(operation::Command::Enter { stage: Stage::Validating, evidence })
}

fn ask_for(world: &World, unit: &mut Unit, requested: Requested) -> Option<()> {
    let mut promotion = world.load::<Operation>(requested.id.0);
    unit.decide(&mut promotion, operation::Command::Request(requested)).ok().map(drop)
}

/// Which of the deployments a deploy makes.
fn made(operation: &Operation) -> Option<usize> {
    operation.requested.as_ref()?.work.deployment().map(number)
}

/// The sins of two appends where there should be one.
fn apart(world: &mut World, (n, id, fence): Attempt, decided: &Decided) {
    let mut unit = world.unit(Writer::Pipeline, n, id.into(), None);
    let wanted = match &decided.step {
        Step::Do(Act::Promote) if committed(Sin::PromotionAskedApart) => {
            decided.promotion.clone().and_then(|requested| ask_for(world, &mut unit, requested))
        }
        Step::Do(Act::Build) if committed(Sin::ReleaseBeforeItsStage) => {
            put_on_record(world, &mut unit, &decided.operation.state.0, &mut decided.release.clone())
        }
        Step::Do(_) | Step::Enter(..) | Step::Fail(_) | Step::Cancel | Step::Wait(_) | Step::Done => None,
    };
    if wanted.is_some() {
        let _refused = world.commit(unit, None, Some(FenceCheck { lease: lease(id), fence }));
    }
}

/// The sins of a builder that reports without its lease, on the streams as they are by now.
fn hand_in_late(world: &mut World, attempt: Attempt, decided: &Decided) {
    if !matches!(decided.step, Step::Do(Act::Fetch | Act::Build)) {
        return;
    }
    let operation = world.load::<Operation>(attempt.1.0);
    let ended = operation.state.0.stage.is_some_and(Stage::is_final);
    if committed(Sin::LateBuildTaken) || committed(Sin::BuildAfterItsEnd) && ended {
        let release = world.load::<Deployment>(decided.release.stream.id());
        if let Some(unit) = carry_out(world, attempt, Decided { operation, release, ..decided.clone() }) {
            let _refused = world.commit(unit, None, None);
        }
    }
}
