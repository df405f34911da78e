//! One broken route owner for every rule; the model must catch each of them. Trap: a rule without its sin.

use super::{super::super::*, Route, run};

/// Declares a broken route owner: how it decides, and how it takes an event in.
macro_rules! mutants {
    ($($(#[$doc:meta])* $name:ident: decide $decide:expr, take $take:expr;)*) => {
        $($(#[$doc])*
        #[derive(Default)]
        struct $name(RouteOwner);

        impl Route for $name {
            fn state(&self) -> &RouteOwner {
                &self.0
            }

            fn answer(&self, command: Command) -> Result<Vec<Event>, Rejection> {
                let decide: fn(&RouteOwner, Command) -> Result<Vec<Event>, Rejection> = $decide;
                decide(&self.0, command)
            }

            fn take(&mut self, event: &Event) {
                let take: fn(&mut RouteOwner, &Event) = $take;
                take(&mut self.0, event);
            }
        })*

        const MUTANTS: &[(&str, fn() -> bool)] = &[
            $((stringify!($name), || run::<$name>(2_000).is_err()),)*
            ("IgnoresTheSet", || run::<IgnoresTheSet>(2_000).is_err()),
        ];
    };
}

/// Takes what runs with other variables for the owner's.
#[derive(Default)]
struct IgnoresTheSet(RouteOwner);

impl Route for IgnoresTheSet {
    fn state(&self) -> &RouteOwner {
        &self.0
    }

    fn take(&mut self, event: &Event) {
        self.0.apply(event);
    }

    fn owns(&self, planned: &crate::allocation::Planned) -> bool {
        let env_set = self.0.owner.as_ref().map_or(planned.env_set, |owner| owner.env_set);
        self.0.owns(&crate::allocation::Planned { env_set, ..planned.clone() })
    }
}

/// Decides as if the state were another.
fn blind(route: &RouteOwner, command: Command, to: fn(&mut RouteOwner)) -> Result<Vec<Event>, Rejection> {
    let mut other = route.clone();
    to(&mut other);
    other.decide(command)
}

fn without_cas(route: &RouteOwner, mut command: Command) -> Result<Vec<Event>, Rejection> {
    if let Command::Promote(change) | Command::RollBack { change, .. } = &mut command {
        change.expected = route.epoch;
    }
    route.decide(command)
}

fn moves_without_cas(route: &RouteOwner, mut command: Command) -> Result<Vec<Event>, Rejection> {
    if let Command::Move(wish) = &mut command {
        wish.expected = route.epoch;
    }
    route.decide(command)
}

fn without_epoch(route: &mut RouteOwner, event: &Event) {
    let epoch = route.epoch;
    route.apply(event);
    route.epoch = epoch;
}

fn moves_in_the_same_epoch(route: &mut RouteOwner, event: &Event) {
    let epoch = route.epoch;
    route.apply(event);
    if matches!(event, Event::Moved(_)) {
        route.epoch = epoch;
    }
}

fn counts_the_former_place(route: &mut RouteOwner, event: &Event) {
    let place = route.moved_to;
    route.apply(event);
    route.moved_to = place;
}

fn tells_only_the_new_region(route: &mut RouteOwner, event: &Event) {
    route.apply(event);
    route.left.clear();
}

fn falling_epoch(route: &RouteOwner, command: Command) -> Result<Vec<Event>, Rejection> {
    if let Command::RaiseEpoch { floor, reason } = &command
        && *floor < route.epoch
    {
        return Ok(vec![Event::EpochRaised { epoch: *floor, reason: reason.clone() }]);
    }
    route.decide(command)
}

fn without_quarantine(route: &RouteOwner, command: Command) -> Result<Vec<Event>, Rejection> {
    let mut events = route.decide(command)?;
    events.retain(|event| !matches!(event, Event::Quarantined { .. }));
    Ok(events)
}

fn release_lifts(route: &mut RouteOwner, event: &Event) {
    route.apply(event);
    if matches!(event, Event::PinReleased { .. }) {
        route.quarantined.clear();
    }
}

mutants! {
    /// Any epoch will do.
    NoCompareAndSwap: decide without_cas, take RouteOwner::apply;
    /// A pin stops nobody.
    IgnoresPin: decide |r, c| blind(r, c, |r| r.pin = None), take RouteOwner::apply;
    /// Quarantined bytes come back.
    IgnoresQuarantine: decide |r, c| blind(r, c, |r| r.quarantined.clear()), take RouteOwner::apply;
    /// A new owner under the old epoch.
    EpochNotRaised: decide RouteOwner::decide, take without_epoch;
    /// A restore takes the epoch back.
    EpochFalls: decide falling_epoch, take RouteOwner::apply;
    /// A freeze stops nobody.
    IgnoresFreeze: decide |r, c| blind(r, c, |r| r.frozen = None), take RouteOwner::apply;
    /// A rollback leaves the broken bytes welcome.
    DoesNotQuarantine: decide without_quarantine, take RouteOwner::apply;
    /// The quarantine ends with the pin.
    QuarantineEndsWithPin: decide RouteOwner::decide, take release_lifts;
    /// A move decided on any epoch will do.
    MovesWithoutCompareAndSwap: decide moves_without_cas, take RouteOwner::apply;
    /// Another place under the old epoch.
    MovesInTheSameEpoch: decide RouteOwner::decide, take moves_in_the_same_epoch;
    /// What runs at the former place is still the owner's.
    CountsTheFormerPlace: decide RouteOwner::decide, take counts_the_former_place;
    /// The former region's edges go on as if they owned it.
    TellsOnlyTheNewRegion: decide RouteOwner::decide, take tells_only_the_new_region;
    /// The same operation again promotes again.
    ForgetsOperation: decide |r, c| blind(r, c, |r| r.by = None), take RouteOwner::apply;
}

#[test]
fn every_broken_route_owner_is_caught_by_the_model() {
    let missed: Vec<_> = MUTANTS.iter().filter(|(_, caught)| !caught()).map(|(name, _)| *name).collect();
    assert_eq!(missed, Vec::<&str>::new(), "of {} mutants", MUTANTS.len());
}
