//! `./dev bench rules`: how long a decision takes, and how long it takes to fold a stream of 10,000 events, in memory and from
//! the log as it is stored. It prints figures and judges nothing.

mod streams;

use rhone_domain::{
    aggregate::Aggregate,
    allocation::{self, Allocation},
    environment::Replicas,
    ids::{AllocationId, OperationId},
    migrations::Migrations,
    numbers::{EnvSet, Epoch},
    operation::{self, Evidence, Kind, Operation, Stage},
    route_owner::{self, Change, RouteOwner},
    scheduling::{Lane, orders},
};
use rhone_tests::{
    figure::Printer,
    rules::{self, Ask, Attached, DRAIN, HOST, Look, at, because, folded, owner, requested},
};
use std::{hint::black_box, time::Instant};
use uuid::Uuid;

/// How often each decision is asked for.
const DECISIONS: u32 = 200_000;

fn main() {
    let print = Printer::new("rules");
    routes(&print);
    operations(&print);
    allocations(&print);
    managers(&print);
    streams::folds(&print);
}

/// Prints nanoseconds per call, after a tenth of them to warm up.
fn per_call<T>(print: &Printer, name: &str, call: impl Fn() -> T) {
    for _ in 0..DECISIONS / 10 {
        black_box(call());
    }
    let begun = Instant::now();
    for _ in 0..DECISIONS {
        black_box(call());
    }
    let nanos = begun.elapsed().as_secs_f64() * 1e9 / f64::from(DECISIONS);
    print.figure(name, nanos, "ns", DECISIONS as usize, None);
}

fn id(n: u128) -> OperationId {
    OperationId(Uuid::from_u128(n))
}

fn change(by: u128, expected: u64, to: usize) -> Change {
    Change { by: id(by), expected: Epoch(expected), owner: owner(to), at: at(0), drain_until: at(30) }
}

/// Deployment 0 owned the route, deployment 1 owns it.
fn route() -> RouteOwner {
    let mut route = RouteOwner::default();
    let promote = |by, expected, to| route_owner::Command::Promote(change(by, expected, to));
    for command in [route_owner::Command::Open(rules::opened(0)), promote(1, 0, 0), promote(2, 1, 1)] {
        let events = route.decide(command).expect("a story that is allowed");
        for event in &events {
            route.apply(event);
        }
    }
    route
}

fn routes(print: &Printer) {
    let route = route();
    let promote = |expected| route_owner::Command::Promote(change(3, expected, 2));
    let back = || route_owner::Command::RollBack { change: change(3, 2, 0), reason: because("it is broken") };
    per_call(print, "decide: a promotion moves the route", || route.decide(promote(2)).is_ok());
    per_call(print, "decide: a stale promotion is refused", || route.decide(promote(1)).is_err());
    per_call(print, "decide: a rollback moves, pins and quarantines", || route.decide(back()).is_ok());
}

fn ask(kind: Kind) -> Ask {
    let (env_set, expected, deadline) = (EnvSet(0), Epoch(2), at(60));
    Ask { id: id(3), kind, environment: 0, deployment: 2, env_set, expected, deadline }
}

fn asked(stages: &[Stage]) -> Operation {
    let mut events = vec![operation::Event::Requested(requested(&ask(Kind::Promotion)))];
    let entered = |stage: &Stage| operation::Event::StageEntered { stage: *stage, evidence: Evidence::default() };
    events.extend(stages.iter().map(entered));
    folded(&events)
}

fn operations(print: &Printer) {
    let operation = asked(&[]);
    let enter = |stage| operation::Command::Enter { stage, evidence: Evidence::default() };
    per_call(print, "decide: an operation enters a stage", || operation.decide(enter(Stage::PolicyCheck)).is_ok());
    per_call(print, "decide: a skipped stage is refused", || operation.decide(enter(Stage::Healthy)).is_err());
}

/// The process manager's next move.
fn next(operation: &Operation, route: &RouteOwner, allocations: &[Allocation]) -> rules::Move {
    rules::next(&Look {
        now: at(1),
        operation,
        owner: route,
        deployment: &rules::validated(2, rules::bytes(2)),
        allocations,
        hosts: &[HOST],
        edges: &[],
        left: &[],
        migrations: &Migrations::default(),
        attached: &Attached::default(),
        new_allocation: AllocationId(Uuid::from_u128(7)),
    })
}

/// An allocation of deployment 2, as the process manager plans it.
fn planned() -> Allocation {
    let rules::Move::Plan(planned) = next(&asked(&[Stage::PolicyCheck]), &route(), &[]) else {
        unreachable!("without an allocation one is planned")
    };
    folded(&[allocation::Event::Planned(planned)])
}

fn ready() -> Allocation {
    let mut allocation = planned();
    allocation.apply(&allocation::Event::Ready { digest: rules::bytes(2), address: "127.0.0.1:7001".into() });
    allocation
}

fn allocations(print: &Printer) {
    let allocation = planned();
    let report = || allocation::Command::ReportReady { digest: rules::bytes(2), address: "127.0.0.1:7001".into() };
    per_call(print, "decide: an allocation is ready", || allocation.decide(report()).is_ok());
}

fn managers(print: &Printer) {
    let (new, checked, route, ready) = (asked(&[]), asked(&[Stage::PolicyCheck]), route(), ready());
    let allocations = [ready];
    per_call(print, "next: judge the gates of a promotion", || next(&new, &route, &[]));
    per_call(print, "next: change the route", || next(&checked, &route, &allocations));
    let many = vec![allocations[0].clone(); 10];
    let lane = Lane {
        now: at(1),
        owner: &route,
        drain: DRAIN,
        replicas: Replicas::default(),
        leaving: &[],
        proving: &[],
        lost: &[],
        busy: &[],
        allocations: &many,
        failures: &[],
        awaited: &[],
    };
    per_call(print, "orders: a lane of 10 allocations", || orders(&lane));
}
