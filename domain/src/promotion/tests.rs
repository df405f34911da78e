//! The complete case table of `next`: stage by stage, what the world looks like and what follows. `runs` lets whole
//! operations run, twice over and with faults.

mod acknowledged;
mod edges;
pub(crate) mod memory;
mod runs;
mod sets;

use super::*;
use crate::{
    aggregate::fold,
    allocation::Event as Lived,
    deployment::Deployment,
    environment::{Environment, Replicas},
    migrations::{self, Migrations},
    operation::{Event as Gone, Gate, Kind, Verdict},
    route_owner::Event as Routed,
    story::{
        BLUE, FIRST, GREEN, GREEN_BYTES, HOST_1, NORTH_EDGE, SECOND, SOUTH_EDGE, allocated, allocation, at, because,
        bindings::shared_services, crashed, edge, gate_facts, opened, owner, planned, promotable, ready, requested,
        saw,
    },
};

/// A world in the making; the tests change one thing at a time.
#[derive(Clone)]
struct Given {
    now: DateTime<Utc>,
    operation: Vec<Gone>,
    owner: Vec<Routed>,
    deployment: Deployment,
    migrations: Vec<migrations::Event>,
    allocations: Vec<Allocation>,
    replicas: Replicas,
    hosts: Vec<HostId>,
    edges: Vec<EdgeStatus>,
}

impl Given {
    fn next(&self) -> Step {
        let (operation, owner) = (fold::<Operation>(&self.operation), fold(&self.owner));
        let requested = operation.requested.clone().unwrap_or_else(|| requested(Kind::Promotion, Epoch(1)));
        let change = requested.work.route_change().expect("a promotion or rollback");
        let (environment, allocations, services) = (&self.environment(), &self.allocations, &shared_services());
        next(&World {
            now: self.now,
            operation: &operation,
            facts: Facts {
                environment,
                migrations: &fold::<Migrations>(&self.migrations),
                services,
                allocations,
                ..gate_facts(&requested, change, &owner, &self.deployment)
            },
            hosts: &self.hosts,
            edges: &self.edges,
            left: &[],
            new_allocation: allocation(1),
        })
    }

    fn environment(&self) -> Environment {
        Environment { replicas: self.replicas, ..Environment::default() }
    }

    /// The gates of GREEN's promotion, as they are shown.
    fn gates(&self) -> Vec<Gate> {
        let (requested, owner) = (requested(Kind::Promotion, Epoch(1)), fold(&self.owner));
        let change = requested.work.route_change().expect("a promotion");
        let (environment, allocations, services) = (&self.environment(), &self.allocations, &shared_services());
        let facts =
            Facts { environment, services, allocations, ..gate_facts(&requested, change, &owner, &self.deployment) };
        gate::gates(&gate::judge(&facts))
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// The code and whether the route had changed, if it fails.
    fn fails(&self) -> Option<(String, bool)> {
        if let Step::Fail(failure) = self.next() { Some((failure.code, failure.route_changed)) } else { None }
    }
}

fn took_over(by: crate::ids::OperationId, epoch: u64, to: crate::ids::DeploymentId) -> Routed {
    Routed::Promoted { by, epoch: Epoch(epoch), owner: owner(to), at: at(0), drain: None }
}

fn entered(stage: Stage) -> Gone {
    let epoch = (stage == Stage::RouteCas).then_some(Epoch(2));
    Gone::StageEntered { stage, evidence: Evidence { epoch, ..Evidence::default() } }
}

/// ALICE asked for GREEN while BLUE owns the route at epoch 1.
fn promotion() -> Given {
    Given {
        now: at(1),
        operation: vec![Gone::Requested(requested(Kind::Promotion, Epoch(1)))],
        owner: vec![Routed::Opened(opened()), took_over(FIRST, 1, BLUE)],
        deployment: promotable(GREEN),
        migrations: vec![],
        allocations: vec![],
        replicas: Replicas::ONE,
        hosts: vec![HOST_1],
        edges: vec![],
    }
}

fn at_policy_check() -> Given {
    promotion().with(|g| g.operation.push(entered(Stage::PolicyCheck)))
}

/// The route has changed; two edges report.
fn propagating() -> Given {
    at_policy_check().with(|g| {
        g.operation.extend([entered(Stage::RouteCas), entered(Stage::EdgePropagating)]);
        g.owner.push(took_over(crate::story::THIRD, 2, GREEN));
        g.edges = vec![edge(NORTH_EDGE, vec![saw(GREEN, Epoch(2))]), edge(SOUTH_EDGE, vec![saw(GREEN, Epoch(2))])];
    })
}

/// ALICE asked to go back to BLUE while GREEN owns the route at epoch 2.
fn rollback() -> Given {
    promotion().with(|g| {
        g.operation = vec![Gone::Requested(requested(Kind::Rollback, Epoch(2)))];
        g.owner.push(took_over(SECOND, 2, GREEN));
        g.deployment = promotable(BLUE);
    })
}

fn started(then: &[Lived]) -> Allocation {
    allocated(planned(allocation(1), GREEN, Epoch(1)), then)
}

fn starting() -> Lived {
    Lived::Starting { digest: GREEN_BYTES }
}

#[test]
fn an_operation_that_never_was_or_has_ended_is_done() {
    assert_eq!(promotion().with(|g| g.operation.clear()).next(), Step::Done);
    for end in [entered(Stage::Healthy), entered(Stage::RolledBack), Gone::Cancelled { reason: because("x") }] {
        assert_eq!(promotion().with(|g| g.operation.push(end)).next(), Step::Done);
    }
}

#[test]
fn an_accepted_operation_goes_on_with_every_gate_on_record() {
    let Step::Enter(Stage::PolicyCheck, evidence) = promotion().next() else { panic!("{:?}", promotion().next()) };
    let judged: Vec<_> = evidence.gates.iter().map(|gate| (gate.kind.as_str(), gate.verdict)).collect();
    // Nothing runs yet, and GREEN packs a manifest that it does not declare.
    let found = |kind| match kind {
        "allocations" => Verdict::Awaited,
        "generated" => Verdict::Warn,
        _ => Verdict::Pass,
    };
    assert_eq!(judged, crate::story::GATES.map(|kind| (kind, found(kind))));
}

#[test]
fn every_closed_gate_ends_the_operation_at_both_judgements() {
    type Closes = fn(&mut Given);
    let cases: [(&str, Closes); 6] = [
        ("STALE_EPOCH", |g| g.owner.push(took_over(SECOND, 2, BLUE))),
        ("FROZEN", |g| g.owner.push(Routed::Frozen { reason: because("sale") })),
        ("PINNED", |g| {
            let pin = route_owner::Pin { deployment: BLUE, by: FIRST, reason: because("broken") };
            g.owner.push(Routed::Pinned(pin));
        }),
        ("QUARANTINED", |g| {
            g.owner.push(Routed::Quarantined { digest: GREEN_BYTES, reason: because("broken") });
        }),
        ("NOT_VALIDATED", |g| g.deployment.validated = None),
        ("NOT_VALIDATED", |g| g.deployment.failed = Some("no process".into())),
    ];
    for (code, close) in cases {
        let closed = Some((code.to_owned(), false));
        assert_eq!(promotion().with(close).fails(), closed, "requested");
        assert_eq!(at_policy_check().with(close).fails(), closed, "policy_check");
        let prepared = at_policy_check().with(|g| g.allocations = vec![started(&[ready(GREEN)])]);
        assert_eq!(prepared.with(close).fails(), closed, "about to change the route");
    }
}

#[test]
fn a_race_that_was_lost_fails_with_the_expected_and_the_actual_epoch() {
    let lost = at_policy_check().with(|g| g.owner.push(took_over(SECOND, 2, BLUE)));
    let Step::Fail(failure) = lost.next() else { panic!("{:?}", lost.next()) };
    assert_eq!((failure.expected.as_deref(), failure.actual.as_deref()), (Some("1"), Some("2")));
    assert_eq!((failure.code.as_str(), failure.route_changed), ("STALE_EPOCH", false));
}

#[test]
fn a_route_that_was_never_opened_ends_the_operation() {
    let nowhere = promotion().with(|g| {
        g.owner.clear();
        g.operation = vec![Gone::Requested(requested(Kind::Promotion, Epoch(0)))];
    });
    assert_eq!(nowhere.fails(), Some(("NOT_FOUND".into(), false)));
}

#[test]
fn other_bytes_than_the_validated_ones_are_not_promoted() {
    let swapped = promotion().with(|g| g.deployment = promotable(BLUE));
    assert_eq!(swapped.fails(), Some(("NOT_VALIDATED".into(), false)));
}

#[test]
fn a_rollback_passes_freeze_and_pin_but_not_a_quarantine_of_its_own_bytes() {
    let held = rollback().with(|g| {
        let pin = route_owner::Pin { deployment: GREEN, by: FIRST, reason: because("broken") };
        g.owner.extend([Routed::Frozen { reason: because("sale") }, Routed::Pinned(pin)]);
    });
    assert!(matches!(held.next(), Step::Enter(Stage::PolicyCheck, _)), "{:?}", held.next());
    let out = rollback().with(|g| {
        g.owner.push(Routed::Quarantined { digest: crate::story::BLUE_BYTES, reason: because("broken") });
    });
    assert_eq!(out.fails(), Some(("QUARANTINED".into(), false)));
}

#[test]
fn an_allocation_of_the_exact_bytes_is_planned_where_a_host_reports() {
    assert_eq!(at_policy_check().next(), Step::Do(Act::Plan(planned(allocation(1), GREEN, Epoch(1)))));
    let nowhere = at_policy_check().with(|g| g.hosts.clear());
    assert_eq!(nowhere.next(), Step::Wait("no host of the cell has reported lately"));
}

#[test]
fn an_allocation_on_its_way_is_awaited_until_the_deadline() {
    for then in [vec![], vec![Lived::Pulling {}], vec![Lived::Pulling {}, starting()]] {
        let coming = at_policy_check().with(|g| g.allocations = vec![started(&then)]);
        assert_eq!(coming.next(), Step::Wait("an allocation is on its way"), "{then:?}");
        let overdue = coming.with(|g| g.now = at(60));
        assert_eq!(overdue.fails(), Some(("ALLOCATION_NOT_READY".into(), false)), "{then:?}");
    }
}

#[test]
fn an_allocation_that_failed_is_tried_once_more() {
    let once = at_policy_check().with(|g| g.allocations = vec![started(&[crashed()])]);
    assert!(matches!(once.next(), Step::Do(Act::Plan(_))));
    let twice = once.with(|g| g.allocations.push(started(&[crashed()])));
    assert_eq!(twice.fails(), Some(("ALLOCATION_FAILED".into(), false)));
}

#[test]
fn a_promotion_whose_allocations_failed_says_why_the_last_one_did() {
    let failed = at_policy_check().with(|g| g.allocations = vec![started(&[crashed()]), started(&[crashed()])]);
    let Step::Fail(failure) = failed.next() else { panic!("{:?}", failed.next()) };
    let why = "the deployment's allocations failed; the last of them, because its app ended by itself: exit 1";
    assert_eq!((failure.message.as_str(), failure.actual.as_deref()), (why, Some("app_exited")));
    let late = at_policy_check().with(|g| {
        g.allocations = vec![started(&[crashed()])];
        g.now = at(60);
    });
    let Step::Fail(failure) = late.next() else { panic!("{:?}", late.next()) };
    assert_eq!(failure.code, "ALLOCATION_NOT_READY");
    assert!(failure.message.ends_with("because its app ended by itself: exit 1"), "{}", failure.message);
    assert_eq!((failure.expected.as_deref(), failure.actual.as_deref()), (Some("1 ready"), Some("0 ready")));
}

#[test]
fn allocations_that_failed_under_an_earlier_epoch_do_not_count() {
    let old = |n| allocated(planned(allocation(n), BLUE, Epoch(0)), &[crashed()]);
    let back = rollback().with(|g| {
        g.operation.push(entered(Stage::PolicyCheck));
        g.allocations = vec![old(7), old(8)];
    });
    assert_eq!(back.next(), Step::Do(Act::Plan(planned(allocation(1), BLUE, Epoch(2)))));
}

#[test]
fn an_allocation_that_drains_or_is_gone_is_not_enough() {
    for then in [
        vec![ready(GREEN), Lived::Draining { reason: "x".into(), deadline: None }],
        vec![ready(GREEN), Lived::Stopped { sessions_ended: 0 }],
    ] {
        let leaving = at_policy_check().with(|g| g.allocations = vec![started(&then)]);
        assert!(matches!(leaving.next(), Step::Do(Act::Plan(_))), "{then:?}");
    }
}

#[test]
fn a_ready_allocation_lets_the_route_change_to_the_exact_owner() {
    let prepared = at_policy_check().with(|g| g.allocations = vec![started(&[ready(GREEN)])]);
    let change =
        Change { by: crate::story::THIRD, expected: Epoch(1), owner: owner(GREEN), at: at(1), drain_until: at(31) };
    assert_eq!(prepared.next(), Step::Do(Act::ChangeRoute(route_owner::Command::Promote(change), prepared.gates())));
    let judged = prepared.gates().pop().expect("a gate");
    let told = (judged.kind.as_str(), judged.verdict, judged.evidence.contains(&GREEN_BYTES.to_string()));
    assert_eq!(told, ("allocations", Verdict::Pass, true), "on record with the observed digest: {judged:?}");
}

#[test]
fn a_ready_allocation_of_other_bytes_is_not_enough() {
    let other = Lived::Ready { digest: crate::story::BLUE_BYTES, address: "127.0.0.1:7001".into() };
    let wrong = at_policy_check().with(|g| g.allocations = vec![started(&[other])]);
    assert!(matches!(wrong.next(), Step::Do(Act::Plan(_))), "{:?}", wrong.next());
}

#[test]
fn a_rollback_changes_the_route_with_its_reason() {
    let prepared = rollback().with(|g| {
        g.operation.push(entered(Stage::PolicyCheck));
        g.allocations = vec![allocated(planned(allocation(1), BLUE, Epoch(0)), &[ready(BLUE)])];
    });
    let Step::Do(Act::ChangeRoute(route_owner::Command::RollBack { change, reason }, _)) = prepared.next() else {
        panic!("{:?}", prepared.next())
    };
    assert_eq!((change.expected, change.owner, reason), (Epoch(2), owner(BLUE), because("checkout is broken")));
}

#[test]
fn a_rollback_without_a_reason_changes_no_route() {
    let silent = rollback().with(|g| {
        let requested = requested(Kind::Rollback, Epoch(2));
        g.operation = vec![Gone::Requested(Requested { reason: None, ..requested }), entered(Stage::PolicyCheck)];
        g.allocations = vec![allocated(planned(allocation(1), BLUE, Epoch(0)), &[ready(BLUE)])];
    });
    assert_eq!(silent.fails(), Some(("REASON_MISSING".into(), false)));
}

#[test]
fn a_route_is_not_changed_after_the_deadline() {
    let late = at_policy_check().with(|g| {
        g.allocations = vec![started(&[ready(GREEN)])];
        g.now = at(60);
    });
    assert_eq!(late.fails(), Some(("DEADLINE_PASSED".into(), false)));
}

#[test]
fn a_wish_to_cancel_is_granted_until_the_route_has_changed() {
    let wish = |g: &mut Given| g.operation.push(Gone::CancelRequested { reason: because("too early") });
    assert_eq!(promotion().with(wish).next(), Step::Cancel);
    assert_eq!(at_policy_check().with(wish).next(), Step::Cancel);
    assert!(matches!(propagating().with(wish).next(), Step::Enter(Stage::Healthy, _)));
}

#[test]
fn the_gates_shown_before_are_the_gates_judged_after() {
    let world = promotion();
    let Step::Enter(Stage::PolicyCheck, judged) = world.next() else { panic!("{:?}", world.next()) };
    let shown = world.gates();
    assert_eq!(shown, judged.gates);
}

#[test]
fn the_route_changes_only_once_as_many_are_ready_as_are_wanted() {
    let checked = || promotion().with(|given| given.operation.push(entered(Stage::PolicyCheck)));
    let runs = |n| allocated(planned(allocation(n), GREEN, Epoch(1)), &[ready(GREEN)]);
    let waits = |n| allocated(planned(allocation(n), GREEN, Epoch(1)), &[]);
    let stepped = |allocations: Vec<Allocation>| {
        let given = checked().with(|given| (given.replicas, given.allocations) = (Replicas(3), allocations));
        match given.next() {
            Step::Do(Act::Plan(_)) => "plan",
            Step::Do(Act::ChangeRoute(..)) => "change the route",
            Step::Wait(_) => "wait",
            Step::Enter(..) | Step::Fail(_) | Step::Cancel | Step::Done => "else",
        }
    };
    assert_eq!(stepped(vec![]), "plan");
    assert_eq!(stepped(vec![runs(1), waits(2)]), "plan");
    assert_eq!(stepped(vec![runs(1), waits(2), waits(3)]), "wait");
    assert_eq!(stepped(vec![runs(1), runs(2), waits(3)]), "wait");
    assert_eq!(stepped(vec![runs(1), runs(2), runs(3)]), "change the route");
    let late = checked().with(|given| {
        (given.replicas, given.allocations, given.now) = (Replicas(3), vec![runs(1), runs(2)], at(60));
    });
    let Step::Fail(failure) = late.next() else { panic!("a definite end at the deadline") };
    assert_eq!((failure.expected.as_deref(), failure.actual.as_deref()), (Some("3 ready"), Some("2 ready")));
}
