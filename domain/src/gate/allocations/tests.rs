//! What counts as ready, case by case, and whoever counts more than that.

use super::*;
use crate::{
    aggregate::fold,
    allocation::{Event, Planned},
    environment::{Environment, Replicas},
    ids::{CellId, EnvironmentId},
    numbers::{EnvSet, Epoch},
    operation::Kind,
    route_owner,
    story::{
        BLUE, BLUE_BYTES, CELL_1, GREEN, GREEN_BYTES, HOST_1, HOST_2, LYON, PRODUCTION, THIRD, allocated, allocation,
        crashed, gate_facts, opened, planned, promotable, ready, requested, slug,
    },
};
use Verdict::{Awaited, Pass};
use uuid::Uuid;

fn order(n: u128) -> Planned {
    planned(allocation(n), GREEN, Epoch(1))
}

fn runs(n: u128) -> Allocation {
    allocated(order(n), &[ready(GREEN)])
}

fn of_other_bytes() -> Allocation {
    allocated(order(7), &[Event::Ready { digest: BLUE_BYTES, address: "127.0.0.1:7001".into() }])
}

fn elsewhere() -> Allocation {
    allocated(Planned { environment: EnvironmentId(Uuid::from_u128(0x94e7)), ..order(7) }, &[ready(GREEN)])
}

/// The gate of GREEN's promotion, where so many are wanted and these are there.
fn judged(gate: fn(&Facts<'_>) -> Judged, replicas: u8, allocations: &[Allocation]) -> Judged {
    let (requested, deployment) = (requested(Kind::Promotion, Epoch(0)), promotable(GREEN));
    let owner = fold::<RouteOwner>(&[route_owner::Event::Opened(opened())]);
    let environment = Environment { replicas: Replicas(replicas), ..Environment::default() };
    let change = requested.work.route_change().expect("a change of owner");
    let facts = gate_facts(&requested, change, &owner, &deployment);
    gate(&Facts { environment: &environment, allocations, ..facts })
}

/// What is there, how many are wanted, and how many of them count.
fn cases() -> Vec<(Vec<Allocation>, u8, usize)> {
    let draining = Event::Draining { reason: "x".into(), deadline: None };
    let counts_for_nothing = [
        allocated(order(7), &[]),
        allocated(order(7), &[Event::Pulling {}, Event::Starting { digest: GREEN_BYTES }]),
        allocated(order(7), &[ready(GREEN), draining]),
        allocated(order(7), &[ready(GREEN), crashed()]),
        allocated(planned(allocation(7), BLUE, Epoch(1)), &[ready(BLUE)]),
        allocated(Planned { env_set: EnvSet(0), ..order(7) }, &[ready(GREEN)]),
        allocated(Planned { cell: CellId(Uuid::nil()), ..order(7) }, &[ready(GREEN)]),
        allocated(Planned { proves: Some(THIRD), ..order(7) }, &[ready(GREEN)]),
        of_other_bytes(),
        elsewhere(),
    ];
    let alone = counts_for_nothing.iter().map(|one| (vec![one.clone()], 1, 0));
    let beside = counts_for_nothing.iter().map(|one| (vec![runs(1), one.clone()], 2, 1));
    let counted = [
        (vec![], 1, 0),
        (vec![runs(1)], 1, 1),
        (vec![runs(1), runs(2)], 3, 2),
        (vec![runs(1), runs(2), runs(3)], 3, 3),
        (vec![runs(1), runs(2)], 1, 1),
    ];
    alone.chain(beside).chain(counted).collect()
}

/// How often a gate, which closes with this code where too few count, says something else than these cases.
fn wrong(gate: fn(&Facts<'_>) -> Judged, closes: Option<&'static str>) -> usize {
    let differs = |(allocations, wanted, counted): &(Vec<Allocation>, u8, usize)| {
        let one = judged(gate, *wanted, allocations);
        let short = *counted < usize::from(*wanted);
        let refusal = short.then_some(closes).flatten();
        let verdict = match (short, refusal) {
            (false, _) => Pass,
            (true, Some(_)) => Verdict::Fail,
            (true, None) => Awaited,
        };
        let told = one.gate.reason.starts_with(&format!("{counted} of {wanted} "));
        let observed = (1..=3).filter(|n| one.gate.evidence.contains(&allocation(*n).to_string())).count();
        let found = (one.gate.verdict, one.refusal.map(|refusal| refusal.code), told, observed);
        found != (verdict, refusal, true, *counted) || !one.gate.evidence.contains(&GREEN_BYTES.to_string())
    };
    cases().iter().filter(|case| differs(case)).count()
}

/// The gate, asked by somebody who sees the allocations otherwise than they are.
fn seen(facts: &Facts<'_>, gate: fn(&Facts<'_>) -> Judged, otherwise: fn(&mut Allocation)) -> Judged {
    let mut allocations = facts.allocations.to_vec();
    allocations.iter_mut().for_each(otherwise);
    gate(&Facts { allocations: &allocations, ..*facts })
}

fn any_bytes(one: &mut Allocation) {
    one.verified = one.verified.map(|_| GREEN_BYTES);
}

fn any_environment(one: &mut Allocation) {
    one.planned.as_mut().expect("it was planned").environment = PRODUCTION;
}

fn any_state(one: &mut Allocation) {
    (one.state, one.verified) = (Some(State::Ready), Some(GREEN_BYTES));
}

#[test]
fn exactly_what_is_ready_with_these_bytes_in_this_environment_counts_and_the_rest_is_awaited() {
    assert_eq!(wrong(judge, None), 0);
    let sins: [fn(&Facts<'_>) -> Judged; 4] = [
        |facts| seen(facts, judge, any_bytes),
        |facts| seen(facts, judge, any_environment),
        |facts| seen(facts, judge, any_state),
        settle,
    ];
    for (n, sin) in sins.into_iter().enumerate() {
        assert!(wrong(sin, None) > 0, "the sin {n} is not noticed");
    }
}

#[test]
fn when_the_time_is_over_the_same_count_closes_the_gate() {
    assert_eq!(wrong(settle, Some("ALLOCATION_NOT_READY")), 0);
    let sins: [fn(&Facts<'_>) -> Judged; 3] =
        [|facts| seen(facts, settle, any_bytes), |facts| seen(facts, settle, any_environment), judge];
    for (n, sin) in sins.into_iter().enumerate() {
        assert!(wrong(sin, Some("ALLOCATION_NOT_READY")) > 0, "the sin {n} is not noticed");
    }
    let short = judged(settle, 3, &[runs(1)]).refusal.expect("it is closed");
    assert_eq!(short.message, "1 of 3 became ready with exactly these bytes in time");
    assert_eq!(short.expected_and_actual, Some(("3 ready".to_owned(), "1 ready".to_owned())));
}

#[test]
fn the_gate_says_what_follows_and_whose_word_it_is() {
    let none = judged(judge, 2, &[]).gate;
    assert_eq!(none.reason, "0 of 2 ready with exactly these bytes; the operation starts and awaits the rest");
    assert_eq!(none.evidence, format!("{GREEN_BYTES} observed by nobody, with set 1 of variables"));
    let warm = judged(judge, 1, &[runs(1), runs(2)]).gate;
    assert_eq!(warm.reason, "1 of 1 ready with exactly these bytes; nothing is started");
    assert_eq!(warm.evidence, format!("{GREEN_BYTES} observed by {}, with set 1 of variables", allocation(1)));
}

/// On which of these hosts what is ready there counts for nothing: an active, a cordoned, a retired and another one that was retired.
fn stranded(rule: impl Fn(&Allocation, &Host) -> bool) -> [bool; 4] {
    use host::State::{Active, Cordoned, Retired};
    let host = |id, state| {
        let created = host::Created { id, region: LYON, cell: CELL_1, slug: slug("host-1") };
        Host { created: Some(created), state: Some(state), ..Host::default() }
    };
    [host(HOST_1, Active), host(HOST_1, Cordoned), host(HOST_1, Retired), host(HOST_2, Retired)]
        .map(|host| rule(&runs(1), &host))
}

#[test]
fn nothing_rests_on_a_host_that_never_comes_back() {
    let wanted = [false, false, true, false];
    assert_eq!(stranded(is_stranded), wanted);
    let failed = allocated(order(7), &[ready(GREEN), crashed()]);
    let retired = |_: &Allocation, host: &Host| is_stranded(&failed, host);
    assert_eq!(stranded(retired), [false; 4], "what has ended keeps its word");
    // The sins: whoever believes the row, and whoever takes a cordon for an end.
    assert_ne!(stranded(|_, _| false), wanted, "it is caught above");
    let cordoned = |one: &Allocation, host: &Host| runs_on(one, host) && host.state != Some(host::State::Active);
    assert_ne!(stranded(cordoned), wanted, "it is caught above");
}
