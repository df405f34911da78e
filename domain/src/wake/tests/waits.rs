//! What a wake waits for.

use super::*;

/// What is under way already is waited for, if it is exactly the owner's and where the traffic is; all else is no help.
#[test]
fn only_the_owners_bytes_and_variables_where_the_traffic_is_are_waited_for() {
    let starting = crate::runs::after(waking(Trouble::None), 1);
    let ((_, wake), operation, owner) = (starting.wake(), fold(&starting.operation), starting.owner());
    let next_with = |other: &Planned, then: &[allocation::Event]| {
        next(&World {
            now: starting.now(),
            operation: &operation,
            wake: &wake,
            owner: &owner,
            deployment: &promotable(GREEN),
            drain: DrainPolicy::default(),
            attempts: &[Allocation::default(), Allocation::default()],
            others: &[crate::story::allocated(other.clone(), then)],
            hosts: &[HOST_1],
            begun: Others::default(),
        })
    };
    let good = planned(allocation(7), GREEN, Epoch(0));
    let Step::Enter(Stage::ReadinessWait, started) = next_with(&good, &[ready(GREEN)]) else {
        panic!("it has started")
    };
    assert_eq!(started.digest, Some(GREEN_BYTES), "what has started is on record before it answers");
    assert!(matches!(next_with(&good, &[]), Step::Wait(_)), "it is on its way");
    let strangers = [
        Planned { env_set: EnvSet(9), ..good.clone() },
        Planned { artifact: crate::story::BLUE_BYTES, ..good.clone() },
        Planned { deployment: BLUE, ..good.clone() },
        Planned { environment: crate::ids::EnvironmentId(uuid::Uuid::nil()), ..good.clone() },
        Planned { region: bergen().region, cell: bergen().cell, ..good.clone() },
    ];
    for stranger in strangers {
        for then in [&[][..], &[ready(GREEN)]] {
            assert!(matches!(next_with(&stranger, then), Step::Do(Act::Plan(_))), "{stranger:?}");
        }
    }
    for over in [crate::story::crashed(), allocation::Event::Draining { reason: "x".into(), deadline: None }] {
        assert!(matches!(next_with(&good, &[ready(GREEN), over]), Step::Do(Act::Plan(_))));
    }
    let lies = allocation::Event::Ready { digest: crate::story::BLUE_BYTES, address: crate::story::ADDRESS.into() };
    assert!(matches!(next_with(&good, &[lies]), Step::Do(Act::Plan(_))), "other bytes run than were ordered");
}
