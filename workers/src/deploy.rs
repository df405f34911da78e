//! Does what the process manager of deploys asks for: fetches, builds, keeps the bytes, and appends what came of it, one stage
//! an append. What takes minutes ends early when somebody wants to cancel, when its time is over or the lease is lost.
//! Trap: a stage entered on the strength of files; the append that enters validating comes after the bytes are in the store.

mod credential;
mod image;
mod make;

use crate::{
    config::Builds,
    drive::Lease,
    process::{AdvanceError, Drive, Outcome, decide, named},
};
use make::{Made, Maker};
use rhone_domain::{
    artifact::{self, Artifact},
    deploy::{self, Act, Deploy, Origin, Step, World},
    deployment::{self, Deployment},
    environment::Environment,
    gate::{self, Judged},
    ids::{ArtifactId, OperationId},
    numbers::EnvSet,
    operation::{self, Evidence, Failure, Kind, Operation, Requested, Stage},
    promotion::Ask,
};
use rhone_eventstore::{Loaded, Unit};
use rhone_projections::{
    authority::allocations::{self, Ended},
    gate_facts::GateFacts,
};
use std::{future::Future, sync::Arc, time::Duration};

/// How often whoever works long looks whether it still should.
const LOOK: Duration = Duration::from_millis(500);

/// The world as it was read, to be asserted.
struct Read {
    gates: GateFacts,
    promotion: Option<Requested>,
    judged: Vec<Judged>,
}

/// What a step came to.
enum Came<T> {
    Made(T),
    Failed(Failure),
    Interrupted,
}

/// Does the next step of a deploy.
pub(crate) async fn advance(mut drive: Drive<'_>, deploy: &Deploy) -> Result<Outcome, AdvanceError> {
    let mut read = read(&drive, deploy).await?;
    let step = next(&drive, &read);
    let mut unit = drive.unit();
    let step = match step {
        Step::Done => return Ok(Outcome::Ended),
        Step::Wait(what) => return Ok(drive.wait(what)),
        Step::Do(act) => {
            let Some(builds) = drive.config.builds.clone() else {
                return Ok(drive.wait("this worker builds nothing"));
            };
            match carry_out(&mut drive, &mut unit, &mut read, (deploy, &builds), act).await? {
                Came::Made(step) => step,
                Came::Failed(failure) => Step::Fail(failure),
                Came::Interrupted => return Ok(drive.wait("the work was given up")),
            }
        }
        Step::Enter(Stage::PreviewReady | Stage::Blocked, _) => {
            read.gates.assert(&mut unit);
            step
        }
        Step::Enter(..) | Step::Fail(_) | Step::Cancel => step,
    };
    drive.go_on(&mut unit, &step)?;
    drive.commit(unit, named(&step, |act| format!("{act:?}").to_lowercase())).await
}

/// Does the work of a step; what it came to is the step to append.
async fn carry_out(
    drive: &mut Drive<'_>,
    unit: &mut Unit,
    read: &mut Read,
    (deploy, builds): (&Deploy, &Arc<Builds>),
    act: Act,
) -> Result<Came<Step>, AdvanceError> {
    let sign_in = match act {
        Act::Fetch | Act::Build => match credential::of(drive, deploy).await? {
            Ok(sign_in) => sign_in,
            Err(failure) => return Ok(Came::Failed(failure)),
        },
        Act::Validate | Act::Promote => None,
    };
    let maker = Maker::new(drive, deploy, builds, sign_in);
    Ok(match act {
        Act::Fetch => match unless_interrupted(drive, maker.fetch()).await {
            Came::Made(fetched) => {
                Came::Made(Step::Enter(Stage::Building, Evidence { fetched: Some(fetched), ..Evidence::default() }))
            }
            Came::Failed(failure) => Came::Failed(failure),
            Came::Interrupted => Came::Interrupted,
        },
        Act::Build => match unless_interrupted(drive, maker.build(&drive.operation.state.evidence)).await {
            Came::Made(made) => {
                put_on_record(drive, unit, &mut read.gates.deployment, deploy, &made).await?;
                let (built, digest) = (Some(made.built), Some(made.digest));
                Came::Made(Step::Enter(Stage::Validating, Evidence { built, digest, ..Evidence::default() }))
            }
            Came::Failed(failure) => Came::Failed(failure),
            Came::Interrupted => Came::Interrupted,
        },
        Act::Validate => match unless_interrupted(drive, maker.read_back(&read.gates.deployment.state)).await {
            Came::Made((digest, facts)) => {
                let validate = deployment::Command::Validate { digest, facts: Box::new(facts) };
                decide(unit, &mut read.gates.deployment, validate)?;
                Came::Made(Step::Do(act))
            }
            Came::Failed(failure) => Came::Failed(failure),
            Came::Interrupted => Came::Interrupted,
        },
        Act::Promote => promote(drive, unit, read).await?,
    })
}

/// Artifact and release, in the append that enters validating.
async fn put_on_record(
    drive: &Drive<'_>,
    unit: &mut Unit,
    release: &mut Loaded<Deployment>,
    deploy: &Deploy,
    made: &Made,
) -> Result<(), AdvanceError> {
    let workspace = drive.requested.workspace;
    let id = ArtifactId::of(workspace, made.digest);
    let mut artifact = drive.door.load::<Artifact>(id).await?;
    let (digest, size, facts) = (made.digest, made.built.size, made.facts.clone());
    let registered = artifact::Created { id, workspace, digest, size, facts };
    decide(unit, &mut artifact, artifact::Command::Create(registered))?;
    let source = match (&deploy.origin, &drive.operation.state.evidence.fetched) {
        (Origin::Git { repository, .. }, Some(fetched)) => {
            fetched.commit.clone().map(|commit| deployment::Source { repository: repository.clone(), commit })
        }
        (Origin::Git { .. } | Origin::Image { .. }, _) => None,
    };
    let created = deployment::Created {
        id: deploy.deployment,
        workspace,
        app: deploy.app,
        artifact: id,
        digest: made.digest,
        source,
        env_set: EnvSet(0),
    };
    decide(unit, release, deployment::Command::Create(created))
}

/// The promotion that follows, and the end of the deploy that names it.
async fn promote(drive: &mut Drive<'_>, unit: &mut Unit, read: &Read) -> Result<Came<Step>, AdvanceError> {
    let Some(requested) = read.promotion.clone() else { return Ok(Came::Interrupted) };
    read.gates.assert(unit);
    let evidence = deploy::evidence_of_promotion(&read.judged, requested.id);
    let mut promotion = drive.door.load::<Operation>(requested.id).await?;
    decide(unit, &mut promotion, operation::Command::Request(requested))?;
    Ok(Came::Made(Step::Enter(Stage::PreviewReady, evidence)))
}

fn next(drive: &Drive<'_>, read: &Read) -> Step {
    deploy::next(&World {
        now: drive.config.clock.now(),
        operation: &drive.operation.state,
        deployment: &read.gates.deployment.state,
        judged: &read.judged,
    })
}

async fn read(drive: &Drive<'_>, wanted: &Deploy) -> Result<Read, AdvanceError> {
    let mut connection = drive.config.pool.acquire().await?;
    let deployed = Some(wanted.deployment);
    let rows = allocations::of_environment(&mut connection, wanted.environment, deployed, Ended::Excluded).await?;
    drop(connection);
    let gates = GateFacts::load(&drive.door, wanted.environment, wanted.deployment, rows).await?;
    let settings = drive.door.load::<Environment>(wanted.environment).await?.state;
    let ask = Ask {
        kind: Kind::Promotion,
        reason: None,
        expected: None,
        drain: settings.drain(),
        by: Some(wanted.requested_by),
        acknowledgements: Vec::new(),
    };
    let id: OperationId = drive.config.clock.new_id();
    let promotion = gates.requested(&ask, id, drive.config.clock.now());
    let judged = promotion.as_ref().and_then(|promotion| gates.facts(promotion)).map(|facts| gate::judge(&facts));
    Ok(Read { judged: judged.unwrap_or_default(), promotion, gates })
}

/// Does the work unless somebody wants it to end; it is then dropped with every process that it started.
async fn unless_interrupted<T>(drive: &Drive<'_>, work: impl Future<Output = Result<T, Failure>>) -> Came<T> {
    tokio::select! {
        done = work => match done {
            Ok(made) => Came::Made(made),
            Err(failure) => Came::Failed(failure),
        },
        () = interrupted(drive) => Came::Interrupted,
    }
}

async fn interrupted(drive: &Drive<'_>) {
    let mut lease = drive.lease.clone();
    let ends = deploy::ends(&drive.requested, &drive.operation.state.evidence);
    loop {
        let over = drive.config.clock.now() >= ends || *lease.borrow_and_update() == Lease::Lost;
        let wanted = drive.door.load::<Operation>(drive.requested.id).await;
        // A log that cannot be read ends nothing; the append will say so.
        if over || wanted.is_ok_and(|operation| operation.state.cancel.is_some()) {
            return;
        }
        let _ = tokio::time::timeout(LOOK, lease.changed()).await;
    }
}
