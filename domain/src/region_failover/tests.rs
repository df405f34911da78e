//! Whole failovers; each gate; and what each of the two regions' edges must have said.

mod sessions;
mod terms;

use super::*;
use crate::{
    aggregate::{Aggregate, fold},
    allocation::{self, Allocation, Planned, State},
    edge_status::Observation,
    environment::{self, Residency},
    gate::{self, Facts},
    ids::HostId,
    operation::{self, Evidence, Gate, Kind, Operation, Stage, Verdict},
    promotion::{Act, Step, World, next},
    provider_binding::ProviderBindings,
    runs::{Fault, Play, Times, at_each_step, run, succeeds},
    story::{
        ALICE, BERGEN, BLUE, BLUE_BYTES, FIRST, LYON, NORTH_EDGE, PRODUCTION, SOUTH_EDGE, THIRD, allocation, at,
        because, bergen, edge, enabled, facts, opened, owner, planned, production, promotable, ready, saw,
    },
};
use uuid::Uuid;

const FJORD_HOST: HostId = HostId(Uuid::from_u128(0xf705));

/// What the edges do otherwise than they should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edges {
    Obey,
    /// None of the former region reports: it is down.
    FormerRegionDied,
    /// Those of the former region go on as if nothing had happened.
    FormerUnaware,
    /// Those of the new region serve nothing.
    NewSilent,
    /// Nobody is in the new region.
    NoneThere,
}

/// A failover of production from LYON to BERGEN, in memory.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    now: i64,
    edges: Edges,
    environment: Environment,
    route: Vec<route_owner::Event>,
    allocations: Vec<(Planned, Vec<allocation::Event>)>,
    operation: Vec<operation::Event>,
}

fn wish() -> Wish {
    Wish {
        region: BERGEN,
        expected: Some(Epoch(1)),
        sessions: Fate::StartFresh,
        drain: DrainPolicy::default(),
        by: ALICE,
        acknowledgements: vec![Acknowledgement {
            gate: "sessions".into(),
            reason: because("it is down"),
            covers: None,
        }],
        reason: Some(because("the region is down")),
    }
}

fn serving() -> Vec<route_owner::Event> {
    let promoted =
        route_owner::Event::Promoted { by: FIRST, epoch: Epoch(1), owner: owner(BLUE), at: at(0), drain: None };
    vec![route_owner::Event::Opened(opened()), promoted]
}

fn in_two_regions() -> Environment {
    fold(&[environment::Event::Created(production()), environment::Event::RegionEnabled(enabled())])
}

fn asked(wish: Wish) -> Requested {
    let requested = request(THIRD, &fold(&serving()), &in_two_regions(), wish, at(0)).expect("there is a place");
    Requested { deadline: at(60), ..requested }
}

/// BLUE has a ready allocation in LYON, and none in BERGEN.
pub(crate) fn failing_over(edges: Edges) -> Memory {
    Memory {
        now: 0,
        edges,
        environment: in_two_regions(),
        route: serving(),
        allocations: vec![(planned(allocation(9), BLUE, Epoch(0)), vec![ready(BLUE)])],
        operation: vec![operation::Event::Requested(asked(wish()))],
    }
}

impl Memory {
    fn owner(&self) -> RouteOwner {
        fold(&self.route)
    }

    fn all(&self) -> Vec<Allocation> {
        let lived = |(order, then): &(Planned, Vec<allocation::Event>)| crate::story::allocated(order.clone(), then);
        self.allocations.iter().map(lived).collect()
    }

    /// What the edges of the two regions say now: the new one's first.
    fn seen(&self) -> (Vec<EdgeStatus>, Vec<EdgeStatus>) {
        let owner = self.owner();
        let moved = owner.place() == Some(bergen());
        let proof = saw(BLUE, owner.epoch);
        let gone =
            Observation { elsewhere: Some(BERGEN), digest: None, status: None, allocation: None, ..proof.clone() };
        let new = if moved && self.edges != Edges::NewSilent { vec![proof.clone()] } else { vec![] };
        let old = if moved && self.edges != Edges::FormerUnaware { gone } else { saw(BLUE, Epoch(1)) };
        let new = if self.edges == Edges::NoneThere { vec![] } else { vec![edge(NORTH_EDGE, new)] };
        let old = if self.edges == Edges::FormerRegionDied { vec![] } else { vec![edge(SOUTH_EDGE, vec![old])] };
        (new, old)
    }

    fn judge(&self, command: operation::Command) -> Option<Vec<operation::Event>> {
        fold::<Operation>(&self.operation).decide(command).ok()
    }

    fn move_route(&mut self, command: route_owner::Command, gates: Vec<Gate>) -> Option<()> {
        let route = self.owner().decide(command).ok()?;
        let epoch = fold::<RouteOwner>(self.route.iter().chain(&route)).epoch;
        let mut operation = fold::<Operation>(&self.operation);
        let mut entered = vec![];
        let evidence = Evidence { epoch: Some(epoch), gates, ..Evidence::default() };
        for (stage, evidence) in [(Stage::RouteCas, evidence), (Stage::EdgePropagating, Evidence::default())] {
            let events = operation.decide(operation::Command::Enter { stage, evidence }).ok()?;
            for event in &events {
                operation.apply(event);
            }
            entered.extend(events);
        }
        self.route.extend(route);
        self.operation.extend(entered);
        Some(())
    }

    fn append(&mut self, step: &Step) -> Option<()> {
        let command = match step {
            Step::Do(Act::ChangeRoute(command, gates)) => return self.move_route(command.clone(), gates.clone()),
            Step::Do(Act::Plan(order)) => {
                if self.allocations.iter().all(|(known, _)| known.id != order.id) {
                    self.allocations.push((order.clone(), vec![]));
                }
                return Some(());
            }
            Step::Enter(stage, evidence) => operation::Command::Enter { stage: *stage, evidence: evidence.clone() },
            Step::Fail(failure) => operation::Command::Fail(failure.clone()),
            Step::Cancel => operation::Command::Cancel,
            Step::Wait(_) | Step::Done => return None,
        };
        let events = self.judge(command)?;
        self.operation.extend(events);
        Some(())
    }

    /// The one that runs in BERGEN.
    fn there(&self) -> Vec<(Option<State>, Place)> {
        let placed = |one: &Allocation| Some((one.state, one.planned.as_ref()?.place()));
        self.all().iter().filter_map(placed).filter(|(_, place)| *place == bergen()).collect()
    }
}

impl Play for Memory {
    type Act = Act;

    fn next(&self) -> Step {
        let (operation, owner) = (fold::<Operation>(&self.operation), self.owner());
        let requested = operation.requested.clone().expect("it was asked for");
        let (edges, left) = self.seen();
        look(&requested, &owner, &self.environment, &RuntimeServices::default(), |facts| {
            next(&World {
                now: at(self.now),
                operation: &operation,
                facts: Facts { allocations: &self.all(), ..*facts },
                hosts: &[FJORD_HOST],
                edges: &edges,
                left: &left,
                new_allocation: allocation(self.allocations.len() as u128),
            })
        })
    }

    fn commit(&mut self, step: &Step) -> bool {
        self.append(step).is_some()
    }

    fn pass(&mut self) {
        self.now += 1;
        let there = |(order, _): &&mut (Planned, Vec<allocation::Event>)| order.place() == bergen();
        for (order, lived) in self.allocations.iter_mut().filter(there) {
            let one = crate::story::allocated(order.clone(), lived);
            let report = match one.state {
                Some(State::Planned) => allocation::Command::ReportPulling,
                Some(State::Pulling) => allocation::Command::ReportStarting { digest: BLUE_BYTES },
                Some(State::Starting) => {
                    allocation::Command::ReportReady { digest: BLUE_BYTES, address: "127.0.0.1:7100".into() }
                }
                _ => continue,
            };
            lived.extend(one.decide(report).expect("a report in order"));
        }
    }

    fn outlast(&mut self) {
        self.now = 60;
    }

    fn now(&self) -> DateTime<Utc> {
        at(self.now)
    }

    fn operation(&mut self) -> &mut Vec<operation::Event> {
        &mut self.operation
    }

    fn lengths(&self) -> Vec<usize> {
        let lived = self.allocations.iter().map(|(_, lived)| lived.len());
        [self.operation.len(), self.route.len(), self.allocations.len()].into_iter().chain(lived).collect()
    }

    fn left(&self) -> String {
        let there = self.owner().place() == Some(bergen());
        format!("{} at {}", if there { "bergen" } else { "lyon" }, self.owner().epoch)
    }
}

fn look<T>(
    requested: &Requested,
    owner: &RouteOwner,
    environment: &Environment,
    services: &RuntimeServices,
    look: impl FnOnce(&Facts<'_>) -> T,
) -> T {
    let (artifact, deployment) = (facts(), promotable(BLUE));
    look(&Facts {
        requested,
        change: requested.work.route_change().expect("it changes a route"),
        owner,
        deployment: &deployment,
        environment,
        migrations: &crate::migrations::Migrations::default(),
        next: Some(&artifact),
        present: Some(&artifact),
        providers: &ProviderBindings::default(),
        services,
        variables: &crate::variables::Variables::default(),
        allocations: &[],
    })
}

fn gates(requested: &Requested, owner: &RouteOwner, environment: &Environment) -> (Vec<Gate>, Option<&'static str>) {
    look(requested, owner, environment, &RuntimeServices::default(), |facts| {
        let judged = gate::judge(facts);
        (gate::gates(&judged), gate::closed(&judged).map(|refusal| refusal.code))
    })
}

fn refused(wish: Wish) -> Option<&'static str> {
    gates(&asked(wish), &fold(&serving()), &in_two_regions()).1
}

#[test]
fn a_failover_succeeds_with_every_step_once_or_twice_and_says_what_sessions_get() {
    for edges in [Edges::Obey, Edges::FormerRegionDied] {
        let run = succeeds(&failing_over(edges), Stage::Healthy);
        let (owner, world) = (run.world.owner(), &run.world);
        assert_eq!((owner.epoch, owner.place()), (Epoch(2), Some(bergen())), "{edges:?}");
        assert_eq!(owner.owner, fold::<RouteOwner>(&serving()).owner, "the very same deployment, bytes and variables");
        assert_eq!(world.there(), [(Some(State::Ready), bergen())], "one was started there and awaited");
        let ended = fold::<Operation>(&world.operation);
        assert_eq!((ended.evidence.sessions, ended.evidence.digest), (Some(Fate::StartFresh), Some(BLUE_BYTES)));
        let judged = ended.evidence.gates.iter().find(|gate| gate.kind == "allocations").expect("it is on record");
        assert_eq!(judged.verdict, Verdict::Pass, "judged again where the route moved: {judged:?}");
    }
}

#[test]
fn a_ready_allocation_of_the_former_region_does_not_stand_in_for_one_of_the_new() {
    let mut memory = failing_over(Edges::Obey);
    let entered = memory.next();
    assert!(memory.commit(&entered), "policy_check");
    let Step::Do(Act::Plan(order)) = memory.next() else { panic!("{:?}", memory.next()) };
    assert_eq!((order.place(), order.host, order.min_epoch), (bergen(), FJORD_HOST, Epoch(2)));
}

#[test]
fn an_outage_or_a_wish_to_cancel_at_any_step_ends_definitely_and_the_route_has_moved_or_not() {
    let memory = failing_over(Edges::Obey);
    let wishes = at_each_step(&memory, Fault::WishToCancel);
    for (_, run) in wishes.into_iter().chain(at_each_step(&memory, Fault::Outage)) {
        let moved = run.world.owner().place() == Some(bergen());
        let stage = run.end.stage;
        assert_eq!(moved, stage == Stage::Healthy, "struck at {:?}, ended {stage}", run.struck);
    }
}

#[test]
fn edges_of_either_region_that_do_not_follow_are_named() {
    let ends = |edges| {
        let mut memory = failing_over(edges);
        for _ in 0..200 {
            match memory.next() {
                Step::Done => break,
                Step::Wait(_) => memory.pass(),
                step @ (Step::Enter(..) | Step::Do(_) | Step::Fail(_) | Step::Cancel) => assert!(memory.commit(&step)),
            }
        }
        fold::<Operation>(&memory.operation).failure.map(|failure| (failure.code, failure.route_changed))
    };
    assert_eq!(ends(Edges::FormerUnaware), Some(("FORMER_EDGES_NOT_CONVERGED".into(), true)));
    assert_eq!(ends(Edges::NewSilent), Some(("EDGES_NOT_CONVERGED".into(), true)));
    assert_eq!(ends(Edges::NoneThere), Some(("NO_LIVE_EDGE".into(), true)));
    let end = run(failing_over(Edges::Obey), Times::Once, Fault::Lost(0)).end;
    assert_eq!(end.failure, None);
}

#[test]
fn the_gates_of_a_failover_and_what_closes_each() {
    let (owner, environment) = (fold::<RouteOwner>(&serving()), in_two_regions());
    let (all, closed) = gates(&asked(wish()), &owner, &environment);
    let kinds = all.iter().map(|gate| gate.kind.as_str()).collect::<Vec<_>>();
    let expected = [
        "artifact",
        "route_epoch",
        "route_policy",
        "residency",
        "region",
        "provider_bindings",
        "runtime_services",
        "variables",
        "sessions",
        "allocations",
    ];
    assert_eq!((kinds, closed), (expected.to_vec(), None));
    assert_eq!(refused(Wish { expected: Some(Epoch(0)), ..wish() }), Some("STALE_EPOCH"));
    assert_eq!(refused(Wish { region: LYON, ..wish() }), Some("IS_THERE"));
    let outside = Environment { residency: Residency([LYON].into()), ..environment.clone() };
    assert_eq!(gates(&asked(wish()), &owner, &outside).1, Some("RESIDENCY_VIOLATION"));
    let disabled = Environment { regions: [].into(), ..environment.clone() };
    assert_eq!(gates(&asked(wish()), &owner, &disabled).1, Some("REGION_NOT_ENABLED"), "meanwhile");
    let none = request(THIRD, &owner, &disabled, wish(), at(0)).expect_err("no cell is known there");
    assert_eq!((none.code(), none.field()), ("REGION_NOT_ENABLED", Some("regionId")));
    let held = [serving(), vec![route_owner::Event::Frozen { reason: because("sale") }]].concat();
    assert_eq!(gates(&asked(wish()), &fold(&held), &environment).1, None, "a freeze holds back other bytes, not these");
    assert_eq!(asked(wish()).kind(), Kind::RegionFailover);
}

#[test]
fn what_is_asked_reads_back_as_it_was_written() {
    let asked = asked(wish());
    let written = serde_json::to_value(&asked).expect("it is written");
    assert_eq!(
        (written["kind"].as_str(), &written["environment"]),
        (Some("region_failover"), &PRODUCTION.0.to_string().into())
    );
    assert_eq!(serde_json::from_value::<Requested>(written).expect("it is read"), asked);
}
