//! The real rules, asked through pages: decide and apply of every noun, the process manager, the gates, and what an edge makes
//! of an entry. Nothing is decided here; what is decided is kept, and brought to a form without times, texts and proofs that
//! no later decision reads. The trap: a rule that was written again for the model.

mod surroundings;

use crate::{
    book::{Answers, Book, NONE, Page},
    sins::Sin,
    state::{Clock, EDGES, PLACES},
};
use rhone_domain::{
    aggregate::Aggregate,
    allocation::Allocation,
    deployment::Deployment,
    digest::Digest,
    edge_status::{EdgeStatus, Observation},
    feed::{Content, Entry, Route},
    ids::{AllocationId, Incarnation, OperationId, RegionId},
    migrations::Migrations,
    numbers::{EnvSet, Epoch, FeedSeq, Fence},
    operation::{self, Evidence, Kind, Operation, Stage},
    route_owner::{self, RouteOwner},
};
use rhone_edge::{Applied, Known, Position, judge};
use rhone_tests::rules::{
    Ask, Attached, HOST, Look, Move, at, because, bytes, judged, next, owner, reported, requested, validated,
};
use std::sync::Arc;
use uuid::Uuid;

/// When every operation of the model ends, in seconds.
const DEADLINE: i64 = 60;

/// Who changed a route is told by name only while it works on.
const SOMEBODY: OperationId = OperationId(Uuid::nil());

/// The books, and what the rules have answered so far.
#[derive(Default)]
pub(crate) struct Nouns {
    pub(crate) sin: Option<Sin>,
    pub(crate) routes: Book<RouteOwner>,
    pub(crate) operations: Book<Operation>,
    pub(crate) allocations: Book<Allocation>,
    pub(crate) migrations: Book<Migrations>,
    pub(crate) moves: Book<Move>,
    pub(crate) contents: Book<Route>,
    asked: Answers<(usize, usize, Kind, usize, u8), Page>,
    steps: Answers<Question, Page>,
    told: Answers<(Page, Page), Page>,
    late: Answers<(Page, u8), Page>,
    route_changes: Answers<(Page, Page, Page), Option<RouteChanged>>,
    orders: Answers<(Page, Order), Option<Changed>>,
    forgotten: Answers<(Page, usize, usize), Page>,
    published: Answers<Page, Page>,
    heard: Answers<(Page, Page), bool>,
    answering: Answers<(Page, usize, usize), bool>,
    plans: Answers<(usize, usize), Page>,
    ordered: Answers<(Page, usize, usize), Page>,
    reports: Answers<(Page, Report), Page>,
    ran: Answers<(Page, usize, u8), Page>,
}

/// A route after a change, and what happened.
#[derive(Clone)]
pub(crate) struct Changed {
    pub(crate) route: Page,
    pub(crate) events: Arc<Vec<route_owner::Event>>,
}

/// The same with the operation that did it, which went on in the same append.
#[derive(Clone)]
pub(crate) struct RouteChanged {
    pub(crate) changed: Changed,
    pub(crate) operation: Page,
}

/// What users order a route besides a change of owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Order {
    Freeze,
    Unfreeze,
    ReleasePin,
}

/// What a runner says of an allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Report {
    /// It answers, with the bytes that were ordered.
    ComesUp,
    /// It will not run, or no longer.
    Fails,
}

/// All that a worker looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Question {
    pub(crate) operation: Page,
    pub(crate) deployment: usize,
    pub(crate) route: Page,
    pub(crate) allocations: [Page; PLACES],
    /// Those of the same deployment in the other environment, which are none of its business.
    pub(crate) elsewhere: [Page; PLACES],
    pub(crate) migrations: Page,
    pub(crate) clock: Clock,
    /// What each edge serves here, and whether it answers.
    pub(crate) served: [(Page, bool); EDGES],
}

/// The name of the operation in a slot.
pub(crate) fn operation_id(lane: usize, slot: usize) -> OperationId {
    OperationId(Uuid::from_u128(0x0b00 + 0x10 * lane as u128 + slot as u128))
}

fn told<A: Aggregate>(noun: &A, command: A::Command) -> Result<A, A::Rejection> {
    let events = noun.decide(command)?;
    let mut after = noun.clone();
    for event in &events {
        after.apply(event);
    }
    Ok(after)
}

impl Nouns {
    /// Empty books, for whoever commits this sin or none.
    pub(crate) fn new(sin: Option<Sin>) -> Self {
        Self { sin, ..Self::default() }
    }

    /// An operation as it is asked for, or none if a gate is closed: the API judges what the worker judges again.
    pub(crate) fn request(
        &self,
        (lane, slot): (usize, usize),
        kind: Kind,
        deployment: usize,
        epoch: u8,
        mut look: Question,
    ) -> Option<Page> {
        let page = self.asked.ask((lane, slot, kind, deployment, epoch), |_| {
            let (id, expected, deadline) = (operation_id(lane, slot), Epoch(epoch.into()), at(DEADLINE));
            let env_set = EnvSet(0);
            let ask = Ask { id, kind, environment: lane, deployment, env_set, expected, deadline };
            let command = operation::Command::Request(requested(&ask));
            self.operations.enter(told(&Operation::default(), command).expect("every rollback here has a reason"))
        });
        look.operation = page;
        let step = self.next(look);
        matches!(*self.moves.read(step), Move::Enter(Stage::PolicyCheck, _)).then_some(page)
    }

    /// The page of the next step; none if it waits.
    pub(crate) fn next(&self, question: Question) -> Page {
        self.steps.ask(question, |asked| {
            let route = self.seen(&self.routes.read(asked.route));
            let operation = self.operations.read(asked.operation);
            let mut pages = asked.allocations.to_vec();
            if self.sin == Some(Sin::PreviewAllocationCounts) {
                pages.extend(asked.elsewhere);
            }
            let known = pages.iter().filter(|page| **page != NONE);
            let mut allocations =
                known.map(|page| Allocation::clone(&self.allocations.read(*page))).collect::<Vec<_>>();
            if self.sin == Some(Sin::PreviewAllocationCounts) {
                let change = operation.requested.as_ref().and_then(|requested| requested.work.route_change());
                let here = change.expect("it changes a route").environment;
                allocations.iter_mut().filter_map(|one| one.planned.as_mut()).for_each(|one| one.environment = here);
            }
            let edges = (0..EDGES).map(|n| self.status(n, asked.served[n])).collect::<Vec<_>>();
            let now = at(if asked.clock == Clock::InTime { 1 } else { DEADLINE + 1 });
            let ran = self.migrations.read(asked.migrations);
            let look = Look {
                now,
                operation: &operation,
                owner: &route,
                deployment: &deployment_of(asked.deployment),
                allocations: &allocations,
                hosts: &[HOST],
                edges: &edges,
                left: &[],
                migrations: &ran,
                attached: &Attached::default(),
                new_allocation: AllocationId(Uuid::nil()),
            };
            match next(&self.with_one_gate(&look)) {
                Move::Wait(_) => NONE,
                step => self.moves.enter(bare(step)),
            }
        })
    }

    /// With the sin: what the state gate says goes for the database too.
    fn with_one_gate<'a>(&self, look: &Look<'a>) -> Look<'a> {
        static NOTHING_RAN: Migrations = Migrations { ran: Vec::new(), undone: Vec::new() };
        let open = || judged(look).iter().any(|one| one.gate.kind == "vango_state" && one.refusal.is_none());
        if self.sin == Some(Sin::DatabaseGateMerged) && open() {
            return Look { migrations: &NOTHING_RAN, ..*look };
        }
        *look
    }

    /// The route, as whoever commits a sin sees it.
    fn seen(&self, route: &RouteOwner) -> RouteOwner {
        let mut seen = route.clone();
        if self.sin == Some(Sin::PinIgnored) {
            seen.pin = None;
        }
        seen
    }

    /// What an edge reports of the route that it serves.
    fn status(&self, n: usize, (page, answers): (Page, bool)) -> EdgeStatus {
        let route = (page != NONE).then(|| self.contents.read(page));
        let seen = route.and_then(|route| {
            let owner = route.owner.as_ref()?;
            Some(Observation {
                environment: route.environment,
                epoch: route.epoch,
                deployment: owner.deployment,
                allocation: None,
                digest: answers.then_some(owner.artifact),
                status: answers.then_some(200),
                at: at(0),
                elsewhere: None,
            })
        });
        reported(n, seen.into_iter().collect(), at(0))
    }

    /// The operation after a step of its own; the same page if the step is refused, or nothing happens.
    pub(crate) fn tell(&self, operation: Page, step: Page) -> Page {
        self.told.ask((operation, step), |_| {
            let command = match &*self.moves.read(step) {
                Move::Enter(stage, evidence) => operation::Command::Enter { stage: *stage, evidence: evidence.clone() },
                Move::Fail(failure) => operation::Command::Fail(failure.clone()),
                Move::Cancel => operation::Command::Cancel,
                Move::Plan(_) | Move::ChangeRoute(_) | Move::Wait(_) | Move::Done => return operation,
            };
            told(&*self.operations.read(operation), command).map_or(operation, |after| self.operations.enter(after))
        })
    }

    /// The operation with a late report on record.
    pub(crate) fn record_late(&self, operation: Page, attempt: u8) -> Page {
        self.late.ask((operation, attempt), |_| {
            let command =
                operation::Command::RecordLateReport { attempt: Fence(attempt.into()), report: "late".to_owned() };
            told(&*self.operations.read(operation), command).map_or(operation, |after| self.operations.enter(after))
        })
    }

    /// The one append that changes a route: `judged_on` is the route that was read, `route` the one that stands in the log,
    /// and only a sin tells them apart.
    pub(crate) fn change_route(
        &self,
        operation: Page,
        step: Page,
        judged_on: Page,
        route: Page,
    ) -> Option<RouteChanged> {
        let work_out = |judged_on: Page| {
            let Move::ChangeRoute(command) = &*self.moves.read(step) else { return None };
            let decided = self.seen(&self.routes.read(judged_on)).decide(command.clone()).ok()?;
            let changed = self.applied(route, decided);
            let evidence = Evidence { epoch: Some(self.routes.read(changed.route).epoch), ..Evidence::default() };
            let mut after = Operation::clone(&self.operations.read(operation));
            for (stage, evidence) in [(Stage::RouteCas, evidence), (Stage::EdgePropagating, Evidence::default())] {
                after = told(&after, operation::Command::Enter { stage, evidence }).ok()?;
            }
            Some(RouteChanged { changed, operation: self.operations.enter(after) })
        };
        if judged_on == route {
            return self.route_changes.ask((operation, step, route), |_| work_out(route));
        }
        work_out(judged_on)
    }

    fn applied(&self, route: Page, events: Vec<route_owner::Event>) -> Changed {
        let mut after = RouteOwner::clone(&self.routes.read(route));
        for event in &events {
            after.apply(event);
        }
        if let Some(pin) = &mut after.pin {
            pin.by = SOMEBODY;
        }
        Changed { route: self.routes.enter(after), events: Arc::new(events) }
    }

    /// What becomes of an order of users.
    pub(crate) fn order(&self, route: Page, order: Order) -> Option<Changed> {
        self.orders.ask((route, order), |_| {
            let reason = because("a user said so");
            let command = match order {
                Order::Freeze => route_owner::Command::Freeze { reason },
                Order::Unfreeze => route_owner::Command::Unfreeze { reason },
                Order::ReleasePin => route_owner::Command::ReleasePin { reason },
            };
            let events = self.routes.read(route).decide(command).ok()?;
            (!events.is_empty()).then(|| self.applied(route, events))
        })
    }

    /// The route once nobody works on the operation in this slot any more.
    pub(crate) fn forget(&self, route: Page, lane: usize, slot: usize) -> Page {
        self.forgotten.ask((route, lane, slot), |_| {
            let mut after = RouteOwner::clone(&self.routes.read(route));
            if after.by == Some(operation_id(lane, slot)) {
                after.by = Some(SOMEBODY);
            }
            self.routes.enter(after)
        })
    }

    /// What the edges are told of a route.
    pub(crate) fn publish(&self, route: Page) -> Page {
        let content = |page: &Page| self.routes.read(*page).route().map_or(NONE, |route| self.contents.enter(route));
        self.published.ask(route, content)
    }

    /// Whether an edge that serves `held` takes `new` over. It comes in its right place; whether it is an old truth is the
    /// question.
    pub(crate) fn takes(&self, held: Page, new: Page) -> bool {
        self.heard.ask((held, new), |_| {
            let incarnation = Incarnation(Uuid::from_u128(1));
            let position = Position { incarnation, seq: FeedSeq(0), digest: Digest::ZERO };
            let (content, signature) = (String::new(), String::new());
            let (region, seq) = (RegionId(Uuid::nil()), FeedSeq(1));
            let entry =
                Entry { incarnation, region, seq, prev: Digest::ZERO, digest: Digest::ZERO, content, signature };
            let held = (held != NONE).then(|| Content::Route(Route::clone(&self.contents.read(held))));
            let new = Content::Route(Route::clone(&self.contents.read(new)));
            let known = Known { held: held.as_ref(), floor: None };
            judge(Some(&position), known, &entry, &new) == Applied::Apply
        })
    }
}

/// A change of owner before the story of the model begins.
pub(crate) fn history(of: usize, expected: Epoch) -> route_owner::Command {
    let by = OperationId(Uuid::from_u128(0xf000 + u128::from(expected.0)));
    route_owner::Command::Promote(route_owner::Change { by, expected, owner: owner(of), at: at(0), drain_until: at(0) })
}

fn deployment_of(n: usize) -> Deployment {
    validated(n, bytes(n))
}

/// A move without what no later decision reads: judged gates, proofs, and words.
fn bare(step: Move) -> Move {
    match step {
        Move::Enter(stage, evidence) => {
            Move::Enter(stage, Evidence { gates: Vec::new(), edges: Vec::new(), ..evidence })
        }
        Move::Fail(failure) => Move::Fail(operation::Failure {
            code: failure.code,
            message: String::new(),
            expected: None,
            actual: None,
            route_changed: failure.route_changed,
        }),
        Move::ChangeRoute(_) | Move::Plan(_) | Move::Cancel | Move::Wait(_) | Move::Done => step,
    }
}
