//! The process manager of promotions, rollbacks and failovers: pure, from (operation, world) to the next step. It is asked again after
//! every step, by whichever worker holds the lease, so that a step done twice or a worker lost changes nothing.
//! Trap: deciding on a read model; the world it is shown is folded from streams, whose versions the append asserts.

mod ask;

pub use ask::Ask;

use crate::{
    allocation::{Allocation, Cause, Placement, Planned, State, because},
    deployment::Validated,
    edge_status::EdgeStatus,
    feed::Owner,
    gate::{self, Facts, allocations},
    ids::{AllocationId, HostId},
    numbers::{Epoch, seconds},
    operation::{EdgeProof, Evidence, Failure, Gate, Operation, Requested, RouteChange, Stage, Work},
    process,
    region_failover::Failover,
    route_owner::{self, Change, Opened},
    scheduling,
};
use chrono::{DateTime, TimeDelta, Utc};

/// How long an edge that has not reported still counts as live.
pub const EDGE_LIVE: TimeDelta = TimeDelta::seconds(15);

/// How many allocations may fail before the operation does.
const FAILED_ALLOCATIONS: usize = 2;

/// All that the next step depends on.
#[derive(Clone, Debug)]
pub struct World<'a> {
    /// The moment.
    pub now: DateTime<Utc>,
    /// The operation.
    pub operation: &'a Operation,
    /// What its gates look at.
    pub facts: Facts<'a>,
    /// Hosts of the cell that reported lately, the least busy first.
    pub hosts: &'a [HostId],
    /// The region's edges that reported within [`EDGE_LIVE`].
    pub edges: &'a [EdgeStatus],
    /// The same of the region that a failover leaves; none otherwise.
    pub left: &'a [EdgeStatus],
    /// The id of an allocation, should one be needed.
    pub new_allocation: AllocationId,
}

/// What a promotion or rollback does besides going on.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Start an allocation.
    Plan(Planned),
    /// Change the route, and enter route_cas and edge_propagating in the same append, with the gates on record as they were judged
    /// for it.
    ChangeRoute(route_owner::Command, Vec<Gate>),
}

/// What to do next.
pub type Step = process::Step<Act>;

/// The next step of an operation.
#[expect(clippy::wildcard_enum_match_arm, reason = "the stages of other machines, none of which it can stand at")]
pub fn next(world: &World<'_>) -> Step {
    let (Some(requested), Some(stage)) = (&world.operation.requested, world.operation.stage) else {
        return Step::Done;
    };
    if stage.is_final() {
        return Step::Done;
    }
    if world.operation.cancel.is_some() && !stage.is_past_route_change() {
        return Step::Cancel;
    }
    match stage {
        Stage::Requested => check(world, requested),
        Stage::PolicyCheck => start(world, requested, world.facts.change),
        Stage::RouteCas => Step::Enter(Stage::EdgePropagating, Evidence::default()),
        Stage::EdgePropagating => propagate(world, requested, world.facts.change),
        _ => Step::Done,
    }
}

fn check(world: &World<'_>, requested: &Requested) -> Step {
    let judged = gate::judge(&world.facts);
    match gate::closed(&judged) {
        Some(refusal) => Step::Fail(refusal.failure()),
        None if world.now >= requested.deadline => {
            overdue(world, "DEADLINE_PASSED", "the deadline passed before its gates were on record")
        }
        None => {
            let sessions = failover_of(world).map(|failover| failover.sessions);
            Step::Enter(Stage::PolicyCheck, Evidence { gates: gate::gates(&judged), sessions, ..Evidence::default() })
        }
    }
}

fn start(world: &World<'_>, requested: &Requested, change: &RouteChange) -> Step {
    let judged = gate::judge(&world.facts);
    if let Some(refusal) = gate::closed(&judged) {
        return Step::Fail(refusal.failure());
    }
    let meant = allocations::meant(&world.facts);
    match (allocations::settle(&world.facts).refusal, world.now < requested.deadline) {
        (None, true) => change_route(world, requested, change, gate::gates(&judged)),
        (None, false) => overdue(world, "DEADLINE_PASSED", "the deadline passed before the route had changed"),
        (Some(short), false) => Step::Fail(because(short.failure(), failed_for(&meant, change))),
        (Some(_), true) => start_or_await(world, change, &meant),
    }
}

/// Too few are ready yet: as many are started as are not on their way already.
fn start_or_await(world: &World<'_>, change: &RouteChange, meant: &[&Allocation]) -> Step {
    let coming = |one: &&&Allocation| {
        let on_its_way = matches!(one.state, Some(State::Planned | State::Pulling | State::Starting));
        on_its_way || gate::rests_on(one, world.facts.requested, world.facts.owner)
    };
    if meant.iter().filter(coming).count() >= usize::from(world.facts.environment.replicas.0) {
        return Step::Wait("an allocation is on its way");
    }
    let failed = failed_for(meant, change);
    // What went with its host says nothing of the artifact.
    let by_itself = failed.iter().filter(|one| one.cause != Some(Cause::HostLost));
    if by_itself.count() >= FAILED_ALLOCATIONS {
        let failure = failure(world, "ALLOCATION_FAILED", "the deployment's allocations failed");
        return Step::Fail(because(failure, failed));
    }
    match (scheduling::place(world.hosts, meant), world.facts.deployment.validated.as_ref()) {
        (Some(host), Some(validated)) => {
            let min_epoch = change.expected_epoch.next();
            let placement = Placement { id: world.new_allocation, host, min_epoch };
            let owner = future_owner(change, validated);
            Step::Do(Act::Plan(Planned::of(&lane_of(world), &owner, validated, change.drain, placement)))
        }
        _ => Step::Wait("no host of the cell has reported lately"),
    }
}

/// Those that failed for this change.
fn failed_for<'a>(meant: &[&'a Allocation], change: &RouteChange) -> Vec<&'a Allocation> {
    meant.iter().copied().filter(|one| one.state == Some(State::Failed) && planned_for(one, change)).collect()
}

/// Whether it was planned for a change decided on the same epoch; what failed in an earlier life says nothing about this one.
fn planned_for(allocation: &Allocation, change: &RouteChange) -> bool {
    allocation.planned.as_ref().is_some_and(|planned| planned.min_epoch == change.expected_epoch.next())
}

fn change_route(world: &World<'_>, requested: &Requested, change: &RouteChange, gates: Vec<Gate>) -> Step {
    let Some(validated) = world.facts.deployment.validated.as_ref() else {
        return Step::Wait("the deployment is not validated");
    };
    let wanted = Change {
        by: requested.id,
        expected: change.expected_epoch,
        owner: future_owner(change, validated),
        at: world.now,
        drain_until: world.now + seconds(change.drain.drain_seconds),
    };
    let command = match (&requested.work, &requested.reason) {
        (Work::RegionFailover(failover), _) => route_owner::Command::Move(failover.relocation(requested.id, world.now)),
        (Work::Rollback(_), Some(reason)) => route_owner::Command::RollBack { change: wanted, reason: reason.clone() },
        (Work::Promotion(_), _) => route_owner::Command::Promote(wanted),
        _ => return overdue(world, "REASON_MISSING", "a rollback has a reason"),
    };
    Step::Do(Act::ChangeRoute(command, gates))
}

/// Who will own the traffic.
fn future_owner(change: &RouteChange, validated: &Validated) -> Owner {
    Owner {
        deployment: change.deployment,
        artifact: change.artifact,
        env_set: change.env_set,
        health_path: validated.health_path.clone(),
        replay: validated.replay.clone(),
    }
}

/// Where its allocations belong: where the traffic is served, or where a failover lets it be served. The gates have seen that
/// the route is open.
fn lane_of(world: &World<'_>) -> Opened {
    let lane = world.facts.owner.lane().expect("a closed route's gate ends the operation before this");
    failover_of(world).map_or_else(|| lane.clone(), |failover| lane.at(failover.to))
}

fn failover_of<'a>(world: &World<'a>) -> Option<&'a Failover> {
    world.operation.requested.as_ref()?.work.failover()
}

fn propagate(world: &World<'_>, requested: &Requested, change: &RouteChange) -> Step {
    let epoch = world.operation.epoch.unwrap_or(change.expected_epoch.next());
    let actual = world.facts.owner.epoch;
    if actual > epoch {
        return Step::Fail(Failure {
            code: "SUPERSEDED".into(),
            message: "another operation changed the route before every edge had confirmed this one".into(),
            expected: Some(epoch.to_string()),
            actual: Some(actual.to_string()),
            route_changed: true,
        });
    }
    let proofs = proofs(world.edges, change, epoch);
    let unaware = failover_of(world).map_or(0, |failover| failover.unaware(world.left, epoch));
    if !world.edges.is_empty() && proofs.len() == world.edges.len() && unaware == 0 {
        let stage = if matches!(requested.work, Work::Rollback(_)) { Stage::RolledBack } else { Stage::Healthy };
        let evidence =
            Evidence { epoch: Some(epoch), digest: Some(change.artifact), edges: proofs, ..Evidence::default() };
        return Step::Enter(stage, evidence);
    }
    if world.now < requested.deadline {
        return Step::Wait("not every live edge has served the new owner yet");
    }
    if world.edges.is_empty() {
        return overdue(world, "NO_LIVE_EDGE", "no edge of the region reported within 15 seconds");
    }
    if proofs.len() == world.edges.len() {
        let words = "not every live edge of the region that was left has taken over that it serves this no longer";
        let mut failure = failure(world, "FORMER_EDGES_NOT_CONVERGED", words);
        failure.expected = Some(format!("{} edges", world.left.len()));
        failure.actual = Some(format!("{} edges", world.left.len() - unaware));
        return Step::Fail(failure);
    }
    let mut failure = failure(world, "EDGES_NOT_CONVERGED", "not every live edge served the new owner in time");
    failure.expected = Some(format!("{} edges", world.edges.len()));
    failure.actual = Some(format!("{} edges", proofs.len()));
    Step::Fail(failure)
}

fn proofs(edges: &[EdgeStatus], change: &RouteChange, epoch: Epoch) -> Vec<EdgeProof> {
    let proof = |edge: &EdgeStatus| {
        let mut here = edge.observations.iter().filter(|seen| seen.environment == change.environment);
        let seen = here.find(|seen| seen.proves(epoch, change.artifact))?;
        Some(EdgeProof { edge: edge.edge, applied: edge.applied, allocation: seen.allocation, digest: change.artifact })
    };
    edges.iter().filter_map(proof).collect()
}

fn overdue(world: &World<'_>, code: &str, message: &str) -> Step {
    Step::Fail(failure(world, code, message))
}

fn failure(world: &World<'_>, code: &str, message: &str) -> Failure {
    let route_changed = world.operation.stage.is_some_and(Stage::is_past_route_change);
    let message = if route_changed { format!("{message}; the route has changed") } else { message.to_owned() };
    Failure { code: code.into(), message, expected: None, actual: None, route_changed }
}

#[cfg(test)]
pub(crate) mod tests;
