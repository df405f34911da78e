//! Whether the route is still the one this was decided on, and whether anything holds it. Trap: letting a stale decision
//! overwrite a newer owner.

use super::{Facts, Judged, Refusal};
use crate::{
    aggregate::Rejection as _,
    operation::Work,
    route_owner::{self, Rejection},
};

/// Whether nobody else changed the route since.
pub(super) fn epoch(facts: &Facts<'_>) -> Judged {
    let evidence = format!("expected {}, the route is at {}", facts.change.expected_epoch, facts.owner.epoch);
    match refused(facts) {
        Some(rejection) if is_stale(&rejection) => Judged::closed("route_epoch", Refusal::of(&rejection), evidence),
        _ => Judged::open("route_epoch", "the route is still the one this was decided on", evidence),
    }
}

/// Freeze, pin, quarantine and where a rollback may lead; not asked of a route that is another one by now.
pub(super) fn policy(facts: &Facts<'_>) -> Option<Judged> {
    match refused(facts) {
        Some(rejection) if is_stale(&rejection) => None,
        Some(rejection) => Some(Judged::closed("route_policy", Refusal::of(&rejection), rejection.code())),
        None => Some(Judged::open("route_policy", "nothing holds the route", "OPEN")),
    }
}

fn refused(facts: &Facts<'_>) -> Option<Rejection> {
    let (owner, change) = (facts.owner, facts.change);
    let may = if matches!(facts.requested.work, Work::Rollback(_)) {
        owner.may_roll_back(change.expected_epoch, change.deployment, change.artifact)
    } else if let Work::RegionFailover(failover) = &facts.requested.work {
        owner.may_move(change.expected_epoch, failover.to)
    } else {
        owner.may_promote(change.expected_epoch, change.artifact)
    };
    may.err()
}

fn is_stale(rejection: &Rejection) -> bool {
    matches!(rejection, route_owner::Rejection::StaleEpoch { .. } | route_owner::Rejection::NotFound)
}
