//! The scheduler: which allocations an environment should have, given who owns its traffic and how many are wanted. Pure,
//! without input of its own, idempotent. Trap: it follows the RouteOwner and never leads it; nothing here can change a route,
//! and no health of an allocation says who owns one. Nor does it hammer: an owner whose allocations keep failing is replaced
//! less and less often. A sleeping owner keeps nothing, and what a wake has started is left alone.

use crate::{
    allocation::{self, Allocation, Cause, Planned, State},
    environment::{DrainPolicy, Replicas},
    ids::{AllocationId, DeploymentId, HostId, OperationId},
    numbers::seconds,
    operation::{Operation, Work},
    route_owner::RouteOwner,
};
use chrono::{DateTime, TimeDelta, Utc};
use std::{borrow::Borrow, cmp::Reverse};

/// How long a failed allocation counts.
pub const REMEMBERED: TimeDelta = TimeDelta::hours(1);

/// How long a host may be silent before what it runs is replaced; a restart of its agent takes less.
pub const HOST_LOST: TimeDelta = TimeDelta::seconds(30);
/// How long edges may take to hear of a sleep, and to say what was opened meanwhile.
const SETTLED: TimeDelta = TimeDelta::seconds(3);

/// Past every time that an order waits for.
const FOR_EVER: TimeDelta = TimeDelta::days(36_500);

/// The longest time between two attempts at an owner that keeps failing.
const LONGEST_WAIT: TimeDelta = TimeDelta::seconds(300);

/// What the scheduler looks at.
#[derive(Clone, Debug)]
pub struct Lane<'a> {
    /// The moment.
    pub now: DateTime<Utc>,
    /// Who owns the environment's traffic.
    pub owner: &'a RouteOwner,
    /// How many of the owner's allocations are wanted.
    pub replicas: Replicas,
    /// How its sessions end.
    pub drain: DrainPolicy,
    /// Every allocation of the environment that has not ended.
    pub allocations: &'a [Allocation],
    /// When allocations of the owner's deployment failed here within [`REMEMBERED`], in any order.
    pub failures: &'a [DateTime<Utc>],
    /// Deployments that a running operation is about to promote here.
    pub awaited: &'a [DeploymentId],
    /// Allocations that a running operation is about to drain, once they are replaced.
    pub leaving: &'a [AllocationId],
    /// Running operations that prove a region by allocations of their own.
    pub proving: &'a [OperationId],
    /// Hosts that were silent for longer than [`HOST_LOST`].
    pub lost: &'a [HostId],
    /// Allocations with open sessions or requests, as far as the edges know.
    pub busy: &'a [AllocationId],
}

/// What should happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// This one has had its time.
    Drain(AllocationId, &'static str),
    /// This one has never answered, and its host is silent: whoever awaits it is told, and need not wait for its own deadline.
    GiveUp(AllocationId),
    /// The owner has fewer that run or are on their way than are wanted: one more.
    ReplaceOwner,
}

/// What should change in this lane now.
pub fn orders(lane: &Lane<'_>) -> Vec<Order> {
    let order = |one: &Allocation| give_up(lane, one).or_else(|| retire(lane, one));
    let mut orders: Vec<Order> = lane.allocations.iter().filter_map(order).collect();
    if lane.owner.owner.is_none() || lane.owner.asleep.is_some() {
        return orders;
    }
    let alive = counted(lane.owner, lane.allocations, lane.leaving, lane.lost);
    let wanted = usize::from(lane.replicas.0);
    if rested(lane) {
        orders.extend((alive.len()..wanted).map(|_| Order::ReplaceOwner));
    }
    orders.extend(surplus(&alive, wanted).into_iter().map(|id| Order::Drain(id, "more run than are wanted")));
    orders
}

/// Whether nothing would be ordered here however long the lane is left alone: time alone changes nothing any more, only an event
/// of its own streams does, or a host that falls silent or is heard again. Who looks at lanes may leave this one be until then.
pub fn rests(lane: &Lane<'_>) -> bool {
    let at_last = lane.now + FOR_EVER;
    orders(&Lane { now: at_last, busy: &[], ..lane.clone() }).is_empty()
}

/// Which of these count for the number that the owner wants: its own that are alive, and will go on serving as far as their hosts
/// and running operations say. The scheduler keeps as many of them as are wanted, and a scale awaits exactly them.
pub fn counted<'a>(
    owner: &RouteOwner,
    allocations: &'a [Allocation],
    leaving: &[AllocationId],
    lost: &[HostId],
) -> Vec<&'a Allocation> {
    let stays = |planned: &Planned| {
        owner.owns(planned)
            && !leaving.contains(&planned.id)
            && !lost.contains(&planned.host)
            && !is_replaced(allocations, planned.id)
    };
    let counts = |one: &&Allocation| one.is_alive() && one.planned.as_ref().is_some_and(stays);
    allocations.iter().filter(counts).collect()
}

/// What a running operation is about to drain, or has told to: it is replaced, and does not count.
pub fn leaving(operation: &Operation) -> &[AllocationId] {
    match operation.requested.as_ref().map(|requested| &requested.work) {
        Some(Work::Drain(drain)) => &drain.allocations,
        _ => &[],
    }
}

/// The host of the next allocation: the one that runs the fewest of the same deployment, and among those the first, which is
/// the least busy one.
pub fn place<A: Borrow<Allocation>>(hosts: &[HostId], same_deployment: &[A]) -> Option<HostId> {
    let runs = |host: HostId| {
        let here =
            |one: &&Allocation| one.is_alive() && one.planned.as_ref().is_some_and(|planned| planned.host == host);
        same_deployment.iter().map(Borrow::borrow).filter(here).count()
    };
    hosts.iter().copied().min_by_key(|host| runs(*host))
}

/// What is told of an allocation whose host was retired.
pub fn lost_with_its_host() -> allocation::Command {
    let reason = "its host was retired, and will not come back".to_owned();
    allocation::Command::ReportFailed { reason, cause: Some(Cause::HostLost) }
}

/// What is told of one that starts while its host is silent; none of one that has answered, was told to stop or has ended since
/// it was looked at. What has answered once may serve on without its agent, and stays.
pub fn silent_with_its_host(one: &Allocation) -> Option<allocation::Command> {
    let starts = matches!(one.state?, State::Planned | State::Pulling | State::Starting);
    let reason = format!("its host was silent for {} s, and it had never answered", HOST_LOST.num_seconds());
    starts.then_some(allocation::Command::ReportFailed { reason, cause: Some(Cause::HostLost) })
}

/// A start has no other deadline than its runner's, and a runner that is silent keeps none.
fn give_up(lane: &Lane<'_>, one: &Allocation) -> Option<Order> {
    let planned = one.planned.as_ref()?;
    let given_up = lane.lost.contains(&planned.host) && silent_with_its_host(one).is_some();
    given_up.then_some(Order::GiveUp(planned.id))
}

/// Which are too many: first what is not ready yet, then the newest, because the oldest hold the sessions of longest standing.
/// As nothing that is ready goes before everything that is not, as many as are wanted stay ready.
fn surplus(alive: &[&Allocation], wanted: usize) -> Vec<AllocationId> {
    let mut ids = alive.iter().filter_map(|one| Some((one.state?, one.planned.as_ref()?.id))).collect::<Vec<_>>();
    ids.sort_by_key(|(state, id)| (*state == State::Ready, Reverse(*id)));
    ids.into_iter().take(alive.len().saturating_sub(wanted)).map(|(_, id)| id).collect()
}

/// Whether it is the owner's: exactly what the owner is, and where the traffic is served.
fn belongs_to(one: &Allocation, owner: &RouteOwner) -> bool {
    one.planned.as_ref().is_some_and(|planned| owner.owns(planned))
}

/// Whether another one stands in for it already, because its host is drained: two that count as one.
fn is_replaced(allocations: &[Allocation], id: AllocationId) -> bool {
    let stands_in = |one: &&Allocation| one.planned.as_ref().is_some_and(|planned| planned.replaces == Some(id));
    allocations.iter().filter(stands_in).any(Allocation::is_alive)
}

/// Whether the last failure is long enough ago: 2, 4, 8 … seconds after the first, second, third within the hour.
fn rested(lane: &Lane<'_>) -> bool {
    let lately = || lane.failures.iter().filter(|at| lane.now - **at < REMEMBERED);
    let Some(last) = lately().max() else { return true };
    // 2^9 is past the longest wait already.
    let doublings = lately().count().min(9);
    lane.now >= *last + TimeDelta::seconds(1 << doublings).min(LONGEST_WAIT)
}

fn retire(lane: &Lane<'_>, one: &Allocation) -> Option<Order> {
    let (planned, state) = (one.planned.as_ref()?, one.state?);
    let proving = planned.proves.is_some_and(|by| lane.proving.contains(&by));
    if proving || lane.awaited.contains(&planned.deployment) || state == State::Draining || state.is_final() {
        return None;
    }
    if belongs_to(one, lane.owner) {
        return let_go(lane, planned.id);
    }
    let of_the_owner = lane.owner.owner.as_ref().filter(|owner| owner.deployment == planned.deployment);
    // A deployment keeps the set it first owned with, so that this one never served anybody and never will.
    if of_the_owner.is_some_and(|owner| owner.runs() != planned.runs()) {
        return Some(Order::Drain(planned.id, "it runs with other variables than the owner"));
    }
    let standby = seconds(lane.drain.drain_seconds.max(lane.drain.standby_seconds));
    let over = lane.owner.since.is_none_or(|since| lane.now >= since + standby);
    let reason = if of_the_owner.is_some() {
        "the traffic is served from elsewhere and its standby is over"
    } else {
        "its deployment no longer owns the traffic and its standby is over"
    };
    over.then_some(Order::Drain(planned.id, reason))
}

/// What the owner of a sleeping route has is let go, but for what somebody opened before the edges knew of the sleep.
fn let_go(lane: &Lane<'_>, id: AllocationId) -> Option<Order> {
    let asleep = lane.owner.asleep.as_ref()?;
    let over = lane.now >= asleep.since + SETTLED && !lane.busy.contains(&id);
    over.then_some(Order::Drain(id, "its environment sleeps"))
}

#[cfg(test)]
mod tests;
