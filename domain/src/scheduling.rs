//! The scheduler: which allocations an environment should have, given who owns its traffic. Pure, without input of its own,
//! idempotent. Trap: it follows the RouteOwner and never leads it; nothing here can change a route. Nor does it hammer: an
//! owner whose allocations keep failing is replaced less and less often.

use crate::{
    allocation::{Allocation, State},
    environment::DrainPolicy,
    ids::{AllocationId, DeploymentId},
    route_owner::RouteOwner,
};
use chrono::{DateTime, TimeDelta, Utc};

/// How long a failed allocation counts.
pub const REMEMBERED: TimeDelta = TimeDelta::hours(1);

/// The longest time between two attempts at an owner that keeps failing.
const LONGEST_WAIT: TimeDelta = TimeDelta::seconds(300);

/// What the scheduler looks at.
#[derive(Clone, Debug)]
pub struct Lane<'a> {
    /// The moment.
    pub now: DateTime<Utc>,
    /// Who owns the environment's traffic.
    pub owner: &'a RouteOwner,
    /// How its sessions end.
    pub drain: DrainPolicy,
    /// Every allocation of the environment that has not ended.
    pub allocations: &'a [Allocation],
    /// When allocations of the owner's deployment failed here within [`REMEMBERED`], in any order.
    pub failures: &'a [DateTime<Utc>],
    /// Deployments that a running operation is about to promote here.
    pub awaited: &'a [DeploymentId],
}

/// What should happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// This one has had its time.
    Drain(AllocationId, &'static str),
    /// The owner has nothing that runs, nor anything on its way.
    ReplaceOwner,
}

/// What should change in this lane now.
pub fn orders(lane: &Lane<'_>) -> Vec<Order> {
    let owner = lane.owner.owner.as_ref().map(|owner| owner.deployment);
    let mut orders: Vec<Order> = lane.allocations.iter().filter_map(|one| retire(lane, owner, one)).collect();
    let runs = |one: &Allocation| {
        one.planned.as_ref().map(|planned| planned.deployment) == owner
            && !matches!(one.state, None | Some(State::Draining | State::Stopped | State::Failed))
    };
    if owner.is_some() && !lane.allocations.iter().any(runs) && rested(lane) {
        orders.push(Order::ReplaceOwner);
    }
    orders
}

/// Whether the last failure is long enough ago: 2, 4, 8 … seconds after the first, second, third within the hour.
fn rested(lane: &Lane<'_>) -> bool {
    let lately = || lane.failures.iter().filter(|at| lane.now - **at < REMEMBERED);
    let Some(last) = lately().max() else { return true };
    // 2^9 is past the longest wait already.
    let doublings = lately().count().min(9);
    lane.now >= *last + TimeDelta::seconds(1 << doublings).min(LONGEST_WAIT)
}

fn retire(lane: &Lane<'_>, owner: Option<DeploymentId>, one: &Allocation) -> Option<Order> {
    let (planned, state) = (one.planned.as_ref()?, one.state?);
    let kept = Some(planned.deployment) == owner || lane.awaited.contains(&planned.deployment);
    if kept || state == State::Draining || state.is_final() {
        return None;
    }
    let seconds = lane.drain.drain_seconds.max(lane.drain.standby_seconds);
    let standby = TimeDelta::seconds(i64::try_from(seconds).unwrap_or(i64::MAX / 1_000));
    let over = lane.owner.since.is_none_or(|since| lane.now >= since + standby);
    over.then_some(Order::Drain(planned.id, "its deployment no longer owns the traffic and its standby is over"))
}

#[cfg(test)]
mod tests;
