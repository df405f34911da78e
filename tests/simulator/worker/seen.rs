//! What a worker sees of the world when it decides on a change of owner: as it is, or with the sin of whoever looks at it.

use crate::{
    sins::{Sin, committed},
    world::World,
};
use rhone_domain::{
    allocation::{Allocation, State},
    edge_status::{EdgeStatus, Observation},
    ids::{DeploymentId, EnvironmentId},
    numbers::Epoch,
    operation::{Operation, Requested, RouteChange, Work},
    route_owner::RouteOwner,
};
use rhone_tests::rules::{at, bytes};

/// The allocations of a deployment as the process manager sees them: with the sins of whoever counts them.
pub(super) fn counted(world: &World, work: &Work, change: &RouteChange) -> Vec<Allocation> {
    let of_deployment = |one: &Allocation| {
        let planned = one.planned.as_ref();
        let here = committed(Sin::PreviewAllocationCounts)
            || planned.is_some_and(|planned| planned.environment == change.environment);
        here && planned.is_some_and(|planned| planned.deployment == change.deployment)
    };
    let mut allocations = world.allocations(of_deployment);
    if committed(Sin::PreviewAllocationCounts) {
        for planned in allocations.iter_mut().filter_map(|one| one.planned.as_mut()) {
            planned.environment = change.environment;
        }
    }
    if committed(Sin::UnreadyAllocationCounts) {
        for one in &mut allocations {
            one.state = one.state.map(|state| if state.is_final() { state } else { State::Ready });
            one.verified = Some(change.artifact);
        }
    }
    if committed(Sin::FormerPlaceCounts)
        && let Some(failover) = work.failover()
    {
        for planned in allocations.iter_mut().filter_map(|one| one.planned.as_mut()) {
            (planned.region, planned.cell) = (failover.to.region, failover.to.cell);
        }
    }
    if committed(Sin::SetIgnored) {
        for planned in allocations.iter_mut().filter_map(|one| one.planned.as_mut()) {
            planned.env_set = change.env_set;
        }
    }
    allocations
}

/// The operation as its gates see it: with the sin of whoever takes one acknowledgement for another.
pub(super) fn acknowledged(world: &World, operation: &Operation) -> Operation {
    let mut seen = operation.clone();
    if committed(Sin::RecordAcknowledges)
        && let Some(Work::Promotion(change)) = seen.requested.as_mut().map(|requested| &mut requested.work)
    {
        let (here, tables) = (change.environment, world.door.log().tables());
        for (one, _) in tables.operations.values() {
            if let Some(Work::Migration(told)) = one.requested.as_ref().map(|requested| &requested.work)
                && told.environment == here
            {
                change.acknowledgements.extend(told.acknowledgements.iter().cloned());
            }
        }
    }
    seen
}

/// The route as the gates see it: with the sins of whoever judges it.
pub(super) fn seen(owner: &RouteOwner, expected: Epoch, n: usize) -> RouteOwner {
    let mut seen = owner.clone();
    if committed(Sin::NoCompareAndSwap) && seen.lane().is_some() {
        seen.epoch = expected;
    }
    if committed(Sin::RollbackToStranger) {
        seen.former.insert(rhone_tests::rules::deployment(n), rhone_tests::rules::owner(n));
    }
    if committed(Sin::PinIgnored) {
        seen.pin = None;
    }
    if committed(Sin::FreezeIgnored) {
        seen.frozen = None;
    }
    if committed(Sin::QuarantineIgnored) {
        seen.quarantined.clear();
    }
    seen
}

pub(super) fn edges(
    world: &World,
    requested: &Requested,
    (environment, deployment, expected): (EnvironmentId, DeploymentId, Epoch),
    n: usize,
) -> Vec<EdgeStatus> {
    let mut edges = world.statuses(Some(requested.region));
    if committed(Sin::HealthyWithoutProof) {
        for edge in &mut edges {
            edge.observations = vec![Observation {
                environment,
                epoch: expected.next(),
                deployment,
                allocation: None,
                digest: Some(bytes(n)),
                status: Some(200),
                elsewhere: None,
                at: at(world.seconds),
            }];
        }
    }
    edges
}
