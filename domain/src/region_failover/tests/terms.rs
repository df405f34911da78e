//! On which terms it goes: how long sessions and the failover itself have, which edges have followed, what is needed there.

use super::*;

#[test]
fn sessions_at_the_former_place_may_go_on_for_as_long_as_was_asked() {
    let drain = DrainPolicy { drain_seconds: 45, ..DrainPolicy::default() };
    let Work::RegionFailover(failover) = asked(Wish { drain, ..wish() }).work else { panic!("it is a failover") };
    let relocation = failover.relocation(THIRD, at(10));
    assert_eq!((relocation.at, relocation.drain_until), (at(10), at(55)));
    let asked = request(THIRD, &fold(&serving()), &in_two_regions(), wish(), at(7)).expect("there is a place");
    assert_eq!(asked.deadline, at(127), "and the failover itself has two minutes");
    assert_eq!((relocation.expected, relocation.to, relocation.sessions), (Epoch(1), bergen(), Fate::StartFresh));
}

/// An edge of the region that was left has followed when it knows, under this epoch or a later one, that another serves.
#[test]
fn an_edge_is_unaware_until_it_says_under_this_epoch_that_it_serves_no_longer() {
    let Work::RegionFailover(failover) = asked(wish()).work else { panic!("it is a failover") };
    let says = |epoch, elsewhere| Observation { elsewhere, ..saw(BLUE, Epoch(epoch)) };
    let unaware = |seen: Observation| failover.unaware(&[edge(SOUTH_EDGE, vec![seen])], Epoch(2));
    for (epoch, elsewhere, expected) in
        [(1, None, 1), (1, Some(BERGEN), 1), (2, None, 1), (2, Some(BERGEN), 0), (3, Some(BERGEN), 0), (3, None, 1)]
    {
        assert_eq!(unaware(says(epoch, elsewhere)), expected, "{epoch} {elsewhere:?}");
    }
    let other = Observation { environment: crate::ids::EnvironmentId(Uuid::nil()), ..says(2, Some(BERGEN)) };
    assert_eq!(unaware(other), 1, "of another environment");
}

/// A failover brings all of them along at once, and so does a promotion.
#[test]
fn a_failover_needs_there_what_as_many_allocations_need_as_serve_here() {
    let several = |replicas| Environment { replicas: environment::Replicas(replicas), ..in_two_regions() };
    let closed =
        |requested: &Requested| [1, 2].map(|replicas| gates(requested, &fold(&serving()), &several(replicas)).1);
    assert_eq!(closed(&asked(wish())), [None, Some("RUNTIME_SERVICE_MISSING")]);
    let change = asked(wish()).work.route_change().cloned().expect("it changes a route");
    let promotion = Requested { work: Work::Promotion(change), ..asked(wish()) };
    assert_eq!(closed(&promotion), [None, Some("RUNTIME_SERVICE_MISSING")]);
}

/// A rollback may have brought back an owner whose set lacks what its artifact requires. A failover takes the same set along.
#[test]
fn a_variable_that_is_missing_is_said_and_keeps_nobody_in_a_region_that_goes_down() {
    let mut says = facts();
    says.needs.variables.insert(crate::variables::Key::parse("key", "TOKEN").expect("a key"));
    let (requested, owner, environment) = (asked(wish()), fold(&serving()), in_two_regions());
    look(&requested, &owner, &environment, &RuntimeServices::default(), |facts| {
        let judged = gate::judge(&Facts { next: Some(&says), ..*facts });
        let said = judged.iter().find(|one| one.gate.kind == "variables").expect("the gate is there");
        assert_eq!((said.gate.verdict, said.gate.evidence.as_str()), (Verdict::Warn, "TOKEN"));
        assert_eq!(gate::closed(&judged), None);
        // The sin: the gate as a promotion is asked.
        let of_a_promotion = gate::variables::of(&says.needs, facts.change.env_set, facts.variables);
        assert_eq!(of_a_promotion.refusal.map(|refusal| refusal.code), Some("VARIABLES_MISSING"), "it is caught above");
    });
}
