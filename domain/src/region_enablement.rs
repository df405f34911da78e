//! Region enablement: a region becomes one that an environment's traffic may be moved to. Owner: Rhone. Writer: its operation,
//! which proves the region by running the owner's exact bytes there, as an allocation that serves nobody, and lets it go again.
//! Traps: a region that counts because a host is there; a proof that is taken for one of the owner's allocations.

use crate::{
    allocation::{self, Allocation, Cause, Placement, Planned, State, because},
    deployment::Deployment,
    environment::{self, DataTopology, Enabled},
    feed::Owner,
    gate::{self, Judged},
    ids::{AllocationId, AppId, CellId, EnvironmentId, HostId, RegionId},
    operation::{AllocationProof, Evidence, Failure, Operation, Requested, Stage},
    process,
    region_readiness::{self, Facts},
    route_owner::Place,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// How long an enablement may take.
pub const DEADLINE: TimeDelta = TimeDelta::seconds(120);

/// How many proof allocations may fail before the operation does.
const FAILED_ALLOCATIONS: usize = 2;

/// What an enablement is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enablement {
    /// The app.
    pub app: AppId,
    /// Whose traffic may be moved.
    pub environment: EnvironmentId,
    /// To which region. The request that it stands in has a region of its own.
    #[serde(rename = "to_region")]
    pub region: RegionId,
    /// Where in the region.
    #[serde(rename = "to_cell")]
    pub cell: CellId,
    /// Where its data is; what nobody has said is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topology: Option<DataTopology>,
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
    /// The deployment that owns the traffic, if one does.
    pub deployment: &'a Deployment,
    /// Every allocation that this operation planned, whatever became of it.
    pub proofs: &'a [Allocation],
    /// Hosts of the cell that reported lately and take allocations, the least busy first.
    pub hosts: &'a [HostId],
    /// The id of an allocation, should one be needed.
    pub new_allocation: AllocationId,
}

/// What an enablement does besides going on.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Start a proof allocation.
    Plan(Planned),
    /// Let one finish that proves nothing any more.
    Drain(AllocationId),
    /// Enable the region, let the proof finish, and enter eligible, all in one append.
    Enable(environment::Command, AllocationId, Evidence),
}

/// What to do next.
pub type Step = process::Step<Act>;

/// The gates: shown before the button is pressed, judged when it is accepted, and judged again at every step.
pub fn judge(facts: &Facts<'_>) -> Vec<Judged> {
    region_readiness::judge(facts)
}

/// The next step of an enablement.
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
    if let Some(refusal) = gate::closed(&judged) {
        return Step::Fail(refusal.failure());
    }
    at(world, requested, stage, &judged)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "an enablement goes through these stages alone")]
fn at(world: &World<'_>, requested: &Requested, stage: Stage, judged: &[Judged]) -> Step {
    let with_gates = |stage| Step::Enter(stage, Evidence { gates: gate::gates(judged), ..Evidence::default() });
    match stage {
        Stage::ReplicatingArtifacts => replicate(world, requested),
        _ if world.now >= requested.deadline => overdue(world, stage),
        Stage::Requested => with_gates(Stage::Provisioning),
        Stage::Provisioning if world.hosts.is_empty() => Step::Wait("no host of the cell takes an allocation now"),
        Stage::Provisioning => Step::Enter(Stage::BindingServices, Evidence::default()),
        Stage::BindingServices => with_gates(Stage::ReplicatingArtifacts),
        _ => Step::Done,
    }
}

/// The owner's exact bytes answer in the cell, or it is not proven.
fn replicate(world: &World<'_>, requested: &Requested) -> Step {
    let Some(owner) = &world.facts.owner.owner else { return Step::Done };
    let is_of_owner = |one: &&Allocation| one.planned.as_ref().is_some_and(|planned| planned.runs() == owner.runs());
    let (of_owner, others): (Vec<_>, Vec<_>) = world.proofs.iter().partition(is_of_owner);
    if let Some(stale) = others.into_iter().filter(|one| one.is_alive()).find_map(id_of) {
        return Step::Do(Act::Drain(stale));
    }
    let ready = |one: &&&Allocation| one.state == Some(State::Ready) && one.verified == Some(owner.artifact);
    if let Some(proof) = of_owner.iter().find(ready) {
        return enable(world, requested, proof, owner);
    }
    let failed: Vec<_> = of_owner.iter().filter(|one| one.state == Some(State::Failed)).collect();
    if failed.len() >= FAILED_ALLOCATIONS {
        let refused = failed.iter().any(|one| one.cause == Some(Cause::ArtifactRefused));
        let (code, what) = if refused { ("ARTIFACT_ABSENT", "come to") } else { ("ALLOCATION_FAILED", "run in") };
        let failure = failure(code, &format!("the owner's exact bytes do not {what} the region"), None);
        return Step::Fail(because(failure, failed.into_iter().copied()));
    }
    if world.now >= requested.deadline {
        return overdue(world, Stage::ReplicatingArtifacts);
    }
    if of_owner.iter().any(|one| one.is_alive()) {
        return Step::Wait("the owner's bytes are on their way to the region");
    }
    plan(world, requested, owner)
}

fn plan(world: &World<'_>, requested: &Requested, owner: &Owner) -> Step {
    let wanted = world.facts.wanted;
    let lane = world.facts.owner.lane().map(|lane| lane.at(Place { region: wanted.region, cell: wanted.cell }));
    let drain = world.facts.environment.drain();
    match (world.hosts.first(), &world.deployment.validated, lane) {
        (Some(host), Some(validated), Some(lane)) => {
            let min_epoch = world.facts.owner.epoch;
            let placement = Placement { id: world.new_allocation, host: *host, min_epoch };
            let order = Planned::of(&lane, owner, validated, drain, placement);
            Step::Do(Act::Plan(Planned { proves: Some(requested.id), ..order }))
        }
        _ => Step::Wait("no host of the cell takes an allocation now"),
    }
}

fn enable(world: &World<'_>, requested: &Requested, proof: &Allocation, owner: &Owner) -> Step {
    let Enablement { region, cell, topology, .. } = *world.facts.wanted;
    let (Some(topology), Some(id)) = (topology, id_of(proof)) else { return Step::Done };
    let enabled = Enabled { region, cell, by: requested.id, topology };
    let evidence = Evidence {
        gates: gate::gates(&judge(&world.facts)),
        digest: Some(owner.artifact),
        allocations: AllocationProof::of(proof).into_iter().collect(),
        ..Evidence::default()
    };
    Step::Do(Act::Enable(environment::Command::EnableRegion(enabled), id, evidence))
}

fn id_of(one: &Allocation) -> Option<AllocationId> {
    one.planned.as_ref().map(|planned| planned.id)
}

/// What a bad or an early end lets go, in the append that ends it.
pub fn leftover(proofs: &[Allocation]) -> Vec<AllocationId> {
    proofs.iter().filter(|one| one.is_alive()).filter_map(id_of).collect()
}

/// What is told to a proof that has done its work.
pub fn let_go(now: DateTime<Utc>) -> allocation::Command {
    let reason = "it was there to prove the region".to_owned();
    allocation::Command::Drain { reason, deadline: Some(now) }
}

fn overdue(world: &World<'_>, stage: Stage) -> Step {
    if stage == Stage::Provisioning {
        return fail("NO_HOST", "no host of the cell took an allocation in time", None);
    }
    if stage == Stage::ReplicatingArtifacts {
        let states = world.proofs.iter().filter_map(|one| one.state).map(State::as_str).collect::<Vec<_>>();
        let actual = if states.is_empty() { "none".to_owned() } else { states.join(", ") };
        let message = "the owner's exact bytes did not answer in the region in time";
        return fail("ALLOCATION_NOT_READY", message, Some(("1 ready".to_owned(), actual)));
    }
    fail("DEADLINE_PASSED", "the deadline passed before the region was proven", None)
}

fn fail(code: &str, message: &str, numbers: Option<(String, String)>) -> Step {
    Step::Fail(failure(code, message, numbers))
}

fn failure(code: &str, message: &str, numbers: Option<(String, String)>) -> Failure {
    let (expected, actual) = numbers.unzip();
    Failure { code: code.to_owned(), message: message.to_owned(), expected, actual, route_changed: false }
}

#[cfg(test)]
pub(crate) mod tests;
