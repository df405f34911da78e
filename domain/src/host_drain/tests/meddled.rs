//! What somebody does to the host while it is drained, or did before: a cordon by hand, one that is lifted, a host that is retired.
//! Trap: a drain that waits at a machine that is scrap.

use super::*;
use crate::runs::meddled_at_each_step;

#[test]
fn a_cordon_set_by_hand_outlives_a_drain_that_refuses_but_not_one_that_succeeds() {
    let run = ends(Trouble::CordonedByHand);
    assert_eq!((run.end.stage, run.world.host().state), (Stage::Uncordoned, Some(host::State::Active)));
    let mut late = emptying(Trouble::CordonedByHand);
    late.outlast();
    let run = crate::runs::run(late, Times::Twice, Fault::Nothing);
    assert_eq!(told(&run), (Stage::Requested, Some("DEADLINE_PASSED"), host::State::Cordoned, 2));
}

#[test]
fn a_host_that_somebody_takes_back_ends_its_drain() {
    let found = meddled_at_each_step(&emptying(Trouble::Nothing), Memory::lift);
    for (stage, run) in found.into_iter().filter(|(stage, _)| *stage != Stage::Requested) {
        let failure = run.end.failure.expect("it failed");
        assert_eq!((run.end.after, failure.code.as_str()), (stage, "UNCORDONED"));
        let message = failure.message;
        assert!(message.ends_with("; the drain ends here"), "nothing is said of a cordon that is gone: {message}");
    }
}

#[test]
fn a_host_that_is_retired_ends_its_drain_at_whatever_stage() {
    let found = meddled_at_each_step(&emptying(Trouble::Nothing), Memory::retire);
    assert!(found.len() > WAY.len(), "at every stage: {}", found.len());
    for (stage, run) in found {
        let failure = run.end.failure.as_ref().expect("it failed");
        assert_eq!((run.end.after, failure.code.as_str()), (stage, "HOST_RETIRED"));
        assert!(failure.message.ends_with("; the drain ends here"), "of no cordon: {}", failure.message);
        assert_eq!(run.world.host().state, Some(host::State::Retired), "{stage}");
    }
    // The sin: whoever does not ask waits at a machine that is scrap for as long as the drain may take.
    let mut scrap = emptying(Trouble::Nothing).host();
    scrap.state = Some(host::State::Retired);
    assert!(ends_at(&scrap, next));
    assert!(!ends_at(&scrap, |world| super::super::at(world, &requested(), Stage::Upgrading)), "it is caught above");
}

/// Whether this process manager ends a drain that waits for an operator on such a host.
fn ends_at(host: &Host, next: impl Fn(&World<'_>) -> Step) -> bool {
    let operation = Operation { stage: Some(Stage::Upgrading), requested: Some(requested()), ..Operation::default() };
    let world = World {
        now: at(1),
        drain: HostDrain { host: HOST_1 },
        operation: &operation,
        host,
        heard_at: None,
        hosts: &[],
        allocations: &[],
        replacements: &[],
        sessions: &[],
        new_allocation: id(3),
    };
    matches!(next(&world), Step::Fail(_))
}
