//! Which allocation gets a request. Pure. The trap: health that chooses an owner. Here the route chooses the deployment,
//! and health only among allocations that run exactly it, in exactly this environment.

use crate::table::{Lane, Target, Trust};
use chrono::{DateTime, Utc};
use rhone_domain::{
    feed::{EndpointState, Owner},
    ids::AllocationId,
};
use std::sync::Arc;

/// What a request asks for, and what has been tried.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wish {
    /// From its cookie.
    pub(crate) pinned: Option<AllocationId>,
    /// Failed just now.
    pub(crate) except: Option<AllocationId>,
}

/// When and by what chance it is chosen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// The wall clock.
    pub(crate) now: DateTime<Utc>,
    /// The edge's own clock.
    pub(crate) millis: u64,
    /// A number well mixed.
    pub(crate) dice: u64,
}

/// The allocation; none when the route has no owner, the owner no allocation that takes work, or another region the route.
pub(crate) fn pick<'a>(lane: &Lane, targets: &'a [Arc<Target>], wish: Wish, at: Moment) -> Option<&'a Arc<Target>> {
    let owner = lane.route.owner.as_ref()?;
    if matches!(lane.trust, Trust::Elsewhere(_)) {
        return None;
    }
    if let Some(pinned) = wish.pinned
        && wish.except != Some(pinned)
        && let Some(target) = targets.iter().find(|target| target.endpoint.allocation == pinned)
        && (is_eligible(lane, owner, target) || may_stay(lane, target, at.now))
    {
        return Some(target);
    }
    let eligible =
        || targets.iter().filter(|t| is_eligible(lane, owner, t) && Some(t.endpoint.allocation) != wish.except);
    let healthy = || eligible().filter(|target| target.allocation.is_healthy(at.millis));
    match healthy().count() {
        0 => least_of_two(eligible, eligible().count(), at.dice),
        count => least_of_two(healthy, count, at.dice),
    }
}

/// Runs exactly what the route says, where the route says, and takes new work.
fn is_eligible(lane: &Lane, owner: &Owner, target: &Target) -> bool {
    let endpoint = &target.endpoint;
    endpoint.state == EndpointState::Ready
        && endpoint.environment == lane.route.environment
        && endpoint.runs() == owner.runs()
}

/// Runs the former owner, whose sessions may go on until its deadline.
fn may_stay(lane: &Lane, target: &Target, now: DateTime<Utc>) -> bool {
    let endpoint = &target.endpoint;
    endpoint.state != EndpointState::Gone
        && endpoint.environment == lane.route.environment
        && lane
            .route
            .drain
            .as_ref()
            .is_some_and(|drain| drain.deployment == endpoint.deployment && now < drain.deadline)
}

/// Of two at random, the one with less open work.
fn least_of_two<'a, I>(all: impl Fn() -> I, count: usize, dice: u64) -> Option<&'a Arc<Target>>
where
    I: Iterator<Item = &'a Arc<Target>>,
{
    let nth = |half: u64| all().nth(usize::try_from(half % (count as u64).max(1)).unwrap_or(0));
    let (one, other) = (nth(dice >> 32)?, nth(dice & 0xffff_ffff)?);
    Some(if other.allocation.load() < one.allocation.load() { other } else { one })
}

#[cfg(test)]
mod tests;
