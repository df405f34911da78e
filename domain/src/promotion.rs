//! The process manager of promotions and rollbacks: pure, from (operation, world) to the next step. It is asked again after
//! every step, by whichever worker holds the lease, so that a step done twice or a worker lost changes nothing.
//! Trap: deciding on a read model; the world it is shown is folded from streams, whose versions the append asserts.

use crate::{
    aggregate::Rejection as _,
    allocation::{Allocation, Placement, Planned, State},
    deployment::{Deployment, Validated},
    digest::Digest,
    edge_status::EdgeStatus,
    feed::Owner,
    ids::{AllocationId, HostId},
    numbers::Epoch,
    operation::{EdgeProof, Evidence, Failure, Gate, Kind, Operation, Requested, Stage, Verdict},
    route_owner::{self, Change, Opened, RouteOwner},
    text::Reason,
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
    /// The route it is about.
    pub owner: &'a RouteOwner,
    /// The deployment it is about.
    pub deployment: &'a Deployment,
    /// Every allocation of that deployment in that environment.
    pub allocations: &'a [Allocation],
    /// Hosts of the cell that reported lately, the least busy first.
    pub hosts: &'a [HostId],
    /// The region's edges that reported within [`EDGE_LIVE`].
    pub edges: &'a [EdgeStatus],
    /// The id of an allocation, should one be needed.
    pub new_allocation: AllocationId,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Go on to this stage.
    Enter(Stage, Evidence),
    /// Start an allocation.
    Plan(Planned),
    /// Change the route, and enter route_cas and edge_propagating in the same append.
    ChangeRoute(route_owner::Command),
    /// End badly.
    Fail(Failure),
    /// End early.
    Cancel,
    /// Come back when something has changed.
    Wait(&'static str),
    /// It has ended.
    Done,
}

/// The next step of an operation.
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
        Stage::PolicyCheck => start(world, requested),
        Stage::RouteCas => Step::Enter(Stage::EdgePropagating, Evidence::default()),
        Stage::EdgePropagating => propagate(world, requested),
        Stage::Healthy | Stage::RolledBack | Stage::Failed | Stage::Cancelled => Step::Done,
    }
}

fn check(world: &World<'_>, requested: &Requested) -> Step {
    let gates = gates(requested, world.owner, world.deployment);
    match refused(&gates, requested, world.owner) {
        Some(failure) => Step::Fail(failure),
        None => Step::Enter(Stage::PolicyCheck, Evidence { gates, ..Evidence::default() }),
    }
}

fn start(world: &World<'_>, requested: &Requested) -> Step {
    let gates = gates(requested, world.owner, world.deployment);
    if let Some(failure) = refused(&gates, requested, world.owner) {
        return Step::Fail(failure);
    }
    let state = |wanted: State| world.allocations.iter().filter(move |a| a.state == Some(wanted));
    let ready = state(State::Ready).any(|ready| ready.verified == Some(requested.artifact));
    match (ready, world.now < requested.deadline) {
        (true, true) => return change_route(world, requested),
        (true, false) => return overdue(world, "DEADLINE_PASSED", "the deadline passed before the route had changed"),
        (false, false) => {
            return overdue(world, "ALLOCATION_NOT_READY", "no allocation of this deployment became ready in time");
        }
        (false, true) => {}
    }
    if [State::Planned, State::Pulling, State::Starting].iter().any(|s| state(*s).next().is_some()) {
        return Step::Wait("an allocation is on its way");
    }
    if state(State::Failed).filter(|failed| planned_for(failed, requested)).count() >= FAILED_ALLOCATIONS {
        return overdue(world, "ALLOCATION_FAILED", "the deployment's allocations failed");
    }
    match (world.hosts.first(), world.deployment.validated.as_ref()) {
        (Some(host), Some(validated)) => {
            let min_epoch = requested.expected_epoch.next();
            let placement = Placement { id: world.new_allocation, host: *host, min_epoch };
            let owner = future_owner(requested, validated);
            Step::Plan(Planned::of(&lane_of(requested), &owner, validated, requested.drain, placement))
        }
        _ => Step::Wait("no host of the cell has reported lately"),
    }
}

/// Whether it was planned for a change decided on the same epoch; what failed in an earlier life says nothing about this one.
fn planned_for(allocation: &Allocation, requested: &Requested) -> bool {
    allocation.planned.as_ref().is_some_and(|planned| planned.min_epoch == requested.expected_epoch.next())
}

fn change_route(world: &World<'_>, requested: &Requested) -> Step {
    let Some(validated) = world.deployment.validated.as_ref() else {
        return Step::Wait("the deployment is not validated");
    };
    let seconds = i64::try_from(requested.drain.drain_seconds).unwrap_or(i64::MAX / 1_000);
    let change = Change {
        by: requested.id,
        expected: requested.expected_epoch,
        owner: future_owner(requested, validated),
        at: world.now,
        drain_until: world.now + TimeDelta::seconds(seconds),
    };
    Step::ChangeRoute(match (requested.kind, &requested.reason) {
        (Kind::Promotion, _) => route_owner::Command::Promote(change),
        (Kind::Rollback, Some(reason)) => route_owner::Command::RollBack { change, reason: reason.clone() },
        (Kind::Rollback, None) => return overdue(world, "REASON_MISSING", "a rollback has a reason"),
    })
}

/// Who will own the traffic.
fn future_owner(requested: &Requested, validated: &Validated) -> Owner {
    Owner {
        deployment: requested.deployment,
        artifact: requested.artifact,
        env_set: requested.env_set,
        health_path: validated.health_path.clone(),
    }
}

fn lane_of(requested: &Requested) -> Opened {
    Opened {
        environment: requested.environment,
        workspace: requested.workspace,
        app: requested.app,
        region: requested.region,
        cell: requested.cell,
    }
}

fn propagate(world: &World<'_>, requested: &Requested) -> Step {
    let epoch = world.operation.epoch.unwrap_or(requested.expected_epoch.next());
    if world.owner.epoch > epoch {
        return Step::Fail(Failure {
            code: "SUPERSEDED".into(),
            message: "another operation changed the route before every edge had confirmed this one".into(),
            expected: Some(epoch.to_string()),
            actual: Some(world.owner.epoch.to_string()),
            route_changed: true,
        });
    }
    let proofs = proofs(world.edges, requested, epoch);
    if !world.edges.is_empty() && proofs.len() == world.edges.len() {
        let stage = if requested.kind == Kind::Rollback { Stage::RolledBack } else { Stage::Healthy };
        let evidence =
            Evidence { epoch: Some(epoch), digest: Some(requested.artifact), edges: proofs, ..Evidence::default() };
        return Step::Enter(stage, evidence);
    }
    if world.now < requested.deadline {
        return Step::Wait("not every live edge has served the new owner yet");
    }
    if world.edges.is_empty() {
        return overdue(world, "NO_LIVE_EDGE", "no edge of the region reported within 15 seconds");
    }
    let mut failure = failure(world, "EDGES_NOT_CONVERGED", "not every live edge served the new owner in time");
    failure.expected = Some(format!("{} edges", world.edges.len()));
    failure.actual = Some(format!("{} edges", proofs.len()));
    Step::Fail(failure)
}

fn proofs(edges: &[EdgeStatus], requested: &Requested, epoch: Epoch) -> Vec<EdgeProof> {
    let proof = |edge: &EdgeStatus| {
        let mut here = edge.observations.iter().filter(|seen| seen.environment == requested.environment);
        let seen = here.find(|seen| seen.proves(epoch, requested.artifact))?;
        Some(EdgeProof {
            edge: edge.edge,
            applied: edge.applied,
            allocation: seen.allocation,
            digest: requested.artifact,
        })
    };
    edges.iter().filter_map(proof).collect()
}

/// The gates of a promotion or rollback, each with what it was judged on. Shown before the button is pressed, and judged
/// again by the operation.
pub fn gates(requested: &Requested, owner: &RouteOwner, deployment: &Deployment) -> Vec<Gate> {
    let (expected, artifact) = (requested.expected_epoch, requested.artifact);
    let route = match requested.kind {
        Kind::Promotion => owner.may_promote(expected, artifact),
        Kind::Rollback => owner.may_roll_back(expected, requested.deployment, artifact),
    };
    let mut gates = vec![artifact_gate(artifact, deployment)];
    let epoch = format!("expected {expected}, the route is at {}", owner.epoch);
    let stale = matches!(route, Err(route_owner::Rejection::StaleEpoch { .. } | route_owner::Rejection::NotFound));
    let said = match &route {
        Err(rejection) if stale => rejection.to_string(),
        Ok(()) | Err(_) => "the route is still the one this was decided on".to_owned(),
    };
    gates.push(gate("route_epoch", Verdict::pass_if(!stale), &said, &epoch));
    if !stale {
        let reason = route.as_ref().err().map_or_else(|| "nothing holds the route".to_owned(), ToString::to_string);
        let evidence = route.as_ref().err().map_or("OPEN", |rejection| rejection.code());
        gates.push(gate("route_policy", Verdict::pass_if(route.is_ok()), &reason, evidence));
    }
    gates
}

fn artifact_gate(artifact: Digest, deployment: &Deployment) -> Gate {
    match (&deployment.validated, &deployment.failed) {
        (_, Some(reason)) => gate("artifact", Verdict::Fail, reason, &artifact.to_string()),
        (Some(validated), None) if validated.digest == artifact => {
            gate("artifact", Verdict::Pass, "exactly these bytes were validated", &validated.checks.join("; "))
        }
        (Some(validated), None) => {
            gate("artifact", Verdict::Fail, "other bytes were validated", &validated.digest.to_string())
        }
        (None, None) => gate("artifact", Verdict::Fail, "the deployment is not validated", &artifact.to_string()),
    }
}

fn gate(kind: &str, verdict: Verdict, reason: &str, evidence: &str) -> Gate {
    Gate { kind: kind.into(), verdict, reason: reason.into(), evidence: evidence.into() }
}

fn refused(gates: &[Gate], requested: &Requested, owner: &RouteOwner) -> Option<Failure> {
    let closed = gates.iter().find(|gate| gate.verdict == Verdict::Fail)?;
    let (code, expected, actual) = match closed.kind.as_str() {
        "route_epoch" => {
            ("STALE_EPOCH".to_owned(), Some(requested.expected_epoch.to_string()), Some(owner.epoch.to_string()))
        }
        "route_policy" => (closed.evidence.clone(), None, None),
        _ => ("NOT_VALIDATED".to_owned(), None, None),
    };
    Some(Failure { code, message: closed.reason.clone(), expected, actual, route_changed: false })
}

fn overdue(world: &World<'_>, code: &str, message: &str) -> Step {
    Step::Fail(failure(world, code, message))
}

fn failure(world: &World<'_>, code: &str, message: &str) -> Failure {
    let route_changed = world.operation.stage.is_some_and(Stage::is_past_route_change);
    let message = if route_changed { format!("{message}; the route has changed") } else { message.to_owned() };
    Failure { code: code.into(), message, expected: None, actual: None, route_changed }
}

/// The reason of a rollback, for sentences.
pub fn reason(requested: &Requested) -> &str {
    requested.reason.as_ref().map_or("", Reason::as_str)
}

#[cfg(test)]
mod tests;
