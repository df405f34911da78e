//! What edges must have seen before a change of owner is healthy: each live one, exactly the new owner's bytes, at its epoch. Trap: zero
//! edges that count as healthy because none of them objects.

use super::*;

#[test]
fn a_changed_route_propagates() {
    let swapped = at_policy_check().with(|g| g.operation.push(entered(Stage::RouteCas)));
    assert_eq!(swapped.next(), Step::Enter(Stage::EdgePropagating, Evidence::default()));
}

#[test]
fn healthy_is_when_every_live_edge_got_the_exact_bytes() {
    let Step::Enter(Stage::Healthy, evidence) = propagating().next() else { panic!("{:?}", propagating().next()) };
    assert_eq!((evidence.epoch, evidence.digest), (Some(Epoch(2)), Some(GREEN_BYTES)));
    assert_eq!(evidence.edges.iter().map(|proof| proof.edge).collect::<Vec<_>>(), [NORTH_EDGE, SOUTH_EDGE]);
}

#[test]
fn an_older_observation_beside_the_proof_does_not_hide_it() {
    let both = propagating().with(|g| g.edges[0].observations.insert(0, saw(BLUE, Epoch(1))));
    assert!(matches!(both.next(), Step::Enter(Stage::Healthy, _)), "{:?}", both.next());
}

#[test]
fn an_edge_that_saw_something_else_is_awaited_and_then_counted() {
    type Seen = fn(&mut crate::edge_status::Observation);
    let cases: [Seen; 6] = [
        |seen| seen.epoch = Epoch(1),
        |seen| seen.digest = Some(crate::story::BLUE_BYTES),
        |seen| seen.digest = None,
        |seen| seen.status = Some(503),
        |seen| seen.status = None,
        |seen| seen.environment = crate::ids::EnvironmentId(uuid::Uuid::nil()),
    ];
    for change in cases {
        let unproven = propagating().with(|g| change(&mut g.edges[1].observations[0]));
        assert_eq!(unproven.next(), Step::Wait("not every live edge has served the new owner yet"));
        let overdue = unproven.with(|g| g.now = at(60));
        let Step::Fail(failure) = overdue.next() else { panic!("{:?}", overdue.next()) };
        assert_eq!((failure.code.as_str(), failure.route_changed), ("EDGES_NOT_CONVERGED", true));
        assert_eq!((failure.expected.as_deref(), failure.actual.as_deref()), (Some("2 edges"), Some("1 edges")));
        assert!(failure.message.ends_with("the route has changed"), "{}", failure.message);
    }
}

#[test]
fn zero_edges_are_never_healthy_and_a_failure_in_the_end() {
    let alone = propagating().with(|g| g.edges.clear());
    assert_eq!(alone.next(), Step::Wait("not every live edge has served the new owner yet"));
    assert_eq!(alone.with(|g| g.now = at(60)).fails(), Some(("NO_LIVE_EDGE".into(), true)));
}

#[test]
fn an_operation_overtaken_while_propagating_is_superseded() {
    let overtaken = propagating().with(|g| g.owner.push(took_over(SECOND, 3, BLUE)));
    let Step::Fail(failure) = overtaken.next() else { panic!("{:?}", overtaken.next()) };
    assert_eq!((failure.code.as_str(), failure.route_changed), ("SUPERSEDED", true));
    assert_eq!((failure.expected.as_deref(), failure.actual.as_deref()), (Some("2"), Some("3")));
}
