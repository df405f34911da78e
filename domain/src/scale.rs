//! Scale: another number of allocations for an environment's owner. Owner: Rhone. Writer: the scale operation, which changes
//! the environment's wanted number by compare-and-swap; the scheduler then starts or drains. Before, its gate asks whether the
//! runtime services that several allocations need are proven there. A bad end gives the former number back.
//! Trap: allowing horizontal scale while required runtime services are missing.

use crate::{
    allocation::{Allocation, State},
    environment::{self, Environment, Replicas},
    gate::{self, Code, Judged, Refusal},
    ids::{AllocationId, AppId, DeploymentId, EnvironmentId, HostId},
    operation::{AllocationProof, Evidence, Failure, Operation, Requested, Stage},
    process,
    provider::Needs,
    route_owner::RouteOwner,
    runtime_service::Standings,
    scale_readiness::{self, Readiness},
    scheduling,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What a scale operation is to do, complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scale {
    /// The app.
    pub app: AppId,
    /// Whose owner.
    pub environment: EnvironmentId,
    /// The owner when it was asked; if another one takes over meanwhile, the number is kept for that one.
    pub deployment: DeploymentId,
    /// The number it was decided on.
    pub from: Replicas,
    /// The number that is wanted.
    pub replicas: Replicas,
}

/// What the gates look at, folded from streams whose versions the append asserts.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// What is asked.
    pub scale: &'a Scale,
    /// The environment.
    pub environment: &'a Environment,
    /// Who owns its traffic.
    pub owner: &'a RouteOwner,
    /// What the owner's artifact says it needs.
    pub needs: &'a Needs,
    /// How the runtime services stand there.
    pub standings: &'a Standings,
}

/// All that the next step depends on.
#[derive(Clone, Debug)]
pub struct World<'a> {
    /// The moment.
    pub now: DateTime<Utc>,
    /// The operation.
    pub operation: &'a Operation,
    /// What its gates look at.
    pub facts: Facts<'a>,
    /// Every allocation of the environment that has not ended.
    pub allocations: &'a [Allocation],
    /// Those that a running operation is about to drain: the scheduler replaces them.
    pub leaving: &'a [AllocationId],
    /// Hosts that were silent for so long that what they run is replaced.
    pub lost: &'a [HostId],
}

/// What a scale operation does besides going on: it wants the number, and enters `scaling` in the same append.
#[derive(Clone, Debug, PartialEq)]
pub struct Want(pub environment::Command);

/// What to do next.
pub type Step = process::Step<Want>;

/// The gates: shown before the button is pressed, judged when it is accepted, and judged again.
pub fn judge(facts: &Facts<'_>) -> Vec<Judged> {
    let scale = facts.scale;
    let from = environment::Rejection::StaleReplicas { expected: scale.from, actual: facts.environment.replicas };
    let evidence = format!("from {} to {}", scale.from, scale.replicas);
    let owner = match &facts.owner.owner {
        Some(owner) => Judged::open("owner", "a deployment owns the traffic", owner.deployment.to_string()),
        None => {
            let refusal = Refusal::new(Code::NoOwner, Some("environmentId"), "no deployment owns the traffic yet");
            Judged::closed("owner", refusal, "none")
        }
    };
    let replicas = if facts.environment.replicas == scale.from {
        Judged::open("replicas", "the environment still wants the number that this was decided on", evidence)
    } else {
        Judged::closed("replicas", Refusal::of(&from), evidence)
    };
    vec![owner, replicas, readiness(facts)]
}

/// Whether what several allocations need is there; fewer than before never need more.
fn readiness(facts: &Facts<'_>) -> Judged {
    const KIND: &str = "scale_readiness";
    if facts.scale.replicas <= facts.scale.from {
        return Judged::open(KIND, "fewer allocations need nothing more", "NOT_NEEDED");
    }
    let judged = scale_readiness::judge(facts.scale.replicas.0.into(), &facts.needs.services, facts.standings);
    match (&judged, judged.lacking()) {
        (_, Some(lacking)) => {
            let message = format!("{} allocations cannot serve one environment: {lacking}", facts.scale.replicas);
            Judged::closed(KIND, Refusal::new(Code::RuntimeServiceMissing, Some("replicas"), message), lacking)
        }
        (Readiness::Allowed(there), None) => {
            let there = there.iter().map(|(service, backend)| format!("{service}: {backend}")).collect::<Vec<_>>();
            Judged::open(KIND, "every runtime service that is needed is proven", there.join(", "))
        }
        (Readiness::Blocked(_), None) => unreachable!("what is blocked lacks something"),
    }
}

/// The next step of an operation.
pub fn next(world: &World<'_>) -> Step {
    let (Some(requested), Some(stage)) = (&world.operation.requested, world.operation.stage) else {
        return Step::Done;
    };
    if stage.is_final() {
        return Step::Done;
    }
    if world.operation.cancel.is_some() {
        return Step::Cancel;
    }
    let judged = judge(&world.facts);
    let closed = gate::closed(&judged);
    match (stage, closed) {
        (Stage::Requested | Stage::PolicyCheck, Some(refusal)) => Step::Fail(refusal.failure()),
        (Stage::Requested | Stage::PolicyCheck, None) if world.now >= requested.deadline => {
            Step::Fail(failure("DEADLINE_PASSED", "the deadline passed before another number was wanted"))
        }
        (Stage::Requested, None) => {
            Step::Enter(Stage::PolicyCheck, Evidence { gates: gate::gates(&judged), ..Evidence::default() })
        }
        (Stage::PolicyCheck, None) => Step::Do(Want(want(requested, world.facts.scale))),
        (Stage::Scaling, _) => scaling(world, requested),
        _ => Step::Done,
    }
}

fn want(requested: &Requested, scale: &Scale) -> environment::Command {
    environment::Command::Scale { by: requested.id, expected: scale.from, replicas: scale.replicas }
}

fn scaling(world: &World<'_>, requested: &Requested) -> Step {
    let (environment, wanted) = (world.facts.environment, world.facts.scale.replicas);
    if environment.scaled_by != Some(requested.id) {
        let rejection = environment::Rejection::StaleReplicas { expected: wanted, actual: environment.replicas };
        return Step::Fail(Refusal::of(&rejection).failure());
    }
    let counted = scheduling::counted(world.facts.owner, world.allocations, world.leaving, world.lost);
    let (ready, others): (Vec<_>, Vec<_>) = counted.into_iter().partition(|one| one.state == Some(State::Ready));
    if ready.len() == usize::from(wanted.0) && others.is_empty() {
        let allocations = ready.into_iter().filter_map(AllocationProof::of).collect();
        return Step::Enter(Stage::Verified, Evidence { allocations, ..Evidence::default() });
    }
    if world.now < requested.deadline {
        return Step::Wait("the scheduler brings the owner to the wanted number");
    }
    let mut failure = failure("NOT_SCALED", "the wanted number of allocations was not ready in time");
    failure.expected = Some(format!("{wanted} ready"));
    failure.actual = Some(format!("{} ready, {} on their way", ready.len(), others.len()));
    Step::Fail(failure)
}

/// What a bad end gives back, in the same append: the former number, as long as nobody else has changed it.
pub fn give_back(requested: &Requested, scale: &Scale, environment: &Environment) -> Option<environment::Command> {
    let ours = environment.scaled_by == Some(requested.id) && environment.replicas == scale.replicas;
    ours.then_some(environment::Command::Scale { by: requested.id, expected: scale.replicas, replicas: scale.from })
}

fn failure(code: &str, message: &str) -> Failure {
    Failure { code: code.into(), message: message.into(), expected: None, actual: None, route_changed: false }
}

#[cfg(test)]
pub(crate) mod tests;
