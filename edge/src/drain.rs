//! Until when the sockets of a former owner stay open, or of an owner that another region serves. Pure; the applier tells
//! allocations, tunnels obey. Traps: closing the sockets of an owner that came back by a rollback, so a fate is worked out anew
//! with every change of route; keeping those of an owner that left for another region, because its deployment is the same.

use crate::allocations::Fate;
use chrono::{DateTime, Utc};
use rhone_domain::{
    feed::Route,
    ids::{DeploymentId, RegionId},
};

/// The fate of the open sockets of an allocation that runs `deployment`, at an edge in the region `here`.
pub(crate) fn fate(route: &Route, here: RegionId, deployment: DeploymentId, before: Fate, now: DateTime<Utc>) -> Fate {
    let served_here = route.region == here;
    if served_here && route.owner.as_ref().is_some_and(|owner| owner.deployment == deployment) {
        return Fate::Stay;
    }
    match (&route.drain, before) {
        // What another region does later gives the sockets that are left here no further time.
        (_, Fate::CloseAt(deadline)) if !served_here => Fate::CloseAt(deadline),
        (Some(drain), _) if drain.deployment == deployment => Fate::CloseAt(drain.deadline),
        (_, Fate::CloseAt(deadline)) => Fate::CloseAt(deadline),
        // Before its first promotion an environment has sockets of no owner; nothing took their place.
        (None, Fate::Stay) if route.owner.is_none() => Fate::Stay,
        (_, Fate::Stay) => Fate::CloseAt(now),
    }
}

#[cfg(test)]
mod tests {
    //! Sockets stay with their owner, and with a former one until its deadline.
    use super::*;
    use crate::apply::tests::{BLUE, GREEN, REGION, route};
    use chrono::TimeDelta;
    use rhone_domain::feed::Drain;

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn deadline() -> DateTime<Utc> {
        NOW + TimeDelta::seconds(30)
    }

    fn promoted(owner: DeploymentId, former: Option<DeploymentId>) -> Route {
        let drain = former.map(|deployment| Drain { deployment, deadline: deadline() });
        Route { drain, ..route(2, 0, Some(owner)) }
    }

    fn fate_of(route: &Route, deployment: DeploymentId, before: Fate, now: DateTime<Utc>) -> Fate {
        fate(route, REGION, deployment, before, now)
    }

    #[test]
    fn an_owner_that_another_region_serves_has_its_deadline_here_and_stays_there() {
        let there = RegionId(uuid::Uuid::from_u128(2));
        let moved = Route { region: there, ..promoted(BLUE, Some(BLUE)) };
        assert_eq!(fate_of(&moved, BLUE, Fate::Stay, NOW), Fate::CloseAt(deadline()));
        assert_eq!(fate(&moved, there, BLUE, Fate::Stay, NOW), Fate::Stay, "the sockets of the new region");
        let later = Route {
            drain: Some(Drain { deployment: BLUE, deadline: deadline() + TimeDelta::seconds(30) }),
            ..moved.clone()
        };
        assert_eq!(fate_of(&later, BLUE, Fate::CloseAt(deadline()), NOW), Fate::CloseAt(deadline()), "not extended");
        let home = Route { region: REGION, ..moved };
        assert_eq!(fate_of(&home, BLUE, Fate::CloseAt(deadline()), NOW), Fate::Stay, "it came back in time");
    }

    #[test]
    fn the_owner_stays_and_the_former_owner_has_its_deadline() {
        let route = promoted(GREEN, Some(BLUE));
        assert_eq!(fate_of(&route, GREEN, Fate::Stay, NOW), Fate::Stay);
        assert_eq!(fate_of(&route, BLUE, Fate::Stay, NOW), Fate::CloseAt(deadline()));
    }

    #[test]
    fn an_owner_that_came_back_keeps_its_sockets() {
        let back = promoted(BLUE, Some(GREEN));
        assert_eq!(fate_of(&back, BLUE, Fate::CloseAt(NOW), NOW), Fate::Stay);
    }

    #[test]
    fn a_deadline_once_given_is_kept_when_the_route_moves_on() {
        let third = promoted(DeploymentId(uuid::Uuid::from_u128(3)), Some(GREEN));
        assert_eq!(fate_of(&third, BLUE, Fate::CloseAt(deadline()), NOW), Fate::CloseAt(deadline()));
        assert_eq!(fate_of(&third, BLUE, Fate::Stay, NOW), Fate::CloseAt(NOW), "nobody gave it one");
    }
}
